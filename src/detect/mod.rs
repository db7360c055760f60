//! From batches to transitions. Pure: no I/O, no clock, no async; the same batches in the same order give the same
//! transitions, whenever and however often they are asked.

use crate::domain::{Batch, Entity, Evidence, Timestamp, Transition};
use serde::{Deserialize, Serialize};

/// All that the detector knows: a function of the batches it was given, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {}

/// What a batch changes. It is laid over the state with [`State::apply`], once the store has committed the batch.
#[derive(Debug, Default)]
pub struct Change {}

/// Takes the next batch and says what changed. Costs in proportion to the batch, not to the state.
pub fn advance(_state: &State, _batch: &Batch) -> (Change, Vec<Transition>) {
    (Change {}, Vec::new())
}

impl State {
    /// Of checkpoints: one written with another number is not read.
    pub const FORMAT: u32 = 1;

    pub fn apply(&mut self, _change: Change) {}

    /// How the entity stands, as of the newest batch; `now` only decides what is stale.
    pub fn evidence(&self, _entity: &Entity, _now: Timestamp) -> Option<Evidence> {
        None
    }
}
