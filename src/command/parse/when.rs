//! Parses moments as people type them (`yesterday`, `2h ago`, `at 17:34 yesterday`, `7 june`) and
//! as messages print them (`Sat 7 Jun 02:33 KST`, `17:35 UTC`). A time without a zone is in UTC.

use super::span;
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{Seconds, Timestamp, zone};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Weekday};
use chrono_tz::Tz;

/// A moment or a span of hours that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The moment of the question.
    Now,
    /// This moment.
    At(Timestamp),
    /// This many seconds before the question.
    Ago(Seconds),
    /// The last occurrence of a time of day in UTC: seconds since midnight.
    Clock(Seconds),
    /// A time or a span within a calendar day of some zone.
    Day {
        /// The day.
        day: Day,
        /// The part of the day.
        hours: Hours,
        /// The zone of the calendar and the clock.
        zone: Offset,
    },
}

/// A day, relative to today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// This many days before today; tomorrow is -1.
    Before(i64),
    /// The most recent day on which the time of day has already passed.
    Latest,
    /// The most recent such day of the week, today included.
    Weekday(Weekday),
    /// A date. Without a year, the most recent such date that fits the day of the week.
    Date {
        /// The day of the month, from 1.
        day: u32,
        /// The month, from 1.
        month: u32,
        /// The year, if it was named.
        year: Option<i32>,
        /// The day of the week, if it was named.
        weekday: Option<Weekday>,
    },
}

/// A part of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hours {
    /// A time of day: seconds since midnight.
    At(Seconds),
    /// From and until, in seconds since midnight; the end may lie on the next day.
    Between(Seconds, Seconds),
}

/// The zone whose clock is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// A fixed offset: seconds east of UTC.
    Fixed(Seconds),
    /// A zone with its clock changes.
    Zone(Tz),
}

const ALL_DAY: Hours = Hours::Between(0, DAY);

impl When {
    /// Parses a moment in UTC; `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_near(text, &[])
    }

    /// Parses a moment. An abbreviation such as `KST` is read as one of the `nearby` zones if one
    /// of them has it.
    pub fn parse_near(text: &str, nearby: &[Tz]) -> Option<Self> {
        let text = text.trim();
        if let Some((outer, inner)) = text.strip_suffix(')').and_then(|rest| rest.rsplit_once('('))
        {
            // `Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)` names the same moment twice.
            return Self::parse_near(inner, nearby).or_else(|| Self::parse_near(outer, nearby));
        }
        if let Some(at) = of_discord(text).or_else(|| exact(text)) {
            return Some(Self::At(at));
        }
        Words::read(text, nearby)?.finish()
    }

    /// Returns the moment itself, or the middle of the part of the span that has passed. A span
    /// that has not begun gives its start.
    pub fn instant(self, now: Timestamp) -> Timestamp {
        let (from, until) = self.span(now);
        if from > now {
            return from;
        }
        from + (until.min(now) - from) / 2
    }

    /// Returns the start and the end of the span; both are equal for a moment.
    pub fn span(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let moment = |at| (at, at);
        match self {
            Self::Now => moment(now),
            Self::At(at) => moment(at),
            Self::Ago(length) => moment(now - length),
            Self::Clock(of_day) => moment(now - (now.unix() - of_day).rem_euclid(DAY)),
            Self::Day { day, hours, zone } => {
                let (from, until) = match hours {
                    Hours::At(at) => (at, at),
                    Hours::Between(from, until) => (from, until),
                };
                let date = day.date(zone, from, now);
                (zone.at(date, from), zone.at(date, until))
            }
        }
    }

    /// Returns whether a span of hours is meant and not one moment.
    pub fn is_span(self) -> bool {
        matches!(self, Self::Day { hours: Hours::Between(..), .. })
    }
}

impl Offset {
    fn today(self, now: Timestamp) -> NaiveDate {
        match self {
            Self::Fixed(east) => (now + east).utc().date_naive(),
            Self::Zone(zone) => now.utc().with_timezone(&zone).date_naive(),
        }
    }

    /// Returns the moment `of_day` seconds after the midnight at which `date` begins, by the wall
    /// clock of the zone.
    fn at(self, date: NaiveDate, of_day: Seconds) -> Timestamp {
        let date = date.checked_add_days(Days::new((of_day / DAY).unsigned_abs())).unwrap_or(date);
        let time = NaiveTime::from_num_seconds_from_midnight_opt((of_day % DAY) as u32, 0)
            .unwrap_or_default();
        let local = date.and_time(time);
        let utc = Timestamp::from_unix(local.and_utc().timestamp());
        match self {
            Self::Fixed(east) => utc - east,
            // A wall-clock time that a clock change skips does not exist in the zone; it is read as
            // UTC.
            Self::Zone(zone) => match zone.from_local_datetime(&local).earliest() {
                Some(at) => Timestamp::from_unix(at.timestamp()),
                None => utc,
            },
        }
    }
}

