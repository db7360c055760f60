//! Cron lines: the times at which a source is polled.
//!
//! The syntax is that of crontab: five fields (minute, hour, day of month, month, weekday), or six
//! with seconds first. 0 and 7 are Sunday. If a day of month and a weekday are both given, either
//! matches. The `cron` crate beneath counts weekdays from 1 = Sunday and requires both to match, so
//! a line is translated, and split in two if necessary.
//!
//! Time zones work as people expect of cron. A line with an hour of its own (`30 2 * * *`) fires
//! once each day by the wall clock: at the end of the gap if its time is skipped in spring, at the
//! first of both times if it occurs twice in autumn. A line for every hour (`*/5 * * * *`) keeps
//! its interval through both changes.

use crate::domain::time::DAY;
use crate::domain::{Seconds, Timestamp};
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use cron::TimeUnitSpec;
use std::fmt;
use std::str::FromStr;

/// A cron line in a time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    line: String,
    zone: Tz,
    /// One schedule, or two whose firings are combined: by day of month and by weekday.
    parts: Vec<cron::Schedule>,
    /// Whether the line covers every hour, so that it fires by elapsed time and not by the wall
    /// clock.
    every_hour: bool,
}

/// The reason why a text is not a valid cron line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The line has neither five nor six fields.
    #[error(
        "bad cron line `{line}`: {found} fields; it takes five as in crontab (minute hour day month weekday) \
         or six with seconds first, such as `*/5 * * * *`"
    )]
    Fields {
        /// The line as it was given.
        line: String,
        /// The number of its fields.
        found: usize,
    },
    /// A field cannot be read.
    #[error("bad cron line `{line}`: `{field}` is no {name}; {expected}")]
    Field {
        /// The line as it was given.
        line: String,
        /// The name of the field, such as `day of month`.
        name: &'static str,
        /// The text of the field.
        field: String,
        /// The values that the field takes.
        expected: &'static str,
    },
    /// The name after `@` is unknown.
    #[error(
        "bad cron line `{line}`: unknown name; the names are @yearly, @monthly, @weekly, @daily and @hourly"
    )]
    Name {
        /// The line as it was given.
        line: String,
    },
    /// The day does not exist, such as 31 February.
    #[error("cron line `{line}` can never fire: there is no such day")]
    Never {
        /// The line as it was given.
        line: String,
    },
}

/// The name and the values of each field, in the order of a six-field line.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of month", "1-31"),
    ("month", "1-12 or jan-dec"),
    ("weekday", "0-7 or sun-sat (0 and 7 are Sunday)"),
];
const HOUR: usize = 2;
const DAY_OF_MONTH: usize = 3;
const WEEKDAY: usize = 5;

impl Schedule {
    /// Parses a cron line; its times are wall-clock times of `zone`.
    pub fn parse(line: &str, zone: Tz) -> Result<Self, ScheduleError> {
        let line = line.trim();
        let mut fields = fields(line)?;
        let either = [DAY_OF_MONTH, WEEKDAY].iter().all(|at| restricts(&fields[*at]));
        fields[WEEKDAY] = weekdays(&fields[WEEKDAY])
            .ok_or_else(|| wrong_field(line, WEEKDAY, &fields[WEEKDAY]))?;
        let parts = if either {
            let with_any = |at: usize| {
                let mut fields = fields.clone();
                "*".clone_into(&mut fields[at]);
                build(line, &fields)
            };
            vec![with_any(WEEKDAY)?, with_any(DAY_OF_MONTH)?]
        } else {
            vec![build(line, &fields)?]
        };
        let every_hour = parts.iter().all(|part| part.hours().count() == 24);
        let schedule = Self { line: line.to_owned(), zone, parts, every_hour };
        // The year 2000 is a leap year, and a whole cycle of the calendar follows it.
        if schedule.next_wall(Timestamp::from_unix(946_684_800).utc().naive_utc()).is_none() {
            return Err(ScheduleError::Never { line: line.to_owned() });
        }
        Ok(schedule)
    }

