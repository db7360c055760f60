//! What Linkdown remembers: one file, and every line of SQL there is, a noun a file.
//!
//! One thread writes ([`Store::write`]: one transaction each), readers stand apart ([`Store::read`]).

mod backup;
mod card;
mod chat;
mod checkpoint;
mod delivery;
mod erase;
mod error;
mod file;
mod heartbeat;
mod incident;
mod lock;
mod migrate;
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
pub use heartbeat::Heartbeats;
pub use incident::{Applied, Incident, IncidentId, Incidents, Untold};
pub use migrate::NEWEST as NEWEST_SCHEMA;
pub use observation::{BatchId, Observations};
pub use overview::{Overview, Waiting};
pub use pause::{Pause, Pauses};
pub use retention::{Hourly, Keep, Pruned, Retention};
pub use session::{Db, Reads, Session, Tx, Writes};
pub use source::{EntityFault, Progress, SourceHealth, Sources};
pub use space::Space;
pub use standing::FileState;
pub use subscription::Subscriptions;
pub use trouble::{Settled, Troubles};

use lock::{Making, OwnerLock};
use reader::Readers;
use standing::DatabaseFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use writer::Writer;

/// How a process comes to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the only one that writes: makes the file, locks it against a second owner and migrates it.
    Own,
    /// Beside an owner that may be running: reads only, locks nothing, migrates nothing.
    Beside,
}

/// The database. A clone is another handle to the same; the last one to go waits for the writes that were asked for.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    // Readers go before the writer, which then is the last to close the file and takes the log in.
    readers: Option<Readers>,
    writer: Option<Writer>,
    /// The schema that the file had when it was opened, where it was an older one.
    migrated_from: Option<u32>,
    standing: Arc<watch::Sender<FileState>>,
}

impl Store {
    /// Opens the file at `path`. Blocks for as long as migrations take.
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

    /// A database that is gone with the last handle to it.
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let connection = open::in_memory().map_err(|error| error.in_file(path))?;
        let writer = Writer::start(connection, None, path)?;
        let (path, standing) = (path.to_owned(), FileState::of_a_new_one());
        let inner =
            Inner { path, readers: None, writer: Some(writer), migrated_from: None, standing };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How the database stands to the file at its path, now and whenever that changes.
    pub fn standing(&self) -> watch::Receiver<FileState> {
        self.inner.standing.subscribe()
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The schema from which opening it brought it up to date, where it was an older one.
    pub fn migrated_from(&self) -> Option<u32> {
        self.inner.migrated_from
    }

    /// Does `work` in one transaction: stored as a whole when it returns Ok, not at all otherwise. Transactions follow
    /// each other in the order in which they were asked for. One that was asked for is done even if nobody waits for it.
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

    /// Does `work` on a steady view of the database, beside the writer.
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
