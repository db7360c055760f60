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

/// For whom a source is asked. What the operator watches has a share of each source's calls that no chat can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// What the configuration names, and the controls.
    Operator,
    /// What chats have subscribed to besides, and what they ask about.
    Chats,
}

/// At most this share of a source's calls goes to chats, whatever they subscribe to and ask.
pub const CHATS_AT_MOST: f64 = 0.25;

/// A day's calls, divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    pub operator: Budget,
    pub chats: Budget,
}

/// The share of a day's calls that the routine leaves for what presses.
const RESERVE: f64 = 0.2;

impl Budget {
    /// Divides the day's calls by the number of entities on each side; chats never get more than a quarter. What chats
    /// have spent beyond their subscriptions, by asking, is within that quarter too.
    pub fn split(self, operators: usize, chats: usize, spent_by_chats: u32) -> Shares {
        let at_most = self.for_chats_at_most();
        let fair = f64::from(self.calls_a_day) * chats as f64 / (operators + chats).max(1) as f64;
        let chats = at_most.min(fair as u32);
        let operator = self.calls_a_day - chats.max(spent_by_chats.min(at_most));
        Shares { operator: Self { calls_a_day: operator }, chats: Self { calls_a_day: chats } }
    }

    fn for_chats_at_most(self) -> u32 {
        (f64::from(self.calls_a_day) * CHATS_AT_MOST) as u32
    }

    /// Returns the calls that may still go to questions of chats today, when `spent_by_chats` calls are gone.
    pub fn left_for_questions(self, spent: u32, spent_by_chats: u32) -> u32 {
        self.for_chats_at_most().saturating_sub(spent_by_chats).min(self.left(spent, Need::Routine))
    }

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
    fn no_chat_can_take_the_operators_share() {
        assert_eq!(POLITE.split(20, 0, 0).operator, POLITE, "without subscriptions all of it");
        let shares = |operators, chats, spent| {
            let Shares { operator, chats } = POLITE.split(operators, chats, spent);
            (operator.calls_a_day, chats.calls_a_day)
        };
        assert_eq!(
            shares(18, 2, 0),
            (900, 100),
            "an entity of a chat counts like one of the operator's"
        );
        assert_eq!(shares(20, 600, 0), (750, 250), "up to a quarter");
        assert_eq!(shares(20, 600, 9999), (750, 250));
        assert_eq!(shares(20, 0, 120), (880, 0), "what was asked is gone");
        assert_eq!(shares(0, 0, 0), (1000, 0));
        assert_eq!(
            (POLITE.left_for_questions(100, 60), POLITE.left_for_questions(300, 250)),
            (190, 0)
        );
        assert_eq!(POLITE.left_for_questions(790, 60), 10, "the reserve is not for questions");
    }

    #[test]
    fn the_reserve_is_for_what_presses() {
        assert_eq!(POLITE.left(790, Need::Routine), 10);
        assert_eq!(POLITE.left(850, Need::Routine), 0);
        assert_eq!(POLITE.left(850, Need::Pressing), 150);
        assert_eq!(POLITE.left(1200, Need::Pressing), 0);
    }
}