impl Day {
    /// Returns the calendar date. `begins` is the start of the span in seconds since midnight: if
    /// it has not come yet today, the most recent earlier day is taken.
    fn date(self, zone: Offset, begins: Seconds, now: Timestamp) -> NaiveDate {
        /// A leap day falls on a given day of the week again within this many years.
        const YEARS: i32 = 40;
        let today = zone.today(now);
        let days_before = |days: i64| match days {
            0.. => today.checked_sub_days(Days::new(days.unsigned_abs())),
            _ => today.checked_add_days(Days::new(days.unsigned_abs())),
        };
        match self {
            Self::Before(days) => days_before(days).unwrap_or(today),
            Self::Latest if zone.at(today, begins) <= now => today,
            Self::Latest => days_before(1).unwrap_or(today),
            Self::Weekday(weekday) => {
                let days = i64::from(today.weekday().days_since(weekday));
                let date = days_before(days).unwrap_or(today);
                if days == 0 && zone.at(date, begins) > now {
                    days_before(7).unwrap_or(date)
                } else {
                    date
                }
            }
            Self::Date { day, month, year: Some(year), .. } => {
                NaiveDate::from_ymd_opt(year, month, day).unwrap_or(today)
            }
            Self::Date { day, month, year: None, weekday } => {
                let newest = today.year() + 1;
                let dates = (0..YEARS)
                    .filter_map(|back| NaiveDate::from_ymd_opt(newest - back, month, day));
                let mut past = dates.filter(|date| zone.at(*date, begins) <= now);
                let fits =
                    |date: &NaiveDate| weekday.is_none_or(|weekday| date.weekday() == weekday);
                past.find(fits).unwrap_or(today)
            }
        }
    }
}

/// Parses `<t:1749231240:f>`, the form of a moment in Discord's messages.
fn of_discord(text: &str) -> Option<Timestamp> {
    let inner = text.strip_prefix("<t:")?.strip_suffix('>')?;
    let seconds = inner.split_once(':').map_or(inner, |(seconds, _)| seconds);
    seconds.parse().ok().map(Timestamp::from_unix)
}

/// Parses `2025-06-06T17:34:00Z`, `2025-06-06 17:34 UTC`, `2025-06-07T02:34:00+09:00`. `None` for a
/// date without a time.
fn exact(text: &str) -> Option<Timestamp> {
    let upper = text.to_uppercase();
    if let Ok(at) = DateTime::parse_from_rfc3339(&upper) {
        return Some(Timestamp::from_unix(at.timestamp()));
    }
    let bare = upper.strip_suffix("UTC").unwrap_or(&upper).trim();
    if NaiveDate::parse_from_str(bare, "%Y-%m-%d").is_ok() {
        return None;
    }
    Timestamp::parse(bare)
}

/// The parts of a moment collected from the words of a text.
#[derive(Default)]
struct Words {
    now: bool,
    ago: Option<Ago>,
    day: Option<Day>,
    weekday: Option<Weekday>,
    hours: Option<Hours>,
    zone: Option<Offset>,
}

struct Ago {
    length: Seconds,
    /// Whether the length was given in days or weeks, so that a time of day may follow.
    is_days: bool,
}

impl Words {
    /// Reads all words. `None` if a word is not part of a moment.
    fn read(text: &str, nearby: &[Tz]) -> Option<Self> {
        const LONGEST: usize = 12;
        let words: Vec<&str> = text
            .split_whitespace()
            .map(|word| word.trim_end_matches([',', '.', '?', '!']))
            .collect();
        if words.is_empty() || words.len() > LONGEST {
            return None;
        }
        let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let mut said = Self::default();
        let mut at = 0;
        while at < words.len() {
            at += said.take(&words[at..], &lower[at..], nearby)?;
        }
        Some(said)
    }

