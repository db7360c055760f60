//! How fast a platform is told: below its published limits, and each chat for itself. Pure; times are milliseconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many milliseconds between two messages, and how many may go before that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    pub every_ms: f64,
    pub burst: u32,
}

impl Limit {
    /// None at all.
    pub const NONE: Self = Self { every_ms: 0.0, burst: 1 };

    pub const fn per_second(count: f64) -> Self {
        Self { every_ms: 1000.0 / count, burst: 1 }
    }
}

/// When the next may go, by the generic cell rate algorithm: `due` is when it would be if all came evenly.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    due: f64,
}

impl Gate {
    fn opens_at(self, limit: Limit, now: i64) -> i64 {
        let tolerance = limit.every_ms * f64::from(limit.burst.saturating_sub(1));
        ((self.due - tolerance).ceil() as i64).max(now)
    }

    fn pass(&mut self, limit: Limit, at: i64) {
        // Without a limit what goes to one later holds up nobody else.
        if limit.every_ms > 0.0 {
            // The part of a millisecond by which it was rounded up is no pause: it would add up.
            let is_on_time = at as f64 - self.due < 1.0;
            self.due = if is_on_time { self.due } else { at as f64 } + limit.every_ms;
        }
    }
}

/// What all that goes to a platform shares, whoever sends it.
#[derive(Debug)]
pub struct Overall {
    limit: Limit,
    gate: Mutex<Gate>,
}

impl Overall {
    pub fn new(limit: Limit) -> Arc<Self> {
        Arc::new(Self { limit, gate: Mutex::default() })
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opens_at(&self, now: i64) -> i64 {
        self.gate().opens_at(self.limit, now)
    }

    /// Something goes at `at`; what comes after makes room for it.
    pub fn pass(&self, at: i64) {
        self.gate().pass(self.limit, at);
    }
}

/// The pace of one platform.
#[derive(Debug)]
pub struct Pace {
    overall: Arc<Overall>,
    chats: HashMap<i64, Gate>,
    /// Chats that are to be left alone until then, as the platform asked.
    resting: HashMap<i64, i64>,
    all_rest_until: i64,
}

/// Beyond so many chats those that are at rest are forgotten.
const REMEMBERED: usize = 4096;

impl Pace {
    pub fn new(overall: Arc<Overall>) -> Self {
        Self { overall, chats: HashMap::new(), resting: HashMap::new(), all_rest_until: 0 }
    }

    /// When anything at all may go.
    pub fn opens_at(&self, now: i64) -> i64 {
        self.overall.opens_at(now).max(self.all_rest_until)
    }

    /// When something may go to this chat.
    pub fn chat_opens_at(&self, chat: i64, limit: Limit, now: i64) -> i64 {
        let gate = self.chats.get(&chat).copied().unwrap_or_default();
        let rest = self.resting.get(&chat).copied().unwrap_or(0);
        gate.opens_at(limit, now).max(rest).max(self.opens_at(now))
    }

    /// Something goes to the chat at `at`.
    pub fn pass(&mut self, chat: i64, limit: Limit, at: i64) {
        self.overall.pass(at);
        if self.chats.len() >= REMEMBERED {
            self.chats.retain(|_, gate| gate.due > at as f64);
            self.resting.retain(|_, until| *until > at);
        }
        self.chats.entry(chat).or_default().pass(limit, at);
    }

    /// Chats to which nothing may go now: what is owed to them is in nobody's way.
    pub fn closed(&self, now: i64) -> usize {
        let shut = self.chats.values().filter(|gate| gate.due > now as f64).count();
        shut + self.resting.values().filter(|until| **until > now).count()
    }

    pub fn rest(&mut self, chat: i64, until: i64) {
        let known = self.resting.entry(chat).or_default();
        *known = (*known).max(until);
    }

