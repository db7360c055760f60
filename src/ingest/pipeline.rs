//! One batch, one transaction: the batch, the incidents that it changes and every delivery that
//! these owe.

use super::Watch;
use super::owe::Fanout;
use super::refresh::Shown;
use crate::detect::{self, Adopted, Change, State};
use crate::domain::{Arrival, Batch, Series, Transition};
use crate::store::{BatchId, StoreError, Tx};
use std::sync::PoisonError;

/// Batches between two checkpoints: the most that a start has to catch up on, some hours of ticks.
const CHECKPOINT_EVERY: usize = 200;

/// Takes batches one after another. There is only one pipeline, since detection compares all
/// entities.
#[derive(Debug)]
pub struct Pipeline {
    watch: Watch,
    /// The newest batch that the state holds.
    newest: BatchId,
    since_checkpoint: usize,
    /// Whether incidents may be held back that nobody has settled: the process may have been killed
    /// before.
    unsettled: bool,
    shown: Shown,
}

/// The state change to apply after the commit.
enum Next {
    Nothing,
    Changed(Box<Change>),
    Replaced(Box<State>),
}

/// Further writes in the same transaction: how far a source has been read, and its health.
pub type Also = Box<dyn FnOnce(&Tx<'_>) -> Result<(), StoreError> + Send>;

impl Pipeline {
    /// Returns a pipeline whose state holds all batches up to `newest`.
    pub fn new(watch: Watch, newest: BatchId) -> Self {
        Self { watch, newest, since_checkpoint: 0, unsettled: true, shown: Shown::default() }
    }

    /// Returns the shared handles.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Stores the batches, in their order, with everything that follows from them, and returns the
    /// transitions. On an error nothing is stored.
    ///
    /// Observations that a source repeats unchanged are dropped first, so that fetching the same
    /// bins again has no effect.
    pub async fn take(
        &mut self,
        batches: Vec<Batch>,
        also: Also,
    ) -> Result<Vec<Transition>, StoreError> {
        let watch = self.watch.clone();
        let several = batches.len() > 1;
        let is_live = batches.iter().any(|batch| batch.arrival == Arrival::Live);
        watch.failpoints.hit("before the transaction");
        let (taken, newest, next, transitions, mut adopted) = self
            .watch
            .store
            .write(move |tx| {
                watch.failpoints.hit("transaction begun");
                let now = watch.clock.now();
                let state = watch.state.read().unwrap_or_else(PoisonError::into_inner);
                let fanout = Fanout::new(tx, &watch, now);
                let (mut taken, mut newest, mut next, mut told) =
                    (0, None, Next::Nothing, Vec::new());
                let mut adopted = Vec::new();
                for batch in batches {
                    let batch = only_news(tx, batch)?;
                    if batch.is_empty() {
                        continue;
                    }
                    let so_far = if let Next::Replaced(ahead) = &next { ahead } else { &*state };
                    let (change, transitions) = detect::advance(so_far, &batch);
                    newest = Some(tx.observations().append(&batch)?);
                    watch.failpoints.hit("batch written");
                    let mut written = Vec::new();
                    for transition in &transitions {
                        let applied = tx.incidents().apply(transition)?;
                        tx.cards().want(applied.id, applied.revision)?;
                        written.push((applied.id, transition));
                        watch.failpoints.hit("transition written");
                    }
                    // Deliveries are decided once all transitions are written: a part and its whole
                    // fall in one batch.
                    fanout.owe_all(written)?;
                    told.extend(transitions);
                    next = match next {
                        Next::Replaced(mut ahead) => {
                            adopted.extend(ahead.apply(change));
                            Next::Replaced(ahead)
                        }
                        // Only a run of several batches works on a copy, so that a tick does not
                        // copy the whole state.
                        _ if several => {
                            let mut ahead = Box::new(state.clone());
                            adopted.extend(ahead.apply(change));
                            Next::Replaced(ahead)
                        }
                        _ => Next::Changed(Box::new(change)),
                    };
                    taken += 1;
                }
                also(tx)?;
                watch.failpoints.hit("before the commit");
                Ok((taken, newest, next, told, adopted))
            })
            .await?;
        self.watch.failpoints.hit("committed");
        {
            let mut state = self.watch.state.write().unwrap_or_else(PoisonError::into_inner);
            match next {
                Next::Nothing => {}
                Next::Changed(change) => adopted.extend(state.apply(*change)),
                Next::Replaced(ahead) => *state = *ahead,
            }
        }
        for of in &adopted {
            log_adopted(of);
        }
        self.newest = newest.unwrap_or(self.newest);
        self.since_checkpoint += taken;
        self.watch.failpoints.hit("state applied");
        if !transitions.is_empty() {
            self.wake_outboxes();
        }
        // The deliveries are stored already: cards that follow a tick later are no reason to fail.
        match self.shown.refresh(&self.watch, is_live).await {
            Ok(true) => self.wake_outboxes(),
            Ok(false) => {}
            Err(error) => tracing::warn!(
                "what the cards of open incidents show could not be refreshed: {error}"
            ),
        }
        if self.since_checkpoint >= CHECKPOINT_EVERY {
            self.checkpoint().await?;
        }
        Ok(transitions)
    }

    /// Owes the deliveries that still make sense for incidents read after the fact: an ongoing
    /// outage becomes an alert, one that began and ended while we were away becomes one line, and
    /// one from before our time remains history.
    pub async fn settle(&mut self) -> Result<(), StoreError> {
        self.unsettled = true;
        self.watch.failpoints.hit("before settling");
        let watch = self.watch.clone();
        let owed = self
            .watch
            .store
            .write(move |tx| {
                let now = watch.clock.now();
                let fanout = Fanout::new(tx, &watch, now);
                let untold = tx.incidents().untold()?;
                let some = !untold.is_empty();
                fanout.settle_all(untold)?;
                Ok(some)
            })
            .await?;
        self.unsettled = false;
        self.watch.failpoints.hit("settled");
        if owed {
            self.wake_outboxes();
        }
        Ok(())
    }

    /// Settles incidents that an earlier process or a failed attempt left unsettled.
    pub async fn settle_if_due(&mut self) -> Result<(), StoreError> {
        if self.unsettled { self.settle().await } else { Ok(()) }
    }

    /// Writes a checkpoint of the state, so that the next start has little to catch up on.
    pub async fn checkpoint(&mut self) -> Result<(), StoreError> {
        let encoded = self.watch.state.read().unwrap_or_else(PoisonError::into_inner).encode();
        let newest = self.newest;
        self.watch
            .store
            .write(move |tx| tx.checkpoint().save(State::FORMAT, newest, &encoded))
            .await?;
        self.since_checkpoint = 0;
        self.watch.failpoints.hit("checkpoint written");
        Ok(())
    }

    fn wake_outboxes(&self) {
        for outbox in &self.watch.wake {
            // An outbox that has stopped finds its deliveries at its next start.
            let _ = outbox.send(self.watch.clock.busy());
        }
    }
}

fn only_news(tx: &Tx<'_>, batch: Batch) -> Result<Batch, StoreError> {
    Ok(Batch {
        observations: tx.observations().fresh(batch.observations)?,
        facts: tx.observations().fresh_facts(batch.facts)?,
        ..batch
    })
}

/// Logs that another level of a series is normal from now on, for anyone who wonders about an alert
/// later.
fn log_adopted(Adopted { series, before, now }: &Adopted) {
    let Series { entity, source, signal } = &**series;
    let said = now.map_or_else(
        || {
            "has been another for everybody for days, so it measures otherwise now: its normal is learned anew, which takes a \
             day"
            .to_owned()
        },
        |now| format!("stayed at another level while all other signals were well: {now} is normal from now on"),
    );
    tracing::info!(%entity, source, signal, "{source} {signal} of {entity}, {before} so far, {said}");
}
