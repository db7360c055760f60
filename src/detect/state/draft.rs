//! A batch on its way into what the detector knows: what it would change, and what can be asked meanwhile.

mod compare;
mod set_back;

pub use set_back::SetBack;

use super::{Change, Named, State, says_the_same_thing};
use crate::detect::baseline::{History, Normal, Slot};
use crate::detect::lifecycle::{IncidentTracker, SUSPICION_LASTS};
use crate::detect::signal::{Bin, SeriesTracker};
use crate::detect::trust::Faults;
use crate::domain::observation::PROBE;
use crate::domain::time::HOUR;
use crate::domain::{Batch, Entity, Fact, FactKind, Observation, Series, Transition};
use std::sync::Arc;

/// A state with a batch being laid over it.
#[derive(Debug)]
pub struct StateOverlay<'a> {
    state: &'a State,
    pub batch: &'a Batch,
    change: Change,
    /// Bins that were judged, by family.
    judged: Vec<(u32, i64)>,
    touched: Vec<u32>,
}

/// The life of an entity that is new in a batch.
static NEW: std::sync::LazyLock<IncidentTracker> =
    std::sync::LazyLock::new(IncidentTracker::default);

impl<'a> StateOverlay<'a> {
    pub fn new(state: &'a State, batch: &'a Batch) -> Self {
        Self { state, batch, change: Change::default(), judged: Vec::new(), touched: Vec::new() }
    }

    pub fn finish(mut self) -> Change {
        let mut slots = std::mem::take(&mut self.change.slots);
        slots.retain(|(series, slot)| self.may_be_learned(*series, slot));
        self.change.slots = slots;
        self.change
    }

    pub fn take_facts(&mut self) {
        for fact in &self.batch.facts {
            let entity = self.entity_number(&fact.entity);
            match &fact.kind {
                FactKind::PartOf { whole } => {
                    let whole = whole.as_ref().map(|whole| self.entity_number(whole));
                    self.change.wholes.push((entity, whole));
                }
                FactKind::PollFailed { .. } => self.poll_failed(entity, &fact.source),
                FactKind::Gateway { .. }
                | FactKind::Peers { .. }
                | FactKind::Report { .. }
                | FactKind::Hosts { .. }
                | FactKind::Certificate { .. }
                | FactKind::Uplink { .. }
                | FactKind::Withdrawn { .. } => {}
            }
            if let Ok(json) = serde_json::to_string(fact) {
                self.change.facts.push((entity, json));
            }
        }
    }

    fn poll_failed(&mut self, entity: u32, source: &str) {
        let state = self.state;
        for series in state.entities.get(entity as usize).map_or(&[][..], |known| &known.series) {
            if state.names[*series as usize].series.source == source {
                self.head_mut(*series).poll_failed = true;
            }
        }
    }

    /// Rows that speak of our own uplink: before all others, since those rest on them.
    pub fn take_controls(&mut self) {
        let mut starts = Vec::new();
        for row in self.batch.observations.iter().filter(|row| row.series.is_control()) {
            let number = self.series_number(&row.series);
            let Some(value) = row.value else { continue };
            let bin = Bin { start: row.observed_at.unix(), value };
            let received = self.batch.received_at.unix();
            self.head_mut(number).take(received, bin, None, |_, _| false);
            starts.push(bin.start);
        }
        starts.sort_unstable();
        starts.dedup();
        for start in starts {
            let (mut answered, mut failing, mut all, mut step) = (0, 0, 0, 60);
            let new = self
                .change
                .new_series
                .iter()
                .enumerate()
                .filter(|(_, (series, ..))| series.is_control());
            let new = new.map(|(at, _)| (self.state.names.len() + at) as u32).collect::<Vec<_>>();
            for number in self.state.controls.iter().copied().chain(new) {
                let Some(head) = self.head(number) else { continue };
                // A control that fell silent long ago is asked no more.
                if head.newest().is_none_or(|bin| bin.start < start - 10 * head.width()) {
                    continue;
                }
                all += 1;
                step = if head.step > 0 { head.step } else { step };
                if let Some(value) = head.value_at(start) {
                    answered += 1;
                    failing += usize::from(value < 0.5);
                }
            }
            let mut uplink = self.uplink().clone();
            let heard_until = uplink.checked;
            let again = uplink.take_control(start, step, answered, failing, all);
            let has_heard_more = uplink.checked > heard_until;
            self.change.uplink = Some(uplink);
            for family in 0..self.state.families.len() as u32 {
                if has_heard_more && self.is_own_probe(family) {
                    self.hear_of_others(family, heard_until - 2 * step);
                }
            }
            if let Some(from) = again {
                for family in 0..self.state.families.len() as u32 {
                    if self.is_own_probe(family) {
                        self.judge_again(family, from);
                    }
                }
            }
        }
    }

