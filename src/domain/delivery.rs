//! Deliveries: messages that are due to a chat, and the reasons for holding them back.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A new notice for one chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// The chat's row number in the database.
    pub chat: i64,
    /// Whether this is the chat's first message about the incident. Starts are sent before
    /// everything else.
    pub is_start: bool,
    /// The delay, or `None` if the notice is sent at once.
    pub hold: Option<Hold>,
}

/// A delay of a delivery. Held deliveries are combined into one summary when the hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The end of the hold.
    pub until: Timestamp,
    /// The reason for the hold.
    pub why: HeldFor,
}

/// The chat setting that holds a delivery back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldFor {
    /// The chat muted the entity for some time.
    Mute,
    /// The chat's quiet hours.
    Quiet,
}

/// The reason why a chat got a report later than it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelayReason {
    /// The chat had muted the entity.
    Muted,
    /// It was the chat's quiet hours.
    Quiet,
    /// The platform was unreachable or too slow.
    Late,
    /// The bot could not write to the chat, for example because it was removed or blocked.
    ShutOut,
}

impl From<HeldFor> for DelayReason {
    fn from(why: HeldFor) -> Self {
        match why {
            HeldFor::Mute => Self::Muted,
            HeldFor::Quiet => Self::Quiet,
        }
    }
}

impl NewDelivery {
    /// Creates a delivery that is sent at once.
    pub fn now(chat: i64, is_start: bool) -> Self {
        Self { chat, is_start, hold: None }
    }
}

impl HeldFor {
    /// Returns the word that the database stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Quiet => "quiet",
        }
    }

    /// Parses the stored word; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Mute, Self::Quiet].into_iter().find(|why| why.as_str() == text)
    }
}

impl fmt::Display for HeldFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a chat's deliveries, as counts and times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deliveries that may be sent now, including those in flight.
    pub owed: u32,
    /// Deliveries that wait for the end of quiet hours or of a mute.
    pub held: u32,
    /// The creation time of the oldest notice among `owed`.
    pub oldest: Option<Timestamp>,
    /// The time of the last successful send.
    pub last_sent: Option<Timestamp>,
    /// The error of the newest delivery that has failed and is not sent.
    pub last_error: Option<String>,
    /// Sends that were repeated without knowing whether the first one had arrived.
    pub doubts: u32,
    /// Deliveries that are not tried any more.
    pub given_up: u32,
}
