//! What a source says that is no series.

use super::{Entity, Timestamp, UplinkState};
use ipnet::IpNet;
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
    /// What our own probes find at the entity's hosts, block by block: hosts of one block are one witness.
    Hosts {
        blocks: Vec<Block>,
        /// What does not work, such as `http://kcna.kp/: http 503`; at most a handful.
        troubles: Vec<String>,
        /// Networks on the way in, by name, and whether a host there answers.
        #[serde(default)]
        outside: Vec<(String, bool)>,
    },
    /// Until when the certificate that a host shows says that it holds.
    Certificate { host: String, ends_at: Timestamp },
    /// How our own line stands.
    Uplink { line: UplinkState, why: String },
    /// In which order the routes went, as the peers of the route collectors told of it live.
    Withdrawn { gateways: Vec<Fall> },
    /// A poll about the entity failed: its signals are unknown from here on.
    PollFailed { error: String },
}

/// A block of addresses (a /24, or a /48 of IPv6) in which hosts are probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    pub net: IpNet,
    pub hosts: u32,
    /// Of them, those that answer anything at all.
    pub answering: u32,
}

/// The routes through one neighbour, as they went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fall {
    pub gateway: u32,
    pub name: Option<String>,
    /// When the first and the last of its peers lost their route.
    pub first: Timestamp,
    pub last: Timestamp,
    pub peers: u32,
}

impl FactKind {
    /// The word by which the fact is stored.
    pub fn word(&self) -> &'static str {
        match self {
            Self::PartOf { .. } => "part_of",
            Self::Gateway { .. } => "gateway",
            Self::Peers { .. } => "peers",
            Self::Report { .. } => "report",
            Self::Hosts { .. } => "hosts",
            Self::Certificate { .. } => "certificate",
            Self::Uplink { .. } => "uplink",
            Self::Withdrawn { .. } => "withdrawn",
            Self::PollFailed { .. } => "poll_failed",
        }
    }

    /// What tells facts of one kind apart that stand side by side.
    pub fn key(&self) -> String {
        match self {
            Self::Report { id, .. } => id.clone(),
            Self::Gateway { asn, .. } => asn.to_string(),
            Self::Certificate { host, .. } => host.clone(),
            Self::PartOf { .. }
            | Self::Peers { .. }
            | Self::Hosts { .. }
            | Self::Uplink { .. }
            | Self::Withdrawn { .. }
            | Self::PollFailed { .. } => String::new(),
        }
    }
}
