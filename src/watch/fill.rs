//! Reading a gap of the past, step by step, so that a kill or a source that stops answering loses no step that was read.

use super::backfill::Gap;
use super::tick::{Ticker, outcome, read_until};
use crate::clock::Busy;
use crate::domain::Arrival;
use crate::source::cadence::Need;
use crate::source::{Purpose, SourceError, past};
use crate::store::{Progress, StoreError};

/// How far the reading of a gap came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    Whole,
    /// The next tick goes on where this one ended; others may be asked meanwhile.
    Later,
    /// The source does not answer at all.
    LeaveAlone,
}

impl Ticker {
    pub(super) async fn fill(
        &self,
        gap: &Gap,
        progress: &[Progress],
        failures: u32,
        busy: &mut Busy,
    ) -> Result<Filled, StoreError> {
        let (name, gap_from) = (self.feed.name(), gap.from);
        tracing::info!(entities = gap.entities.len(), from = %gap.from, until = %gap.until, "reading the past");
        for (from, until) in gap.steps() {
            let wanted = self.feed.wanted(gap.entities.clone(), from, until, Purpose::Backfill);
            let requests = self.plan(&wanted, Need::Pressing).await?;
            if requests.is_empty() {
                tracing::info!("the rest of the past waits for tomorrow: the day's budget of calls is used up");
                return Ok(Filled::Later);
            }
            let answer = self.feed.ask(&requests, &self.watch.clock, busy).await;
            let now = self.watch.clock.now();
            if let Some(failure) = answer.failures.first().filter(|_| answer.is_a_failure()) {
                let error = failure.error.to_string();
                tracing::warn!("{name}: {error}. The past from {from} on could not be read");
                let alone = is_about_these_alone(&failure.error);
                let is_empty = matches!(failure.error, SourceError::Empty { .. });
                if !alone || is_empty {
                    let until = outcome(&answer, failures, now).until.filter(|_| !alone);
                    self.watch.store.write(move |tx| tx.sources().failed(name, now, &error, until)).await?;
                    return Ok(if alone { Filled::Later } else { Filled::LeaveAlone });
                }
                // What the source refuses today it will refuse tomorrow: these go without a past.
            }
            let newest = answer.readings.observations.iter().filter(|o| o.value.is_some()).map(|o| o.observed_at).max();
            let batches = past::batches(answer.readings, gap.arrival, now, |signal| self.feed.source.rhythm(signal));
            let (entities, known) = (gap.entities.clone(), progress.to_vec());
            let done = until == gap.until || gap.arrival == Arrival::CaughtUp;
            let answered = answer.answered > 0;
            self.pipeline
                .lock()
                .await
                .take(
                    batches,
                    Box::new(move |tx| {
                        for entity in &entities {
                            let read = read_until(&known, entity, until, done);
                            tx.sources().set_progress(name, &Progress { from: read.from.min(gap_from), ..read })?;
                        }
                        if answered { tx.sources().succeeded(name, now, newest) } else { Ok(()) }
                    }),
                )
                .await?;
            self.watch.steps.reached("a step of the past read");
        }
        Ok(Filled::Whole)
    }
}

/// Whether the failure says something of these entities, and nothing of how the source does.
fn is_about_these_alone(error: &SourceError) -> bool {
    match error {
        SourceError::Refused { .. }
        | SourceError::Malformed { .. }
        | SourceError::TooLarge { .. }
        | SourceError::Empty { .. } => true,
        SourceError::Unreachable { .. }
        | SourceError::TimedOut
        | SourceError::RateLimited { .. }
        | SourceError::ServerFault { .. }
        | SourceError::TokenRefused { .. }
        | SourceError::NotJson { .. }
        | SourceError::OffsiteRedirect { .. }
        | SourceError::BadAddress { .. }
        | SourceError::NoClient { .. } => false,
    }
}
