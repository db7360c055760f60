//! Replaces the database with a backup. The old database is kept beside it.

use super::backup::copy;
use super::error::plain;
use super::file::{beside, remove, without_links};
use super::lock::{Making, OwnerLock};
use super::{Store, StoreError, migrate, open};
use open::BESIDE;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

impl Store {
    /// Replaces the database at `to`, which no process may have open, with the backup at `from`.
    /// Returns the path at which the old database is kept, if there was one. A restore that fails
    /// leaves everything as it was.
    pub fn restore(from: &Path, to: &Path) -> Result<Option<PathBuf>, StoreError> {
        if !from.is_file() {
            return Err(StoreError::Missing { path: from.to_owned() });
        }
        let to = &without_links(to).map_err(|error| StoreError::folder(to, &error))?;
        let untouched = Untouched::of(from, to);
        let mut lock = None;
        let done = take_place(from, to, &mut lock);
        if done.is_err() {
            untouched.put_back(lock);
        }
        done
    }
}

/// The files and folders that did not exist before a restore, and must not exist after one that
/// failed.
struct Untouched {
    files: Vec<PathBuf>,
    /// The innermost first.
    folders: Vec<PathBuf>,
}

impl Untouched {
    fn of(from: &Path, to: &Path) -> Self {
        // SQLite creates a log and its index beside a backup that was copied by hand from an open
        // database.
        let beside_backup = BESIDE.iter().map(|ending| beside(from, ending));
        let new = BESIDE.iter().map(|ending| beside(&beside(to, ".restored"), ending));
        let files =
            beside_backup.chain(new).chain([beside(to, ".restored")]).filter(|file| !file.exists());
        let folders = to
            .ancestors()
            .skip(1)
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        Self { files: files.collect(), folders: folders.map(Path::to_owned).collect() }
    }

    fn put_back(self, lock: Option<OwnerLock>) {
        for file in self.files {
            let _ = fs::remove_file(file);
        }
        if let Some(lock) = lock.filter(|lock| lock.is_new) {
            lock.remove();
        }
        // This removes only empty folders.
        for folder in self.folders {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn take_place(
    from: &Path,
    to: &Path,
    held: &mut Option<OwnerLock>,
) -> Result<Option<PathBuf>, StoreError> {
    *held = Some(OwnerLock::take(to, Making::Nothing)?);
    let backup = open::reader(from).map_err(|error| error.in_file(from))?;
    let found = migrate::check(&backup, from).map_err(|error| error.in_file(from))?;
    if found == migrate::Found::Empty {
        return Err(StoreError::BadBackup { path: from.to_owned(), why: "it is empty".to_owned() });
    }
    let new = beside(to, ".restored");
    remove(&new).map_err(|error| StoreError::Backup { path: new.clone(), why: plain(&error) })?;
    // The copy is checked before any existing file is touched.
    copy(&backup, &new, |_, _| ()).map_err(|error| match error {
        StoreError::Damaged { why, .. } => StoreError::BadBackup { path: from.to_owned(), why },
        other => other,
    })?;
    let (kept, stood_there) = (free_name(to), to.exists());
    let mut moves = Moves::default();
    let done = swap(to, &new, &kept, stood_there, &mut moves);
    if let Err(error) = done {
        moves.undo();
        return Err(StoreError::Backup { path: to.to_owned(), why: plain(&error) });
    }
    Ok(stood_there.then_some(kept))
}

fn swap(
    to: &Path,
    new: &Path,
    kept: &Path,
    stood_there: bool,
    moves: &mut Moves,
) -> io::Result<()> {
    // The logs move first. With their own database they hold the newest stored data, or a write to
    // roll back; beside another they would damage it.
    for ending in BESIDE {
        let file = beside(to, ending);
        if file.exists() {
            moves.rename(&file, &beside(kept, ending))?;
        }
    }
    // If the file system supports hard links, the old database stays in place until the new one
    // replaces it: a start in between would create an empty one.
    if stood_there && moves.link(to, kept).is_err() {
        moves.rename(to, kept)?;
    }
    moves.rename(new, to)
}

/// The moves made so far, so that they can be undone.
#[derive(Default)]
struct Moves {
    renamed: Vec<(PathBuf, PathBuf)>,
    linked: Option<PathBuf>,
}

impl Moves {
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        self.renamed.push((from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)?;
        self.linked = Some(to.to_owned());
        Ok(())
    }

    fn undo(self) {
        if let Some(linked) = self.linked {
            let _ = fs::remove_file(linked);
        }
        for (from, to) in self.renamed.into_iter().rev() {
            if let Err(error) = fs::rename(&to, &from) {
                tracing::error!(file = %to.display(), %error, "cannot be moved back to {}", from.display());
            }
        }
    }
}

/// Returns `linkdown.db.before-restore`, or the first of `…-2`, `…-3` that does not exist yet.
fn free_name(path: &Path) -> PathBuf {
    let numbered = (2..).map(|number| beside(path, &format!(".before-restore-{number}")));
    let mut names = std::iter::once(beside(path, ".before-restore")).chain(numbered);
    names
        .find(|name| !name.exists() && !BESIDE.iter().any(|ending| beside(name, ending).exists()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_moved_before_a_step_failed_is_moved_back() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["db", "db-wal"] {
            fs::write(at(name), name).unwrap();
        }
        let mut moves = Moves::default();
        moves.rename(&at("db-wal"), &at("kept-wal")).unwrap();
        moves.link(&at("db"), &at("kept")).unwrap();
        assert!(moves.rename(&at("none"), &at("db")).is_err());
        moves.undo();
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["db", "db-wal"]);
        assert_eq!(fs::read_to_string(at("db-wal")).unwrap(), "db-wal");
    }
}
