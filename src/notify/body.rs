//! The bodies of all notices that are not alerts. The code that creates a notice writes the body as
//! JSON; the outbox reads it. Pure.

use crate::domain::{DelayReason, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The content of a notice that is not an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// The id of an incident that began and ended while the program was not running.
    MissedIncident(i64),
    /// Alerts that the chat did not get in time, as one message with the current state of each
    /// incident.
    Summary {
        /// The ids of the incidents, in the order of the message.
        incidents: Vec<i64>,
        /// Why the alerts were delayed.
        why: DelayReason,
        /// When the oldest of the alerts became owed.
        since: Timestamp,
    },
    /// A message that is marked as a test, sent by `/test`.
    Sample,
    /// For the person who subscribed a chat: the chat cannot be reached any more.
    Suspended {
        /// The description of the chat: `a channel`.
        place: String,
        /// The URL that opens the chat, if there is one.
        link: Option<String>,
        /// The reason that the platform gave.
        why: String,
    },
    /// For the operator: something is wrong with the bot itself.
    OperatorAlert {
        /// The problem, as a sentence.
        said: String,
    },
    /// For the operator: an earlier `OperatorAlert` is over.
    TroubleOver {
        /// The problem, as a sentence.
        said: String,
        /// When the problem began.
        since: Timestamp,
    },
    /// For the operator: an event without an end.
    Word {
        /// The event, as a sentence.
        said: String,
    },
}

impl Body {
    /// Returns the form in which the database stores the body.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(json!(null))
    }

    /// Reads a stored body. Returns `None` for one that a later version has written.
    pub fn from_json(body: &Value) -> Option<Self> {
        serde_json::from_value(body.clone()).ok()
    }
}

/// Returns the body for an incident that began and ended while the program was not running.
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
