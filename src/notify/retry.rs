//! When a delivery that failed is tried again. Pure.

use crate::domain::{Seconds, Timestamp};

/// Why a platform did not take a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Network, 5xx: it may go through later.
    #[error("{0}")]
    Later(String),
    /// The platform named the pause itself.
    #[error("asked to wait {pause} s")]
    Wait { pause: Seconds },
    /// It will never go through: unknown channel, blocked, kicked.
    #[error("{0}")]
    Never(String),
}

/// What to do with a delivery that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Again { at: Timestamp },
    GiveUp,
}

/// The first pause; it doubles with each attempt.
const FIRST: Seconds = 2;
/// The longest: news that is older is still owed, so there is no end to trying, only a slow pace.
const LONGEST: Seconds = 900;

/// `jitter` in `[0, 1)` spreads those who failed together.
pub fn after(error: &SendError, attempts: u32, now: Timestamp, jitter: f64) -> Verdict {
    match error {
        SendError::Never(_) => Verdict::GiveUp,
        // To the letter: never sooner than asked.
        SendError::Wait { pause } => Verdict::Again { at: now + (*pause).max(1) },
        SendError::Later(_) => {
            let doubled = FIRST.saturating_mul(1 << attempts.min(16)).min(LONGEST);
            let spread = (doubled as f64 * (0.5 + jitter.clamp(0.0, 1.0) / 2.0)).ceil() as Seconds;
            Verdict::Again { at: now + spread.max(1) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_slow_pace_and_never_end() {
        let now = Timestamp::from_unix(0);
        let pause = |attempts| match after(&SendError::Later("reset".into()), attempts, now, 1.0) {
            Verdict::Again { at } => at - now,
            Verdict::GiveUp => panic!("an alert is never dropped because a network failed"),
        };
        assert_eq!([0, 1, 2, 3].map(pause), [2, 4, 8, 16]);
        assert_eq!(pause(60), LONGEST);
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_to_the_letter() {
        let now = Timestamp::from_unix(100);
        let verdict = after(&SendError::Wait { pause: 37 }, 5, now, 0.0);
        assert_eq!(verdict, Verdict::Again { at: Timestamp::from_unix(137) });
        assert_eq!(after(&SendError::Never("kicked".into()), 0, now, 0.0), Verdict::GiveUp);
    }
}
