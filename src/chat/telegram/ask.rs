//! A command that somebody typed, or a button that somebody tapped: who asks, what, and the answer.

use super::PLATFORM;
use super::address::Address;
use super::refusal::Refusal;
use super::send::{Message, keyboard, say, words};
use super::updates::Listener;
use crate::clock::Busy;
use crate::command::{Asker, Rank, WORDS};
use crate::notify::platform::{Form, Volume};
use crate::render::Card;
use crate::render::blocks::cut;
use crate::render::telegram::{html, plain};
use std::sync::Arc;
use teloxide_core::payloads::AnswerCallbackQuerySetters as _;
use teloxide_core::prelude::Requester as _;
use teloxide_core::types::{CallbackQuery, Message as Said, MessageId, UserId};

/// Answers of many parts end after so many messages.
const MESSAGES: usize = 5;
/// What Telegram shows at a tap.
const TOAST: usize = 200;
/// An answer that is asked to wait longer than this, all in all, is left out.
const PATIENCE_S: i64 = 10;
/// Somebody else's messages: bots, and people who post as a channel.
const ANONYMOUS_ADMIN: UserId = UserId(1_087_968_824);

/// Answers a message, if it is for us.
pub(super) fn command(listener: Arc<Listener>, message: Said, update: u32) {
    let Some(line) = line(&message, listener.me.username()) else { return };
    let at = Address::of(&message);
    let lines = listener.lines.clone();
    let taken = lines.stand(&at.chat.0.to_string(), async move {
        let asker = listener.asker(&message, update).await;
        let cards = listener.desk.reply(&line, &asker).await;
        listener.answer(at, message.id, &cards).await;
    });
    if !taken {
        tracing::warn!(chat = at.chat.0, "Telegram: too many commands from one chat, some were ignored");
    }
}

/// Answers a tap on a button.
pub(super) fn tap(listener: Arc<Listener>, query: CallbackQuery, update: u32) {
    let Some(message) = query.regular_message().cloned() else {
        tokio::spawn(async move {
            listener.toast(&query, "This message is too old for its buttons; type /history instead.").await;
        });
        return;
    };
    let at = Address::of(&message);
    let lines = listener.lines.clone();
    let (left_out, crowded) = (Arc::clone(&listener), query.clone());
    let taken = lines.stand(&at.chat.0.to_string(), async move {
        let line = query.data.clone().unwrap_or_default();
        let asker = Asker {
            // The message is the bot's own: it says nothing of who taps.
            rank: if message.chat.is_private() { Rank::Admin } else { listener.rank_of(&message, query.from.id).await },
            person: Some(query.from.id.0.to_string()),
            ..asker_at(&message, update)
        };
        let cards = listener.desk.reply(&line, &asker).await;
        let title = cards.first().map(|card| card.title.to_string()).unwrap_or_default();
        if line.starts_with("outage") {
            listener.toast(&query, "").await;
            // The newest change alone: it has the evidence as it is now.
            listener.answer(at, message.id, cards.last().map_or(&[][..], std::slice::from_ref)).await;
        } else {
            listener.toast(&query, &title).await;
        }
    });
    if !taken {
        tokio::spawn(
            async move { left_out.toast(&crowded, "Too many taps here at once: try again in a moment.").await },
        );
    }
}

/// The command in a message, without its slash and our name. None where it is not for us.
fn line(message: &Said, me: &str) -> Option<String> {
    let text = message.text()?.trim();
    let is_forwarded = message.forward_origin().is_some() || message.via_bot.is_some();
    let is_bots = message.from.as_ref().is_some_and(|from| from.is_bot && from.id != ANONYMOUS_ADMIN);
    if is_forwarded || is_bots || text.is_empty() {
        return None;
    }
    let Some(typed) = text.strip_prefix('/') else {
        // Alone with the bot a name is question enough.
        return message.chat.is_private().then(|| format!("status {text}"));
    };
    let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    let word = match word.split_once('@') {
        Some((word, name)) if name.eq_ignore_ascii_case(me) => word,
        Some(_) => return None,
        // In a group an unknown command may be another bot's.
        None if !message.chat.is_private() && !WORDS.contains(&word.to_lowercase().as_str()) && word != "start" => {
            return None;
        }
        None => word,
    };
    Some(format!("{word} {}", rest.trim()))
}

