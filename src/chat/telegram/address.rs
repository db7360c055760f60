//! An address on Telegram in the bot's own form: `-100123`, or `-100123/45` for a topic of a group.

use crate::notify::retry::SendError;
use teloxide_core::types::{ChatId, MessageId, ThreadId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The group, channel or private chat.
    pub chat: ChatId,
    /// The topic of a group; `None` for a chat without topics or its main part.
    pub topic: Option<ThreadId>,
}

impl Address {
    pub(super) fn read(text: &str) -> Result<Self, SendError> {
        let (chat, topic) =
            text.split_once('/').map_or((text, None), |(chat, topic)| (chat, Some(topic)));
        let topic = topic.map(|topic| topic.parse().map(|id| ThreadId(MessageId(id)))).transpose();
        match (chat.parse(), topic) {
            (Ok(chat), Ok(topic)) => Ok(Self { chat: ChatId(chat), topic }),
            _ => Err(SendError::ChatUnreachable { why: format!("`{text}` is no Telegram chat") }),
        }
    }

    pub(super) fn written(self) -> String {
        match self.topic {
            Some(ThreadId(MessageId(topic))) => format!("{}/{topic}", self.chat.0),
            None => self.chat.0.to_string(),
        }
    }
}

pub(super) fn message_id(text: &str) -> Result<MessageId, SendError> {
    text.parse().map(MessageId).map_err(|_| SendError::MessageGone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["42", "-100123", "-100123/45"] {
            assert_eq!(Address::read(text).unwrap().written(), text);
        }
        assert!(Address::read("@news").is_err());
    }
}
