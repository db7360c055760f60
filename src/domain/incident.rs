//! An incident: one outage of one entity, with its numbered changes.

use super::{Arrival, Entity, Evidence, Seconds, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An earlier outage of the same entity, which is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The incident's number in the database.
    pub id: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// Its duration in seconds.
    pub lasted: Seconds,
}

/// The n-th incident of an entity. The detector knows this key before the database has given the
/// incident a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentKey {
    /// The entity that is out.
    pub entity: Entity,
    /// The position among the entity's incidents, counted from 1.
    pub ordinal: u32,
}

/// The current state of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Some evidence, but not enough to alert every subscriber.
    Suspected,
    /// Enough evidence for an alert.
    Down,
    /// A part of the entity is back.
    Returning,
    /// The outage is over.
    Recovered,
    /// The incident is withdrawn: later data show that there was no outage, or the suspicion was
    /// not confirmed.
    Retracted,
}

/// The kind of change that a transition makes. The words are stored in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// The incident was opened as a suspicion.
    Suspected,
    /// The evidence became enough for an alert.
    Started,
    /// A further layer was lost well after the start.
    Worsened,
    /// A part of the entity came back.
    PartlyBack,
    /// The part that had come back was lost again.
    GoneAgain,
    /// The outage ended.
    Recovered,
    /// The incident was withdrawn: there was no outage.
    Retracted,
}

/// A numbered change of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The incident that changes.
    pub incident: IncidentKey,
    /// Counted from 1, without gaps within the incident.
    pub number: u32,
    /// The kind of change.
    pub kind: TransitionKind,
    /// `received_at` of the batch that decided it.
    pub at: Timestamp,
    /// How that batch was received.
    pub arrival: Arrival,
    /// When the outage began, as far as is known now. This is earlier than the moment of detection.
    pub started_at: Timestamp,
    /// When the outage ended; only for `Recovered`.
    pub ended_at: Option<Timestamp>,
    /// The evidence at that moment. It never changes later.
    pub evidence: Evidence,
}

impl TransitionKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 7] = [
        Self::Suspected,
        Self::Started,
        Self::Worsened,
        Self::PartlyBack,
        Self::GoneAgain,
        Self::Recovered,
        Self::Retracted,
    ];

    /// Returns the word that the database stores.
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

    /// Parses the stored word; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the phase of the incident after this change.
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
    /// Every phase, in the order of the enum.
    pub const ALL: [Self; 5] =
        [Self::Suspected, Self::Down, Self::Returning, Self::Recovered, Self::Retracted];

    /// Returns the word that the database stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Down => "down",
            Self::Returning => "returning",
            Self::Recovered => "recovered",
            Self::Retracted => "retracted",
        }
    }

    /// Parses the stored word; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }

    /// Returns whether the incident is closed and gets no more transitions.
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
