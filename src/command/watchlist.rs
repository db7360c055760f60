//! `/watchlist`: the watched entities and their state.

use super::{AppContext, Asker, CommandError};
use crate::domain::{Entity, Verdict};
use crate::render::Card;
use crate::render::lists::{Watched, watchlist};

pub(super) async fn answer(context: &AppContext, asker: &Asker) -> Result<Vec<Card>, CommandError> {
    let sight = context.sight(asker).await?;
    let now = context.clock.now();
    let open = context.store.read(|db| db.incidents().open()).await?;
    let line = |entity: Entity, name, part_of| Watched {
        verdict: context
            .evidence(&entity, now)
            .map_or(Verdict::Unknown, |evidence| evidence.verdict),
        since: open
            .iter()
            .find(|incident| incident.key.entity == entity)
            .map(|incident| incident.started_at),
        entity,
        name,
        part_of,
    };
    let configured = context.watchlist.configured();
    let configured = configured
        .map(|entry| line(entry.entity.clone(), entry.name.clone(), entry.part_of.clone()));
    let subscribed = sight.own().iter().cloned().map(|entity| line(entity, None, None));
    let lines: Vec<Watched> = configured.chain(subscribed).collect();
    Ok(vec![watchlist(&lines, now)])
}
