//! Measurements of a source: series, their observations, and the batch in which they are received.

use super::fact::Fact;
use super::{Entity, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// One measured series: a signal of a source about an entity. Any name of a source or signal is
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    /// The measured entity.
    pub entity: Entity,
    /// The name of the source, such as `ioda`.
    pub source: String,
    /// The source's name for the signal, such as `bgp`.
    pub signal: String,
}

/// The part of "being on the internet" that a signal measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Routes to the entity in BGP.
    Routing,
    /// Addresses that answer or are seen. Signals of an unknown name belong here too.
    Reach,
    /// Volume of traffic that people cause.
    Traffic,
    /// DNS servers that work.
    Dns,
    /// Web sites that work.
    Web,
    /// Mail servers that work.
    Mail,
}

/// A group of series that can be wrong on its own, because they share a cause of error. Two series
/// of one witness never count twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Witness {
    /// All signals that follow people's habits (traffic, telescope). They fall together on every
    /// holiday.
    People,
    /// The peers of RIPE's route collectors, read as a live stream or as stored state: one
    /// measurement through two services.
    Ris,
    /// A signal of a source, regardless of the part of the entity on which it was measured.
    Signal {
        /// The name of the source.
        source: String,
        /// The name of the signal.
        signal: String,
    },
}

/// The name of the source for the bot's own probes.
pub const PROBE: &str = "probe";
/// The name of the source for the live stream of RIPE's route collectors.
pub const RIS_LIVE: &str = "ris-live";
/// The name of the source for the service that keeps the state of these collectors.
const RIPESTAT: &str = "ripestat";
/// The signal name of rows about the bot's own uplink. They never open an incident.
pub const CONTROL: &str = "control";
/// The signal that counts how many peers of RIPE's route collectors see a route.
const VISIBILITY: &str = "visibility";
/// The signal that counts the blocks in which any host answers the bot's own probes.
pub const BLOCKS: &str = "blocks";

impl Series {
    /// Returns the layer of the signal; `Reach` for an unknown signal name.
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

    /// Returns the witness to which the series belongs.
    pub fn witness(&self) -> Witness {
        if self.layer() == Layer::Traffic || self.signal == "merit-nt" {
            Witness::People
        } else if self.signal == VISIBILITY || self.source == RIS_LIVE {
            Witness::Ris
        } else {
            Witness::Signal { source: self.source.clone(), signal: self.signal.clone() }
        }
    }

    /// Returns whether each unit that the series counts can be wrong on its own. If so, one bin in
    /// which all units are gone cannot be chance.
    pub fn counts_witnesses(&self) -> bool {
        self.signal == BLOCKS || self.source == RIS_LIVE
    }

    /// Returns whether the bot measures the series itself. Such a series has no past from before it
    /// was watched, and gets a provisional baseline from its first values.
    pub fn is_our_own(&self) -> bool {
        self.source == PROBE || self.source == RIS_LIVE
    }

    /// Returns the organisation that measured the series. Two sources of one organisation do not
    /// confirm each other.
    pub fn measurer(&self) -> &str {
        if self.source == RIS_LIVE { RIPESTAT } else { &self.source }
    }

    /// Returns whether the row is about the bot's own uplink.
    pub fn is_control(&self) -> bool {
        self.signal == CONTROL
    }
}

/// One value of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The measured series.
    pub series: Arc<Series>,
    /// The start of the bin to which the value belongs.
    pub observed_at: Timestamp,
    /// The value in the signal's own unit. `None` is unknown (the source published the bin without
    /// a value), never zero.
    pub value: Option<f64>,
}

/// The way in which a batch was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// Received in the minute of its publication: `received_at` is measured.
    Live,
    /// Received after a time in which the bot did not run: `received_at` is estimated.
    CaughtUp,
    /// Received in an entity's first backfill: `received_at` is estimated, and an outage that began
    /// and ended in it is not reported.
    Backfilled,
}

impl Arrival {
    /// Every way, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Live, Self::CaughtUp, Self::Backfilled];

    /// Returns the word that the database stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::CaughtUp => "caught_up",
            Self::Backfilled => "backfilled",
        }
    }

    /// Parses the stored word; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arrival| arrival.as_str() == text)
    }
}

/// All observations and facts that were received in one instant. The detector processes one batch
/// at a time, live and in replay alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The instant of receipt.
    pub received_at: Timestamp,
    /// The way in which the batch was received.
    pub arrival: Arrival,
    /// The values that were received.
    pub observations: Vec<Observation>,
    /// The facts that were received.
    pub facts: Vec<Fact>,
}

impl Batch {
    /// Creates an empty batch that is received live.
    pub fn live(received_at: Timestamp) -> Self {
        Self { received_at, arrival: Arrival::Live, observations: Vec::new(), facts: Vec::new() }
    }

    /// Returns whether the batch has neither observations nor facts.
    pub fn is_empty(&self) -> bool {
        self.observations.is_empty() && self.facts.is_empty()
    }
}

impl Layer {
    /// Every layer, in the order in which messages list them.
    pub const ALL: [Self; 6] =
        [Self::Routing, Self::Reach, Self::Traffic, Self::Web, Self::Dns, Self::Mail];

    /// Returns the layer's name in lower case, as it is stored and serialised.
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
