//! The turns of a round: each name at its own moment, as far as slots become free before the round ends. Those that had no turn
//! are the first of the next round, so that all have equally many turns.

use crate::clock::{ActivityGuard, Clock, Millis};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A pool of slots, and where the next round goes on.
#[derive(Debug)]
pub(super) struct Lane {
    slots: Arc<Semaphore>,
    /// The first that had no turn in the last round.
    first: Option<String>,
}

/// When a round begins, and how long it is, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub began: Millis,
    pub whole: Millis,
}

impl Lane {
    pub(super) fn new(in_flight: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(in_flight.max(1))), first: None }
    }

    /// Hands out turns to `names` until all had one or the round ends: `begin` is called with the number of the name and the
    /// slot, which is given back when it is dropped. Those that `is_under_way` still holds of are passed over. Returns the
    /// numbers of those that had no turn.
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

    /// The numbers of `names` in their order, beginning with the first that had no turn. It stays the first while all have
    /// turns: each keeps its moment of the round.
    fn order(&self, names: &[String]) -> Vec<usize> {
        let first = self
            .first
            .as_ref()
            .and_then(|first| names.iter().position(|name| name == first))
            .unwrap_or(0);
        (first..names.len()).chain(0..first).collect()
    }

    /// A slot; none where none is free before the deadline.
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

/// The names of which a probe goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<Mutex<BTreeSet<String>>>);

/// A probe that goes on. Whatever ends it, a panic too, the name may be asked again then.
#[derive(Debug)]
pub(super) struct Mark {
    all: UnderWay,
    name: String,
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.lock().contains(name)
    }

    /// A mark for the name; none where a probe of it goes on.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| n.to_string()).collect()
    }

    /// Plays rounds of a minute, six hundred times as fast, in which nothing that was begun ends within its round. Returns who
    /// had turns in each.
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
