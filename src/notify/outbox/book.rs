//! What came of sending, written down: one transaction for all that has come in since the last.

use super::compose::{Composed, Revised};
use crate::domain::{
    Chat, NewDelivery, Seconds, Timestamp,
    time::{HOUR, MINUTE},
};
use crate::notify::body::Body;
use crate::notify::digest::{AlertRef, Item, Step, digest};
use crate::notify::pace::Pace;
use crate::notify::platform::{Platform, Sent};
use crate::notify::retry::{self, DeliveryDoubt, EditAgain, LimitScope, RetryDecision, SendError};
use crate::notify::suspend;
use crate::store::{Attempt, DeliveryId, NewNotice, Pause, StoreError, Tx};

/// A message or an edit that has come to its end.
#[derive(Debug)]
pub(super) enum Finished {
    Message {
        message: Composed,
        outcome: Result<Sent, SendError>,
    },
    Edited {
        card: Revised,
        outcome: Result<(), SendError>,
    },
    /// A fault of ours ended it: nobody knows whether it arrived.
    Fallen {
        delivery: DeliveryId,
    },
}

/// What fell is tried again after this, as it may fall again.
const AFTER_A_FALL: Seconds = MINUTE;

impl Finished {
    pub(super) fn error(&self) -> Option<&SendError> {
        match self {
            Self::Message { outcome, .. } => outcome.as_ref().err(),
            Self::Edited { outcome, .. } => outcome.as_ref().err(),
            Self::Fallen { .. } => None,
        }
    }

    /// Returns the chat that was called.
    pub(super) fn chat(&self) -> Option<&Chat> {
        match self {
            Self::Message { message, .. } => Some(&message.outgoing.chat),
            Self::Edited { card, .. } => Some(&card.edit.chat),
            Self::Fallen { .. } => None,
        }
    }

    /// For so long nothing more may go to the chat, where the platform said so.
    pub(super) fn rest_ms(&self) -> Option<i64> {
        match self {
            Self::Message { outcome: Ok(sent), .. } => {
                Some(sent.rest_ms).filter(|rest_ms| *rest_ms > 0)
            }
            _ => None,
        }
    }

    /// Writes down what became of it.
    pub(super) fn note(
        &self,
        tx: &Tx<'_>,
        platform: &dyn Platform,
        now: Timestamp,
        jitter: f64,
    ) -> Result<(), StoreError> {
        match self {
            Self::Message { message, outcome: Ok(sent), .. } => note_sent(tx, message, sent, now),
            Self::Message { message, outcome: Err(error), .. } => {
                note_failed(tx, platform, message, error, now, jitter)
            }
            Self::Edited { card, outcome } => {
                note_edited(tx, platform, card, outcome.as_ref().err(), now)
            }
            Self::Fallen { delivery } => tx.deliveries().put_off(
                *delivery,
                now + AFTER_A_FALL,
                "given up half-way",
                Attempt::InDoubt,
            ),
        }
    }
}

fn note_sent(
    tx: &Tx<'_>,
    message: &Composed,
    sent: &Sent,
    now: Timestamp,
) -> Result<(), StoreError> {
    // A chat that was forgotten meanwhile is owed nothing that could be marked; one that moved has another number.
    let Some(delivery) = tx.deliveries().by_id(message.delivery)? else { return Ok(()) };
    tx.deliveries().mark_sent(message.delivery, Some(&sent.message), now)?;
    if let Some((incident, revision)) = message.becomes_card {
        tx.cards().sent(incident, delivery.chat.id, &sent.message, revision)?;
    }
    // A new message wakes an archived thread: its cards can be edited again.
    tx.cards().retry_refused(delivery.chat.id, now)
}

/// Keeps the pause that the platform asked for, if it did.
fn keep_pause(
    tx: &Tx<'_>,
    platform: &dyn Platform,
    chat: &Chat,
    error: &SendError,
    now: Timestamp,
) -> Result<(), StoreError> {
    let SendError::RateLimited { pause_ms, scope } = error else { return Ok(()) };
    let place = match scope {
        LimitScope::Edits => Some(Pace::edits_in(&platform.place_of(chat))),
        LimitScope::Chat => Some(platform.place_of(chat)),
        LimitScope::Platform => None,
    };
    let pause = Pause::asked_for(place, retry::whole_seconds(*pause_ms), now);
    tx.pauses().keep(platform.name(), &pause, now)
}

fn note_failed(
    tx: &Tx<'_>,
    platform: &dyn Platform,
    message: &Composed,
    error: &SendError,
    now: Timestamp,
    jitter: f64,
) -> Result<(), StoreError> {
    let id = message.delivery;
    let Some(delivery) = tx.deliveries().by_id(id)? else { return Ok(()) };
    let chat = &delivery.chat;
    let why = error.to_string();
    keep_pause(tx, platform, chat, error, now)?;
    if matches!(error, SendError::Transient { .. }) {
        tx.deliveries().count_failure(id)?;
    }
    match retry::after(error, message.failures, delivery.plain, now, jitter) {
        RetryDecision::Again { at, arrival } => {
            tx.deliveries().put_off(id, at, &why, attempt(arrival))
        }
        RetryDecision::Plain => {
            tracing::error!(platform = platform.name(), delivery = id.0, card = ?message.outgoing.card,
                "the platform could not read this message ({why}); sending it once more as plain text");
            tx.deliveries().make_plain(id, now, &why)
        }
        RetryDecision::Move { to } => {
            tracing::info!(
                platform = platform.name(),
                from = chat.address,
                to,
                "the chat has moved"
            );
            tx.deliveries().put_off(id, now, &why, Attempt::Refused)?;
            tx.chats().moved(chat.id, &to)
        }
        RetryDecision::Suspend => {
            tx.deliveries().give_up(id, &why)?;
            suspend(tx, platform, chat.id, &why, now)
        }
        RetryDecision::GiveUp => {
            tracing::error!(platform = platform.name(), delivery = id.0, "given up: {why}");
            tx.deliveries().give_up(id, &why)
        }
    }
}

