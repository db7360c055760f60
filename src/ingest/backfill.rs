//! The past to be read: the first 14 days of a new entity, and the hours in which we were away.
//! Pure.

use crate::domain::{
    Arrival, Entity, Seconds, Timestamp,
    time::{DAY, HOUR},
};
use crate::store::{EntityFault, Progress};
use std::collections::BTreeMap;

/// The past of a new entity that is read: enough for a normal by hour of the day that one odd day
/// does not bend.
const FIRST: Seconds = 14 * DAY;
/// A catch-up begins this many seconds earlier, since the last bins may have been revised.
const OVERLAP: Seconds = 2 * HOUR;

/// The seconds that are requested at once: RIPEstat gives coarser bins for longer windows, and a
/// kill loses no more than this.
const STEP: Seconds = 2 * DAY;

/// A period of the past that has to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The entities that lack the same period.
    pub entities: Vec<Entity>,
    /// Start of the period, a full hour.
    pub from: Timestamp,
    /// End of the period: now.
    pub until: Timestamp,
    /// `Backfilled` for new entities, `CaughtUp` after an absence.
    pub arrival: Arrival,
}

/// Returns the gaps of the entities. Those that lack the same period are read together. A known
/// entity lacks something after more than `longest_pause` seconds.
pub fn gaps(
    entities: &[Entity],
    progress: &[Progress],
    now: Timestamp,
    longest_pause: Seconds,
) -> Vec<Gap> {
    let mut together: BTreeMap<(bool, Timestamp), Vec<Entity>> = BTreeMap::new();
    for entity in entities {
        let known = progress.iter().find(|p| p.entity == *entity);
        let first = known.is_none_or(|p| !p.done);
        let from = known.map_or(now - FIRST, |p| if first { p.to } else { p.to - OVERLAP });
        if first || known.is_none_or(|p| now - p.to > longest_pause) {
            together.entry((!first, from.floor_to(HOUR))).or_default().push(entity.clone());
        }
    }
    together
        .into_iter()
        .map(|((known, from), entities)| Gap {
            entities,
            from,
            until: now,
            arrival: if known { Arrival::CaughtUp } else { Arrival::Backfilled },
        })
        .collect()
}

impl Gap {
    /// Returns the gap in steps, oldest first.
    pub fn steps(&self) -> Vec<(Timestamp, Timestamp)> {
        steps(self.from, self.until)
    }
}

/// Splits a period into steps that can be resumed after a kill, oldest first.
pub fn steps(mut from: Timestamp, end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut steps = Vec::new();
    while from < end {
        let until = (from + STEP).min(end);
        steps.push((from, until));
        from = until;
    }
    steps
}

/// The past that a source lacks.
#[derive(Debug)]
pub(super) struct Lack {
    /// The periods to be read.
    pub(super) gaps: Vec<Gap>,
    /// How far each entity has been read.
    pub(super) progress: Vec<Progress>,
    /// Failed polls of the source in a row.
    pub(super) failures: u32,
    /// Faults of this source about single entities.
    pub(super) faults: Vec<EntityFault>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_new_entity_is_read_from_two_weeks_back_and_an_absence_from_where_it_began() {
        let [kp, ir, iq] =
            ["country/KP", "country/IR", "country/IQ"].map(|text| text.parse::<Entity>().unwrap());
        let now = at("2025-06-15 12:00");
        let read = |entity: &Entity, until: &str| Progress {
            entity: entity.clone(),
            from: at("2025-05-01"),
            to: at(until),
            done: true,
        };
        let progress = [read(&ir, "2025-06-15 02:30"), read(&iq, "2025-06-15 11:55")];
        let found = gaps(&[kp.clone(), ir.clone(), iq], &progress, now, HOUR);
        let shown: Vec<_> =
            found.iter().map(|gap| (gap.entities.clone(), gap.from, gap.arrival)).collect();
        assert_eq!(
            shown,
            [
                (vec![kp], at("2025-06-01 12:00"), Arrival::Backfilled),
                (vec![ir], at("2025-06-15 00:00"), Arrival::CaughtUp)
            ]
        );
        assert_eq!(found[0].steps().len(), 7);
    }
}
