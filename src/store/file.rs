//! Files that only their owner may read: how they are created, and how two files are told apart.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Read and write permission for the owner only.
const PRIVATE: u32 = 0o600;

/// How many symbolic links are followed before a cycle is assumed, as in Linux
/// (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// The identity of a file, independent of its name. The system does not reuse an inode while a
/// process has the file open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Returns the identity of the file named `path`, or `None` if there is none. Does not follow
    /// links.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(Self { device: found.dev(), inode: found.ino() })),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }
}

/// Returns the path of a file beside the database, such as `<database>.lock` or `<database>-wal`.
pub(super) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Returns the target of `path` if it is a symbolic link, and `path` itself otherwise. Fails on a
/// cycle of links.
///
/// SQLite names its log after the file, not after the link; a lock must do the same.
pub(super) fn without_links(path: &Path) -> io::Result<PathBuf> {
    let mut real = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&real) {
            Ok(target) => real = real.parent().unwrap_or(Path::new("")).join(target),
            // Not a link, or nothing there: opening the path reports the error.
            Err(_) => return Ok(real),
        }
    }
    Err(Errno::ELOOP.into())
}

/// Creates a file with mode 0600, regardless of the umask. Fails if the name is taken, even by a
/// dangling link.
pub fn create_private(path: &Path) -> io::Result<File> {
    private().create_new(true).open(path)
}

/// Creates a file with mode 0600 in place of any file of that name. Replaces a link and never
/// follows it.
pub fn replace_private(path: &Path) -> io::Result<File> {
    remove(path)?;
    create_private(path)
}

/// Opens the file at `path`, or creates it with mode 0600. Does not follow links.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    private().create(true).open(path)
}

/// Opens the file at `path` for reading and writing. Does not follow links or create a file.
pub(super) fn open_existing(path: &Path) -> io::Result<File> {
    private().open(path)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(PRIVATE).custom_flags(OFlag::O_NOFOLLOW.bits());
    options
}

/// Removes the permissions of group and others. Returns the previous mode if that changed it.
pub(super) fn narrow(path: &Path) -> io::Result<Option<u32>> {
    let mode = match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => found.mode() & 0o777,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if mode & !PRIVATE == 0 {
        return Ok(None);
    }
    fs::set_permissions(path, Permissions::from_mode(mode & PRIVATE))?;
    Ok(Some(mode))
}

/// Removes the file if it exists.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Renames the file at `from` to `to`. Fails if that name is taken.
pub(super) fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(()),
        // Some file systems do not support this flag: then a check before the rename must do.
        Err(Errno::EINVAL | Errno::ENOSYS) if FileId::at(to)?.is_none() => fs::rename(from, to),
        Err(Errno::EINVAL | Errno::ENOSYS) => Err(Errno::EEXIST.into()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_private_and_never_made_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, target) =
            (folder.path().join("a"), folder.path().join("link"), folder.path().join("target"));
        create_private(&file).unwrap();
        assert_eq!(mode(&file), 0o600);
        symlink(&target, &link).unwrap();
        assert!(create_private(&link).is_err() && open_private(&link).is_err());
        assert!(!target.exists());
        // Replacing a link leaves its target unchanged.
        fs::write(&target, "theirs").unwrap();
        replace_private(&link).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_wider_file_is_narrowed_and_keeps_the_owner_s_rights() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        for (before, after) in [(0o666, 0o600), (0o640, 0o600), (0o444, 0o400), (0o600, 0o600)] {
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(before)).unwrap();
            assert_eq!(narrow(&file).unwrap(), (before != after).then_some(before));
            assert_eq!(mode(&file), after);
            fs::remove_file(&file).unwrap();
        }
        assert_eq!(narrow(&folder.path().join("none")).unwrap(), None);
    }

    #[test]
    fn a_chain_of_links_leads_to_its_file_and_a_circle_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("b", at("a")).unwrap();
        symlink(at("c"), at("b")).unwrap();
        assert_eq!(without_links(&at("a")).unwrap(), at("c"));
        assert_eq!(without_links(&at("c")).unwrap(), at("c"));
        symlink("round", at("round")).unwrap();
        assert!(without_links(&at("round")).is_err());
    }

    #[test]
    fn a_name_that_is_taken_is_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("new"), "new").unwrap();
        fs::write(at("old"), "old").unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        for taken in ["old", "dangling"] {
            assert!(rename_to_new(&at("new"), &at(taken)).is_err(), "{taken}");
        }
        rename_to_new(&at("new"), &at("free")).unwrap();
        assert_eq!(fs::read_to_string(at("free")).unwrap(), "new");
    }
}
