//! Instants. Every instant is held in whole Unix seconds, UTC. Zones are used only for display to a
//! person.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

/// A length of time in seconds.
pub type Seconds = i64;

/// One minute in seconds.
pub const MINUTE: Seconds = 60;
/// One hour in seconds.
pub const HOUR: Seconds = 3600;
/// One day of 24 hours in seconds.
pub const DAY: Seconds = 86_400;

/// The largest correction of the clock that counts as slewing. Only a larger step backwards counts
/// as a clock that was set back.
pub const SLEWED: Seconds = MINUTE;

/// An instant: Unix seconds, UTC.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Creates an instant from Unix seconds, which may be negative.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Returns the Unix seconds.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// Returns the start of the bin of `step` seconds that contains this instant.
    #[must_use]
    pub const fn floor_to(self, step: Seconds) -> Self {
        Self(self.0 - self.0.rem_euclid(step))
    }

    /// Returns the instant as a `chrono` time, or the epoch if it is out of `chrono`'s range.
    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).unwrap_or_default()
    }

    /// Parses `2025-06-06`, `2025-06-06 17:34` or `2025-06-06T17:34:00`, with or without `Z`,
    /// always as UTC. Fractions of a second are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('Z').replace('T', " ");
        let whole = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok());
        whole
            .or_else(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
            .map(|at| Self(at.and_utc().timestamp()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.utc().format("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl Add<Seconds> for Timestamp {
    type Output = Self;
    fn add(self, seconds: Seconds) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl Sub<Seconds> for Timestamp {
    type Output = Self;
    fn sub(self, seconds: Seconds) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

impl Sub for Timestamp {
    type Output = Seconds;
    fn sub(self, earlier: Self) -> Seconds {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_form_that_the_sources_use() {
        let expected = Timestamp::from_unix(1_749_231_240);
        for text in [
            "2025-06-06 17:34",
            "2025-06-06T17:34:00",
            "2025-06-06T17:34:00Z",
            "2025-06-06T17:34:00.25",
        ] {
            assert_eq!(Timestamp::parse(text), Some(expected), "{text}");
        }
        assert_eq!(Timestamp::parse("2025-06-06"), Some(Timestamp::from_unix(1_749_168_000)));
        assert_eq!(Timestamp::parse("2025-02-30"), None);
        assert_eq!(expected.to_string(), "2025-06-06T17:34:00Z");
    }

    #[test]
    fn bins_before_the_epoch_are_floored_downwards_too() {
        assert_eq!(Timestamp::from_unix(-1).floor_to(300), Timestamp::from_unix(-300));
        assert_eq!(Timestamp::from_unix(599).floor_to(300), Timestamp::from_unix(300));
    }
}
