//! Classifies Discord's refusals. Codes:
//! <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>

use crate::notify::retry::{EditAgain, LimitScope, SendError};
use crate::render::words::tame;
use reqwest::header::HeaderMap;
use serde_json::Value;

pub(super) const UNKNOWN_CHANNEL: u64 = 10_003;
const UNKNOWN_GUILD: u64 = 10_004;
pub(super) const UNKNOWN_MESSAGE: u64 = 10_008;
const UNKNOWN_USER: u64 = 10_013;
const EXPLICIT_CONTENT: u64 = 20_009;
const OLD_MESSAGE_EDITED_TOO_OFTEN: u64 = 30_046;
const DISABLED_FOR_NOW: u64 = 40_006;
const TRY_LATER: u64 = 110_001;
const BLOCKED_BY_AUTO_MODERATION: u64 = 200_000;
const TITLE_BLOCKED_BY_AUTO_MODERATION: u64 = 200_001;
const HARMFUL_LINK: u64 = 240_000;
pub(super) const MISSING_ACCESS: u64 = 50_001;
const NOT_THE_AUTHOR: u64 = 50_005;
const CANNOT_MESSAGE_USER: u64 = 50_007;
const NOT_A_TEXT_CHANNEL: u64 = 50_008;
const FORUM_WANTS_A_TAG: u64 = 40_067;
pub(super) const MISSING_PERMISSIONS: u64 = 50_013;
const THREAD_ARCHIVED: u64 = 50_083;
const THREAD_LOCKED: u64 = 160_005;
/// A reply needs the permission to read the message that it replies to.
const NO_HISTORY_TO_ANSWER: u64 = 160_002;

/// The pause after a web page instead of an answer: Discord's front end has banned the address for
/// some minutes.
const BANNED_MS: i64 = 600_000;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The error for the outbox.
    pub error: SendError,
    /// Discord's own error code, if the answer has one.
    pub code: Option<u64>,
    /// Whether the call failed because of the message that it replies to.
    pub is_about_the_answered: bool,
}

/// The rate limit headers of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Headers {
    remaining: Option<u32>,
    reset_after_ms: Option<i64>,
    retry_after_ms: Option<i64>,
    is_global: bool,
}

impl Headers {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let seconds = |name: &str| {
            text(name)?.parse::<f64>().ok().map(|seconds| (seconds * 1000.0).ceil() as i64)
        };
        Self {
            remaining: text("x-ratelimit-remaining").and_then(|text| text.parse().ok()),
            reset_after_ms: seconds("x-ratelimit-reset-after"),
            retry_after_ms: seconds("retry-after"),
            is_global: text("x-ratelimit-global")
                .is_some_and(|text| text.eq_ignore_ascii_case("true"))
                || text("x-ratelimit-scope") == Some("global"),
        }
    }

    /// Returns the ms for which no further call may use this route.
    pub(super) fn rest_ms(&self) -> i64 {
        if self.remaining == Some(0) { self.reset_after_ms.unwrap_or(0) } else { 0 }
    }
}

impl Refusal {
    pub(super) fn transport(error: SendError) -> Self {
        Self { error, code: None, is_about_the_answered: false }
    }

    pub(super) fn of_transport(error: &reqwest::Error) -> Self {
        Self::transport(if error.is_connect() {
            SendError::later("Discord cannot be reached")
        } else if error.is_timeout() {
            SendError::in_doubt("Discord did not answer in time")
        } else {
            SendError::in_doubt("the connection to Discord broke")
        })
    }

    pub(super) fn of_answer(status: u16, body: &Value, headers: &Headers) -> Self {
        let code = body.get("code").and_then(Value::as_u64).filter(|code| *code > 0);
        let said =
            tame(body.get("message").and_then(Value::as_str).unwrap_or("no reason given"), 200);
        let about_answered = code == Some(NO_HISTORY_TO_ANSWER)
            || body.get("errors").is_some_and(|errors| errors.get("message_reference").is_some());
        let error = match (status, code) {
            (429, Some(OLD_MESSAGE_EDITED_TOO_OFTEN)) => SendError::EditRefused { why: said, until: EditAgain::Later },
            (429, _) => wait(body, headers),
            (401, _) => SendError::InvalidToken {
                why: "Discord refuses the token: it is wrong or was reset; a new one is made on the Bot page of the \
                      developer portal"
                    .to_owned(),
            },
            // An answer of Discord's front end and not of Discord itself.
            (403, None) if !body.is_object() => {
                SendError::RateLimited { pause_ms: BANNED_MS, scope: LimitScope::Platform }
            }
            (_, Some(UNKNOWN_MESSAGE | NOT_THE_AUTHOR)) => SendError::MessageGone,
            (_, Some(code)) if is_final(code) => SendError::ChatUnreachable { why: reason(code, &said) },
            (_, Some(DISABLED_FOR_NOW | TRY_LATER)) => SendError::later(format!("Discord: {said}")),
            (_, Some(code)) if is_about_the_text(code) => SendError::Unreadable { why: format!("Discord: {said}") },
            // A refusal with a code of Discord's own is permanent.
            (403, Some(code)) => SendError::ChatUnreachable { why: reason(code, &said) },
            (400, _) => SendError::Unreadable { why: format!("Discord: {said} {}", details(body)) },
            (500.., _) => SendError::in_doubt(format!("Discord is in trouble ({status})")),
            (200..=299, _) => SendError::in_doubt("an answer that is not Discord's"),
            _ => SendError::later(format!("Discord answered {status}: {said}")),
        };
        Self { error, code, is_about_the_answered: about_answered }
    }

