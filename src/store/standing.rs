//! Checks that the database is still the file at its path, and reacts when it is not.
//!
//! SQLite keeps using a file that was deleted or replaced, and all later commits are lost when the
//! process ends. Therefore the path is compared with the open file before and after each
//! transaction, and every two seconds while nothing is written. The header of the file is read as
//! well, because `cp backup.db linkdown.db` keeps the file and changes its content.

use super::file::{FileId, beside, open_existing, remove};
use super::file_state::FileState;
use super::lock::{OwnerLock, make_folder};
use super::reader::Readers;
use super::{StoreError, backup, open};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The most checks between two attempts to rewrite a deleted database: about a minute.
const LONGEST_PAUSE: u32 = 32;

/// The file of the database that the writer owns.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    lock: OwnerLock,
    /// The database file, and the files that SQLite keeps beside it while it is open.
    files: Vec<(PathBuf, FileId)>,
    standing: Arc<watch::Sender<FileState>>,
    readers: Readers,
    rewritten: u32,
    said_rewritten: u32,
    /// How many checks remain until the next attempt to rewrite a deleted database, and how many to
    /// wait after that attempt.
    pause: (u32, u32),
}

/// The result of one check of the path.
enum Found {
    InPlace,
    Nothing,
    Other,
    /// The file is the same, but its content is no longer this database.
    Overwritten,
    LogRemoved,
}

const OVERWRITTEN: &str = "another file was copied over it";

impl DatabaseFile {
    /// Takes over the database that was just opened at `path`.
    pub(super) fn new(
        path: &Path,
        lock: OwnerLock,
        standing: Arc<watch::Sender<FileState>>,
        readers: Readers,
    ) -> Result<Self, StoreError> {
        let files = files(path).map_err(|error| StoreError::folder(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            lock,
            files,
            standing,
            readers,
            rewritten: 0,
            said_rewritten: 0,
            pause: (0, 1),
        })
    }

    /// Makes sure that the next commit goes into the file at the path; rewrites a deleted database.
    /// Returns whether `connection` was replaced by a new one.
    pub(super) fn check(&mut self, connection: &mut Connection) -> Result<bool, StoreError> {
        let before = self.rewritten;
        if !self.must_reopen() {
            match self.found() {
                Ok(Found::InPlace) => self.say(FileState::InPlace { rewritten: self.rewritten }),
                Ok(Found::Nothing) => self.rewrite_in_time(connection),
                Ok(Found::Other) => {
                    // The log at the path still belongs to the open database: the next start would
                    // apply it to the other file.
                    let _ = checkpoint(connection);
                    self.say(FileState::Replaced);
                }
                Ok(Found::Overwritten) => self.let_go(connection),
                Ok(Found::LogRemoved) => {
                    let why = match checkpoint(connection) {
                        Ok(()) => "the log beside it was removed; all that it held is in the file"
                            .to_owned(),
                        Err(error) => format!("the log beside it was removed: {error}"),
                    };
                    self.say(FileState::MustReopen { why });
                }
                // A failed check does not mean that the file is gone: the statement that follows
                // reports the disk's error.
                Err(error) => {
                    tracing::debug!(%error, "the file of the database cannot be looked at");
                }
            }
        }
        self.error().map(|()| self.rewritten > before)
    }

    /// Makes sure that the last commit is in the file at the path. If it is not, the caller must
    /// not take it for stored, and the process must not continue with a state that may lag behind
    /// the file. Returns whether `connection` was replaced by a new one.
    pub(super) fn confirm(&mut self, connection: &mut Connection) -> Result<bool, StoreError> {
        let before = self.rewritten;
        let kept = match self.found() {
            // If the check fails: the commit succeeded, and nothing shows that the file is gone.
            Ok(Found::InPlace) | Err(_) => return Ok(false),
            Ok(Found::Nothing) => {
                self.rewrite(connection).map_err(|error| error.in_file(&self.path).to_string())
            }
            Ok(Found::LogRemoved) => checkpoint(connection).map_err(|error| error.to_string()),
            Ok(Found::Other) => {
                let _ = checkpoint(connection);
                Err("it was replaced by another file while linkdown ran on it".to_owned())
            }
            Ok(Found::Overwritten) => {
                self.let_go(connection);
                Err(OVERWRITTEN.to_owned())
            }
        };
        if let Err(why) = kept {
            self.say(FileState::MustReopen { why });
            self.error()?;
        }
        Ok(self.rewritten > before)
    }

    fn found(&self) -> io::Result<Found> {
        let [(database, id), beside @ ..] = &self.files[..] else { return Ok(Found::InPlace) };
        match FileId::at(database)? {
            None => return Ok(Found::Nothing),
            Some(found) if found != *id => return Ok(Found::Other),
            Some(_) => {}
        }
        for (path, id) in beside {
            if FileId::at(path)? != Some(*id) {
                return Ok(Found::LogRemoved);
            }
        }
        Ok(if self.lock.is_ours()? { Found::InPlace } else { Found::Overwritten })
    }

