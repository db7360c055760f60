//! Calls that come while a pause runs that a platform asked for.

use linkdown::clock::Millis;
use std::fmt;

#[derive(Clone, Debug)]
pub struct Disobeyed {
    /// When the pause was asked for.
    pub told_at: Millis,
    pub at: Millis,
    /// How much of the pause was left.
    pub early_ms: Millis,
    pub call: String,
}

impl fmt::Display for Disobeyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { told_at, at, early_ms, call } = self;
        write!(f, "at {at}, told at {told_at}, {early_ms} ms too early: {call}")
    }
}
