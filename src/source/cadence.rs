//! How often each entity can be asked within a day's calls. Pure: what was spent is kept in the database by others.

use crate::domain::time::DAY;
use crate::domain::{Seconds, Timestamp};

/// The calls of a UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub calls_a_day: u32,
}

/// For what a call is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Routine,
    /// Something is suspected or down, the past is being read, or somebody asked: the reserve may be used.
    Pressing,
}

/// The share of a day's calls that the routine leaves for what presses.
const RESERVE: f64 = 0.2;

impl Budget {
    fn routine(self) -> u32 {
        (f64::from(self.calls_a_day) * (1.0 - RESERVE)) as u32
    }

    /// Seconds from one question about an entity to the next on a usual day, one call each: what `check` shows.
    pub fn cadence(self, entities: usize) -> Seconds {
        (DAY as f64 * entities as f64 / f64::from(self.routine().max(1))).ceil() as Seconds
    }

    /// The same for the rest of today, when `spent` calls are gone: a morning that cost much makes the evening slower,
    /// never silent; one that cost little makes nothing quicker.
    pub fn cadence_today(self, entities: usize, spent: u32, now: Timestamp) -> Seconds {
        let remaining = DAY - (now - now.floor_to(DAY));
        let left = self.routine().saturating_sub(spent).max(1);
        let stretched = (remaining as f64 * entities as f64 / f64::from(left)).ceil() as Seconds;
        stretched.max(self.cadence(entities))
    }

    /// Calls that may still go today.
    pub fn left(self, spent: u32, need: Need) -> u32 {
        let most = match need {
            Need::Routine => self.routine(),
            Need::Pressing => self.calls_a_day,
        };
        most.saturating_sub(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLITE: Budget = Budget { calls_a_day: 1000 };

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn twenty_entities_are_asked_about_twice_an_hour() {
        assert_eq!(POLITE.cadence(20), 36 * 60);
    }

    #[test]
    fn a_day_that_began_with_a_backfill_goes_on_more_slowly() {
        assert_eq!(POLITE.cadence_today(20, 0, at("2025-06-06 00:00")), 36 * 60);
        assert_eq!(POLITE.cadence_today(20, 400, at("2025-06-06 00:00")), 72 * 60);
        assert_eq!(
            POLITE.cadence_today(20, 0, at("2025-06-06 12:00")),
            36 * 60,
            "what is left over is not hurried away"
        );
    }

    #[test]
    fn the_reserve_is_for_what_presses() {
        assert_eq!(POLITE.left(790, Need::Routine), 10);
        assert_eq!(POLITE.left(850, Need::Routine), 0);
        assert_eq!(POLITE.left(850, Need::Pressing), 150);
        assert_eq!(POLITE.left(1200, Need::Pressing), 0);
    }
}
