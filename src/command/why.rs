//! `/why what [when]`: why an entity is told of or is not, now or at a moment of which the observations are still kept.

use super::{CommandError, Desk};
use crate::detect::State;
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{Batch, Entity, Explanation, Fact, FactKind, Seconds, Timestamp, lookup};
use crate::render::Card;
use crate::render::why::why;
use crate::store::{Store, StoreError};
use std::sync::PoisonError;
use tokio::sync::Semaphore;

/// What is normal rests on three weeks; and a day in which it settles.
const LEARNS_FROM: Seconds = 22 * DAY;
/// Batches that are read at once.
const AT_ONCE: usize = 500;
/// A look back goes through millions of observations: one at a time.
static LOOKING_BACK: Semaphore = Semaphore::const_new(1);

/// The moment that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Now,
    At(Timestamp),
    Ago(Seconds),
    /// The last time that it was so late, UTC: seconds since midnight.
    Clock(Seconds),
}

impl When {
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        if text == "now" {
            return Some(Self::Now);
        }
        if let Some(length) = text.strip_suffix("ago") {
            return super::parse::span(length).map(Self::Ago);
        }
        if let Some((hour, minute)) = text.trim_end_matches("utc").trim().split_once(':')
            && let (Ok(hour @ 0..24), Ok(minute @ 0..60)) = (hour.parse::<Seconds>(), minute.parse::<Seconds>())
        {
            return Some(Self::Clock(hour * HOUR + minute * MINUTE));
        }
        Timestamp::parse(&text.to_uppercase().replace("UTC", "")).map(Self::At)
    }

    pub fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::At(at) => at,
            Self::Ago(length) => now - length,
            Self::Clock(of_day) => now - (now.unix() - of_day).rem_euclid(DAY),
        }
    }
}

pub(super) async fn answer(desk: &Desk, entity: &Entity, when: When) -> Result<Vec<Card>, CommandError> {
    let now = desk.clock.now();
    let at = when.instant(now);
    if at > now {
        return Err(CommandError::StillToCome(at));
    }
    let zone = lookup::zone_of(entity, desk.watchlist.wholes_of(entity));
    let explained = explain(desk, entity, when).await?;
    Ok(vec![match explained {
        Some(explanation) => why(&explanation, zone, now),
        None => Card::titled(format!(
            "⚪ Nothing was measured of {} by {at}: it was not watched, or its observations are not kept any more",
            lookup::display_name(entity)
        )),
    }])
}

/// The explanation itself; nothing where nothing was measured by then.
pub async fn explain(desk: &Desk, entity: &Entity, when: When) -> Result<Option<Explanation>, StoreError> {
    let now = desk.clock.now();
    let state = || desk.state.read().unwrap_or_else(PoisonError::into_inner);
    if when == When::Now {
        return Ok(state().explain(entity, now));
    }
    // What stands for what was said long before; the state knows it.
    let relations = state().relations();
    let at = when.instant(now);
    Ok(look_back(&desk.store, relations, at).await?.explain(entity, at))
}

/// The detector's state as it was at `at`, worked out again from what is stored of the weeks before.
async fn look_back(store: &Store, relations: Vec<(Entity, Entity)>, at: Timestamp) -> Result<State, StoreError> {
    let _alone = LOOKING_BACK.acquire().await;
    let mut state = State::default();
    let from = at - LEARNS_FROM;
    let fact = |(part, whole): (Entity, Entity)| Fact {
        entity: part,
        source: "config".to_owned(),
        observed_at: from,
        kind: FactKind::PartOf { whole: Some(whole) },
    };
    let known = Batch { facts: relations.into_iter().map(fact).collect(), ..Batch::live(from) };
    state.take(&known);
    let mut after = store.read(move |db| db.observations().last_batch_before(from)).await?;
    loop {
        let batches = store.read(move |db| db.observations().batches_after(after, AT_ONCE)).await?;
        let Some((last, _)) = batches.last() else { return Ok(state) };
        after = *last;
        for (_, batch) in &batches {
            if batch.received_at > at {
                return Ok(state);
            }
            state.take(batch);
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let now = at("2025-06-07 01:30");
        let read = |text: &str| When::parse(text).map(|when| when.instant(now));
        assert_eq!(read("now"), Some(now));
        assert_eq!(read("2h ago"), Some(now - 2 * HOUR));
        assert_eq!(read("90 min ago"), Some(now - 90 * MINUTE));
        assert_eq!(read("01:00"), Some(at("2025-06-07 01:00")));
        assert_eq!(read("17:34"), Some(at("2025-06-06 17:34")), "the last time that it was so late");
        assert_eq!(read("17:34 UTC"), Some(at("2025-06-06 17:34")));
        assert_eq!(read("2025-06-06 17:34"), Some(at("2025-06-06 17:34")));
        assert_eq!(read("2025-06-06T17:34Z"), Some(at("2025-06-06 17:34")));
        for wrong in ["", "25:00", "soon", "Korea", "KP"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
