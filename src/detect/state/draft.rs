//! A batch being taken into the state: the changes that it makes, and queries over the state with
//! these changes.

mod compare;
mod set_back;

use super::{Change, Named, State, says_the_same_thing};
use crate::detect::baseline::{History, Normal};
use crate::detect::incident::{IncidentTracker, SUSPICION_LASTS};
use crate::detect::signal::{Bin, SeriesTracker};
use crate::detect::slot::Slot;
use crate::detect::trust::Faults;
use crate::domain::observation::PROBE;
use crate::domain::time::HOUR;
use crate::domain::{Batch, Entity, Fact, FactKind, Observation, Series, Transition};
use std::sync::Arc;

/// A state with the changes of a batch laid over it.
#[derive(Debug)]
pub struct StateOverlay<'a> {
    state: &'a State,
    /// The batch being taken.
    pub batch: &'a Batch,
    change: Change,
    /// Bins to compare with other entities: family and start in Unix seconds.
    judged: Vec<(u32, i64)>,
    touched: Vec<u32>,
}

/// The tracker of an entity that is new in a batch.
static NEW: std::sync::LazyLock<IncidentTracker> =
    std::sync::LazyLock::new(IncidentTracker::default);

impl<'a> StateOverlay<'a> {
    /// Returns an overlay without changes.
    pub fn new(state: &'a State, batch: &'a Batch) -> Self {
        Self { state, batch, change: Change::default(), judged: Vec::new(), touched: Vec::new() }
    }

    /// Returns the change, without hours that must not be learned.
    pub fn finish(mut self) -> Change {
        let mut slots = std::mem::take(&mut self.change.slots);
        slots.retain(|(series, slot)| self.may_be_learned(*series, slot));
        self.change.slots = slots;
        self.change
    }

    /// Takes the facts of the batch.
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

    /// Takes the observations of our own uplink. They come before all others, since those depend on
    /// them.
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
                // A control without a value for ten bins is left out.
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

    /// Takes all other observations of the batch.
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
            // Other entities are compared only where something is missing, which is rare.
            if normal.is_some_and(|normal| head.misses_something(start, normal)) {
                self.judged.push((family, start));
            } else {
                self.hear(family, start);
            }
        }
        self.put_head(number, head);
        self.touched.push(entity);
    }

    /// Returns the transitions of every entity that the batch touched, and of their wholes, in the
    /// order of their numbers.
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

    /// Returns whether an hour may be learned: only when nothing was wrong with the entity.
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

    /// Returns whether other witnesses of the entity are known and none of them is low.
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

    /// Forgets the hours of an entity from `from` (Unix seconds) on: something was wrong by then.
    pub fn discard_learned(&mut self, entity: u32, from: i64) {
        let hour = from.div_euclid(HOUR).max(0) as u32;
        for series in &self.state.entities[entity as usize].series {
            self.change.spoiled.push((*series, hour));
        }
        let series = &self.state.entities[entity as usize].series;
        self.change.slots.retain(|(number, slot)| !series.contains(number) || slot.hour < hour);
    }

    // Reads: from the change where it has an entry, from the state otherwise.

    /// Returns the state of a series by its number.
    pub fn head(&self, series: u32) -> Option<&SeriesTracker> {
        match self.change.heads.binary_search_by_key(&series, |(at, _)| *at) {
            Ok(at) => Some(&self.change.heads[at].1),
            Err(_) => self.state.heads.get(series as usize),
        }
    }

    /// Returns the normal of a series, or `None` before it is known.
    pub fn normal(&self, series: u32) -> Option<&'a Normal> {
        self.state.histories.get(series as usize)?.normal()
    }

    /// Returns the name of a series, with its layer and witness.
    pub fn named(&self, series: u32) -> &'a Named {
        &self.state.names[series as usize]
    }

    /// Returns the numbers of the entity's own series.
    pub fn series_of(&self, entity: u32) -> &'a [u32] {
        &self.state.entities[entity as usize].series
    }

    /// Returns the numbers of the direct parts of the entity.
    pub fn parts_of(&self, entity: u32) -> &'a [u32] {
        &self.state.entities[entity as usize].parts
    }

    /// Returns the entity with this number.
    pub fn entity(&self, entity: u32) -> &'a Entity {
        &self.state.entities[entity as usize].entity
    }

    /// Returns the facts about the entity itself, oldest first.
    pub fn facts_of(&self, entity: u32) -> Vec<Fact> {
        let fresh = self.change.facts.iter().filter(|(of, _)| *of == entity).map(|(_, fact)| fact);
        let known = &self.state.entities[entity as usize].facts;
        let kept =
            known.iter().filter(|old| !fresh.clone().any(|new| says_the_same_thing(old, new)));
        kept.chain(fresh.clone()).filter_map(|json| serde_json::from_str(json).ok()).collect()
    }

    /// Returns the faults of a family.
    pub fn faults(&self, family: u32) -> &Faults {
        static NONE: std::sync::LazyLock<Faults> = std::sync::LazyLock::new(Faults::default);
        match self.change.faults.iter().find(|(at, _)| *at == family) {
            Some((_, faults)) => faults,
            None => self.state.faults.get(family as usize).unwrap_or(&NONE),
        }
    }

    /// Returns the faults of our own uplink.
    pub fn uplink(&self) -> &Faults {
        self.change.uplink.as_ref().unwrap_or(&self.state.uplink)
    }

    /// Returns whether the family is measured by our own probes.
    pub fn is_own_probe(&self, family: u32) -> bool {
        self.state.families.get(family as usize).is_some_and(|family| family.source == PROBE)
    }

    /// Returns whether controls of our own uplink are known.
    pub fn has_controls(&self) -> bool {
        !self.state.controls.is_empty()
    }

    /// Returns the incident tracker of an entity.
    pub fn life(&self, entity: u32) -> &IncidentTracker {
        match self.change.lives.iter().find(|(at, _)| *at == entity) {
            Some((_, life)) => life,
            // An entity that is new in this batch has no tracker yet: its first batch may hold
            // hours of bins.
            None => self.state.lives.get(entity as usize).unwrap_or(&NEW),
        }
    }

    /// Replaces the incident tracker of an entity.
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