    /// Returns the error of a refused edit. It concerns new messages only if the code is known to
    /// refuse the whole chat.
    pub(super) fn of_edit(self) -> SendError {
        match (self.error, self.code) {
            (_, Some(UNKNOWN_CHANNEL)) => SendError::MessageGone,
            // Edits have their own limit: new messages need not wait for it.
            (SendError::RateLimited { pause_ms, scope: LimitScope::Chat }, _) => {
                SendError::RateLimited { pause_ms, scope: LimitScope::Edits }
            }
            (SendError::ChatUnreachable { why }, Some(THREAD_ARCHIVED | THREAD_LOCKED)) => {
                SendError::EditRefused { why, until: EditAgain::AfterAMessage }
            }
            (SendError::ChatUnreachable { why }, Some(code)) if !is_about_the_chat(code) => {
                SendError::EditRefused { why, until: EditAgain::Later }
            }
            (error, _) => error,
        }
    }
}

/// Returns how long to wait and whether the limit covers the chat or the whole platform. Discord
/// reports `global` in the body or in a header; an answer that is not a JSON object comes from its
/// front end, which refuses the whole address.
fn wait(body: &Value, headers: &Headers) -> SendError {
    let said = body
        .get("retry_after")
        .and_then(Value::as_f64)
        .map(|seconds| (seconds * 1000.0).ceil() as i64);
    let is_global = body
        .get("global")
        .and_then(Value::as_bool)
        .unwrap_or(headers.is_global || !body.is_object());
    let pause_ms = said.or(headers.retry_after_ms).unwrap_or(5_000).max(1);
    SendError::RateLimited {
        pause_ms,
        scope: if is_global { LimitScope::Platform } else { LimitScope::Chat },
    }
}

/// Returns whether the code refuses everything that is sent to the chat.
fn is_about_the_chat(code: u64) -> bool {
    matches!(
        code,
        UNKNOWN_CHANNEL
            | UNKNOWN_GUILD
            | UNKNOWN_USER
            | MISSING_ACCESS
            | CANNOT_MESSAGE_USER
            | MISSING_PERMISSIONS
    )
}

/// Returns whether the code refuses the text of the message, not the chat.
fn is_about_the_text(code: u64) -> bool {
    matches!(
        code,
        EXPLICIT_CONTENT
            | BLOCKED_BY_AUTO_MODERATION
            | TITLE_BLOCKED_BY_AUTO_MODERATION
            | HARMFUL_LINK
    )
}

fn is_final(code: u64) -> bool {
    matches!(
        code,
        UNKNOWN_CHANNEL
            | UNKNOWN_GUILD
            | UNKNOWN_USER
            | MISSING_ACCESS
            | CANNOT_MESSAGE_USER
            | NOT_A_TEXT_CHANNEL
            | FORUM_WANTS_A_TAG
            | MISSING_PERMISSIONS
            | THREAD_ARCHIVED
            | THREAD_LOCKED
    )
}

fn reason(code: u64, said: &str) -> String {
    match code {
        UNKNOWN_CHANNEL => "the channel is gone".to_owned(),
        UNKNOWN_GUILD => "the server is gone, or I was put out of it".to_owned(),
        UNKNOWN_USER => "the person is not known any more".to_owned(),
        CANNOT_MESSAGE_USER => "this person takes no direct messages from me".to_owned(),
        NOT_A_TEXT_CHANNEL => "messages cannot be written in a channel of this kind".to_owned(),
        FORUM_WANTS_A_TAG => {
            "this forum wants each post to have a tag, which I cannot choose".to_owned()
        }
        THREAD_ARCHIVED | THREAD_LOCKED => "the thread is locked or archived".to_owned(),
        MISSING_ACCESS => "I lack View Channel there".to_owned(),
        MISSING_PERMISSIONS => "I lack Send Messages or Embed Links there".to_owned(),
        _ => format!("Discord refuses: {said} ({code})"),
    }
}

