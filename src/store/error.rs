//! Errors of the database, worded for the operator of the bot.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the database. The text tells the operator what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process of linkdown owns the database.
    #[error(
        "database {path} is in use by linkdown with process id {pid}; stop that one, or give this one another --database"
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// The process id in the lock file.
        pid: u32,
    },
    /// Another process holds the lock file, which contains no process id.
    #[error(
        "database {path} is in use by another process (it holds {path}.lock); stop that one, or give this one another \
         --database"
    )]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// Another process owns the same file under a different name.
    #[error(
        "database {path} is in use by another linkdown under another name (a hard link to the same file); stop that \
         one, or give this one another --database"
    )]
    InUseElsewhere {
        /// The name that this process was given.
        path: PathBuf,
    },
    /// The lock file is a link, or not a regular file.
    #[error(
        "{path} is a link or no plain file, and a lock never follows one; look where it leads, and remove it while no \
         linkdown runs"
    )]
    LinkedLock {
        /// The lock file.
        path: PathBuf,
    },
    /// The file was deleted while it was open and cannot be rewritten yet.
    #[error(
        "database {path} was deleted while linkdown ran on it and cannot be written anew ({why}); nothing of this step \
         was stored. linkdown still has all of it open and tries again by itself: make its folder writable and free \
         some space, and do not stop linkdown before it says that the database is back"
    )]
    Deleted {
        /// The database.
        path: PathBuf,
        /// Why the last attempt to rewrite it failed.
        why: String,
    },
    /// Another file has taken the place of the open one.
    #[error(
        "database {path} was replaced by another file while linkdown ran on it; nothing of this step was stored. Put \
         the file back within seconds, or linkdown ends, and its next start takes the new file"
    )]
    Replaced {
        /// The database.
        path: PathBuf,
    },
    /// The files have changed in a way that makes writes unsafe until the next start.
    #[error(
        "database {path} can no longer be written to safely ({why}); linkdown ends, and its next start takes the file \
         as it is"
    )]
    MustReopen {
        /// The database.
        path: PathBuf,
        /// The change that was found.
        why: String,
    },
    /// The schema is newer than this version of linkdown.
    #[error(
        "database {path} was written by a newer linkdown (schema {found}, this one knows up to {known}) and was left \
         untouched; run that newer version, or give this one another --database"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest schema version that this linkdown knows.
        known: u32,
    },
    /// The schema is older than this version needs, and this process may not migrate it.
    #[error(
        "database {path} is from an older linkdown (schema {found}, this one needs {known}); `linkdown run` brings it \
         up to date when it starts"
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The schema version that this linkdown needs.
        known: u32,
    },
    /// There is no database, or an empty file, where one is to be read.
    #[error(
        "there is no database {path} yet; `linkdown run` makes it, or name the right one with --database"
    )]
    Missing {
        /// The path that was given.
        path: PathBuf,
    },
    /// The SQLite file lacks linkdown's application id.
    #[error(
        "{path} is a database of another program and was left untouched; give another --database"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The path leads to something other than an SQLite file.
    #[error(
        "{path} is no SQLite database and was left untouched; move it away, or give another --database"
    )]
    NotADatabase {
        /// The path that was given.
        path: PathBuf,
    },
    /// SQLite found the file corrupt, or the file cannot be examined.
    #[error(
        "database {path} is damaged ({why}); stop linkdown, keep a copy of the file, and put a backup in its place"
    )]
    Damaged {
        /// The database or its copy.
        path: PathBuf,
        /// The first fault that was found.
        why: String,
    },
    /// The folder, or a file in it, cannot be created or used.
    #[error(
        "cannot write the folder of database {path}: {why}; make it writable for this user, or give another --database"
    )]
    Folder {
        /// The database.
        path: PathBuf,
        /// The error of the file system.
        why: String,
    },
    /// This user may not open the file for reading and writing.
    #[error(
        "cannot open database {path}: it, or its folder, may not be read and written by this user; change that, or give \
         another --database"
    )]
    NoAccess {
        /// The database.
        path: PathBuf,
    },
    /// The disk has no space left.
    #[error(
        "the disk of database {path} is full; nothing of this step was stored: free some space"
    )]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// Reading from or writing to the disk failed.
    #[error(
        "the disk of database {path} failed ({why}); nothing of this step was stored: look at the system's log"
    )]
    Disk {
        /// The database.
        path: PathBuf,
        /// SQLite's message.
        why: String,
    },
    /// Another program held a lock on the file for longer than `BUSY_SECONDS`.
    #[error(
        "database {path} stayed locked by another program for {0} s; nothing of this step was stored",
        BUSY_SECONDS
    )]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// The file to create exists already.
    #[error("{path} exists already; name a file that does not exist yet")]
    Exists {
        /// The name that is taken.
        path: PathBuf,
    },
    /// A file to restore is damaged or empty.
    #[error("{path} is damaged ({why}) and was not taken: name another backup")]
    BadBackup {
        /// The backup.
        path: PathBuf,
        /// The fault that was found.
        why: String,
    },
    /// A backup, or the result of a restore, cannot be written.
    #[error("cannot write {path}: {why}")]
    Backup {
        /// The file that was to be written.
        path: PathBuf,
        /// The error of the file system.
        why: String,
    },
    /// The request contradicts the stored data: a bug in the caller.
    #[error("database: {0}; this is a fault in linkdown: please report it")]
    Inconsistent(String),
    /// A row contains a value that this version cannot read.
    #[error("database: cannot read {what}: {why}")]
    Unreadable {
        /// The kind of the row, such as "a notice".
        what: &'static str,
        /// The error of the parser.
        why: String,
    },
    /// The writer or the readers have stopped.
    #[error("the database has been closed; nothing of this step was stored")]
    Closed,
    /// An error that has no variant of its own.
    #[error("database {path}: {why}; this is a fault in linkdown: please report it")]
    Unexpected {
        /// The database.
        path: PathBuf,
        /// The message of SQLite or of the system.
        why: String,
    },
    /// An error before its file is known; it never leaves the store.
    #[error("database: {0}")]
    Sql(#[from] rusqlite::Error),
}

/// How many seconds a statement waits for another process that has locked the file.
pub(super) const BUSY_SECONDS: u64 = 5;

impl StoreError {
    /// Turns an error of SQLite into the matching variant, with the file in which it happened.
    #[must_use]
    pub(super) fn in_file(self, path: &Path) -> Self {
        let Self::Sql(error) = self else { return self };
        let path = path.to_owned();
        let why = match &error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            other => other.to_string(),
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, why },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::SystemIoFailure) => Self::Disk { path, why },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::NoAccess { path }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            _ => match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..) => {
                    Self::Unreadable { what: "a row", why }
                }
                _ => Self::Unexpected { path, why },
            },
        }
    }

    pub(super) fn folder(path: &Path, error: &io::Error) -> Self {
        Self::Folder { path: path.to_owned(), why: plain(error) }
    }
}

/// Returns the text of an I/O error without the operating system's error number.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file stands where a folder must be".to_owned()
        }
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        kind => kind.to_string(),
    }
}
