//! One source's life: wait for its cron line, poll, hand the batch on; catch up where something was missed.

use super::pipeline::Pipeline;
use crate::clock::Busy;
use crate::domain::{
    Batch, Entity, FactKind, Seconds, Timestamp,
    time::{HOUR, MINUTE},
};
use crate::source::cadence::Need;
use crate::source::feed::{Answer, Feed};
use crate::source::{Purpose, Request, Wanted, backoff};
use crate::store::{Progress, StoreError};
use crate::vitals::Pulse;
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;
use tracing::Instrument;

/// Bins this old are asked for again, since they may have been revised.
const REVISED_WITHIN: Seconds = 2 * HOUR;

/// A tick that takes longer hangs: each request has a limit of its own, but a past that is read has many.
const LONGEST_TICK: Seconds = 45 * MINUTE;

/// One source at work on the common pipeline.
#[derive(Clone, Debug)]
pub struct Ticker {
    pub feed: Arc<Feed>,
    pub pipeline: Arc<Mutex<Pipeline>>,
    pub watch: super::Watch,
}

impl Ticker {
    /// Ticks until it is dropped: once at the start, then by the cron line.
    pub async fn run(self, pulse: Pulse, mut busy: Busy) {
        let name = self.feed.name();
        if let Some(why) = &self.feed.off {
            tracing::info!(source = name, "resting: {why}");
            return;
        }
        loop {
            pulse.within(LONGEST_TICK);
            let span = tracing::info_span!("tick", source = name);
            match self.tick(&mut busy).instrument(span).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::error!(source = name, "what was read could not be stored: {error}"),
            }
            let now = self.watch.clock.now();
            let Some(next) = self.feed.schedule.next_after(now) else { return };
            let next = next + fastrand::i64(0..=self.feed.jitter.max(0));
            pulse.within((next - now).max(0) + LONGEST_TICK);
            busy = self.watch.clock.sleep_until(next, busy).await;
        }
    }

    /// One tick; `false` when no further one makes sense until the operator changes something.
    pub async fn tick(&self, busy: &mut Busy) -> Result<bool, StoreError> {
        let now = self.watch.clock.now();
        let name = self.feed.name();
        let health =
            self.watch.store.read(move |db| Ok(db.sources().health()?.into_iter().find(|h| h.source == name))).await?;
        if let Some(until) = health.as_ref().and_then(|health| health.backing_off_until).filter(|until| *until > now) {
            tracing::debug!("backing off until {until}");
            return Ok(true);
        }
        let lack = self.lack().await?;
        let Some(unread) = self.fill(&lack, busy).await? else { return Ok(true) };
        let entities = self.feed.covered(self.watch.watchlist.entities().iter());
        // Whose past is still to be read is not asked about the present: its first value must not end the reading.
        let entities: Vec<Entity> = entities.iter().filter(|entity| !unread.contains(entity)).cloned().collect();
        self.live(&entities, &lack.progress, lack.failures, busy).await
    }

    /// Seconds between two questions about one entity; 0 where calls are not counted.
    pub(super) fn cadence(&self, spent: u32) -> Seconds {
        let entities = self.feed.covered(self.watch.watchlist.entities().iter()).len();
        self.feed.budget().map_or(0, |budget| budget.cadence_today(entities, spent, self.watch.clock.now()))
    }

    /// Calls of today that are gone.
    async fn spent(&self) -> Result<u32, StoreError> {
        let (name, now) = (self.feed.name(), self.watch.clock.now());
        self.watch.store.read(move |db| db.sources().used(name, now)).await
    }

    /// Plans and pays for requests: they are counted before they are sent, so that a kill never makes them free.
    pub(super) async fn plan(&self, wanted: &Wanted, need: Need) -> Result<Vec<Request>, StoreError> {
        let now = self.watch.clock.now();
        let Some(budget) = self.feed.budget() else { return Ok(self.feed.source.plan(wanted, now, u32::MAX)) };
        let requests = self.feed.source.plan(wanted, now, budget.left(self.spent().await?, need));
        if !requests.is_empty() {
            let (name, calls) = (self.feed.name(), requests.len() as u32);
            self.watch.store.write(move |tx| tx.sources().charge(name, now, calls)).await?;
        }
        Ok(requests)
    }

    /// Asks, and takes back what was paid for requests that were not sent.
    pub(super) async fn ask(&self, requests: &[Request], busy: &mut Busy) -> Result<Answer, StoreError> {
        let paid_at = self.watch.clock.now();
        let answer = self.feed.ask(requests, &self.watch.clock, busy).await;
        let unsent = (requests.len() - answer.sent) as u32;
        if unsent > 0 && self.feed.calls_a_day.is_some() {
            let name = self.feed.name();
            self.watch.store.write(move |tx| tx.sources().refund(name, paid_at, unsent)).await?;
        }
        Ok(answer)
    }

    async fn live(
        &self,
        entities: &[Entity],
        progress: &[Progress],
        failures: u32,
        busy: &mut Busy,
    ) -> Result<bool, StoreError> {
        let asked_at = self.watch.clock.now();
        let (due, need) = self.due(entities, progress, asked_at, self.cadence(self.spent().await?));
        if due.is_empty() {
            return Ok(true);
        }
        let wanted = self.feed.wanted(due, asked_at - REVISED_WITHIN, asked_at, Purpose::Live);
        let requests = self.plan(&wanted, need).await?;
        if requests.is_empty() {
            tracing::info!("nothing asked: the day's budget of calls is used up");
            return Ok(true);
        }
        self.watch.steps.reached("before the poll");
        let answer = self.ask(&requests, busy).await?;
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
        let newest = answer.readings.newest();
        batch.observations = answer.readings.observations;
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
    fn due(&self, entities: &[Entity], progress: &[Progress], now: Timestamp, cadence: Seconds) -> (Vec<Entity>, Need) {
        let asked = |entity: &Entity| progress.iter().find(|p| p.entity == *entity).map(|p| p.to);
        let state = self.watch.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut due: Vec<(bool, Option<Timestamp>, &Entity)> = entities
            .iter()
            .map(|entity| (!state.is_open(entity), asked(entity), entity))
            // One that is down may use the reserve: it is asked at every tick.
            .filter(|(calm, asked, _)| !calm || asked.is_none_or(|at| now - at >= cadence - MINUTE))
            .collect();
        due.sort();
        let need = if due.iter().any(|(calm, ..)| !calm) { Need::Pressing } else { Need::Routine };
        (due.into_iter().map(|(_, _, entity)| entity.clone()).collect(), need)
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
}

/// An entity that has been read up to `to`.
pub(super) fn read_until(known: &[Progress], entity: &Entity, to: Timestamp, done: bool) -> Progress {
    let from = known.iter().find(|progress| progress.entity == *entity).map_or(to, |progress| progress.from);
    Progress { entity: entity.clone(), from: from.min(to), to, done }
}

/// What a poll means for the source's health.
pub(super) struct Outcome {
    pub(super) error: Option<String>,
    pub(super) until: Option<Timestamp>,
    /// Whether nothing will help until the operator changes something.
    pub(super) rest: bool,
}

pub(super) fn outcome(answer: &Answer, failures: u32, now: Timestamp) -> Outcome {
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
