//! The watchlist. A line is `ENTITY`, `ENTITY in WHOLE` or `ENTITY in WHOLE called NAME`. Entities
//! that are probed are watched without being listed.

use super::explain::Place;
use super::raw;
use crate::domain::lookup::parse_what;
use crate::domain::{Entity, Sensitivity};
use toml::Spanned;

pub use crate::domain::Watched;

/// Checks the watchlist. `probed` are the entities of the profiles and targets. The operator named
/// them, so they are watched too, after the listed ones and in their own order.
pub(super) fn check<'a>(
    raw: &raw::Watch,
    probed: impl IntoIterator<Item = &'a Entity>,
) -> Result<Vec<Watched>, Place> {
    let lines = &raw.entities;
    let mut watched: Vec<Watched> = Vec::with_capacity(lines.len());
    for line in lines {
        let at = |message| Place::new(line.span().start, message);
        let next = read(line.get_ref()).map_err(at)?;
        if watched.iter().any(|before| before.entity == next.entity) {
            return Err(at(format!(
                "`{}` is in the watchlist twice; remove one of the two",
                next.entity
            )));
        }
        if leads_back(&watched, &next) {
            return Err(at(format!(
                "`{}` would be part of itself; remove one `in` of the circle",
                next.entity
            )));
        }
        watched.push(next);
    }
    for entity in probed {
        if watched.iter().all(|listed| listed.entity != *entity) {
            let (part_of, name, sensitivity) = (None, None, Sensitivity::Balanced);
            watched.push(Watched { entity: entity.clone(), part_of, name, sensitivity });
        }
    }
    for (line, sensitivity) in raw
        .careful
        .iter()
        .map(|line| (line, Sensitivity::Careful))
        .chain(raw.eager.iter().map(|line| (line, Sensitivity::Eager)))
    {
        let entity = entity_at(line)?;
        let Some(known) = watched.iter_mut().find(|watched| watched.entity == entity) else {
            let message = format!(
                "`{entity}` is called {sensitivity} but is not among the entities of [watch]; add it there"
            );
            return Err(Place::new(line.span().start, message));
        };
        if known.sensitivity != Sensitivity::Balanced {
            let message = format!(
                "`{entity}` is called {} and {sensitivity}; leave it in one of the two",
                known.sensitivity
            );
            return Err(Place::new(line.span().start, message));
        }
        known.sensitivity = sensitivity;
    }
    Ok(watched)
}

fn read(line: &str) -> Result<Watched, String> {
    let (rest, name) = match line.split_once(" called ") {
        Some((rest, name)) if !name.trim().is_empty() => (rest, Some(name.trim().to_owned())),
        Some(_) => return Err(format!("`{line}` names nothing after `called`")),
        None => (line, None),
    };
    let (entity, whole) = match rest.split_once(" in ") {
        Some((entity, whole)) => (entity, Some(whole)),
        None => (rest, None),
    };
    let part_of = whole.map(entity_of).transpose()?;
    Ok(Watched { entity: entity_of(entity)?, part_of, name, sensitivity: Sensitivity::Balanced })
}

/// Returns whether the chain of wholes above `next` leads back to `next` itself.
fn leads_back(watched: &[Watched], next: &Watched) -> bool {
    let whole_of =
        |part: &Entity| watched.iter().find(|w| w.entity == *part).and_then(|w| w.part_of.as_ref());
    // The entries so far contain no cycle, so the walk ends.
    std::iter::successors(next.part_of.as_ref(), |whole| whole_of(whole))
        .any(|whole| *whole == next.entity)
}

fn entity_of(text: &str) -> Result<Entity, String> {
    parse_what(text).map_err(|error| error.to_string())
}

/// Parses an entity; an error carries its place in the file.
pub(super) fn entity_at(text: &Spanned<String>) -> Result<Entity, Place> {
    entity_of(text.get_ref()).map_err(|message| Place::new(text.span().start, message))
}
