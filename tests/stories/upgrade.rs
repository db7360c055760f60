//! Databases as earlier versions left them, made by those versions themselves: brought up to date by a start, and gone on with
//! where they stood.

use crate::harness::{NORTH_KOREA, World, at, earlier};
use linkdown::store::NEWEST_SCHEMA;
use std::path::Path;

fn numbers(database: &Path, sql: &str) -> Vec<i64> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut select = connection.prepare(sql).unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_database_of_every_landed_schema_goes_on_where_it_stood() {
    for schema in earlier::LANDED {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("linkdown.db");
        earlier::unpack(schema, &database);
        assert_eq!(numbers(&database, "PRAGMA user_version"), [i64::from(schema)]);
        let kept = [
            "SELECT count(*) FROM incident",
            "SELECT count(*) FROM transition",
            "SELECT count(*) FROM observation",
        ];
        let before = kept.map(|sql| numbers(&database, sql));

        let mut world = World::on(&database, at("2025-06-06 18:15"), NORTH_KOREA).await;
        world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 20:00");
        world.start().await;
        world.until("2025-06-06 18:16").await;
        assert_eq!(numbers(&database, "PRAGMA user_version"), [i64::from(NEWEST_SCHEMA)]);
        assert_eq!(numbers(&database, "SELECT count(*) FROM pragma_foreign_key_check"), [0]);
        let after = kept.map(|sql| numbers(&database, sql)[0]);
        assert!(
            before.iter().zip(after).all(|(before, after)| after >= before[0]),
            "{before:?} {after:?}"
        );
        world.types("/history KP").await;
        let shown = world.sees();
        assert!(
            shown.contains("North Korea · down 2 h"),
            "schema {schema}: the outage of the day before: {shown}"
        );
        assert!(
            shown.contains("down for 42 min"),
            "schema {schema}: the one that goes on: {shown}"
        );

        world.until("2025-06-06 22:00").await;
        let shown = world.sees();
        // The start was told by the version before: it is not told again, and its end is.
        assert!(
            !shown.contains("🔴 North Korea is down ·") && shown.contains("🟢 North Korea is back"),
            "schema {schema}: {shown}"
        );
        world.stop().await;
        // Chats of the version before are owed it as well, as soon as there is a token for them.
        let elsewhere = "SELECT count(DISTINCT chat_id) FROM delivery WHERE state = 'owed' AND platform <> 'console'";
        let chats = if schema == 5 { 2 } else { 0 };
        assert_eq!(numbers(&database, elsewhere), [chats], "schema {schema}");
    }
}