    /// Reads the next part and returns its number of words. `None` if the next word is not part of
    /// a moment.
    fn take(&mut self, words: &[&str], lower: &[&str], nearby: &[Tz]) -> Option<usize> {
        if let ["at" | "on" | "in" | "the" | "around" | "about" | "from" | "since", _, ..] = lower {
            return Some(1);
        }
        if let Some(count) = self.take_ago(lower) {
            return Some(count);
        }
        if let Some(count) = self.take_day(lower) {
            return Some(count);
        }
        if let Some(count) = self.take_hours(lower) {
            return Some(count);
        }
        let is_timed = self.day.is_some() || self.hours.is_some() || self.weekday.is_some();
        if is_timed && self.zone.is_none() {
            let named = zone::find(words.first()?, nearby)?;
            self.zone = Some(named.offset.map_or(Offset::Zone(named.zone), Offset::Fixed));
            return Some(1);
        }
        None
    }

    /// Reads `2h ago`, `4 h 33 min ago`, `2 days ago`.
    fn take_ago(&mut self, lower: &[&str]) -> Option<usize> {
        let end = lower.iter().position(|word| *word == "ago")?;
        let said = lower[..end].join(" ");
        let length = span::parse(&said)?;
        let is_days = lower[..end]
            .iter()
            .any(|word| word.starts_with("day") || word.starts_with("week") || word.ends_with('d'));
        if self.ago.is_some() || self.day.is_some() {
            return None;
        }
        self.ago = Some(Ago { length, is_days });
        Some(end + 1)
    }

    fn take_day(&mut self, lower: &[&str]) -> Option<usize> {
        let (day, hours, count) = match lower {
            ["just" | "right", "now", ..] => {
                self.now = true;
                return Some(2);
            }
            ["now" | "currently", ..] => {
                self.now = true;
                return Some(1);
            }
            ["today", ..] => (Day::Before(0), None, 1),
            ["yesterday", ..] => (Day::Before(1), None, 1),
            ["tomorrow", ..] => (Day::Before(-1), None, 1),
            ["tonight", ..] => (Day::Before(0), Some(NIGHT), 1),
            ["last", "night", ..] => (Day::Before(1), Some(NIGHT), 2),
            ["this", part, ..] => (Day::Before(0), Some(part_of_day(part)?), 2),
            ["last", word, ..] if self.weekday.is_none() => {
                self.weekday = Some(weekday(word)?);
                return Some(2);
            }
            [word, ..] if self.weekday.is_none() && weekday(word).is_some() => {
                self.weekday = weekday(word);
                return Some(1);
            }
            _ => {
                let (day, count) = date(lower)?;
                (day, None, count)
            }
        };
        if self.day.is_some() || hours.is_some() && self.hours.is_some() {
            return None;
        }
        self.day = Some(day);
        self.hours = self.hours.or(hours);
        Some(count)
    }

    fn take_hours(&mut self, lower: &[&str]) -> Option<usize> {
        let (hours, count) = match lower {
            ["noon", ..] => (Hours::At(12 * HOUR), 1),
            ["midnight", ..] => (Hours::At(0), 1),
            [word, "am" | "pm" | "a.m" | "p.m", ..] => {
                (Hours::At(clock(&format!("{word}{}", lower[1].replace('.', "")))?), 2)
            }
            [word, "o'clock" | "o’clock" | "oclock", ..] => {
                (Hours::At(clock(&format!("{word}:00"))?), 2)
            }
            [word, ..] => match part_of_day(word) {
                Some(part) if self.day.is_some() || self.weekday.is_some() => (part, 1),
                _ => (Hours::At(clock(word)?), 1),
            },
            [] => return None,
        };
        if lower.first().is_some_and(|word| word.ends_with(['z', 'c'])) {
            // Reads the UTC suffix of `17:34z`, `17:34utc`.
            self.zone = Some(Offset::Fixed(0));
        }
        if self.hours.is_some() {
            return None;
        }
        self.hours = Some(hours);
        Some(count)
    }

    fn finish(self) -> Option<When> {
        let zone = self.zone.unwrap_or(Offset::Fixed(0));
        let day = match (self.day, self.weekday) {
            (Some(Day::Date { day, month, year, .. }), weekday) => {
                Some(Day::Date { day, month, year, weekday })
            }
            (Some(_), Some(_)) => return None,
            (day, weekday) => day.or(weekday.map(Day::Weekday)),
        };
        match (self.now, self.ago, day, self.hours) {
            (true, None, None, None) => Some(When::Now),
            (false, Some(ago), None, None) => Some(When::Ago(ago.length)),
            (false, Some(ago), None, Some(hours)) if ago.is_days && ago.length % DAY == 0 => {
                Some(When::Day { day: Day::Before(ago.length / DAY), hours, zone })
            }
            (false, None, Some(day), hours) => {
                Some(When::Day { day, hours: hours.unwrap_or(ALL_DAY), zone })
            }
            (false, None, None, Some(Hours::At(of_day))) => match zone {
                Offset::Fixed(east) => Some(When::Clock((of_day - east).rem_euclid(DAY))),
                Offset::Zone(_) => {
                    Some(When::Day { day: Day::Latest, hours: Hours::At(of_day), zone })
                }
            },
            _ => None,
        }
    }
}

