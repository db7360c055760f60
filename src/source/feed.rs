//! A polled source at run time: its address, schedule and budget, and the results of its requests.

use super::cadence::Budget;
use super::http::{Base, Http};
use super::{Polled, Query, Readings, Request, SourceError};
use crate::clock::{ActivityGuard, Clock};
use crate::domain::{Entity, Fact, FactKind, Seconds, Timestamp};
use crate::schedule::Schedule;
use std::sync::Arc;
use tracing::Instrument;

/// A source with everything that is needed to poll it.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Plans the requests and reads the replies.
    pub source: Arc<dyn Polled>,
    /// The HTTP client, shared by all feeds.
    pub http: Http,
    /// The address to call; `None` while the source is off.
    pub base: Option<Arc<Base>>,
    /// The reason why the source is off, if it is: switched off, or no token.
    pub off: Option<String>,
    /// The firings of the cron expression in the config.
    pub schedule: Schedule,
    /// The longest random wait after each firing, in seconds.
    pub jitter: Seconds,
    /// Entities that are polled only to see whether the source itself is failing; never reported.
    pub controls: Vec<Entity>,
    /// Calls in a UTC day, by the config; `None` if there is no limit.
    pub calls_a_day: Option<u32>,
}

/// The combined results of several requests.
#[derive(Debug, Default)]
pub struct Answer {
    /// The content of all replies that could be read.
    pub readings: Readings,
    /// Number of requests whose reply could be read.
    pub answered: usize,
    /// Number of requests that were sent. The others were dropped because the source could not be
    /// reached, timed out again and again, asked for a pause, or failed for good.
    pub sent: usize,
    /// The requests that gave nothing, including those that were not sent.
    pub failures: Vec<Failure>,
}

/// A request that gave nothing, with its entities and the reason.
#[derive(Debug)]
pub struct Failure {
    /// The entities of the request.
    pub entities: Vec<Entity>,
    /// The error; for a request that was not sent, the error that stopped the series.
    pub error: SourceError,
}

/// The pause before the second attempt of a request within the same tick.
const SECOND_TRY_AFTER: Seconds = 3;

/// After this many timeouts in a tick the remaining requests are not sent.
const PATIENCE: usize = 2;

/// Returns the seconds by which our clock is ahead of the servers' clocks, or `None` if no server
/// answered recently. All feeds share one client, so the first one knows.
pub fn ahead(feeds: &[Feed]) -> Option<Seconds> {
    feeds.first().and_then(|feed| feed.http.ahead())
}

impl Feed {
    /// Returns the name of the source in config, tables and chat.
    pub fn name(&self) -> &'static str {
        self.source.name()
    }

    /// Returns the daily budget, or `None` if the source has no limit.
    pub fn budget(&self) -> Option<Budget> {
        self.calls_a_day.map(|calls_a_day| Budget { calls_a_day })
    }

    /// Sends the requests one after the other. Stops early if the source asks for a pause, cannot
    /// be reached or times out repeatedly; the remaining requests then count as failures. Returns
    /// an empty answer while the source is off.
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

    /// Returns the entities that the source covers, without the controls, which are polled anyway.
    pub fn covered_beside_controls(&self, entities: Vec<Entity>) -> Vec<Entity> {
        let is_asked =
            |entity: &Entity| self.source.covers(entity) && !self.controls.contains(entity);
        entities.into_iter().filter(is_asked).collect()
    }

    /// Returns the entities that the source covers, among `watched` and the controls, each once.
    pub fn covered<'a>(&'a self, watched: impl Iterator<Item = &'a Entity>) -> Vec<Entity> {
        let mut covered: Vec<Entity> = Vec::new();
        for entity in watched.chain(&self.controls) {
            if self.source.covers(entity) && !covered.contains(entity) {
                covered.push(entity.clone());
            }
        }
        covered
    }

    /// Builds a query to this source.
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
    /// Returns a [`FactKind::PollFailed`] for each entity of a failed request that has no
    /// observation at all: its signals are unknown from `at` on. An entity that another request did
    /// cover has not failed.
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

    /// Returns whether requests failed and none succeeded.
    pub fn is_a_failure(&self) -> bool {
        self.answered == 0 && !self.failures.is_empty()
    }
}

fn wants_to_be_left_alone(error: &SourceError) -> bool {
    matches!(error, SourceError::RateLimited { .. }) || error.is_final()
}
