//! The loop of one source: wait for its cron line, poll, hand the batch on, and catch up where
//! something was missed.

use super::backfill::Lack;
use super::faults;
use super::pipeline::Pipeline;
use crate::clock::ActivityGuard;
use crate::domain::{
    Batch, Entity, FactKind, Seconds, Timestamp,
    time::{HOUR, MINUTE},
};
use crate::source::cadence::{Budget, Need, Share};
use crate::source::feed::{Answer, Feed};
use crate::source::{Purpose, Query, Request, backoff};
use crate::store::{Progress, StoreError, Tx};
use crate::supervisor::Watchdog;
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;
use tracing::Instrument;

/// Bins up to this old, in seconds, are requested again, since they may have been revised.
const REVISED_WITHIN: Seconds = 2 * HOUR;

/// A tick that takes longer than this has hung. Each request has a limit of its own, but reading
/// the past takes many.
const LONGEST_TICK: Seconds = 45 * MINUTE;

/// The calls that a share may spend today.
#[derive(Clone, Copy, Debug)]
pub(super) struct Today {
    /// Seconds between two requests about one entity; 0 where calls are not counted.
    pub(super) cadence: Seconds,
    /// `None` where calls are not counted.
    budget: Option<Budget>,
    spent: u32,
}

/// The result of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The source may be asked more now.
    Answered,
    /// The source must be left alone for a while.
    LeaveAlone,
    /// No further poll makes sense until the operator changes something.
    Final,
}

impl Asked {
    /// Returns whether the source may be asked more now.
    pub(super) fn goes_on(self) -> bool {
        self == Self::Answered
    }

    /// Returns whether polling ends until the operator changes something.
    pub(super) fn is_final(self) -> bool {
        self == Self::Final
    }
}

/// One source that feeds the common pipeline.
#[derive(Clone, Debug)]
pub struct Ticker {
    /// The source, with its schedule and budget.
    pub feed: Arc<Feed>,
    /// The pipeline of all sources.
    pub pipeline: Arc<Mutex<Pipeline>>,
    /// The handles of the pipeline, to read without its lock.
    pub watch: super::Watch,
}