const NIGHT: Hours = Hours::Between(18 * HOUR, 30 * HOUR);

fn part_of_day(word: &str) -> Option<Hours> {
    Some(match word {
        "morning" => Hours::Between(6 * HOUR, 12 * HOUR),
        "afternoon" => Hours::Between(12 * HOUR, 18 * HOUR),
        "evening" => Hours::Between(18 * HOUR, DAY),
        "night" => NIGHT,
        _ => return None,
    })
}

/// Parses a time of day into seconds since midnight: `17:34`, `17:34:05`, `17:34z`, `5pm`,
/// `5:34pm`.
fn clock(word: &str) -> Option<Seconds> {
    let word = word.strip_suffix('z').or_else(|| word.strip_suffix("utc")).unwrap_or(word);
    let (word, afternoon) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(word), _) => (word, Some(0)),
        (_, Some(word)) => (word, Some(12)),
        _ => (word, None),
    };
    let mut parts = word.split(':');
    let number = |part: &str| {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| part.parse::<Seconds>().ok()).flatten()
    };
    let hour = number(parts.next()?)?;
    let minute = match (parts.next(), afternoon) {
        (Some(minute), _) => number(minute)?,
        (None, Some(_)) => 0,
        (None, None) => return None,
    };
    let second = parts.next().map_or(Some(0), number)?;
    let hour = match afternoon {
        Some(later) if (1..=12).contains(&hour) => hour % 12 + later,
        Some(_) => return None,
        None => hour,
    };
    let is_whole = hour < 24 && minute < 60 && second < 60 && parts.next().is_none();
    is_whole.then_some(hour * HOUR + minute * MINUTE + second)
}

fn weekday(word: &str) -> Option<Weekday> {
    // Accepts three letters or the whole name (`sat`, `saturday`), and `tues` and `thurs`.
    match word {
        "tues" => Some(Weekday::Tue),
        "thur" | "thurs" => Some(Weekday::Thu),
        word if word.bytes().all(|b| b.is_ascii_alphabetic()) => word.parse().ok(),
        _ => None,
    }
}

/// Parses `7 june`, `june 7`, `7th of june 2025`, `2025-06-07`; also returns the number of words
/// read.
fn date(lower: &[&str]) -> Option<(Day, usize)> {
    let year = |word: Option<&&str>| -> Option<i32> {
        let year = word.filter(|word| word.len() == 4)?.parse().ok()?;
        (1970..=9999).contains(&year).then_some(year)
    };
    let day_of = |word: &str| -> Option<u32> {
        let digits =
            ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
        digits.parse().ok().filter(|day| digits.len() <= 2 && (1..=31).contains(day))
    };
    if let Ok(whole) = NaiveDate::parse_from_str(lower.first()?, "%Y-%m-%d") {
        let date = Day::Date {
            day: whole.day(),
            month: whole.month(),
            year: Some(whole.year()),
            weekday: None,
        };
        return Some((date, 1));
    }
    let (day, month, count) = match lower {
        [day, "of", month, ..] => (day_of(day)?, self::month(month)?, 3),
        [first, second, ..] => {
            match (day_of(first), self::month(second), self::month(first), day_of(second)) {
                (Some(day), Some(month), ..) | (.., Some(month), Some(day)) => (day, month, 2),
                _ => return None,
            }
        }
        _ => return None,
    };
    let year = year(lower.get(count));
    // Without a year, 29 February is valid: 2024 is a leap year.
    NaiveDate::from_ymd_opt(year.unwrap_or(2024), month, day)?;
    let count = count + usize::from(year.is_some());
    Some((Day::Date { day, month, year, weekday: None }, count))
}

