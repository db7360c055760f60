//! How often each entity can be asked within a day's budget, and how much of it may be spent by now. Pure: what was
//! spent is kept in the database by others.

use crate::domain::time::DAY;
use crate::domain::{Seconds, Timestamp};

/// The calls of a UTC day and the part of them that is kept for suspects and questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub calls_a_day: u32,
    pub reserve_percent: u32,
}

/// What the RIPE NCC bears without being asked, a fifth of it kept back.
pub const DEFAULT: Budget = Budget { calls_a_day: 1000, reserve_percent: 20 };

/// What a watchlist results in: shown by `check` and in the answer to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// Seconds from one question about an entity to the next: a whole number of ticks.
    pub every: Seconds,
    /// Routine calls a day that this makes.
    pub calls_a_day: u32,
    /// Calls a day that are left for suspects and questions.
    pub left: u32,
}

/// For what a call is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Routine,
    /// Something is suspected or down, or somebody asked: the reserve may be used.
    Pressing,
}

impl Budget {
    /// Calls a day for the routine.
    pub fn routine(&self) -> u32 {
        let kept = u64::from(self.calls_a_day) * u64::from(self.reserve_percent.min(100)) / 100;
        self.calls_a_day - kept as u32
    }

    /// How often each of `entities` is asked, with `calls_each` calls, on a schedule that fires every `tick` seconds.
    /// `None` where the budget does not allow each one to be asked even once a day.
    pub fn cadence(&self, entities: u32, calls_each: u32, tick: Seconds) -> Option<Cadence> {
        let tick = tick.max(1);
        let round = u64::from(entities) * u64::from(calls_each);
        let whole_day = Cadence { every: tick, calls_a_day: 0, left: self.calls_a_day };
        if round == 0 {
            return Some(whole_day);
        }
        let rounds = i64::try_from(u64::from(self.routine()) / round).unwrap_or(0);
        if rounds == 0 {
            return None;
        }
        let ticks = (DAY as u64).div_ceil(rounds as u64).div_ceil(tick as u64);
        let every = tick * ticks as i64;
        let calls_a_day = ((DAY as u64 * round).div_ceil(every as u64)).min(u64::from(self.calls_a_day)) as u32;
        Some(Cadence { every, calls_a_day, left: self.calls_a_day - calls_a_day })
    }

    /// How many calls may go at `now`, when `spent` of this UTC day's are gone. The routine's share is released evenly
    /// over the day, one `tick` ahead, so that a busy morning leaves something for the evening; what presses may take all.
    pub fn allowance(&self, spent: u32, now: Timestamp, tick: Seconds, need: Need) -> u32 {
        let released = match need {
            Need::Pressing => self.calls_a_day,
            Need::Routine => {
                let elapsed = (now - now.floor_to(DAY) + tick.max(1)).clamp(0, DAY);
                (u64::from(self.routine()) * elapsed as u64).div_ceil(DAY as u64) as u32
            }
        };
        released.saturating_sub(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_watchlist_is_asked_at_every_tick() {
        assert_eq!(DEFAULT.cadence(2, 1, 300), Some(Cadence { every: 300, calls_a_day: 576, left: 424 }));
        assert_eq!(DEFAULT.cadence(0, 1, 300), Some(Cadence { every: 300, calls_a_day: 0, left: 1000 }));
    }

    #[test]
    fn a_longer_one_stretches_to_fit_and_keeps_the_reserve() {
        for entities in [3, 15, 40, 200, 800] {
            let cadence = DEFAULT.cadence(entities, 1, 300).unwrap();
            assert_eq!(cadence.every % 300, 0);
            assert!(cadence.calls_a_day <= 800, "{entities}: {cadence:?}");
        }
        assert_eq!(DEFAULT.cadence(15, 1, 300).unwrap().every, 1800);
        assert_eq!(DEFAULT.cadence(801, 1, 300), None);
    }

    #[test]
    fn the_routine_is_released_over_the_day_and_what_presses_may_take_the_rest() {
        let at = |hour: i64| Timestamp::from_unix(20_000 * DAY + hour * 3600);
        assert_eq!(DEFAULT.allowance(0, at(0), 300, Need::Routine), 3);
        assert_eq!(DEFAULT.allowance(0, at(12), 300, Need::Routine), 403);
        assert_eq!(DEFAULT.allowance(403, at(12), 300, Need::Routine), 0);
        assert_eq!(DEFAULT.allowance(403, at(12), 300, Need::Pressing), 597);
        assert_eq!(DEFAULT.allowance(1200, at(23), 300, Need::Pressing), 0);
    }
}
