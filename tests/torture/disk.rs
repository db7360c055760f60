//! A small disk of its own for a database, which can be made full. As root; elsewhere an ordinary folder.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const SIZE: &str = "size=96m";

#[derive(Debug)]
pub struct Disk {
    folder: tempfile::TempDir,
    is_mounted: bool,
}

impl Disk {
    /// One on which a database lives fast, and which is gone with it.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "torture"]).arg(folder.path()).output();
        let is_mounted = mount.is_ok_and(|done| done.status.success());
        Self { folder, is_mounted }
    }

    pub fn can_be_full() -> bool {
        Self::new().is_mounted
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// To the last byte.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).unwrap();
        for piece in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    pub fn free(&self) {
        let _ = fs::remove_file(self.ballast());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount").arg("-l").arg(self.path()).output();
        }
    }
}
