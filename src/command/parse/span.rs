//! Parses lengths of time as people type them and as messages print them: `90 min`, `2h`,
//! `4 h 33 min`, `half an hour`.

use crate::domain::Seconds;
use crate::domain::time::{DAY, HOUR, MINUTE};

/// The longest mute. A longer one is a typing error, or would be forgotten.
pub(in crate::command) const LONGEST: Seconds = 30 * DAY;

/// Parses a length of time into seconds, more than 0. `None` for any other text.
pub(in crate::command) fn parse(text: &str) -> Option<Seconds> {
    let text = text.trim().to_lowercase().replace([',', '~'], " ");
    let mut rest = text.trim();
    if rest == "half an hour" {
        return Some(HOUR / 2);
    }
    let mut length: Seconds = 0;
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let unit_end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (word, after) = after.split_at(unit_end);
        let unit = unit(word)?;
        length = length.checked_add(number.times(unit)?)?;
        rest = after.trim_start();
        rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
    }
    (length > 0).then_some(length)
}

fn unit(word: &str) -> Option<Seconds> {
    Some(match word {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        _ => return None,
    })
}

/// A number with one decimal place: `1.5`.
#[derive(Clone, Copy)]
struct Number {
    whole: Seconds,
    tenths: Seconds,
}

impl Number {
    fn times(self, unit: Seconds) -> Option<Seconds> {
        self.whole.checked_mul(unit)?.checked_add(self.tenths * unit / 10)
    }
}

/// Splits the number at the front of a text from the text after it.
fn number(text: &str) -> Option<(Number, &str)> {
    const WORDS: [(&str, Seconds); 14] = [
        ("an", 1),
        ("a", 1),
        ("one", 1),
        ("two", 2),
        ("three", 3),
        ("four", 4),
        ("five", 5),
        ("six", 6),
        ("seven", 7),
        ("eight", 8),
        ("nine", 9),
        ("ten", 10),
        ("eleven", 11),
        ("twelve", 12),
    ];
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, after) = text.split_at(end);
    if digits.is_empty() {
        let (word, after) = text.split_once(' ')?;
        let (_, whole) = WORDS.iter().find(|(known, _)| *known == word)?;
        return Some((Number { whole: *whole, tenths: 0 }, after.trim_start()));
    }
    let whole = digits.parse().ok()?;
    let point = after.strip_prefix('.').and_then(|rest| {
        let tenth = rest.chars().next()?.to_digit(10)?;
        Some((Seconds::from(tenth), rest.trim_start_matches(|c: char| c.is_ascii_digit())))
    });
    let (tenths, after) = point.unwrap_or((0, after));
    Some((Number { whole, tenths }, after.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_as_people_write_it_and_as_it_is_printed() {
        for (text, expected) in [
            ("90 min", 90 * MINUTE),
            ("2h", 2 * HOUR),
            ("3 days", 3 * DAY),
            ("4 h 33 min", 4 * HOUR + 33 * MINUTE),
            ("2h30m", 2 * HOUR + 30 * MINUTE),
            ("19 min", 19 * MINUTE),
            ("45 s", 45),
            ("3 d 4 h", 3 * DAY + 4 * HOUR),
            ("1.5 h", 90 * MINUTE),
            ("an hour", HOUR),
            ("half an hour", HOUR / 2),
            ("two weeks", 14 * DAY),
            ("1 hour and 10 minutes", 70 * MINUTE),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for wrong in [
            "",
            "2",
            "h",
            "ever",
            "0h",
            "2 parsecs",
            "2 h 3",
            "-1 h",
            "99999999999999999999 d",
            "1.h x",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
