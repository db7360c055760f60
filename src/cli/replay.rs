//! `linkdown replay`: writes the detector's decisions on a file of observations. With `--database`
//! the file is stored as well.

use super::{Common, Failure};
use crate::clock::Clock;
use crate::domain::{Sensitivity, Watchlist};
use crate::failpoints::Failpoints;
use crate::ingest::{Pipeline, Watch, restore};
use crate::replay;
use crate::source::recorded::Reader;
use crate::store::{Access, Store};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, RwLock};

/// The number of batches that are stored in one transaction.
const AT_ONCE: usize = 1_000;

pub(super) async fn run(
    common: &Common,
    observations: &Path,
    events: &Path,
    sensitivity: Sensitivity,
) -> Result<(), Failure> {
    let store = match &common.database {
        Some(database) => Some(empty(database).await?),
        None => None,
    };
    // The whole file is read before anything is stored, so that a bad line leaves nothing
    // half-written.
    replay::run(observations, events, sensitivity).map_err(|error| {
        if error.is_bad_input() { Failure::asked(error) } else { Failure::work(error) }
    })?;
    match store {
        Some(store) => keep(store, observations).await,
        None => Ok(()),
    }
}

/// Opens a database that must be empty, so that a replay is never taken for the data of a bot.
async fn empty(database: &Path) -> Result<Store, Failure> {
    let store = Store::open(database, Access::Own).map_err(Failure::work)?;
    let newest = store.read(|db| db.observations().newest_batch()).await.map_err(Failure::work)?;
    if newest == crate::store::BatchId::default() {
        return Ok(store);
    }
    let shown = database.display();
    Err(Failure::Asked(format!(
        "database {shown} holds observations already; a replay wants one of its own"
    )))
}

/// Stores the file's batches through the pipeline of a running bot.
async fn keep(store: Store, observations: &Path) -> Result<(), Failure> {
    let (state, newest) = restore::state(&store).await.map_err(Failure::work)?;
    let watch = Watch {
        store,
        state: Arc::new(RwLock::new(state)),
        watchlist: Arc::new(Watchlist::default()),
        clock: Clock::system(),
        failpoints: Failpoints::default(),
        wake: Vec::new(),
    };
    let mut pipeline = Pipeline::new(watch, newest);
    let mut reader =
        Reader::new(File::open(observations).map_err(Failure::work)?).map_err(Failure::asked)?;
    loop {
        let batches: Vec<_> =
            reader.by_ref().take(AT_ONCE).collect::<Result<_, _>>().map_err(Failure::asked)?;
        if batches.is_empty() {
            return pipeline.checkpoint().await.map_err(Failure::work);
        }
        pipeline.take(batches, Box::new(|_| Ok(()))).await.map_err(Failure::work)?;
    }
}
