//! The few connections that read concurrently with the writer.

use super::file_state::FileState;
use super::{Db, StoreError, open};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, watch};

/// The most concurrent reads: each connection costs memory, and commands are few.
const AT_ONCE: usize = 2;

#[derive(Clone, Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Idle>>,
    turns: Arc<Semaphore>,
    standing: watch::Receiver<FileState>,
}

/// Open connections for the next reads.
#[derive(Debug, Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Counts the files that have had the name: a connection to an earlier one is closed.
    generation: u32,
}

impl Readers {
    pub(super) fn new(path: &Path, standing: watch::Receiver<FileState>) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { path: path.to_owned(), idle: Arc::default(), turns, standing }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection for the next read.
    pub(super) fn keep(&self, connection: Connection) {
        self.idle().connections.push(connection);
    }

    /// Closes the idle connections, so that every later read opens the file again.
    pub(super) fn renew(&self) {
        let mut idle = self.idle();
        idle.generation += 1;
        idle.connections.clear();
    }

    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            readers.read_now(work).map_err(|error| error.in_file(&readers.path))
        });
        done.await.unwrap_or_else(|_| {
            Err(StoreError::Inconsistent("a read was given up half-way".to_owned()))
        })
    }

    /// Reads on this thread. Keeps the connection only if `work` succeeds, and closes it otherwise.
    pub(super) fn read_now<T>(
        &self,
        work: impl FnOnce(&Db<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // A file that was deleted or replaced must not be read.
        if let Some(error) = self.standing.borrow().error(&self.path) {
            return Err(error);
        }
        let (mut connection, generation) = self.connection()?;
        let transaction = connection.transaction()?;
        let result = work(&Db::new(&transaction))?;
        transaction.finish()?;
        let mut idle = self.idle();
        if idle.generation == generation {
            idle.connections.push(connection);
        }
        Ok(result)
    }

    fn connection(&self) -> Result<(Connection, u32), StoreError> {
        let (known, generation) = {
            let mut idle = self.idle();
            (idle.connections.pop(), idle.generation)
        };
        let connection = known.map_or_else(|| open::reader(&self.path), Ok)?;
        Ok((connection, generation))
    }
}
