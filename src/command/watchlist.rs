//! `/watchlist`: what is watched, and how each stands.

use super::{CommandError, Desk};
use crate::domain::Verdict;
use crate::render::Card;
use crate::render::lists::{Watched, watchlist};

pub(super) async fn answer(desk: &Desk) -> Result<Vec<Card>, CommandError> {
    let now = desk.clock.now();
    let open = desk.store.read(|db| db.incidents().open()).await?;
    let lines: Vec<Watched> = desk
        .watchlist
        .iter()
        .map(|entry| Watched {
            entity: entry.entity.clone(),
            name: entry.name.clone(),
            verdict: desk.evidence(&entry.entity, now).map_or(Verdict::Unknown, |evidence| evidence.verdict),
            part_of: entry.part_of.clone(),
            since: open.iter().find(|incident| incident.key.entity == entry.entity).map(|incident| incident.started_at),
        })
        .collect();
    Ok(vec![watchlist(&lines, now)])
}
