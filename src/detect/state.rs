//! What the detector knows, and how a batch is laid over it.
//!
//! Small heads, which every value changes, stand apart from the long histories, to which an hour is added now and then:
//! a change carries new heads and added hours only.

mod compare;

use super::baseline::{History, Normal, Slot};
use super::lifecycle::{Life, Stored};
use super::signal::{Bin, Head};
use super::trust::Faults;
use crate::domain::observation::PROBE;
use crate::domain::time::HOUR;
use crate::domain::{
    Batch, Entity, Evidence, Fact, FactKind, Layer, Observation, Series, Timestamp, Transition, Witness,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Facts kept for each entity: enough for its gateways and the latest reports.
const KEPT_FACTS: usize = 16;
/// The witness number of all signals that follow what people do; any other witness has its family's number.
pub const PEOPLE: u32 = u32::MAX;
/// That of RIPE's route collectors, by whichever window.
const RIS: u32 = u32::MAX - 1;
/// That of all our own probes of an entity, where they may all have asked the same block.
pub const ONE_BLOCK: u32 = u32::MAX - 2;
/// How deep "part of" is followed: site, prefix, ASN, region, country, and some to spare.
const DEEPEST: usize = 8;

/// All that the detector knows: a function of the batches it was given, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    names: Vec<Named>,
    heads: Vec<Head>,
    histories: Vec<History>,
    families: Vec<Family>,
    faults: Vec<Faults>,
    entities: Vec<Known>,
    lives: Vec<Life>,
    uplink: Faults,
    controls: Vec<u32>,
    #[serde(skip)]
    index: Index,
}

/// A series and what follows from its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    pub series: Arc<Series>,
    pub layer: Layer,
    pub witness: u32,
}

/// One signal of one source over all entities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Family {
    source: String,
    signal: String,
    members: Vec<u32>,
}

/// An entity, its series, its place among the others, and what was said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    entity: Entity,
    series: Vec<u32>,
    whole: Option<u32>,
    parts: Vec<u32>,
    /// As JSON, oldest first: the one form of a fact that every format can hold.
    facts: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Index {
    series: HashMap<Arc<Series>, u32, Hashing>,
    families: HashMap<(String, String), u32, Hashing>,
    entities: HashMap<Entity, u32, Hashing>,
}

/// A quick hash without secrets: names come from the config and from sources that the user chose.
#[derive(Clone, Copy, Debug, Default)]
struct Hasher(u64);
type Hashing = std::hash::BuildHasherDefault<Hasher>;

impl std::hash::Hasher for Hasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x51_7c_c1_b7_27_22_0a_95);
        }
    }
}

/// What a batch changes. It is laid over the state with [`State::apply`], once the store has committed the batch.
#[derive(Debug, Default)]
pub struct Change {
    new_entities: Vec<Entity>,
    new_families: Vec<(String, String)>,
    new_series: Vec<(Arc<Series>, u32, u32)>,
    heads: Vec<(u32, Box<Head>)>,
    faults: Vec<(u32, Faults)>,
    lives: Vec<(u32, Life)>,
    uplink: Option<Faults>,
    slots: Vec<(u32, Slot)>,
    /// What series of our own eyes begin with.
    begun: Vec<(u32, f64)>,
    /// Series whose hours from the given one on are forgotten.
    spoiled: Vec<(u32, u32)>,
    wholes: Vec<(u32, Option<u32>)>,
    facts: Vec<(u32, String)>,
    /// Families whose source changed its scale for everybody: what is normal is learned anew.
    renewed: Vec<u32>,
}

/// A series whose normal is another from now on, by a lasting change that was nobody's outage.
#[derive(Clone, Debug, PartialEq)]
pub struct Adopted {
    pub series: Arc<Series>,
    /// Usual until now.
    pub before: f32,
    /// Usual from now on; `None`: it is learned anew, since all series of the signal changed.
    pub now: Option<f32>,
}

impl State {
    /// Of checkpoints: one written with another number is not read.
    pub const FORMAT: u32 = 3;

