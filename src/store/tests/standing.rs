//! A database that is deleted or replaced while it is open: confirmed data is kept, and nothing
//! else is confirmed.

use crate::store::file::beside;
use crate::store::*;
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// The time limit, which only a failing test reaches.
const PATIENCE: Duration = Duration::from_mins(1);

fn opened() -> (tempfile::TempDir, PathBuf, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/linkdown.db");
    let store = Store::open(&path, Access::Own).unwrap();
    (folder, path, store)
}

async fn adds(store: &Store, address: &'static str) -> Result<(), StoreError> {
    store.write(move |tx| tx.chats().ensure("console", address)).await.map(|_| ())
}

/// Returns whether the file at the path holds the chat, read through a connection of its own.
fn holds(path: &Path, address: &str) -> bool {
    let count = "SELECT count(*) FROM chat WHERE address = ?1";
    let found = Connection::open(path)
        .and_then(|file| file.query_row(count, [address], |row| row.get::<_, i64>(0)));
    found.is_ok_and(|count| count == 1)
}

async fn until(standing: &mut watch::Receiver<FileState>, wanted: impl FnMut(&FileState) -> bool) {
    tokio::time::timeout(PATIENCE, standing.wait_for(wanted))
        .await
        .expect("it is noticed")
        .unwrap();
}

