//! Whoever runs the bot is told once when the bot itself is ill, and once when it is over.

use super::first_lines;
use crate::doubles::Fault;
use crate::harness::stage::until;
use crate::harness::{NORTH_KOREA, World};
use linkdown::store::{Access, Store};
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
    assert!(shown.contains("✅ Over after ") && shown.contains("ioda has given nothing since"), "{shown}");
    world.until("2025-06-06 22:00").await;
    assert_eq!(world.telegram().sees(olga), "");
    world.stop().await;
}

#[tokio::test]
async fn a_newer_schema_is_told() {
    let (mut world, olga) = with_an_operator().await;
    world.stop().await;
    // Whoever opens it to own it migrates it: that must have been before.
    let is_free = || Store::open(world.database(), Access::Own).is_ok();
    until("the database is free", Duration::from_secs(20), is_free).await;
    let connection = rusqlite::Connection::open(world.database()).unwrap();
    connection.execute_batch("DROP TABLE trouble; PRAGMA user_version = 5").unwrap();
    drop(connection);
    world.start().await;
    world.until("2025-06-06 12:10").await;
    let shown = world.telegram().sees(olga);
    assert!(shown.contains("has brought the database from schema 5 to 6: an older version cannot open it"), "{shown}");
    world.stop().await;
}
