//! Subscriptions: which chat wants alerts on which entity, and when not.

use super::time::MINUTE;
use super::{Confidence, Entity, Layer, Phase, Seconds, Timestamp};
use chrono::{NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One place on a platform that receives messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Chat {
    /// The row number in the database.
    pub id: i64,
    /// The name of the platform: `console`, `discord` or `telegram`.
    pub platform: String,
    /// The platform's own address of the place.
    pub address: String,
}

impl Chat {
    /// Returns the address for private messages to a person, or `None` if the platform has none.
    pub fn direct(platform: &str, person: &str) -> Option<String> {
        match platform {
            "discord" => Some(format!("@{person}")),
            "telegram" => Some(person.to_owned()),
            _ => None,
        }
    }
}

/// The range of entities that a subscription covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Every entity that the config watches.
    All,
    /// A single entity, whether or not the config watches it.
    One(Entity),
}

/// A chat's subscription to alerts on an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The chat that receives the alerts.
    pub chat: Chat,
    /// The entities that it covers.
    pub scope: Scope,
    /// When the chat subscribed.
    pub since: Timestamp,
    /// The chat's preferences for these alerts.
    pub options: Options,
}

/// The confidence that is required before a chat gets an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Only when confidence is high: several independent witnesses. Alerts come later, and some
    /// outages are never reported.
    Careful,
    /// As soon as an outage is confirmed.
    #[default]
    Balanced,
    /// From the first suspicion, which may be withdrawn later.
    Eager,
}

impl Sensitivity {
    /// Every sensitivity, from the fewest alerts to the most.
    pub const ALL: [Self; 3] = [Self::Careful, Self::Balanced, Self::Eager];

    /// Returns the word that commands, the config and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Careful => "careful",
            Self::Balanced => "balanced",
            Self::Eager => "eager",
        }
    }

    /// Returns in words when a chat with this sensitivity gets an alert.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Careful => "when it is highly sure",
            Self::Balanced => "when it is sure",
            Self::Eager => "from the first suspicion",
        }
    }

    /// Parses the word, its meaning, or both in the displayed form: `eager`,
    /// `eager: from the first suspicion`.
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

    /// Returns whether an incident in that phase, with that confidence, is reported at all.
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

/// A chat's preferences for alerts. The default sends everything, at any hour, and mentions nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The chosen sensitivity, or `None` for the one that the config sets for the entity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    /// The kinds of messages that are sent.
    pub kinds: Kinds,
    /// Reports only outages in which one of these layers is lost. Empty means any layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// The person or role that is mentioned when an outage starts, in the platform's own notation:
    /// `<@&123>`, `@ops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mention: Option<String>,
    /// The hours of each day without messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// The time zone for quiet hours and for times in messages. If there is none, quiet hours are
    /// in UTC and messages use the zone of the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Tz>,
}

/// The kinds of messages about an outage. The start is always sent: a recovery means nothing to a
/// chat that never got the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds {
    /// Sends changes between start and end as separate messages. The first message is edited in any
    /// case.
    pub updates: bool,
    /// Sends a message when the outage is over.
    pub recoveries: bool,
}

impl Default for Kinds {
    fn default() -> Self {
        Self { updates: true, recoveries: true }
    }
}

impl Kinds {
    /// Every combination, from the most messages to the fewest.
    pub const ALL: [Self; 4] = [
        Self { updates: true, recoveries: true },
        Self { updates: true, recoveries: false },
        Self { updates: false, recoveries: true },
        Self { updates: false, recoveries: false },
    ];

    /// Returns in words which messages are sent.
    pub fn words(self) -> &'static str {
        match (self.updates, self.recoveries) {
            (true, true) => "starts, updates and recoveries",
            (true, false) => "starts and updates",
            (false, true) => "starts and recoveries",
            (false, false) => "starts alone",
        }
    }
}

/// The hours of each day in which nothing is sent. Both ends are minutes since midnight; `from` is
/// included, `until` is not. The range spans midnight if `from` is later than `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    from: u16,
    until: u16,
}

/// A chat gets no alerts on a scope for some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// The chat's row number in the database.
    pub chat: i64,
    /// The muted entities.
    pub scope: Scope,
    /// When the mute ends.
    pub until: Timestamp,
}

impl Scope {
    /// Returns whether the entity is in the scope. [`Scope::All`] contains only configured
    /// entities.
    pub fn covers(&self, entity: &Entity, is_configured: bool) -> bool {
        match self {
            Self::All => is_configured,
            Self::One(wanted) => wanted == entity,
        }
    }
}

impl Mute {
    /// Returns whether the entity is muted. A mute of [`Scope::All`] covers every entity, whether
    /// or not the config watches it.
    pub fn covers(&self, entity: &Entity) -> bool {
        self.scope.covers(entity, true)
    }
}

const MINUTES_A_DAY: u16 = 24 * 60;

impl Quiet {
    /// Creates quiet hours, or returns `None` unless both are different minutes of a day (0 to
    /// 1439).
    pub fn new(from: u16, until: u16) -> Option<Self> {
        (from < MINUTES_A_DAY && until < MINUTES_A_DAY && from != until)
            .then_some(Self { from, until })
    }

    /// Parses `22-07` or `22:30-7:15`.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once(['-', '–'])?;
        let minutes = |text: &str| {
            let (hour, minute) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            // Midnight may be written as 24.
            (hour < 24 && minute < 60 || hour == 24 && minute == 0)
                .then_some((hour % 24) * 60 + minute)
        };
        Self::new(minutes(from)?, minutes(until)?)
    }

    /// Returns when the quiet hours that hold at `now` end, or `None` if none hold.
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
        // A clock change may skip the local end time. The quiet hours then last as long as without
        // it.
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
        // The night in which the clock goes back is an hour longer.
        assert_eq!(
            ends("2025-10-25 22:00", Tz::Europe__Berlin).as_deref(),
            Some("2025-10-26T06:00:00Z")
        );
    }
}
