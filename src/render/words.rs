//! Formats all numbers, durations, times and plurals.

pub use super::outside::tame;
use super::syntax::Syntax;
use crate::domain::{Seconds, Timestamp, time::DAY, time::HOUR, time::MINUTE};
use chrono::{Offset, TimeZone};
use chrono_tz::Tz;

/// Formats a number: `4`, `0.5`, `12,000`. It is rounded to whole numbers from 10 on and to two
/// decimals below.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let whole = value.round();
    if value.abs() >= 10.0 || (value - whole).abs() < 0.005 {
        return grouped(whole as i64);
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn grouped(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = if value < 0 { "-".to_owned() } else { String::new() };
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a share, where 1 is the whole, as a percentage: `12 %`.
pub fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    if hundredths > 0.0 && hundredths < 1.0 {
        "< 1 %".to_owned()
    } else {
        format!("{hundredths:.0} %")
    }
}

/// Formats a duration in at most two units: `45 s`, `12 min`, `2 h 12 min`, `3 d 4 h`.
pub fn duration(seconds: Seconds) -> String {
    let seconds = seconds.max(0);
    if seconds < MINUTE {
        return format!("{seconds} s");
    }
    if seconds < HOUR {
        return format!("{} min", seconds / MINUTE);
    }
    let (large, small) = if seconds < DAY {
        ((seconds / HOUR, "h"), (seconds % HOUR / MINUTE, "min"))
    } else {
        ((seconds / DAY, "d"), (seconds % DAY / HOUR, "h"))
    };
    if small.0 == 0 {
        format!("{} {}", large.0, large.1)
    } else {
        format!("{} {} {} {}", large.0, large.1, small.0, small.1)
    }
}

/// Formats a count with its noun: `1 block`, `4 blocks`.
pub fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count as i64), if count == 1 { one } else { many })
}

/// Returns the line that names the command for an incident's details: `Incident 3 · /outage 3`.
pub fn incident_line(id: i64, syntax: Syntax) -> String {
    format!("Incident {id} · {}", syntax.outage(id))
}

/// Formats a time in its zone and in UTC: `Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)`. The year is
/// shown only if it is not that of `now`.
pub fn local_and_utc(at: Timestamp, zone: Tz, now: Timestamp) -> String {
    let there = at.utc().with_timezone(&zone);
    if there.offset().fix().local_minus_utc() == 0 {
        return day_and_time(at, Tz::UTC, now);
    }
    let utc = day_and_time(at, Tz::UTC, now);
    format!("{} ({utc})", day_and_time(at, zone, now))
}

/// Formats a time in one zone: `Sat 7 Jun 02:34 KST`. The year is shown only if it is not that of
/// `now`.
pub fn day_and_time(at: Timestamp, zone: Tz, now: Timestamp) -> String {
    let local = zone.from_utc_datetime(&at.utc().naive_utc());
    let same_year = at.utc().format("%Y").to_string() == now.utc().format("%Y").to_string();
    let day = if same_year { "%a %-d %b %H:%M %Z" } else { "%a %-d %b %Y %H:%M %Z" };
    utc_named(&local.format(day).to_string())
}

/// Formats the time of day in UTC: `19:20 UTC`.
pub fn utc_time(at: Timestamp) -> String {
    at.utc().format("%H:%M UTC").to_string()
}

/// Rewrites the offset of a zone without an abbreviation: `+0330` becomes `UTC+03:30`.
fn utc_named(text: &str) -> String {
    match text.rsplit_once(' ') {
        Some((time, offset)) if offset.starts_with(['+', '-']) => {
            let (hours, minutes) = offset.split_at(3);
            let minutes = if minutes.is_empty() || minutes == "00" {
                String::new()
            } else {
                format!(":{minutes}")
            };
            format!("{time} UTC{hours}{minutes}")
        }
        _ => text.to_owned(),
    }
}

/// Joins items to a list: `a`, `a and b`, `a, b and c`.
pub fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        assert_eq!(number(4.0), "4");
        assert_eq!(number(0.985), "0.98");
        assert_eq!(number(0.5), "0.5");
        assert_eq!(number(1_234_567.4), "1,234,567");
        assert_eq!(number(-1200.0), "-1,200");
        assert_eq!(percent(0.004), "< 1 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(plural(1, "block", "blocks"), "1 block");
    }

    #[test]
    fn lengths_of_time_have_two_units_at_most() {
        let shown: Vec<_> =
            [9, 60, 3599, 3600, 7920, 86_400, 273_900].into_iter().map(duration).collect();
        assert_eq!(shown, ["9 s", "1 min", "59 min", "1 h", "2 h 12 min", "1 d", "3 d 4 h"]);
    }

    #[test]
    fn a_time_is_given_in_the_zone_of_the_place_and_in_utc() {
        let at = Timestamp::parse("2025-06-06 17:34").unwrap();
        let shown = |zone, now: &str| local_and_utc(at, zone, Timestamp::parse(now).unwrap());
        assert_eq!(
            shown(Tz::Asia__Pyongyang, "2025-06-07"),
            "Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)"
        );
        assert_eq!(
            shown(Tz::Asia__Tehran, "2025-06-07"),
            "Fri 6 Jun 21:04 UTC+03:30 (Fri 6 Jun 17:34 UTC)"
        );
        assert_eq!(shown(Tz::UTC, "2026-01-01"), "Fri 6 Jun 2025 17:34 UTC");
    }
}
