//! The periodic work beside monitoring: pruning, and the heartbeat in the database.

use crate::clock::ActivityGuard;
use crate::command::AppContext;
use crate::config::Storage;
use crate::domain::time::{DAY, MINUTE};
use crate::domain::{Seconds, Timestamp};
use crate::monitoring::off_by;
use crate::render::words::duration;
use crate::source::feed;
use crate::store::{Keep, Store, StoreError};
use crate::supervisor::{Supervisor, Watchdog};
use tokio::task::JoinSet;

/// The interval of the heartbeat in seconds; `health` judges its age by it.
pub const HEARTBEAT: i64 = 30;
/// The number of rows that the pruning removes in one step, so that no tick waits long for it.
const PRUNE_AT_ONCE: usize = 5_000;
/// The lead of the clock over the servers' beyond which nothing is pruned: it would take recent
/// data for old.
const FAR_AHEAD: Seconds = DAY;
/// The longest time that a write takes, even on a slow disk.
const LONGEST_WRITE: Seconds = 5 * MINUTE;

#[derive(Clone, Debug)]
pub(super) struct Chores {
    pub(super) context: AppContext,
    pub(super) storage: Storage,
}

impl Chores {
    pub(super) fn begin(self, tasks: &mut JoinSet<()>, supervisor: &Supervisor) {
        let (pruner, beater) = (self.clone(), self.clone());
        supervisor.keep_in(tasks, "pruning", self.context.clock.busy(), move |watchdog, busy| {
            pruner.clone().prune(watchdog, busy)
        });
        supervisor.keep_in(
            tasks,
            "the sign of life",
            self.context.clock.busy(),
            move |watchdog, busy| beater.clone().beat(watchdog, busy),
        );
    }

    async fn prune(self, watchdog: Watchdog, mut busy: ActivityGuard) {
        let Self { context, storage } = self;
        let AppContext { store, clock, .. } = &context;
        while let Some(next) = storage.prune.next_after(clock.now()) {
            watchdog.rests();
            busy = clock.sleep_until(next, busy).await;
            let now = clock.now();
            if let Some(ahead) = feed::ahead(&context.feeds).filter(|ahead| *ahead > FAR_AHEAD) {
                tracing::error!(
                    "nothing old is removed: the clock is {} the servers that answer",
                    off_by(ahead)
                );
                continue;
            }
            let keep = Keep { raw_days: storage.raw_days, hourly_days: storage.hourly_days };
            loop {
                watchdog.within(LONGEST_WRITE);
                let step = store.write(move |tx| {
                    let pruned = tx.retention().prune(now, keep, PRUNE_AT_ONCE)?;
                    if pruned.more {
                        Ok(pruned)
                    } else {
                        tx.retention().prune_told(now, keep, PRUNE_AT_ONCE)
                    }
                });
                match step.await {
                    Ok(pruned) if pruned.more => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::error!(
                            "what is older than {} days could not be removed: {error}",
                            storage.raw_days
                        );
                        break;
                    }
                }
            }
        }
    }

    /// Writes the heartbeat at every interval; the start has written the first.
    async fn beat(self, watchdog: Watchdog, mut busy: ActivityGuard) {
        let AppContext { store, clock, .. } = &self.context;
        loop {
            watchdog.within(HEARTBEAT + LONGEST_WRITE);
            busy = clock.sleep(HEARTBEAT, busy).await;
            let now = clock.now();
            if let Err(error) = alive(store, now).await {
                tracing::error!("the database cannot be written to: {error}");
            }
        }
    }
}

/// Writes a heartbeat, and logs a warning if the clock was set back since the last one.
pub(super) async fn alive(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    if let Some(back) = store.write(move |tx| tx.heartbeat().beat(now)).await? {
        tracing::warn!(
            "the clock was set back by {}: what was read and what is owed is taken to be as much older",
            duration(back)
        );
    }
    Ok(())
}