/// Who asks, but for the person.
fn asker_at(message: &Said, update: u32) -> Asker {
    let at = Address::of(message);
    Asker {
        platform: PLATFORM,
        address: at.written(),
        place: if at.topic.is_some() { "this topic" } else { "this chat" }.to_owned(),
        home: at.chat.0.to_string(),
        person: None,
        rank: Rank::Member,
        lacks: Vec::new(),
        request: update.to_string(),
    }
}

impl Listener {
    async fn asker(&self, message: &Said, update: u32) -> Asker {
        let person = message.from.as_ref().filter(|from| from.id != ANONYMOUS_ADMIN);
        Asker {
            rank: self.rank(message, message.from.as_ref().map(|from| from.id)).await,
            person: person.map(|from| from.id.0.to_string()),
            ..asker_at(message, update)
        }
    }

    /// Whether somebody may configure the chat. What cannot be found out is no.
    async fn rank(&self, message: &Said, person: Option<UserId>) -> Rank {
        let chat = &message.chat;
        // Who posts in a channel, or as the group itself, is an admin there.
        let as_the_chat = message.sender_chat.as_ref().is_some_and(|sender| sender.id == chat.id);
        let speaks_for_it = as_the_chat && (chat.is_channel() || person == Some(ANONYMOUS_ADMIN));
        if chat.is_private() || speaks_for_it {
            return Rank::Admin;
        }
        match person {
            Some(person) => self.rank_of(message, person).await,
            None => Rank::Member,
        }
    }

    async fn rank_of(&self, message: &Said, person: UserId) -> Rank {
        let chat = &message.chat;
        match self.telegram.bot.get_chat_member(chat.id, person).await {
            Ok(member) if member.is_privileged() => Rank::Admin,
            Ok(_) => Rank::Member,
            Err(error) => {
                tracing::warn!(chat = chat.id.0, "Telegram: who is an admin there is not known: {}", words(&error));
                Rank::Member
            }
        }
    }

    async fn answer(&self, at: Address, asked: MessageId, cards: &[Card]) {
        let (shown, left) = cards.split_at(cards.len().min(MESSAGES));
        for (place, card) in shown.iter().enumerate() {
            let mut card = card.clone();
            if place + 1 == shown.len() && !left.is_empty() {
                card.foot.push(format!("{} more parts do not fit here", left.len()));
            }
            if let Err(error) = self.reply(at, asked, &card).await {
                tracing::warn!(chat = at.chat.0, "Telegram: an answer was not taken: {}", error.error(at));
                return;
            }
        }
    }

    async fn toast(&self, query: &CallbackQuery, text: &str) {
        let mut call = self.telegram.bot.answer_callback_query(query.id.clone());
        if !text.is_empty() {
            call = call.text(cut(text, TOAST)).show_alert(text.chars().count() > 60);
        }
        if let Err(error) = call.await {
            // A tap from before a restart is too old to be answered: nothing is lost by that.
            tracing::debug!("Telegram: a tap was not answered: {}", words(&error));
        }
    }

    /// Sends an answer; again when asked to wait a little, once more as plain text when it cannot be read.
    async fn reply(&self, at: Address, asked: MessageId, card: &Card) -> Result<i64, Refusal> {
        let send = async |message: &Message| {
            self.telegram.overall.pass(self.desk.clock.millis());
            say(&self.telegram.rest, at, message).await
        };
        let rich = Message {
            text: html(card),
            answers: Some(asked),
            keyboard: keyboard(&card.actions),
            volume: Volume::Loud,
            form: Form::Rich,
        };
        let mut patience = PATIENCE_S;
        let mut outcome = send(&rich).await;
        while let Err(Refusal::RetryAfter { seconds }) = outcome {
            if seconds.max(1) > patience {
                break;
            }
            patience -= seconds.max(1);
            let _busy = self.desk.clock.sleep(seconds.max(1), Busy::default()).await;
            outcome = send(&rich).await;
        }
        match outcome {
            Err(refusal) if refusal.says("can't parse entities") => {
                tracing::error!(?card, ?refusal, "Telegram could not read an answer");
                send(&Message { text: plain(card), form: Form::Plain, ..rich }).await
            }
            other => other,
        }
    }
}