    pub fn rest_all(&mut self, until: i64) {
        self.all_rest_until = self.all_rest_until.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHAT: Limit = Limit { every_ms: 1000.0, burst: 3 };

    #[test]
    fn a_chat_may_be_told_a_few_things_at_once_and_then_no_faster_than_its_limit() {
        let mut pace = Pace::new(Overall::new(Limit::NONE));
        let mut went = Vec::new();
        for _ in 0..5 {
            let at = pace.chat_opens_at(1, CHAT, 0);
            pace.pass(1, CHAT, at);
            went.push(at);
        }
        assert_eq!(went, [0, 0, 0, 1000, 2000]);
        assert_eq!(pace.chat_opens_at(2, CHAT, 0), 0, "another chat does not wait for it");
        assert_eq!(pace.chat_opens_at(1, CHAT, 2000), 3000);
    }

    #[test]
    fn chats_that_wait_for_their_pace_or_a_pause_are_counted_as_closed() {
        let mut pace = Pace::new(Overall::new(Limit::NONE));
        assert_eq!(pace.closed(0), 0);
        pace.pass(1, CHAT, 0);
        pace.pass(2, CHAT, 0);
        pace.rest(3, 5_000);
        assert_eq!((pace.closed(999), pace.closed(1_000), pace.closed(4_999), pace.closed(5_000)), (3, 1, 1, 0));
    }

    #[test]
    fn what_has_passed_is_forgotten_and_what_has_not_is_kept() {
        let mut pace = Pace::new(Overall::new(Limit::NONE));
        for chat in 0..REMEMBERED as i64 {
            pace.pass(chat, CHAT, 0);
        }
        pace.rest(1, 9_000);
        pace.rest(2, 500);
        pace.pass(-1, CHAT, 1_000);
        assert_eq!((pace.chats.len(), pace.resting.len()), (1, 1), "all but the newest, and the rest that goes on");
        assert_eq!(pace.chat_opens_at(1, CHAT, 1_000), 9_000);
    }

    #[test]
    fn a_platform_that_asked_for_a_pause_gets_it() {
        let mut pace = Pace::new(Overall::new(Limit::per_second(10.0)));
        pace.rest(1, 5_000);
        assert_eq!((pace.chat_opens_at(1, CHAT, 0), pace.chat_opens_at(2, CHAT, 0)), (5_000, 0));
        pace.rest_all(9_000);
        assert_eq!(pace.chat_opens_at(2, CHAT, 0), 9_000);
    }

    #[test]
    fn alerts_make_room_for_an_answer() {
        let overall = Overall::new(Limit::per_second(10.0));
        let mut pace = Pace::new(Arc::clone(&overall));
        pace.pass(1, Limit::NONE, 1000);
        assert_eq!(pace.opens_at(1000), 1100);
        overall.pass(1050);
        assert_eq!(pace.opens_at(1050), 1200);
    }

    #[test]
    fn what_is_told_one_after_the_other_takes_no_longer_than_the_limit_says() {
        let mut pace = Pace::new(Overall::new(Limit::per_second(49.0)));
        let mut now = 0;
        for chat in 0..=4_900 {
            now = pace.chat_opens_at(chat, Limit::NONE, now);
            pace.pass(chat, Limit::NONE, now);
        }
        assert!((100_000..=100_001).contains(&now), "{now}");
    }

    proptest! {
        #[test]
        fn no_second_ever_holds_more_than_the_limit(pauses in prop::collection::vec(0..90_i64, 1..200)) {
            let mut pace = Pace::new(Overall::new(Limit::per_second(28.5)));
            let (mut now, mut went) = (0, Vec::new());
            for (chat, pause) in pauses.into_iter().enumerate() {
                now += pause;
                let at = pace.chat_opens_at(chat as i64, Limit::NONE, now);
                pace.pass(chat as i64, Limit::NONE, at);
                went.push(at);
            }
            for (i, first) in went.iter().enumerate() {
                let within = went[i..].iter().take_while(|at| **at < first + 1000).count();
                prop_assert!(within <= 29, "{within} in the second from {first}");
            }
        }
    }
}
