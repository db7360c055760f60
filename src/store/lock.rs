//! Ownership of the database: one owner per file, under any name that it is opened by.
//!
//! Two locks are held. `<database>.lock` names the owner's process; a symbolic link to the database
//! resolves to the same lock file. The database file itself is locked with flock(2), which also
//! covers hard links. Linux keeps flock locks apart from the POSIX locks that SQLite takes on the
//! same file. The POSIX locks are dropped when this process closes any descriptor of the file, so
//! the descriptor of this lock is opened before SQLite opens the file and closed after SQLite has
//! closed it.

use super::StoreError;
use super::file::{FileId, beside, create_private, narrow, open_existing, open_private};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The length of the part of the file header that is read:
/// <https://www.sqlite.org/fileformat.html>, section 1.3. Bytes 18 and 19 are 2 in a database with
/// a write-ahead log, and they are written to the file itself when the log is created.
const HEADER: usize = 20;

/// The locks that this process holds while it owns the database. The system releases them when the
/// process ends for any reason.
#[derive(Debug)]
pub(super) struct OwnerLock {
    /// `<database>.lock`, which contains the id of this process.
    named: File,
    /// The database file, or `None` if there is none yet.
    database: Option<File>,
    path: PathBuf,
    /// Whether `<database>.lock` did not exist before.
    pub(super) is_new: bool,
}

/// Whether a missing database file is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Making {
    Database,
    Nothing,
}

impl OwnerLock {
    /// Takes both locks for the database at `path`, which must not be a link. Creates its folder if
    /// it does not exist.
    pub(super) fn take(path: &Path, making: Making) -> Result<Self, StoreError> {
        if path.is_dir() {
            return Err(StoreError::NotADatabase { path: path.to_owned() });
        }
        make_folder(path).map_err(|error| StoreError::folder(path, &error))?;
        let is_new = !beside(path, ".lock").exists();
        let named = named(path)?;
        let mut lock = Self { named, database: None, path: path.to_owned(), is_new };
        lock.take_file(making)?;
        Ok(lock)
    }

    /// Takes the locks again after the files were removed and the database was rewritten.
    pub(super) fn retake(&mut self) -> Result<(), StoreError> {
        let there = FileId::at(&beside(&self.path, ".lock")).ok().flatten();
        if there.is_none() || FileId::of(&self.named).ok() != there {
            self.named = named(&self.path)?;
        }
        self.take_file(Making::Nothing)
    }

    /// Returns whether the locked file is still a database with a write-ahead log, as every open
    /// one is. A file that was copied over it, or truncated, is not: `linkdown backup` makes copies
    /// without a log.
    pub(super) fn is_ours(&self) -> io::Result<bool> {
        let Some(file) = &self.database else { return Ok(true) };
        let mut header = [0; HEADER];
        match file.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            other => other?,
        }
        Ok(header.starts_with(b"SQLite format 3\0") && header[18..20] == [2, 2])
    }

    fn take_file(&mut self, making: Making) -> Result<(), StoreError> {
        let path = &self.path;
        let opened = match open_existing(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match making {
                Making::Nothing => return Ok(()),
                Making::Database => {
                    create_private(path).map_err(|error| StoreError::folder(path, &error))?
                }
            },
            Err(_) => return Err(StoreError::NoAccess { path: path.clone() }),
            Ok(file) => file,
        };
        let found = opened.metadata().map_err(|error| StoreError::folder(path, &error))?;
        if !found.is_file() {
            return Err(StoreError::NotADatabase { path: path.clone() });
        }
        match opened.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUseElsewhere { path: path.clone() });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::folder(path, &error)),
        }
        if found.nlink() > 1 {
            tracing::warn!(
                database = %path.display(), names = found.nlink(),
                "the database file has several names (hard links): always start with the same one, since its log is \
                 named after it"
            );
        }
        self.database = Some(opened);
        Ok(())
    }

    /// Removes `<database>.lock` and releases both locks.
    pub(super) fn remove(self) {
        // The file stays locked while it is removed: a process that waits for it checks whether the
        // name still leads to it.
        let _ = fs::remove_file(beside(&self.path, ".lock"));
    }
}

/// Creates the folder of `path`, and those above it, with access for the owner only.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}

/// Opens and locks `<database>.lock`, and writes the id of this process into it.
fn named(path: &Path) -> Result<File, StoreError> {
    let name = beside(path, ".lock");
    let folder = |error: io::Error| StoreError::folder(path, &error);
    loop {
        let mut file = open_private(&name).map_err(|error| {
            let is_link = fs::symlink_metadata(&name).is_ok_and(|found| found.is_symlink());
            if is_link { StoreError::LinkedLock { path: name.clone() } } else { folder(error) }
        })?;
        let found = file.metadata().map_err(folder)?;
        // The content is overwritten: it must not belong to another file.
        if !found.is_file() || found.nlink() > 1 {
            return Err(StoreError::LinkedLock { path: name });
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(match text.trim().parse() {
                    Ok(pid) => StoreError::InUse { path: path.to_owned(), pid },
                    Err(_) => StoreError::Locked { path: path.to_owned() },
                });
            }
            Err(TryLockError::Error(error)) => return Err(folder(error)),
        }
        // The previous owner may have removed it meanwhile: then another process can lock a new
        // file of that name.
        if FileId::at(&name).map_err(folder)? != Some(FileId::of(&file).map_err(folder)?) {
            continue;
        }
        // An earlier version created it readable for everybody.
        let _ = narrow(&name);
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(folder)?;
        return Ok(file);
    }
}
