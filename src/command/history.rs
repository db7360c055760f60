//! `/history [what]`: past and present incidents, newest first.

use super::{CommandError, Desk};
use crate::domain::{Entity, lookup};
use crate::render::Card;
use crate::render::lists::{Past, history};

/// More than this is not read in a chat.
const AT_MOST: usize = 20;

pub(super) async fn answer(desk: &Desk, entity: Option<&Entity>) -> Result<Vec<Card>, CommandError> {
    let about = entity.cloned();
    let incidents = desk
        .store
        .read(move |db| match &about {
            Some(entity) => db.incidents().of(entity, AT_MOST),
            None => db.incidents().recent(AT_MOST),
        })
        .await?;
    let past: Vec<Past> = incidents
        .into_iter()
        .map(|incident| Past {
            id: incident.id.0,
            zone: lookup::zone_of(&incident.key.entity, desk.watchlist.wholes_of(&incident.key.entity)),
            entity: incident.key.entity,
            phase: incident.phase,
            started_at: incident.started_at,
            ended_at: incident.recovered_at,
        })
        .collect();
    let whom = entity.map_or_else(|| "all that is watched".to_owned(), lookup::display_name);
    Ok(vec![history(&whom, &past, desk.clock.now())])
}
