//! Classifies Telegram's refusals of a message. Most have no code: their texts are matched only
//! here.

use super::address::Address;
use crate::notify::retry::{LimitScope, SendError};
use crate::render::words::tame;
use serde_json::Value;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The call did not reach Telegram.
    Unreachable(String),
    /// It is unknown whether Telegram accepted the call.
    InDoubt(String),
    /// Telegram asks to wait.
    RetryAfter { seconds: i64 },
    /// The group has become the supergroup with this id.
    MigratedTo { chat: i64 },
    /// Telegram refused the call with this text.
    Said { status: u16, why: String },
}

/// Parts of the texts of refusals that last until a person changes the chat.
const NEVER: [&str; 22] = [
    "blocked by the user",
    "was kicked",
    "is not a member",
    "bot was removed",
    "user is deactivated",
    "chat not found",
    "user not found",
    "group is deactivated",
    "group chat was deleted",
    "group chat was deactivated",
    "not enough rights",
    "have no rights to send",
    "need administrator rights",
    "CHAT_WRITE_FORBIDDEN",
    "CHAT_SEND_PLAIN_FORBIDDEN",
    "CHAT_RESTRICTED",
    "CHAT_ADMIN_REQUIRED",
    "CHANNEL_PRIVATE",
    "initiate conversation",
    "messages to bots",
    "TOPIC_CLOSED",
    "PEER_ID_INVALID",
];

impl Refusal {
    pub(super) fn of_transport(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable("Telegram cannot be reached".to_owned())
        } else if error.is_timeout() {
            Self::InDoubt("Telegram did not answer in time".to_owned())
        } else {
            Self::InDoubt("the connection to Telegram broke".to_owned())
        }
    }

    pub(super) fn in_doubt(why: &str) -> Self {
        Self::InDoubt(why.to_owned())
    }

    pub(super) fn unwritable(error: &serde_json::Error) -> Self {
        Self::Said { status: 400, why: format!("the message cannot be written down: {error}") }
    }

    pub(super) fn of_answer(status: u16, answer: &Value) -> Self {
        let parameter = |name| answer.get("parameters")?.get(name)?.as_i64();
        if let Some(seconds) = parameter("retry_after") {
            return Self::RetryAfter { seconds };
        }
        if let Some(chat) = parameter("migrate_to_chat_id") {
            return Self::MigratedTo { chat };
        }
        match answer.get("description").and_then(Value::as_str) {
            // A proxy in front may answer 429 without Telegram's description.
            _ if status == 429 => Self::RetryAfter { seconds: 5 },
            Some(why) if status < 500 => Self::Said { status, why: tame(why, 300) },
            Some(why) => Self::InDoubt(format!("Telegram is in trouble: {}", tame(why, 200))),
            None if status >= 500 => Self::InDoubt(format!("Telegram is in trouble ({status})")),
            None => Self::InDoubt(format!("an answer that is not Telegram's ({status})")),
        }
    }

    /// Returns whether the text of the refusal contains these words.
    pub(super) fn says(&self, words: &str) -> bool {
        matches!(self, Self::Said { why, .. } if why.contains(words))
    }

    pub(super) fn error(self, to: Address) -> SendError {
        match self {
            Self::Unreachable(why) => SendError::later(why),
            Self::InDoubt(why) => SendError::in_doubt(why),
            Self::RetryAfter { seconds } => {
                SendError::RateLimited { pause_ms: seconds * 1000, scope: LimitScope::Chat }
            }
            Self::MigratedTo { chat } => SendError::Moved { to: chat.to_string() },
            Self::Said { status: 401 | 404, why } if why == "Unauthorized" || why == "Not Found" => {
                SendError::InvalidToken {
                    why: "Telegram refuses the token: it is wrong or was revoked; @BotFather gives a new one (/token)"
                        .to_owned(),
                }
            }
            // The topic was deleted; its group still exists.
            Self::Said { why, .. } if why.contains("message thread not found") && to.topic.is_some() => {
                SendError::Moved { to: Address { topic: None, ..to }.written() }
            }
            Self::Said { why, .. } if NEVER.iter().any(|words| why.contains(words)) => {
                SendError::ChatUnreachable { why }
            }
            Self::Said { status: 403, why } => SendError::ChatUnreachable { why },
            Self::Said { status: 400, why } => SendError::Unreadable { why },
            Self::Said { status, why } => SendError::later(format!("Telegram answered {status}: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::retry::DeliveryDoubt;
    use serde_json::json;

    fn error(status: u16, answer: &Value) -> SendError {
        Refusal::of_answer(status, answer).error(Address::read("-100123/45").unwrap())
    }

    fn says(description: &str) -> Value {
        json!({ "ok": false, "description": description })
    }

    #[test]
    fn a_refusal_is_read_as_telegram_means_it() {
        let flood = json!({ "ok": false, "description": "Too Many Requests", "parameters": { "retry_after": 7 } });
        assert_eq!(
            error(429, &flood),
            SendError::RateLimited { pause_ms: 7000, scope: LimitScope::Chat }
        );
        let moved = json!({ "ok": false, "parameters": { "migrate_to_chat_id": -1009 } });
        assert_eq!(error(400, &moved), SendError::Moved { to: "-1009".into() });
        let gone = says("Bad Request: message thread not found");
        assert_eq!(error(400, &gone), SendError::Moved { to: "-100123".into() });
        let blocked = says("Forbidden: bot was blocked by the user");
        assert!(matches!(error(403, &blocked), SendError::ChatUnreachable { .. }));
        let markup = says("Bad Request: can't parse entities: Unsupported start tag");
        assert!(matches!(error(400, &markup), SendError::Unreadable { .. }));
        assert!(matches!(error(401, &says("Unauthorized")), SendError::InvalidToken { .. }));
        for doubtful in [
            error(502, &Value::Null),
            error(500, &says("Internal Server Error")),
            error(200, &Value::Null),
        ] {
            assert!(
                matches!(doubtful, SendError::Transient { arrival: DeliveryDoubt::Perhaps, .. }),
                "{doubtful:?}"
            );
        }
    }
}
