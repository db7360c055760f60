//! The only thing that sends: takes what is owed to one platform, hands it over at the platform's pace, marks what came
//! of it. Each message goes by itself, so that a chat that hangs holds up no other.

mod book;
mod compose;

use super::pace::Pace;
use super::platform::Platform;
use super::retry::{SendError, Whom};
use crate::clock::{Busy, Clock, Millis};
use crate::domain::Watchlist;
use crate::steps::Steps;
use crate::store::{Attempt, Delivery, Store, StoreError};
use book::Finished;
use compose::{Composed, Composer, Revised};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

/// What may go within this time is marked together: fewer writes, and as little doubt after a kill.
const AHEAD_MS: Millis = 100;
/// The next look comes so long before the next may go: a place in the pace that has passed is lost.
const EARLY_MS: Millis = 50;
/// Looked at beyond what may go now, since some chats are to be left alone.
const SPARE: usize = 32;
/// Sends under way at one time: those that hang until their deadline must not use up all of them.
const AT_ONCE: usize = 512;
/// Chats that are summed up for in one go.
const SUMMED_AT_ONCE: usize = 64;
/// When the database itself fails: the pause before the next look.
const DATABASE_PAUSE_MS: Millis = 10_000;
/// What waits for nothing but a chat's own pace is looked for again so soon.
const SHORT_PAUSE_MS: Millis = 1_000;

#[derive(Clone, Debug)]
pub struct Outbox {
    pub store: Store,
    pub platform: Arc<dyn Platform>,
    pub watchlist: Arc<Watchlist>,
    pub clock: Clock,
    pub steps: Steps,
    /// Told whenever the end of a delivery is known.
    pub told: Arc<Notify>,
    /// Stands in front of every alert: `reconstructed`.
    pub label: Option<&'static str>,
}

/// What goes out next.
#[derive(Debug)]
enum Going {
    Message(Composed, Millis),
    Edit(Revised, Millis),
}

/// An outbox at work.
#[derive(Debug)]
struct Round {
    outbox: Outbox,
    pace: Pace,
    /// Under way; one at a time to each chat.
    flights: JoinSet<(Finished, Busy)>,
    busy_chats: HashSet<i64>,
    finished: Vec<Finished>,
}

impl Outbox {
    /// Delivers until it is dropped. `wake` says that something new may be owed.
    pub async fn run(self, mut wake: UnboundedReceiver<Busy>, mut busy: Busy) {
        if let Err(error) = self.take_up_doubtful().await {
            tracing::error!("what was being told when the program stopped cannot be read: {error}");
        }
        let clock = self.clock.clone();
        let mut round = Round {
            pace: Pace::new(self.platform.pace()),
            flights: JoinSet::new(),
            busy_chats: HashSet::new(),
            finished: Vec::new(),
            outbox: self,
        };
        loop {
            let next = match round.turn().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(
                        "what is owed cannot be read or marked: {error}; trying again in {} s",
                        DATABASE_PAUSE_MS / 1000
                    );
                    Some(clock.millis() + DATABASE_PAUSE_MS)
                }
            };
            let sleep = async {
                let Some(next) = next else {
                    drop(busy);
                    return std::future::pending().await;
                };
                clock.sleep_until_millis(next, busy).await
            };
            busy = tokio::select! {
                Some(done) = round.flights.join_next() => match done {
                    Ok((finished, busy)) => { round.take(finished); busy }
                    Err(error) => { tracing::error!("a delivery was given up half-way: {error}"); clock.busy() }
                },
                woken = wake.recv() => match woken { Some(busy) => busy, None => return },
                busy = sleep => busy,
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
                "stopped while telling: these are told again where it cannot be found out that they arrived"
            );
        }
        Ok(())
    }
}

impl Round {
    /// Something has come to its end: the chat is free again, or rests as long as it was asked for.
    fn take(&mut self, finished: Finished) {
        let chat = finished.chat();
        self.busy_chats.remove(&chat);
        let now = self.outbox.clock.millis();
        match (&finished, finished.error()) {
            (_, Some(SendError::Wait { pause_ms, whom: Whom::Chat })) => self.pace.rest(chat, now + pause_ms),
            (_, Some(SendError::Wait { pause_ms, whom: Whom::Platform })) => {
                tracing::warn!(platform = self.outbox.platform.name(), "asked to pause for {pause_ms} ms");
                self.pace.rest_all(now + pause_ms);
            }
            (_, Some(error @ SendError::Revoked { .. })) => {
                tracing::error!(platform = self.outbox.platform.name(), "{error}");
                self.pace.rest_all(now + 900_000);
            }
            (Finished::Edited { .. }, Some(SendError::Later { .. })) => self.pace.rest(chat, now + 30_000),
            (Finished::Message { outcome: Ok(sent), .. }, _) if sent.rest_ms > 0 => {
                self.pace.rest(chat, now + sent.rest_ms);
            }
            _ => {}
        }
        self.finished.push(finished);
    }

