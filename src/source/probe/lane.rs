//! Schedules the turns of a round. Each name has its own moment, as long as slots become free
//! before the round ends. Names that had no turn come first in the next round, so over time all
//! have equally many.

use crate::clock::{ActivityGuard, Clock, Millis};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A pool of slots, and the place where the next round starts.
#[derive(Debug)]
pub(super) struct Lane {
    slots: Arc<Semaphore>,
    /// The first name that had no turn in the last round in which some had none.
    first: Option<String>,
}

/// The start and the length of a round, in milliseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// When the round began, by the monotonic clock.
    pub began: Millis,
    /// The length of the round.
    pub whole: Millis,
}

impl Lane {
    /// Creates a lane with so many slots, at least one.
    pub(super) fn new(in_flight: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(in_flight.max(1))), first: None }
    }

    /// Gives turns to `names` until each had one or the round ends. Calls `begin` with the index of
    /// the name and a slot, which becomes free again when it is dropped. Skips names for which
    /// `is_under_way` holds. Returns the indexes of the names that had no turn.
    pub(super) async fn run(
        &mut self,
        clock: &Clock,
        names: &[String],
        span: Span,
        is_under_way: impl Fn(usize) -> bool,
        mut begin: impl FnMut(usize, OwnedSemaphorePermit),
        mut busy: ActivityGuard,
    ) -> BTreeSet<usize> {
        let order = self.order(names);
        for (place, number) in order.iter().enumerate() {
            let due = span.began + span.whole * place as Millis / order.len() as Millis;
            busy = clock.sleep_until_millis(due, busy).await;
            if is_under_way(*number) {
                continue;
            }
            let Some(slot) = self.slot(clock, span.began + span.whole).await else {
                self.first = names.get(*number).cloned();
                return order[place..]
                    .iter()
                    .copied()
                    .filter(|number| !is_under_way(*number))
                    .collect();
            };
            begin(*number, slot);
        }
        BTreeSet::new()
    }

    /// Returns the indexes of `names` in their order, beginning with the first name that had no
    /// turn. That name stays the first while all have turns, so each keeps its moment of the round.
    fn order(&self, names: &[String]) -> Vec<usize> {
        let first = self
            .first
            .as_ref()
            .and_then(|first| names.iter().position(|name| name == first))
            .unwrap_or(0);
        (first..names.len()).chain(0..first).collect()
    }

    /// Waits for a slot. Returns `None` if none becomes free before the deadline.
    async fn slot(&self, clock: &Clock, deadline: Millis) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Some(slot);
        }
        tokio::select! {
            biased;
            slot = Arc::clone(&self.slots).acquire_owned() => slot.ok(),
            _ = clock.sleep_until_millis(deadline, ActivityGuard::default()) => None,
        }
    }
}

/// The names whose probes are running.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<Mutex<BTreeSet<String>>>);

/// Marks the probe of a name as running until it is dropped. A panic drops it too, so the name can
/// be probed again in any case.
#[derive(Debug)]
pub(super) struct Mark {
    all: UnderWay,
    name: String,
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a probe of the name is running.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.lock().contains(name)
    }

    /// Returns a mark for the name, or `None` if a probe of it is running.
    pub(super) fn begin(&self, name: &str) -> Option<Mark> {
        let is_new = self.lock().insert(name.to_owned());
        is_new.then(|| Mark { all: self.clone(), name: name.to_owned() })
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.all.lock().remove(&self.name);
    }
}

/// Returns the sort key of a target or site in the order of a round.
pub(super) fn order_of(text: String) -> (u64, String) {
    // FNV-1a is stable across versions of the program; the hash of the standard library is not.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| n.to_string()).collect()
    }

    /// Plays rounds of a minute at 600 times the speed, in which no probe ends within its round.
    /// Returns the indexes that had turns in each.
    async fn turns(in_flight: usize, all: usize, rounds: usize) -> Vec<Vec<usize>> {
        let (clock, mut lane) =
            (Clock::accelerated(Timestamp::from_unix(0), 600), Lane::new(in_flight));
        let (names, mut played) = (names(all), Vec::new());
        for _ in 0..rounds {
            let (mut had, mut held) = (Vec::new(), Vec::new());
            let span = Span { began: clock.millis(), whole: 60_000 };
            let begin = |number, slot| {
                had.push(number);
                held.push(slot);
            };
            let unreached =
                lane.run(&clock, &names, span, |_| false, begin, ActivityGuard::default()).await;
            assert_eq!(
                had.len() + unreached.len(),
                all,
                "each had a turn or is told not to have had one"
            );
            played.push(had);
        }
        played
    }

    #[tokio::test]
    async fn who_had_no_turn_is_the_first_of_the_next_round() {
        let played = turns(4, 10, 5).await;
        assert_eq!(
            played,
            [
                vec![0, 1, 2, 3],
                vec![4, 5, 6, 7],
                vec![8, 9, 0, 1],
                vec![2, 3, 4, 5],
                vec![6, 7, 8, 9]
            ]
        );
    }

    #[tokio::test]
    async fn where_there_are_slots_for_all_each_keeps_its_moment() {
        assert_eq!(turns(10, 10, 3).await, vec![(0..10).collect::<Vec<_>>(); 3]);
    }
}
