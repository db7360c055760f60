//! The worker of an outbox: chooses the next deliveries, sends them, and collects their outcomes.

use super::Outbox;
use super::book::{self, Finished};
use super::compose::{Composed, Composer, Revised};
use crate::clock::{ActivityGuard, Millis};
use crate::domain::Chat;
use crate::notify::digest::LATE;
use crate::notify::pace::{Pace, SharedPace};
use crate::notify::retry::{LimitScope, SendError};
use crate::store::{Delivery, DeliveryId, StoreError, Tx};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::task::{Id, JoinError, JoinSet};

/// Messages that may be sent within this time are marked together: that saves writes, and leaves
/// few messages in doubt after a kill.
const AHEAD_MS: Millis = 100;
/// How long before the next possible send the next poll runs. A slot that passes unused is lost.
const EARLY_MS: Millis = 50;
/// Deliveries to read beyond the number of places to which nothing may be sent now.
const SPARE: usize = 64;
/// The most sends in flight. It is large, so that sends that hang until their deadline do not use
/// up all of it.
const AT_ONCE: usize = 512;
/// The most chats that are summed up in one transaction after their hold has ended.
const SUMMED_AT_ONCE: usize = 64;
/// The shortest wait for a delivery that is due but could not be chosen, for instance because its
/// chat's pace did not allow it.
const SHORT_PAUSE_MS: Millis = 1_000;
/// The pause before a token that was refused is tried again.
const LONG_PAUSE_MS: Millis = 900_000;
/// From this many failures in a row on, the platform is at fault and not a single chat.
const AWAY: u32 = 5;
/// When this many places are rate limited within `AT_ONCE_MS`, the limit is one over all of them.
const SEVERAL: usize = 3;
const AT_ONCE_MS: Millis = 2_000;
/// If the platform accepted nothing for this long, or nothing since the start, earlier failures may
/// have been its own, so the deliveries that wait because of them are tried at once.
const SILENT_MS: Millis = 60_000;

/// A message or an edit that is to be sent, and when.
#[derive(Debug)]
enum Going {
    Message(Composed, Millis),
    Edit(Revised, Millis),
}

/// The kind of a send. A platform may pause edits while new messages may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Message,
    Edit,
}

#[derive(Debug)]
pub(super) struct DeliveryWorker {
    outbox: Outbox,
    pace: SharedPace,
    flights: JoinSet<(Finished, ActivityGuard)>,
    /// By task, the chat to which it sends and, for a message, the delivery.
    in_flight: HashMap<Id, (i64, Option<DeliveryId>)>,
    /// The chats with a send in flight or chosen: there is one at a time per chat.
    busy_chats: HashSet<i64>,
    /// Outcomes that are not written yet. They are kept while the database fails, and shared with
    /// the closure that writes them.
    finished: Vec<Arc<Finished>>,
    failures_in_a_row: u32,
    /// The places that were rate limited within `AT_ONCE_MS`: when that happened, the place, and
    /// until when it waits.
    told_to_wait: Vec<(Millis, String, Millis)>,
    /// When the platform last accepted something; `None` if it has not since the start.
    last_taken: Option<Millis>,
    /// When the first of the places opens for which a delivery is due but may not be sent yet.
    opens_next: Option<Millis>,
    /// Whether the platform answers again after an absence. Deliveries that wait because of earlier
    /// failures are then tried at once.
    is_back: bool,
}

impl DeliveryWorker {
    pub(super) fn new(outbox: Outbox) -> Self {
        Self {
            pace: outbox.platform.pace(),
            flights: JoinSet::new(),
            in_flight: HashMap::new(),
            busy_chats: HashSet::new(),
            finished: Vec::new(),
            failures_in_a_row: 0,
            told_to_wait: Vec::new(),
            last_taken: None,
            opens_next: None,
            is_back: false,
            outbox,
        }
    }

    /// Restores the pauses that the platform asked for before the start.
    pub(super) async fn take_up_pauses(&self) -> Result<(), StoreError> {
        let (name, now, millis) =
            (self.outbox.platform.name(), self.outbox.clock.now(), self.outbox.clock.millis());
        let pauses = self.outbox.store.read(move |db| db.pauses().of(name, now)).await?;
        let mut pace = self.pace.lock();
        for pause in pauses {
            pace.take_up(pause.place.as_deref(), pause.until - now, millis);
        }
        Ok(())
    }

    /// Waits for the next in-flight send to finish. Never returns while none is in flight.
    pub(super) async fn landed(&mut self) -> ActivityGuard {
        match self.flights.join_next_with_id().await {
            Some(done) => self.take(done),
            None => std::future::pending().await,
        }
    }

    /// Waits for all in-flight sends to finish.
    pub(super) async fn land(&mut self) {
        while let Some(done) = self.flights.join_next_with_id().await {
            self.take(done);
        }
    }

