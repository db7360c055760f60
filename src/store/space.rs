//! The disk that holds the database.

use super::Store;
use super::file::beside;
use nix::sys::statfs::{FsType, statfs};
use nix::sys::statvfs::statvfs;

/// The space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The size of the file system.
    pub total: u64,
    /// The space that is free for this user.
    pub free: u64,
    /// The size of the database and its write-ahead log.
    pub used: u64,
}

/// File systems that other machines or programs serve, on which SQLite's locks and its log are not
/// reliable: <https://www.sqlite.org/wal.html>.
const FOREIGN: [(i64, &str); 5] = [
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
];

impl Store {
    /// Returns the space on the database's disk, or `None` if the system does not report it or the
    /// database is in memory.
    pub fn space(&self) -> Option<Space> {
        let path = self.path();
        let file = statvfs(path).ok()?;
        let block = file.fragment_size();
        let size = |ending| std::fs::metadata(beside(path, ending)).map_or(0, |file| file.len());
        Some(Space {
            total: file.blocks() * block,
            free: file.blocks_available() * block,
            used: size("") + size("-wal"),
        })
    }

    /// Returns the kind of the file system, if it is one on which a database must not be kept.
    pub fn foreign_file_system(&self) -> Option<&'static str> {
        let FsType(kind) = statfs(self.path()).ok()?.filesystem_type();
        FOREIGN.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
    }
}
