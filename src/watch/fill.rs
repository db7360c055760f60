//! Reading what was missed, step by step, so that a kill or a source that stops answering loses no step that was read.

use super::backfill::{self, Gap};
use super::tick::{Ticker, outcome, read_until};
use crate::clock::Busy;
use crate::domain::{Arrival, Batch, Entity, Seconds, Timestamp};
use crate::source::cadence::Need;
use crate::source::{Purpose, SourceError, past};
use crate::store::{Progress, StoreError, Tx};

/// Why a step brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// The next tick goes on where this one ended; others may be asked meanwhile.
    Later,
    /// The source does not answer at all.
    LeaveAlone,
}

/// What a step of a gap brought.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) batches: Vec<Batch>,
    source: &'static str,
    progress: Vec<Progress>,
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
        if self.answered { tx.sources().succeeded(self.source, self.at, self.newest) } else { Ok(()) }
    }
}

/// What a source lacks.
#[derive(Debug)]
pub(super) struct Lack {
    pub(super) gaps: Vec<Gap>,
    pub(super) progress: Vec<Progress>,
    pub(super) failures: u32,
}

impl Ticker {
    /// What is missing of the past; nothing while the source is off or wants to be left alone.
    pub(super) async fn lack(&self) -> Result<Lack, StoreError> {
        let (name, now) = (self.feed.name(), self.watch.clock.now());
        let (health, progress, spent) = self
            .watch
            .store
            .read(move |db| Ok((db.sources().health()?, db.sources().progress(name)?, db.sources().used(name, now)?)))
            .await?;
        let health = health.into_iter().find(|health| health.source == name);
        let failures = health.as_ref().map_or(0, |health| health.failures);
        let rests = health.and_then(|health| health.backing_off_until).is_some_and(|until| until > now);
        let entities = self.feed.covered(self.watch.watchlist.entities().iter());
        let gaps = if rests || self.feed.off.is_some() {
            Vec::new()
        } else {
            backfill::gaps(&entities, &progress, now, self.longest_pause(spent))
        };
        Ok(Lack { gaps, progress, failures })
    }

    /// Reads all gaps of this source alone; says whose past is still to be read, or nothing when it does not answer.
    pub(super) async fn fill<'a>(
        &self,
        lack: &'a Lack,
        busy: &mut Busy,
    ) -> Result<Option<Vec<&'a Entity>>, StoreError> {
        if lack.gaps.is_empty() {
            self.pipeline.lock().await.settle_if_due().await?;
            return Ok(Some(Vec::new()));
        }
        let mut unread = Vec::new();
        'gaps: for gap in &lack.gaps {
            for (from, until) in gap.steps() {
                match self.read_step(gap, lack, from, until, busy).await? {
                    Ok(mut step) => {
                        let batches = std::mem::take(&mut step.batches);
                        self.pipeline.lock().await.take(batches, Box::new(move |tx| step.note(tx))).await?;
                        self.watch.steps.reached("a step of the past read");
                    }
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

    /// Asks for the bins of a gap that start in `[from, until)`.
    pub(super) async fn read_step(
        &self,
        gap: &Gap,
        lack: &Lack,
        from: Timestamp,
        until: Timestamp,
        busy: &mut Busy,
    ) -> Result<Result<Step, Unread>, StoreError> {
        let source = self.feed.name();
        tracing::info!(source, entities = gap.entities.len(), %from, %until, "reading the past");
        let wanted = self.feed.wanted(gap.entities.clone(), from, until, Purpose::Backfill);
        let requests = self.plan(&wanted, Need::Pressing).await?;
        if requests.is_empty() {
            tracing::info!(source, "the rest of the past waits for tomorrow: the day's budget of calls is used up");
            return Ok(Err(Unread::Later));
        }
        let answer = self.ask(&requests, busy).await?;
        let at = self.watch.clock.now();
        if let Some(failure) = answer.failures.first().filter(|_| answer.is_a_failure()) {
            let error = failure.error.to_string();
            let alone = is_about_these_alone(&failure.error);
            let rest_until = outcome(&answer, lack.failures, at).until.filter(|_| !alone);
            let again = rest_until.map(|until| format!("; trying again at {until}")).unwrap_or_default();
            tracing::warn!("{source}: {error}. The past from {from} on could not be read{again}");
            // An answer that broke off may be whole the next time; only a first past is better left out than waited for.
            let is_hasty = matches!(failure.error, SourceError::Malformed { .. }) && gap.arrival == Arrival::CaughtUp;
            if !alone || is_hasty || matches!(failure.error, SourceError::Empty { .. }) {
                self.watch.store.write(move |tx| tx.sources().failed(source, at, &error, rest_until)).await?;
                return Ok(Err(if alone { Unread::Later } else { Unread::LeaveAlone }));
            }
            // What the source refuses today it will refuse tomorrow: these go without a past.
        }
        let done = until == gap.until || gap.arrival == Arrival::CaughtUp;
        let progress = gap.entities.iter().map(|entity| {
            let read = read_until(&lack.progress, entity, until, done);
            Progress { from: read.from.min(gap.from), ..read }
        });
        Ok(Ok(Step {
            source,
            progress: progress.collect(),
            answered: answer.answered > 0,
            at,
            newest: answer.readings.newest(),
            batches: past::batches(answer.readings, gap.arrival, at, |signal| self.feed.source.rhythm(signal)),
        }))
    }

    /// How long the source may go unread before it counts as an absence of ours.
    fn longest_pause(&self, spent: u32) -> Seconds {
        ABSENCE.max(self.cadence(spent) * 2)
    }
}

/// A source that was not read for longer than this is caught up on, with estimated arrival times.
const ABSENCE: Seconds = crate::domain::time::HOUR;

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
