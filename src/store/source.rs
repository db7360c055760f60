//! The state of the sources: their health, the used part of their budgets, and the progress of
//! backfills.

use super::StoreError;
use super::noun::{Writes, noun};
use crate::domain::time::DAY;
use crate::domain::{Entity, Timestamp};
use rusqlite::{OptionalExtension, Row, named_params};

noun! {
    /// Access to the health, budgets and backfills of the sources.
    Sources
}

/// A source's health as of its last poll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceHealth {
    /// The source's name.
    pub source: String,
    /// The time of the last successful poll.
    pub last_success: Option<Timestamp>,
    /// The start of the newest bin that it ever returned.
    pub newest_bin: Option<Timestamp>,
    /// The last failure, kept after a success.
    pub last_error: Option<String>,
    /// The time of the last failure.
    pub error_at: Option<Timestamp>,
    /// Failed polls in a row; 0 after a success.
    pub failures: u32,
    /// The time of the next poll, if failures made it later than scheduled.
    pub backing_off_until: Option<Timestamp>,
}

/// A failure of a source to answer about one entity while it answers about others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityFault {
    /// The source's name.
    pub source: String,
    /// The entity without an answer.
    pub entity: Entity,
    /// The rest of a sentence that begins with the source's name, as in the errors of a source.
    pub why: String,
    /// The time of the first failure in the row.
    pub since: Timestamp,
    /// Failures in a row; at least 1.
    pub failures: u32,
    /// The source is not asked about the entity before this time; `None` means that it is asked as
    /// usual.
    pub rests_until: Option<Timestamp>,
}

/// The progress of an entity's first backfill: bins in `[from, to)` are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The entity whose history is read.
    pub entity: Entity,
    /// The start of the stored range.
    pub from: Timestamp,
    /// The end of the stored range, exclusive.
    pub to: Timestamp,
    /// Whether the backfill is complete.
    pub done: bool,
}

