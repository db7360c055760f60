//! Computes how often each entity can be asked about within the calls of a day. Pure: the number of
//! calls spent comes from the caller, which keeps it in the database.

use crate::domain::time::DAY;
use crate::domain::{Seconds, Timestamp};

/// The allowance of calls to one source in a UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls from 00:00 to 24:00 UTC, the reserve included.
    pub calls_a_day: u32,
}

/// The urgency of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A scheduled call while all is well: it leaves the reserve untouched.
    Routine,
    /// An entity is suspected or down, a backfill runs, or a person asked: the call may use the
    /// reserve.
    Pressing,
}

/// The side that a call is made for. The operator's entities have a share of each source's calls
/// that no chat can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The entities in the configuration, and the controls.
    Operator,
    /// All other entities that chats have subscribed to, and their questions.
    Chats,
}

/// The largest share of a source's calls for chats, however much they subscribe to and ask.
pub const CHATS_AT_MOST: f64 = 0.25;

/// The calls of a day, divided between operator and chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// The part for the operator's entities: all that is not given to chats.
    pub operator: Budget,
    /// The part for the subscriptions of chats.
    pub chats: Budget,
}

/// The share of a day's calls that routine calls leave for [`Need::Pressing`].
const RESERVE: f64 = 0.2;

impl Budget {
    /// Divides the day's calls by the number of entities on each side. Chats never get more than a
    /// quarter ([`CHATS_AT_MOST`]), and that quarter also covers the calls that chats have spent on
    /// questions.
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

    /// Returns the number of calls left today for questions from chats, after `spent` calls in all,
    /// `spent_by_chats` of them by chats.
    pub fn left_for_questions(self, spent: u32, spent_by_chats: u32) -> u32 {
        self.for_chats_at_most().saturating_sub(spent_by_chats).min(self.left(spent, Need::Routine))
    }

    fn routine(self) -> u32 {
        (f64::from(self.calls_a_day) * (1.0 - RESERVE)) as u32
    }

    /// Returns the seconds from one routine call about an entity to the next on a usual day, at one
    /// call for each entity. The command `check` shows this number.
    pub fn cadence(self, entities: usize) -> Seconds {
        (DAY as f64 * entities as f64 / f64::from(self.routine().max(1))).ceil() as Seconds
    }

    /// Returns the same interval for the rest of today, after `spent` calls. A morning with many
    /// calls makes the evening slower, but never stops it; a morning with few calls makes nothing
    /// faster.
    pub fn cadence_today(self, entities: usize, spent: u32, now: Timestamp) -> Seconds {
        let remaining = DAY - (now - now.floor_to(DAY));
        let left = self.routine().saturating_sub(spent).max(1);
        let stretched = (remaining as f64 * entities as f64 / f64::from(left)).ceil() as Seconds;
        stretched.max(self.cadence(entities))
    }

    /// Returns the number of calls left today for this urgency.
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
