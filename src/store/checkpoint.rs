//! The detector's state after some batch: a cache that a start reads instead of weeks of batches.

use super::session::{Writes, noun};
use super::{BatchId, StoreError};
use rusqlite::{OptionalExtension, named_params};

noun! {
    /// The one checkpoint.
    Checkpoints
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// One written with another number than the reader's is not to be read.
    pub format: u32,
    /// The newest batch that is in it.
    pub batch: BatchId,
    pub state: Vec<u8>,
}

impl<A> Checkpoints<'_, A> {
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
    /// Takes the place of the one before.
    pub fn save(&self, format: u32, batch: BatchId, state: &[u8]) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO checkpoint (id, format, batch_id, state) VALUES (1, :format, :batch, :state)
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, batch_id = excluded.batch_id, state = excluded.state",
            named_params! { ":format": format, ":batch": batch.0, ":state": state },
        )?;
        Ok(())
    }
}
