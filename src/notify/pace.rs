//! How fast a platform is told: below its published limits, and each chat for itself. Pure; times are milliseconds.

use std::collections::{HashMap, VecDeque};
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

/// Answers to commands take no more of a platform's overall limit than this: alerts need the rest.
const ANSWERS: Limit = Limit { every_ms: 200.0, burst: 10 };

/// A place in which little was asked lately takes this many answers at once: Telegram takes three messages in three
/// seconds. Where people ask more often than every five seconds there is no such burst; it comes back when they stop.
const CALM: Limit = Limit { every_ms: 5_000.0, burst: 3 };
/// An answer of that burst counts less than other messages, so that an alert right after three of them waits for three
/// seconds and not for ten; yet never less than a message to a person alone.
const CALM_SHARE: f64 = 2.0 / 3.0;
const CALM_AT_LEAST_MS: f64 = 1050.0;

const SECOND_MS: i64 = 1_000;
/// No pause from before a start is kept for longer.
const LONGEST_KEPT_S: i64 = 24 * 3600;

/// Beyond this many places those that may be called at once are forgotten.
const REMEMBERED: usize = 4096;

/// The pace of one platform. A *place* is what the platform counts together, such as a group with all its topics.
#[derive(Debug)]
pub struct Pace {
    overall: Limit,
    gate: Gate,
    answers: Gate,
    /// When the messages of the last second went, and those that are handed over already.
    recent: VecDeque<i64>,
    places: HashMap<String, Gate>,
    /// By place, when it will have been calm for long enough.
    calm: HashMap<String, Gate>,
    /// Places that are not called before that time, as the platform asked.
    resting: HashMap<String, i64>,
    all_rest_until: i64,
}

impl Pace {
    pub fn new(overall: Limit) -> Self {
        Self {
            overall,
            gate: Gate::default(),
            answers: Gate::default(),
            recent: VecDeque::new(),
            places: HashMap::new(),
            calm: HashMap::new(),
            resting: HashMap::new(),
            all_rest_until: 0,
        }
    }

    /// Returns when the next message may go to any place.
    pub fn opens_at(&self, now: i64) -> i64 {
        self.gate.opens_at(self.overall, now).max(self.all_rest_until)
    }

    /// Returns when the next message may go to this place.
    pub fn place_opens_at(&self, place: &str, limit: Limit, now: i64) -> i64 {
        self.place_gate(place)
            .opens_at(limit, now)
            .max(self.rests_until(place))
            .max(self.opens_at(now))
    }

    /// Counts a message that goes to the place at `at`.
    pub fn pass(&mut self, place: &str, limit: Limit, at: i64) {
        self.gate.pass(self.overall, at);
        self.recent.retain(|went| *went > at - SECOND_MS);
        self.recent.push_back(at);
        if self.places.len() >= REMEMBERED {
            self.places.retain(|_, gate| gate.due > at as f64);
        }
        if self.resting.len() >= REMEMBERED {
            self.resting.retain(|_, until| *until > at);
        }
        self.places.entry(place.to_owned()).or_default().pass(limit, at);
    }

    /// Returns when an answer to a command may go to this place. Where people go on asking an answer never uses the
    /// place's burst, so that an alert right after it need not wait; and it does not wait for the alerts of other places.
    pub fn answer_opens_at(&self, place: &str, limit: Limit, now: i64) -> i64 {
        let without_burst = Limit { burst: 1, ..limit };
        let paced = self.place_gate(place).opens_at(without_burst, now);
        let of_place = match self.calm_limit(place, limit, now) {
            Some(calm) => self.place_gate(place).opens_at(calm, now).min(paced),
            None => paced,
        };
        let of_all = self
            .answers
            .opens_at(ANSWERS, now)
            .max(self.second_has_room_at(now))
            .max(self.all_rest_until);
        of_place.max(self.rests_until(place)).max(of_all)
    }

