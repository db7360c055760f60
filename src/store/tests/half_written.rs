//! A database that has no write-ahead log before the first start on it, and whose start was killed
//! in the middle of a write.

use crate::store::file::beside;
use crate::store::*;
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};

/// Creates a database of which some pages are written; the old content is in the journal. Each chat
/// was "kept", and the write was changing it to "lost".
fn half_written(folder: &Path) -> PathBuf {
    let (begun, killed) = (folder.join("begun.db"), folder.join("linkdown.db"));
    drop(Store::open(&begun, Access::Own).unwrap());
    let other = Connection::open(&begun).unwrap();
    other.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(())).unwrap();
    // The chats fill many pages and the cache holds two: the others reach the file before the
    // commit.
    let chats = "PRAGMA cache_size = 2;
        INSERT INTO chat (platform, address)
            SELECT 'kept', format('%0500d', value) FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL
                SELECT value + 1 FROM n WHERE value < 200) SELECT value FROM n);
        BEGIN;
        UPDATE chat SET platform = 'lost'";
    other.execute_batch(chats).unwrap();
    fs::copy(&begun, &killed).unwrap();
    fs::copy(beside(&begun, "-journal"), beside(&killed, "-journal")).unwrap();
    assert!(fs::read(&killed).unwrap().windows(4).any(|bytes| bytes == b"lost"));
    killed
}

/// Returns how many chats are "kept", and how many there are.
async fn chats(store: &Store) -> (i64, i64) {
    let count = "SELECT count(*) FILTER (WHERE platform = 'kept'), count(*) FROM chat";
    store
        .read(|db| Ok(db.connection.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))?))
        .await
        .unwrap()
}

#[tokio::test]
async fn the_next_start_takes_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(half_written(folder.path()), Access::Own).unwrap();
    assert_eq!(chats(&store).await, (200, 200));
    assert_eq!(store.look_through().await.unwrap(), None);
}

#[tokio::test]
async fn whoever_only_reads_sees_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(half_written(folder.path()), Access::Beside).unwrap();
    assert_eq!(chats(&store).await, (200, 200));
}

#[tokio::test]
async fn a_backup_that_is_put_in_its_place_hears_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let killed = half_written(folder.path());
    let backup = folder.path().join("backup.db");
    drop(Store::open(&backup, Access::Own).unwrap());

    let kept = Store::restore(&backup, &killed).unwrap().unwrap();
    let store = Store::open(&killed, Access::Own).unwrap();
    assert_eq!((chats(&store).await, store.look_through().await.unwrap()), ((0, 0), None));
    // The database that was set aside can still be rolled back.
    assert_eq!(chats(&Store::open(&kept, Access::Own).unwrap()).await, (200, 200));
}

#[tokio::test]
async fn a_log_whose_database_is_gone_is_put_aside_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let killed = half_written(folder.path());
    let backup = folder.path().join("backup.db");
    drop(Store::open(&backup, Access::Own).unwrap());
    fs::remove_file(&killed).unwrap();

    assert_eq!(Store::restore(&backup, &killed).unwrap(), None);
    let store = Store::open(&killed, Access::Own).unwrap();
    assert_eq!((chats(&store).await, store.look_through().await.unwrap()), ((0, 0), None));
    drop(store);
    // A second one gets a name that the files set aside do not use.
    let kept = Store::restore(&backup, &killed).unwrap().unwrap();
    assert!(kept.to_string_lossy().ends_with(".before-restore-2"), "{}", kept.display());
}
