//! The evidence behind a verdict: each signal compared with its baseline, and all signals weighed
//! together.

use super::{Entity, Fact, Layer, Onset, Seconds, Series, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The state of an entity, from all its signals weighed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not enough recent data to judge: no fresh signal has a known baseline.
    Unknown,
    /// At least one signal is known, and no incident is open.
    Up,
    /// An incident is open, with too little evidence for an alert.
    Suspected,
    /// An outage is going on.
    Down,
    /// The outage is going on, and a part of the entity is back.
    Returning,
}

/// The confidence in a verdict. It is one level lower if more than half of the signals are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// One witness at most, or weak evidence.
    Low,
    /// At least two witnesses.
    Medium,
    /// At least two sources, with three witnesses or strong evidence.
    High,
}

/// The result of comparing one signal with its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reading")]
pub enum Reading {
    /// Within the usual range.
    Normal,
    /// Below the usual range.
    Low,
    /// The signal cannot be judged.
    Unknown {
        /// The reason why the signal is not judged.
        why: Unknown,
    },
}

/// The reason why a signal cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The signal has no baseline yet.
    NoNormal,
    /// The baseline is zero or close to zero, so an outage looks like a usual day.
    NormalIsNothing,
    /// The newest bin is older than the usual delay of the source explains.
    Stale,
    /// The values of the source are low for (nearly) every entity at once, or its poll failed.
    SourceFault,
    /// The bot's own uplink is in doubt.
    Uplink,
}

/// One signal at one moment, measured on the entity or on a part that represents it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The signal that was judged.
    pub series: Arc<Series>,
    /// The layer of `series`.
    pub layer: Layer,
    /// The result of the comparison.
    #[serde(flatten)]
    pub reading: Reading,
    /// The newest value, in the signal's own unit.
    pub value: Option<f64>,
    /// The baseline for that hour, in the same unit.
    pub normal: Option<f64>,
    /// The start of the bin of `value`.
    pub observed_at: Timestamp,
    /// The width of a bin.
    pub step: Seconds,
    /// When the signal fell (the start of the first low bin), while it is low.
    pub low_since: Option<Timestamp>,
    /// When the signal last came back (the start of the first normal bin after low ones). It may be
    /// the end of an earlier outage.
    pub back_since: Option<Timestamp>,
    /// Accumulated evidence for an outage, in natural-log units. A negative value is evidence for
    /// "up".
    pub weight: f64,
}

impl Assessment {
    /// Returns `value / normal`, or `None` if one of them is unknown or `normal` is not positive.
    pub fn ratio(&self) -> Option<f64> {
        match (self.value, self.normal) {
            (Some(value), Some(normal)) if normal > 0.0 => Some(value / normal),
            _ => None,
        }
    }

    /// Returns whether the reading is [`Reading::Low`].
    pub fn is_low(&self) -> bool {
        matches!(self.reading, Reading::Low)
    }

    /// Returns whether the reading is [`Reading::Normal`].
    pub fn is_normal(&self) -> bool {
        matches!(self.reading, Reading::Normal)
    }
}

/// The assessments and facts behind a verdict: the numbers that a reader can check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The entity that the verdict is about.
    pub entity: Entity,
    /// The moment of the verdict: `received_at` of the newest batch.
    pub at: Timestamp,
    /// The state of the entity at that moment.
    pub verdict: Verdict,
    /// The confidence in `verdict`.
    pub sureness: Confidence,
    /// The number of independent witnesses that agree with the verdict.
    pub witnesses: u32,
    /// The number of different sources of the agreeing signals. RIS Live and RIPEstat count as one.
    pub sources: u32,
    /// Sorted by layer, then source, then signal.
    pub assessments: Vec<Assessment>,
    /// Facts about the entity and about the parts that represent it.
    pub facts: Vec<Fact>,
    /// How the outage began, while one is open. `None` in evidence that an older version stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<Onset>,
}

/// A web page on which a person can check the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The text of the link.
    pub label: String,
    /// The absolute address.
    pub url: String,
}
