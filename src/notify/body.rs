//! What the notices hold that are no alert: their bodies, written by whoever owes them and read by the outbox. Pure.

use crate::domain::{DelayReason, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A notice that is no alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// An outage that began and ended while the program was away.
    MissedIncident(i64),
    /// What a chat was not told as it happened, in one message with the true state of each.
    Summary { incidents: Vec<i64>, why: DelayReason, since: Timestamp },
    /// A marked sample.
    Sample,
    /// A chat cannot be told any more: to the person who subscribed there.
    Suspended { place: String, link: Option<String>, why: String },
    /// Something is wrong with the bot itself: to its operator.
    OperatorAlert { said: String },
    /// It is not any more.
    TroubleOver { said: String, since: Timestamp },
    /// Something that the operator should know of, and that has no end.
    Word { said: String },
}

impl Body {
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(json!(null))
    }

    /// `None` where a later version has written it.
    pub fn from_json(body: &Value) -> Option<Self> {
        serde_json::from_value(body.clone()).ok()
    }
}

/// The body of the notice of an outage that began and ended while the program was away.
pub fn while_away(incident: i64) -> Value {
    Body::MissedIncident(incident).to_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_again() {
        let since = Timestamp::from_unix(7);
        for body in [
            Body::MissedIncident(3),
            Body::Summary { incidents: vec![1, 2], why: DelayReason::Late, since },
            Body::Sample,
            Body::OperatorAlert { said: "a disk".to_owned() },
            Body::TroubleOver { said: "a disk".to_owned(), since },
        ] {
            assert_eq!(Body::from_json(&body.to_json()), Some(body));
        }
        assert_eq!(Body::from_json(&while_away(3)), Some(Body::MissedIncident(3)));
        assert_eq!(Body::from_json(&json!({ "of_a_later_version": 1 })), None);
    }
}
