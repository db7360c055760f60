//! Commands that people type and buttons that they tap: finds the asker and the command, and sends
//! the answer.

use super::address::Address;
use super::listener::Listener;
use super::refusal::Refusal;
use super::send::{Message, keyboard, say, words};
use super::update::{ANONYMOUS_ADMIN, ChatKind, Message as Said, Tap};
use super::{PLATFORM, limit_of};
use crate::chat::flood::Admission;
use crate::clock::{ActivityGuard, Millis};
use crate::command::{Asker, Rank, WORDS, is_question};
use crate::notify::platform::{Form, Volume};
use crate::notify::retry::whole_seconds;
use crate::render::Card;
use crate::render::blocks::cut;
use crate::render::telegram::{html, plain};
use crate::store::Pause;
use std::sync::Arc;
use teloxide_core::payloads::AnswerCallbackQuerySetters as _;
use teloxide_core::prelude::Requester as _;
use teloxide_core::types::{CallbackQueryId, MessageId, UserId};

/// The most messages of one answer.
const MESSAGES: usize = 5;
/// The most characters that Telegram shows at a tap.
const TOAST: usize = 200;
/// The longest total time, in seconds, that an answer waits for Telegram's limits; after that it is
/// dropped.
const PATIENCE_S: i64 = 10;
/// The notice to a person who asks too much, sent once a minute.
const SLOW_DOWN: &str = "Too many commands at once: the next ones get no answer for a moment.";

/// Answers a message if it is addressed to the bot.
pub(super) fn command(listener: Arc<Listener>, message: Said, update: i64) {
    let Some(line) = line(&message, &listener.me.username) else { return };
    let at = message.at;
    let chat = at.chat.0.to_string();
    let person = message.from.map(|from| from.id.0.to_string());
    let admission = listener.flood.admit(person.as_deref(), &chat);
    if admission == Admission::Silence {
        return;
    }
    let (lines, flood) = (listener.lines.clone(), listener.flood.clone());
    let taken = lines.enqueue(&chat, async move {
        if !listener.wait_for_rest(at).await {
            return;
        }
        let cards = if admission == Admission::SlowDown {
            vec![Card::titled(SLOW_DOWN)]
        } else {
            let asker = listener.asker(&message, update).await;
            listener.context.reply(&line, &asker).await
        };
        listener.answer(at, message.id, &cards).await;
    });
    if !taken {
        flood.left_out();
    }
}

/// Answers a tap on a button.
pub(super) fn tap(listener: Arc<Listener>, tap: Tap, update: i64) {
    let Some(message) = tap.message.clone() else {
        tokio::spawn(async move {
            listener
                .toast(&tap, "This message is too old for its buttons; type /history instead.")
                .await;
        });
        return;
    };
    let chat = message.at.chat.0.to_string();
    match listener.flood.admit(Some(&tap.from.0.to_string()), &chat) {
        Admission::Answer => {}
        Admission::SlowDown => {
            tokio::spawn(async move { listener.toast(&tap, SLOW_DOWN).await });
            return;
        }
        Admission::Silence => return,
    }
    let (lines, flood) = (listener.lines.clone(), listener.flood.clone());
    let taken = lines.enqueue(&chat, async move {
        let asker = Asker {
            // The tapped message is the bot's own: its sender says nothing about the person who
            // taps.
            rank: match message.kind {
                ChatKind::Private => Rank::Admin,
                _ => listener.rank_of(&message, tap.from).await,
            },
            person: Some(tap.from.0.to_string()),
            ..asker_at(&message, update)
        };
        if let Some(incident) =
            tap.data.strip_prefix("outage ").and_then(|number| number.parse().ok())
        {
            return listener.details(&tap, &message, incident, &asker).await;
        }
        let cards = listener.context.reply(&tap.data, &asker).await;
        let title = cards.first().map(|card| card.title.to_string()).unwrap_or_default();
        listener.toast(&tap, &title).await;
    });
    if !taken {
        flood.left_out();
    }
}

/// Returns the command in a message, without the bot's name. `None` if it is not addressed to the
/// bot.
fn line(message: &Said, me: &str) -> Option<String> {
    let text = message.words.as_deref()?.trim();
    // To Telegram, people who post as a channel are bots, too.
    let is_bots = message.from.is_some_and(|from| from.is_bot && from.id != ANONYMOUS_ADMIN);
    if !message.is_own || is_bots || text.is_empty() {
        return None;
    }
    let is_private = message.kind == ChatKind::Private;
    let Some(typed) = text.strip_prefix('/') else {
        return is_addressed(message, text, me).map(str::to_owned);
    };
    let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    let word = match word.split_once('@') {
        Some((word, name)) if name.eq_ignore_ascii_case(me) => word,
        Some(_) => return None,
        // In a group, an unknown command may be meant for another bot.
        None if !is_private
            && !WORDS.contains(&word.to_lowercase().as_str())
            && word != "start" =>
        {
            return None;
        }
        None => word,
    };
    Some(format!("/{word} {}", rest.trim()))
}

/// Returns the question in a text that is not a command. In a private chat it is the whole text, in
/// a group a text that begins with the bot's name. Replies to an alert are often meant for other
/// people: of these, only plain questions count.
fn is_addressed<'a>(message: &Said, text: &'a str, me: &str) -> Option<&'a str> {
    let named = text.strip_prefix('@').and_then(|rest| {
        let (name, question) =
            rest.split_once(|c: char| c.is_whitespace() || matches!(c, ':' | ','))?;
        name.eq_ignore_ascii_case(me).then_some(question.trim())
    });
    let is_to_us = message.kind == ChatKind::Private
        || message.answers.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(me))
            && is_question(text);
    named.or_else(|| is_to_us.then_some(text)).filter(|text| !text.is_empty())
}

