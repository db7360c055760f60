//! `/history [what]`: past and present incidents, newest first.

use super::{AppContext, Asker, CommandError};
use crate::domain::{Entity, lookup};
use crate::render::Card;
use crate::render::lists::{Past, history};

/// The most incidents shown. Nobody reads more in a chat.
const AT_MOST: usize = 20;
/// The most incidents searched for those that the reader may see.
const LOOKED_THROUGH: usize = 1000;

pub(super) async fn answer(
    context: &AppContext,
    asker: &Asker,
    entity: Option<&Entity>,
) -> Result<Vec<Card>, CommandError> {
    let sight = context.sight(asker).await?;
    let about = entity.cloned();
    let incidents = context
        .store
        .read(move |db| {
            let found = match &about {
                Some(entity) => db.incidents().of(entity, AT_MOST)?,
                None if sight.is_everything() => db.incidents().recent(AT_MOST)?,
                None => db.incidents().recent(LOOKED_THROUGH)?,
            };
            let mut shown = Vec::new();
            for incident in found {
                if shown.len() < AT_MOST && sight.sees_incident(db, &incident)? {
                    shown.push(incident);
                }
            }
            Ok(shown)
        })
        .await?;
    let past: Vec<Past> = incidents
        .into_iter()
        .map(|incident| Past {
            id: incident.id.0,
            zone: lookup::zone_of(
                &incident.key.entity,
                context.watchlist.wholes_of(&incident.key.entity),
            ),
            entity: incident.key.entity,
            phase: incident.phase,
            started_at: incident.started_at,
            ended_at: incident.recovered_at,
        })
        .collect();
    let whom = entity.map_or_else(|| "all that is watched".to_owned(), lookup::display_name);
    Ok(vec![history(&whom, &past, context.clock.now())])
}
