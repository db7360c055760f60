//! A forgotten chat leaves no text in the database, its log or its free pages.

use crate::domain::{Options, Scope, Subscription, Timestamp};
use crate::store::file::beside;
use crate::store::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const NOW: Timestamp = Timestamp::from_unix(1_749_231_000);

/// Returns the files that contain the text.
fn files_with(database: &Path, words: &str) -> Vec<String> {
    let holds = |ending: &&str| {
        let bytes = fs::read(beside(database, ending)).unwrap_or_default();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    };
    ["", "-wal", "-shm", "-journal"]
        .iter()
        .filter(|ending| holds(ending))
        .map(|ending| format!("db{ending}"))
        .collect()
}

/// Returns the numbers of all marked words in any of the files.
fn marked_numbers(database: &Path) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    for ending in ["", "-wal", "-shm", "-journal"] {
        let text = String::from_utf8_lossy(&fs::read(beside(database, ending)).unwrap_or_default())
            .into_owned();
        for word in text.split("marked-").skip(1) {
            let number =
                word.trim_start_matches(|c: char| c.is_ascii_lowercase()).trim_start_matches('-');
            let digits: String = number.chars().take_while(char::is_ascii_digit).take(4).collect();
            numbers.extend(digits.parse::<u32>());
        }
    }
    numbers
}

/// Creates a chat that has subscribed, was owed notices, could not be reached for a while, and has
/// a pause; `number` marks all its words.
fn lives(tx: &Tx<'_>, number: u32) -> Result<i64, StoreError> {
    let chat = tx.chats().ensure("telegram", &format!("marked-address-{number}"))?;
    let id = chat.id;
    tx.chats().belongs_to(
        id,
        Some(&format!("marked-home-{number}")),
        Some(&format!("marked-owner-{number}")),
    )?;
    let mention = Some(format!("marked-mention-{number}"));
    for scope in [Scope::All, Scope::One("country/KP".parse().unwrap())] {
        let options = Options { mention: mention.clone(), ..Options::default() };
        tx.subscriptions().subscribe(&Subscription {
            chat: chat.clone(),
            scope,
            since: NOW,
            options,
        })?;
    }
    for round in 0..3 {
        let body =
            json!({ "word": { "said": format!("marked-body-{number} {}", "x".repeat(300)) } });
        let notice = NewNotice::operator(format!("marked-once-{number}-{round}"), body);
        tx.deliveries().owe(&notice, &[crate::domain::NewDelivery::now(id, false)], NOW, 0)?;
    }
    let pause = Pause { place: Some(format!("marked-home-{number}")), until: NOW + 600 };
    tx.pauses().keep("telegram", &pause, NOW)?;
    tx.chats().suspend(id, &format!("marked-why-{number}"), NOW)?;
    tx.chats().resume(id)?;
    Ok(id)
}

#[tokio::test]
async fn nothing_is_left_of_a_chat_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("linkdown.db");
    let store = Store::open(&path, Access::Own).unwrap();
    // This order makes pages split and rows move, with other chats before, between and after.
    let order: Vec<u32> = (0..400).map(|step| step * 179 % 400 + 1000).collect();
    let mut ids = Vec::new();
    for part in order.chunks(40) {
        let part = part.to_vec();
        let lives = move |tx: &Tx<'_>| {
            part.iter().map(|number| Ok((*number, lives(tx, *number)?))).collect()
        };
        ids.extend(store.write::<Vec<(u32, i64)>, _>(lives).await.unwrap());
    }
    let gone: Vec<(u32, i64)> = ids.iter().filter(|(number, _)| number % 3 == 0).copied().collect();
    // The text must be there first: otherwise the test shows nothing.
    assert!(!files_with(&path, &format!("marked-body-{}", gone[0].0)).is_empty());
    let forgotten = gone.clone();
    store
        .write(move |tx| forgotten.iter().try_for_each(|(_, id)| tx.chats().forget(*id)))
        .await
        .unwrap();
    let left = marked_numbers(&path);
    assert!(gone.iter().all(|(number, _)| !left.contains(number)), "{left:?}");
    assert_eq!(left.len(), ids.len() - gone.len(), "the others are all there");
    let kept = store.read(|db| db.chats().of_home("telegram", "marked-home-1000")).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(store.look_through().await.unwrap(), None);
}

#[tokio::test]
async fn a_reader_that_still_needs_the_log_holds_it_up_for_seconds_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("linkdown.db");
    let store = Store::open(&path, Access::Own).unwrap();
    let id = store.write(|tx| lives(tx, 1)).await.unwrap();
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM chat").unwrap();
    store.write(move |tx| tx.chats().forget(id)).await.unwrap();
    reader.execute_batch("COMMIT").unwrap();
    store.write(|tx| tx.chats().ensure("console", "")).await.unwrap();
    assert_eq!(files_with(&path, "marked-"), [""; 0]);
}

#[tokio::test]
async fn a_person_is_no_longer_named_as_an_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("linkdown.db");
    let store = Store::open(&path, Access::Own).unwrap();
    store.write(|tx| lives(tx, 1)).await.unwrap();
    store.write(|tx| tx.chats().forget_owner("telegram", "marked-owner-1")).await.unwrap();
    assert_eq!(files_with(&path, "marked-owner-1"), [""; 0]);
    assert_eq!(files_with(&path, "marked-home-1"), ["db"]);
}