impl<A> Sources<'_, A> {
    /// Returns the health of every source that was ever polled, by name.
    pub fn health(&self) -> Result<Vec<SourceHealth>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT source, last_success, newest_bin, last_error, error_at, failures, backing_off_until
             FROM source_health ORDER BY source",
        )?;
        let rows = select.query_map([], health)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the faults of all sources about single entities, by source and entity.
    pub fn faults(&self) -> Result<Vec<EntityFault>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT source, entity, why, since, failures, rests_until FROM entity_fault ORDER BY source, entity",
        )?;
        let rows = select.query_map([], |row| {
            Ok(EntityFault {
                source: row.get(0)?,
                entity: row.get(1)?,
                why: row.get(2)?,
                since: row.get(3)?,
                failures: row.get(4)?,
                rests_until: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the calls of that day (UTC) that were made for chats; [`Sources::used`] includes
    /// them.
    pub fn used_for_chats(&self, source: &str, at: Timestamp) -> Result<u32, StoreError> {
        self.used(&for_chats(source), at)
    }

    /// Returns the calls made on the day (UTC) of `at`.
    pub fn used(&self, source: &str, at: Timestamp) -> Result<u32, StoreError> {
        let calls = self
            .connection
            .prepare_cached("SELECT calls FROM budget WHERE source = :source AND day = :day")?
            .query_row(named_params! { ":source": source, ":day": day(at) }, |row| row.get(0))
            .optional()?;
        Ok(calls.unwrap_or(0))
    }

    /// Returns the backfills of a source, by entity.
    pub fn progress(&self, source: &str) -> Result<Vec<Progress>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT entity, covered_from, covered_to, done FROM backfill WHERE source = :source ORDER BY entity",
        )?;
        let rows = select.query_map(named_params! { ":source": source }, |row| {
            Ok(Progress {
                entity: row.get(0)?,
                from: row.get(1)?,
                to: row.get(2)?,
                done: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Sources<'_, Writes> {
    /// Records a successful poll. `newest_bin` is the start of the newest bin that it returned, if
    /// any.
    pub fn succeeded(
        &self,
        source: &str,
        at: Timestamp,
        newest_bin: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO source_health (source, last_success, newest_bin) VALUES (:source, :at, :bin)
             ON CONFLICT (source) DO UPDATE
             SET last_success = :at, failures = 0, backing_off_until = NULL,
                 newest_bin = max(coalesce(newest_bin, :bin), coalesce(:bin, newest_bin))",
            named_params! { ":source": source, ":at": at, ":bin": newest_bin },
        )?;
        Ok(())
    }

    /// Records a failed poll. `backing_off_until` is the time of the next poll, if that is later
    /// than scheduled.
    pub fn failed(
        &self,
        source: &str,
        at: Timestamp,
        error: &str,
        backing_off_until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO source_health (source, last_error, error_at, failures, backing_off_until)
             VALUES (:source, :error, :at, 1, :until)
             ON CONFLICT (source) DO UPDATE
             SET last_error = :error, error_at = :at, failures = failures + 1, backing_off_until = :until",
            named_params! { ":source": source, ":error": error, ":at": at, ":until": backing_off_until },
        )?;
        Ok(())
    }

    /// Stores a fault about one entity, replacing an earlier one.
    pub fn set_fault(&self, fault: &EntityFault) -> Result<(), StoreError> {
        let EntityFault { source, entity, why, since, failures, rests_until } = fault;
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO entity_fault (source, entity, why, since, failures, rests_until)
                 VALUES (:source, :entity, :why, :since, :failures, :until)",
            )?
            .execute(named_params! { ":source": source, ":entity": entity, ":why": why, ":since": since,
            ":failures": failures, ":until": rests_until })?;
        Ok(())
    }

    /// Removes the fault about an entity, if there is one.
    pub fn clear_fault(&self, source: &str, entity: &Entity) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM entity_fault WHERE source = :source AND entity = :entity")?
            .execute(named_params! { ":source": source, ":entity": entity })?;
        Ok(())
    }

    /// Counts `calls` made for chats, against the chats' share and against the day's budget.
    pub fn charge_for_chats(
        &self,
        source: &str,
        at: Timestamp,
        calls: u32,
    ) -> Result<(), StoreError> {
        self.charge(&for_chats(source), at, calls)?;
        self.charge(source, at, calls)
    }

    /// Subtracts `calls` that were counted for chats but not made.
    pub fn refund_for_chats(
        &self,
        source: &str,
        at: Timestamp,
        calls: u32,
    ) -> Result<(), StoreError> {
        self.refund(&for_chats(source), at, calls)?;
        self.refund(source, at, calls)
    }

    /// Subtracts `calls` that were counted against the day (UTC) of `at` but not made.
    pub fn refund(&self, source: &str, at: Timestamp, calls: u32) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE budget SET calls = max(0, calls - :calls) WHERE source = :source AND day = :day")?
            .execute(named_params! { ":source": source, ":day": day(at), ":calls": calls })?;
        Ok(())
    }

    /// Counts `calls` against the day (UTC) of `at`.
    pub fn charge(&self, source: &str, at: Timestamp, calls: u32) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO budget (source, day, calls) VALUES (:source, :day, :calls)
             ON CONFLICT (source, day) DO UPDATE SET calls = calls + excluded.calls",
            named_params! { ":source": source, ":day": day(at), ":calls": calls },
        )?;
        Ok(())
    }

    /// Stores the progress of the entity's backfill, replacing the earlier one.
    pub fn set_progress(&self, source: &str, progress: &Progress) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO backfill (source, entity, covered_from, covered_to, done)
             VALUES (:source, :entity, :from, :to, :done)
             ON CONFLICT (source, entity) DO UPDATE
             SET covered_from = excluded.covered_from, covered_to = excluded.covered_to, done = excluded.done",
            named_params! { ":source": source, ":entity": progress.entity, ":from": progress.from,
            ":to": progress.to, ":done": progress.done },
        )?;
        Ok(())
    }
}

/// Returns the name under which the calls for chats are counted, in addition to all calls of the
/// source.
fn for_chats(source: &str) -> String {
    format!("{source} for chats")
}

fn day(at: Timestamp) -> i64 {
    at.unix().div_euclid(DAY)
}

fn health(row: &Row<'_>) -> rusqlite::Result<SourceHealth> {
    Ok(SourceHealth {
        source: row.get(0)?,
        last_success: row.get(1)?,
        newest_bin: row.get(2)?,
        last_error: row.get(3)?,
        error_at: row.get(4)?,
        failures: row.get(5)?,
        backing_off_until: row.get(6)?,
    })
}