    /// Marks what has come to its end, and hands over what may go. Says when to look again, if nothing happens before.
    async fn turn(&mut self) -> Result<Option<Millis>, StoreError> {
        while let Some(done) = self.flights.try_join_next() {
            if let Ok((finished, _busy)) = done {
                self.take(finished);
            }
        }
        self.note().await?;
        let clock = self.outbox.clock.clone();
        let opens = self.pace.opens_at(clock.millis());
        if self.flights.len() >= AT_ONCE {
            return Ok(None);
        }
        if opens > clock.millis() + AHEAD_MS {
            return Ok(Some(opens - EARLY_MS));
        }
        let going = self.choose().await?;
        if going.is_empty() {
            return self.next_look().await;
        }
        self.launch(going).await?;
        let now = clock.millis();
        Ok(Some((self.pace.opens_at(now) - EARLY_MS).max(now + 1)))
    }

    async fn note(&mut self) -> Result<(), StoreError> {
        if self.finished.is_empty() {
            return Ok(());
        }
        // Kept until they are written: a disk that is full for a while must not make them unknown.
        let finished = Arc::new(std::mem::take(&mut self.finished));
        let (platform, now, jitter) = (Arc::clone(&self.outbox.platform), self.outbox.clock.now(), fastrand::f64());
        let noted = Arc::clone(&finished);
        let written = self
            .outbox
            .store
            .write(move |tx| noted.iter().try_for_each(|one| one.note(tx, &*platform, now, jitter)))
            .await;
        if let Err(error) = written {
            self.finished = Arc::try_unwrap(finished).unwrap_or_default();
            return Err(error);
        }
        self.outbox.steps.reached("marked as sent");
        self.outbox.told.notify_waiters();
        Ok(())
    }

    /// What may go now, composed; starts before all else, edits after all else.
    async fn choose(&mut self) -> Result<Vec<Going>, StoreError> {
        let (name, clock) = (self.outbox.platform.name(), self.outbox.clock.clone());
        let (now, millis) = (clock.now(), clock.millis());
        let piled =
            self.outbox.store.read(move |db| db.deliveries().piled_up(name, now, book::late(now), SUMMED_AT_ONCE));
        let piled = piled.await?;
        if !piled.is_empty() {
            let sum_up =
                move |tx: &crate::store::Tx<'_>| piled.iter().try_for_each(|chat| book::sum_up(tx, *chat, now));
            self.outbox.store.write(sum_up).await?;
        }
        let due = self.outbox.store.read(move |db| db.deliveries().due(name, now, SPARE * 2)).await?;
        let mut going = Vec::new();
        let (mut chosen, mut slots) = (Vec::new(), Vec::new());
        for delivery in due {
            let Some(at) = self.slot(&delivery.chat, millis) else { continue };
            slots.push(at);
            chosen.push(delivery);
        }
        if !chosen.is_empty() {
            let composed = self.compose(chosen).await?;
            going.extend(composed.into_iter().zip(slots).filter_map(|(one, at)| Some(Going::Message(one?, at))));
            return Ok(going);
        }
        let behind = self.outbox.store.read(move |db| db.cards().behind(name, SPARE * 2)).await?;
        for card in behind {
            let Some(at) = self.slot(&card.chat, millis) else { continue };
            let composer = self.composer();
            let (incident, chat) = (card.incident, card.chat.id);
            if let Some(revised) = self.outbox.store.read(move |db| composer.revise(db, card)).await? {
                going.push(Going::Edit(revised, at));
            } else {
                self.busy_chats.remove(&chat);
                self.outbox.store.write(move |tx| tx.cards().lost(incident, chat)).await?;
            }
        }
        Ok(going)
    }

