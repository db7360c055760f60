//! Follows an entity's incident: when it opens, gets worse, returns in part, is gone again, and
//! ends.

use super::incident::{IncidentTracker, Open, bit, open_start};
use super::rules::Weight;
use super::state::StateOverlay;
use super::thresholds::LOW;
use super::verdict::WitnessScore;
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{
    IncidentKey, Layer, Onset, Phase, Seconds, Timestamp, Transition, TransitionKind,
};

/// A layer that falls this long after the start makes the incident worse; sooner, it only shows
/// more of the same fall.
const FALLS_LATER: Seconds = 30 * MINUTE;

/// The layers of the network itself: their loss is news to chats that were only notified of lost
/// services.
const NETWORK: u8 = bit(Layer::Routing) | bit(Layer::Reach);

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

    /// Returns when the fall that `voices` show began, and the instant of the decision: no earlier,
    /// also for the transitions after it. A past batch that is read late may complete the proof of
    /// a fall that newer batches showed.
    fn dated(
        &self,
        entity: u32,
        life: &mut IncidentTracker,
        voices: &[WitnessScore],
    ) -> (Option<i64>, i64) {
        let began = self.began(entity, voices);
        life.last_at = life.last_at.max(began.unwrap_or(i64::MIN));
        (began, self.at(life))
    }

    fn opens(
        &mut self,
        entity: u32,
        life: &mut IncidentTracker,
        voices: &[WitnessScore],
        weight: Weight,
        out: &mut Vec<Transition>,
    ) {
        let (began, at) = self.dated(entity, life, voices);
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
                let (began, at) = self.dated(entity, life, voices);
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
