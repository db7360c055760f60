//! Catches up at a start: the past that was missed is read from all sources together, step by step,
//! so that one source's reading at noon is weighed with another's at noon, as on the day itself.
//! Only then do the sources tick, each by its own cron line. Entities that only chats subscribed to
//! are caught up on by the ticks, in the chats' own share, so that they do not hold up the
//! operator's.

use super::backfill;
use super::backfill::Lack;
use super::fill::{Step, Unread};
use super::tick::Ticker;
use crate::clock::ActivityGuard;
use crate::domain::time::HOUR;
use crate::domain::{Arrival, Batch, Seconds, Timestamp};
use crate::source::cadence::Share;
use crate::store::StoreError;
use crate::supervisor::{Supervisor, Watchdog};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// Catches up, then ticks until it is dropped. Each source is a task of its own, so that one can
/// fail without the others.
pub async fn run(
    tickers: Vec<Ticker>,
    supervisor: Supervisor,
    watchdog: Watchdog,
    busy: ActivityGuard,
) {
    watchdog.within(LONGEST);
    if let Err(error) = together(&tickers, &watchdog, busy).await {
        tracing::error!(
            "what was missed could not be stored: {error}; each source tries again by itself"
        );
    }
    watchdog.rests();
    let mut tasks = JoinSet::new();
    for ticker in tickers {
        let (name, busy) = (ticker.feed.name(), ticker.watch.clock.busy());
        supervisor.keep_in(&mut tasks, name, busy, move |watchdog, busy| {
            ticker.clone().run(watchdog, busy)
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// The longest time, in seconds, that a step of the past takes with polite pauses.
const LONGEST: Seconds = HOUR;

/// A source whose past is being read.
struct Reader<'a> {
    ticker: &'a Ticker,
    lack: Lack,
    stopped: bool,
}

async fn together(
    tickers: &[Ticker],
    watchdog: &Watchdog,
    mut busy: ActivityGuard,
) -> Result<(), StoreError> {
    let mut readers = Vec::new();
    for ticker in tickers {
        readers.push(Reader { ticker, lack: ticker.lack(Share::Operator).await?, stopped: false });
    }
    let gaps = || readers.iter().flat_map(|reader| &reader.lack.gaps);
    let (Some(from), Some(until)) =
        (gaps().map(|gap| gap.from).min(), gaps().map(|gap| gap.until).max())
    else {
        return Ok(());
    };
    for (from, until) in backfill::steps(from, until) {
        watchdog.within(LONGEST);
        let clock = &tickers[0].watch.clock;
        // Each reader has an activity guard of its own, since none may hold one while it waits for
        // another; the last reader hands its guard back.
        let at_work = AtomicUsize::new(readers.len());
        let each: Vec<_> = readers
            .iter_mut()
            .map(|reader| reader.step(from, until, clock.busy(), &at_work))
            .collect();
        drop(busy);
        let mut steps = Vec::new();
        busy = ActivityGuard::default();
        for (step, mark) in join_all(each).await {
            steps.extend(step?);
            busy = mark.unwrap_or(busy);
        }
        let batches = in_order(steps.iter_mut().flat_map(|step| std::mem::take(&mut step.batches)));
        let pipeline = &tickers[0].pipeline;
        let note = move |tx: &crate::store::Tx<'_>| steps.iter().try_for_each(|step| step.note(tx));
        pipeline.lock().await.take(batches, Box::new(note)).await?;
        tickers[0].watch.failpoints.hit("a step of the past read");
    }
    tickers[0].pipeline.lock().await.settle().await
}

impl Reader<'_> {
    async fn step(
        &mut self,
        from: Timestamp,
        until: Timestamp,
        mut busy: ActivityGuard,
        at_work: &AtomicUsize,
    ) -> (Result<Vec<Step>, StoreError>, Option<ActivityGuard>) {
        let steps = self.steps(from, until, &mut busy).await;
        let is_last = at_work.fetch_sub(1, Ordering::SeqCst) == 1;
        (steps, is_last.then_some(busy))
    }

    async fn steps(
        &mut self,
        from: Timestamp,
        until: Timestamp,
        busy: &mut ActivityGuard,
    ) -> Result<Vec<Step>, StoreError> {
        let mut steps = Vec::new();
        for gap in &self.lack.gaps {
            let (from, until) = (from.max(gap.from), until.min(gap.until));
            if self.stopped || from >= until {
                continue;
            }
            match self.ticker.read_step(Share::Operator, gap, &self.lack, from, until, busy).await?
            {
                Ok(step) => steps.push(step),
                // Its own ticks continue where this ended; a step must not be left out.
                Err(Unread::Later | Unread::LeaveAlone) => self.stopped = true,
            }
        }
        Ok(steps)
    }
}

/// Merges the batches that arrived at one instant, from whichever source, oldest first.
fn in_order(batches: impl Iterator<Item = Batch>) -> Vec<Batch> {
    let mut by_arrival: BTreeMap<(Timestamp, bool), Batch> = BTreeMap::new();
    for batch in batches {
        let key = (batch.received_at, batch.arrival == Arrival::CaughtUp);
        match by_arrival.entry(key) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(batch);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                place.get_mut().observations.extend(batch.observations);
                place.get_mut().facts.extend(batch.facts);
            }
        }
    }
    by_arrival.into_values().collect()
}