    /// Lays the change over; says which series adopted another level.
    pub fn apply(&mut self, change: Change) -> Vec<Adopted> {
        let mut adopted = Vec::new();
        for entity in change.new_entities {
            self.entities.push(Known { entity, series: vec![], whole: None, parts: vec![], facts: vec![] });
            self.lives.push(Life::default());
        }
        for (source, signal) in change.new_families {
            self.families.push(Family { source, signal, members: vec![] });
            self.faults.push(Faults::default());
        }
        for (series, entity, family) in change.new_series {
            let number = self.names.len() as u32;
            if series.is_control() {
                self.controls.push(number);
            } else {
                self.entities[entity as usize].series.push(number);
                self.families[family as usize].members.push(number);
            }
            let witness = match series.witness() {
                Witness::People => PEOPLE,
                Witness::Ris => RIS,
                Witness::Signal { .. } => family,
            };
            self.heads.push(Head::new(entity, family, series.counts_witnesses()));
            self.names.push(Named { layer: series.layer(), series, witness });
            self.histories.push(History::default());
        }
        self.index.catch_up(&self.names, &self.families, &self.entities);
        for (at, head) in change.heads {
            self.heads[at as usize] = *head;
        }
        for (at, faults) in change.faults {
            self.faults[at as usize] = faults;
        }
        for (at, life) in change.lives {
            self.lives[at as usize] = life;
        }
        if let Some(uplink) = change.uplink {
            self.uplink = uplink;
        }
        for (at, level) in change.begun {
            self.histories[at as usize].begin_with(level);
        }
        for (at, slot) in change.slots {
            if let Some((before, now)) = self.histories[at as usize].push(slot) {
                self.heads[at as usize].begin_anew();
                adopted.push(Adopted { series: Arc::clone(&self.names[at as usize].series), before, now: Some(now) });
            }
        }
        for family in change.renewed {
            for at in self.families[family as usize].members.clone() {
                let history = std::mem::take(&mut self.histories[at as usize]);
                self.heads[at as usize].begin_anew();
                if let Some(normal) = history.normal() {
                    let (series, before) = (Arc::clone(&self.names[at as usize].series), normal.usual());
                    adopted.push(Adopted { series, before, now: None });
                }
            }
        }
        for (at, hour) in change.spoiled {
            self.histories[at as usize].forget_since(hour);
        }
        for (part, whole) in change.wholes {
            self.move_part(part, whole);
        }
        for (entity, fact) in change.facts {
            let facts = &mut self.entities[entity as usize].facts;
            facts.retain(|known| !says_the_same_thing(known, &fact));
            facts.push(fact);
            if facts.len() > KEPT_FACTS {
                facts.remove(0);
            }
        }
        adopted
    }

    fn move_part(&mut self, part: u32, whole: Option<u32>) {
        if let Some(old) = self.entities[part as usize].whole.take() {
            self.entities[old as usize].parts.retain(|known| *known != part);
        }
        if let Some(whole) = whole
            && whole != part
            && !self.wholes_of(whole).any(|above| above == part)
        {
            self.entities[part as usize].whole = Some(whole);
            self.entities[whole as usize].parts.push(part);
        }
    }

    /// The wholes that an entity is part of, the nearest first.
    fn wholes_of(&self, entity: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(self.whole_of(entity), |at| self.whole_of(*at)).take(DEEPEST)
    }

    fn whole_of(&self, entity: u32) -> Option<u32> {
        self.entities.get(entity as usize)?.whole
    }

    /// How the entity stands, as of the newest batch; `now` only decides what is stale.
    pub fn evidence(&self, entity: &Entity, now: Timestamp) -> Option<Evidence> {
        let number = self.number_of(entity)?;
        let batch = Batch::live(now);
        Some(Draft::new(self, &batch).evidence(number))
    }

    pub fn number_of(&self, entity: &Entity) -> Option<u32> {
        self.index.entities.get(entity).copied()
    }

    /// Whether something is suspected or wrong with the entity.
    pub fn is_open(&self, entity: &Entity) -> bool {
        self.index.entities.get(entity).is_some_and(|number| self.lives[*number as usize].phase().is_some())
    }

    /// What is part of what, as far as it was told.
    pub fn relations(&self) -> Vec<(Entity, Entity)> {
        let whole = |known: &Known| Some((known.entity.clone(), self.entities[known.whole? as usize].entity.clone()));
        self.entities.iter().filter_map(whole).collect()
    }

    /// Goes on from the incidents that are stored, each the newest of its entity: a state that was worked out again from
    /// the observations still kept may not know all of them.
    pub fn reconcile(&mut self, stored: &[Stored]) {
        for newest in stored {
            if let Some(number) = self.index.entities.get(&newest.key.entity) {
                self.lives[*number as usize].reconcile(newest);
            }
        }
    }

    /// The checkpoint of this state.
    pub fn encode(&self) -> Vec<u8> {
        // Writing to memory fails for no type that is in a state; an empty checkpoint would not be read, at worst.
        postcard::to_stdvec(&(Self::FORMAT, self)).unwrap_or_default()
    }

    /// The state of a checkpoint, or nothing if it is of another format or damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, rest) = postcard::take_from_bytes::<u32>(bytes).ok()?;
        if format != Self::FORMAT {
            return None;
        }
        let mut state: Self = postcard::from_bytes(rest).ok()?;
        state.index.catch_up(&state.names, &state.families, &state.entities);
        state.is_whole().then_some(state)
    }

    /// Whether every number points at something: a damaged checkpoint must not end the program.
    fn is_whole(&self) -> bool {
        let (series, families, entities) = (self.names.len(), self.families.len(), self.entities.len());
        let below = |numbers: &[u32], limit: usize| numbers.iter().all(|number| (*number as usize) < limit);
        self.heads.len() == series
            && self.histories.len() == series
            && self.faults.len() == families
            && self.lives.len() == entities
            && below(&self.controls, series)
            && self.heads.iter().all(|head| below(&[head.entity], entities) && below(&[head.family], families))
            && self.families.iter().all(|family| below(&family.members, series))
            && self.entities.iter().all(|known| {
                below(&known.series, series)
                    && below(&known.parts, entities)
                    && known.whole.is_none_or(|w| below(&[w], entities))
            })
    }
}

