//! What a bot does beside watching: removes what is old, says that it is alive.

use crate::clock::{Busy, Clock};
use crate::config::Storage;
use crate::store::{Keep, Store};

/// How often a running bot says that it is alive, and how old that may be for `health`.
pub const HEARTBEAT: i64 = 30;
/// Rows that the nightly pruning removes in one step, so that no tick waits long behind it.
const PRUNE_AT_ONCE: usize = 5_000;

pub(super) async fn prune(store: Store, clock: Clock, storage: Storage, mut busy: Busy) {
    while let Some(next) = storage.prune.next_after(clock.now()) {
        busy = clock.sleep_until(next, busy).await;
        let now = clock.now();
        let keep = Keep { raw_days: storage.raw_days, hourly_days: storage.hourly_days };
        loop {
            match store.write(move |tx| tx.retention().prune(now, keep, PRUNE_AT_ONCE)).await {
                Ok(pruned) if pruned.more => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::error!("what is older than {} days could not be removed: {error}", storage.raw_days);
                    break;
                }
            }
        }
    }
}

pub(super) async fn beat(store: Store, clock: Clock, mut busy: Busy) {
    loop {
        let now = clock.now();
        if let Err(error) = store.write(move |tx| tx.heartbeat().beat(now)).await {
            tracing::error!("the database cannot be written to: {error}");
        }
        busy = clock.sleep(HEARTBEAT, busy).await;
    }
}
