//! What a source measured: series, their observations, and the batch in which they reached us.

use super::fact::Fact;
use super::{Entity, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// One measured series: a signal of a source about an entity. Any source or signal name is accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    pub entity: Entity,
    pub source: String,
    pub signal: String,
}

/// What part of "being on the internet" a signal speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    Routing,
    Reach,
    Traffic,
    Dns,
    Web,
    Mail,
}

/// What can be wrong on its own. Two series of one witness never count twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Witness {
    /// All signals that follow what people do (traffic, telescope): they fall together on every holiday.
    People,
    /// The peers of RIPE's route collectors, live or by their state: one measurement in two windows.
    Ris,
    /// A signal of a source, whichever of an entity's parts it was measured on.
    Signal { source: String, signal: String },
}

/// The source of our own probes.
pub const PROBE: &str = "probe";
/// The live stream of RIPE's route collectors, and the service that keeps their state.
pub const RIS_LIVE: &str = "ris-live";
const RIPESTAT: &str = "ripestat";
/// The signal name of rows that speak of our own uplink: they open no incident.
pub const CONTROL: &str = "control";
/// How many peers of RIPE's route collectors see a route.
const VISIBILITY: &str = "visibility";
/// In how many blocks any host answers our own probes.
pub const BLOCKS: &str = "blocks";

impl Series {
    pub fn layer(&self) -> Layer {
        match self.signal.as_str() {
            "bgp" | "visibility" | "prefixes" => Layer::Routing,
            "gtr" | "netflow" => Layer::Traffic,
            "dns" => Layer::Dns,
            "http" => Layer::Web,
            "mail" => Layer::Mail,
            _ => Layer::Reach,
        }
    }

    pub fn witness(&self) -> Witness {
        if self.layer() == Layer::Traffic || self.signal == "merit-nt" {
            Witness::People
        } else if self.signal == VISIBILITY || self.source == RIS_LIVE {
            Witness::Ris
        } else {
            Witness::Signal { source: self.source.clone(), signal: self.signal.clone() }
        }
    }

    /// Whether each unit that it counts can be wrong on its own: then one bin in which all are gone is no chance.
    pub fn counts_witnesses(&self) -> bool {
        self.signal == BLOCKS || self.source == RIS_LIVE
    }

    /// Whether it is seen with our own eyes, from now on and not from before: of it a little is known at once.
    pub fn is_our_own(&self) -> bool {
        self.source == PROBE || self.source == RIS_LIVE
    }

    /// Who measured it: two sources of one measurer are no two opinions.
    pub fn measurer(&self) -> &str {
        if self.source == RIS_LIVE { RIPESTAT } else { &self.source }
    }

    pub fn is_control(&self) -> bool {
        self.signal == CONTROL
    }
}

/// One value of a series. `None` is unknown (the source published the bin without a value), never zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub series: Arc<Series>,
    /// Start of the bin that the value speaks of.
    pub observed_at: Timestamp,
    pub value: Option<f64>,
}

/// How a batch came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// In the minute in which it was published: `received_at` is measured.
    Live,
    /// After an absence of ours: `received_at` is estimated.
    CaughtUp,
    /// In an entity's first backfill: `received_at` is estimated, and what began and ended in it is nobody's news.
    Backfilled,
}

impl Arrival {
    pub const ALL: [Self; 3] = [Self::Live, Self::CaughtUp, Self::Backfilled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::CaughtUp => "caught_up",
            Self::Backfilled => "backfilled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arrival| arrival.as_str() == text)
    }
}

/// All observations and facts received in one instant: what the detector takes at once, live and in replay alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub received_at: Timestamp,
    pub arrival: Arrival,
    pub observations: Vec<Observation>,
    pub facts: Vec<Fact>,
}

impl Batch {
    pub fn live(received_at: Timestamp) -> Self {
        Self { received_at, arrival: Arrival::Live, observations: Vec::new(), facts: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.observations.is_empty() && self.facts.is_empty()
    }
}

impl Layer {
    pub const ALL: [Self; 6] =
        [Self::Routing, Self::Reach, Self::Traffic, Self::Web, Self::Dns, Self::Mail];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Reach => "reach",
            Self::Traffic => "traffic",
            Self::Dns => "dns",
            Self::Web => "web",
            Self::Mail => "mail",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.entity, self.source, self.signal)
    }
}
