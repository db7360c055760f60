//! Whether the watchlist fits a source's daily calls at all. The cadence of each entity stretches to fit a budget; where
//! not even the slowest useful one fits, starting would only pretend to watch.

use super::explain::Place;
use super::{Config, raw};
use crate::domain::Entity;
use toml::Spanned;

/// Slower than every eight hours nobody would call it watching: three calls a day for each entity.
const CALLS_PER_ENTITY: u32 = 3;

/// The least calls a day with which so many entities and controls can be watched, each every eight hours.
pub fn calls_a_day_at_least(entities: usize, controls: usize) -> u32 {
    u32::try_from(entities + controls).unwrap_or(u32::MAX).saturating_mul(CALLS_PER_ENTITY)
}

pub(super) fn check(config: &Config, raw: &raw::Raw) -> Result<(), Place> {
    for source in config.sources.iter().filter(|source| source.enabled) {
        let Some(budget) = source.calls_a_day else { continue };
        let entities = config.watch.iter().filter(|watched| can_cost(&watched.entity)).count();
        let needed = calls_a_day_at_least(entities, source.controls.len());
        if needed <= budget {
            continue;
        }
        let written = raw.sources.iter().find(|(name, _)| name.get_ref() == source.name);
        let at = written
            .and_then(|(_, raw)| raw.calls_a_day.as_ref().map(Spanned::span))
            .or_else(|| raw.watch.entities.first().map(Spanned::span))
            .map_or(0, |span| span.start);
        return Err(Place::new(
            at,
            format!(
                "the budget of {name} does not fit: {entities} entities and {controls} controls need {needed} calls a \
                 day to be asked every 8 hours, and `calls_a_day` is {budget}; watch fewer entities, or raise it",
                name = source.name,
                controls = source.controls.len(),
            ),
        ));
    }
    Ok(())
}

/// Sites are watched by own probes, regions come batched: neither is a call of its own.
fn can_cost(entity: &Entity) -> bool {
    matches!(entity, Entity::Country(_) | Entity::Asn(_) | Entity::Prefix(_))
}
