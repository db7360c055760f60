//! Opening the database file, and the settings of its SQLite connections.

use super::StoreError;
use super::error::{BUSY_SECONDS, plain};
use super::file::{beside, narrow};
use super::migrate::{self, Found, NEWEST};
use rusqlite::config::DbConfig;
use rusqlite::ffi::SQLITE_READONLY_ROLLBACK;
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The page cache of a connection, in KiB: the whole bot must fit into 40 MiB.
const WRITER_CACHE_KIB: i32 = 1024;
const READER_CACHE_KIB: i32 = 512;
/// Compiled statements that a connection caches: enough for all statements of a poll or of a pass
/// over the outbox.
const STATEMENTS: usize = 128;

/// The size to which the write-ahead log is truncated after a checkpoint.
const JOURNAL_LIMIT_BYTES: i64 = 8 * 1024 * 1024;

/// Opens the only connection that writes. Checks the file before changing anything in it. Returns
/// also the schema version that it was migrated from, or `None` if it was up to date.
pub(super) fn writer(path: &Path) -> Result<(Connection, Option<u32>), StoreError> {
    let is_there = fs::metadata(path).is_ok_and(|file| file.len() > 0);
    let mut older = None;
    if is_there && let Found::Ours(found) = migrate::check(&reader(path)?, path)? {
        older = (found < NEWEST).then_some(found);
    }
    let mut connection =
        connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    narrow_all(path);
    if is_there {
        // The switch below does not wait for another writer; this transaction does.
        connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    set_up_writer(&connection)?;
    migrate::migrate(&mut connection)?;
    // This creates the log now, so that a log that later replaces it can be recognized.
    connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
    Ok((connection, older))
}

/// The endings of the files that SQLite keeps beside a database and that belong to it alone.
pub(super) const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Removes the permissions of others from the database and the files beside it, which an earlier
/// version created readable for everybody. SQLite gives the files that it creates there the mode of
/// the database.
fn narrow_all(path: &Path) {
    for ending in [""].into_iter().chain(BESIDE) {
        let file = beside(path, ending);
        match narrow(&file) {
            Ok(None) => {}
            Ok(Some(mode)) => tracing::warn!(
                file = %file.display(),
                "only its owner may read the database now: its mode was {mode:o} and is {:o}",
                mode & 0o600
            ),
            Err(error) => tracing::warn!(
                file = %file.display(), %error,
                "others may read the database, and that cannot be changed: it belongs to another user; chmod it to 0600"
            ),
        }
    }
}

/// Opens a writing connection to a new database in memory.
pub(super) fn in_memory() -> Result<Connection, StoreError> {
    let mut connection = Connection::open_in_memory()?;
    set_up_writer(&connection)?;
    migrate::migrate(&mut connection)?;
    Ok(connection)
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    // An owed alert must survive a power cut: every commit reaches the disk.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Deleted data is overwritten with zeros: a forgotten chat leaves no text in free space.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection
        .pragma_update_and_check(None, "journal_size_limit", JOURNAL_LIMIT_BYTES, |_| Ok(()))?;
    set_up_any(connection)
}

/// Applies the settings that writer and readers share.
fn set_up_any(connection: &Connection) -> rusqlite::Result<()> {
    // The container's root file system, and with it the folder for temporary files, may be
    // read-only.
    connection.pragma_update(None, "temp_store", "memory")?;
    // A statement keeps the query plan that the tests have checked, and is not compiled again for
    // each bound value
    // (<https://www.sqlite.org/queryplanner-ng.html#the_query_planner_stability_guarantee>).
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Opens a connection that reads concurrently with the writer, which may be in another process.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match read(&connection) {
        // A connection with write access rolls the unfinished transaction back on its first read.
        Err(error) if is_half_written(&error) => {
            read(&connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)?;
        }
        other => other?,
    }
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    set_up_any(&connection)?;
    Ok(connection)
}

/// Opens a reader of a database that another process may own. The file must exist, be linkdown's
/// and have the schema of this version.
pub(super) fn reader_beside(path: &Path) -> Result<Connection, StoreError> {
    match fs::metadata(path) {
        Ok(file) if file.is_dir() => {
            return Err(StoreError::NotADatabase { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(StoreError::NoAccess { path: path.to_owned() });
        }
        Err(error) => {
            return Err(StoreError::Damaged { path: path.to_owned(), why: plain(&error) });
        }
    }
    let connection = reader(path)?;
    match migrate::check(&connection, path)? {
        Found::Ours(NEWEST) => Ok(connection),
        Found::Ours(found) => {
            Err(StoreError::Older { path: path.to_owned(), found, known: NEWEST })
        }
        _ => Err(StoreError::Missing { path: path.to_owned() }),
    }
}

/// Returns whether a process was killed while it wrote to the database file itself, as the first
/// start on a new database or on a backup does before there is a write-ahead log. The old pages are
/// then in `<database>-journal`, and a read-only connection cannot roll the write back.
fn is_half_written(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(error, _) if error.extended_code == SQLITE_READONLY_ROLLBACK)
}

/// Runs the smallest query that makes SQLite read the file.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

pub(super) fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    // A connection is used by one thread at a time, and file names are plain paths, not URIs.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
    Ok(connection)
}
