//! The incidents of one entity, as the detector counts them.

use super::clock_step::SetBack;
use crate::domain::time::{DAY, HOUR};
use crate::domain::{Evidence, IncidentKey, Layer, Onset, Phase, Seconds, Timestamp};
use serde::{Deserialize, Serialize};

/// A suspicion that no other witness confirms for this long is a new normal, and may be learned
/// where all others are up.
pub const SUSPICION_LASTS: Seconds = 2 * DAY;

/// Returns the bit of the layer in a set of layers.
pub const fn bit(layer: Layer) -> u8 {
    1 << layer as u8
}

/// The incidents of one entity: the open one, and the end of the one before. Instants are Unix
/// seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IncidentTracker {
    pub(super) ordinal: u32,
    /// Instant of the newest transition: the next is no earlier.
    pub(super) last_at: i64,
    /// Falls before this belong to an incident that is over.
    pub(super) over_since: i64,
    pub(super) open: Option<Open>,
}

/// An entity's newest incident as it is in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The entity and the ordinal of the incident.
    pub key: IncidentKey,
    /// Phase after the newest transition.
    pub phase: Phase,
    /// When the outage began.
    pub started_at: Timestamp,
    /// Number of its transitions.
    pub transitions: u32,
    /// How it began, as it was reported.
    pub onset: Option<Onset>,
}

/// The open incident. Instants are Unix seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) number: u32,
    pub(super) phase: Phase,
    pub(super) told: bool,
    pub(super) opened_at: i64,
    pub(super) started_at: i64,
    /// Numbers of the series that were low in it.
    pub(super) implicated: Vec<u32>,
    /// One bit for each layer that was lost.
    pub(super) layers: u8,
    pub(super) failed_returns: u8,
    pub(super) onset: Onset,
}

impl IncidentTracker {
    /// Adopts the numbers of the stored incident: chats were notified by them.
    pub fn reconcile(&mut self, newest: &Stored) {
        self.ordinal = newest.key.ordinal;
        if newest.phase.is_over() {
            self.open = None;
            return;
        }
        let started_at = newest.started_at.unix();
        let open = self.open.get_or_insert_with(|| Open {
            number: 0,
            phase: newest.phase,
            told: true,
            opened_at: started_at,
            started_at,
            implicated: Vec::new(),
            layers: 0,
            failed_returns: 0,
            onset: Onset::default(),
        });
        // The batches that are still kept may not reach back to the beginning of the incident.
        if open.number < newest.transitions
            && let Some(onset) = &newest.onset
        {
            open.onset = onset.clone();
        }
        open.number = newest.transitions;
        open.phase = newest.phase;
        open.told = newest.phase != Phase::Suspected;
    }

    /// Returns the phase of the open incident, or `None` without one.
    pub fn phase(&self) -> Option<Phase> {
        self.open.as_ref().map(|open| open.phase)
    }

    /// Returns how the open incident began, with the details that `evidence` adds.
    pub fn onset_with(&self, evidence: &Evidence) -> Option<Onset> {
        let open = self.open.as_ref()?;
        let mut onset = open.onset.clone();
        onset.take(evidence, Timestamp::from_unix(open.started_at), open.number > 0);
        Some(onset)
    }

    /// Returns when the open incident began, in Unix seconds.
    pub fn started_at(&self) -> Option<i64> {
        self.open.as_ref().map(|open| open.started_at)
    }

    /// Returns the instant (Unix seconds) before which falls belong to an incident that is over.
    pub fn begins_after(&self) -> i64 {
        self.over_since
    }

    /// Moves its instants back with the clock, except that of the newest transition: it was
    /// reported with its time, and the next must be no earlier.
    pub fn move_back(&mut self, back: SetBack) {
        self.over_since = back.right(self.over_since);
        if let Some(open) = &mut self.open {
            open.opened_at = back.right(open.opened_at);
            open.started_at = back.right(open.started_at);
            open.onset.move_back(|at| Timestamp::from_unix(back.right(at.unix())));
        }
    }

    /// Returns whether an hour that ended at `until` (Unix seconds) may be learned as usual.
    pub fn allows_learning(&self, until: i64) -> bool {
        match &self.open {
            // The hours of an outage may be settled only after it is over.
            None => until - 2 * HOUR >= self.over_since,
            Some(open) => {
                open.phase == Phase::Suspected && until - open.opened_at > SUSPICION_LASTS
            }
        }
    }
}

/// Returns when the open incident began, in Unix seconds; 0 without one.
pub(super) fn open_start(life: &IncidentTracker) -> i64 {
    life.open.as_ref().map_or(0, |open| open.started_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: i64 = 1_749_231_240;

    fn stored(phase: Phase) -> Stored {
        let key = IncidentKey { entity: "country/KP".parse().unwrap(), ordinal: 7 };
        Stored { key, phase, started_at: Timestamp::from_unix(BEGAN), transitions: 3, onset: None }
    }

    #[test]
    fn it_goes_on_where_the_database_stands() {
        let mut life = IncidentTracker::default();
        assert_eq!((life.phase(), life.started_at(), life.begins_after()), (None, None, 0));
        life.reconcile(&stored(Phase::Returning));
        assert_eq!(
            (life.phase(), life.started_at(), life.ordinal),
            (Some(Phase::Returning), Some(BEGAN), 7)
        );
        let open = life.open.clone().unwrap();
        assert_eq!((open.number, open.told), (3, true));
        life.reconcile(&stored(Phase::Suspected));
        assert!(!life.open.clone().unwrap().told, "a suspicion is still to be told");
        life.reconcile(&stored(Phase::Recovered));
        assert_eq!((life.phase(), open_start(&life), life.ordinal), (None, 0, 7));
    }

    #[test]
    fn what_is_normal_is_learned_outside_of_outages_and_after_two_days_of_a_mere_suspicion() {
        let over = IncidentTracker { over_since: BEGAN, ..IncidentTracker::default() };
        assert_eq!(over.begins_after(), BEGAN);
        assert!(!over.allows_learning(BEGAN + 7_199) && over.allows_learning(BEGAN + 7_200));
        let mut open = IncidentTracker::default();
        open.reconcile(&stored(Phase::Down));
        assert_eq!(open_start(&open), BEGAN);
        assert!(!open.allows_learning(BEGAN + 100 * 86_400), "an outage is never learned");
        open.reconcile(&stored(Phase::Suspected));
        assert!(!open.allows_learning(BEGAN + 172_800) && open.allows_learning(BEGAN + 172_801));
    }
}
