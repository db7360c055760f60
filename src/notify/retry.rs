//! What becomes of a delivery that failed, and when it is tried again. Pure.

use crate::domain::{Seconds, Timestamp};

/// Why a platform did not take a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Network, 5xx: it may go through later.
    #[error("{why}")]
    Transient { why: String, arrival: DeliveryDoubt },
    /// The platform named the pause itself.
    #[error("asked to wait {} s", whole_seconds(*.pause_ms))]
    RateLimited { pause_ms: i64, scope: LimitScope },
    /// It will never go through as things are: unknown channel, blocked, kicked, forbidden.
    #[error("{why}")]
    ChatUnreachable { why: String },
    /// The platform cannot read it as it was written: a fault of ours.
    #[error("{why}")]
    Unreadable { why: String },
    /// The chat has another address now.
    #[error("the chat has moved to {to}")]
    Moved { to: String },
    /// This message cannot be edited for now. It says nothing about new messages to the chat.
    #[error("{why}")]
    EditRefused { why: String, until: EditAgain },
    /// The message that was to be edited is no longer there.
    #[error("the message is gone")]
    MessageGone,
    /// The token does not hold any more: nothing goes through on this platform.
    #[error("{why}")]
    InvalidToken { why: String },
}

/// Whether the chat may have the message although sending failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryDoubt {
    No,
    Perhaps,
}

/// When a message that cannot be edited for now can be edited again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditAgain {
    /// The platform names no time.
    Later,
    /// At once after a new message was sent to the same place, which wakes an archived thread.
    AfterAMessage,
}

/// Who is to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitScope {
    /// Edits in the chat: new messages to it may go.
    Edits,
    Chat,
    Platform,
}

/// What to do with a delivery that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    Again {
        at: Timestamp,
        arrival: DeliveryDoubt,
    },
    /// Once more, as plain text.
    Plain,
    /// At once, at the new address.
    Move {
        to: String,
    },
    /// The chat cannot be told any more.
    Suspend,
    /// It alone is given up: a second refusal of what we wrote.
    GiveUp,
}

/// The first pause; it doubles with each failure.
const FIRST: Seconds = 2;
/// The longest: news that is older is still owed, so there is no end to trying, only a slow pace.
const LONGEST: Seconds = 900;

impl SendError {
    /// Where it never reached the platform, or was refused there.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Transient { why: why.into(), arrival: DeliveryDoubt::No }
    }

    /// Where nobody knows whether it arrived.
    pub fn in_doubt(why: impl Into<String>) -> Self {
        Self::Transient { why: why.into(), arrival: DeliveryDoubt::Perhaps }
    }
}

/// Decides what to do after an attempt failed with `error`. `failures` counts the failures in a row before it; `jitter` in
/// `[0, 1)` spreads deliveries that failed together; `was_plain` says that it was sent as plain text already.
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
        // To the letter: never sooner than asked.
        SendError::RateLimited { pause_ms, .. } => RetryDecision::Again {
            at: now + whole_seconds(*pause_ms).max(1),
            arrival: DeliveryDoubt::No,
        },
        SendError::Transient { arrival, .. } => {
            RetryDecision::Again { at: now + pause(failures, jitter), arrival: *arrival }
        }
        // The second ends an edit alone.
        SendError::InvalidToken { .. } | SendError::EditRefused { .. } => {
            RetryDecision::Again { at: now + LONGEST, arrival: DeliveryDoubt::No }
        }
        SendError::MessageGone => RetryDecision::Again { at: now, arrival: DeliveryDoubt::No },
    }
}

/// A part of a second is a second: never sooner than asked.
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
