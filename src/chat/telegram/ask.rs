//! A command that somebody typed, or a button that somebody tapped: who asks, what, and the answer.

use super::address::Address;
use super::refusal::Refusal;
use super::send::{Message, keyboard, say, words};
use super::updates::Listener;
use super::{PLATFORM, limit_of};
use crate::clock::{Busy, Millis};
use crate::command::{Asker, Rank, WORDS};
use crate::notify::platform::{Form, Volume};
use crate::notify::retry::whole_seconds;
use crate::render::Card;
use crate::render::blocks::cut;
use crate::render::telegram::{html, plain};
use crate::store::Pause;
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
            let outcome = self.reply(at, asked, &card).await;
            if let Err(Refusal::RetryAfter { seconds }) = outcome {
                tracing::debug!(chat = at.chat.0, seconds, "an answer would have to wait and is left out");
                return;
            }
            if let Err(error) = outcome {
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

    /// Sends an answer; again when Telegram asked to wait a little, once more as plain text when it cannot be read. An
    /// answer that would have to wait longer than [`PATIENCE_S`] is left out.
    async fn reply(&self, at: Address, asked: MessageId, card: &Card) -> Result<i64, Refusal> {
        let patience = self.desk.clock.millis() + 1000 * PATIENCE_S;
        let send = async |message: &Message| {
            self.wait_for_pace(at, patience).await?;
            let outcome = say(&self.telegram.rest, at, message).await;
            if let Err(Refusal::RetryAfter { seconds }) = outcome {
                self.rest(at, seconds.max(1)).await;
            }
            outcome
        };
        let rich = Message {
            text: html(card),
            answers: Some(asked),
            keyboard: keyboard(&card.actions),
            volume: Volume::Loud,
            form: Form::Rich,
        };
        let mut outcome = send(&rich).await;
        while let Err(Refusal::RetryAfter { seconds }) = outcome {
            if self.desk.clock.millis() + 1000 * seconds.max(1) > patience {
                break;
            }
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

    /// Waits until an answer may go to the chat. Fails with the seconds that are left where that is after `patience`.
    async fn wait_for_pace(&self, at: Address, patience: Millis) -> Result<(), Refusal> {
        let (clock, place) = (&self.desk.clock, at.chat.0.to_string());
        loop {
            let now = clock.millis();
            let opens = {
                let mut pace = self.telegram.pace.lock();
                let opens = pace.answer_opens_at(&place, limit_of(&place), now);
                if opens <= now {
                    pace.pass_answer(&place, limit_of(&place), now);
                    return Ok(());
                }
                opens
            };
            if opens > patience {
                return Err(Refusal::RetryAfter { seconds: whole_seconds(opens - now) });
            }
            // An alert may take the place meanwhile: it is asked again.
            drop(clock.sleep_until_millis(opens, Busy::default()).await);
        }
    }

    /// Leaves the chat alone for so many seconds, as Telegram asked, also after a restart.
    async fn rest(&self, at: Address, seconds: i64) {
        let (clock, place) = (&self.desk.clock, at.chat.0.to_string());
        self.telegram.pace.lock().rest(&place, clock.millis() + 1000 * seconds);
        let now = clock.now();
        let pause = Pause { place: Some(place), until: now + seconds };
        if let Err(error) = self.desk.store.write(move |tx| tx.pauses().keep(PLATFORM, &pause, now)).await {
            tracing::error!(chat = at.chat.0, %error, "a pause that Telegram asked for could not be stored");
        }
    }
}
