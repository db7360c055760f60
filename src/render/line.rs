//! A line that may name moments, which each platform writes in its own way.

use super::words::local_and_utc;
use crate::domain::Timestamp;
use chrono_tz::Tz;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(String),
    /// `said` is how it is written where the platform has no way of its own: in the place's zone and in UTC.
    Moment {
        at: Timestamp,
        said: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<Part>);

impl Line {
    /// Goes on with text.
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

    /// Goes on with a moment; `now` is when it is read, as far as the year goes.
    #[must_use]
    pub fn at(mut self, at: Timestamp, zone: Tz, now: Timestamp) -> Self {
        self.0.push(Part::Moment { at, said: local_and_utc(at, zone, now) });
        self
    }

    /// With text in front of it.
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
