//! One outage of one entity, and its numbered changes.

use super::{Arrival, Entity, Evidence, Seconds, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An outage of the same entity that is over: its number, from when and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    pub id: i64,
    pub started_at: Timestamp,
    pub lasted: Seconds,
}

/// The n-th incident of an entity, counted from 1: known to the detector before the database has given it a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentKey {
    pub entity: Entity,
    pub ordinal: u32,
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Some evidence, not enough to tell everyone.
    Suspected,
    Down,
    /// Some of it is back.
    Returning,
    Recovered,
    /// Later data took it back: it never was.
    Retracted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    Suspected,
    Started,
    Worsened,
    PartlyBack,
    GoneAgain,
    Recovered,
    Retracted,
}

/// A numbered change of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    pub incident: IncidentKey,
    /// From 1, without gaps within the incident.
    pub number: u32,
    pub kind: TransitionKind,
    /// `received_at` of the batch that decided it.
    pub at: Timestamp,
    pub arrival: Arrival,
    /// When the outage began, as far as is known now; not when it was noticed.
    pub started_at: Timestamp,
    /// When it ended: for `Recovered` only.
    pub ended_at: Option<Timestamp>,
    /// Frozen.
    pub evidence: Evidence,
}

impl TransitionKind {
    pub const ALL: [Self; 7] = [
        Self::Suspected,
        Self::Started,
        Self::Worsened,
        Self::PartlyBack,
        Self::GoneAgain,
        Self::Recovered,
        Self::Retracted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Started => "started",
            Self::Worsened => "worsened",
            Self::PartlyBack => "partly_back",
            Self::GoneAgain => "gone_again",
            Self::Recovered => "recovered",
            Self::Retracted => "retracted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The phase that an incident is in after this change.
    pub fn leads_to(self) -> Phase {
        match self {
            Self::Suspected => Phase::Suspected,
            Self::Started | Self::Worsened | Self::GoneAgain => Phase::Down,
            Self::PartlyBack => Phase::Returning,
            Self::Recovered => Phase::Recovered,
            Self::Retracted => Phase::Retracted,
        }
    }
}

impl Phase {
    pub const ALL: [Self; 5] =
        [Self::Suspected, Self::Down, Self::Returning, Self::Recovered, Self::Retracted];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Down => "down",
            Self::Returning => "returning",
            Self::Recovered => "recovered",
            Self::Retracted => "retracted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }

    pub fn is_over(self) -> bool {
        matches!(self, Self::Recovered | Self::Retracted)
    }
}

impl fmt::Display for TransitionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
