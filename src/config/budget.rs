//! Checks whether the watchlist fits a source's daily calls at all. The cadence of each entity
//! stretches to fit the budget; if not even the slowest useful cadence fits, the configuration is
//! an error, because a bot that starts anyway would only pretend to watch.

use super::explain::Place;
use super::{Config, raw};
use crate::domain::Entity;
use toml::Spanned;

/// Three calls a day for each entity: a slower cadence than every eight hours is not useful
/// monitoring.
const CALLS_PER_ENTITY: u32 = 3;

/// Returns the least number of calls a day that covers so many entities and controls, each every
/// eight hours.
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

/// Returns whether an entity costs calls of its own. Sites are covered by the bot's own probes and
/// regions come in batches, so neither does.
fn can_cost(entity: &Entity) -> bool {
    matches!(entity, Entity::Country(_) | Entity::Asn(_) | Entity::Prefix(_))
}
