//! The sign of life of a running bot.

use super::StoreError;
use super::session::{Writes, noun};
use crate::domain::time::SLEWED;
use crate::domain::{Seconds, Timestamp};
use rusqlite::{OptionalExtension, named_params};

noun! {
    /// The one heartbeat.
    Heartbeats
}

impl<A> Heartbeats<'_, A> {
    /// When a bot last said that it is alive; `None` where none has run, or the last one was stopped cleanly.
    pub fn last(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut select = self.connection.prepare_cached("SELECT at FROM heartbeat WHERE id = 1")?;
        Ok(select.query_row([], |row| row.get(0)).optional()?)
    }
}

impl Heartbeats<'_, Writes> {
    /// Says that the bot is alive, and by how much the clock was set back since something was last written down, if it was.
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

    /// What was written down by a clock that was ahead is moved back with it: else nobody would be asked or told until then.
    fn set_back(&self, by: Seconds) -> Result<(), StoreError> {
        for moved in SET_BACK {
            self.connection.execute(moved, named_params! { ":by": by })?;
        }
        Ok(())
    }

    /// The bot was stopped, and meant to be.
    pub fn stopped(&self) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM heartbeat", [])?;
        Ok(())
    }
}

/// Both are of the past, whenever they are looked at, but by a clock that was set back.
const NEWEST: &str = "
    SELECT max(at) FROM (SELECT at FROM heartbeat UNION ALL SELECT max(covered_to) FROM backfill)";

const SET_BACK: [&str; 3] = [
    "UPDATE backfill SET covered_to = max(covered_from, covered_to - :by)",
    "UPDATE source_health SET last_success = last_success - :by, error_at = error_at - :by,
                              backing_off_until = backing_off_until - :by",
    "UPDATE delivery SET next_at = next_at - :by, owed_at = owed_at - :by WHERE state = 'owed'",
];