/// Returns Discord's description of the field that it refused.
fn details(body: &Value) -> String {
    body.get("errors").map(|errors| tame(&errors.to_string(), 400)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(status: u16, body: &Value) -> SendError {
        Refusal::of_answer(status, body, &Headers::default()).error
    }

    #[test]
    fn a_refusal_is_read_as_discord_means_it() {
        let wait = |pause_ms, scope| SendError::RateLimited { pause_ms, scope };
        let limited = |global| json!({ "message": "You are being rate limited.", "retry_after": 0.65, "global": global });
        assert_eq!(error(429, &limited(false)), wait(650, LimitScope::Chat));
        assert_eq!(error(429, &limited(true)), wait(650, LimitScope::Platform));
        assert_eq!(
            error(429, &Value::Null),
            wait(5000, LimitScope::Platform),
            "a page of the front end"
        );
        assert_eq!(error(403, &Value::Null), wait(BANNED_MS, LimitScope::Platform));
        assert_eq!(
            error(404, &json!({ "message": "Unknown Message", "code": 10_008 })),
            SendError::MessageGone
        );
        let forbidden = json!({ "message": "Missing Permissions", "code": 50_013 });
        assert!(
            matches!(error(403, &forbidden), SendError::ChatUnreachable { why } if why.contains("Send Messages"))
        );
        let malformed =
            json!({ "message": "Invalid Form Body", "code": 50_035, "errors": { "embeds": {} } });
        assert!(
            matches!(error(400, &malformed), SendError::Unreadable { why } if why.contains("embeds"))
        );
        assert!(matches!(error(502, &Value::Null), SendError::Transient { .. }));
        assert!(matches!(error(401, &json!({ "code": 0 })), SendError::InvalidToken { .. }));
    }

    #[test]
    fn a_403_with_a_code_of_discords_is_final_unless_it_is_known_not_to_be() {
        for code in [50_278, 50_009, 50_001, 160_005, 49_999, 340_015] {
            let refused = error(403, &json!({ "message": "no", "code": code }));
            assert!(matches!(refused, SendError::ChatUnreachable { .. }), "{code}: {refused:?}");
        }
        let passing = |code| error(403, &json!({ "message": "later", "code": code }));
        assert!(matches!(passing(40_006), SendError::Transient { .. }));
        assert!(
            matches!(passing(200_000), SendError::Unreadable { .. }),
            "the words are blocked, not the chat"
        );
        assert!(matches!(passing(0), SendError::Transient { .. }), "no code of Discord's own");
    }

    #[test]
    fn a_429_without_global_concerns_nobody_else() {
        let of = |body: &Value, headers: Headers| Refusal::of_answer(429, body, &headers);
        let old = json!({ "message": "Maximum number of edits to messages older than 1 hour reached. Try again later.",
            "code": 30_046 });
        let error = of(&old, Headers::default()).of_edit();
        assert!(
            matches!(error, SendError::EditRefused { until: EditAgain::Later, .. }),
            "{error:?}"
        );
        let bare = json!({ "message": "You are being rate limited." });
        let (chat, all) = (LimitScope::Chat, LimitScope::Platform);
        let wait = |pause_ms, scope| SendError::RateLimited { pause_ms, scope };
        assert_eq!(of(&bare, Headers::default()).error, wait(5_000, chat));
        let headers =
            Headers { retry_after_ms: Some(3_000), is_global: true, ..Headers::default() };
        assert_eq!(of(&bare, headers).error, wait(3_000, all));
    }

    #[test]
    fn a_refused_edit_says_nothing_about_new_messages_unless_the_chat_is_shut() {
        let edit = |status, code: u64| {
            Refusal::of_answer(
                status,
                &json!({ "message": "no", "code": code }),
                &Headers::default(),
            )
            .of_edit()
        };
        for (status, code) in [(400, THREAD_ARCHIVED), (403, THREAD_LOCKED)] {
            let error = edit(status, code);
            assert!(
                matches!(error, SendError::EditRefused { until: EditAgain::AfterAMessage, .. }),
                "{error:?}"
            );
        }
        assert!(matches!(
            edit(403, 50_278),
            SendError::EditRefused { until: EditAgain::Later, .. }
        ));
        assert!(matches!(edit(403, MISSING_ACCESS), SendError::ChatUnreachable { .. }));
        assert_eq!(edit(404, UNKNOWN_CHANNEL), SendError::MessageGone);
    }
}