    pub fn take_observations(&mut self) {
        let state = self.state;
        let batch = self.batch;
        let received = batch.received_at.unix();
        for row in batch.observations.iter().filter(|row| !row.series.is_control()) {
            self.take_observation(state, received, row);
        }
        self.touched.sort_unstable();
        self.touched.dedup();
        self.judged.sort_unstable();
        self.judged.dedup();
    }

    fn take_observation(&mut self, state: &'a State, received: i64, row: &Observation) {
        let number = self.series_number(&row.series);
        let start = row.observed_at.unix();
        let Some(value) = row.value.filter(|value| value.is_finite()) else {
            let head = self.head_mut(number);
            head.gap = head.gap.max(start);
            let family = head.family;
            self.hear(family, start);
            return;
        };
        let Some(mut head) = self.take_head(number) else { return };
        let normal = state.histories.get(number as usize).and_then(History::normal);
        let family = head.family;
        let taken = head.take(received, Bin { start, value }, normal, |from, until| {
            self.is_in_fault(family, from, until)
        });
        let entity = head.entity;
        if row.series.is_our_own()
            && let Some(history) = state.histories.get(number as usize)
            && let Some(level) = head.steady().filter(|level| history.may_begin_with(*level))
        {
            self.change.begun.push((number, level));
        }
        if let Some(slot) = taken.slot {
            self.change.slots.push((number, slot));
        }
        for start in [taken.late, taken.judged].into_iter().flatten() {
            // The others are looked at where something is missing: nearly never.
            if normal.is_some_and(|normal| head.misses_something(start, normal)) {
                self.judged.push((family, start));
            } else {
                self.hear(family, start);
            }
        }
        self.put_head(number, head);
        self.touched.push(entity);
    }

    /// The transitions of every entity that the batch touched, parts before their wholes.
    pub fn decide(&mut self) -> Vec<Transition> {
        let mut touched = std::mem::take(&mut self.touched);
        for at in 0..touched.len() {
            touched.extend(self.state.wholes_of(touched[at]));
        }
        touched.sort_unstable();
        touched.dedup();
        let mut transitions = Vec::new();
        for entity in touched {
            if (entity as usize) < self.state.entities.len() {
                self.decide_entity(entity, &mut transitions);
            }
        }
        transitions
    }

    /// An hour counts as usual only when nothing was wrong with the entity.
    fn may_be_learned(&self, series: u32, slot: &Slot) -> bool {
        let Some(head) = self.head(series) else { return false };
        let hour_ended = (i64::from(slot.hour) + 1) * HOUR;
        if head.score.is_low
            && (hour_ended - head.score.since < SUSPICION_LASTS
                || !self.all_others_are_well(series, head))
        {
            return false;
        }
        self.life(head.entity).allows_learning(hour_ended)
    }

    /// Whether other witnesses are heard of the entity and none of them misses anything.
    fn all_others_are_well(&self, series: u32, head: &SeriesTracker) -> bool {
        let others = self
            .series_of(head.entity)
            .iter()
            .filter_map(|other| Some((*other, self.head(*other)?)));
        let mut others =
            others.filter(|(other, _)| self.named(*other).witness != self.named(series).witness);
        let mut heard = 0;
        others.all(|(other, head)| {
            heard += usize::from(self.why_unknown(other, head).is_none());
            !head.score.is_low
        }) && heard > 0
    }

    /// Forgets what was learned of an entity since `from`: it was wrong already.
    pub fn discard_learned(&mut self, entity: u32, from: i64) {
        let hour = from.div_euclid(HOUR).max(0) as u32;
        for series in &self.state.entities[entity as usize].series {
            self.change.spoiled.push((*series, hour));
        }
        let series = &self.state.entities[entity as usize].series;
        self.change.slots.retain(|(number, slot)| !series.contains(number) || slot.hour < hour);
    }

    // What the draft reads: the change where it has something, the state below.

    pub fn head(&self, series: u32) -> Option<&SeriesTracker> {
        match self.change.heads.binary_search_by_key(&series, |(at, _)| *at) {
            Ok(at) => Some(&self.change.heads[at].1),
            Err(_) => self.state.heads.get(series as usize),
        }
    }

