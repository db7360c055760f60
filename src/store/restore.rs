//! Puts a backup in the place of the database. What stood there is kept beside it.

use super::backup::copy;
use super::error::plain;
use super::open::beside;
use super::{Store, StoreError, migrate, open};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::{Path, PathBuf};

impl Store {
    /// Takes the backup at `from` for the database at `to`, which nobody may be running on. Says where the old one is kept
    /// now, if there was one.
    pub fn restore(from: &Path, to: &Path) -> Result<Option<PathBuf>, StoreError> {
        if !from.is_file() {
            return Err(StoreError::Missing { path: from.to_owned() });
        }
        let _lock = open::lock(to)?;
        let backup = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|error| StoreError::from(error).in_file(from))?;
        let found = migrate::check(&backup, from).map_err(|error| error.in_file(from))?;
        if found == migrate::Found::Empty {
            return Err(StoreError::BadBackup { path: from.to_owned(), why: "it is empty".to_owned() });
        }
        let new = beside(to, ".restored");
        remove(&new)?;
        // Checked as it is copied: nothing of what stands there is touched before.
        copy(&backup, &new, |_, _| ()).map_err(|error| match error {
            StoreError::Damaged { why, .. } => StoreError::BadBackup { path: from.to_owned(), why },
            other => other,
        })?;
        let kept = to.exists().then(|| free_name(to));
        let moved = |from: &Path, to: &Path| {
            fs::rename(from, to).map_err(|error| StoreError::Backup { path: to.to_owned(), why: plain(&error) })
        };
        if let Some(kept) = &kept {
            // The log first: without the file it belongs to it is nothing, with it it is the newest that was stored.
            for ending in ["-wal", "-shm"] {
                let log = beside(to, ending);
                if log.exists() {
                    moved(&log, &beside(kept, ending))?;
                }
            }
            moved(to, kept)?;
        }
        moved(&new, to)?;
        Ok(kept)
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::Backup { path: path.to_owned(), why: plain(&error) })
        }
        _ => Ok(()),
    }
}

/// `linkdown.db.before-restore`, or the first of `…-2`, `…-3` that is not there yet.
fn free_name(path: &Path) -> PathBuf {
    let numbered = (2..).map(|number| beside(path, &format!(".before-restore-{number}")));
    let mut names = std::iter::once(beside(path, ".before-restore")).chain(numbered);
    names.find(|name| !name.exists()).unwrap_or_default()
}
