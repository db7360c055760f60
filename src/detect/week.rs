//! The factor of each part of the week against a usual day, which finds weekends wherever they are.

use super::slot::{Slot, median};
use crate::domain::time::HOUR;
use serde::{Deserialize, Serialize};

/// Parts of a week, of six hours each, that may differ from the same hours of other days: weekends,
/// wherever they are.
const WEEK_PARTS: usize = 28;
const PART_HOURS: u32 = 6;
/// A part of the week has a factor of its own only if it differed in this many weeks at least, and
/// in all known weeks.
const ENOUGH_WEEKS: usize = 2;
/// The smallest and the largest factor.
const WEEK_RANGE: (f32, f32) = (0.5, 1.5);

/// The factors of the parts of a week, counted from Thursday midnight UTC, against the same hours
/// of all days. `None`: all are 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Week(Option<Box<[f32; WEEK_PARTS]>>);

impl Week {
    /// Learns the factors from clean hours, oldest first. `ratio` returns the ratio of an hour's
    /// level to the usual level of its hour of the day. All are 1 before there are nearly two
    /// weeks.
    pub fn learn(slots: &[Slot], ratio: impl Fn(&Slot) -> f32) -> Self {
        let hours = slots.last().map_or(0, |newest| newest.hour - slots[0].hour);
        if (hours as usize) < ENOUGH_WEEKS * 7 * 24 - 24 {
            return Self(None);
        }
        let mut seen: [Vec<f32>; WEEK_PARTS] = Default::default();
        for part in slots.chunk_by(|a, b| a.hour / PART_HOURS == b.hour / PART_HOURS) {
            let mut ratios: Vec<f32> = part.iter().map(&ratio).collect();
            seen[(part[0].hour / PART_HOURS) as usize % WEEK_PARTS].push(median(&mut ratios));
        }
        let parts = seen.map(|weeks| {
            // Use the week that differed least: a difference that occurred once may have been a
            // holiday.
            let (least, most) = weeks
                .iter()
                .fold((f32::MAX, f32::MIN), |(l, m), week| (l.min(*week), m.max(*week)));
            if weeks.len() < ENOUGH_WEEKS {
                1.0
            } else {
                1.0_f32.clamp(least, most).clamp(WEEK_RANGE.0, WEEK_RANGE.1)
            }
        });
        Self(parts.iter().any(|part| (part - 1.0).abs() > 0.05).then(|| Box::new(parts)))
    }

    /// Returns the factor at `instant` (Unix seconds), interpolated between the middles of the two
    /// nearest parts.
    pub fn at(&self, instant: i64) -> f32 {
        let Some(parts) = &self.0 else { return 1.0 };
        let seconds = i64::from(PART_HOURS) * HOUR;
        let position = (instant - seconds / 2).rem_euclid(WEEK_PARTS as i64 * seconds);
        let part = (position / seconds) as usize;
        let (here, next) = (parts[part], parts[(part + 1) % WEEK_PARTS]);
        here + (next - here) * ((position % seconds) as f32 / seconds as f32)
    }
}