    pub fn normal(&self, series: u32) -> Option<&'a Normal> {
        self.state.histories.get(series as usize)?.normal()
    }

    pub fn named(&self, series: u32) -> &'a Named {
        &self.state.names[series as usize]
    }

    pub fn series_of(&self, entity: u32) -> &'a [u32] {
        &self.state.entities[entity as usize].series
    }

    pub fn parts_of(&self, entity: u32) -> &'a [u32] {
        &self.state.entities[entity as usize].parts
    }

    pub fn entity(&self, entity: u32) -> &'a Entity {
        &self.state.entities[entity as usize].entity
    }

    pub fn facts_of(&self, entity: u32) -> Vec<Fact> {
        let fresh = self.change.facts.iter().filter(|(of, _)| *of == entity).map(|(_, fact)| fact);
        let known = &self.state.entities[entity as usize].facts;
        let kept =
            known.iter().filter(|old| !fresh.clone().any(|new| says_the_same_thing(old, new)));
        kept.chain(fresh.clone()).filter_map(|json| serde_json::from_str(json).ok()).collect()
    }

    pub fn faults(&self, family: u32) -> &Faults {
        static NONE: std::sync::LazyLock<Faults> = std::sync::LazyLock::new(Faults::default);
        match self.change.faults.iter().find(|(at, _)| *at == family) {
            Some((_, faults)) => faults,
            None => self.state.faults.get(family as usize).unwrap_or(&NONE),
        }
    }

    pub fn uplink(&self) -> &Faults {
        self.change.uplink.as_ref().unwrap_or(&self.state.uplink)
    }

    pub fn is_own_probe(&self, family: u32) -> bool {
        self.state.families.get(family as usize).is_some_and(|family| family.source == PROBE)
    }

    pub fn has_controls(&self) -> bool {
        !self.state.controls.is_empty()
    }

    pub fn life(&self, entity: u32) -> &IncidentTracker {
        match self.change.lives.iter().find(|(at, _)| *at == entity) {
            Some((_, life)) => life,
            // One that is new in this batch has no life yet: its first batch may hold hours of bins.
            None => self.state.lives.get(entity as usize).unwrap_or(&NEW),
        }
    }

    pub fn put_life(&mut self, entity: u32, life: IncidentTracker) {
        upsert(&mut self.change.lives, entity, life);
    }

    fn take_head(&mut self, series: u32) -> Option<Box<SeriesTracker>> {
        match self.change.heads.binary_search_by_key(&series, |(at, _)| *at) {
            Ok(at) => Some(self.change.heads[at].1.clone()),
            Err(_) => self.state.heads.get(series as usize).cloned().map(Box::new),
        }
    }

    fn put_head(&mut self, series: u32, head: Box<SeriesTracker>) {
        match self.change.heads.binary_search_by_key(&series, |(at, _)| *at) {
            Ok(at) => self.change.heads[at].1 = head,
            Err(at) => self.change.heads.insert(at, (series, head)),
        }
    }

    fn head_mut(&mut self, series: u32) -> &mut SeriesTracker {
        let at = match self.change.heads.binary_search_by_key(&series, |(at, _)| *at) {
            Ok(at) => at,
            Err(at) => {
                self.change
                    .heads
                    .insert(at, (series, Box::new(self.state.heads[series as usize].clone())));
                at
            }
        };
        &mut self.change.heads[at].1
    }

    fn entity_number(&mut self, entity: &Entity) -> u32 {
        if let Some(number) = self.state.index.entities.get(entity) {
            return *number;
        }
        let known = self.change.new_entities.iter().position(|known| known == entity);
        let at = known.unwrap_or_else(|| {
            self.change.new_entities.push(entity.clone());
            self.change.new_entities.len() - 1
        });
        (self.state.entities.len() + at) as u32
    }

    fn series_number(&mut self, series: &Arc<Series>) -> u32 {
        if let Some(number) = self.state.index.series.get(series) {
            return *number;
        }
        let first = self.state.names.len();
        if let Some(at) = self.change.new_series.iter().position(|(known, ..)| known == series) {
            return (first + at) as u32;
        }
        let entity = self.entity_number(&series.entity);
        let name = (series.source.clone(), series.signal.clone());
        let family = self.state.index.families.get(&name).copied().unwrap_or_else(|| {
            let known = self.change.new_families.iter().position(|known| *known == name);
            let at = known.unwrap_or_else(|| {
                self.change.new_families.push(name);
                self.change.new_families.len() - 1
            });
            (self.state.families.len() + at) as u32
        });
        let number = (first + self.change.new_series.len()) as u32;
        self.change.new_series.push((Arc::clone(series), entity, family));
        self.put_head(
            number,
            Box::new(SeriesTracker::new(entity, family, series.counts_witnesses())),
        );
        number
    }
}

fn upsert<T>(list: &mut Vec<(u32, T)>, at: u32, value: T) {
    match list.iter_mut().find(|(known, _)| *known == at) {
        Some((_, old)) => *old = value,
        None => list.push((at, value)),
    }
}
