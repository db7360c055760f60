//! Follows an entity's incident: when it opens, gets worse, returns in part, is gone again, and
//! ends.

use super::rules::Weight;
use super::signal::LOW;
use super::state::{SetBack, StateOverlay};
use super::verdict::WitnessScore;
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{
    Evidence, IncidentKey, Layer, Onset, Phase, Seconds, Timestamp, Transition, TransitionKind,
};
use serde::{Deserialize, Serialize};

/// A suspicion that no other witness confirms for this long is a new normal, and may be learned
/// where all others are up.
pub const SUSPICION_LASTS: Seconds = 2 * DAY;
/// A layer that falls this long after the start makes the incident worse; sooner, it only shows
/// more of the same fall.
const FALLS_LATER: Seconds = 30 * MINUTE;

/// The layers of the network itself: their loss is news to chats that were only notified of lost
/// services.
const NETWORK: u8 = bit(Layer::Routing) | bit(Layer::Reach);

/// Returns the bit of the layer in a set of layers.
pub const fn bit(layer: Layer) -> u8 {
    1 << layer as u8
}

/// The incidents of one entity: the open one, and the end of the one before. Instants are Unix
/// seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IncidentTracker {
    ordinal: u32,
    /// Instant of the newest transition: the next is no earlier.
    last_at: i64,
    /// Falls before this belong to an incident that is over.
    over_since: i64,
    open: Option<Open>,
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
struct Open {
    number: u32,
    phase: Phase,
    told: bool,
    opened_at: i64,
    started_at: i64,
    /// Numbers of the series that were low in it.
    implicated: Vec<u32>,
    /// One bit for each layer that was lost.
    layers: u8,
    failed_returns: u8,
    onset: Onset,
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