/// Nothing more is told there.
fn suspend(
    tx: &Tx<'_>,
    platform: &dyn Platform,
    chat: i64,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(place) = tx.chats().by_id(chat)? else { return Ok(()) };
    let link = platform.link(&place.chat, place.home.as_deref());
    if suspend::suspend(tx, &place, &platform.place(&place.chat), link, why, now)? {
        tracing::warn!(platform = platform.name(), chat = place.chat.address, "suspended: {why}");
    }
    Ok(())
}

/// A card is edited no sooner after it was, or after that failed.
const EDITS_APART: Seconds = 30;
/// Before a card whose edit was refused is edited again. Discord names no time after which an old message may be edited
/// again (code 30046), and an archived thread stays so until somebody writes in it.
const AFTER_A_REFUSED_EDIT: Seconds = HOUR;

fn note_edited(
    tx: &Tx<'_>,
    platform: &dyn Platform,
    card: &Revised,
    error: Option<&SendError>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let chat = card.edit.chat.id;
    if let Some(error) = error {
        keep_pause(tx, platform, &card.edit.chat, error, now)?;
    }
    match error {
        None => {
            tx.cards().sent(card.incident, chat, &card.edit.message, card.revision)?;
            tx.cards().not_before(card.incident, chat, now + EDITS_APART)
        }
        Some(SendError::Moved { to }) => tx.chats().moved(chat, to),
        Some(SendError::RateLimited { pause_ms, .. }) => {
            tx.cards().not_before(card.incident, chat, now + retry::whole_seconds(*pause_ms))
        }
        // The chat has shut the bot out: when it lets it in again, the card is still behind.
        Some(error @ SendError::ChatUnreachable { .. }) => {
            suspend(tx, platform, chat, &error.to_string(), now)
        }
        Some(SendError::EditRefused { why, until }) => {
            tracing::info!(
                chat,
                incident = card.incident.0,
                why,
                "the card cannot be edited for now"
            );
            let again = now + AFTER_A_REFUSED_EDIT;
            match until {
                EditAgain::Later => tx.cards().not_before(card.incident, chat, again),
                EditAgain::AfterAMessage => tx.cards().refused(card.incident, chat, again),
            }
        }
        Some(SendError::MessageGone | SendError::Unreadable { .. }) => {
            tracing::info!(chat, incident = card.incident.0, "the card cannot be edited any more");
            tx.cards().lost(card.incident, chat)
        }
        // It stays behind, and is tried again.
        Some(_) => tx.cards().not_before(card.incident, chat, now + MINUTE),
    }
}

fn attempt(arrival: DeliveryDoubt) -> Attempt {
    match arrival {
        DeliveryDoubt::No => Attempt::Refused,
        DeliveryDoubt::Perhaps => Attempt::InDoubt,
    }
}

/// Sums up what piled up for the chat. Says whether there was anything to sum up.
pub(super) fn sum_up(tx: &Tx<'_>, chat: i64, now: Timestamp) -> Result<bool, StoreError> {
    let pending = tx.deliveries().pending(chat, now)?;
    let items: Vec<Item> = pending
        .into_iter()
        .map(|pending| Item {
            id: pending.id.0,
            alert: pending.alert.map(|(incident, number, phase)| AlertRef {
                incident: incident.0,
                number,
                is_over: phase.is_over(),
            }),
            is_start: pending.is_start,
            held_for: pending.held_for,
            owed_at: pending.owed_at,
            in_doubt: pending.in_doubt,
            summary: pending.summary.as_ref().and_then(Body::from_json).and_then(
                |body| match body {
                    Body::Summary { incidents, why, since } => Some((incidents, why, since)),
                    _ => None,
                },
            ),
        })
        .collect();
    let steps = digest(&items, now);
    let some = !steps.is_empty();
    for step in steps {
        match step {
            Step::SumUp { id } => tx.deliveries().sum_up(DeliveryId(id))?,
            Step::Tell { id, is_start } => tx.deliveries().tell(DeliveryId(id), is_start, now)?,
            Step::Summary { incidents, why, since } => {
                let newest = incidents.last().copied().unwrap_or_default();
                let body = Body::Summary { incidents, why, since };
                let notice =
                    NewNotice::summary(format!("summary {chat} {now} {newest}"), body.to_json());
                tx.deliveries().owe(&notice, &[NewDelivery::now(chat, false)], now, 0)?;
            }
        }
    }
    Ok(some)
}
