//! The state of the detector, and the change that a batch makes to it.
//!
//! Small heads, which every value changes, are kept apart from the long histories, which grow by an
//! hour now and then: a change carries only new heads and added hours.

mod draft;

pub use draft::StateOverlay;

use super::baseline::History;
use super::incident::{IncidentTracker, Stored};
use super::signal::SeriesTracker;
use super::slot::Slot;
use super::thresholds::PEOPLE;
use super::trust::Faults;
use crate::domain::{Batch, Entity, Evidence, Fact, Layer, Series, Timestamp, Witness};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Facts kept for each entity: enough for its gateways and the latest reports.
const KEPT_FACTS: usize = 16;
/// The witness number of RIPE's route collectors, whether they are read live or by their state.
const RIS: u32 = u32::MAX - 1;
/// The greatest depth to which "part of" is followed: site, prefix, ASN, region, country, and some
/// to spare.
const DEEPEST: usize = 8;

/// The state of the detector: a function of the batches it was given, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    names: Vec<Named>,
    heads: Vec<SeriesTracker>,
    histories: Vec<History>,
    families: Vec<Family>,
    faults: Vec<Faults>,
    entities: Vec<Known>,
    lives: Vec<IncidentTracker>,
    uplink: Faults,
    controls: Vec<u32>,
    #[serde(skip)]
    index: Index,
}

/// A series and the properties that follow from its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// Entity, source and signal.
    pub series: Arc<Series>,
    /// The layer that the series belongs to.
    pub layer: Layer,
    /// Number of the witness: `PEOPLE`, `RIS` or the number of the family.
    pub witness: u32,
}

/// One signal of one source over all entities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Family {
    source: String,
    signal: String,
    members: Vec<u32>,
}

/// An entity, its series, its place in the hierarchy, and the facts about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    entity: Entity,
    series: Vec<u32>,
    whole: Option<u32>,
    parts: Vec<u32>,
    /// JSON, oldest first: the one form of a fact that every format can hold.
    facts: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Index {
    series: HashMap<Arc<Series>, u32, Hashing>,
    families: HashMap<(String, String), u32, Hashing>,
    entities: HashMap<Entity, u32, Hashing>,
}

/// A quick hash without a secret key: names come from the config and from sources that the user
/// chose.
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
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x51_7c_c1_b7_27_22_0a_95);
        }
    }
}

/// The changes that a batch makes. [`State::apply`] applies them once the store has committed the
/// batch.
#[derive(Debug, Default)]
pub struct Change {
    new_entities: Vec<Entity>,
    new_families: Vec<(String, String)>,
    new_series: Vec<(Arc<Series>, u32, u32)>,
    heads: Vec<(u32, Box<SeriesTracker>)>,
    faults: Vec<(u32, Faults)>,
    lives: Vec<(u32, IncidentTracker)>,
    uplink: Option<Faults>,
    slots: Vec<(u32, Slot)>,
    /// Provisional normals of series that our own probes measure.
    begun: Vec<(u32, f64)>,
    /// Series, each with the Unix hour from which on its hours are forgotten.
    spoiled: Vec<(u32, u32)>,
    wholes: Vec<(u32, Option<u32>)>,
    facts: Vec<(u32, String)>,
    /// Families whose source changed its scale for every entity: their normals are learned again.
    renewed: Vec<u32>,
}

/// A series whose normal has changed, by a lasting change that was not an outage.
#[derive(Clone, Debug, PartialEq)]
pub struct Adopted {
    /// The series that changed its level.
    pub series: Arc<Series>,
    /// The usual value until now.
    pub before: f32,
    /// The usual value from now on; `None` means that it is learned again, since all series of the
    /// signal changed.
    pub now: Option<f32>,
}

impl State {
    /// The format of checkpoints. A checkpoint with another number is not read.
    pub const FORMAT: u32 = 4;

