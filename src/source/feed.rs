//! A polled source as it is run here: where it is asked, when, how often, and what came of asking.

use super::cadence::Budget;
use super::http::{Base, Http};
use super::{Polled, Query, Readings, Request, SourceError};
use crate::clock::{ActivityGuard, Clock};
use crate::domain::{Entity, Fact, FactKind, Seconds, Timestamp};
use crate::schedule::Schedule;
use std::sync::Arc;
use tracing::Instrument;

/// A source with all that running it takes.
#[derive(Clone, Debug)]
pub struct Feed {
    pub source: Arc<dyn Polled>,
    pub http: Http,
    /// Where it is asked; `None` while it is off.
    pub base: Option<Arc<Base>>,
    /// Why it rests, where it does: switched off, no token.
    pub off: Option<String>,
    pub schedule: Schedule,
    /// Up to so many seconds are waited at random after each firing.
    pub jitter: Seconds,
    /// Polled only to see whether the source itself is ill; never told of.
    pub controls: Vec<Entity>,
    pub calls_a_day: Option<u32>,
}

/// What came of some requests.
#[derive(Debug, Default)]
pub struct Answer {
    pub readings: Readings,
    /// Requests that were answered with something that could be read.
    pub answered: usize,
    /// Requests that were sent; the others were given up when the source could not be reached or wanted to be left alone.
    pub sent: usize,
    pub failures: Vec<Failure>,
}

/// A request that brought nothing, and whom it was about.
#[derive(Debug)]
pub struct Failure {
    pub entities: Vec<Entity>,
    pub error: SourceError,
}

/// Before a request is tried a second time within the same tick.
const SECOND_TRY_AFTER: Seconds = 3;

/// Requests of a tick that may run into their deadline; the others then need not try.
const PATIENCE: usize = 2;

/// By how much our clock is ahead of those of the servers that answer, where some do: all feeds ask by one client.
pub fn ahead(feeds: &[Feed]) -> Option<Seconds> {
    feeds.first().and_then(|feed| feed.http.ahead())
}

impl Feed {
    pub fn name(&self) -> &'static str {
        self.source.name()
    }

    pub fn budget(&self) -> Option<Budget> {
        self.calls_a_day.map(|calls_a_day| Budget { calls_a_day })
    }

    /// Asks all of it, one request after the other. What was not asked any more, because the source wants to be left
    /// alone, is among the failures.
    pub async fn ask(
        &self,
        requests: &[Request],
        clock: &Clock,
        busy: &mut ActivityGuard,
    ) -> Answer {
        let mut answer = Answer::default();
        let Some(base) = &self.base else { return answer };
        let mut timed_out = 0;
        for (i, request) in requests.iter().enumerate() {
            answer.sent += 1;
            let span = tracing::info_span!("request", source = self.name(), path = request.path);
            match self.ask_one(base, request, clock, busy).instrument(span).await {
                Ok(readings) => {
                    answer.answered += 1;
                    answer.readings.observations.extend(readings.observations);
                    answer.readings.facts.extend(readings.facts);
                    answer.readings.odd.extend(readings.odd);
                }
                Err(error) => {
                    timed_out += usize::from(error == SourceError::TimedOut);
                    let leave_alone = wants_to_be_left_alone(&error)
                        || matches!(error, SourceError::Unreachable { .. })
                        || timed_out >= PATIENCE;
                    let unasked = if leave_alone { &requests[i + 1..] } else { &[] };
                    for request in [request].into_iter().chain(unasked) {
                        answer.failures.push(Failure {
                            entities: request.wanted.entities.clone(),
                            error: error.clone(),
                        });
                    }
                    if leave_alone {
                        break;
                    }
                }
            }
        }
        answer
    }

    async fn ask_one(
        &self,
        base: &Base,
        request: &Request,
        clock: &Clock,
        busy: &mut ActivityGuard,
    ) -> Result<Readings, SourceError> {
        let first = self.attempt(base, request, clock, busy).await;
        match first {
            Err(error) if error.is_worth_retrying() && !wants_to_be_left_alone(&error) => {
                *busy = clock.sleep(SECOND_TRY_AFTER, std::mem::take(busy)).await;
                self.attempt(base, request, clock, busy).await
            }
            other => other,
        }
    }

    async fn attempt(
        &self,
        base: &Base,
        request: &Request,
        clock: &Clock,
        busy: &mut ActivityGuard,
    ) -> Result<Readings, SourceError> {
        let body = self.http.get(base, request, busy).await?;
        self.source.read(request, &body, clock.now())
    }

    /// Returns those of the entities that the source knows and that are not controls: these are asked about anyway.
    pub fn covered_beside_controls(&self, entities: Vec<Entity>) -> Vec<Entity> {
        let is_asked =
            |entity: &Entity| self.source.covers(entity) && !self.controls.contains(entity);
        entities.into_iter().filter(is_asked).collect()
    }

    /// What of the entities the source knows, those of the config and the controls.
    pub fn covered<'a>(&'a self, watched: impl Iterator<Item = &'a Entity>) -> Vec<Entity> {
        let mut covered: Vec<Entity> = Vec::new();
        for entity in watched.chain(&self.controls) {
            if self.source.covers(entity) && !covered.contains(entity) {
                covered.push(entity.clone());
            }
        }
        covered
    }

    pub fn wanted(
        &self,
        entities: Vec<Entity>,
        from: Timestamp,
        until: Timestamp,
        purpose: super::Purpose,
    ) -> Query {
        Query { entities, from, until, purpose }
    }
}

impl Answer {
    /// The failures as facts: of whom nothing could be read, the signals are unknown from here on. One question of
    /// several unanswered is no such failure.
    pub fn failed_facts(&self, source: &str, at: Timestamp) -> Vec<Fact> {
        let heard_of =
            |entity: &Entity| self.readings.observations.iter().any(|o| o.series.entity == *entity);
        let mut facts: Vec<Fact> = Vec::new();
        for failure in &self.failures {
            for entity in &failure.entities {
                if !heard_of(entity) && facts.iter().all(|fact| fact.entity != *entity) {
                    let kind = FactKind::PollFailed { error: failure.error.to_string() };
                    facts.push(Fact {
                        entity: entity.clone(),
                        source: source.to_owned(),
                        observed_at: at,
                        kind,
                    });
                }
            }
        }
        facts
    }

    /// Whether the source gave nothing at all.
    pub fn is_a_failure(&self) -> bool {
        self.answered == 0 && !self.failures.is_empty()
    }
}

fn wants_to_be_left_alone(error: &SourceError) -> bool {
    matches!(error, SourceError::RateLimited { .. }) || error.is_final()
}
