//! Facts: statements of a source that are not a series of values.

use super::{Entity, Timestamp, UplinkState};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A fact about an entity, stored and ordered like observations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The entity that the fact is about.
    pub entity: Entity,
    /// The name of the source, such as `ripestat`.
    pub source: String,
    /// The instant at which the fact held.
    pub observed_at: Timestamp,
    /// The statement itself.
    #[serde(flatten)]
    pub kind: FactKind,
}

/// The statement of a fact. Serialised with the tag `fact`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum FactKind {
    /// The entity is part of another: a site of a prefix, a prefix of an ASN, an ASN of a country.
    PartOf {
        /// The larger entity; `None` ends the relation.
        whole: Option<Entity>,
    },
    /// The routes to the entity through a neighbouring network.
    Gateway {
        /// The neighbour's AS number.
        asn: u32,
        /// The neighbour's name, if the source knows it.
        name: Option<String>,
        /// How many of the entity's prefixes are seen through it; 0 means that the routes are lost.
        prefixes_seen: u32,
        /// How many peers of the route collectors see the entity through it.
        peers_seeing: u32,
    },
    /// The number of full-table peers that the source can see at all: the denominator of "seen by".
    Peers {
        /// The number of peers, for the address family of the entity.
        total: u32,
    },
    /// A judgement by a third party: an outage event, alert, anomaly or annotation. It corroborates
    /// a verdict and never decides one.
    Report {
        /// The source's own key, which identifies the same report when it comes again.
        id: String,
        /// A one-line description, with the reporter's name.
        what: String,
        /// The start, as the source reports it.
        started_at: Timestamp,
        /// The end, as the source reports it; `None` while the event is going on.
        ended_at: Option<Timestamp>,
        /// The cause, as the source reports it.
        cause: Option<String>,
        /// The address of the report on the web.
        link: Option<String>,
    },
    /// The results of the bot's own probes at the entity's hosts, by block. Hosts of one block are
    /// one witness.
    Hosts {
        /// The probed blocks of addresses, sorted.
        blocks: Vec<Block>,
        /// Failures, such as `http://kcna.kp/: http 503`; at most a handful.
        troubles: Vec<String>,
        /// The networks on the way in, by name, and whether any host there answers.
        #[serde(default)]
        outside: Vec<(String, bool)>,
    },
    /// A host shows a TLS certificate.
    Certificate {
        /// The host that shows it.
        host: String,
        /// The end of the certificate's validity.
        ends_at: Timestamp,
    },
    /// The state of the bot's own uplink has changed.
    Uplink {
        /// The new state.
        line: UplinkState,
        /// The reason for it, in words.
        why: String,
    },
    /// When routes to the entity were lost, as the peers of the route collectors reported it live.
    Withdrawn {
        /// The lost routes, one entry for each neighbour.
        gateways: Vec<Fall>,
    },
    /// A poll about the entity failed. Its signals are unknown from this instant on.
    PollFailed {
        /// The error, in words.
        error: String,
    },
}

/// A block of addresses (a /24, or a /48 of IPv6) in which hosts are probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The block's network address and length.
    pub net: IpNet,
    /// The number of probed hosts.
    pub hosts: u32,
    /// The number of those hosts that give any answer at all.
    pub answering: u32,
}

/// The loss of the routes through one neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fall {
    /// The neighbour's AS number.
    pub gateway: u32,
    /// The neighbour's name, if it is known.
    pub name: Option<String>,
    /// When the first of the peers lost its route.
    pub first: Timestamp,
    /// When the last of the peers lost its route.
    pub last: Timestamp,
    /// The number of peers that lost a route through the neighbour.
    pub peers: u32,
}

impl FactKind {
    /// Returns the word under which the fact is stored.
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

    /// Returns the key that distinguishes facts of one kind that hold at the same time; empty for a
    /// kind of which an entity has one only.
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
