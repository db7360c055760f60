//! The heartbeat of a running bot.

use super::StoreError;
use super::noun::{Writes, noun};
use crate::domain::time::SLEWED;
use crate::domain::{Seconds, Timestamp};
use rusqlite::{OptionalExtension, named_params};

noun! {
    /// Access to the only heartbeat.
    Heartbeats
}

impl<A> Heartbeats<'_, A> {
    /// Returns the time of the last heartbeat, or `None` if no bot has run or the last one was
    /// stopped cleanly.
    pub fn last(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut select = self.connection.prepare_cached("SELECT at FROM heartbeat WHERE id = 1")?;
        Ok(select.query_row([], |row| row.get(0)).optional()?)
    }
}

impl Heartbeats<'_, Writes> {
    /// Records that the bot is alive at `at`. Returns the seconds by which the clock was set back
    /// since the newest stored time; `None` if it was not, or by at most `SLEWED`, one minute.
    pub fn beat(&self, at: Timestamp) -> Result<Option<Seconds>, StoreError> {
        let newest: Option<Timestamp> =
            self.connection.prepare_cached(NEWEST)?.query_row([], |row| row.get(0))?;
        let back = newest.map(|newest| newest - at).filter(|back| *back > SLEWED);
        if let Some(back) = back {
            self.set_back(back)?;
        }
        self.connection
            .prepare_cached("INSERT INTO heartbeat (id, at) VALUES (1, :at) ON CONFLICT (id) DO UPDATE SET at = :at")?
            .execute(named_params! { ":at": at })?;
        Ok(back)
    }

    /// Moves the times back that a clock wrote while it was ahead. Otherwise no source would be
    /// polled, and nothing sent, before those times.
    fn set_back(&self, by: Seconds) -> Result<(), StoreError> {
        for moved in SET_BACK {
            self.connection.execute(moved, named_params! { ":by": by })?;
        }
        Ok(())
    }

    /// Removes the heartbeat, because the bot was stopped on purpose.
    pub fn stopped(&self) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM heartbeat", [])?;
        Ok(())
    }
}

/// Selects the newest of two times that always lie in the past, unless the clock was set back.
const NEWEST: &str = "
    SELECT max(at) FROM (SELECT at FROM heartbeat UNION ALL SELECT max(covered_to) FROM backfill)";

const SET_BACK: [&str; 5] = [
    "UPDATE backfill SET covered_to = max(covered_from, covered_to - :by)",
    "UPDATE source_health SET last_success = last_success - :by, error_at = error_at - :by,
                              backing_off_until = backing_off_until - :by",
    "UPDATE delivery SET next_at = next_at - :by, owed_at = owed_at - :by WHERE state = 'owed'",
    "UPDATE card SET next_at = max(0, next_at - :by)",
    "UPDATE entity_fault SET rests_until = rests_until - :by",
];