    /// Returns the first firing later than `after`, or `None` beyond the calendar (the year 2100).
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.every_hour { self.next_by_beat(after) } else { self.next_by_wall_clock(after) }
    }

    /// Returns the next `count` firings after `after`, soonest first.
    pub fn next(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next_after(after), |at| self.next_after(*at))
            .take(count)
            .collect()
    }

    /// Returns the line as it was written, without spaces around it.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Returns the time zone whose wall clock the line follows.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// Returns the next firing by a wall clock without a time zone.
    fn next_wall(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let next =
            |part: &cron::Schedule| part.after(&after.and_utc()).next().map(|at| at.naive_utc());
        self.parts.iter().filter_map(next).min()
    }

    fn next_by_wall_clock(&self, after: Timestamp) -> Option<Timestamp> {
        let mut wall = self.zone.from_utc_datetime(&after.utc().naive_utc()).naive_local();
        loop {
            wall = self.next_wall(wall)?;
            let at = match self.zone.from_local_datetime(&wall) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => stamp(&at),
                LocalResult::None => self.end_of_gap(wall),
            };
            // In the second pass of an autumn hour, its times have already fired in the first.
            if at > after {
                return Some(at);
            }
        }
    }

    /// Returns the instant at which the gap that contains the local time `wall` ends.
    fn end_of_gap(&self, wall: NaiveDateTime) -> Timestamp {
        let as_utc = Timestamp::from_unix(wall.and_utc().timestamp());
        // No zone differs from UTC by a day, so the change lies between these two.
        self.first_change(as_utc - DAY, as_utc + DAY).unwrap_or(as_utc)
    }

    fn next_by_beat(&self, after: Timestamp) -> Option<Timestamp> {
        // Between two changes of the clock the offset is fixed. `since` is the begin of such a
        // stretch.
        let (mut since, mut from) = (after, after);
        loop {
            let offset = self.offset(since);
            let wall = self.next_wall((from + offset).utc().naive_utc())?;
            let at = Timestamp::from_unix(wall.and_utc().timestamp()) - offset;
            let Some(change) = self.first_change(since, at) else { return Some(at) };
            // The instant of the change itself may fire by the offset that is valid from then on.
            (since, from) = (change, change - 1);
        }
    }

    /// Returns the seconds to add to UTC at that instant.
    fn offset(&self, at: Timestamp) -> Seconds {
        self.zone.offset_from_utc_datetime(&at.utc().naive_utc()).fix().local_minus_utc().into()
    }

    /// Returns the first instant in `(from, until]` whose offset differs from that of the second
    /// before it.
    fn first_change(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        if self.zone == Tz::UTC {
            return None;
        }
        let offset = self.offset(from);
        let mut before = from;
        // Changes are weeks apart, so steps of a day find each of them.
        while before < until {
            let mut after = (before + DAY).min(until);
            if self.offset(after) == offset {
                before = after;
                continue;
            }
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if self.offset(middle) == offset {
                    before = middle;
                } else {
                    after = middle;
                }
            }
            return Some(after);
        }
        None
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)?;
        if self.zone == Tz::UTC { Ok(()) } else { write!(f, " ({})", self.zone) }
    }
}

fn stamp(at: &DateTime<Tz>) -> Timestamp {
    Timestamp::from_unix(at.with_timezone(&Utc).timestamp())
}

/// Returns the six fields of a line, seconds first.
fn fields(line: &str) -> Result<Vec<String>, ScheduleError> {
    let plain = match line.strip_prefix('@').map(str::to_ascii_lowercase).as_deref() {
        None => line,
        Some("yearly" | "annually") => "0 0 1 1 *",
        Some("monthly") => "0 0 1 * *",
        Some("weekly") => "0 0 * * 0",
        Some("daily" | "midnight") => "0 0 * * *",
        Some("hourly") => "0 * * * *",
        Some(_) => return Err(ScheduleError::Name { line: line.to_owned() }),
    };
    let mut fields: Vec<String> = plain.split_whitespace().map(str::to_owned).collect();
    match fields.len() {
        5 => fields.insert(0, "0".to_owned()),
        6 => {}
        found => return Err(ScheduleError::Fields { line: line.to_owned(), found }),
    }
    Ok(fields)
}

/// Returns whether a field restricts the days. By crontab's own rule, a field that starts with a
/// star does not, even with a step.
fn restricts(field: &str) -> bool {
    !field.starts_with(['*', '?'])
}

/// Translates a weekday field with 0 or 7 = Sunday into a list that counts from 1 = Sunday; `None`
/// if it is not a weekday field.
fn weekdays(field: &str) -> Option<String> {
    if field == "*" || field == "?" {
        return Some("*".to_owned());
    }
    let mut meant = [false; 7];
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (item, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None if range == "*" => (0, 6),
            None if item.contains('/') => (weekday(range)?, 6),
            None => (weekday(range)?, weekday(range)?),
        };
        // `sat-sun` and `5-7` continue past the end of the week; `sun-7` is the whole week.
        let last = if last < first { last + 7 } else { last };
        for day in (first..=last).step_by(step) {
            meant[day % 7] = true;
        }
    }
    let list: Vec<String> =
        (0..7).filter(|day| meant[*day]).map(|day| (day + 1).to_string()).collect();
    Some(list.join(","))
}

