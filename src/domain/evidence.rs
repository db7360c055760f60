//! What a verdict rests on: each signal held against its normal, and all of them weighed together.

use super::{Entity, Fact, Layer, Onset, Seconds, Series, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An entity's signals weighed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to judge it by: no fresh signal with a known normal.
    Unknown,
    Up,
    Suspected,
    Down,
    Returning,
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    Low,
    Medium,
    High,
}

/// One signal held against its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reading")]
pub enum Reading {
    Normal,
    Low,
    Unknown { why: Unknown },
}

/// Why a signal says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// No baseline yet.
    NoNormal,
    /// Its normal is (nearly) nothing, so that an outage could not be told from a usual day.
    NormalIsNothing,
    /// The newest bin is older than the source's own delay explains.
    Stale,
    /// The source sags for (nearly) everyone at once, or its poll failed.
    SourceFault,
    /// Our own uplink is in doubt.
    Uplink,
}

/// One signal of an entity or of a part that stands for it, at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    pub series: Arc<Series>,
    pub layer: Layer,
    #[serde(flatten)]
    pub reading: Reading,
    /// The newest value, in the signal's own unit.
    pub value: Option<f64>,
    /// What is normal at that hour, same unit.
    pub normal: Option<f64>,
    /// Start of the bin of `value`.
    pub observed_at: Timestamp,
    /// Width of a bin.
    pub step: Seconds,
    /// When this signal fell (start of the first low bin), while it is low.
    pub low_since: Option<Timestamp>,
    /// When it last came back (start of the first normal bin after low ones); it may have been another outage's end.
    pub back_since: Option<Timestamp>,
    /// Accumulated evidence for an outage, in natural-log units; negative speaks for "up".
    pub weight: f64,
}

impl Assessment {
    /// value / normal, where both are known and the normal is not nothing.
    pub fn ratio(&self) -> Option<f64> {
        match (self.value, self.normal) {
            (Some(value), Some(normal)) if normal > 0.0 => Some(value / normal),
            _ => None,
        }
    }

    pub fn is_low(&self) -> bool {
        matches!(self.reading, Reading::Low)
    }

    pub fn is_normal(&self) -> bool {
        matches!(self.reading, Reading::Normal)
    }
}

/// The assessments and facts behind a verdict: the numbers that a reader can check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub entity: Entity,
    /// The moment of the verdict: `received_at` of the newest batch.
    pub at: Timestamp,
    pub verdict: Verdict,
    pub sureness: Confidence,
    /// Independent witnesses that agree with the verdict.
    pub witnesses: u32,
    /// Sources among them.
    pub sources: u32,
    /// By layer, then source, then signal.
    pub assessments: Vec<Assessment>,
    pub facts: Vec<Fact>,
    /// How the outage began, while one is open; `None` in evidence that an older version stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<Onset>,
}

/// A page on which a person can check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub label: String,
    pub url: String,
}