    /// Returns when one more message fits into a second of the overall limit: a burst of answers beside many alerts
    /// must not exceed it.
    fn second_has_room_at(&self, now: i64) -> i64 {
        if self.overall.every_ms <= 0.0 {
            return now;
        }
        let at_most = (SECOND_MS as f64 / self.overall.every_ms) as usize + 1;
        let mut within: Vec<i64> =
            self.recent.iter().copied().filter(|went| *went > now - SECOND_MS).collect();
        within.sort_unstable_by_key(|went| std::cmp::Reverse(*went));
        within.get(at_most - 1).map_or(now, |went| (went + SECOND_MS).max(now))
    }

    /// Counts an answer that goes to the place at `at`. Alerts after it make room for it.
    pub fn pass_answer(&mut self, place: &str, limit: Limit, at: i64) {
        self.answers.pass(ANSWERS, at);
        self.pass(place, self.calm_limit(place, limit, at).unwrap_or(limit), at);
        if self.calm.len() >= REMEMBERED {
            self.calm.retain(|_, gate| gate.due > at as f64);
        }
        let calm = self.calm.entry(place.to_owned()).or_default();
        calm.pass(CALM, at);
        calm.due = calm.due.min(at as f64 + CALM.every_ms * f64::from(CALM.burst));
    }

    /// Returns the limit of answers in a place in which little was asked lately; `None` elsewhere.
    fn calm_limit(&self, place: &str, limit: Limit, now: i64) -> Option<Limit> {
        let is_calm = self.calm.get(place).copied().unwrap_or_default().opens_at(CALM, now) <= now;
        let every_ms = (limit.every_ms * CALM_SHARE).max(CALM_AT_LEAST_MS).min(limit.every_ms);
        is_calm.then_some(Limit { every_ms, burst: CALM.burst })
    }

    /// Counts the places to which nothing may go now: what is owed to them blocks nobody else.
    pub fn closed(&self, now: i64) -> usize {
        let shut = self.places.values().filter(|gate| gate.due > now as f64).count();
        shut + self.resting.values().filter(|until| **until > now).count()
    }

    /// Keeps the place from being called before `until`.
    pub fn rest(&mut self, place: &str, until: i64) {
        let known = self.resting.entry(place.to_owned()).or_default();
        *known = (*known).max(until);
    }

    /// Keeps every place from being called before `until`.
    pub fn rest_all(&mut self, until: i64) {
        self.all_rest_until = self.all_rest_until.max(until);
    }

    /// Takes up a pause from before a start that goes on for `left_s` more seconds; without a place it is the whole
    /// platform's. A clock that was ahead must not silence a platform for longer than a day.
    pub fn take_up(&mut self, place: Option<&str>, left_s: i64, now: i64) {
        let until = now + 1000 * left_s.min(LONGEST_KEPT_S);
        match place {
            Some(place) => self.rest(place, until),
            None => self.rest_all(until),
        }
    }

    /// Returns until when the platform asked not to be called at all.
    pub fn all_rest_until(&self) -> i64 {
        self.all_rest_until
    }

    /// Names the edits in a place, which a platform may ask to pause while new messages may go.
    pub fn edits_in(place: &str) -> String {
        format!("edits in {place}")
    }

    /// Returns until when the platform asked not to be called at all, or about this place.
    pub fn rests_until(&self, place: &str) -> i64 {
        self.resting.get(place).copied().unwrap_or(0).max(self.all_rest_until)
    }

    fn place_gate(&self, place: &str) -> Gate {
        self.places.get(place).copied().unwrap_or_default()
    }
}

/// A platform's pace as its outbox and the answers to commands share it.
#[derive(Clone, Debug)]
pub struct SharedPace(Arc<Mutex<Pace>>);

impl SharedPace {
    pub fn new(overall: Limit) -> Self {
        Self(Arc::new(Mutex::new(Pace::new(overall))))
    }

    /// Locks the pace. No lock is held across an await.
    pub fn lock(&self) -> MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHAT: Limit = Limit { every_ms: 1000.0, burst: 3 };