    /// Leaves a file that was copied over the database untouched: neither this process nor the next
    /// start may write the log of the old database into it.
    fn let_go(&mut self, connection: &Connection) {
        let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        // SQLite locks the index beside the log (`-shm`), never the log itself: closing this
        // descriptor releases no lock.
        let cut = open_existing(&beside(&self.path, "-wal")).and_then(|log| log.set_len(0));
        let why = match (kept, cut) {
            (Ok(_), Ok(())) => OVERWRITTEN.to_owned(),
            _ => format!(
                "{OVERWRITTEN}, and the log of the old one could not be cut: remove {}-wal",
                self.path.display()
            ),
        };
        self.say(FileState::MustReopen { why });
    }

    /// Returns whether the log still belongs to the file, so that a stop may move it there.
    pub(super) fn may_checkpoint(&self) -> bool {
        matches!(self.lock.is_ours(), Ok(true))
    }

    /// Tries to rewrite a deleted database at once, and then after growing pauses, because copying
    /// a large one is expensive.
    fn rewrite_in_time(&mut self, connection: &mut Connection) {
        let (left, pause) = self.pause;
        if left > 0 {
            self.pause.0 -= 1;
            return;
        }
        match self.rewrite(connection) {
            Ok(()) => self.pause = (0, 1),
            Err(error) => {
                self.pause = (pause, (pause * 2).min(LONGEST_PAUSE));
                self.say(match error {
                    // Another process created a file at the path first.
                    StoreError::Exists { .. } => FileState::Replaced,
                    error => FileState::Deleted { why: error.in_file(&self.path).to_string() },
                });
            }
        }
    }

    /// Copies the open database to the path and continues on the copy.
    fn rewrite(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        let failed = |error: io::Error| StoreError::folder(&self.path, &error);
        make_folder(&self.path).map_err(failed)?;
        // These files belong to the deleted database; beside another one they would damage it.
        for ending in open::BESIDE {
            remove(&beside(&self.path, ending)).map_err(failed)?;
        }
        backup::copy(connection, &self.path, |_, _| ())?;
        self.lock.retake()?;
        let (new, _) = open::writer(&self.path)?;
        self.files = files(&self.path).map_err(|error| StoreError::folder(&self.path, &error))?;
        *connection = new;
        self.rewritten += 1;
        self.say(FileState::InPlace { rewritten: self.rewritten });
        Ok(())
    }

    fn must_reopen(&self) -> bool {
        matches!(*self.standing.borrow(), FileState::MustReopen { .. })
    }

    fn error(&self) -> Result<(), StoreError> {
        self.standing.borrow().error(&self.path).map_or(Ok(()), Err)
    }

    /// Publishes and logs the state of the file, if it has changed.
    fn say(&mut self, now: FileState) {
        let before = self.standing.borrow().clone();
        // The text of the reason may differ with each attempt: it is reported only once.
        let is_same = match (&before, &now) {
            (FileState::InPlace { rewritten: before }, FileState::InPlace { rewritten: now }) => {
                before == now
            }
            _ => std::mem::discriminant(&before) == std::mem::discriminant(&now),
        };
        if is_same {
            return;
        }
        let database = self.path.display();
        match now.error(&self.path) {
            Some(error) => tracing::error!("{error}"),
            None if self.said_rewritten < self.rewritten => tracing::error!(
                %database,
                "the database was deleted while linkdown ran on it; it was still open and was written anew, with all \
                 that was stored"
            ),
            None => {
                tracing::warn!(%database, "the database is in its place again, and everything is stored");
            }
        }
        self.said_rewritten = self.rewritten;
        // Readers may have opened another file of that name.
        self.readers.renew();
        self.standing.send_replace(now);
    }
}

/// Returns the database file, which comes first, and the files that SQLite keeps beside it while it
/// is open.
fn files(path: &Path) -> io::Result<Vec<(PathBuf, FileId)>> {
    let database = FileId::at(path)?.ok_or(io::ErrorKind::NotFound)?;
    let mut files = vec![(path.to_owned(), database)];
    for ending in ["-wal", "-shm"] {
        let file = beside(path, ending);
        files.extend(FileId::at(&file)?.map(|id| (file, id)));
    }
    Ok(files)
}

/// Moves the whole write-ahead log into the database file. Fails while a reader still needs a part
/// of it.
pub(super) fn checkpoint(connection: &Connection) -> Result<(), StoreError> {
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy { Err(StoreError::Inconsistent("the log is in use".to_owned())) } else { Ok(()) }
}
