//! Reads the missed past step by step, so that after a kill, or when a source stops answering, no
//! step that was read is lost.

use super::backfill::{self, Gap, Lack};
use super::faults::{self, Faults};
use super::tick::{Ticker, outcome, read_until};
use crate::clock::ActivityGuard;
use crate::domain::{Arrival, Batch, Entity, Seconds, Timestamp};
use crate::source::cadence::{Need, Share};
use crate::source::feed::Answer;
use crate::source::{Purpose, SourceError, past};
use crate::store::{Progress, StoreError, Tx};

/// The reason why a step was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The next tick continues where this one ended; other entities may be asked about meanwhile.
    Later,
    /// The source does not answer at all.
    LeaveAlone,
}

/// The answer to one step of a gap.
#[derive(Debug)]
pub(super) struct Step {
    /// The readings, with their arrival times.
    pub(super) batches: Vec<Batch>,
    source: &'static str,
    progress: Vec<Progress>,
    faults: Faults,
    answered: bool,
    at: Timestamp,
    newest: Option<Timestamp>,
}

impl Step {
    /// Writes how far the source has been read.
    pub(super) fn note(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for progress in &self.progress {
            tx.sources().set_progress(self.source, progress)?;
        }
        self.faults.write(self.source, tx)?;
        if self.answered {
            tx.sources().succeeded(self.source, self.at, self.newest)
        } else {
            Ok(())
        }
    }
}

impl Ticker {
    /// Returns the missing past of one share: nothing while the source is off or must be left
    /// alone, and nothing of an entity that is asked about rarely.
    pub(super) async fn lack(&self, share: Share) -> Result<Lack, StoreError> {
        let (name, now) = (self.feed.name(), self.watch.clock.now());
        let (health, progress, mut faults) = self
            .watch
            .store
            .read(move |db| {
                Ok((db.sources().health()?, db.sources().progress(name)?, db.sources().faults()?))
            })
            .await?;
        faults.retain(|fault| fault.source == name);
        let budget = self.budget(share).await?;
        let health = health.into_iter().find(|health| health.source == name);
        let failures = health.as_ref().map_or(0, |health| health.failures);
        let rests =
            health.and_then(|health| health.backing_off_until).is_some_and(|until| until > now);
        let mut entities = self.covered(share);
        entities.retain(|entity| !faults::rests(&faults, entity, now));
        let gaps = if rests || self.feed.off.is_some() {
            Vec::new()
        } else {
            // A longer pause than the cadence explains counts as an absence of ours.
            backfill::gaps(&entities, &progress, now, ABSENCE.max(budget.cadence * 2))
        };
        Ok(Lack { gaps, progress, failures, faults })
    }

    /// Stores a step of the past: its batches, and how far the entities have been read.
    pub(super) async fn store_step(&self, mut step: Step) -> Result<(), StoreError> {
        let batches = std::mem::take(&mut step.batches);
        self.pipeline.lock().await.take(batches, Box::new(move |tx| step.note(tx))).await?;
        self.watch.failpoints.hit("a step of the past read");
        Ok(())
    }

