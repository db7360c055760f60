//! A step of the clock.

use crate::domain::Seconds;

/// A clock that was set back: instants that it recorded from `from` on are moved back by `by`
/// seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetBack {
    /// The first instant that it recorded while it was ahead, in Unix seconds.
    pub from: i64,
    /// The seconds by which it was ahead.
    pub by: Seconds,
}

impl SetBack {
    /// Returns the true instant (Unix seconds).
    pub fn right(self, instant: i64) -> i64 {
        if instant >= self.from { instant - self.by } else { instant }
    }
}
