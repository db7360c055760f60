//! Who wants to hear of what, and when not.

use super::time::MINUTE;
use super::{Confidence, Entity, Layer, Phase, Seconds, Timestamp};
use chrono::{NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One place on a platform where messages go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Chat {
    /// The row's number in the database.
    pub id: i64,
    /// `console`, `discord`, `telegram`.
    pub platform: String,
    /// The platform's own address of the place.
    pub address: String,
}

impl Chat {
    /// The address at which a person is told alone, where the platform has such a thing.
    pub fn direct(platform: &str, person: &str) -> Option<String> {
        match platform {
            "discord" => Some(format!("@{person}")),
            "telegram" => Some(person.to_owned()),
            _ => None,
        }
    }
}

/// What a subscription is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Everything that the config watches.
    All,
    One(Entity),
}

/// A chat's wish to hear of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub chat: Chat,
    pub scope: Scope,
    pub since: Timestamp,
    pub options: Options,
}

/// How sure it must be before a chat is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Only when it is highly sure: several independent witnesses. Later, and some outages never.
    Careful,
    /// As soon as it is sure.
    #[default]
    Balanced,
    /// From the first suspicion, which may be taken back.
    Eager,
}

impl Sensitivity {
    pub const ALL: [Self; 3] = [Self::Careful, Self::Balanced, Self::Eager];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Careful => "careful",
            Self::Balanced => "balanced",
            Self::Eager => "eager",
        }
    }

    /// Returns when a chat hears of an outage by it, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Careful => "when it is highly sure",
            Self::Balanced => "when it is sure",
            Self::Eager => "from the first suspicion",
        }
    }

    /// Reads the word, its meaning, or both as they are shown: `eager`, `eager: from the first suspicion`.
    pub fn parse(text: &str) -> Option<Self> {
        let said = text.trim();
        let (word, meaning) = said
            .split_once(':')
            .map_or((said, None), |(word, meaning)| (word, Some(meaning.trim())));
        let is_it = |known: &Self| {
            let means = |text: &str| known.meaning().eq_ignore_ascii_case(text);
            known.as_str().eq_ignore_ascii_case(word) && meaning.is_none_or(means) || means(said)
        };
        Self::ALL.into_iter().find(is_it)
    }

    /// Whether an incident in that phase, so sure, is told at all.
    pub fn hears_of(self, phase: Phase, sureness: Confidence) -> bool {
        match self {
            Self::Careful => phase != Phase::Suspected && sureness == Confidence::High,
            Self::Balanced => phase != Phase::Suspected,
            Self::Eager => true,
        }
    }
}

impl fmt::Display for Sensitivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a chat wants to be told. What is left out is told all of it, at any hour, to nobody by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Where not said, as the config says for the entity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    pub kinds: Kinds,
    /// Only outages in which one of these is lost; any where empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// Who is called by name when an outage starts, in the platform's own writing: `<@&123>`, `@ops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mention: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// Of the quiet hours, and of the times in messages; where none is named, UTC for the one and the place's own for
    /// the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Tz>,
}

/// What of an outage is told. The start always is: nobody wants to hear that it is over who never heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds {
    /// What happens between start and end, as messages of its own; the first message is edited in any case.
    pub updates: bool,
    pub recoveries: bool,
}

impl Default for Kinds {
    fn default() -> Self {
        Self { updates: true, recoveries: true }
    }
}

impl Kinds {
    pub const ALL: [Self; 4] = [
        Self { updates: true, recoveries: true },
        Self { updates: true, recoveries: false },
        Self { updates: false, recoveries: true },
        Self { updates: false, recoveries: false },
    ];

    /// Returns what is told, in words.
    pub fn words(self) -> &'static str {
        match (self.updates, self.recoveries) {
            (true, true) => "starts, updates and recoveries",
            (true, false) => "starts and updates",
            (false, true) => "starts and recoveries",
            (false, false) => "starts alone",
        }
    }
}

