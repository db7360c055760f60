//! Lengths of time as people type them: `90 min`, `2h`, `3 days`.

use crate::domain::Seconds;
use crate::domain::time::{DAY, HOUR, MINUTE};

/// Nobody mutes for longer, or means to have forgotten it.
const LONGEST: Seconds = 30 * DAY;

pub(in crate::command) fn parse(text: &str) -> Option<Seconds> {
    let text = text.trim().to_lowercase();
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit.trim() {
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7 * DAY,
        _ => return None,
    };
    let length = number.parse::<Seconds>().ok()?.checked_mul(unit)?;
    (length > 0 && length <= LONGEST).then_some(length)
}
