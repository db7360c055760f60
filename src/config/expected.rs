//! The values that a key takes, in plain words, for an error about a value of another type.

/// The values of keys whose bounds are known before the value is checked.
const OF_KEYS: [(&str, &str); 12] = [
    ("jitter_seconds", "a whole number from 0 to 3600"),
    ("max_concurrent", "a whole number from 1 to 8"),
    ("calls_a_day", "a whole number, 1 or more"),
    ("every_seconds", "a whole number from 10 to 3600"),
    ("timeout_seconds", "a whole number from 1 to 25"),
    ("in_flight", "a whole number from 1 to 4096"),
    ("raw_days", "a whole number, 15 or more"),
    ("hourly_days", "a whole number, not less than `raw_days`"),
    ("max_subscriptions", "a whole number from 1 to 1000"),
    ("schedule", "a cron line in quotes, such as \"*/5 * * * *\""),
    ("prune", "a cron line in quotes, such as \"30 3 * * *\""),
    ("zone", "the name of a time zone in quotes, such as \"Europe/Moscow\""),
];

/// Returns the values that the key takes, in words that follow "must be"; `None` if the error of
/// the TOML crate is not about a value or a type.
pub(super) fn of(key: &str, error: &str) -> Option<String> {
    let error = error.to_lowercase();
    let due = error.rsplit_once("expected ").map_or(error.as_str(), |(_, due)| due);
    if error.starts_with("unknown variant") {
        let words: Vec<&str> = due.split('`').skip(1).step_by(2).collect();
        return Some(format!("one of {}", words.join(", ")));
    }
    if error.starts_with("missing field") || error.starts_with("duplicate") {
        return None;
    }
    if let Some((_, due)) = OF_KEYS.iter().find(|(known, _)| *known == key) {
        return Some((*due).to_owned());
    }
    let is = |words: &[&str]| words.iter().any(|word| due.contains(word));
    let due = if is(&["u8", "u16", "u32", "u64", "usize", "integer", "overflow", "too large"]) {
        "a whole number, 0 or more"
    } else if is(&["bool"]) {
        "true or false"
    } else if is(&["sequence", "array"]) {
        "a list in brackets, such as [\"one\", \"two\"]"
    } else if is(&["string", "variant"]) {
        "a text in quotes"
    } else if is(&["map", "struct", "table"]) {
        "a table"
    } else {
        return None;
    };
    Some(due.to_owned())
}