/// Hours of each day in which nothing is told: minutes since midnight, `from` included; over midnight where it is later
/// than `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    from: u16,
    until: u16,
}

/// A chat does not want to hear of a scope until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    pub chat: i64,
    pub scope: Scope,
    pub until: Timestamp,
}

impl Scope {
    pub fn covers(&self, entity: &Entity, is_configured: bool) -> bool {
        match self {
            Self::All => is_configured,
            Self::One(wanted) => wanted == entity,
        }
    }
}

impl Mute {
    /// A mute of all is one of everything, watched by the config or not.
    pub fn covers(&self, entity: &Entity) -> bool {
        self.scope.covers(entity, true)
    }
}

const MINUTES_A_DAY: u16 = 24 * 60;

impl Quiet {
    /// `None` where the two are no minutes of a day, or the same.
    pub fn new(from: u16, until: u16) -> Option<Self> {
        (from < MINUTES_A_DAY && until < MINUTES_A_DAY && from != until)
            .then_some(Self { from, until })
    }

    /// Reads `22-07`, `22:30-7:15`.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once(['-', '–'])?;
        let minutes = |text: &str| {
            let (hour, minute) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            // Midnight may be called 24 at the end.
            (hour < 24 && minute < 60 || hour == 24 && minute == 0)
                .then_some((hour % 24) * 60 + minute)
        };
        Self::new(minutes(from)?, minutes(until)?)
    }

    /// When the quiet that holds at `now` ends; `None` where none does.
    pub fn ends_after(self, now: Timestamp, zone: Tz) -> Option<Timestamp> {
        let local = now.utc().with_timezone(&zone);
        let minute = (local.hour() * 60 + local.minute()) as u16;
        let is_quiet = if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        };
        if !is_quiet {
            return None;
        }
        let days = u64::from(self.until <= minute);
        let date = local.date_naive().checked_add_days(chrono::Days::new(days))?;
        let time = NaiveTime::from_num_seconds_from_midnight_opt(u32::from(self.until) * 60, 0)?;
        // An hour that a clock change leaves out ends when it would have been.
        let length = Seconds::from((self.until + MINUTES_A_DAY - minute) % MINUTES_A_DAY) * MINUTE;
        let end = zone.from_local_datetime(&date.and_time(time)).earliest();
        Some(end.map_or(now + length, |end| Timestamp::from_unix(end.timestamp())))
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, until] = [self.from, self.until];
        write!(f, "{:02}:{:02}–{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_are_read_as_people_write_them() {
        let read = |text| Quiet::parse(text).map(|quiet| quiet.to_string());
        assert_eq!(read("22-07").as_deref(), Some("22:00–07:00"));
        assert_eq!(read("22:30 - 7:15").as_deref(), Some("22:30–07:15"));
        assert_eq!(read("18-24").as_deref(), Some("18:00–00:00"));
        for wrong in ["", "22", "25-7", "7-7", "a-b", "22:60-7"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_night_ends_in_the_morning_of_its_zone() {
        let at = |text| Timestamp::parse(text).unwrap();
        let night = Quiet::parse("22-07").unwrap();
        let ends = |now, zone| night.ends_after(at(now), zone).map(|end| end.to_string());
        assert_eq!(ends("2025-06-06 21:59", Tz::UTC), None);
        assert_eq!(ends("2025-06-06 22:00", Tz::UTC).as_deref(), Some("2025-06-07T07:00:00Z"));
        assert_eq!(ends("2025-06-07 06:59", Tz::UTC).as_deref(), Some("2025-06-07T07:00:00Z"));
        assert_eq!(
            ends("2025-06-06 17:34", Tz::Asia__Seoul).as_deref(),
            Some("2025-06-06T22:00:00Z")
        );
        // The night in which the clock goes back has an hour more.
        assert_eq!(
            ends("2025-10-25 22:00", Tz::Europe__Berlin).as_deref(),
            Some("2025-10-26T06:00:00Z")
        );
    }
}
