//! The state of the bot's own uplink.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of the bot's own uplink, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UplinkState {
    /// The controls answer as they must.
    Good,
    /// The uplink fails in part. A failed probe therefore proves nothing about its target.
    Doubtful,
    /// No control answers.
    Gone,
}

impl fmt::Display for UplinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Gone => "gone",
        })
    }
}
