//! What is owed leaves through here, and nowhere else: read, render, send, mark. One task a platform, so that platforms
//! fail apart.

use super::missed::incident as missed_incident;
use super::platform::{Outgoing, Platform};
use super::retry::{self, SendError, Verdict};
use crate::clock::{Busy, Clock};
use crate::domain::{Timestamp, Watchlist, lookup};
use crate::render::Card;
use crate::render::alert::{Alert, alert, missed};
use crate::render::lists::Past;
use crate::source;
use crate::steps::Steps;
use crate::store::{Attempt, Delivery, Incident, IncidentId, Notice, Store, StoreError};
use chrono_tz::Tz;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// Deliveries that are looked at together.
const AT_ONCE: usize = 32;
/// When the database itself fails: the pause before the next look.
const DATABASE_PAUSE: i64 = 10;

#[derive(Clone, Debug)]
pub struct Outbox {
    pub store: Store,
    pub platform: Arc<dyn Platform>,
    pub watchlist: Arc<Watchlist>,
    pub clock: Clock,
    pub steps: Steps,
    /// Stands in front of every alert: `reconstructed`.
    pub label: Option<&'static str>,
}

impl Outbox {
    /// Delivers until it is dropped. `wake` says that something new may be owed.
    pub async fn run(self, mut wake: UnboundedReceiver<Busy>, mut busy: Busy) {
        if let Err(error) = self.take_up_doubtful().await {
            tracing::error!("what was being told when the program stopped cannot be read: {error}");
        }
        loop {
            let next = match self.deliver_due().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(
                        "what is owed cannot be read or marked: {error}; trying again in {DATABASE_PAUSE} s"
                    );
                    Some(self.clock.now() + DATABASE_PAUSE)
                }
            };
            busy = if let Some(next) = next {
                tokio::select! {
                    woken = wake.recv() => match woken { Some(busy) => busy, None => return },
                    busy = self.clock.sleep_until(next, busy) => busy,
                }
            } else {
                drop(busy);
                match wake.recv().await {
                    Some(busy) => busy,
                    None => return,
                }
            };
            while wake.try_recv().is_ok() {}
        }
    }

    /// What was being sent when the program stopped may have arrived: it is owed again, and says so.
    async fn take_up_doubtful(&self) -> Result<(), StoreError> {
        let (platform, now) = (self.platform.name(), self.clock.now());
        let doubtful = self
            .store
            .write(move |tx| {
                let doubtful = tx.deliveries().in_doubt(platform)?;
                for delivery in &doubtful {
                    let why = "the program was stopped while it was being sent";
                    tx.deliveries().put_off(delivery.id, now, why, Attempt::InDoubt)?;
                }
                Ok(doubtful.len())
            })
            .await?;
        if doubtful > 0 {
            tracing::warn!(
                platform,
                doubtful,
                "stopped while telling: these are told again, marked as perhaps repeated"
            );
        }
        Ok(())
    }

    /// Sends all that may go now; says when the next one may.
    async fn deliver_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let platform = self.platform.name();
        loop {
            let now = self.clock.now();
            let due = self.store.read(move |db| db.deliveries().due(platform, now, AT_ONCE)).await?;
            if due.is_empty() {
                return self.store.read(move |db| db.deliveries().next_due(platform)).await;
            }
            for delivery in due {
                self.deliver(delivery).await?;
            }
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<(), StoreError> {
        let id = delivery.id;
        let Some(card) = self.card(&delivery).await? else {
            return self.store.write(move |tx| tx.deliveries().give_up(id, "what it told of is not on record")).await;
        };
        self.steps.reached("before sending is marked");
        let now = self.clock.now();
        self.store.write(move |tx| tx.deliveries().mark_sending(id, now)).await?;
        self.steps.reached("sending is marked");
        let outgoing = Outgoing { chat: &delivery.chat, card: &card, key: id.0, in_doubt: delivery.in_doubt };
        let sent = self.platform.send(outgoing).await;
        self.steps.reached("sent");
        let now = self.clock.now();
        let attempts = delivery.attempts;
        self.store
            .write(move |tx| match sent {
                Ok(message) => tx.deliveries().mark_sent(id, Some(&message), now),
                Err(error) => match retry::after(&error, attempts, now, fastrand::f64()) {
                    Verdict::Again { at } => tx.deliveries().put_off(id, at, &error.to_string(), attempt(&error)),
                    Verdict::GiveUp => tx.deliveries().give_up(id, &error.to_string()),
                },
            })
            .await?;
        self.steps.reached("marked as sent");
        Ok(())
    }

    async fn card(&self, delivery: &Delivery) -> Result<Option<Card>, StoreError> {
        let (id, number) = match &delivery.notice {
            Notice::Alert { incident, number } => (*incident, Some(*number)),
            Notice::Summary { body } | Notice::Test { body } | Notice::Operator { body } => {
                let Some(id) = missed_incident(body) else { return Ok(None) };
                (IncidentId(id), None)
            }
        };
        let (incident, history) =
            self.store.read(move |db| Ok((db.incidents().by_id(id)?, db.incidents().transitions(id)?))).await?;
        let Some(incident) = incident else { return Ok(None) };
        let entity = &incident.key.entity;
        let now = self.clock.now();
        let zone = lookup::zone_of(entity, self.watchlist.wholes_of(entity));
        let Some(number) = number else { return Ok(Some(missed(&past(incident, zone), now))) };
        let Some(at) = history.iter().position(|transition| transition.number == number) else { return Ok(None) };
        let transition = &history[at];
        Ok(Some(alert(&Alert {
            incident: incident.id.0,
            transition,
            history: &history[..=at],
            zone,
            now,
            links: source::links(entity, transition.started_at, transition.at),
            // What was made up is nobody's data.
            credits: source::credits(&transition.evidence).filter(|_| self.label.is_none()),
            label: self.label,
        })))
    }
}

/// Whether the chat may have the message although sending failed.
fn attempt(error: &SendError) -> Attempt {
    match error {
        SendError::Later(_) => Attempt::InDoubt,
        SendError::Wait { .. } | SendError::Never(_) => Attempt::Refused,
    }
}

fn past(incident: Incident, zone: Tz) -> Past {
    Past {
        id: incident.id.0,
        entity: incident.key.entity,
        phase: incident.phase,
        started_at: incident.started_at,
        ended_at: incident.recovered_at,
        zone,
    }
}
