//! How our own line stands.

use serde::{Deserialize, Serialize};
use std::fmt;

/// From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UplinkState {
    Good,
    /// Something of it does not hold: what our probes miss says nothing of others.
    Doubtful,
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
