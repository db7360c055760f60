//! Copies of the database, made while the bot runs.

use super::error::plain;
use super::file::{FileId, beside, rename_to_new, replace_private};
use super::{Store, StoreError, open};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Pages copied between two progress reports: 1 MiB.
const STEP: i32 = 256;

impl Store {
    /// Copies the current database to `to`, which must not exist. The copy gets that name only
    /// after it was checked, and has mode 0600. `progress` is called with the number of copied
    /// pages and of all pages.
    pub async fn backup(
        &self,
        to: &Path,
        progress: impl FnMut(usize, usize) + Send + 'static,
    ) -> Result<(), StoreError> {
        let to = to.to_owned();
        self.read(move |db| copy(db.connection, &to, progress)).await
    }
}

impl Store {
    /// Checks the whole file. Returns the first fault, or `None` if there is none.
    pub async fn look_through(&self) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            let verdict: String =
                db.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            Ok((verdict != "ok").then_some(verdict))
        })
        .await
    }
}

pub(super) fn copy(
    from: &Connection,
    to: &Path,
    progress: impl FnMut(usize, usize),
) -> Result<(), StoreError> {
    let failed = |why: String| StoreError::Backup { path: to.to_owned(), why };
    let exists = || StoreError::Exists { path: to.to_owned() };
    if FileId::at(to).map_err(|error| failed(plain(&error)))?.is_some() {
        return Err(exists());
    }
    let partial = beside(to, ".partial");
    let made = replace_private(&partial).map_err(|error| match error.kind() {
        ErrorKind::StorageFull => failed("the disk is full".to_owned()),
        _ => failed("its folder must exist and be writable for this user".to_owned()),
    });
    drop(made?);
    let done = copy_pages(from, &partial, progress)
        .map_err(|error| match error.in_file(&partial) {
            StoreError::NoAccess { .. } => {
                failed("its folder must exist and be writable for this user".to_owned())
            }
            StoreError::Full { .. } => failed("the disk is full".to_owned()),
            other => other,
        })
        .and_then(|()| {
            rename_to_new(&partial, to).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => exists(),
                _ => failed(plain(&error)),
            })
        });
    if done.is_err() {
        for ending in [""].into_iter().chain(open::BESIDE) {
            let _ = fs::remove_file(beside(&partial, ending));
        }
    }
    done
}

/// Copies inside the reader's transaction: concurrent writes neither wait for the copy nor restart
/// it.
fn copy_pages(
    from: &Connection,
    to: &Path,
    mut progress: impl FnMut(usize, usize),
) -> Result<(), StoreError> {
    open::read(from)?;
    let mut copy = open::connect(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    {
        let backup = Backup::new(from, &mut copy)?;
        loop {
            let step = backup.step(STEP)?;
            let now = backup.progress();
            progress(
                (now.pagecount - now.remaining).max(0) as usize,
                now.pagecount.max(0) as usize,
            );
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => return Err(StoreError::Busy { path: to.to_owned() }),
            }
        }
    }
    // This makes the copy a single file, without a log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    let verdict: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::Damaged { path: to.to_owned(), why: verdict });
    }
    copy.close().map_err(|(_, error)| error)?;
    Ok(())
}
