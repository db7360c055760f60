//! Ownership of the files: one owner per file under any name, and no access for other users.

use crate::store::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn refusal(path: &Path) -> StoreError {
    Store::open(path, Access::Own).unwrap_err()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// Returns every name in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn no_other_name_of_the_same_file_lets_a_second_owner_in() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("elsewhere")).unwrap();
    let first = Store::open(at("linkdown.db"), Access::Own).unwrap();
    symlink("linkdown.db", at("link.db")).unwrap();
    symlink(at("link.db"), at("elsewhere/far.db")).unwrap();
    symlink(folder.path(), at("elsewhere/folder")).unwrap();
    for name in ["link.db", "elsewhere/far.db", "elsewhere/folder/linkdown.db"] {
        let error = refusal(&at(name));
        assert!(
            matches!(error, StoreError::InUse { pid, .. } if pid == std::process::id()),
            "{name}: {error}"
        );
    }
    fs::hard_link(at("linkdown.db"), at("elsewhere/hard.db")).unwrap();
    let error = refusal(&at("elsewhere/hard.db"));
    assert!(matches!(error, StoreError::InUseElsewhere { .. }), "{error}");
    let error = Store::restore(&at("linkdown.db"), &at("link.db")).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(first);
    // The target of a link is the database: its log is beside the target, not beside the link.
    let store = Store::open(at("link.db"), Access::Own).unwrap();
    store.write(|tx| tx.chats().ensure("console", "")).await.unwrap();
    assert!(at("linkdown.db-wal").exists() && !at("link.db-wal").exists());
    assert!(matches!(refusal(&at("linkdown.db")), StoreError::InUse { .. }));
}

#[test]
fn a_lock_that_is_a_link_is_refused_and_what_it_leads_to_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("theirs"), "precious").unwrap();
    for make in [
        |from: &Path, to: &Path| symlink(from, to),
        |from: &Path, to: &Path| fs::hard_link(from, to),
    ] {
        make(&at("theirs"), &at("linkdown.db.lock")).unwrap();
        let error = refusal(&at("linkdown.db"));
        assert!(matches!(error, StoreError::LinkedLock { .. }), "{error}");
        assert_eq!(fs::read_to_string(at("theirs")).unwrap(), "precious");
        assert!(!at("linkdown.db").exists());
        fs::remove_file(at("linkdown.db.lock")).unwrap();
    }
    symlink(at("nowhere"), at("linkdown.db.lock")).unwrap();
    assert!(matches!(refusal(&at("linkdown.db")), StoreError::LinkedLock { .. }));
    assert!(!at("nowhere").exists());
}

#[tokio::test]
async fn a_copy_is_never_written_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = Store::open(at("linkdown.db"), Access::Own).unwrap();
    fs::write(at("theirs"), "precious").unwrap();
    symlink(at("theirs"), at("copy.db.partial")).unwrap();
    store.backup(&at("copy.db"), |_, _| ()).await.unwrap();
    symlink(at("nowhere"), at("dangling.db")).unwrap();
    let error = store.backup(&at("dangling.db"), |_, _| ()).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    drop(store);
    symlink(at("theirs"), at("linkdown.db.restored")).unwrap();
    symlink(at("theirs"), at("linkdown.db.restored.partial")).unwrap();
    Store::restore(&at("copy.db"), &at("linkdown.db")).unwrap();
    assert_eq!(fs::read_to_string(at("theirs")).unwrap(), "precious");
    assert!(!at("nowhere").exists());
    assert!(fs::symlink_metadata(at("linkdown.db")).unwrap().is_file());
}

#[tokio::test]
async fn nobody_else_reads_the_database_its_log_its_lock_or_its_copies() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = Store::open(at("made/linkdown.db"), Access::Own).unwrap();
    store.write(|tx| tx.chats().ensure("console", "")).await.unwrap();
    store.backup(&at("copy.db"), |_, _| ()).await.unwrap();
    for name in [
        "made/linkdown.db",
        "made/linkdown.db-wal",
        "made/linkdown.db-shm",
        "made/linkdown.db.lock",
        "copy.db",
    ] {
        assert_eq!(mode(&at(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&at("made")), 0o700);
    drop(store);
    // Files of an earlier version are narrowed, and so are those that a killed process left.
    fs::set_permissions(at("made/linkdown.db"), Permissions::from_mode(0o644)).unwrap();
    fs::write(at("made/linkdown.db-wal"), "").unwrap();
    fs::set_permissions(at("made/linkdown.db-wal"), Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(at("made/linkdown.db.lock"), Permissions::from_mode(0o644)).unwrap();
    let store = Store::open(at("made/linkdown.db"), Access::Own).unwrap();
    for name in [
        "made/linkdown.db",
        "made/linkdown.db-wal",
        "made/linkdown.db-shm",
        "made/linkdown.db.lock",
    ] {
        assert_eq!(mode(&at(name)), 0o600, "{name}");
    }
    drop(store);
    fs::set_permissions(at("copy.db"), Permissions::from_mode(0o644)).unwrap();
    Store::restore(&at("copy.db"), &at("made/linkdown.db")).unwrap();
    assert_eq!(mode(&at("made/linkdown.db")), 0o600);
}

#[test]
fn a_file_of_another_program_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.db");
    fs::write(&path, "a shopping list ".repeat(100)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(refusal(&path), StoreError::NotADatabase { .. }));
    assert_eq!(mode(&path), 0o644);
}

#[test]
fn a_restore_that_fails_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    drop(Store::open(at("good.db"), Access::Own).unwrap());
    fs::remove_file(at("good.db.lock")).unwrap();
    let good = fs::read(at("good.db")).unwrap();
    let mut damaged = good.clone();
    let length = damaged.len();
    damaged[length / 2..].fill(0xAB);
    fs::write(at("damaged.db"), damaged).unwrap();
    fs::write(at("text.db"), "a shopping list ".repeat(100)).unwrap();
    fs::write(at("empty.db"), "").unwrap();
    let newer = rusqlite::Connection::open(at("newer.db")).unwrap();
    newer
        .execute_batch(
            "CREATE TABLE x (y); PRAGMA application_id = 1282304836; PRAGMA user_version = 999",
        )
        .unwrap();
    drop(newer);
    let before = names(folder.path());
    for from in ["damaged.db", "text.db", "empty.db", "newer.db", "none.db"] {
        let error = Store::restore(&at(from), &at("new/deep/linkdown.db")).unwrap_err();
        assert_eq!(names(folder.path()), before, "{from}: {error}");
    }
    // A failed restore over an existing database leaves the database and its lock unchanged.
    fs::create_dir(at("data")).unwrap();
    drop(Store::open(at("data/linkdown.db"), Access::Own).unwrap());
    let (before, bytes) = (names(&at("data")), fs::read(at("data/linkdown.db")).unwrap());
    for from in ["damaged.db", "text.db", "empty.db", "newer.db"] {
        let error = Store::restore(&at(from), &at("data/linkdown.db")).unwrap_err();
        assert_eq!(names(&at("data")), before, "{from}: {error}");
        assert_eq!(fs::read(at("data/linkdown.db")).unwrap(), bytes, "{from}");
    }
}
