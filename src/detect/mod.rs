//! Turns batches into transitions. Pure: no I/O, no clock, no async. The same batches in the same
//! order give the same transitions, whenever and however often they are taken.
//!
//! [`signal`] sums up the evidence of one series against its [`baseline`]; [`trust`] decides, from
//! one bin over all entities, whether the source or our own uplink is at fault; [`verdict`]
//! collects an entity's witnesses and [`rules`] weighs them; [`lifecycle`] makes an incident of it,
//! and [`standing`] counts which of its signals are back; [`explain`] gives the reasons.

mod baseline;
mod clock_step;
mod explain;
mod incident;
mod lifecycle;
mod rules;
mod signal;
mod slot;
mod standing;
mod state;
mod thresholds;
mod trust;
mod verdict;
mod week;

pub use incident::Stored;
pub use state::{Adopted, Change, State};

use crate::domain::{Batch, Transition};
use state::StateOverlay;

/// Takes the next batch and returns the change to the state, to be applied after the commit, and
/// the transitions. Costs in proportion to the batch, not to the state.
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
    /// Takes the next batch where nothing has to be committed first, and returns the transitions.
    pub fn take(&mut self, batch: &Batch) -> Vec<Transition> {
        let (change, transitions) = advance(self, batch);
        self.apply(change);
        transitions
    }
}

#[cfg(test)]
mod tests;
