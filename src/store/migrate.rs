//! Migrates a database to the schema of this version, one migration at a time, each in its own
//! transaction.

use super::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// All migrations in order. A migration's number is its position, counted from 1; `user_version`
/// holds the last applied.
const MIGRATIONS: [&str; 9] = [
    include_str!("../../migrations/0001_observations.sql"),
    include_str!("../../migrations/0002_incidents.sql"),
    include_str!("../../migrations/0003_deliveries.sql"),
    include_str!("../../migrations/0004_sources.sql"),
    include_str!("../../migrations/0005_platforms.sql"),
    include_str!("../../migrations/0006_troubles.sql"),
    include_str!("../../migrations/0007_pauses.sql"),
    include_str!("../../migrations/0008_limits.sql"),
    include_str!("../../migrations/0009_entity_faults.sql"),
];

/// The schema version that this linkdown reads and writes.
pub const NEWEST: u32 = MIGRATIONS.len() as u32;

/// "`LnkD`" in ASCII: marks the file as a database of linkdown.
const APPLICATION_ID: i32 = 0x4C6E_6B44;

/// The kind of a file, determined without changing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Empty,
    /// A database of linkdown with this schema version.
    Ours(u32),
    Foreign,
}

pub(super) fn inspect(connection: &Connection) -> rusqlite::Result<Found> {
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let things: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (id, version, things) {
        (APPLICATION_ID, version, _) => Found::Ours(version),
        (0, 0, 0) => Found::Empty,
        _ => Found::Foreign,
    })
}

/// Fails if the file is not linkdown's or comes from a newer version. Only reads.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<Found, StoreError> {
    match inspect(connection)? {
        Found::Ours(found) if found > NEWEST => {
            Err(StoreError::Newer { path: path.to_owned(), found, known: NEWEST })
        }
        Found::Foreign => Err(StoreError::Foreign { path: path.to_owned() }),
        found => Ok(found),
    }
}

/// Applies the missing migrations.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    migrate_to(connection, NEWEST)
}

fn migrate_to(connection: &mut Connection, wanted: u32) -> Result<(), StoreError> {
    let from: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, sql) in (1..=wanted).zip(MIGRATIONS).skip(from as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
        tracing::debug!(schema = number, "database migrated");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(connection: &Connection) -> Vec<String> {
        let mut rows = connection
            .prepare("SELECT name FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn every_schema_on_the_way_can_be_brought_to_the_newest() {
        let mut whole = Connection::open_in_memory().unwrap();
        migrate(&mut whole).unwrap();
        for stop in 0..=NEWEST {
            let mut connection = Connection::open_in_memory().unwrap();
            migrate_to(&mut connection, stop).unwrap();
            let expected = if stop == 0 { Found::Empty } else { Found::Ours(stop) };
            assert_eq!(inspect(&connection).unwrap(), expected);
            migrate(&mut connection).unwrap();
            assert_eq!(inspect(&connection).unwrap(), Found::Ours(NEWEST));
            assert_eq!(tables(&connection), tables(&whole));
        }
    }

    #[test]
    fn every_table_is_strict() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let lax: u32 = connection
            .query_row(
                "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' AND NOT strict",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(lax, 0);
    }

    #[test]
    fn a_migration_that_fails_leaves_the_schema_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate_to(&mut connection, 1).unwrap();
        let before = tables(&connection);
        // The second migration creates `incident` first and fails at `transition`.
        connection.execute_batch("CREATE TABLE transition (x INTEGER) STRICT").unwrap();
        assert!(migrate(&mut connection).is_err());
        connection.execute_batch("DROP TABLE transition").unwrap();
        assert_eq!(tables(&connection), before);
        assert_eq!(inspect(&connection).unwrap(), Found::Ours(1));
    }
}
