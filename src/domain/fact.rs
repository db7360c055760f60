//! What a source says that is no series.

use super::{Entity, Timestamp};
use serde::{Deserialize, Serialize};

/// A fact about an entity, stored and ordered like observations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    pub entity: Entity,
    pub source: String,
    /// The instant of which the fact speaks.
    pub observed_at: Timestamp,
    #[serde(flatten)]
    pub kind: FactKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum FactKind {
    /// The entity is part of another: a site of a prefix, that of an ASN, that of a country. `None` ends it.
    PartOf { whole: Option<Entity> },
    /// Which neighbouring network leads to the entity, and how much of it is seen that way.
    Gateway { asn: u32, name: Option<String>, prefixes_seen: u32, peers_seeing: u32 },
    /// How many full-table peers the source could see at all, the denominator of "seen by".
    Peers { total: u32 },
    /// Somebody else's judgement: an outage event, alert, anomaly or annotation. Corroborates, never decides.
    Report {
        /// The source's own key, so that the same report is known again.
        id: String,
        what: String,
        started_at: Timestamp,
        ended_at: Option<Timestamp>,
        cause: Option<String>,
        link: Option<String>,
    },
    /// A poll about the entity failed: its signals are unknown from here on.
    PollFailed { error: String },
}

impl FactKind {
    /// The word by which the fact is stored.
    pub fn word(&self) -> &'static str {
        match self {
            Self::PartOf { .. } => "part_of",
            Self::Gateway { .. } => "gateway",
            Self::Peers { .. } => "peers",
            Self::Report { .. } => "report",
            Self::PollFailed { .. } => "poll_failed",
        }
    }
}