impl Ticker {
    /// Ticks until it is dropped: once at the start, then by the cron line.
    pub async fn run(self, watchdog: Watchdog, mut busy: ActivityGuard) {
        let name = self.feed.name();
        if let Some(why) = &self.feed.off {
            tracing::info!(source = name, "resting: {why}");
            return;
        }
        loop {
            watchdog.within(LONGEST_TICK);
            let span = tracing::info_span!("tick", source = name);
            match self.tick(&mut busy).instrument(span).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(source = name, "what was read could not be stored: {error}");
                }
            }
            let now = self.watch.clock.now();
            let Some(next) = self.feed.schedule.next_after(now) else { return };
            let next = next + fastrand::i64(0..=self.feed.jitter.max(0));
            watchdog.within((next - now).max(0) + LONGEST_TICK);
            busy = self.watch.clock.sleep_until(next, busy).await;
        }
    }

    /// Runs one tick. Returns `false` when no further one makes sense until the operator changes
    /// something.
    pub async fn tick(&self, busy: &mut ActivityGuard) -> Result<bool, StoreError> {
        let now = self.watch.clock.now();
        let name = self.feed.name();
        let health = self
            .watch
            .store
            .read(move |db| Ok(db.sources().health()?.into_iter().find(|h| h.source == name)))
            .await?;
        if let Some(until) =
            health.as_ref().and_then(|health| health.backing_off_until).filter(|until| *until > now)
        {
            tracing::debug!("backing off until {until}");
            return Ok(true);
        }
        let lack = self.lack(Share::Operator).await?;
        let Some(unread) = self.fill(&lack, busy).await? else { return Ok(true) };
        let unread: Vec<Entity> = unread.into_iter().cloned().collect();
        // Reading the past may have shown which entities are refused.
        let lack = if lack.gaps.is_empty() { lack } else { self.lack(Share::Operator).await? };
        // An entity whose past is still to be read is not asked about the present: its first value
        // would end the reading.
        let mut entities = self.covered(Share::Operator);
        entities.retain(|entity| !unread.contains(entity));
        let (due, need) = self.due(Share::Operator, &entities, &lack).await?;
        let asked = self.live(Share::Operator, due, need, &lack, busy).await?;
        self.forget_others().await?;
        if asked.goes_on() { self.chats_turn(busy).await } else { Ok(!asked.is_final()) }
    }

    /// Returns the entities of one share that the source covers.
    pub(super) fn covered(&self, share: Share) -> Vec<Entity> {
        let watchlist = &self.watch.watchlist;
        match share {
            Share::Operator => {
                self.feed.covered(watchlist.configured().map(|watched| &watched.entity))
            }
            Share::Chats => self.feed.covered_beside_controls(watchlist.subscribed()),
        }
    }

    /// Returns the budget of one share for today.
    pub(super) async fn budget(&self, share: Share) -> Result<Today, StoreError> {
        let Some(budget) = self.feed.budget() else {
            return Ok(Today { cadence: 0, budget: None, spent: 0 });
        };
        let (name, now) = (self.feed.name(), self.watch.clock.now());
        let used = self.watch.store.read(move |db| {
            Ok((db.sources().used(name, now)?, db.sources().used_for_chats(name, now)?))
        });
        let (all, by_chats) = used.await?;
        let (operators, chats) =
            (self.covered(Share::Operator).len(), self.covered(Share::Chats).len());
        let shares = budget.split(operators, chats, by_chats);
        let (budget, entities, spent) = match share {
            Share::Operator => (shares.operator, operators, all.saturating_sub(by_chats)),
            Share::Chats => (shares.chats, chats, by_chats),
        };
        Ok(Today {
            cadence: budget.cadence_today(entities, spent, now),
            budget: Some(budget),
            spent,
        })
    }

    /// Plans requests and charges them to the budget. They are counted before they are sent, so
    /// that a kill never makes them free.
    pub(super) async fn plan(
        &self,
        share: Share,
        wanted: &Query,
        need: Need,
    ) -> Result<Vec<Request>, StoreError> {
        let now = self.watch.clock.now();
        let today = self.budget(share).await?;
        let Some(budget) = today.budget else {
            return Ok(self.feed.source.plan(wanted, now, u32::MAX));
        };
        let requests = self.feed.source.plan(wanted, now, budget.left(today.spent, need));
        if !requests.is_empty() {
            let (name, calls) = (self.feed.name(), requests.len() as u32);
            self.watch
                .store
                .write(move |tx| match share {
                    Share::Operator => tx.sources().charge(name, now, calls),
                    Share::Chats => tx.sources().charge_for_chats(name, now, calls),
                })
                .await?;
        }
        Ok(requests)
    }

    /// Sends the requests, and refunds those that were not sent.
    pub(super) async fn ask(
        &self,
        share: Share,
        requests: &[Request],
        busy: &mut ActivityGuard,
    ) -> Result<Answer, StoreError> {
        let paid_at = self.watch.clock.now();
        let answer = self.feed.ask(requests, &self.watch.clock, busy).await;
        let unsent = (requests.len() - answer.sent) as u32;
        if unsent > 0 && self.feed.calls_a_day.is_some() {
            let name = self.feed.name();
            self.watch
                .store
                .write(move |tx| match share {
                    Share::Operator => tx.sources().refund(name, paid_at, unsent),
                    Share::Chats => tx.sources().refund_for_chats(name, paid_at, unsent),
                })
                .await?;
        }
        Ok(answer)
    }

    /// Polls the present of the entities and passes the answers to the pipeline.
    pub(super) async fn live(
        &self,
        share: Share,
        due: Vec<Entity>,
        need: Need,
        lack: &Lack,
        busy: &mut ActivityGuard,
    ) -> Result<Asked, StoreError> {
        let asked_at = self.watch.clock.now();
        if due.is_empty() {
            return Ok(Asked::Answered);
        }
        let wanted = self.feed.wanted(due, asked_at - REVISED_WITHIN, asked_at, Purpose::Live);
        let requests = self.plan(share, &wanted, need).await?;
        if requests.is_empty() {
            tracing::info!(?share, "nothing asked: the day's budget of calls is used up");
            return Ok(Asked::Answered);
        }
        self.watch.failpoints.hit("before the poll");
        let answer = self.ask(share, &requests, busy).await?;
        self.watch.failpoints.hit("polled");
        let received_at = self.watch.clock.now();
        let mut batch = Batch::live(received_at);
        batch.facts = answer.failed_facts(self.feed.name(), received_at);
        batch.facts.extend(answer.readings.facts.iter().cloned());
        batch.facts.extend(self.lost_gateways(&answer, received_at));
        let outcome = outcome(&answer, share, lack.failures, received_at);
        log(self.feed.name(), &answer, &outcome);
        let name = self.feed.name();
        let mut asked: Vec<Entity> = Vec::new();
        for entity in requests.iter().flat_map(|request| &request.wanted.entities) {
            if !asked.contains(entity) {
                asked.push(entity.clone());
            }
        }
        let faults = faults::after(name, &lack.faults, &asked, &answer, share, received_at);
        faults.log(&lack.faults);
        let is_failed = |entity: &Entity| {
            answer.failures.iter().any(|failure| failure.entities.contains(entity))
        };
        asked.retain(|entity| !is_failed(entity));
        let has_answered = answer.answered > 0;
        let newest = answer.readings.newest();
        batch.observations = answer.readings.observations;
        let end = match (&outcome.error, outcome.rest) {
            (_, true) => Asked::Final,
            (Some(_), false) if outcome.until.is_some() => Asked::LeaveAlone,
            _ => Asked::Answered,
        };
        let known = lack.progress.clone();
        self.pipeline
            .lock()
            .await
            .take(
                vec![batch],
                Box::new(move |tx| {
                    for entity in &asked {
                        tx.sources()
                            .set_progress(name, &read_until(&known, entity, asked_at, true))?;
                    }
                    faults.write(name, tx)?;
                    match &outcome.error {
                        None if has_answered => tx.sources().succeeded(name, received_at, newest),
                        None => Ok(()),
                        Some(error) => tx.sources().failed(name, received_at, error, outcome.until),
                    }
                }),
            )
            .await?;
        Ok(end)
    }

    /// Returns the entities to ask about now, and how pressing that is: all, or, where calls are
    /// counted, those whose cadence has passed. Entities that are down come first, then those that
    /// have waited longest. An entity that the source refuses is left out for a while.
    pub(super) async fn due(
        &self,
        share: Share,
        entities: &[Entity],
        lack: &Lack,
    ) -> Result<(Vec<Entity>, Need), StoreError> {
        let (now, cadence) = (self.watch.clock.now(), self.budget(share).await?.cadence);
        let asked =
            |entity: &Entity| lack.progress.iter().find(|p| p.entity == *entity).map(|p| p.to);
        let state = self.watch.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut due: Vec<(bool, Option<Timestamp>, &Entity)> = entities
            .iter()
            .filter(|entity| !faults::rests(&lack.faults, entity, now))
            .map(|entity| (!state.is_open(entity), asked(entity), entity))
            // An entity that is down may use the reserve: it is asked about at every tick.
            .filter(|(calm, asked, _)| !calm || asked.is_none_or(|at| now - at >= cadence - MINUTE))
            .collect();
        due.sort();
        let need = if due.iter().any(|(calm, ..)| !calm) { Need::Pressing } else { Need::Routine };
        Ok((due.into_iter().map(|(_, _, entity)| entity.clone()).collect(), need))
    }

    /// Removes the faults of entities that are not watched any more. Subscribers may name anything,
    /// so faults must not pile up.
    async fn forget_others(&self) -> Result<(), StoreError> {
        let name = self.feed.name();
        let mut others = self.watch.store.read(|db| db.sources().faults()).await?;
        let watched = [self.covered(Share::Operator), self.covered(Share::Chats)].concat();
        others.retain(|fault| fault.source == name && !watched.contains(&fault.entity));
        if others.is_empty() {
            return Ok(());
        }
        let forget = move |tx: &Tx<'_>| {
            others.iter().try_for_each(|f| tx.sources().clear_fault(name, &f.entity))
        };
        self.watch.store.write(forget).await
    }

    /// Returns a fact for each gateway that was known and is missing in the newest answer: it is
    /// gone, and its absence alone records nothing.
    fn lost_gateways(&self, answer: &Answer, at: Timestamp) -> Vec<crate::domain::Fact> {
        let state = self.watch.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut lost = Vec::new();
        for observation in
            answer.readings.observations.iter().filter(|o| o.series.signal == "visibility")
        {
            let entity = &observation.series.entity;
            let Some(known) = state.evidence(entity, at) else { continue };
            for fact in known
                .facts
                .iter()
                .filter(|fact| fact.entity == *entity && fact.source == self.feed.name())
            {
                let FactKind::Gateway { asn, name, prefixes_seen: 1.., .. } = &fact.kind else {
                    continue;
                };
                let here = |f: &crate::domain::Fact| {
                    f.entity == *entity
                        && matches!(&f.kind, FactKind::Gateway { asn: seen, .. } if seen == asn)
                };
                if !answer.readings.facts.iter().any(here) && !lost.iter().any(here) {
                    let kind = FactKind::Gateway {
                        asn: *asn,
                        name: name.clone(),
                        prefixes_seen: 0,
                        peers_seeing: 0,
                    };
                    lost.push(crate::domain::Fact {
                        observed_at: observation.observed_at,
                        kind,
                        ..fact.clone()
                    });
                }
            }
        }
        lost
    }
}

