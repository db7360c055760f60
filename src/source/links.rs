//! Links to the sources' own pages, and their attributions.

use super::{Settings, all};
use crate::domain::{Entity, Evidence, Link, Timestamp};

/// Returns a link for each source that has a page about the entity.
pub fn links(entity: &Entity, from: Timestamp, until: Timestamp) -> Vec<Link> {
    let sources = all(&Settings::default());
    let link = |source: &std::sync::Arc<dyn super::Polled>| {
        Some(Link {
            label: source.about().title.to_owned(),
            url: source.link(entity, from, until)?,
        })
    };
    sources.iter().filter_map(link).collect()
}

/// Returns the attributions of all sources in the evidence, as one line; `None` if all of the
/// evidence is our own.
pub fn credits(evidence: &Evidence) -> Option<String> {
    let shown = |source: &std::sync::Arc<dyn super::Polled>| {
        let name = source.name();
        let measured =
            evidence.assessments.iter().any(|assessment| assessment.series.measurer() == name);
        let told = evidence.facts.iter().any(|fact| fact.source == name);
        (measured || told).then_some(source.about().attribution)
    };
    let credits: Vec<&str> = all(&Settings::default()).iter().filter_map(shown).collect();
    (!credits.is_empty()).then(|| format!("Data: {}", credits.join(" · ")))
}
