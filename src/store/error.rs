//! What can go wrong with the database, in words for the person who runs the bot.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "database {path} is in use by linkdown with process id {pid}; stop that one, or give this one another --database"
    )]
    InUse { path: PathBuf, pid: u32 },
    #[error(
        "database {path} is in use by another process (it holds {path}.lock); stop that one, or give this one another \
         --database"
    )]
    Locked { path: PathBuf },
    #[error(
        "database {path} is in use by another linkdown under another name (a hard link to the same file); stop that \
         one, or give this one another --database"
    )]
    InUseElsewhere { path: PathBuf },
    #[error(
        "{path} is a link or no plain file, and a lock never follows one; look where it leads, and remove it while no \
         linkdown runs"
    )]
    LinkedLock { path: PathBuf },
    #[error(
        "database {path} was deleted while linkdown ran on it and cannot be written anew ({why}); nothing of this step \
         was stored. linkdown still has all of it open and tries again by itself: make its folder writable and free \
         some space, and do not stop linkdown before it says that the database is back"
    )]
    Deleted { path: PathBuf, why: String },
    #[error(
        "database {path} was replaced by another file while linkdown ran on it; nothing of this step was stored. Put \
         the file back within seconds, or linkdown ends, and its next start takes the new file"
    )]
    Replaced { path: PathBuf },
    #[error(
        "database {path} can no longer be written to safely ({why}); linkdown ends, and its next start takes the file \
         as it is"
    )]
    MustReopen { path: PathBuf, why: String },
    #[error(
        "database {path} was written by a newer linkdown (schema {found}, this one knows up to {known}) and was left \
         untouched; run that newer version, or give this one another --database"
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error(
        "database {path} is from an older linkdown (schema {found}, this one needs {known}); `linkdown run` brings it \
         up to date when it starts"
    )]
    Older { path: PathBuf, found: u32, known: u32 },
    #[error(
        "there is no database {path} yet; `linkdown run` makes it, or name the right one with --database"
    )]
    Missing { path: PathBuf },
    #[error(
        "{path} is a database of another program and was left untouched; give another --database"
    )]
    Foreign { path: PathBuf },
    #[error(
        "{path} is no SQLite database and was left untouched; move it away, or give another --database"
    )]
    NotADatabase { path: PathBuf },
    #[error(
        "database {path} is damaged ({why}); stop linkdown, keep a copy of the file, and put a backup in its place"
    )]
    Damaged { path: PathBuf, why: String },
    #[error(
        "cannot write the folder of database {path}: {why}; make it writable for this user, or give another --database"
    )]
    Folder { path: PathBuf, why: String },
    #[error(
        "cannot open database {path}: it, or its folder, may not be read and written by this user; change that, or give \
         another --database"
    )]
    NoAccess { path: PathBuf },
    #[error(
        "the disk of database {path} is full; nothing of this step was stored: free some space"
    )]
    Full { path: PathBuf },
    #[error(
        "the disk of database {path} failed ({why}); nothing of this step was stored: look at the system's log"
    )]
    Disk { path: PathBuf, why: String },
    #[error(
        "database {path} stayed locked by another program for {0} s; nothing of this step was stored",
        BUSY_SECONDS
    )]
    Busy { path: PathBuf },
    #[error("{path} exists already; name a file that does not exist yet")]
    Exists { path: PathBuf },
    #[error("{path} is damaged ({why}) and was not taken: name another backup")]
    BadBackup { path: PathBuf, why: String },
    #[error("cannot write {path}: {why}")]
    Backup { path: PathBuf, why: String },
    /// What was asked for contradicts what is stored: a fault of the caller.
    #[error("database: {0}; this is a fault in linkdown: please report it")]
    Inconsistent(String),
    /// A row holds what this version cannot read.
    #[error("database: cannot read {what}: {why}")]
    Unreadable { what: &'static str, why: String },
    #[error("the database has been closed; nothing of this step was stored")]
    Closed,
    #[error("database {path}: {why}; this is a fault in linkdown: please report it")]
    Unexpected { path: PathBuf, why: String },
    /// Before it is known in which file: never leaves the store.
    #[error("database: {0}")]
    Sql(#[from] rusqlite::Error),
}

/// How long a statement waits for another process that holds the file.
pub(super) const BUSY_SECONDS: u64 = 5;

impl StoreError {
    /// Says a library's error in our words, with the file it happened in.
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

/// An I/O error without the library's error number.
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