impl Index {
    fn catch_up(&mut self, names: &[Named], families: &[Family], entities: &[Known]) {
        for (at, named) in names.iter().enumerate().skip(self.series.len()) {
            self.series.insert(Arc::clone(&named.series), at as u32);
        }
        for (at, family) in families.iter().enumerate().skip(self.families.len()) {
            self.families.insert((family.source.clone(), family.signal.clone()), at as u32);
        }
        for (at, known) in entities.iter().enumerate().skip(self.entities.len()) {
            self.entities.insert(known.entity.clone(), at as u32);
        }
    }
}

/// Whether the newer fact takes the place of the older one.
fn says_the_same_thing(older: &str, newer: &str) -> bool {
    let key = |json: &str| -> Option<(String, &'static str, String)> {
        let fact: Fact = serde_json::from_str(json).ok()?;
        let what = fact.kind.key();
        Some((fact.source, fact.kind.word(), what))
    };
    older == newer || key(older) == key(newer)
}

/// A state with a batch being laid over it.
#[derive(Debug)]
pub struct Draft<'a> {
    state: &'a State,
    pub batch: &'a Batch,
    change: Change,
    /// Bins that were judged, by family.
    judged: Vec<(u32, i64)>,
    touched: Vec<u32>,
}

impl<'a> Draft<'a> {
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
            let new = self.change.new_series.iter().enumerate().filter(|(_, (series, ..))| series.is_control());
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
        let taken =
            head.take(received, Bin { start, value }, normal, |from, until| self.is_in_fault(family, from, until));
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
            && (hour_ended - head.score.since < super::lifecycle::SUSPICION_LASTS
                || !self.all_others_are_well(series, head))
        {
            return false;
        }
        self.life(head.entity).allows_learning(hour_ended)
    }

    /// Whether other witnesses are heard of the entity and none of them misses anything.
    fn all_others_are_well(&self, series: u32, head: &Head) -> bool {
        let others = self.series_of(head.entity).iter().filter_map(|other| Some((*other, self.head(*other)?)));
        let mut others = others.filter(|(other, _)| self.named(*other).witness != self.named(series).witness);
        let mut heard = 0;
        others.all(|(other, head)| {
            heard += usize::from(self.why_unknown(other, head).is_none());
            !head.score.is_low
        }) && heard > 0
    }

    /// Forgets what was learned of an entity since `from`: it was wrong already.
    pub fn spoil(&mut self, entity: u32, from: i64) {
        let hour = from.div_euclid(HOUR).max(0) as u32;
        for series in &self.state.entities[entity as usize].series {
            self.change.spoiled.push((*series, hour));
        }
        let series = &self.state.entities[entity as usize].series;
        self.change.slots.retain(|(number, slot)| !series.contains(number) || slot.hour < hour);
    }

    // What the draft reads: the change where it has something, the state below.

    pub fn head(&self, series: u32) -> Option<&Head> {
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
        let kept = known.iter().filter(|old| !fresh.clone().any(|new| says_the_same_thing(old, new)));
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

    pub fn life(&self, entity: u32) -> &Life {
        match self.change.lives.iter().find(|(at, _)| *at == entity) {
            Some((_, life)) => life,
            None => &self.state.lives[entity as usize],
        }
    }

    pub fn put_life(&mut self, entity: u32, life: Life) {
        upsert(&mut self.change.lives, entity, life);
    }

    fn take_head(&mut self, series: u32) -> Option<Box<Head>> {
        match self.change.heads.binary_search_by_key(&series, |(at, _)| *at) {
            Ok(at) => Some(self.change.heads[at].1.clone()),
            Err(_) => self.state.heads.get(series as usize).cloned().map(Box::new),
        }
    }

    fn put_head(&mut self, series: u32, head: Box<Head>) {
        match self.change.heads.binary_search_by_key(&series, |(at, _)| *at) {
            Ok(at) => self.change.heads[at].1 = head,
            Err(at) => self.change.heads.insert(at, (series, head)),
        }
    }

    fn head_mut(&mut self, series: u32) -> &mut Head {
        let at = match self.change.heads.binary_search_by_key(&series, |(at, _)| *at) {
            Ok(at) => at,
            Err(at) => {
                self.change.heads.insert(at, (series, Box::new(self.state.heads[series as usize].clone())));
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
        self.put_head(number, Box::new(Head::new(entity, family, series.counts_witnesses())));
        number
    }
}

fn upsert<T>(list: &mut Vec<(u32, T)>, at: u32, value: T) {
    match list.iter_mut().find(|(known, _)| *known == at) {
        Some((_, old)) => *old = value,
        None => list.push((at, value)),
    }
}
