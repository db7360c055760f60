//! The pause before a failing source is asked again.

use crate::domain::Seconds;

/// A sequence of pauses that double from `first` up to `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure, before jitter.
    pub first: Seconds,
    /// The longest pause, unless the source asks for a longer one.
    pub cap: Seconds,
}

/// The pauses for polled sources. The first one is a minute, as RIPEstat asks after a 429. The
/// longest is half an hour: long enough not to burden a source in trouble, short enough to notice
/// its return within an outage.
pub const POLITE: Backoff = Backoff { first: 60, cap: 1800 };

impl Backoff {
    /// Returns the pause in seconds after `failures` failures in a row (from 1). `jitter` in `[0,
    /// 1)` spreads the pause over its upper half, so that bots which failed together do not come
    /// back together. The pause is never shorter than `retry_after`, even if that is above the cap.
    pub fn pause(&self, failures: u32, jitter: f64, retry_after: Option<Seconds>) -> Seconds {
        let doublings = failures.saturating_sub(1).min(30);
        let whole = self.first.saturating_mul(1 << doublings).min(self.cap).max(1);
        let spread = (whole as f64 / 2.0 * (1.0 + jitter.clamp(0.0, 1.0))).ceil() as Seconds;
        spread.max(retry_after.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap() {
        let pauses: Vec<_> = (1..=8).map(|n| POLITE.pause(n, 1.0, None)).collect();
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1800, 1800, 1800]);
        assert_eq!(POLITE.pause(u32::MAX, 1.0, None), 1800);
    }

    #[test]
    fn jitter_takes_away_half_at_most() {
        assert_eq!(POLITE.pause(1, 0.0, None), 30);
        assert_eq!(POLITE.pause(1, 0.5, None), 45);
    }

    #[test]
    fn what_the_source_asks_for_is_obeyed_even_above_the_cap() {
        assert_eq!(POLITE.pause(1, 0.0, Some(300)), 300);
        assert_eq!(POLITE.pause(1, 0.0, Some(7200)), 7200);
        assert_eq!(POLITE.pause(9, 1.0, Some(5)), 1800);
    }
}
