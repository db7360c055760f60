//! The summary of an outage that began and ended while the program was away: what the notice holds. Pure.

use serde_json::{Value, json};

/// The notice's body: which incident it sums up.
pub fn body(incident: i64) -> Value {
    json!({ "missed_incident": incident })
}

/// The incident that a notice's body sums up, if it is one of these.
pub fn incident(body: &Value) -> Option<i64> {
    body.get("missed_incident")?.as_i64()
}
