//! `/why what [when]`: why an entity is told of or is not, now or at a moment of which the observations are still kept.

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

/// What is normal rests on three weeks; and a day in which it settles.
const LEARNS_FROM: Seconds = 22 * DAY;
/// Batches that are read at once.
const AT_ONCE: usize = 500;
/// A look back goes through millions of observations: one at a time.
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

/// A moment of an outage within some time.
enum OutageMoment {
    /// At which it was first reported.
    Reported(Timestamp),
    /// The middle of what it lasted within the time, where it was reported before.
    GoingOn(Timestamp),
}

/// Returns the telling moment of the first outage of the entity within the time.
async fn told_within(
    context: &AppContext,
    entity: &Entity,
    from: Timestamp,
    until: Timestamp,
) -> Result<Option<OutageMoment>, StoreError> {
    /// Of one entity; those of a day are among them.
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

/// The explanation itself; nothing where nothing was measured by then.
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
    // What stands for what was said long before; the state knows it.
    let relations = state().relations();
    let at = when.instant(now);
    Ok(look_back(&context.store, relations, at).await?.explain(entity, at))
}

/// The detector's state as it was at `at`, worked out again from what is stored of the weeks before.
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
