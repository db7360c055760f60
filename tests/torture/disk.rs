//! A small disk for a database, which can become full or slow, break, and be repaired: ext4 over a
//! loop device, as root. Without loop devices it is a tmpfs, which can only become full; elsewhere
//! it is an ordinary folder.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

const SIZE: u64 = 96 << 20;
/// The folder of the disk images, in memory so that it is fast.
const IMAGES: &str = "/dev/shm";

#[derive(Debug)]
pub struct Disk {
    kind: Kind,
    folder: tempfile::TempDir,
}

#[derive(Debug)]
enum Kind {
    Folder,
    Tmpfs,
    Ext4 { image: PathBuf, _images: tempfile::TempDir },
}

/// The faults that a disk can have here; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Abilities {
    Nothing,
    GetsFull,
    Breaks,
}

impl Disk {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kind = ext4(folder.path()).unwrap_or_else(|| {
            let tmpfs =
                ["-t", "tmpfs", "-o", &format!("size={SIZE}"), "torture"].map(str::to_owned);
            if done(Command::new("mount").args(tmpfs).arg(folder.path())) {
                Kind::Tmpfs
            } else {
                Kind::Folder
            }
        });
        Self { kind, folder }
    }

    pub fn abilities() -> Abilities {
        match Self::new().kind {
            Kind::Folder => Abilities::Nothing,
            Kind::Tmpfs => Abilities::GetsFull,
            Kind::Ext4 { .. } => Abilities::Breaks,
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Fills the disk to the last byte, unless nothing can be written to it anyway.
    pub fn fill(&self) {
        let Ok(mut file) = fs::File::create(self.ballast()) else { return };
        for piece in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    pub fn free(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    /// Makes every write from now on wait for `time`.
    pub fn is_slow_for(&self, time: Duration) -> JoinHandle<()> {
        let path = self.path().to_owned();
        let freeze = |how: &str, path: &Path| done(Command::new("fsfreeze").arg(how).arg(path));
        let is_frozen = freeze("--freeze", &path);
        thread::spawn(move || {
            if is_frozen {
                thread::sleep(time);
                assert!(freeze("--unfreeze", &path), "{} stays frozen", path.display());
            }
        })
    }

    /// Breaks the disk as a hardware error does: data that was not synced is lost, and nothing can
    /// be written until the disk is repaired.
    pub fn breaks(&self) {
        if matches!(self.kind, Kind::Ext4 { .. }) {
            fs::write(breaker(self.path()).unwrap(), "1").unwrap();
        }
    }

    /// Repairs the disk as an administrator does. No process may use it at that time.
    pub fn mend(&self) {
        let Kind::Ext4 { image, .. } = &self.kind else { return };
        assert!(
            done(Command::new("umount").arg(self.path())),
            "somebody still works on {}",
            self.path().display()
        );
        // Exit code 1 means that there were errors and they were corrected.
        let status = Command::new("e2fsck").arg("-y").arg(image).output().unwrap().status;
        assert!(matches!(status.code(), Some(0 | 1)), "{status}");
        assert!(mount(image, self.path()));
    }
}

fn ext4(folder: &Path) -> Option<Kind> {
    let images = tempfile::tempdir_in(IMAGES).ok()?;
    let image = images.path().join("disk");
    fs::File::create(&image).and_then(|file| file.set_len(SIZE)).ok()?;
    // The blocks are as large as pages, as on every usual disk. SQLite reserves one block in each
    // page of its shared memory; if a page has more blocks, a full disk ends the process by SIGBUS.
    let made =
        done(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-b", "4096"]).arg(&image));
    if !made || !mount(&image, folder) {
        return None;
    }
    // A container may have the devices without the rights.
    if breaker(folder).is_some_and(|path| fs::File::options().write(true).open(path).is_ok()) {
        return Some(Kind::Ext4 { image, _images: images });
    }
    unmount(folder);
    None
}

/// Returns the file that triggers an error: the file system mounted at `folder` treats any write to
/// it as an error of its disk.
fn breaker(folder: &Path) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mut fields = mounts.lines().map(|line| line.split(' '));
    let device = fields.find_map(|mut line| {
        let device = line.next()?.strip_prefix("/dev/")?;
        (Path::new(line.next()?) == folder).then_some(device)
    })?;
    Some(Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error"))
}

fn unmount(folder: &Path) {
    let _ = Command::new("umount").arg("-l").arg(folder).output();
}

/// Mounts the image. A loop device that another run is just releasing may be read-only; then the
/// next one is tried.
fn mount(image: &Path, folder: &Path) -> bool {
    let probe = folder.join("probe");
    (0..5).any(|_| {
        let is_mounted = done(
            Command::new("mount").args(["-o", "loop,errors=remount-ro"]).arg(image).arg(folder),
        );
        if is_mounted && fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).is_ok() {
            return true;
        }
        if is_mounted {
            unmount(folder);
        }
        false
    })
}

fn done(command: &mut Command) -> bool {
    command.output().is_ok_and(|done| done.status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !matches!(self.kind, Kind::Folder) {
            unmount(self.path());
        }
    }
}
