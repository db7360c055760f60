//! The database: one SQLite file, and all SQL of the program, with one source file per noun.
//!
//! One thread writes, in one transaction per call ([`Store::write`]). Readers use connections of
//! their own ([`Store::read`]).

mod backup;
mod card;
mod chat;
mod checkpoint;
mod delivery;
mod erase;
mod error;
mod file;
mod file_state;
mod heartbeat;
mod incident;
mod lock;
mod migrate;
mod noun;
mod observation;
mod open;
mod overview;
mod pause;
mod reader;
mod restore;
mod retention;
mod session;
mod source;
mod space;
mod standing;
mod subscription;
mod trouble;
mod value;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use card::{Card, Cards};
pub use chat::{Chats, Place};
pub use checkpoint::{Checkpoint, Checkpoints};
pub use delivery::{
    Attempt, Deliveries, Delivery, DeliveryId, DeliveryState, NewNotice, Notice, Pending,
};
pub use error::StoreError;
pub use file::{create_private, replace_private};
pub use file_state::FileState;
pub use heartbeat::Heartbeats;
pub use incident::{Applied, Incident, IncidentId, Incidents, Untold};
pub use migrate::NEWEST as NEWEST_SCHEMA;
pub use noun::{Reads, Writes};
pub use observation::{BatchId, Observations};
pub use overview::{Overview, Waiting};
pub use pause::{Pause, Pauses};
pub use retention::{Hourly, Keep, Pruned, Retention};
pub use session::{Db, Session, Tx};
pub use source::{EntityFault, Progress, SourceHealth, Sources};
pub use space::Space;
pub use subscription::Subscriptions;
pub use trouble::{Settled, Troubles};

use lock::{Making, OwnerLock};
use reader::Readers;
use standing::DatabaseFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use writer::Writer;

/// How a process opens the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the only writer: creates the file, locks it against a second owner and migrates it.
    Own,
    /// Next to an owner that may be running: only reads, locks nothing and migrates nothing.
    Beside,
}

/// The database. A clone is another handle to the same database. Dropping the last handle waits for
/// the writes that are already queued.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    // Fields are dropped in this order: the readers close first, so that the writer closes the file
    // last and moves the write-ahead log into it.
    readers: Option<Readers>,
    writer: Option<Writer>,
    /// The file's schema version before this process migrated it, or `None` if it was up to date.
    migrated_from: Option<u32>,
    standing: Arc<watch::Sender<FileState>>,
}

impl Store {
    /// Opens the file at `path`. Blocks while migrations run.
    pub fn open(path: impl AsRef<Path>, access: Access) -> Result<Self, StoreError> {
        let path = &file::without_links(path.as_ref())
            .map_err(|error| StoreError::folder(path.as_ref(), &error))?;
        let in_file = |error: StoreError| error.in_file(path);
        let standing = FileState::of_a_new_one();
        let readers = Readers::new(path, standing.subscribe());
        let (writer, migrated_from) = match access {
            Access::Own => {
                let lock = OwnerLock::take(path, Making::Database)?;
                let (connection, from) = open::writer(path).map_err(in_file)?;
                let file = DatabaseFile::new(path, lock, Arc::clone(&standing), readers.clone())?;
                (Some(Writer::start(connection, Some(file), path).map_err(in_file)?), from)
            }
            Access::Beside => (None, None),
        };
        if access == Access::Beside {
            readers.keep(open::reader_beside(path).map_err(in_file)?);
        }
        let (path, readers) = (path.to_owned(), Some(readers));
        Ok(Self { inner: Arc::new(Inner { path, readers, writer, migrated_from, standing }) })
    }

    /// Opens a database in memory, which is lost when its last handle is dropped.
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let connection = open::in_memory().map_err(|error| error.in_file(path))?;
        let writer = Writer::start(connection, None, path)?;
        let (path, standing) = (path.to_owned(), FileState::of_a_new_one());
        let inner =
            Inner { path, readers: None, writer: Some(writer), migrated_from: None, standing };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns a receiver for the state of the file at the database's path, now and after each
    /// change.
    pub fn standing(&self) -> watch::Receiver<FileState> {
        self.inner.standing.subscribe()
    }

    /// Returns the database's path with symbolic links resolved, or `:memory:`.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Returns the schema version from which this process migrated the file, or `None` if it was up
    /// to date.
    pub fn migrated_from(&self) -> Option<u32> {
        self.inner.migrated_from
    }

    /// Runs `work` in one transaction, which is committed if `work` returns `Ok` and rolled back
    /// otherwise. Transactions run in the order in which they were requested. A requested one runs
    /// even if its future is dropped.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        match &self.inner.writer {
            Some(writer) => writer.write(work).await,
            None => Err(StoreError::Inconsistent(
                "a write to a database that was opened for reading".to_owned(),
            )),
        }
    }

    /// Runs `work` on a snapshot of the database, concurrently with the writer. A database in
    /// memory has no other connection: there the writer's thread runs it.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        match (&self.inner.readers, &self.inner.writer) {
            (Some(readers), _) => readers.read(work).await,
            (None, Some(writer)) => writer.read(work).await,
            (None, None) => Err(StoreError::Closed),
        }
    }
}
