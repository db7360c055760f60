//! A line of text with points in time, which each platform writes in its own way.

use super::words::local_and_utc;
use crate::domain::Timestamp;
use chrono_tz::Tz;
use std::fmt;

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text without markup.
    Text(String),
    /// A point in time.
    Moment {
        /// The time itself, for platforms that show it in the reader's time zone.
        at: Timestamp,
        /// The time in words for all other platforms, in the zone of the entity and in UTC.
        said: String,
    },
}

/// A line of text in which points in time stay recognisable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<Part>);

impl Line {
    /// Appends text.
    #[must_use]
    pub fn and(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        if let Some(Part::Text(last)) = self.0.last_mut() {
            last.push_str(&text);
        } else if !text.is_empty() {
            self.0.push(Part::Text(text));
        }
        self
    }

    /// Appends a point in time. The year is shown only if it is not that of `now`.
    #[must_use]
    pub fn at(mut self, at: Timestamp, zone: Tz, now: Timestamp) -> Self {
        self.0.push(Part::Moment { at, said: local_and_utc(at, zone, now) });
        self
    }

    /// Returns the line with text in front of it.
    #[must_use]
    pub fn after(self, text: &str) -> Self {
        self.0.into_iter().fold(Self::from(text), |line, part| match part {
            Part::Text(more) => line.and(more),
            moment @ Part::Moment { .. } => {
                let mut line = line;
                line.0.push(moment);
                line
            }
        })
    }

    /// Returns the pieces in their order; two texts never follow each other.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::default().and(text)
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::default().and(text)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) | Part::Moment { said: text, .. } => f.write_str(text),
        })
    }
}
