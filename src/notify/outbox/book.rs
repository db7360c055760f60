//! Records the outcomes of sends and edits, those since the last time in one transaction.

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

/// A send or an edit that has ended.
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
    /// A message whose task panicked: it may have arrived.
    Fallen {
        delivery: DeliveryId,
    },
}

/// The pause before the next attempt at a message whose task panicked, as it may panic again.
const AFTER_A_FALL: Seconds = MINUTE;

impl Finished {
    pub(super) fn error(&self) -> Option<&SendError> {
        match self {
            Self::Message { outcome, .. } => outcome.as_ref().err(),
            Self::Edited { outcome, .. } => outcome.as_ref().err(),
            Self::Fallen { .. } => None,
        }
    }

    /// Returns the chat to which it was sent.
    pub(super) fn chat(&self) -> Option<&Chat> {
        match self {
            Self::Message { message, .. } => Some(&message.outgoing.chat),
            Self::Edited { card, .. } => Some(&card.edit.chat),
            Self::Fallen { .. } => None,
        }
    }

    /// Returns the pause before the next message to the chat, if the platform's answer asks for
    /// one.
    pub(super) fn rest_ms(&self) -> Option<i64> {
        match self {
            Self::Message { outcome: Ok(sent), .. } => {
                Some(sent.rest_ms).filter(|rest_ms| *rest_ms > 0)
            }
            _ => None,
        }
    }

    /// Records the outcome.
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
    // The delivery of a chat that was forgotten meanwhile no longer exists. The chat id is read
    // from the delivery, because a chat that moved has another one.
    let Some(delivery) = tx.deliveries().by_id(message.delivery)? else { return Ok(()) };
    tx.deliveries().mark_sent(message.delivery, Some(&sent.message), now)?;
    if let Some((incident, revision)) = message.becomes_card {
        tx.cards().sent(incident, delivery.chat.id, &sent.message, revision)?;
    }
    // A new message reopens an archived thread, so its cards can be edited again.
    tx.cards().retry_refused(delivery.chat.id, now)
}

/// Stores the pause that the platform asked for, if `error` is a rate limit.
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

/// Suspends the chat and logs it, unless it is suspended already.
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

/// The least time between two edits of a card.
const EDITS_APART: Seconds = 30;
/// The pause before a card whose edit was refused is edited again. Discord does not say when an old
/// message may be edited again (code 30046), and a thread stays archived until somebody writes in
/// it.
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
        // The card stays out of date, and is edited once the chat admits the bot again.
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
        // The card stays out of date, and the edit is tried again.
        Some(_) => tx.cards().not_before(card.incident, chat, now + MINUTE),
    }
}

fn attempt(arrival: DeliveryDoubt) -> Attempt {
    match arrival {
        DeliveryDoubt::No => Attempt::Refused,
        DeliveryDoubt::Perhaps => Attempt::InDoubt,
    }
}

/// Sums up the deliveries that piled up for the chat. Returns whether any of them changed.
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