    #[test]
    fn a_chat_may_be_told_a_few_things_at_once_and_then_no_faster_than_its_limit() {
        let mut pace = Pace::new(Limit::NONE);
        let mut went = Vec::new();
        for _ in 0..5 {
            let at = pace.place_opens_at("1", CHAT, 0);
            pace.pass("1", CHAT, at);
            went.push(at);
        }
        assert_eq!(went, [0, 0, 0, 1000, 2000]);
        assert_eq!(pace.place_opens_at("2", CHAT, 0), 0, "another chat does not wait for it");
        assert_eq!(pace.place_opens_at("1", CHAT, 2000), 3000);
    }

    #[test]
    fn chats_that_wait_for_their_pace_or_a_pause_are_counted_as_closed() {
        let mut pace = Pace::new(Limit::NONE);
        assert_eq!(pace.closed(0), 0);
        pace.pass("1", CHAT, 0);
        pace.pass("2", CHAT, 0);
        pace.rest("3", 5_000);
        assert_eq!(
            (pace.closed(999), pace.closed(1_000), pace.closed(4_999), pace.closed(5_000)),
            (3, 1, 1, 0)
        );
    }

    #[test]
    fn what_has_passed_is_forgotten_and_what_has_not_is_kept() {
        let mut pace = Pace::new(Limit::NONE);
        for chat in 0..REMEMBERED {
            pace.pass(&chat.to_string(), CHAT, 0);
        }
        pace.rest("1", 9_000);
        pace.rest("2", 500);
        pace.pass("-1", CHAT, 1_000);
        assert_eq!(pace.places.len(), 1, "all but the newest are forgotten");
        assert_eq!(pace.place_opens_at("1", CHAT, 1_000), 9_000);
    }

    #[test]
    fn a_platform_that_asked_for_a_pause_gets_it() {
        let mut pace = Pace::new(Limit::per_second(10.0));
        pace.rest("1", 5_000);
        assert_eq!(
            (pace.place_opens_at("1", CHAT, 0), pace.place_opens_at("2", CHAT, 0)),
            (5_000, 0)
        );
        pace.rest_all(9_000);
        assert_eq!(pace.place_opens_at("2", CHAT, 0), 9_000);
    }

    #[test]
    fn alerts_make_room_for_an_answer() {
        let mut pace = Pace::new(Limit::per_second(10.0));
        pace.pass("1", Limit::NONE, 1000);
        assert_eq!(pace.opens_at(1000), 1100);
        assert_eq!(
            pace.answer_opens_at("2", CHAT, 1050),
            1050,
            "it does not wait for alerts to others"
        );
        pace.pass_answer("2", CHAT, 1050);
        assert_eq!(pace.opens_at(1050), 1200);
        for place in 3..12 {
            assert_eq!(pace.answer_opens_at(&place.to_string(), CHAT, 1050), 1050);
            pace.pass_answer(&place.to_string(), CHAT, 1050);
        }
        assert_eq!(pace.answer_opens_at("12", CHAT, 1050), 2000, "the second is full of both");
    }

    #[test]
    fn a_calm_group_has_three_answers_at_once_and_a_busy_one_has_not() {
        let group = Limit { every_ms: 3200.0, burst: 2 };
        let mut pace = Pace::new(Limit::NONE);
        let mut answer = |now| {
            let at = pace.answer_opens_at("1", group, now);
            pace.pass_answer("1", group, at);
            at
        };
        let calm: Vec<i64> = (0..3).map(|_| answer(0)).collect();
        assert_eq!(calm, [0, 0, 0]);
        let mut now = 0;
        let busy: Vec<i64> = (0..30)
            .map(|_| {
                now = answer(now);
                now
            })
            .collect();
        assert!(
            busy[0] > 3_000 && busy.windows(2).skip(2).all(|pair| pair[1] - pair[0] == 3_200),
            "{busy:?}"
        );
        assert_eq!(answer(now + 61_000), now + 61_000);
        assert_eq!(answer(now + 61_000), now + 61_000, "calm gives the burst back");
        // An alert right after three questions.
        let mut pace = Pace::new(Limit::NONE);
        (0..3).for_each(|_| pace.pass_answer("1", group, 0));
        assert_eq!(pace.place_opens_at("1", group, 0), 3_200);
        // Questions right after two alerts.
        let mut pace = Pace::new(Limit::NONE);
        (0..2).for_each(|_| pace.pass("1", group, 0));
        assert!(pace.answer_opens_at("1", group, 0) > 2_000);
    }

