//! How much may be sent: 30 in a second overall, one in a second to a chat with a burst of three, and twenty in a minute
//! to a group or channel. Edits count like new messages.

use super::refusal::Refusal;
use linkdown::clock::Millis;
use std::collections::VecDeque;

/// What went, and until when nothing more may.
#[derive(Debug, Default)]
pub struct Pace {
    went: VecDeque<Millis>,
    told_at: Millis,
    closed_until: Millis,
}

/// So many in so many milliseconds.
pub type Window = (usize, Millis);

pub const OVERALL: &[Window] = &[(30, 1000)];
pub const PRIVATE: &[Window] = &[(3, 3000)];
pub const GROUP: &[Window] = &[(3, 3000), (20, 60_000)];

/// For as long after a 429 that concerns everybody, what comes may have been on its way already.
const ON_ITS_WAY: Millis = 100;

impl Pace {
    /// Seconds for which nothing may go, because a 429 said so.
    pub fn closed_for(&self, now: Millis) -> Option<i64> {
        (now < self.closed_until).then(|| seconds(self.closed_until - now))
    }

    /// How much of the pause is left.
    pub fn left(&self, now: Millis) -> Millis {
        (self.closed_until - now).max(0)
    }

    /// When the last pause was asked for.
    pub fn told_at(&self) -> Millis {
        self.told_at
    }

    pub fn may_not_know_yet(&self, now: Millis) -> bool {
        now <= self.told_at + ON_ITS_WAY
    }

    pub fn close(&mut self, now: Millis, seconds: i64) -> Refusal {
        self.told_at = now;
        self.closed_until = now + 1000 * seconds;
        Refusal::too_many(seconds)
    }

    /// How long to wait before one more fits into each of the windows.
    pub fn wait(&mut self, now: Millis, windows: &[Window]) -> Option<i64> {
        let longest = windows.iter().map(|(_, length)| *length).max().unwrap_or_default();
        while self.went.front().is_some_and(|at| at + longest <= now) {
            self.went.pop_front();
        }
        let waits = windows.iter().filter_map(|(most, length)| {
            let oldest = self.went.iter().rev().nth(most - 1)?;
            (oldest + length > now).then(|| seconds(oldest + length - now))
        });
        waits.max()
    }

    pub fn spend(&mut self, now: Millis) {
        self.went.push_back(now);
    }
}

fn seconds(millis: Millis) -> i64 {
    ((millis + 999) / 1000).max(1)
}