    /// Dates the next transition no earlier than `began`. A past batch that is read late may
    /// complete the proof of a fall that newer batches showed; the decision must not be dated
    /// before the fall.
    fn not_before(&mut self, began: Option<i64>) {
        self.last_at = self.last_at.max(began.unwrap_or(i64::MIN));
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

impl StateOverlay<'_> {
    /// Opens, continues or ends the incident of one entity, and adds the transitions.
    pub fn decide_entity(&mut self, entity: u32, transitions: &mut Vec<Transition>) {
        let life = self.life(entity);
        let is_quiet = life.open.is_none()
            && !self
                .witnesses_of(entity)
                .iter()
                .any(|series| self.head(*series).is_some_and(|h| h.score.is_low));
        if is_quiet {
            return;
        }
        let mut life = life.clone();
        let before = life.clone();
        let voices = self.voices(entity, life.over_since);
        let weight = self.weigh(&voices);
        if life.open.is_none() {
            if weight == Weight::Nothing {
                return;
            }
            self.opens(entity, &mut life, &voices, weight, transitions);
        } else {
            self.goes_on(entity, &mut life, &voices, weight, transitions);
        }
        if life != before {
            self.put_life(entity, life);
        }
    }

    /// Returns the instant of a decision made now. Each source reads the past on its own, so a
    /// batch may be older than an earlier decision.
    fn at(&self, life: &IncidentTracker) -> i64 {
        self.batch.received_at.unix().max(life.last_at)
    }

    fn opens(
        &mut self,
        entity: u32,
        life: &mut IncidentTracker,
        voices: &[WitnessScore],
        weight: Weight,
        out: &mut Vec<Transition>,
    ) {
        let began = self.began(entity, voices);
        life.not_before(began);
        let at = self.at(life);
        let started_at = began.unwrap_or(at).clamp(life.over_since.min(at), at);
        life.ordinal += 1;
        let kind = if weight == Weight::Proof {
            TransitionKind::Started
        } else {
            TransitionKind::Suspected
        };
        life.open = Some(Open {
            number: 0,
            phase: kind.leads_to(),
            told: weight == Weight::Proof,
            opened_at: at,
            started_at,
            implicated: Vec::new(),
            layers: 0,
            failed_returns: 0,
            onset: Onset::default(),
        });
        self.implicate(life, voices);
        self.discard_learned(entity, started_at - HOUR);
        self.note_onset(entity, life);
        self.tell(entity, life, kind, None, out);
    }

    fn goes_on(
        &mut self,
        entity: u32,
        life: &mut IncidentTracker,
        voices: &[WitnessScore],
        weight: Weight,
        out: &mut Vec<Transition>,
    ) {
        let worse = self.implicate(life, voices);
        let at = self.at(life);
        let Some(open) = life.open.as_mut() else { return };
        if open.implicated.is_empty() && weight == Weight::Nothing {
            // It began before any batch that is still kept, and no trace of it is left.
            self.ends(entity, life, TransitionKind::Recovered, (at, at), out);
            return;
        }
        let standing = self.standing(&open.implicated, open.started_at);
        self.note_onset(entity, life);
        let Some(open) = life.open.as_mut() else { return };
        if !open.told {
            if weight == Weight::Proof {
                let began = self.began(entity, voices);
                life.not_before(began);
                let at = self.at(life);
                let over_since = life.over_since;
                let Some(open) = life.open.as_mut() else { return };
                if let Some(began) = began {
                    open.started_at = began.max(over_since).min(at);
                }
                open.told = true;
                let from = open.started_at - HOUR;
                self.discard_learned(entity, from);
                self.tell(entity, life, TransitionKind::Started, None, out);
            } else if standing.low == 0 && standing.blocking == 0 {
                self.ends(
                    entity,
                    life,
                    TransitionKind::Retracted,
                    (standing.ended_at, standing.last_back),
                    out,
                );
            }
            return;
        }
        if standing.ever_low == 0 {
            self.ends(
                entity,
                life,
                TransitionKind::Retracted,
                (open_start(life), open_start(life)),
                out,
            );
        } else if standing.is_back() {
            self.ends(
                entity,
                life,
                TransitionKind::Recovered,
                (standing.ended_at, standing.last_back),
                out,
            );
        } else if open.phase == Phase::Down && standing.is_partly_back(open.failed_returns) {
            self.tell(entity, life, TransitionKind::PartlyBack, None, out);
        } else if open.phase == Phase::Returning && standing.back == 0 {
            open.failed_returns = open.failed_returns.saturating_add(1);
            self.tell(entity, life, TransitionKind::GoneAgain, None, out);
        } else if worse && open.phase == Phase::Down {
            self.tell(entity, life, TransitionKind::Worsened, None, out);
        }
    }

    /// Notes which series are low. Returns whether a layer was lost that was whole until well after
    /// the start, or the network was lost after services only.
    fn implicate(&self, life: &mut IncidentTracker, voices: &[WitnessScore]) -> bool {
        let Some(open) = life.open.as_mut() else { return false };
        let mut worse = false;
        for voice in voices.iter().filter(|voice| voice.low >= LOW) {
            if open.implicated.contains(&voice.series) {
                continue;
            }
            open.implicated.push(voice.series);
            let layer = bit(self.named(voice.series).layer);
            let fell = self.head(voice.series).map_or(0, |head| head.score.since);
            let is_new = open.layers & layer == 0;
            let only_services_so_far = open.layers & NETWORK == 0 && layer & NETWORK != 0;
            worse |= is_new && (fell > open.started_at + FALLS_LATER || only_services_so_far);
            open.layers |= layer;
        }
        worse
    }

    /// Notes the details that the batch adds to how the incident began.
    fn note_onset(&mut self, entity: u32, life: &mut IncidentTracker) {
        self.put_life(entity, life.clone());
        let noted = self.evidence(entity).onset;
        if let Some((open, onset)) = life.open.as_mut().zip(noted) {
            open.onset = onset;
        }
    }

    /// Ends the incident. `over` is when it ended, and when its last signal was back; the next
    /// incident must not reach into the latter.
    fn ends(
        &mut self,
        entity: u32,
        life: &mut IncidentTracker,
        kind: TransitionKind,
        over: (i64, i64),
        out: &mut Vec<Transition>,
    ) {
        let at = self.at(life);
        let within = |instant: i64| instant.clamp(open_start(life).min(at), at);
        let (ended_at, over_since) = (within(over.0), within(over.1));
        self.tell(entity, life, kind, (kind == TransitionKind::Recovered).then_some(ended_at), out);
        life.over_since = over_since;
        life.open = None;
    }

    fn tell(
        &mut self,
        entity: u32,
        life: &mut IncidentTracker,
        kind: TransitionKind,
        ended_at: Option<i64>,
        out: &mut Vec<Transition>,
    ) {
        let at = self.at(life);
        life.last_at = at;
        let Some(open) = life.open.as_mut() else { return };
        open.number += 1;
        open.phase = kind.leads_to();
        let (number, started_at) = (open.number, open.started_at.min(at));
        self.put_life(entity, life.clone());
        out.push(Transition {
            incident: IncidentKey { entity: self.entity(entity).clone(), ordinal: life.ordinal },
            number,
            kind,
            at: Timestamp::from_unix(at),
            arrival: self.batch.arrival,
            started_at: Timestamp::from_unix(started_at),
            ended_at: ended_at.map(Timestamp::from_unix),
            evidence: self.evidence(entity),
        });
    }
}

fn open_start(life: &IncidentTracker) -> i64 {
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