    #[test]
    fn answers_leave_a_busy_chat_a_place_for_an_alert() {
        let mut pace = Pace::new(Limit::NONE);
        let mut now = 0;
        for _ in 0..20 {
            now = pace.answer_opens_at("1", CHAT, now);
            pace.pass_answer("1", CHAT, now);
        }
        assert_eq!(now, 19_000, "one at a time");
        assert_eq!(pace.place_opens_at("1", CHAT, now), now, "an alert goes at once");
        pace.pass("1", CHAT, now);
        assert_eq!(
            pace.answer_opens_at("1", CHAT, now),
            now + 2000,
            "the next answer waits for it"
        );
    }

    #[test]
    fn an_answer_is_not_sent_where_the_platform_asked_for_a_pause() {
        let mut pace = Pace::new(Limit::NONE);
        pace.rest("1", 5_000);
        assert_eq!(
            (pace.answer_opens_at("1", CHAT, 0), pace.answer_opens_at("2", CHAT, 0)),
            (5_000, 0)
        );
        pace.rest_all(9_000);
        assert_eq!(pace.answer_opens_at("2", CHAT, 0), 9_000);
    }

    #[test]
    fn what_is_told_one_after_the_other_takes_no_longer_than_the_limit_says() {
        let mut pace = Pace::new(Limit::per_second(49.0));
        let mut now = 0;
        for chat in 0..=4_900 {
            let chat = chat.to_string();
            now = pace.place_opens_at(&chat, Limit::NONE, now);
            pace.pass(&chat, Limit::NONE, now);
        }
        assert!((100_000..=100_001).contains(&now), "{now}");
    }

    #[test]
    fn ten_answers_go_at_once_and_then_five_a_second() {
        let mut pace = Pace::new(Limit::per_second(50.0));
        for place in 0..10 {
            assert_eq!(pace.answer_opens_at(&place.to_string(), CHAT, 0), 0);
            pace.pass_answer(&place.to_string(), CHAT, 0);
        }
        assert_eq!(pace.answer_opens_at("10", CHAT, 0), 200);
    }

    proptest! {
        #[test]
        fn no_second_ever_holds_more_than_the_limit(pauses in prop::collection::vec(0..90_i64, 1..200)) {
            let mut pace = Pace::new(Limit::per_second(28.5));
            let (mut now, mut went) = (0, Vec::new());
            for (chat, pause) in pauses.into_iter().enumerate() {
                now += pause;
                let chat = chat.to_string();
                let at = pace.place_opens_at(&chat, Limit::NONE, now);
                pace.pass(&chat, Limit::NONE, at);
                went.push(at);
            }
            for (i, first) in went.iter().enumerate() {
                let within = went[i..].iter().take_while(|at| **at < first + 1000).count();
                prop_assert!(within <= 29, "{within} in the second from {first}");
            }
        }

        #[test]
        fn no_second_holds_more_than_thirty_alerts_and_answers(answers in prop::collection::vec(0..300_i64, 1..60)) {
            // Alerts are handed over as fast as they may go; people ask meanwhile.
            let mut pace = Pace::new(Limit::per_second(28.5));
            let mut went = Vec::new();
            let (mut now, mut alert) = (0, 0);
            for (person, pause) in answers.into_iter().enumerate() {
                now += pause;
                while pace.opens_at(now) <= now {
                    let place = format!("alert {alert}");
                    let at = pace.place_opens_at(&place, Limit::NONE, now);
                    pace.pass(&place, Limit::NONE, at);
                    went.push(at);
                    alert += 1;
                }
                let place = format!("person {person}");
                if pace.answer_opens_at(&place, Limit::NONE, now) <= now {
                    pace.pass_answer(&place, Limit::NONE, now);
                    went.push(now);
                }
            }
            went.sort_unstable();
            for (i, first) in went.iter().enumerate() {
                let within = went[i..].iter().take_while(|at| **at < first + 1000).count();
                prop_assert!(within <= 30, "{within} in the second from {first}");
            }
        }
    }
}
