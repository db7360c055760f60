//! Restores the detector's state at a start: from the checkpoint, which is only a cache, and the
//! batches since.

use crate::detect::{State, Stored};
use crate::store::{BatchId, Db, Store, StoreError};

/// Batches that are read from the database at once.
const AT_ONCE: usize = 500;

/// Returns the state after the newest stored batch, and that batch's number.
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
    let from_nothing = decoded.is_none();
    let (mut state, mut newest) = decoded.unwrap_or_default();
    loop {
        let after = newest;
        let batches = store.read(move |db| db.observations().batches_after(after, AT_ONCE)).await?;
        let Some((last, _)) = batches.last() else { break };
        newest = *last;
        for (_, batch) in &batches {
            // The transitions of these batches are in the database already.
            state.take(batch);
        }
    }
    if from_nothing {
        state.reconcile(&store.read(stored).await?);
    }
    Ok((state, newest))
}

/// Returns the newest incident of each entity.
fn stored(db: &Db<'_>) -> Result<Vec<Stored>, StoreError> {
    let mut stored = Vec::new();
    for (entity, _) in db.incidents().ordinals()? {
        let newest = db.incidents().of(&entity, 1)?.into_iter().next();
        stored.extend(newest.map(|incident| Stored {
            onset: incident.evidence().onset.clone(),
            key: incident.key,
            phase: incident.phase,
            started_at: incident.started_at,
            transitions: incident.transitions,
        }));
    }
    Ok(stored)
}
