//! One hour of a series, and the median.

use serde::{Deserialize, Serialize};

/// Depths of a bin, as shares of the usual value. Bins below each of them are counted, to learn how
/// rare they are.
pub const DEPTHS: [f32; 4] = [0.75, 0.4, 0.2, 0.08];

/// One clean hour of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Unix hour.
    pub hour: u32,
    /// Median of its bins, in the signal's own unit.
    pub level: f32,
    /// Root mean square of the distance of its bins from that median, in the same unit.
    pub spread: f32,
    /// Number of its bins, at most 255.
    pub bins: u8,
    /// Number of its bins below each of `DEPTHS`.
    pub below: [u8; DEPTHS.len()],
}

/// Returns the median of `values`, which it reorders: of an even number the mean of the middle two,
/// of none 0.
pub fn median(values: &mut [f32]) -> f32 {
    let n = values.len();
    if n == 0 {
        return 0.0;
    }
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f32::total_cmp);
    let middle = *middle;
    if n % 2 == 1 {
        middle
    } else {
        f32::midpoint(middle, below.iter().copied().fold(f32::MIN, f32::max))
    }
}
