//! The only thread that writes: it receives closures over a channel and runs each in one
//! transaction.

use super::erase::Erasure;
use super::standing::{DatabaseFile, checkpoint};
use super::{Db, StoreError, Tx};
use rusqlite::{Connection, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

/// The interval of the check for a deleted or replaced database while nothing is written.
const LOOK_EVERY: Duration = Duration::from_secs(2);

type Job = Box<dyn FnOnce(&mut Owned) + Send>;

#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

/// The state that the thread owns.
struct Owned {
    connection: Connection,
    /// `None` for a database in memory.
    file: Option<DatabaseFile>,
    erasure: Erasure,
}

impl Writer {
    /// Starts the thread, which takes over the connection and the file with its lock, and releases
    /// both after the last job.
    pub(super) fn start(
        mut connection: Connection,
        file: Option<DatabaseFile>,
        path: &Path,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let erasure = Erasure::watch(&mut connection)?;
        let mut owned = Owned { connection, file, erasure };
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                loop {
                    match queue.recv_timeout(LOOK_EVERY) {
                        Ok(job) => job(&mut owned),
                        Err(RecvTimeoutError::Timeout) => owned.look(),
                        Err(RecvTimeoutError::Disconnected) => break,
                    }
                }
                owned.close();
            })
            .map_err(|error| StoreError::Unexpected {
                path: path.to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), path: path.to_owned() })
    }

    /// Runs `work` in one IMMEDIATE transaction: committed if `work` returns `Ok`, rolled back
    /// otherwise. Returns an error unless the commit is in the file at the path.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.run(move |owned| {
            owned.check()?;
            let transaction =
                owned.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&Tx::new(&transaction))?;
            transaction.commit()?;
            owned.confirm()?;
            owned.erasure.finish(&owned.connection);
            Ok(result)
        })
        .await
    }

    /// Reads from a database in memory, which no second connection can see.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.run(move |owned| work(&Db::new(&owned.connection))).await
    }

    async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Owned) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let path = self.path.clone();
        let job: Job = Box::new(move |owned| {
            // A panic in one job must not end the thread that all others need: its transaction is
            // rolled back during unwinding, and no other state outlives it.
            let result = catch_unwind(AssertUnwindSafe(|| work(owned))).unwrap_or_else(|_| {
                Err(StoreError::Inconsistent("a step was given up half-way".to_owned()))
            });
            let _ = answer.send(result.map_err(|error| error.in_file(&path)));
        });
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or(StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Owned {
    fn check(&mut self) -> Result<(), StoreError> {
        self.with_file(DatabaseFile::check)
    }

    fn confirm(&mut self) -> Result<(), StoreError> {
        self.with_file(DatabaseFile::confirm)
    }

    fn with_file(
        &mut self,
        look: impl FnOnce(&mut DatabaseFile, &mut Connection) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if look(file, &mut self.connection)? {
            self.erasure = Erasure::watch(&mut self.connection)?;
        }
        Ok(())
    }

    /// Checks the file and finishes a due erasure while nothing is written.
    fn look(&mut self) {
        // `check` publishes the error itself, and each write returns it again.
        let is_in_place =
            catch_unwind(AssertUnwindSafe(|| self.check())).is_ok_and(|checked| checked.is_ok());
        if is_in_place {
            self.erasure.finish(&self.connection);
        }
    }

    /// Moves the log into the database, so that a stopped bot's file is complete on its own, and so
    /// that the log is not applied to another file that took its place.
    fn close(mut self) {
        let is_in_place = self.check().is_ok();
        if self.file.as_ref().is_none_or(DatabaseFile::may_checkpoint)
            && let Err(error) = checkpoint(&self.connection)
            && is_in_place
        {
            tracing::warn!(%error, "the write-ahead log stays beside the database until the next start");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the database was not closed cleanly; nothing is lost");
        }
        // The lock's descriptor of the file must be closed last.
        drop(self.file);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // The last handle may be dropped inside a job: a thread cannot join itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
