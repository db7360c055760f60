//! Decides what happens to a delivery that failed, and when it is tried again. Pure.

use crate::domain::{Seconds, Timestamp};

/// Why a platform did not accept a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// A network fault or a 5xx: a later attempt may succeed.
    #[error("{why}")]
    Transient {
        /// The cause, in words.
        why: String,
        /// Whether the message may have arrived all the same.
        arrival: DeliveryDoubt,
    },
    /// The platform asked for a pause of a given length.
    #[error("asked to wait {} s", whole_seconds(*.pause_ms))]
    RateLimited {
        /// The length of the pause in milliseconds.
        pause_ms: i64,
        /// The sends that must pause.
        scope: LimitScope,
    },
    /// No attempt can succeed as things are: unknown channel, blocked, kicked, forbidden.
    #[error("{why}")]
    ChatUnreachable {
        /// The platform's reason, which the subscriber is sent.
        why: String,
    },
    /// The platform cannot parse the message as it was written: a fault of ours.
    #[error("{why}")]
    Unreadable {
        /// The platform's complaint.
        why: String,
    },
    /// The chat has another address now.
    #[error("the chat has moved to {to}")]
    Moved {
        /// The new address.
        to: String,
    },
    /// This message cannot be edited for now. New messages to the chat are not affected.
    #[error("{why}")]
    EditRefused {
        /// The platform's reason.
        why: String,
        /// The condition under which an edit can succeed again.
        until: EditAgain,
    },
    /// The message that was to be edited no longer exists.
    #[error("the message is gone")]
    MessageGone,
    /// The token is no longer valid: nothing can be sent on this platform.
    #[error("{why}")]
    InvalidToken {
        /// The platform's reason.
        why: String,
    },
}

/// Whether the message may have arrived although sending failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryDoubt {
    /// It never reached the platform, or was refused there.
    No,
    /// The connection or the answer was lost after the request was sent.
    Perhaps,
}

/// When a message that cannot be edited for now can be edited again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditAgain {
    /// The platform names no time.
    Later,
    /// Immediately after a new message to the same chat, which reopens an archived thread.
    AfterAMessage,
}

/// The sends to which a rate limit applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitScope {
    /// Edits in the chat. New messages to it may still be sent.
    Edits,
    /// Everything to the chat, or to the place that the platform counts together with it.
    Chat,
    /// Everything on the platform.
    Platform,
}

/// The next step for a delivery that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try again later.
    Again {
        /// The earliest time of the next attempt.
        at: Timestamp,
        /// Whether the failed attempt may have arrived.
        arrival: DeliveryDoubt,
    },
    /// Send it once more, as plain text.
    Plain,
    /// Send it immediately, to the new address.
    Move {
        /// The new address.
        to: String,
    },
    /// Suspend the chat: it cannot be reached any more.
    Suspend,
    /// Give up this delivery alone: the platform could not read its plain text either.
    GiveUp,
}

/// The first pause, in seconds. It doubles with each failure.
const FIRST: Seconds = 2;
/// The longest pause, in seconds. Old news is still owed: attempts never end, they only become
/// rare.
const LONGEST: Seconds = 900;

impl SendError {
    /// Returns a transient error of a message that never reached the platform or was refused there.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Transient { why: why.into(), arrival: DeliveryDoubt::No }
    }

    /// Returns a transient error of a message that may have arrived.
    pub fn in_doubt(why: impl Into<String>) -> Self {
        Self::Transient { why: why.into(), arrival: DeliveryDoubt::Perhaps }
    }
}

