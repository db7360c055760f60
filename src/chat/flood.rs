//! Limits how many commands of one person, and of one chat, are answered. A command beyond the
//! limit gets one short notice a minute, and otherwise no answer; the log gets one line a minute
//! with a count.

use crate::clock::{Clock, Millis};
use crate::notify::pace::Limit;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The shortest time between two notices to a person or chat, and between two lines in the log.
const NOTICE_EVERY_MS: Millis = 60_000;
/// The most people, and the most chats, that are remembered. Beyond that, those that asked least
/// are forgotten.
const REMEMBERED: usize = 4096;

/// The decision about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Within the limits: answer it.
    Answer,
    /// Above a limit: reply with the notice.
    SlowDown,
    /// Above a limit, and the notice was sent within the last minute.
    Silence,
}

/// The most commands that are answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Of one person, over all chats.
    pub person: Limit,
    /// Of one chat, over all people.
    pub chat: Limit,
}

/// The state of the limits on one platform. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Flood {
    platform: &'static str,
    clock: Clock,
    bounds: Bounds,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    people: HashMap<String, Bucket>,
    chats: HashMap<String, Bucket>,
    ignored: Rarely,
}

/// A token bucket by the generic cell rate algorithm. `due` is the time in ms at which the next
/// command would come if all came evenly.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    due: f64,
    noticed_at: Option<Millis>,
}

impl Bucket {
    fn is_open(self, limit: Limit, now: Millis) -> bool {
        self.due - limit.every_ms * f64::from(limit.burst.saturating_sub(1)) <= now as f64
    }

    fn take(&mut self, limit: Limit, now: Millis) {
        self.due = self.due.max(now as f64) + limit.every_ms;
    }

    fn refuse(&mut self, now: Millis) -> Admission {
        if self.noticed_at.is_some_and(|at| now - at < NOTICE_EVERY_MS) {
            return Admission::Silence;
        }
        self.noticed_at = Some(now);
        Admission::SlowDown
    }

    fn is_at_rest(self, now: Millis) -> bool {
        self.due <= now as f64
    }
}

impl Flood {
    pub(super) fn new(platform: &'static str, clock: Clock, bounds: Bounds) -> Self {
        Self { platform, clock, bounds, state: Arc::default() }
    }

    /// Decides whether a command of the person in the chat is answered, and counts it.
    pub(super) fn admit(&self, person: Option<&str>, chat: &str) -> Admission {
        let now = self.clock.millis();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { people, chats, ignored } = &mut *state;
        let mut person = person.map(|person| bucket(people, person, now));
        let chat = bucket(chats, chat, now);
        let admission =
            match person.as_deref_mut().filter(|person| !person.is_open(self.bounds.person, now)) {
                Some(person) => person.refuse(now),
                None if !chat.is_open(self.bounds.chat, now) => chat.refuse(now),
                None => {
                    if let Some(person) = person {
                        person.take(self.bounds.person, now);
                    }
                    chat.take(self.bounds.chat, now);
                    Admission::Answer
                }
            };
        let count =
            if admission == Admission::Answer { ignored.rest(now) } else { ignored.count(now) };
        drop(state);
        self.log(count);
        admission
    }

    /// Counts a command that is dropped for another reason: the chat's queue is full.
    pub(super) fn left_out(&self) {
        let now = self.clock.millis();
        let count = self.state.lock().unwrap_or_else(PoisonError::into_inner).ignored.count(now);
        self.log(count);
    }

    fn log(&self, count: Option<u64>) {
        if let Some(ignored) = count {
            tracing::warn!(platform = self.platform, ignored, "commands ignored: too many at once");
        }
    }
}

fn bucket<'b>(buckets: &'b mut HashMap<String, Bucket>, key: &str, now: Millis) -> &'b mut Bucket {
    if buckets.len() >= REMEMBERED && !buckets.contains_key(key) {
        buckets.retain(|_, bucket| !bucket.is_at_rest(now));
    }
    if buckets.len() >= REMEMBERED && !buckets.contains_key(key) {
        // All of them are still above their rate: the half that asked most stays.
        let mut due: Vec<f64> = buckets.values().map(|bucket| bucket.due).collect();
        let (_, median, _) = due.select_nth_unstable_by(REMEMBERED / 2, f64::total_cmp);
        let median = *median;
        buckets.retain(|_, bucket| bucket.due > median);
    }
    buckets.entry(key.to_owned()).or_default()
}