#[tokio::test]
async fn a_database_that_is_deleted_is_written_anew_before_the_next_step() {
    let (_folder, path, store) = opened();
    adds(&store, "before").await.unwrap();
    for (round, rubbish) in
        [["", "-wal", "-shm", ".lock"].as_slice(), &[""], &["", "-wal"]].into_iter().enumerate()
    {
        for ending in rubbish {
            fs::remove_file(beside(&path, ending)).unwrap();
        }
        let address: &str = ["first", "second", "third"][round];
        adds(&store, address).await.unwrap();
        assert!(holds(&path, "before") && holds(&path, address), "{rubbish:?}");
        assert_eq!(*store.standing().borrow(), FileState::InPlace { rewritten: round as u32 + 1 });
        // Readers use the new file, and it is still owned.
        let seen = store.read(move |db| db.chats().at("console", address)).await.unwrap();
        assert!(seen.is_some());
        assert!(Store::open(&path, Access::Own).is_err());
    }
    assert_eq!(store.look_through().await.unwrap(), None);
    drop(store);
    let again = Store::open(&path, Access::Own).unwrap();
    assert!(again.read(|db| db.chats().at("console", "third")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_deletion_is_noticed_within_seconds_where_nothing_is_written() {
    let (folder, path, store) = opened();
    adds(&store, "before").await.unwrap();
    let mut standing = store.standing();
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    until(&mut standing, |now| *now == FileState::InPlace { rewritten: 1 }).await;
    assert!(holds(&path, "before"));
}

#[tokio::test]
async fn what_is_committed_while_the_file_is_deleted_is_in_the_new_one() {
    let (_folder, path, store) = opened();
    let doomed = path.clone();
    let done = store.write(move |tx| {
        fs::remove_file(&doomed).unwrap();
        tx.chats().ensure("console", "in between")
    });
    done.await.unwrap();
    assert!(holds(&path, "in between"));
}

#[tokio::test]
async fn nothing_is_confirmed_while_it_cannot_be_written_anew() {
    let (folder, path, store) = opened();
    adds(&store, "before").await.unwrap();
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    // A file is in the place of the folder.
    fs::write(folder.path().join("data"), "").unwrap();
    let error = adds(&store, "lost").await.unwrap_err();
    assert!(matches!(error, StoreError::Deleted { .. }), "{error}");
    assert!(error.to_string().contains("nothing of this step was stored"), "{error}");
    let error = store.read(|db| db.chats().at("console", "before")).await.unwrap_err();
    assert!(matches!(error, StoreError::Deleted { .. }), "{error}");
    fs::remove_file(folder.path().join("data")).unwrap();
    let mut standing = store.standing();
    until(&mut standing, |now| *now == FileState::InPlace { rewritten: 1 }).await;
    adds(&store, "after").await.unwrap();
    assert!(holds(&path, "before") && holds(&path, "after") && !holds(&path, "lost"));
}

#[tokio::test]
async fn a_file_that_takes_its_place_is_neither_written_nor_read_and_the_old_one_can_come_back() {
    let (_folder, path, store) = opened();
    adds(&store, "before").await.unwrap();
    let mut standing = store.standing();
    // Does the same as `cp backup.db linkdown.db.new && mv linkdown.db.new linkdown.db`, or an
    // editor that saves.
    let aside = beside(&path, ".aside");
    store.backup(&beside(&path, ".new"), |_, _| ()).await.unwrap();
    fs::rename(&path, &aside).unwrap();
    fs::rename(beside(&path, ".new"), &path).unwrap();
    let replaced = fs::read(&path).unwrap();
    let error = adds(&store, "lost").await.unwrap_err();
    assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
    until(&mut standing, |now| *now == FileState::Replaced).await;
    assert!(matches!(
        store.read(|db| db.chats().at("console", "")).await,
        Err(StoreError::Replaced { .. })
    ));
    assert_eq!(fs::read(&path).unwrap(), replaced);
    fs::rename(&aside, &path).unwrap();
    adds(&store, "after").await.unwrap();
    assert!(holds(&path, "before") && holds(&path, "after") && !holds(&path, "lost"));
    assert_eq!(*store.standing().borrow(), FileState::InPlace { rewritten: 0 });
}

#[tokio::test]
async fn a_step_during_which_the_file_is_replaced_is_not_confirmed_and_nothing_after_it_is_stored()
{
    let (_folder, path, store) = opened();
    store.backup(&beside(&path, ".new"), |_, _| ()).await.unwrap();
    let (from, to) = (beside(&path, ".new"), path.clone());
    let done = store.write(move |tx| {
        fs::rename(&from, &to).unwrap();
        tx.chats().ensure("console", "in between")
    });
    assert!(matches!(done.await, Err(StoreError::MustReopen { .. })));
    assert!(matches!(adds(&store, "later").await, Err(StoreError::MustReopen { .. })));
    drop(store);
    // The new file is as it was put there: neither the file nor its log was changed.
    let again = Store::open(&path, Access::Own).unwrap();
    assert!(again.read(|db| db.chats().at("console", "in between")).await.unwrap().is_none());
    assert_eq!(again.look_through().await.unwrap(), None);
}

#[tokio::test]
async fn what_stood_in_a_log_that_is_removed_is_kept() {
    let (_folder, path, store) = opened();
    adds(&store, "in the log").await.unwrap();
    fs::remove_file(beside(&path, "-wal")).unwrap();
    let error = adds(&store, "lost").await.unwrap_err();
    assert!(matches!(error, StoreError::MustReopen { .. }), "{error}");
    drop(store);
    let again = Store::open(&path, Access::Own).unwrap();
    assert!(again.read(|db| db.chats().at("console", "in the log")).await.unwrap().is_some());
    assert!(again.read(|db| db.chats().at("console", "lost")).await.unwrap().is_none());
    assert_eq!(again.look_through().await.unwrap(), None);
}

/// The file stays and gets foreign content, as `cp backup.db linkdown.db` or a shell's `>` does.
#[tokio::test]
async fn a_file_that_is_copied_over_it_is_noticed_and_left_as_it_is() {
    for is_cut in [false, true] {
        let (_folder, path, store) = opened();
        adds(&store, "backed up").await.unwrap();
        let backup = beside(&path, ".backup");
        store.backup(&backup, |_, _| ()).await.unwrap();
        adds(&store, "later").await.unwrap();
        if is_cut {
            fs::write(&path, "").unwrap();
        } else {
            fs::copy(&backup, &path).unwrap();
        }
        let copied = fs::read(&path).unwrap();
        let mut standing = store.standing();
        let error = adds(&store, "lost").await.unwrap_err();
        assert!(matches!(error, StoreError::MustReopen { .. }), "{error}");
        assert!(error.to_string().contains("another file was copied over it"), "{error}");
        until(&mut standing, |now| matches!(now, FileState::MustReopen { .. })).await;
        assert!(store.read(|db| db.chats().at("console", "later")).await.is_err());
        drop(store);
        assert_eq!(fs::read(&path).unwrap(), copied);
        // The next start uses it, without the content of the old database's log.
        let again = Store::open(&path, Access::Own).unwrap();
        assert_eq!(again.look_through().await.unwrap(), None);
        let seen = again
            .read(|db| Ok(["backed up", "later", "lost"].map(|at| db.chats().at("console", at))))
            .await
            .unwrap();
        assert_eq!(seen.map(|seen| seen.unwrap().is_some()), [!is_cut, false, false]);
    }
}

/// Otherwise a bot that stops would damage the database that took the place of its own.
#[tokio::test]
async fn a_stop_leaves_the_files_of_the_new_one_alone() {
    let (_folder, path, store) = opened();
    adds(&store, "old").await.unwrap();
    let (new, aside) = (beside(&path, ".new"), beside(&path, ".aside"));
    store.backup(&new, |_, _| ()).await.unwrap();
    fs::rename(&path, aside).unwrap();
    fs::rename(&new, &path).unwrap();
    // Another program writes to the new database, and its log holds the write.
    for ending in ["-wal", "-shm"] {
        fs::remove_file(beside(&path, ending)).unwrap();
    }
    let other = Connection::open(&path).unwrap();
    other.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).unwrap();
    other.execute("INSERT INTO chat (platform, address) VALUES ('console', 'theirs')", []).unwrap();
    drop(store);
    assert!(beside(&path, "-wal").exists());
    drop(other);
    assert!(holds(&path, "theirs"));
}
