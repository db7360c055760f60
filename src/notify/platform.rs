//! The interface between the outbox and a chat platform. Each platform implements it in `chat/`.

use super::pace::{Limit, SharedPace};
use super::retry::SendError;
use crate::domain::{Chat, Timestamp};
use crate::render::Card;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// A message that is handed over to a platform.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The chat that receives it.
    pub chat: Chat,
    /// The content, not yet in the platform's markup.
    pub card: Card,
    /// The delivery's id. A platform with idempotent sending uses it as the key.
    pub key: i64,
    /// The time of an earlier attempt at this very message that may have arrived, if there was one.
    pub in_doubt: Option<Timestamp>,
    /// The earlier message to which it is a reply, if any.
    pub answers: Option<MessageId>,
    /// The role or person to mention, in the platform's own notation: `<@&123>`, `@ops`.
    pub mention: Option<String>,
    /// Whether it notifies its readers.
    pub volume: Volume,
    /// Plain after the platform could not read the markup of an earlier attempt.
    pub form: Form,
}

/// Whether a message notifies its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// With the platform's usual notification.
    Loud,
    /// Without a sound: a change in an incident that the chat already knows of.
    Silent,
}

/// Whether a message is written with the platform's markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With markup, links and buttons.
    Rich,
    /// As plain text, which the platform cannot fail to parse.
    Plain,
}

/// A new content for a message that was sent earlier.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The chat that holds the message.
    pub chat: Chat,
    /// The message to edit.
    pub message: MessageId,
    /// The content that replaces the old one.
    pub card: Card,
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The id that the platform gave it.
    pub message: MessageId,
    /// The pause in milliseconds before the next message to that chat, as the platform's answer
    /// asks for it; 0 if it does not.
    pub rest_ms: i64,
}

/// The platform's id of a message.
pub type MessageId = String;

/// The boxed future of a send or an edit.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, SendError>> + Send + 'a>>;

/// Whether a platform can edit messages that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cards {
    /// An incident has one card per chat, which is edited as the incident goes on.
    Kept,
    /// Nothing can be edited: each change is a message of its own.
    None,
}

/// A chat platform as the outbox uses it. An implementation sends once; it never retries.
pub trait Platform: Send + Sync + fmt::Debug {
    /// Returns its name in the database and the configuration: `console`.
    fn name(&self) -> &'static str;

    /// Returns whether messages can be edited on it.
    fn cards(&self) -> Cards;

    /// Returns the pace that everything sent to this platform shares.
    fn pace(&self) -> SharedPace;

    /// Returns how fast messages may go to this chat.
    fn pace_of(&self, chat: &Chat) -> Limit;

    /// Returns the place for which the platform counts messages together when it limits them: by
    /// default the chat itself.
    fn place_of(&self, chat: &Chat) -> String {
        chat.address.clone()
    }

    /// Returns a description of the chat for a reader outside of it: `a channel`.
    fn place(&self, chat: &Chat) -> String;

    /// Returns the URL that opens the chat, or `None` if it has none. `home` is the id of the
    /// group to which the chat belongs, such as a Discord server.
    fn link(&self, chat: &Chat, home: Option<&str>) -> Option<String>;

    /// Sends one message, once. The outbox retries.
    fn send<'a>(&'a self, message: &'a Outgoing) -> Doing<'a, Sent>;

    /// Replaces the content of a message, once. The outbox retries.
    fn edit<'a>(&'a self, edit: &'a Edit) -> Doing<'a, ()>;
}