    fn take(&mut self, done: Result<(Id, (Finished, ActivityGuard)), JoinError>) -> ActivityGuard {
        let id = match &done {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let target = self.in_flight.remove(&id);
        match done {
            Ok((_, (finished, busy))) => {
                self.ended(&finished);
                self.finished.push(Arc::new(finished));
                busy
            }
            Err(error) => {
                tracing::error!("a delivery was given up half-way: {error}");
                let fallen = target
                    .and_then(|(_, delivery)| delivery)
                    .map(|delivery| Finished::Fallen { delivery });
                self.finished.extend(fallen.map(Arc::new));
                self.outbox.clock.busy()
            }
        }
    }

    /// Applies the pause that the platform asked for, to the chat, its edits or the platform.
    fn ended(&mut self, finished: &Finished) {
        let (now, platform) = (self.outbox.clock.millis(), self.outbox.platform.name());
        let error = finished.error();
        self.count_failure(error);
        let place =
            finished.chat().map(|chat| self.outbox.platform.place_of(chat)).unwrap_or_default();
        match error {
            Some(SendError::RateLimited { pause_ms, scope: LimitScope::Chat }) => {
                self.rest(place, now, now + pause_ms);
            }
            Some(SendError::RateLimited { pause_ms, scope: LimitScope::Edits }) => {
                self.pace.lock().rest(&Pace::edits_in(&place), now + pause_ms);
            }
            Some(SendError::RateLimited { pause_ms, scope: LimitScope::Platform }) => {
                tracing::warn!(platform, "asked to pause for {pause_ms} ms");
                self.pace.lock().rest_all(now + pause_ms);
            }
            Some(error @ SendError::InvalidToken { .. }) => {
                tracing::error!(platform, "{error}");
                self.pace.lock().rest_all(now + LONG_PAUSE_MS);
            }
            Some(_) => {}
            None => {
                if let Some(rest_ms) = finished.rest_ms() {
                    self.pace.lock().rest(&place, now + rest_ms);
                }
            }
        }
    }

    /// Pauses a place until `until`. Telegram does not say when its limit over all chats is
    /// reached. So when several places are rate limited at once, the whole platform pauses until
    /// the first of them may be sent to again.
    fn rest(&mut self, place: String, now: Millis, until: Millis) {
        self.told_to_wait.retain(|(told, other, _)| now - told < AT_ONCE_MS && *other != place);
        let mut pace = self.pace.lock();
        pace.rest(&place, until);
        self.told_to_wait.push((now, place, until));
        if self.told_to_wait.len() >= SEVERAL {
            let first = self.told_to_wait.iter().map(|(.., until)| *until).min().unwrap_or(until);
            pace.rest_all(first);
        }
    }

    /// Records the sends that have finished, and hands over the deliveries that may be sent.
    /// Returns when to poll again if nothing happens before, or `None` if only an event makes that
    /// necessary.
    pub(super) async fn poll(&mut self) -> Result<Option<Millis>, StoreError> {
        while let Some(done) = self.flights.try_join_next_with_id() {
            self.take(done);
        }
        self.note().await?;
        self.busy_chats = self.in_flight.values().map(|(chat, _)| *chat).collect();
        let clock = self.outbox.clock.clone();
        if self.flights.len() >= AT_ONCE {
            return Ok(None);
        }
        let opens = self.pace.lock().opens_at(clock.millis());
        if opens > clock.millis() + AHEAD_MS {
            return Ok(Some(opens - EARLY_MS));
        }
        self.sum_up_released().await?;
        let going = self.choose().await?;
        if going.is_empty() {
            return self.next_look().await;
        }
        self.launch(going).await?;
        let now = clock.millis();
        Ok(Some((self.pace.lock().opens_at(now) - EARLY_MS).max(now + 1)))
    }

    /// Records the sends that have finished: all in one transaction or, if that fails, one by one,
    /// so that a faulty one does not block the others.
    pub(super) async fn note(&mut self) -> Result<(), StoreError> {
        if self.finished.is_empty() {
            return Ok(());
        }
        let finished = std::mem::take(&mut self.finished);
        let (platform, now, jitter) =
            (Arc::clone(&self.outbox.platform), self.outbox.clock.now(), fastrand::f64());
        let (noted, is_back, name) = (finished.clone(), self.is_back, platform.name());
        let together = move |tx: &Tx<'_>| {
            noted.iter().try_for_each(|one| one.note(tx, &*platform, now, jitter))?;
            if is_back { tx.deliveries().pull_forward(name, now) } else { Ok(()) }
        };
        match self.outbox.store.write(together).await {
            Ok(()) => self.is_back = false,
            Err(error) => {
                for (at, one) in finished.iter().enumerate() {
                    let (platform, noted) = (Arc::clone(&self.outbox.platform), Arc::clone(one));
                    let alone = move |tx: &Tx<'_>| noted.note(tx, &*platform, now, jitter);
                    match self.outbox.store.write(alone).await {
                        Ok(()) => {}
                        Err(StoreError::Inconsistent(why)) => {
                            tracing::error!("what came of a delivery was left out: {why}");
                        }
                        Err(_) => {
                            self.finished.extend_from_slice(&finished[at..]);
                            return Err(error);
                        }
                    }
                }
            }
        }
        self.outbox.failpoints.hit("marked as sent");
        self.outbox.told.notify_waiters();
        Ok(())
    }

