//! From batches to transitions. Pure: no I/O, no clock, no async; the same batches in the same order give the same
//! transitions, whenever and however often they are asked.
//!
//! [`signal`] sums up the evidence of one series against its [`baseline`]; [`trust`] asks whether it is the source or
//! our own uplink, by what a bin looks like over all entities; [`verdict`] hears an entity's witnesses and [`rules`] weigh
//! them; [`lifecycle`] makes an incident of it, whose signals stand as [`standing`] says; [`explain`] says why.

mod baseline;
mod explain;
mod lifecycle;
mod rules;
mod signal;
mod standing;
mod state;
mod trust;
mod verdict;
mod week;

pub use lifecycle::Stored;
pub use state::{Adopted, Change, State};

use crate::domain::{Batch, Transition};
use state::StateOverlay;

/// Takes the next batch and says what changed. Costs in proportion to the batch, not to the state.
pub fn advance(state: &State, batch: &Batch) -> (Change, Vec<Transition>) {
    let mut draft = StateOverlay::new(state, batch);
    draft.follow_the_clock();
    draft.take_facts();
    draft.take_controls();
    draft.take_observations();
    draft.look_for_faults();
    let transitions = draft.decide();
    (draft.finish(), transitions)
}

impl State {
    /// Takes the next batch where nothing has to be committed first; says what changed.
    pub fn take(&mut self, batch: &Batch) -> Vec<Transition> {
        let (change, transitions) = advance(self, batch);
        self.apply(change);
        transitions
    }
}

#[cfg(test)]
mod tests;
