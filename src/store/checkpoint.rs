//! The detector's state after some batch: a cache that a start reads instead of replaying weeks of
//! batches.

use super::noun::{Writes, noun};
use super::{BatchId, StoreError};
use rusqlite::{OptionalExtension, named_params};

noun! {
    /// Access to the only checkpoint.
    Checkpoints
}

/// A saved state of the detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The version of the encoding: a reader with another number must not decode `state`.
    pub format: u32,
    /// The newest batch that the state includes.
    pub batch: BatchId,
    /// The encoded state; only the detector knows its layout.
    pub state: Vec<u8>,
}

impl<A> Checkpoints<'_, A> {
    /// Returns the checkpoint, or `None` before the first one is saved.
    pub fn load(&self) -> Result<Option<Checkpoint>, StoreError> {
        let row = self
            .connection
            .query_row("SELECT format, batch_id, state FROM checkpoint WHERE id = 1", [], |row| {
                Ok(Checkpoint {
                    format: row.get(0)?,
                    batch: BatchId(row.get(1)?),
                    state: row.get(2)?,
                })
            })
            .optional()?;
        Ok(row)
    }
}

impl Checkpoints<'_, Writes> {
    /// Saves a checkpoint, replacing the previous one.
    pub fn save(&self, format: u32, batch: BatchId, state: &[u8]) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO checkpoint (id, format, batch_id, state) VALUES (1, :format, :batch, :state)
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, batch_id = excluded.batch_id, state = excluded.state",
            named_params! { ":format": format, ":batch": batch.0, ":state": state },
        )?;
        Ok(())
    }
}
