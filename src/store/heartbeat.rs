//! The sign of life of a running bot.

use super::StoreError;
use super::session::{Writes, noun};
use crate::domain::Timestamp;
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
    pub fn beat(&self, at: Timestamp) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO heartbeat (id, at) VALUES (1, :at) ON CONFLICT (id) DO UPDATE SET at = :at")?
            .execute(named_params! { ":at": at })?;
        Ok(())
    }

    /// The bot was stopped, and meant to be.
    pub fn stopped(&self) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM heartbeat", [])?;
        Ok(())
    }
}