/// Returns the progress of an entity that has been read up to `to`.
pub(super) fn read_until(
    known: &[Progress],
    entity: &Entity,
    to: Timestamp,
    done: bool,
) -> Progress {
    let from = known
        .iter()
        .find(|progress| progress.entity == *entity)
        .map_or(to, |progress| progress.from);
    Progress { entity: entity.clone(), from: from.min(to), to, done }
}

/// The effect of a poll on the source's health.
pub(super) struct Outcome {
    /// The failure of the source, if it failed.
    pub(super) error: Option<String>,
    /// Until when the source is not polled.
    pub(super) until: Option<Timestamp>,
    /// Whether no poll will succeed until the operator changes something.
    pub(super) rest: bool,
}

/// Decides the effect of an answer on the source's health. `failures` is the number of failed polls
/// in a row before this one.
pub(super) fn outcome(answer: &Answer, share: Share, failures: u32, now: Timestamp) -> Outcome {
    let Some(failure) = faults::of_source(answer, share) else {
        return Outcome { error: None, until: None, rest: false };
    };
    let error = &failure.error;
    // One failed request of several is no reason to leave the others unasked.
    let until = (answer.is_a_failure() || error.retry_after().is_some())
        .then(|| now + backoff::POLITE.pause(failures + 1, fastrand::f64(), error.retry_after()));
    Outcome { error: Some(error.to_string()), until, rest: error.is_final() }
}

fn log(source: &str, answer: &Answer, outcome: &Outcome) {
    match (&outcome.error, outcome.until) {
        (None, _) => tracing::debug!(observations = answer.readings.observations.len(), "polled"),
        (Some(error), Some(until)) => {
            tracing::warn!("{source}: {error}. Trying again at {until}; verdicts go on without it");
        }
        (Some(error), None) => tracing::warn!("{source}: {error}. Verdicts go on without it"),
    }
    if let Some(first) = answer.readings.odd.first() {
        let count = answer.readings.odd.len();
        tracing::warn!(
            source,
            count,
            first = first.why,
            "items of an answer are malformed, the others are used"
        );
    }
}