fn weekday(text: &str) -> Option<usize> {
    const NAMES: [&str; 7] =
        ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    if let Ok(number) = text.parse::<usize>() {
        return (number <= 7).then_some(number);
    }
    let text = text.to_ascii_lowercase();
    NAMES.iter().position(|name| *name == text || name[..3] == text)
}

fn build(line: &str, fields: &[String]) -> Result<cron::Schedule, ScheduleError> {
    cron::Schedule::from_str(&fields.join(" ")).map_err(|_| {
        // The crate does not report which field it could not read, so each is tried alone.
        let is_wrong = |at: &usize| {
            let mut alone = ["*"; 6];
            alone[*at] = &fields[*at];
            cron::Schedule::from_str(&alone.join(" ")).is_err()
        };
        let at = (0..FIELDS.len()).find(is_wrong).unwrap_or(HOUR);
        wrong_field(line, at, &fields[at])
    })
}

fn wrong_field(line: &str, at: usize, field: &str) -> ScheduleError {
    let (name, expected) = FIELDS[at];
    ScheduleError::Field { line: line.to_owned(), name, field: field.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utc(line: &str) -> Schedule {
        Schedule::parse(line, Tz::UTC).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// Returns the next `count` firings in UTC, in a form for people.
    fn fires(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
        schedule
            .next(at(after), count)
            .iter()
            .map(|at| at.utc().format("%a %Y-%m-%d %H:%M:%S").to_string())
            .collect()
    }

    fn why(line: &str) -> String {
        Schedule::parse(line, Tz::UTC).unwrap_err().to_string()
    }

    #[test]
    fn five_fields_are_minutes_and_six_begin_with_seconds() {
        assert_eq!(
            fires(&utc("*/5 * * * *"), "2025-06-07 00:01", 2),
            ["Sat 2025-06-07 00:05:00", "Sat 2025-06-07 00:10:00"]
        );
        assert_eq!(
            fires(&utc("30 */5 * * * *"), "2025-06-07 00:00:30", 1),
            ["Sat 2025-06-07 00:05:30"]
        );
        assert_eq!(fires(&utc("@daily"), "2025-06-07", 1), ["Sun 2025-06-08 00:00:00"]);
        assert_eq!(fires(&utc("0 8 1 jan *"), "2025-06-07", 1), ["Thu 2026-01-01 08:00:00"]);
    }

    #[test]
    fn weekdays_are_those_of_crontab_in_both_forms() {
        // Saturday, 7 June 2025, is before all of these.
        for (field, expected) in [
            ("0", "Sun"),
            ("7", "Sun"),
            ("1", "Mon"),
            ("mon", "Mon"),
            ("Friday", "Fri"),
            ("5-6", "Fri Sat"),
            ("5-7", "Sun Fri Sat"),
            ("sat-sun", "Sun Sat"),
            ("1,3", "Mon Wed"),
            ("1-5/2", "Mon Wed Fri"),
            ("*/2", "Sun Tue Thu Sat"),
            ("4/2", "Thu Sat"),
            ("0-7", "Sun Mon Tue Wed Thu Fri Sat"),
        ] {
            for line in [format!("0 8 * * {field}"), format!("0 0 8 * * {field}")] {
                let days: Vec<String> = fires(&utc(&line), "2025-06-07 12:00", 7)
                    .iter()
                    .take(expected.split(' ').count())
                    .map(|day| day[..3].to_owned())
                    .collect();
                assert_eq!(days.join(" "), expected, "{line}");
            }
        }
    }

    #[test]
    fn a_day_of_month_and_a_weekday_mean_either() {
        assert_eq!(
            fires(&utc("0 0 13 * fri"), "2025-06-07", 3),
            ["Fri 2025-06-13 00:00:00", "Fri 2025-06-20 00:00:00", "Fri 2025-06-27 00:00:00"]
        );
        assert_eq!(
            fires(&utc("0 0 31 2 1"), "2025-02-22", 2),
            ["Mon 2025-02-24 00:00:00", "Mon 2026-02-02 00:00:00"],
            "the 31st never comes, the Mondays do"
        );
    }

    #[test]
    fn a_bad_line_says_which_field_and_what_it_may_be() {
        assert_eq!(why("61 * * * *"), "bad cron line `61 * * * *`: `61` is no minute; 0-59");
        assert_eq!(why("0 24 * * *"), "bad cron line `0 24 * * *`: `24` is no hour; 0-23");
        assert!(why("0 0 * * 8").contains("`8` is no weekday; 0-7 or sun-sat"));
        assert!(why("0 0 * * mno").contains("`mno` is no weekday"));
        assert!(why("0 0 * * 1/0").contains("`1/0` is no weekday"));
        assert!(why("* * * *").contains("4 fields; it takes five"));
        assert!(why("").contains("0 fields"));
        assert!(why("@dayly").contains("unknown name"));
        assert_eq!(
            why("0 0 31 2 *"),
            "cron line `0 0 31 2 *` can never fire: there is no such day"
        );
        assert_eq!(fires(&utc("0 0 29 2 *"), "2025-06-07", 1), ["Tue 2028-02-29 00:00:00"]);
    }

    #[test]
    fn a_time_that_spring_skips_fires_once_when_the_gap_is_over() {
        let berlin = Schedule::parse("30 2 * * *", Tz::Europe__Berlin).unwrap();
        assert_eq!(
            fires(&berlin, "2026-03-28 00:00", 3),
            ["Sat 2026-03-28 01:30:00", "Sun 2026-03-29 01:00:00", "Mon 2026-03-30 00:30:00"]
        );
        let twice = Schedule::parse("0,30 2 * * *", Tz::Europe__Berlin).unwrap();
        assert_eq!(
            fires(&twice, "2026-03-29 00:00", 2),
            ["Sun 2026-03-29 01:00:00", "Mon 2026-03-30 00:00:00"],
            "both times of the gap are one"
        );
    }

    #[test]
    fn a_time_that_comes_twice_in_autumn_fires_the_first_time_only() {
        let berlin = Schedule::parse("30 2 * * *", Tz::Europe__Berlin).unwrap();
        assert_eq!(
            fires(&berlin, "2026-10-24 12:00", 2),
            ["Sun 2026-10-25 00:30:00", "Mon 2026-10-26 01:30:00"]
        );
        assert_eq!(
            fires(&berlin, "2026-10-25 01:10", 1),
            ["Mon 2026-10-26 01:30:00"],
            "asked in the second pass"
        );
    }

    #[test]
    fn a_beat_is_kept_through_both_changes() {
        for (zone, change) in [
            (Tz::Europe__Berlin, "2026-03-29 01:00"),
            (Tz::Europe__Berlin, "2026-10-25 01:00"),
            (Tz::Asia__Beirut, "2026-10-24 21:00"),
            (Tz::Australia__Lord_Howe, "2026-10-03 15:30"),
        ] {
            let schedule = Schedule::parse("*/5 * * * *", zone).unwrap();
            let ticks = schedule.next(at(change) - 3 * 3600, 100);
            assert!(ticks.windows(2).all(|pair| pair[1] - pair[0] == 300), "{zone} {change}");
        }
        let hourly = Schedule::parse("0 * 25 10 *", Tz::Europe__Berlin).unwrap();
        assert_eq!(
            hourly.next(at("2026-10-24 12:00"), 26).last(),
            Some(&at("2027-10-24 22:00")),
            "25 hours that day"
        );
    }

    #[test]
    fn a_schedule_is_shown_as_it_was_written() {
        assert_eq!(utc(" 0 8 * * 1 ").to_string(), "0 8 * * 1");
        assert_eq!(
            Schedule::parse("0 8 * * 1", Tz::Asia__Pyongyang).unwrap().to_string(),
            "0 8 * * 1 (Asia/Pyongyang)"
        );
    }

    prop_compose! {
        fn field(max: u8, min: u8)(
            kind in 0..4, a in min..=max, b in min..=max, step in 1u8..20
        ) -> String {
            match kind {
                0 => "*".to_owned(),
                1 => format!("*/{step}"),
                2 => format!("{}-{}", a.min(b), a.max(b)),
                _ => format!("{a},{b}"),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn each_firing_is_later_than_the_one_before(
            minute in field(59, 0), hour in field(23, 0), day in field(28, 1), weekday in field(7, 0),
            zone in proptest::sample::select(vec![Tz::UTC, Tz::Europe__Berlin, Tz::Asia__Tehran, Tz::America__Havana]),
            start in 1_700_000_000i64..1_900_000_000,
        ) {
            let schedule = Schedule::parse(&format!("{minute} {hour} {day} * {weekday}"), zone).unwrap();
            let mut before = Timestamp::from_unix(start);
            for _ in 0..20 {
                let next = schedule.next_after(before).unwrap();
                prop_assert!(next > before);
                // One second before `next` the answer is the same, so nothing lies between.
                prop_assert_eq!(schedule.next_after(next - 1), Some(next));
                before = next;
            }
        }
    }
}
