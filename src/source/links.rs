//! Where a person can check, and whose data it is.

use super::{Settings, all};
use crate::domain::{Entity, Evidence, Link, Timestamp};

/// A link for each source that has a page about the entity.
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

/// Whose data the evidence is, as each source asks to be named; `None` where it is our own alone.
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
