//! The database file: its owner, and the faults that are reported on opening it.

use super::story::{observation, series};
use crate::domain::{Batch, Timestamp};
use crate::store::*;
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix(1_749_231_000);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Returns the error of opening, with the folder's name replaced.
fn refusal(path: &Path, access: Access) -> String {
    let error = Store::open(path, access).unwrap_err().to_string();
    error.replace(path.parent().unwrap().to_str().unwrap(), "data")
}

#[tokio::test]
async fn a_second_owner_is_refused_with_the_name_of_the_first() {
    let folder = folder();
    let path = folder.path().join("sub/linkdown.db");
    let first = Store::open(&path, Access::Own).unwrap();
    let pid = std::process::id();
    assert_eq!(
        refusal(&path, Access::Own),
        format!(
            "database data/linkdown.db is in use by linkdown with process id {pid}; stop that one, or give this one \
             another --database"
        )
    );
    drop(first);
    Store::open(&path, Access::Own).unwrap();
}

#[tokio::test]
async fn a_reader_beside_the_owner_sees_what_is_committed_and_cannot_write() {
    let folder = folder();
    let path = folder.path().join("linkdown.db");
    let owner = Store::open(&path, Access::Own).unwrap();
    let beside = Store::open(&path, Access::Beside).unwrap();
    owner.write(|tx| tx.chats().ensure("console", "")).await.unwrap();
    for store in [&owner, &beside] {
        let chat = store.read(|db| db.chats().at("console", "")).await.unwrap();
        assert_eq!(chat.map(|place| place.chat.id), Some(1));
    }
    assert!(beside.write(|tx| tx.chats().ensure("console", "x")).await.is_err());
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart_and_no_log_is_left() {
    let folder = folder();
    let path = folder.path().join("linkdown.db");
    let store = Store::open(&path, Access::Own).unwrap();
    let mut write = Box::pin(store.write(|tx| tx.checkpoint().save(1, BatchId(1), b"state")));
    // The write is queued and its future dropped: a clean stop still waits for the write.
    tokio::select! { biased; _ = write.as_mut() => {} () = std::future::ready(()) => {} }
    drop(write);
    drop(store);
    assert!(!folder.path().join("linkdown.db-wal").exists());
    let store = Store::open(&path, Access::Own).unwrap();
    assert!(store.read(|db| db.checkpoint().load()).await.unwrap().is_some());
}

#[test]
fn a_missing_file_is_missing_to_a_reader() {
    let folder = folder();
    let path = folder.path().join("linkdown.db");
    assert!(
        refusal(&path, Access::Beside).starts_with("there is no database data/linkdown.db yet")
    );
    assert!(!path.exists());
}

#[test]
fn a_newer_version_is_refused_and_not_a_byte_of_it_changes() {
    let folder = folder();
    let path = folder.path().join("linkdown.db");
    drop(Store::open(&path, Access::Own).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", NEWEST_SCHEMA + 1)
        .unwrap();
    let before = fs::read(&path).unwrap();
    for access in [Access::Own, Access::Beside] {
        let newer = NEWEST_SCHEMA + 1;
        let words = format!(
            "was written by a newer linkdown (schema {newer}, this one knows up to {NEWEST_SCHEMA})"
        );
        assert!(refusal(&path, access).contains(&words));
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_older_schema_is_brought_up_to_date_by_the_owner_alone() {
    let folder = folder();
    let path = folder.path().join("linkdown.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../../migrations/0001_observations.sql")).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.pragma_update(None, "application_id", 0x4C6E_6B44).unwrap();
    drop(old);
    let words = format!("is from an older linkdown (schema 1, this one needs {NEWEST_SCHEMA})");
    assert!(refusal(&path, Access::Beside).contains(&words));
    Store::open(&path, Access::Own).unwrap();
    Store::open(&path, Access::Beside).unwrap();
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let folder = folder();
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let text = folder.path().join("text.db");
    fs::write(&text, "a shopping list ".repeat(100)).unwrap();
    for (path, words) in
        [(foreign, "is a database of another program"), (text, "is no SQLite database")]
    {
        let before = fs::read(&path).unwrap();
        for access in [Access::Own, Access::Beside] {
            assert!(refusal(&path, access).contains(words));
        }
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    // An empty file belongs to no program and may be used.
    let empty = folder.path().join("empty.db");
    fs::write(&empty, "").unwrap();
    Store::open(&empty, Access::Own).unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_called_damaged() {
    let folder = folder();
    let path = folder.path().join("linkdown.db");
    drop(Store::open(&path, Access::Own).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let error = refusal(&path, Access::Own);
    assert!(
        error.contains("database data/linkdown.db is damaged")
            && error.contains("put a backup in its place")
    );
}

/// A restored copy has no write-ahead log yet.
#[test]
fn a_start_on_a_copy_waits_for_another_program_that_writes_to_it() {
    let folder = folder();
    let path = folder.path().join("linkdown.db");
    drop(Store::open(&path, Access::Own).unwrap());
    let other = Connection::open(&path).unwrap();
    other.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writes = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        other.execute_batch("COMMIT").unwrap();
    });
    Store::open(&path, Access::Own).unwrap();
    writes.join().unwrap();
}

#[test]
fn a_folder_that_cannot_be_is_named_with_the_reason() {
    let folder = folder();
    fs::write(folder.path().join("file"), "").unwrap();
    let path = folder.path().join("file/linkdown.db");
    let error = refusal(&path, Access::Own);
    assert!(error.contains("cannot write the folder of database"), "{error}");
    assert!(error.contains("a file stands where a folder must be"), "{error}");
}

#[tokio::test]
async fn a_full_disk_stores_nothing_of_the_step_and_goes_on_when_there_is_room() {
    let folder = folder();
    let store = Store::open(folder.path().join("linkdown.db"), Access::Own).unwrap();
    let limit = |pages: i64| {
        store.write(move |tx| {
            Ok(tx.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?)
        })
    };
    let fill = || {
        store.write(|tx| {
            let bgp = series("country/KP", "bgp");
            let observations =
                (0..20_000).map(|n| observation(&bgp, NOW + n * 300, Some(1.5))).collect();
            tx.observations().append(&Batch { observations, ..Batch::live(NOW) })
        })
    };
    limit(60).await.unwrap();
    let error = fill().await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(store.read(|db| db.observations().newest_batch()).await.unwrap(), BatchId(0));
    limit(100_000).await.unwrap();
    fill().await.unwrap();
}

#[tokio::test]
async fn a_backup_is_whole_and_never_takes_the_place_of_a_file() {
    let folder = folder();
    let store = Store::open(folder.path().join("linkdown.db"), Access::Own).unwrap();
    store.write(|tx| tx.chats().ensure("console", "")).await.unwrap();
    let copy = folder.path().join("copy.db");
    store.backup(&copy, |done, all| assert!(done <= all)).await.unwrap();
    assert!(matches!(store.backup(&copy, |_, _| ()).await, Err(StoreError::Exists { .. })));
    let nowhere = folder.path().join("nowhere/copy.db");
    assert!(matches!(store.backup(&nowhere, |_, _| ()).await, Err(StoreError::Backup { .. })));

    let restored = Store::open(&copy, Access::Own).unwrap();
    assert!(restored.read(|db| db.chats().at("console", "")).await.unwrap().is_some());
    // A database in memory can be backed up, too.
    let memory = Store::in_memory().unwrap();
    memory.backup(&folder.path().join("memory.db"), |_, _| ()).await.unwrap();
}