    /// Reads all gaps of the operator's share from this source alone. Returns the entities whose
    /// past is still to be read, or `None` when the source does not answer.
    pub(super) async fn fill<'a>(
        &self,
        lack: &'a Lack,
        busy: &mut ActivityGuard,
    ) -> Result<Option<Vec<&'a Entity>>, StoreError> {
        if lack.gaps.is_empty() {
            self.pipeline.lock().await.settle_if_due().await?;
            return Ok(Some(Vec::new()));
        }
        let mut unread = Vec::new();
        'gaps: for gap in &lack.gaps {
            for (from, until) in gap.steps() {
                match self.read_step(Share::Operator, gap, lack, from, until, busy).await? {
                    Ok(step) => self.store_step(step).await?,
                    Err(Unread::Later) => {
                        unread.extend(&gap.entities);
                        continue 'gaps;
                    }
                    Err(Unread::LeaveAlone) => return Ok(None),
                }
            }
        }
        self.pipeline.lock().await.settle().await?;
        Ok(Some(unread))
    }

    /// Requests the bins of a gap that start in `[from, until)`.
    pub(super) async fn read_step(
        &self,
        share: Share,
        gap: &Gap,
        lack: &Lack,
        from: Timestamp,
        until: Timestamp,
        busy: &mut ActivityGuard,
    ) -> Result<Result<Step, Unread>, StoreError> {
        let source = self.feed.name();
        tracing::info!(source, entities = gap.entities.len(), %from, %until, "reading the past");
        let wanted = self.feed.wanted(gap.entities.clone(), from, until, Purpose::Backfill);
        let need = if share == Share::Chats { Need::Routine } else { Need::Pressing };
        let requests = self.plan(share, &wanted, need).await?;
        if requests.is_empty() {
            tracing::info!(
                source,
                "the rest of the past waits for tomorrow: the day's budget of calls is used up"
            );
            return Ok(Err(Unread::Later));
        }
        let answer = self.ask(share, &requests, busy).await?;
        let at = self.watch.clock.now();
        let faults = faults::after(source, &lack.faults, &gap.entities, &answer, share, at);
        faults.log(&lack.faults);
        if let Some(failure) = answer.failures.first().filter(|_| answer.is_a_failure()) {
            let error = failure.error.to_string();
            let alone = failure.error.is_about_the_question();
            let of_source = faults::of_source(&answer, share).is_some();
            if !of_source {
                // The failure concerns a chat's entities only: the others are read meanwhile.
                let is_final = matches!(
                    failure.error,
                    SourceError::Refused { .. } | SourceError::TooLarge { .. }
                );
                self.watch.store.write(move |tx| faults.write(source, tx)).await?;
                if !is_final {
                    return Ok(Err(Unread::Later));
                }
                return Ok(Ok(self.step_read(gap, lack, until, answer, at, Faults::default())));
            }
            let rest_until = outcome(&answer, share, lack.failures, at).until.filter(|_| !alone);
            let again =
                rest_until.map(|until| format!("; trying again at {until}")).unwrap_or_default();
            tracing::warn!("{source}: {error}. The past from {from} on could not be read{again}");
            // An answer that broke off may be complete the next time. Only a first past is rather
            // left out than waited for.
            let is_hasty = matches!(failure.error, SourceError::Malformed { .. })
                && gap.arrival == Arrival::CaughtUp;
            if !alone || is_hasty || matches!(failure.error, SourceError::Empty { .. }) {
                self.watch
                    .store
                    .write(move |tx| tx.sources().failed(source, at, &error, rest_until))
                    .await?;
                return Ok(Err(if alone { Unread::Later } else { Unread::LeaveAlone }));
            }
            // The source refuses the same request again tomorrow: these entities go without a past.
        }
        Ok(Ok(self.step_read(gap, lack, until, answer, at, faults)))
    }

    fn step_read(
        &self,
        gap: &Gap,
        lack: &Lack,
        until: Timestamp,
        answer: Answer,
        at: Timestamp,
        faults: Faults,
    ) -> Step {
        let done = until == gap.until || gap.arrival == Arrival::CaughtUp;
        let progress = gap.entities.iter().map(|entity| {
            let read = read_until(&lack.progress, entity, until, done);
            Progress { from: read.from.min(gap.from), ..read }
        });
        Step {
            source: self.feed.name(),
            progress: progress.collect(),
            faults,
            answered: answer.answered > 0,
            at,
            newest: answer.readings.newest(),
            batches: past::batches(answer.readings, gap.arrival, at, |signal| {
                self.feed.source.rhythm(signal)
            }),
        }
    }
}

/// After more than this many seconds without a reading, a source is caught up on, with estimated
/// arrival times.
const ABSENCE: Seconds = crate::domain::time::HOUR;