/// Builds the asker without the person and their rights.
fn asker_at(message: &Said, update: i64) -> Asker {
    let at = message.at;
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
    async fn asker(&self, message: &Said, update: i64) -> Asker {
        let person = message.from.filter(|from| from.id != ANONYMOUS_ADMIN);
        Asker {
            rank: self.rank(message).await,
            person: person.map(|from| from.id.0.to_string()),
            ..asker_at(message, update)
        }
    }

    /// Decides whether the sender may configure the chat. If that cannot be found out, they may
    /// not.
    async fn rank(&self, message: &Said) -> Rank {
        let person = message.from.map(|from| from.id);
        // A sender who posts in a channel, or as the group itself, is an admin there.
        let as_the_chat = message.sender_chat == Some(message.at.chat);
        let is_channel = message.kind == ChatKind::Channel;
        let speaks_for_it = as_the_chat && (is_channel || person == Some(ANONYMOUS_ADMIN));
        if message.kind == ChatKind::Private || speaks_for_it {
            return Rank::Admin;
        }
        match person {
            Some(person) => self.rank_of(message, person).await,
            None => Rank::Member,
        }
    }

    async fn rank_of(&self, message: &Said, person: UserId) -> Rank {
        let chat = message.at.chat;
        match self.telegram.member(chat, person).await {
            Ok(member) => match member.get("status").and_then(serde_json::Value::as_str) {
                Some("creator" | "administrator") => Rank::Admin,
                _ => Rank::Member,
            },
            Err(refusal) => {
                let why = refusal.words();
                tracing::warn!(chat = chat.0, why, "Telegram: who is an admin there is not known");
                Rank::Member
            }
        }
    }

    pub(super) async fn answer(&self, at: Address, asked: MessageId, cards: &[Card]) {
        let (shown, left) = cards.split_at(cards.len().min(MESSAGES));
        for (place, card) in shown.iter().enumerate() {
            let mut card = card.clone();
            if place + 1 == shown.len() && !left.is_empty() {
                card.foot.push(format!("{} more parts do not fit here", left.len()));
            }
            let outcome = self.reply(at, Some(asked), &card).await;
            if let Err(Refusal::RetryAfter { seconds }) = outcome {
                tracing::debug!(
                    chat = at.chat.0,
                    seconds,
                    "an answer would have to wait and is left out"
                );
                return;
            }
            if let Err(error) = outcome {
                tracing::warn!(
                    chat = at.chat.0,
                    "Telegram: an answer was not taken: {}",
                    error.error(at)
                );
                return;
            }
        }
    }

    /// Shows a text only to the person who tapped. A longer text stays until they close it.
    pub(super) async fn toast(&self, tap: &Tap, text: &str) {
        let mut call = self.telegram.bot.answer_callback_query(CallbackQueryId(tap.id.clone()));
        if !text.is_empty() {
            call = call.text(cut(text, TOAST)).show_alert(text.chars().count() > 60);
        }
        if let Err(error) = call.await {
            // A tap from before a restart is too old to be answered; nothing is lost.
            tracing::debug!("Telegram: a tap was not answered: {}", words(&error));
        }
    }

    /// Sends an answer and returns its message id. Repeats it after a short pause that Telegram
    /// asks for, and once as plain text if Telegram cannot parse it. An answer that would wait
    /// longer than [`PATIENCE_S`] is dropped.
    pub(super) async fn reply(
        &self,
        at: Address,
        asked: Option<MessageId>,
        card: &Card,
    ) -> Result<i64, Refusal> {
        let patience = self.context.clock.millis() + 1000 * PATIENCE_S;
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
            answers: asked,
            keyboard: keyboard(&card.actions),
            volume: Volume::Loud,
            form: Form::Rich,
        };
        let mut outcome = send(&rich).await;
        while let Err(Refusal::RetryAfter { seconds }) = outcome {
            if self.context.clock.millis() + 1000 * seconds.max(1) > patience {
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

    /// Waits for the end of a pause that Telegram asked for in this chat, because no call about the
    /// chat may be made before. Returns false if that takes too long for an answer.
    async fn wait_for_rest(&self, at: Address) -> bool {
        let (clock, place) = (&self.context.clock, at.chat.0.to_string());
        let (now, until) = (clock.millis(), self.telegram.pace.lock().rests_until(&place));
        if until > now + 1000 * PATIENCE_S {
            return false;
        }
        drop(clock.sleep_until_millis(until.max(now), ActivityGuard::default()).await);
        true
    }

    /// Waits until an answer may be sent to the chat. Fails with the remaining seconds if that is
    /// later than `patience`.
    async fn wait_for_pace(&self, at: Address, patience: Millis) -> Result<(), Refusal> {
        let (clock, place) = (&self.context.clock, at.chat.0.to_string());
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
            // An alert may be sent to the chat meanwhile, so the pace is checked again.
            drop(clock.sleep_until_millis(opens, ActivityGuard::default()).await);
        }
    }

    /// Makes no calls about the chat for the seconds that Telegram asked for, also after a restart.
    async fn rest(&self, at: Address, seconds: i64) {
        let (clock, place) = (&self.context.clock, at.chat.0.to_string());
        self.telegram.pace.lock().rest(&place, clock.millis() + 1000 * seconds);
        let now = clock.now();
        let pause = Pause::asked_for(Some(place), seconds, now);
        if let Err(error) =
            self.context.store.write(move |tx| tx.pauses().keep(PLATFORM, &pause, now)).await
        {
            tracing::error!(chat = at.chat.0, %error, "a pause that Telegram asked for could not be stored");
        }
    }
}
