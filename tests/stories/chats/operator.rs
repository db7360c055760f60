//! Whoever runs the bot is told once when the bot itself is ill, and once when it is over.

use super::first_lines;
use crate::doubles::Fault;
use crate::harness::stage::until;
use crate::harness::{NORTH_KOREA, World, at};
use linkdown::clock::Clock;
use linkdown::domain::time::HOUR;
use linkdown::store::{Access, NEWEST_SCHEMA, Store};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The person of the story is the first that the double makes after its own owner.
async fn with_an_operator() -> (World, i64) {
    let mut world = World::with_chats("2025-06-06 12:00", NORTH_KOREA).await;
    let olga = world.telegram().person("Olga, who runs it");
    world.telegram().puts(&olga, olga.id, "/start");
    world.configure(&format!("{NORTH_KOREA}\n[operator]\nchat = \"telegram:{}\"\n", olga.id));
    world.start().await;
    world.telegram().until_messages(olga.id, 1).await;
    world.until("2025-06-06 12:01").await;
    world.telegram().sees(olga.id);
    (world, olga.id)
}

#[tokio::test]
async fn a_source_that_is_ill_for_long_is_told_once_and_once_when_it_is_over() {
    let (mut world, olga) = with_an_operator().await;
    world.until("2025-06-06 13:00").await;
    world.ioda.fault(Fault::Status(502));
    world.until("2025-06-06 14:50").await;
    assert_eq!(world.telegram().sees(olga), "", "most that fail are back within two hours");
    world.until("2025-06-06 18:00").await;
    let shown = world.telegram().sees(olga);
    assert_eq!(shown.matches("⚠️ ioda has given nothing since 2025-06-06T").count(), 1, "{shown}");
    assert!(shown.contains("About Linkdown itself"), "{shown}");
    // A start in between tells nothing again.
    world.stop().await;
    world.start_again().await;
    world.until("2025-06-06 19:00").await;
    assert_eq!(world.telegram().sees(olga), "");
    world.ioda.heal();
    world.until("2025-06-06 20:00").await;
    let shown = first_lines(&world.telegram().sees(olga));
    assert!(
        shown.contains("✅ Over after ") && shown.contains("ioda has given nothing since"),
        "{shown}"
    );
    world.until("2025-06-06 22:00").await;
    assert_eq!(world.telegram().sees(olga), "");
    world.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_once_and_once_when_it_is_right() {
    let (mut world, olga) = with_an_operator().await;
    // The servers go by the true time, which is the same as ours so far.
    let truth = Clock::simulated(at("2025-06-06 12:01"));
    world.stop().await;
    world.ioda_goes_by(&truth).await;
    world.start_again().await;
    for (time, wrong, told) in [
        ("2025-06-06 12:30", 2 * HOUR, ""),
        (
            "2025-06-06 13:00",
            2 * HOUR,
            "⚠️ the clock of this machine is 1 h 59 min ahead of those of the servers that answer",
        ),
        ("2025-06-06 13:30", 0, ""),
        ("2025-06-06 14:00", 0, "✅ Over after "),
    ] {
        world.until_with(&truth, time).await;
        world.clock.set_wall_offset(wrong);
        let shown = first_lines(&world.telegram().sees(olga));
        assert!(shown.contains(told) && shown.is_empty() == told.is_empty(), "{time}: {shown}");
    }
    world.stop().await;
}

/// Whoever opens it to own it migrates it: that must have been before.
async fn is_free(database: &Path) {
    let opens = || Store::open(database, Access::Own).is_ok();
    until("the database is free", Duration::from_secs(20), opens).await;
}

/// A page that belongs to nothing, as a power cut may leave it behind on a disk that lies about what it wrote.
fn loses_a_page(database: &Path) {
    let mut bytes = fs::read(database).unwrap();
    let pages = u32::try_from(bytes.len() / 4096).unwrap();
    bytes.resize(bytes.len() + 4096, 0);
    bytes[28..32].copy_from_slice(&(pages + 1).to_be_bytes());
    fs::write(database, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_told_after_a_kill_and_over_only_once_it_was_looked_through_again() {
    let (mut world, olga) = with_an_operator().await;
    world.kill();
    is_free(world.database()).await;
    loses_a_page(world.database());
    world.start().await;
    world.until("2025-06-06 12:10").await;
    let shown = world.telegram().sees(olga);
    assert!(
        shown.contains("⚠️ the database is damaged (") && shown.contains("linkdown restore FILE"),
        "{shown}"
    );
    // A clean start alone mends nothing.
    world.stop().await;
    world.start_again().await;
    world.until("2025-06-06 12:20").await;
    assert_eq!(world.telegram().sees(olga), "");
    world.stop().await;
    is_free(world.database()).await;
    rusqlite::Connection::open(world.database()).unwrap().execute_batch("VACUUM").unwrap();
    world.start().await;
    world.until("2025-06-06 12:30").await;
    let shown = first_lines(&world.telegram().sees(olga));
    assert!(
        shown.contains("✅ Over after ") && shown.contains("the database is damaged"),
        "{shown}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_newer_schema_is_told() {
    let (mut world, olga) = with_an_operator().await;
    world.stop().await;
    is_free(world.database()).await;
    let connection = rusqlite::Connection::open(world.database()).unwrap();
    let before = NEWEST_SCHEMA - 1;
    let undo = "DROP TABLE entity_fault";
    connection.execute_batch(&format!("{undo}; PRAGMA user_version = {before}")).unwrap();
    drop(connection);
    world.start().await;
    world.until("2025-06-06 12:10").await;
    let shown = world.telegram().sees(olga);
    let words = format!(
        "has brought the database from schema {before} to {NEWEST_SCHEMA}: an older version cannot open it"
    );
    assert!(shown.contains(&words), "{shown}");
    world.stop().await;
}
