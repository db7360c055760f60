//! Puts a backup in the place of the database. What stood there is kept beside it.

use super::backup::copy;
use super::error::plain;
use super::open::beside;
use super::{Store, StoreError, migrate, open};
use std::fs;
use std::path::{Path, PathBuf};

/// What stands beside a database belongs to it alone.
const LOGS: [&str; 3] = ["-wal", "-shm", "-journal"];

impl Store {
    /// Takes the backup at `from` for the database at `to`, which nobody may be running on. Says where the old one is kept
    /// now, if there was one.
    pub fn restore(from: &Path, to: &Path) -> Result<Option<PathBuf>, StoreError> {
        if !from.is_file() {
            return Err(StoreError::Missing { path: from.to_owned() });
        }
        let _lock = open::lock(to)?;
        let backup = open::reader(from).map_err(|error| error.in_file(from))?;
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
        let (kept, stood_there) = (free_name(to), to.exists());
        let moved = |from: &Path, to: &Path| {
            fs::rename(from, to).map_err(|error| StoreError::Backup { path: to.to_owned(), why: plain(&error) })
        };
        // The logs first: with the file they belong to they are the newest that was stored, or what must be taken back; beside
        // another they would damage it.
        for ending in LOGS {
            let file = beside(to, ending);
            if file.exists() {
                moved(&file, &beside(&kept, ending))?;
            }
        }
        // Where the file system can, the old one stands in its place until the new one takes it: a start in between would begin an
        // empty one.
        if stood_there && fs::hard_link(to, &kept).is_err() {
            moved(to, &kept)?;
        }
        moved(&new, to)?;
        Ok(stood_there.then_some(kept))
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
    names.find(|name| !name.exists() && !LOGS.iter().any(|ending| beside(name, ending).exists())).unwrap_or_default()
}
