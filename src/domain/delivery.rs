//! What is owed to whom, and what holds it back.

use super::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A chat that is owed a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    pub chat: i64,
    /// Whether it is the first that the chat hears of the incident: these go before all else.
    pub is_start: bool,
    pub hold: Option<Hold>,
}

/// Not now: what is held is summed up when the hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    pub until: Timestamp,
    pub why: HeldFor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldFor {
    Mute,
    Quiet,
}

/// Why a chat was not told as it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DelayReason {
    Muted,
    Quiet,
    /// The platform could not be reached, or took too long.
    Late,
    /// The chat had shut the bot out.
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
    /// Owed at once.
    pub fn now(chat: i64, is_start: bool) -> Self {
        Self { chat, is_start, hold: None }
    }
}

impl HeldFor {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Quiet => "quiet",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Mute, Self::Quiet].into_iter().find(|why| why.as_str() == text)
    }
}

impl fmt::Display for HeldFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the deliveries of a chat are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub owed: u32,
    /// Until quiet hours or a mute end.
    pub held: u32,
    /// Since when the oldest that may go is owed.
    pub oldest: Option<Timestamp>,
    pub last_sent: Option<Timestamp>,
    /// Of what is owed or was given up last.
    pub last_error: Option<String>,
    /// Sent again without knowing whether they had arrived.
    pub doubts: u32,
    pub given_up: u32,
}
