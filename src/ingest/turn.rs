//! The chats' turn of a tick: entities that chats subscribed to beside the operator's watchlist are
//! polled after it, with a share of the calls and of the time that leaves the operator's own
//! schedule alone. Those that have waited longest come first.

use super::backfill::Gap;
use super::backfill::Lack;
use super::fill::Unread;
use super::tick::Ticker;
use crate::clock::ActivityGuard;
use crate::domain::{Entity, Timestamp};
use crate::source::Purpose;
use crate::source::cadence::{CHATS_AT_MOST, Share};
use crate::store::StoreError;

/// Calls of one piece of a turn: after each piece its batch is stored, and the time is checked
/// again.
const PIECE: usize = 12;

/// The calls and the time that are left of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    calls: usize,
    /// When the operator's next tick is due.
    until: Timestamp,
}

impl Turn {
    /// Returns the largest number of entities, from the front, whose calls fit into the rest of the
    /// turn and into one piece.
    fn fits(&self, count: usize, calls_of: impl Fn(usize) -> usize) -> usize {
        let most = self.calls.min(PIECE);
        // More entities never take fewer calls, so the bound can be found by halving.
        let (mut fits, mut too_many) = (0, count + 1);
        while too_many - fits > 1 {
            let middle = usize::midpoint(fits, too_many);
            if calls_of(middle) <= most { fits = middle } else { too_many = middle }
        }
        // An entity whose calls exceed a piece is asked about alone.
        if fits == 0 && count > 0 && calls_of(1) <= self.calls { 1 } else { fits }
    }

    fn spend(&mut self, calls: usize) {
        self.calls = self.calls.saturating_sub(calls);
    }
}

impl Ticker {
    /// Takes the chats' turn until the operator's next tick. Returns `false` when no further tick
    /// makes sense.
    pub(super) async fn chats_turn(&self, busy: &mut ActivityGuard) -> Result<bool, StoreError> {
        if self.covered(Share::Chats).is_empty() {
            return Ok(true);
        }
        let now = self.watch.clock.now();
        let Some(until) = self.feed.schedule.next_after(now) else { return Ok(true) };
        let places = (until - now) / self.feed.source.about().spacing.max(1);
        let calls = ((places as f64 * CHATS_AT_MOST) as usize).max(1);
        let lack = self.lack(Share::Chats).await?;
        // The past may take half of the turn: entities that have been read must stay fresh.
        let mut past = Turn { calls: calls.div_ceil(2), until };
        let Some(unread) = self.read_in_turn(&lack, &mut past, busy).await? else {
            return Ok(true);
        };
        let spent = calls.div_ceil(2) - past.calls;
        let mut turn = Turn { calls: calls - spent.min(calls), until };
        let lack = self.lack(Share::Chats).await?;
        let mut entities = self.covered(Share::Chats);
        entities.retain(|entity| !unread.contains(entity));
        let (mut due, need) = self.due(Share::Chats, &entities, &lack).await?;
        while !due.is_empty() && self.watch.clock.now() < turn.until {
            let calls_of =
                |count: usize| self.calls(&due[..count], turn.until, turn.until, Purpose::Live);
            let count = turn.fits(due.len(), calls_of);
            if count == 0 {
                break;
            }
            turn.spend(calls_of(count));
            let rest = due.split_off(count);
            let asked = self.live(Share::Chats, due, need, &lack, busy).await?;
            if !asked.goes_on() {
                return Ok(!asked.is_final());
            }
            due = rest;
        }
        Ok(true)
    }

    /// Returns the number of calls that a request about the entities would take.
    fn calls(
        &self,
        entities: &[Entity],
        from: Timestamp,
        until: Timestamp,
        purpose: Purpose,
    ) -> usize {
        let wanted = self.feed.wanted(entities.to_vec(), from - 1, until, purpose);
        self.feed.source.plan(&wanted, self.watch.clock.now(), u32::MAX).len()
    }

    /// Reads as much of the past as fits into the turn. Returns the entities whose past is still to
    /// be read, or `None` when the source is to be left alone.
    async fn read_in_turn(
        &self,
        lack: &Lack,
        turn: &mut Turn,
        busy: &mut ActivityGuard,
    ) -> Result<Option<Vec<Entity>>, StoreError> {
        let mut unread: Vec<Entity> =
            lack.gaps.iter().flat_map(|gap| gap.entities.clone()).collect();
        let mut is_changed = false;
        'gaps: for gap in &lack.gaps {
            let mut waiting = gap.entities.as_slice();
            while let Some((from, until)) =
                gap.steps().first().copied().filter(|_| !waiting.is_empty())
            {
                let calls_of = |count: usize| {
                    self.calls(&waiting[..count], from + 1, until, Purpose::Backfill)
                };
                let count = turn.fits(waiting.len(), calls_of);
                if count == 0 {
                    break 'gaps;
                }
                let (some, others) = waiting.split_at(count);
                waiting = others;
                let part = Gap { entities: some.to_vec(), ..gap.clone() };
                let mut is_read = true;
                for (from, until) in part.steps() {
                    let calls = self.calls(some, from + 1, until, Purpose::Backfill);
                    if turn.calls == 0 || self.watch.clock.now() >= turn.until {
                        break 'gaps;
                    }
                    turn.spend(calls);
                    match self.read_step(Share::Chats, &part, lack, from, until, busy).await? {
                        Ok(step) => {
                            self.store_step(step).await?;
                            is_changed = true;
                        }
                        Err(Unread::Later) => {
                            is_read = false;
                            break;
                        }
                        Err(Unread::LeaveAlone) => return Ok(None),
                    }
                }
                if is_read {
                    unread.retain(|entity| !some.contains(entity));
                }
            }
        }
        if is_changed {
            self.pipeline.lock().await.settle().await?;
        }
        Ok(Some(unread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_takes_as_many_as_fit_and_one_at_least_where_it_can() {
        let turn = |calls| Turn { calls, until: Timestamp::from_unix(0) };
        // Forty codes a call, three calls each time, as for IODA.
        let batched = |count: usize| count.div_ceil(40) * 3;
        assert_eq!(turn(37).fits(600, batched), 160);
        assert_eq!(turn(4).fits(600, batched), 40);
        assert_eq!(turn(2).fits(600, batched), 0);
        assert_eq!(turn(37).fits(7, batched), 7);
        assert_eq!(turn(5).fits(9, |count| count), 5, "one call an entity");
        assert_eq!(turn(60).fits(3, |count| count * 49), 1, "more than a piece: alone");
        assert_eq!(turn(60).fits(0, |count| count), 0);
    }
}
