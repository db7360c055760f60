//! Where a person can check: each source's own page about an entity.

use super::{Settings, all};
use crate::domain::{Entity, Link, Timestamp};

/// A link for each source that has a page about the entity.
pub fn links(entity: &Entity, from: Timestamp, until: Timestamp) -> Vec<Link> {
    let sources = all(&Settings::default());
    let link = |source: &std::sync::Arc<dyn super::Polled>| {
        Some(Link { label: source.about().title.to_owned(), url: source.link(entity, from, until)? })
    };
    sources.iter().filter_map(link).collect()
}