fn month(word: &str) -> Option<u32> {
    match word {
        "sept" => Some(9),
        word if word.len() >= 3 => {
            word.parse::<chrono::Month>().ok().map(|month| month.number_from_month())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        // A Saturday.
        let now = at("2025-06-07 01:30");
        let read = |text: &str| When::parse(text).map(|when| when.instant(now));
        for (text, expected) in [
            ("now", "2025-06-07 01:30"),
            ("right now", "2025-06-07 01:30"),
            ("2h ago", "2025-06-06 23:30"),
            ("an hour ago", "2025-06-07 00:30"),
            ("half an hour ago", "2025-06-07 01:00"),
            ("4 h 33 min ago", "2025-06-06 20:57"),
            ("2 days ago", "2025-06-05 01:30"),
            ("90 min ago", "2025-06-07 00:00"),
            ("01:00", "2025-06-07 01:00"),
            ("17:34", "2025-06-06 17:34"),
            ("at 17:34", "2025-06-06 17:34"),
            ("5:34 pm", "2025-06-06 17:34"),
            ("5pm", "2025-06-06 17:00"),
            ("17:34 UTC", "2025-06-06 17:34"),
            ("17:34utc", "2025-06-06 17:34"),
            ("02:34 KST", "2025-06-06 17:34"),
            ("02:34 Asia/Seoul", "2025-06-06 17:34"),
            ("noon", "2025-06-06 12:00"),
            ("midnight", "2025-06-07 00:00"),
            ("at 17:34 yesterday", "2025-06-06 17:34"),
            ("yesterday at 17:34", "2025-06-06 17:34"),
            ("yesterday 02:34 KST", "2025-06-05 17:34"),
            ("2 days ago at 17:34", "2025-06-05 17:34"),
            ("monday 9:00", "2025-06-02 09:00"),
            ("saturday 0:30", "2025-06-07 00:30"),
            ("saturday 9:00", "2025-05-31 09:00"),
            ("7 june 01:00", "2025-06-07 01:00"),
            ("june 8 01:00", "2024-06-08 01:00"),
            ("8th of june 2023 at 5 pm", "2023-06-08 17:00"),
            ("2025-06-06 17:34", "2025-06-06 17:34"),
            ("2025-06-06T17:34Z", "2025-06-06 17:34"),
            ("2025-06-06T17:34:00Z", "2025-06-06 17:34"),
            ("2025-06-07T02:34:00+09:00", "2025-06-06 17:34"),
            ("2025-06-07 02:34 KST", "2025-06-06 17:34"),
            ("Sat 7 Jun 02:34 KST", "2025-06-06 17:34"),
            ("Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)", "2025-06-06 17:34"),
            ("Fri 6 Jun 2025 17:34 UTC", "2025-06-06 17:34"),
            ("Thu 6 Jun 17:34 UTC", "2024-06-06 17:34"),
            ("Fri 6 Jun 21:04 UTC+03:30", "2025-06-06 17:34"),
            ("<t:1749231240:f>", "2025-06-06 17:34"),
            ("29 february 10:00", "2024-02-29 10:00"),
        ] {
            assert_eq!(read(text), Some(at(expected)), "{text}");
        }
        for wrong in [
            "",
            "25:00",
            "soon",
            "Korea",
            "KP",
            "UTC",
            "7",
            "june",
            "at",
            "yesterday today",
            "17:34 18:34",
            "31 june",
            "yesterdy",
            "ago",
            "5 pm am",
            "12",
            "monday tuesday",
            "2h ago 17:34",
            "( )",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_or_a_part_of_one_is_a_span() {
        let now = at("2025-06-07 01:30");
        let read =
            |text: &str| When::parse(text).filter(|when| when.is_span()).map(|when| when.span(now));
        for (text, from, until) in [
            ("today", "2025-06-07 00:00", "2025-06-08 00:00"),
            ("yesterday", "2025-06-06 00:00", "2025-06-07 00:00"),
            ("yesterday KST", "2025-06-05 15:00", "2025-06-06 15:00"),
            ("last night", "2025-06-06 18:00", "2025-06-07 06:00"),
            ("yesterday evening", "2025-06-06 18:00", "2025-06-07 00:00"),
            ("this morning", "2025-06-07 06:00", "2025-06-07 12:00"),
            ("monday", "2025-06-02 00:00", "2025-06-03 00:00"),
            ("saturday", "2025-06-07 00:00", "2025-06-08 00:00"),
            ("7 june", "2025-06-07 00:00", "2025-06-08 00:00"),
            ("2025-06-05", "2025-06-05 00:00", "2025-06-06 00:00"),
            ("on the 5th of june", "2025-06-05 00:00", "2025-06-06 00:00"),
            ("Thu 5 Jun", "2025-06-05 00:00", "2025-06-06 00:00"),
        ] {
            assert_eq!(read(text), Some((at(from), at(until))), "{text}");
        }
        let middle = |text: &str| When::parse(text).map(|when| when.instant(now));
        assert_eq!(middle("today"), Some(at("2025-06-07 00:45")), "as far as it has passed");
        assert_eq!(middle("tomorrow"), Some(at("2025-06-08 00:00")), "still to come");
        assert_eq!(middle("this morning"), Some(at("2025-06-07 06:00")));
    }
}
