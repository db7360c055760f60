//! `/why what [when]`: explains why an entity is reported down or is not, now or at a moment whose
//! observations are still stored.

use super::parse::When;
use super::{AppContext, Asker, CommandError};
use crate::detect::State;
use crate::domain::time::DAY;
use crate::domain::{
    Batch, Entity, Explanation, Fact, FactKind, Phase, Seconds, Timestamp, TransitionKind, lookup,
};
use crate::render::Card;
use crate::render::card::Line;
use crate::render::why::why;
use crate::store::{Store, StoreError};
use std::sync::PoisonError;
use tokio::sync::Semaphore;

/// The past that is replayed: three weeks from which a baseline is learned, and a day in which it
/// settles.
const LEARNS_FROM: Seconds = 22 * DAY;
/// Batches read in one query.
const AT_ONCE: usize = 500;
/// Allows one look back at a time: each one reads millions of observations.
static LOOKING_BACK: Semaphore = Semaphore::const_new(1);

pub(super) async fn answer(
    context: &AppContext,
    asker: &Asker,
    entity: &Entity,
    when: When,
) -> Result<Vec<Card>, CommandError> {
    let now = context.clock.now();
    if when.instant(now) > now {
        return Err(CommandError::StillToCome(when.instant(now)));
    }
    let zone = lookup::zone_of(entity, context.watchlist.wholes_of(entity));
    let nothing = |at: Timestamp| {
        Card::titled(format!(
            "⚪ Nothing was measured of {} by {at}: it was not watched, or its observations are not kept any more",
            lookup::display_name(entity)
        ))
    };
    if !context.sight(asker).await?.sees(entity) {
        return Ok(vec![nothing(when.instant(now))]);
    }
    let (when, lead) = if when.is_span() {
        let (from, until) = when.span(now);
        let (at, said) = match told_within(context, entity, from, until.min(now)).await? {
            Some(OutageMoment::Reported(at)) => {
                (at, "The moment at which its outage was reported, between ")
            }
            Some(OutageMoment::GoingOn(at)) => {
                (at, "In the middle of what its outage lasted between ")
            }
            None => {
                (when.instant(now), "No outage of it was reported; this is in the middle between ")
            }
        };
        (
            When::At(at),
            Some(
                Line::from(said)
                    .at(from, zone, now)
                    .and(" and ")
                    .at(until.min(now), zone, now)
                    .and("."),
            ),
        )
    } else {
        (when, None)
    };
    let explained = explain(context, entity, when).await?;
    Ok(vec![match explained {
        Some(explanation) => {
            let mut card = why(&explanation, zone, now);
            card.lead = lead.or(card.lead);
            card
        }
        None => nothing(when.instant(now)),
    }])
}

/// A moment of an outage within a time span.
enum OutageMoment {
    /// The moment at which the outage was first reported.
    Reported(Timestamp),
    /// The middle of the part of the outage that lies in the span, if it was not reported within
    /// the span.
    GoingOn(Timestamp),
}

/// Returns a moment of the entity's first outage that overlaps the span, or `None` without one.
/// Ignores retracted incidents.
async fn told_within(
    context: &AppContext,
    entity: &Entity,
    from: Timestamp,
    until: Timestamp,
) -> Result<Option<OutageMoment>, StoreError> {
    /// The most incidents of the entity searched, newest first.
    const LOOKED_THROUGH: usize = 200;
    let about = entity.clone();
    context
        .store
        .read(move |db| {
            let mut found = None;
            for incident in db.incidents().of(&about, LOOKED_THROUGH)? {
                let ended = incident.recovered_at.unwrap_or(incident.last.at);
                let is_open = !incident.phase.is_over();
                if incident.started_at > until
                    || !is_open && ended < from
                    || incident.phase == Phase::Retracted
                {
                    continue;
                }
                let told =
                    db.incidents().transitions(incident.id)?.into_iter().find(|transition| {
                        let is_start = matches!(
                            transition.kind,
                            TransitionKind::Started | TransitionKind::Suspected
                        );
                        is_start && from <= transition.at && transition.at <= until
                    });
                let overlap = incident.started_at.max(from);
                let end = if is_open { until } else { ended.min(until) };
                let middle = OutageMoment::GoingOn(overlap + (end - overlap) / 2);
                found =
                    Some(told.map_or(middle, |transition| OutageMoment::Reported(transition.at)));
            }
            Ok(found)
        })
        .await
}

/// Returns the explanation of the entity's state at a moment, or `None` if nothing had been
/// measured by then. A past moment is worked out again from stored observations.
pub async fn explain(
    context: &AppContext,
    entity: &Entity,
    when: When,
) -> Result<Option<Explanation>, StoreError> {
    let now = context.clock.now();
    let state = || context.state.read().unwrap_or_else(PoisonError::into_inner);
    if when == When::Now {
        return Ok(state().explain(entity, now));
    }
    // Relations are reported once, perhaps long before the replayed past; the current state holds
    // them.
    let relations = state().relations();
    let at = when.instant(now);
    Ok(look_back(&context.store, relations, at).await?.explain(entity, at))
}

/// Returns the detector's state at `at`, recomputed from the stored batches of the weeks before.
async fn look_back(
    store: &Store,
    relations: Vec<(Entity, Entity)>,
    at: Timestamp,
) -> Result<State, StoreError> {
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
