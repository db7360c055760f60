//! `/status [what]`: the state of an entity, from stored data, or looked up on demand if it is not
//! watched.

use super::{AppContext, Asker, CommandError, Sight, sources, watchlist};
use crate::domain::{Entity, Evidence, lookup};
use crate::render::Card;
use crate::render::status::{EntityStatus, status};
use crate::source;

/// The most entities in one command. Nobody reads more in a chat.
const AT_MOST: usize = 10;
/// The most unwatched entities in one command: each look-up uses the sources' daily calls.
const LOOKED_UP: usize = 3;

pub(super) async fn answer(
    context: &AppContext,
    asker: &Asker,
    entities: &[Entity],
) -> Result<Vec<Card>, CommandError> {
    if entities.is_empty() {
        return watchlist::answer(context, asker).await;
    }
    let sight = context.sight(asker).await?;
    let watched = |entity: &&Entity| sight.sees(entity) && context.watchlist.contains(entity);
    let looked_up = entities.iter().filter(|entity| !watched(entity)).count();
    if entities.len() > AT_MOST || looked_up > LOOKED_UP {
        return Err(CommandError::TooManyAsked);
    }
    let mut cards = Vec::new();
    for entity in entities {
        cards.push(one(context, asker, &sight, entity).await?);
    }
    Ok(cards)
}

async fn one(
    context: &AppContext,
    asker: &Asker,
    sight: &Sight,
    entity: &Entity,
) -> Result<Card, CommandError> {
    let is_known = || {
        context.watchlist.contains(entity)
            || context.evidence(entity, context.clock.now()).is_some()
    };
    let watched = sight.sees(entity) && is_known();
    let found = context.evidence_for(sight, entity).await;
    let mut foot: Vec<String> =
        found.evidence.as_ref().and_then(source::credits).into_iter().collect();
    if watched {
        foot.extend(sources::concerning(context, entity, found.evidence.as_ref()).await?);
    }
    foot.extend(found.unanswered.iter().map(|unanswered| {
        if sight.is_everything() {
            format!("{}: {}", unanswered.source, unanswered.why)
        } else {
            format!("{} gave no answer about it just now.", unanswered.source)
        }
    }));
    standing_card(context, asker, entity, found.evidence.as_ref(), watched, foot).await
}

/// Builds the card of an entity from its evidence.
async fn standing_card(
    context: &AppContext,
    asker: &Asker,
    entity: &Entity,
    evidence: Option<&Evidence>,
    watched: bool,
    foot: Vec<String>,
) -> Result<Card, CommandError> {
    let now = context.clock.now();
    let about = entity.clone();
    // A reader who may not see that the entity is watched is shown no incident of it.
    let newest = if watched {
        context.store.read(move |db| db.incidents().of(&about, 1)).await?
    } else {
        Vec::new()
    };
    let open = newest
        .into_iter()
        .find(|i| !i.phase.is_over())
        .map(|incident| (incident.id.0, incident.started_at));
    let from = open.map_or(now - crate::domain::time::DAY, |(_, started_at)| started_at);
    Ok(status(&EntityStatus {
        entity,
        evidence,
        open,
        watched,
        zone: lookup::zone_of(entity, context.watchlist.wholes_of(entity)),
        now,
        links: source::links(entity, from, now),
        foot,
        syntax: asker.syntax(),
    }))
}