    /// When something may go to the chat, if that is about now: the place is taken then.
    fn slot(&mut self, chat: &crate::domain::Chat, now: Millis) -> Option<Millis> {
        let limit = self.outbox.platform.pace_of(chat);
        if self.busy_chats.len() >= AT_ONCE || self.busy_chats.contains(&chat.id) {
            return None;
        }
        let at = self.pace.chat_opens_at(chat.id, limit, now);
        if at > now + AHEAD_MS {
            return None;
        }
        self.pace.pass(chat.id, limit, at);
        self.busy_chats.insert(chat.id);
        Some(at)
    }

    fn composer(&self) -> Composer {
        Composer {
            watchlist: Arc::clone(&self.outbox.watchlist),
            cards: self.outbox.platform.cards(),
            label: self.outbox.label,
            now: self.outbox.clock.now(),
        }
    }

    /// Composes each; one that tells of nothing on record is given up.
    async fn compose(&mut self, deliveries: Vec<Delivery>) -> Result<Vec<Option<Composed>>, StoreError> {
        let composer = self.composer();
        let lost = deliveries.iter().map(|delivery| (delivery.id, delivery.chat.id)).collect::<Vec<_>>();
        let composed = self
            .outbox
            .store
            .read(move |db| deliveries.iter().map(|delivery| composer.compose(db, delivery)).collect())
            .await;
        let composed: Vec<Option<Composed>> = match composed {
            Ok(composed) => composed,
            Err(error) => {
                for (_, chat) in lost {
                    self.busy_chats.remove(&chat);
                }
                return Err(error);
            }
        };
        for ((id, chat), _) in lost.into_iter().zip(&composed).filter(|(_, one)| one.is_none()) {
            self.busy_chats.remove(&chat);
            let give_up =
                move |tx: &crate::store::Tx<'_>| tx.deliveries().give_up(id, "what it told of is not on record");
            self.outbox.store.write(give_up).await?;
        }
        Ok(composed)
    }

    /// Marks them as being sent, and sends each by itself at its time.
    async fn launch(&mut self, going: Vec<Going>) -> Result<(), StoreError> {
        let steps = self.outbox.steps.clone();
        let ids: Vec<_> = going
            .iter()
            .filter_map(|one| match one {
                Going::Message(message, _) => Some(message.delivery),
                Going::Edit(..) => None,
            })
            .collect();
        if !ids.is_empty() {
            steps.reached("before sending is marked");
            let now = self.outbox.clock.now();
            let mark =
                move |tx: &crate::store::Tx<'_>| ids.iter().try_for_each(|id| tx.deliveries().mark_sending(*id, now));
            if let Err(error) = self.outbox.store.write(mark).await {
                for one in &going {
                    self.busy_chats.remove(&one.chat());
                }
                return Err(error);
            }
            steps.reached("sending is marked");
        }
        for one in going {
            let (platform, clock, steps) =
                (Arc::clone(&self.outbox.platform), self.outbox.clock.clone(), steps.clone());
            self.flights.spawn(async move {
                let busy = clock.sleep_until_millis(one.at(), clock.busy()).await;
                let finished = match one {
                    Going::Message(message, _) => {
                        let outcome = platform.send(&message.outgoing).await;
                        steps.reached("sent");
                        Finished::Message { message, outcome }
                    }
                    Going::Edit(card, _) => {
                        let outcome = platform.edit(&card.edit).await;
                        Finished::Edited { card, outcome }
                    }
                };
                (finished, busy)
            });
        }
        Ok(())
    }

    /// When something is due next, as far as is known.
    async fn next_look(&self) -> Result<Option<Millis>, StoreError> {
        let (name, now) = (self.outbox.platform.name(), self.outbox.clock.millis());
        let (next, behind) = self
            .outbox
            .store
            .read(move |db| Ok((db.deliveries().next_due(name)?, !db.cards().behind(name, 1)?.is_empty())))
            .await?;
        let next = next.map(|next| (next.unix() * 1000).max(now + SHORT_PAUSE_MS));
        let waiting = behind.then_some(now + SHORT_PAUSE_MS);
        Ok(next.into_iter().chain(waiting).min())
    }
}

impl Going {
    fn at(&self) -> Millis {
        match self {
            Self::Message(_, at) | Self::Edit(_, at) => *at,
        }
    }

    fn chat(&self) -> i64 {
        match self {
            Self::Message(message, _) => message.outgoing.chat.id,
            Self::Edit(card, _) => card.edit.chat.id,
        }
    }
}
