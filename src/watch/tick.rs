//! One source's life: wait for its cron line, poll, hand the batch on; catch up where something was missed.

use super::backfill::{self, Gap};
use super::pipeline::Pipeline;
use crate::clock::Busy;
use crate::domain::{
    Arrival, Batch, Entity, FactKind, Seconds, Timestamp,
    time::{DAY, HOUR, MINUTE},
};
use crate::source::feed::{Answer, Feed};
use crate::source::{Purpose, Request, Wanted, backoff, past};
use crate::store::{Progress, StoreError};
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;
use tracing::Instrument;

/// Bins this old are asked for again, since they may have been revised.
const REVISED_WITHIN: Seconds = 2 * HOUR;
/// A source that was not read for longer than this is caught up on, with estimated arrival times.
const ABSENCE: Seconds = HOUR;
/// The share of a day's calls that ticks leave for suspects and for questions from a chat.
const RESERVE: f64 = 0.2;

/// One source at work on the common pipeline.
#[derive(Clone, Debug)]
pub struct Ticker {
    pub feed: Arc<Feed>,
    pub pipeline: Arc<Mutex<Pipeline>>,
    pub watch: super::Watch,
}

impl Ticker {
    /// Ticks until it is dropped: once at the start, then by the cron line.
    pub async fn run(self, mut busy: Busy) {
        let name = self.feed.name();
        if let Some(why) = &self.feed.off {
            tracing::info!(source = name, "resting: {why}");
            return;
        }
        loop {
            let span = tracing::info_span!("tick", source = name);
            match self.tick(&mut busy).instrument(span).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::error!(source = name, "what was read could not be stored: {error}"),
            }
            let now = self.watch.clock.now();
            let Some(next) = self.feed.schedule.next_after(now) else { return };
            let next = next + fastrand::i64(0..=self.feed.jitter.max(0));
            busy = self.watch.clock.sleep_until(next, busy).await;
        }
    }

    /// One tick; `false` when no further one makes sense until the operator changes something.
    pub async fn tick(&self, busy: &mut Busy) -> Result<bool, StoreError> {
        let now = self.watch.clock.now();
        let name = self.feed.name();
        let (health, progress) = self
            .watch
            .store
            .read(move |db| {
                Ok((db.sources().health()?.into_iter().find(|h| h.source == name), db.sources().progress(name)?))
            })
            .await?;
        if let Some(until) = health.as_ref().and_then(|health| health.backing_off_until).filter(|until| *until > now) {
            tracing::debug!("backing off until {until}");
            return Ok(true);
        }
        let entities = self.feed.covered(self.watch.watchlist.entities());
        let gaps = backfill::gaps(&entities, &progress, now, self.longest_pause());
        for gap in &gaps {
            if !self.fill(gap, &progress, busy).await? {
                return Ok(true);
            }
        }
        if !gaps.is_empty() {
            self.pipeline.lock().await.settle().await?;
        }
        self.live(&entities, &progress, health.map_or(0, |health| health.failures), busy).await
    }

    /// How long the source may go unread before it counts as an absence of ours.
    fn longest_pause(&self) -> Seconds {
        let cadence = self.cadence();
        ABSENCE.max(cadence * 2)
    }

    fn cadence(&self) -> Seconds {
        cadence(&self.feed, self.feed.covered(self.watch.watchlist.entities()).len())
    }

    /// What may still be asked today, beyond what is kept for others.
    async fn allowance(&self, reserve: f64) -> Result<u32, StoreError> {
        let Some(calls) = self.feed.calls_a_day else { return Ok(u32::MAX) };
        let (name, now) = (self.feed.name(), self.watch.clock.now());
        let used = self.watch.store.read(move |db| db.sources().used(name, now)).await?;
        Ok(((f64::from(calls) * (1.0 - reserve)) as u32).saturating_sub(used))
    }

    /// Plans and pays for requests: they are counted before they are sent, so that a kill never makes them free.
    async fn plan(&self, wanted: &Wanted) -> Result<Vec<Request>, StoreError> {
        let now = self.watch.clock.now();
        let requests = self.feed.source.plan(wanted, now, self.allowance(RESERVE).await?);
        if self.feed.calls_a_day.is_some() && !requests.is_empty() {
            let (name, calls) = (self.feed.name(), requests.len() as u32);
            self.watch.store.write(move |tx| tx.sources().charge(name, now, calls)).await?;
        }
        Ok(requests)
    }

    async fn live(
        &self,
        entities: &[Entity],
        progress: &[Progress],
        failures: u32,
        busy: &mut Busy,
    ) -> Result<bool, StoreError> {
        let asked_at = self.watch.clock.now();
        let due = self.due(entities, progress, asked_at);
        if due.is_empty() {
            return Ok(true);
        }
        let wanted = self.feed.wanted(due, asked_at - REVISED_WITHIN, asked_at, Purpose::Live);
        let requests = self.plan(&wanted).await?;
        if requests.is_empty() {
            tracing::info!("nothing asked: the day's budget of calls is used up");
            return Ok(true);
        }
        self.watch.steps.reached("before the poll");
        let answer = self.feed.ask(&requests, &self.watch.clock, busy).await;
        self.watch.steps.reached("polled");
        let received_at = self.watch.clock.now();
        let mut batch = Batch::live(received_at);
        batch.facts = answer.failed_facts(self.feed.name(), received_at);
        batch.facts.extend(answer.readings.facts.iter().cloned());
        batch.facts.extend(self.lost_gateways(&answer, received_at));
        let outcome = outcome(&answer, failures, received_at);
        log(self.feed.name(), &answer, &outcome);
        let name = self.feed.name();
        let read: Vec<Entity> = requests
            .iter()
            .flat_map(|request| &request.wanted.entities)
            .filter(|entity| !answer.failures.iter().any(|failure| failure.entities.contains(entity)))
            .cloned()
            .collect();
        batch.observations = answer.readings.observations;
        let newest = batch.observations.iter().filter(|o| o.value.is_some()).map(|o| o.observed_at).max();
        let rest = outcome.rest;
        let known = progress.to_vec();
        self.pipeline
            .lock()
            .await
            .take(
                vec![batch],
                Box::new(move |tx| {
                    for entity in &read {
                        tx.sources().set_progress(name, &read_until(&known, entity, asked_at, true))?;
                    }
                    match &outcome.error {
                        None => tx.sources().succeeded(name, received_at, newest),
                        Some(error) => tx.sources().failed(name, received_at, error, outcome.until),
                    }
                }),
            )
            .await?;
        Ok(!rest)
    }

    /// Whom to ask about now: all, or, where calls are counted, who has waited for its cadence; the urgent first.
    fn due(&self, entities: &[Entity], progress: &[Progress], now: Timestamp) -> Vec<Entity> {
        let cadence = self.cadence();
        let asked = |entity: &Entity| progress.iter().find(|p| p.entity == *entity).map(|p| p.to);
        let state = self.watch.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut due: Vec<(bool, Option<Timestamp>, &Entity)> = entities
            .iter()
            .map(|entity| (!state.is_open(entity), asked(entity), entity))
            // One that is down may use the reserve: it is asked at every tick.
            .filter(|(calm, asked, _)| !calm || asked.is_none_or(|at| now - at >= cadence - MINUTE))
            .collect();
        due.sort();
        due.into_iter().map(|(_, _, entity)| entity.clone()).collect()
    }

    /// A gateway that was there and is not in the newest answer is gone: said as a fact, since its absence says nothing.
    fn lost_gateways(&self, answer: &Answer, at: Timestamp) -> Vec<crate::domain::Fact> {
        let state = self.watch.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut lost = Vec::new();
        for observation in answer.readings.observations.iter().filter(|o| o.series.signal == "visibility") {
            let entity = &observation.series.entity;
            let Some(known) = state.evidence(entity, at) else { continue };
            for fact in known.facts.iter().filter(|fact| fact.entity == *entity && fact.source == self.feed.name()) {
                let FactKind::Gateway { asn, name, prefixes_seen: 1.., .. } = &fact.kind else { continue };
                let here = |f: &crate::domain::Fact| {
                    f.entity == *entity && matches!(&f.kind, FactKind::Gateway { asn: seen, .. } if seen == asn)
                };
                if !answer.readings.facts.iter().any(here) && !lost.iter().any(here) {
                    let kind = FactKind::Gateway { asn: *asn, name: name.clone(), prefixes_seen: 0, peers_seeing: 0 };
                    lost.push(crate::domain::Fact { observed_at: observation.observed_at, kind, ..fact.clone() });
                }
            }
        }
        lost
    }

    /// Reads a gap step by step; `false` when the source stopped answering: the next tick goes on where this one ended.
    async fn fill(&self, gap: &Gap, progress: &[Progress], busy: &mut Busy) -> Result<bool, StoreError> {
        let name = self.feed.name();
        let gap_from = gap.from;
        tracing::info!(entities = gap.entities.len(), from = %gap.from, until = %gap.until, "reading the past");
        for (from, until) in gap.steps() {
            let wanted = self.feed.wanted(gap.entities.clone(), from, until, Purpose::Backfill);
            let requests = self.plan(&wanted).await?;
            let answer = self.feed.ask(&requests, &self.watch.clock, busy).await;
            let now = self.watch.clock.now();
            if let Some(failure) = answer.failures.first().filter(|_| answer.is_a_failure()) {
                let error = failure.error.to_string();
                let outcome = outcome(&answer, 0, now);
                tracing::warn!("the past could not be read: {error}");
                let until = outcome.until;
                self.watch.store.write(move |tx| tx.sources().failed(name, now, &error, until)).await?;
                return Ok(false);
            }
            let newest = answer.readings.observations.iter().filter(|o| o.value.is_some()).map(|o| o.observed_at).max();
            let batches = past::batches(answer.readings, gap.arrival, now, |signal| self.feed.source.rhythm(signal));
            let (entities, known, done) = (gap.entities.clone(), progress.to_vec(), until == gap.until);
            let done = done || gap.arrival == Arrival::CaughtUp;
            self.pipeline
                .lock()
                .await
                .take(
                    batches,
                    Box::new(move |tx| {
                        for entity in &entities {
                            let begun = read_until(&known, entity, until, done);
                            tx.sources().set_progress(name, &Progress { from: begun.from.min(gap_from), ..begun })?;
                        }
                        tx.sources().succeeded(name, now, newest)
                    }),
                )
                .await?;
            self.watch.steps.reached("a step of the past read");
        }
        Ok(true)
    }
}

/// Seconds between two questions about one of so many entities: the cron line, stretched to the day's budget. 0 where
/// calls are not counted.
pub fn cadence(feed: &Feed, entities: usize) -> Seconds {
    let Some(calls) = feed.calls_a_day else { return 0 };
    let share = f64::from(calls) * (1.0 - RESERVE);
    (DAY as f64 * entities as f64 / share.max(1.0)).ceil() as Seconds
}

/// An entity that has been read up to `to`.
fn read_until(known: &[Progress], entity: &Entity, to: Timestamp, done: bool) -> Progress {
    let from = known.iter().find(|progress| progress.entity == *entity).map_or(to, |progress| progress.from);
    Progress { entity: entity.clone(), from: from.min(to), to, done }
}

/// What a poll means for the source's health.
struct Outcome {
    error: Option<String>,
    until: Option<Timestamp>,
    /// Whether nothing will help until the operator changes something.
    rest: bool,
}

fn outcome(answer: &Answer, failures: u32, now: Timestamp) -> Outcome {
    let Some(failure) = answer.failures.first() else { return Outcome { error: None, until: None, rest: false } };
    let error = &failure.error;
    // One of several questions unanswered is not worth leaving the others unasked.
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
}