/// Counts a frequent event, to report it at most once a minute.
#[derive(Debug, Default)]
pub(super) struct Rarely {
    told_at: Option<Millis>,
    untold: u64,
}

impl Rarely {
    /// Counts one event. Returns the number of events since the last report if that was at least a
    /// minute ago.
    pub(super) fn count(&mut self, now: Millis) -> Option<u64> {
        self.untold += 1;
        self.rest(now)
    }

    /// Returns the number of unreported events if the last report was at least a minute ago.
    fn rest(&mut self, now: Millis) -> Option<u64> {
        if self.untold == 0 || self.told_at.is_some_and(|at| now - at < NOTICE_EVERY_MS) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    const BOUNDS: Bounds = Bounds {
        person: Limit { every_ms: 2000.0, burst: 5 },
        chat: Limit { every_ms: 1000.0, burst: 8 },
    };

    fn flood() -> (Flood, Clock) {
        let clock = Clock::simulated(Timestamp::from_unix(1_000_000));
        (Flood::new("test", clock.clone(), BOUNDS), clock)
    }

    #[test]
    fn a_flood_gets_its_burst_one_notice_and_then_silence() {
        let (flood, _) = flood();
        let got: Vec<Admission> = (0..10_000).map(|_| flood.admit(Some("ann"), "ops")).collect();
        let count = |wanted| got.iter().filter(|got| **got == wanted).count();
        assert_eq!(
            (count(Admission::Answer), count(Admission::SlowDown), count(Admission::Silence)),
            (5, 1, 9994)
        );
        assert_eq!(
            flood.admit(Some("bob"), "ops"),
            Admission::Answer,
            "others in the chat are answered"
        );
    }

    #[tokio::test]
    async fn who_waits_is_answered_again_and_noticed_at_most_once_a_minute() {
        let (flood, clock) = flood();
        let mut notices = 0;
        for second in 0..180 {
            clock.advance_to(Timestamp::from_unix(1_000_000 + second)).await;
            for _ in 0..10 {
                notices += usize::from(flood.admit(Some("ann"), "ops") == Admission::SlowDown);
            }
        }
        assert_eq!(notices, 3);
        clock.advance_to(Timestamp::from_unix(1_000_200)).await;
        let got: Vec<Admission> = (0..5).map(|_| flood.admit(Some("ann"), "ops")).collect();
        assert_eq!(got, [Admission::Answer; 5]);
    }

    #[test]
    fn many_people_in_one_chat_share_its_bound() {
        let (flood, _) = flood();
        let got: Vec<Admission> =
            (0..100).map(|person| flood.admit(Some(&person.to_string()), "ops")).collect();
        assert_eq!(got.iter().filter(|got| **got == Admission::Answer).count(), 8);
        assert_eq!(got.iter().filter(|got| **got == Admission::SlowDown).count(), 1);
        assert_eq!(flood.admit(Some("0"), "news"), Admission::Answer, "another chat has its own");
    }

    #[test]
    fn however_many_there_are_what_is_remembered_is_bounded_and_keeps_the_worst() {
        let (flood, _) = flood();
        for _ in 0..6 {
            flood.admit(Some("worst"), "there");
        }
        for person in 0..3 * REMEMBERED {
            flood.admit(Some(&person.to_string()), &person.to_string());
        }
        let state = flood.state.lock().unwrap();
        assert!(state.people.len() <= REMEMBERED && state.chats.len() <= REMEMBERED);
        drop(state);
        assert_eq!(flood.admit(Some("worst"), "there"), Admission::Silence);
    }

    #[test]
    fn what_happens_often_is_told_once_a_minute_with_its_count() {
        let mut rarely = Rarely::default();
        let told: Vec<u64> = (0..10_000).filter_map(|n| rarely.count(n * 20)).collect();
        assert_eq!(told, [1, 3000, 3000, 3000]);
        assert_eq!(
            (rarely.rest(230_000), rarely.rest(240_000), rarely.rest(300_000)),
            (None, Some(999), None)
        );
    }
}
