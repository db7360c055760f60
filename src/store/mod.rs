//! What Linkdown remembers: one file, and every line of SQL there is, a noun a file.
//!
//! One thread writes ([`Store::write`]: one transaction each), readers stand apart ([`Store::read`]).

mod backup;
mod card;
mod chat;
mod checkpoint;
mod delivery;
mod error;
mod heartbeat;
mod incident;
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
mod subscription;
mod trouble;
mod value;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use card::{Card, Cards};
pub use chat::{Chats, Place};
pub use checkpoint::{Checkpoint, Checkpoints};
pub use delivery::{Attempt, Deliveries, Delivery, DeliveryId, DeliveryState, NewNotice, Notice, Pending};
pub use error::StoreError;
pub use heartbeat::Heartbeats;
pub use incident::{Applied, Incident, IncidentId, Incidents, Untold};
pub use migrate::NEWEST as NEWEST_SCHEMA;
pub use observation::{BatchId, Observations};
pub use overview::{Overview, Waiting};
pub use pause::{Pause, Pauses};
pub use retention::{Hourly, Keep, Pruned, Retention};
pub use session::{Db, Reads, Session, Tx, Writes};
pub use source::{Progress, SourceHealth, Sources};
pub use space::Space;
pub use subscription::Subscriptions;
pub use trouble::{Settled, Troubles};

use reader::Readers;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
}

impl Store {
    /// Opens the file at `path`. Blocks for as long as migrations take.
    pub fn open(path: impl AsRef<Path>, access: Access) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let in_file = |error: StoreError| error.in_file(path);
        let (writer, migrated_from) = match access {
            Access::Own => {
                let lock = open::lock(path)?;
                let (connection, from) = open::writer(path).map_err(in_file)?;
                (Some(Writer::start(connection, Some(lock), path)?), from)
            }
            Access::Beside => (None, None),
        };
        let readers = Readers::new(path);
        if access == Access::Beside {
            readers.keep(open::reader_beside(path).map_err(in_file)?);
        }
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), readers: Some(readers), writer, migrated_from }) })
    }

    /// A database that is gone with the last handle to it.
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let connection = open::in_memory().map_err(|error| error.in_file(path))?;
        let writer = Writer::start(connection, None, path)?;
        Ok(Self {
            inner: Arc::new(Inner { path: path.to_owned(), readers: None, writer: Some(writer), migrated_from: None }),
        })
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
            None => Err(StoreError::Inconsistent("a write to a database that was opened for reading".to_owned())),
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
