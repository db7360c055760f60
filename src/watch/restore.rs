//! Where a start begins: the checkpoint, which is only a cache, and the batches since.

use crate::detect::{self, State};
use crate::store::{BatchId, Store, StoreError};

/// Batches that are read at once.
const AT_ONCE: usize = 500;

/// The state as it was after the newest stored batch, and that batch's number.
pub async fn state(store: &Store) -> Result<(State, BatchId), StoreError> {
    let saved = store.read(|db| db.checkpoint().load()).await?;
    let decoded = saved.and_then(|saved| {
        let state = (saved.format == State::FORMAT).then(|| State::decode(&saved.state)).flatten();
        if state.is_none() {
            tracing::warn!(
                "the detector's checkpoint cannot be read: working it out again from the stored observations"
            );
        }
        Some((state?, saved.batch))
    });
    let (mut state, mut newest) = decoded.unwrap_or_default();
    loop {
        let after = newest;
        let batches = store.read(move |db| db.observations().batches_after(after, AT_ONCE)).await?;
        let Some((last, _)) = batches.last() else { return Ok((state, newest)) };
        newest = *last;
        for (_, batch) in &batches {
            // What these batches decided is in the database already.
            let (change, _) = detect::advance(&state, batch);
            state.apply(change);
        }
    }
}
