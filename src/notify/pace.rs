//! How fast messages are sent: below the published limits of a platform, and each chat for itself.
//! Pure; times are in milliseconds.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A rate limit: an interval between messages, and a burst that may be sent without waiting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Milliseconds between two messages on average; 0 for no limit.
    pub every_ms: f64,
    /// Messages that may be sent at once after a pause, at least 1.
    pub burst: u32,
}

impl Limit {
    /// No limit at all.
    pub const NONE: Self = Self { every_ms: 0.0, burst: 1 };

    /// Returns a limit of `count` evenly spaced messages per second.
    pub const fn per_second(count: f64) -> Self {
        Self { every_ms: 1000.0 / count, burst: 1 }
    }
}

/// The state of one limit, by the generic cell rate algorithm.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    /// When the next message would be sent if all were evenly spaced.
    due: f64,
}

impl Gate {
    fn opens_at(self, limit: Limit, now: i64) -> i64 {
        let tolerance = limit.every_ms * f64::from(limit.burst.saturating_sub(1));
        ((self.due - tolerance).ceil() as i64).max(now)
    }

    fn pass(&mut self, limit: Limit, at: i64) {
        // Without a limit, a message that is scheduled for later must not delay any other.
        if limit.every_ms > 0.0 {
            // Sending times are rounded up to whole milliseconds. The rounding does not count as a
            // pause: it would add up over many messages.
            let is_on_time = at as f64 - self.due < 1.0;
            self.due = if is_on_time { self.due } else { at as f64 } + limit.every_ms;
        }
    }
}

/// The share of a platform's overall limit that answers to commands may use. Alerts need the rest.
const ANSWERS: Limit = Limit { every_ms: 200.0, burst: 10 };

/// The burst of answers in a place with few recent commands: Telegram accepts three messages in
/// three seconds. A place with a command more often than every five seconds loses the burst and
/// gets it back when the commands stop.
const CALM: Limit = Limit { every_ms: 5_000.0, burst: 3 };
/// The share of the place's interval that an answer in that burst counts for. Being less than one,
/// it lets an alert right after three answers wait for three seconds instead of ten.
const CALM_SHARE: f64 = 2.0 / 3.0;
/// The least that an answer in that burst counts for: as much as a message to a single person.
const CALM_AT_LEAST_MS: f64 = 1050.0;

const SECOND_MS: i64 = 1_000;
/// The longest pause that is kept across a restart, in seconds.
const LONGEST_KEPT_S: i64 = 24 * 3600;

/// The number of places from which on those that may be sent to immediately are forgotten.
const REMEMBERED: usize = 4096;

/// The pace of one platform. A *place* is a set of chats for which the platform counts messages
/// together, such as a group with all its topics.
#[derive(Debug)]
pub struct Pace {
    overall: Limit,
    gate: Gate,
    answers: Gate,
    /// When each message of the last second was sent, and when those already handed over will be.
    recent: VecDeque<i64>,
    places: HashMap<String, Gate>,
    /// By place, the state of the `CALM` limit.
    calm: HashMap<String, Gate>,
    /// By place, the end of a pause that the platform asked for.
    resting: HashMap<String, i64>,
    all_rest_until: i64,
}

impl Pace {
    /// Returns the pace of a platform with this overall limit, to which nothing was sent yet.
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

    /// Returns the earliest time for the next message to any place.
    pub fn opens_at(&self, now: i64) -> i64 {
        self.gate.opens_at(self.overall, now).max(self.all_rest_until)
    }

    /// Returns the earliest time for the next message to this place.
    pub fn place_opens_at(&self, place: &str, limit: Limit, now: i64) -> i64 {
        self.place_gate(place)
            .opens_at(limit, now)
            .max(self.rests_until(place))
            .max(self.opens_at(now))
    }

    /// Counts a message that is sent to the place at `at`.
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

    /// Returns the earliest time for an answer to a command in this place. While commands keep
    /// coming, an answer never uses the place's burst, so that an alert right after it need not
    /// wait. An answer does not wait for the alerts to other places.
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

    /// Returns when one more message fits into a second of the overall limit, which a burst of
    /// answers beside many alerts must not exceed.
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

    /// Counts an answer that is sent to the place at `at`. Later alerts are delayed by it.
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

    /// Returns the limit for answers in a place with few recent commands, or `None` for a busy one.
    fn calm_limit(&self, place: &str, limit: Limit, now: i64) -> Option<Limit> {
        let is_calm = self.calm.get(place).copied().unwrap_or_default().opens_at(CALM, now) <= now;
        let every_ms = (limit.every_ms * CALM_SHARE).max(CALM_AT_LEAST_MS).min(limit.every_ms);
        is_calm.then_some(Limit { every_ms, burst: CALM.burst })
    }

    /// Counts the places to which nothing may be sent now. Deliveries to them must not block
    /// others.
    pub fn closed(&self, now: i64) -> usize {
        let shut = self.places.values().filter(|gate| gate.due > now as f64).count();
        shut + self.resting.values().filter(|until| **until > now).count()
    }

    /// Blocks every send to the place before `until`.
    pub fn rest(&mut self, place: &str, until: i64) {
        let known = self.resting.entry(place.to_owned()).or_default();
        *known = (*known).max(until);
    }

    /// Blocks every send on the platform before `until`.
    pub fn rest_all(&mut self, until: i64) {
        self.all_rest_until = self.all_rest_until.max(until);
    }

    /// Restores a pause from before a restart that lasts `left_s` more seconds. Without a place it
    /// applies to the whole platform. It is cut to one day: a pause that was stored while the clock
    /// was ahead must not silence a platform for longer.
    pub fn take_up(&mut self, place: Option<&str>, left_s: i64, now: i64) {
        let until = now + 1000 * left_s.min(LONGEST_KEPT_S);
        match place {
            Some(place) => self.rest(place, until),
            None => self.rest_all(until),
        }
    }

    /// Returns the end of the pause that the platform asked for as a whole; 0 without one.
    pub fn all_rest_until(&self) -> i64 {
        self.all_rest_until
    }

    /// Returns the key of the edits in a place, which may have to pause while new messages may be
    /// sent.
    pub fn edits_in(place: &str) -> String {
        format!("edits in {place}")
    }

    /// Returns the end of the pause that the platform asked for, as a whole or for this place.
    pub fn rests_until(&self, place: &str) -> i64 {
        self.resting.get(place).copied().unwrap_or(0).max(self.all_rest_until)
    }

    fn place_gate(&self, place: &str) -> Gate {
        self.places.get(place).copied().unwrap_or_default()
    }
}

/// The pace of a platform, shared by its outbox and the answers to commands.
#[derive(Clone, Debug)]
pub struct SharedPace(Arc<Mutex<Pace>>);

impl SharedPace {
    /// Returns a new pace with this overall limit.
    pub fn new(overall: Limit) -> Self {
        Self(Arc::new(Mutex::new(Pace::new(overall))))
    }

    /// Locks the pace. The guard must not be held across an await.
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
        // An alert right after three commands.
        let mut pace = Pace::new(Limit::NONE);
        (0..3).for_each(|_| pace.pass_answer("1", group, 0));
        assert_eq!(pace.place_opens_at("1", group, 0), 3_200);
        // Commands right after two alerts.
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
            // Alerts are handed over as fast as they may be sent, while people send commands.
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
