//! How long to leave a failing source alone.

use crate::domain::Seconds;

/// Pauses that double from `first` up to `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Seconds,
    pub cap: Seconds,
}

/// A minute at first, as RIPEstat asks of those whom it answered 429, and half an hour at most: long enough to leave a
/// source in trouble alone, short enough to see its return within an outage.
pub const POLITE: Backoff = Backoff { first: 60, cap: 1800 };

impl Backoff {
    /// The pause after `failures` failures in a row (from 1). `jitter` in `[0, 1)` spreads it over its upper half, so
    /// that bots which failed together do not come back together. Never shorter than what the source asked for, even
    /// where that is above the cap.
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