/// Decides what to do after an attempt failed with `error`. `failures` counts the failures in a row
/// before it. `was_plain` is true if it was already sent as plain text. `jitter` in `[0, 1)`
/// spreads out deliveries that failed together.
pub fn after(
    error: &SendError,
    failures: u32,
    was_plain: bool,
    now: Timestamp,
    jitter: f64,
) -> RetryDecision {
    match error {
        SendError::ChatUnreachable { .. } => RetryDecision::Suspend,
        SendError::Moved { to } => RetryDecision::Move { to: to.clone() },
        SendError::Unreadable { .. } if was_plain => RetryDecision::GiveUp,
        SendError::Unreadable { .. } => RetryDecision::Plain,
        // Never sooner than the platform asked for.
        SendError::RateLimited { pause_ms, .. } => RetryDecision::Again {
            at: now + whole_seconds(*pause_ms).max(1),
            arrival: DeliveryDoubt::No,
        },
        SendError::Transient { arrival, .. } => {
            RetryDecision::Again { at: now + pause(failures, jitter), arrival: *arrival }
        }
        // `EditRefused` occurs only for edits, never for a new message.
        SendError::InvalidToken { .. } | SendError::EditRefused { .. } => {
            RetryDecision::Again { at: now + LONGEST, arrival: DeliveryDoubt::No }
        }
        SendError::MessageGone => RetryDecision::Again { at: now, arrival: DeliveryDoubt::No },
    }
}

/// Returns milliseconds in seconds, rounded up, so that no pause is shorter than asked for.
pub fn whole_seconds(millis: i64) -> Seconds {
    (millis + 999).div_euclid(1000)
}

fn pause(failures: u32, jitter: f64) -> Seconds {
    let doubled = FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST);
    let spread = (doubled as f64 * (0.5 + jitter.clamp(0.0, 1.0) / 2.0)).ceil() as Seconds;
    spread.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_slow_pace_and_never_end() {
        let now = Timestamp::from_unix(0);
        let pause = |attempts| match after(&SendError::later("reset"), attempts, false, now, 1.0) {
            RetryDecision::Again { at, .. } => at - now,
            other => panic!("an alert is never dropped because a network failed: {other:?}"),
        };
        assert_eq!([0, 1, 2, 3].map(pause), [2, 4, 8, 16]);
        assert_eq!(pause(60), LONGEST);
    }

    #[test]
    fn the_dice_shorten_a_pause_by_half_at_most() {
        let now = Timestamp::from_unix(0);
        let pause = |jitter| match after(&SendError::later("reset"), 3, false, now, jitter) {
            RetryDecision::Again { at, .. } => at - now,
            other => panic!("{other:?}"),
        };
        assert_eq!((pause(0.0), pause(0.5), pause(1.0)), (8, 12, 16));
    }

    #[test]
    fn a_token_that_is_refused_is_tried_again_later_and_no_sooner() {
        let now = Timestamp::from_unix(10_000);
        let refused = after(&SendError::InvalidToken { why: "401".into() }, 0, false, now, 0.0);
        assert_eq!(refused, RetryDecision::Again { at: now + LONGEST, arrival: DeliveryDoubt::No });
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_to_the_letter() {
        let now = Timestamp::from_unix(100);
        let wait = |pause_ms| {
            after(&SendError::RateLimited { pause_ms, scope: LimitScope::Chat }, 5, false, now, 0.0)
        };
        let at = |seconds| RetryDecision::Again {
            at: Timestamp::from_unix(seconds),
            arrival: DeliveryDoubt::No,
        };
        assert_eq!(wait(37_000), at(137));
        assert_eq!(wait(36_001), at(137), "a part of a second is a second");
        assert_eq!(wait(0), at(101));
    }

    #[test]
    fn what_cannot_be_read_is_sent_once_more_as_plain_text_and_then_given_up() {
        let now = Timestamp::from_unix(100);
        let error = SendError::Unreadable { why: "can't parse entities".into() };
        assert_eq!(after(&error, 0, false, now, 0.0), RetryDecision::Plain);
        assert_eq!(after(&error, 1, true, now, 0.0), RetryDecision::GiveUp);
        assert_eq!(
            after(&SendError::ChatUnreachable { why: "kicked".into() }, 0, false, now, 0.0),
            RetryDecision::Suspend
        );
    }
}