    /// Counts transient failures in a row, and notices when the platform is back. A rate limit or a
    /// refusal is an answer and changes nothing.
    fn count_failure(&mut self, error: Option<&SendError>) {
        match error {
            Some(SendError::Transient { .. }) => self.failures_in_a_row += 1,
            Some(_) => {}
            None => {
                let now = self.outbox.clock.millis();
                let was_silent = self.last_taken.is_none_or(|at| now - at >= SILENT_MS);
                self.is_back |= self.failures_in_a_row >= AWAY || was_silent;
                self.last_taken = Some(now);
                self.failures_in_a_row = 0;
            }
        }
    }

    async fn sum_up_released(&self) -> Result<(), StoreError> {
        let (name, now) = (self.outbox.platform.name(), self.outbox.clock.now());
        let released = self
            .outbox
            .store
            .read(move |db| db.deliveries().released(name, now, SUMMED_AT_ONCE))
            .await?;
        if released.is_empty() {
            return Ok(());
        }
        let sum_up = move |tx: &Tx<'_>| {
            released.iter().try_for_each(|chat| book::sum_up(tx, *chat, now).map(drop))
        };
        self.outbox.store.write(sum_up).await
    }

    /// Returns the composed messages that may be sent now, those that start an incident first;
    /// edits only if no message is chosen.
    async fn choose(&mut self) -> Result<Vec<Going>, StoreError> {
        let (name, clock) = (self.outbox.platform.name(), self.outbox.clock.clone());
        let (now, millis) = (clock.now(), clock.millis());
        self.opens_next = None;
        let most = SPARE + self.pace.lock().closed(millis);
        let due = self
            .outbox
            .store
            .read(move |db| db.deliveries().due(name, now, now - LATE, most))
            .await?;
        let mut chosen: Vec<(Delivery, Millis)> = Vec::new();
        for delivery in due {
            if let Some(at) = self.slot(&delivery.chat, millis, Call::Message) {
                chosen.push((delivery, at));
            }
        }
        if !chosen.is_empty() {
            return self.compose(self.sum_up_piles(chosen).await?).await;
        }
        let most = most + self.busy_chats.len();
        let behind = self.outbox.store.read(move |db| db.cards().behind(name, now, most)).await?;
        let mut going = Vec::new();
        for card in behind {
            let Some(at) = self.slot(&card.chat, millis, Call::Edit) else { continue };
            let (composer, incident, chat) = (self.composer(), card.incident, card.chat.id);
            match self.outbox.store.read(move |db| composer.revise(db, card)).await? {
                Some(revised) => going.push(Going::Edit(revised, at)),
                None => self.outbox.store.write(move |tx| tx.cards().lost(incident, chat)).await?,
            }
        }
        Ok(going)
    }

    /// Sums up the deliveries that piled up for the chosen chats. The first delivery that is left
    /// takes the slot that was chosen for the chat, so summing up does not cost a slot.
    async fn sum_up_piles(
        &self,
        chosen: Vec<(Delivery, Millis)>,
    ) -> Result<Vec<(Delivery, Millis)>, StoreError> {
        let now = self.outbox.clock.now();
        let ids: Vec<(i64, DeliveryId)> =
            chosen.iter().map(|(delivery, _)| (delivery.chat.id, delivery.id)).collect();
        let crowded = self.outbox.store.read(move |db| {
            let mut crowded = Vec::new();
            for (chat, id) in ids {
                if db.deliveries().others(chat, id)? > 0 {
                    crowded.push(chat);
                }
            }
            Ok(crowded)
        });
        let crowded = crowded.await?;
        if crowded.is_empty() {
            return Ok(chosen);
        }
        let summed = self.outbox.store.write(move |tx| {
            let mut summed = HashMap::new();
            for chat in crowded {
                if book::sum_up(tx, chat, now)? {
                    summed.insert(chat, tx.deliveries().due_of(chat, now, now - LATE)?);
                }
            }
            Ok(summed)
        });
        let mut summed = summed.await?;
        let first = |(delivery, at): (Delivery, Millis)| match summed.remove(&delivery.chat.id) {
            Some(first) => first.map(|first| (first, at)),
            None => Some((delivery, at)),
        };
        Ok(chosen.into_iter().filter_map(first).collect())
    }

    /// Takes a slot for the chat and returns its time, if the chat may be sent to within
    /// `AHEAD_MS`.
    fn slot(&mut self, chat: &Chat, now: Millis, call: Call) -> Option<Millis> {
        let limit = self.outbox.platform.pace_of(chat);
        if self.busy_chats.len() >= AT_ONCE || self.busy_chats.contains(&chat.id) {
            return None;
        }
        let place = self.outbox.platform.place_of(chat);
        let mut pace = self.pace.lock();
        let mut at = pace.place_opens_at(&place, limit, now);
        if call == Call::Edit {
            at = at.max(pace.rests_until(&Pace::edits_in(&place)));
        }
        if at > now + AHEAD_MS {
            drop(pace);
            self.opens_next = Some(self.opens_next.map_or(at, |known| known.min(at)));
            return None;
        }
        pace.pass(&place, limit, at);
        drop(pace);
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

    /// Composes the messages. A delivery whose incident is not on record is given up.
    async fn compose(&self, chosen: Vec<(Delivery, Millis)>) -> Result<Vec<Going>, StoreError> {
        let composer = self.composer();
        let composed = self.outbox.store.read(move |db| {
            let each = chosen
                .into_iter()
                .map(|(delivery, at)| Ok((delivery.id, composer.compose(db, &delivery)?, at)));
            each.collect::<Result<Vec<_>, StoreError>>()
        });
        let (mut going, mut lost) = (Vec::new(), Vec::new());
        for (id, composed, at) in composed.await? {
            match composed {
                Some(composed) => going.push(Going::Message(composed, at)),
                None => lost.push(id),
            }
        }
        if !lost.is_empty() {
            let why = "what it told of is not on record";
            let give_up =
                move |tx: &Tx<'_>| lost.iter().try_for_each(|id| tx.deliveries().give_up(*id, why));
            self.outbox.store.write(give_up).await?;
        }
        Ok(going)
    }

    /// Marks the deliveries as being sent, and starts a task for each that sends it at its time.
    async fn launch(&mut self, going: Vec<Going>) -> Result<(), StoreError> {
        let ids: Vec<DeliveryId> = going.iter().filter_map(Going::delivery).collect();
        let mut marked = HashSet::new();
        if !ids.is_empty() {
            self.outbox.failpoints.hit("before sending is marked");
            let now = self.outbox.clock.now();
            let mark = move |tx: &Tx<'_>| {
                let mut marked = HashSet::new();
                for id in ids {
                    if tx.deliveries().mark_sending(id, now)? {
                        marked.insert(id);
                    }
                }
                Ok(marked)
            };
            marked = self.outbox.store.write(mark).await?;
            self.outbox.failpoints.hit("sending is marked");
        }
        // A delivery that is no longer owed is not sent: the chat was forgotten or has excluded the
        // bot meanwhile.
        for one in
            going.into_iter().filter(|one| one.delivery().is_none_or(|id| marked.contains(&id)))
        {
            let (platform, clock) = (Arc::clone(&self.outbox.platform), self.outbox.clock.clone());
            let failpoints = self.outbox.failpoints.clone();
            let target = (one.chat(), one.delivery());
            let flight = self.flights.spawn(async move {
                let busy = clock.sleep_until_millis(one.at(), clock.busy()).await;
                let finished = match one {
                    Going::Message(message, _) => {
                        let outcome = platform.send(&message.outgoing).await;
                        failpoints.hit("sent");
                        Finished::Message { message, outcome }
                    }
                    Going::Edit(card, _) => {
                        let outcome = platform.edit(&card.edit).await;
                        Finished::Edited { card, outcome }
                    }
                };
                (finished, busy)
            });
            self.in_flight.insert(flight.id(), target);
        }
        Ok(())
    }

    /// Returns when the next delivery or edit is due, or the next place opens, if any is known.
    async fn next_look(&self) -> Result<Option<Millis>, StoreError> {
        let name = self.outbox.platform.name();
        let next = self.outbox.store.read(move |db| {
            Ok(db.deliveries().next_due(name)?.into_iter().chain(db.cards().next_edit(name)?).min())
        });
        let next = next.await?;
        let (now, millis) = (self.outbox.clock.now(), self.outbox.clock.millis());
        let next = next.map(|next| millis + ((next - now) * 1000).max(SHORT_PAUSE_MS));
        let opens = self.opens_next.map(|opens| (opens - EARLY_MS).max(millis + 1));
        Ok(next.into_iter().chain(opens).min())
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

    fn delivery(&self) -> Option<DeliveryId> {
        match self {
            Self::Message(message, _) => Some(message.delivery),
            Self::Edit(..) => None,
        }
    }
}