    /// Applies the change and returns the series that adopted another level.
    pub fn apply(&mut self, change: Change) -> Vec<Adopted> {
        let mut adopted = Vec::new();
        for entity in change.new_entities {
            self.entities.push(Known {
                entity,
                series: vec![],
                whole: None,
                parts: vec![],
                facts: vec![],
            });
            self.lives.push(IncidentTracker::default());
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
            self.heads.push(SeriesTracker::new(entity, family, series.counts_witnesses()));
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
                self.heads[at as usize].reset();
                adopted.push(Adopted {
                    series: Arc::clone(&self.names[at as usize].series),
                    before,
                    now: Some(now),
                });
            }
        }
        for family in change.renewed {
            for at in self.families[family as usize].members.clone() {
                let history = std::mem::take(&mut self.histories[at as usize]);
                self.heads[at as usize].reset();
                if let Some(normal) = history.normal() {
                    let (series, before) =
                        (Arc::clone(&self.names[at as usize].series), normal.usual());
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

    /// Returns the wholes that an entity is part of, the nearest first.
    fn wholes_of(&self, entity: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(self.whole_of(entity), |at| self.whole_of(*at)).take(DEEPEST)
    }

    fn whole_of(&self, entity: u32) -> Option<u32> {
        self.entities.get(entity as usize)?.whole
    }

    /// Returns the evidence about the entity as of the newest batch, or `None` for an unknown
    /// entity. `now` only decides which series are stale.
    pub fn evidence(&self, entity: &Entity, now: Timestamp) -> Option<Evidence> {
        let number = self.number_of(entity)?;
        let batch = Batch::live(now);
        Some(StateOverlay::new(self, &batch).evidence(number))
    }

    /// Returns the number of the entity in this state, or `None` for one that no batch has named.
    pub fn number_of(&self, entity: &Entity) -> Option<u32> {
        self.index.entities.get(entity).copied()
    }

    /// Returns whether the entity has an open incident, be it only suspected.
    pub fn is_open(&self, entity: &Entity) -> bool {
        self.index
            .entities
            .get(entity)
            .is_some_and(|number| self.lives[*number as usize].phase().is_some())
    }

    /// Returns each known pair of a part and its whole.
    pub fn relations(&self) -> Vec<(Entity, Entity)> {
        let whole = |known: &Known| {
            Some((known.entity.clone(), self.entities[known.whole? as usize].entity.clone()))
        };
        self.entities.iter().filter_map(whole).collect()
    }

    /// Adopts the stored incidents, each the newest of its entity. A state that was rebuilt from
    /// the observations still kept may not know all of them.
    pub fn reconcile(&mut self, stored: &[Stored]) {
        for newest in stored {
            if let Some(number) = self.index.entities.get(&newest.key.entity) {
                self.lives[*number as usize].reconcile(newest);
            }
        }
    }

    /// Returns the checkpoint of this state.
    pub fn encode(&self) -> Vec<u8> {
        // Writing to memory fails for no type that a state contains; at worst an empty checkpoint
        // results, which is not read.
        postcard::to_stdvec(&(Self::FORMAT, self)).unwrap_or_default()
    }

    /// Returns the state of a checkpoint, or `None` if it is damaged or of another format.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, rest) = postcard::take_from_bytes::<u32>(bytes).ok()?;
        if format != Self::FORMAT {
            return None;
        }
        let mut state: Self = postcard::from_bytes(rest).ok()?;
        state.index.catch_up(&state.names, &state.families, &state.entities);
        state.is_whole().then_some(state)
    }

    /// Returns whether every number refers to an existing entry: a damaged checkpoint must not end
    /// the program.
    fn is_whole(&self) -> bool {
        let (series, families, entities) =
            (self.names.len(), self.families.len(), self.entities.len());
        let below =
            |numbers: &[u32], limit: usize| numbers.iter().all(|number| (*number as usize) < limit);
        self.heads.len() == series
            && self.histories.len() == series
            && self.faults.len() == families
            && self.lives.len() == entities
            && below(&self.controls, series)
            && self
                .heads
                .iter()
                .all(|head| below(&[head.entity], entities) && below(&[head.family], families))
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

/// Returns whether the newer fact replaces the older one.
fn says_the_same_thing(older: &str, newer: &str) -> bool {
    let key = |json: &str| -> Option<(String, &'static str, String)> {
        let fact: Fact = serde_json::from_str(json).ok()?;
        let what = fact.kind.key();
        Some((fact.source, fact.kind.word(), what))
    };
    older == newer || key(older) == key(newer)
}
