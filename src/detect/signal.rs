//! The state of one series: its newest bins, and the evidence that they add up to.

use super::baseline::{LEANS, Normal, Unit};
use super::clock_step::SetBack;
use super::slot::{DEPTHS, Slot, median};
use super::thresholds::{LOW, SAGS_BELOW};
use crate::domain::Seconds;
use crate::domain::time::HOUR;
use serde::{Deserialize, Serialize};

/// Bins kept one by one, so that a revised or late one can be judged again: two hours of 5-minute
/// bins, which is as far back as the sources revise.
const KEPT_BINS: usize = 24;
/// A bin is learned from once this many newer bins exist: by then it is revised, and a fault of the
/// source is known.
const SETTLED: usize = 6;
/// This many bins in a row show the usual level of our own probes: a tenth of an hour at their
/// usual pace.
const STEADY: usize = 6;
/// The largest evidence of a series, however long it is low.
pub const SUREST: f32 = 20.0;
/// The evidence from which on a low series counts as back, if it held for `BACK_FOR`.
const BACK: f32 = 4.0;
/// Seconds that a return must hold, because a first return often fails within ten minutes.
const BACK_FOR: Seconds = 720;
/// A bin of at least this width, in seconds, is enough to show a return: it is read so late that
/// quicker signals have shown a failed return by then.
const LONG_BIN: Seconds = 600;
/// The shares lost in the outages that each bin is weighed against: from the smallest that is worth
/// an alert to nearly all.
const GONE: [f64; 3] = [0.4, 0.7, 0.95];
/// A series is back when less than about half of this share is missing.
const STILL_GONE: f64 = 0.28;
/// Values of an hour that its median is taken from: a 5-minute signal has this many, quicker ones
/// are thinned out.
const HOUR_VALUES: usize = 12;
/// A first value that was revised upwards by more than this share was provisional.
const REVISED: f64 = 0.05;

/// The share lost from one bin to the next which shows that the fall went on after its first bin.
const STILL_FALLING: f64 = 0.05;
/// Bins that are used to see how fast a fall began.
const ONSET_BINS: usize = 4;

/// The newest known value of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Unix seconds.
    pub start: i64,
    /// In the unit of the series.
    pub value: f64,
}

/// The evidence summed over the bins of a series, in natural-log units. Instants are Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Evidence for an outage, from 0 to `SUREST`.
    pub low: f32,
    /// `low` without the newest bin. It is used while other entities' values of the newest bin are
    /// missing.
    pub before: f32,
    /// Evidence for being up, since the last low bin.
    pub up: f32,
    /// Whether the series counts as low: from `LOW` on, until the return is sure.
    pub is_low: bool,
    /// Start of the first bin of the fall while `low` is above 0; after the return, of the last
    /// fall.
    pub since: i64,
    /// Start of the first bin that was up again.
    pub up_since: i64,
    /// The end of the last low spell: the start of the first bin back. 0 before the first spell
    /// ended.
    pub back_at: i64,
    /// Start of the newest bin that was weighed.
    pub last: i64,
}

/// The values of the current hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Hour {
    /// Unix hour.
    number: u32,
    values: [f32; HOUR_VALUES],
    filled: u8,
    bins: u8,
    below: [u8; DEPTHS.len()],
    /// Whether a bin of the hour was compared with a normal.
    judged: bool,
    last: i64,
}

/// The part of a series' state that changes with every value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesTracker {
    /// Number of the entity in the state.
    pub entity: u32,
    /// Number of the family in the state.
    pub family: u32,
    /// Width of a bin in seconds, 0 while unknown.
    pub step: Seconds,
    /// A distance between two bins below `step` that was seen once.
    shorter: Seconds,
    /// Usual seconds between two bins of late. A source that is polled within a budget may leave
    /// many out.
    spacing: f32,
    /// Usual seconds from the end of a bin to its reading.
    pub lag: f32,
    /// Usual seconds from the end of a bin to a first reading that was then revised upwards, or
    /// `None` before the first such revision.
    early: Option<f32>,
    /// Seconds from the end of the newest bin to its first reading.
    newest_lag: Seconds,
    unit: Unit,
    bins: [Bin; KEPT_BINS],
    kept: u8,
    base: Score,
    /// The evidence after the newest bin.
    pub score: Score,
    hour: Hour,
    /// A provisional bin that is held until its revision or a newer bin arrives.
    held: Option<Bin>,
    /// Start of the newest bin without a value, in Unix seconds.
    pub gap: i64,
    /// When the newest reading was received, in Unix seconds.
    pub received: i64,
    /// Whether a poll about the entity has failed since the newest value.
    pub poll_failed: bool,
}

/// The effect of one value on its series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Taken {
    /// Start of the bin to compare with other entities of the same signal.
    pub judged: Option<i64>,
    /// Start of an earlier bin that was held for a revision which never came.
    pub late: Option<i64>,
    /// An hour that was completed; it is learned from if nothing was wrong with the entity.
    pub slot: Option<Slot>,
}

impl SeriesTracker {
    /// Returns the state of a series without values. `counts_witnesses` means that it counts things
    /// that can be wrong on their own.
    pub fn new(entity: u32, family: u32, counts_witnesses: bool) -> Self {
        Self {
            entity,
            family,
            step: 0,
            shorter: 0,
            spacing: 0.0,
            lag: 0.0,
            early: None,
            newest_lag: 0,
            unit: Unit { whole: true, witnesses: counts_witnesses },
            bins: [Bin::default(); KEPT_BINS],
            kept: 0,
            base: Score::default(),
            score: Score::default(),
            hour: Hour::default(),
            held: None,
            gap: 0,
            received: 0,
            poll_failed: false,
        }
    }

    /// Returns the kind of thing that the series counts.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Returns the kept bins, oldest first.
    pub fn bins(&self) -> &[Bin] {
        &self.bins[..usize::from(self.kept)]
    }

    /// Returns the newest bin, or `None` before the first one.
    pub fn newest(&self) -> Option<Bin> {
        self.bins().last().copied()
    }

    /// Returns the value of the bin that contains `instant` (Unix seconds), if that bin is kept.
    pub fn value_at(&self, instant: i64) -> Option<f64> {
        let bin = self.bins().iter().rev().find(|bin| bin.start <= instant)?;
        (instant < bin.start + self.width()).then_some(bin.value)
    }

    /// Returns the width of a bin in seconds, or 300 while it is unknown.
    pub fn width(&self) -> Seconds {
        if self.step > 0 { self.step } else { 300 }
    }

    /// Takes a reading. `in_fault(start, end)` returns whether the source or our uplink was faulty
    /// in that bin.
    pub fn take(
        &mut self,
        received: i64,
        bin: Bin,
        normal: Option<&Normal>,
        in_fault: impl Fn(i64, i64) -> bool + Copy,
    ) -> Taken {
        let lag = received - bin.start - self.width();
        self.received = self.received.max(received);
        self.poll_failed = false;
        if let Some(held) = self.held.take_if(|held| held.start <= bin.start) {
            if held.start == bin.start {
                self.learn_revision(held, bin);
                return self.judge(bin, normal, in_fault);
            }
            let waited = self.judge(held, normal, in_fault);
            let taken = self.take(received, bin, normal, in_fault);
            return Taken {
                judged: taken.judged,
                late: waited.judged,
                slot: waited.slot.or(taken.slot),
            };
        }
        let newest = self.newest().map(|bin| bin.start);
        match newest {
            Some(newest) if bin.start <= newest => self.revise(bin, normal, in_fault),
            _ => {
                if let Some(newest) = newest {
                    self.learn_step(bin.start - newest);
                }
                self.newest_lag = lag;
                if self.is_provisional(lag) {
                    self.held = Some(bin);
                    return Taken::default();
                }
                let lag = lag as f32;
                self.lag = if self.kept < 2 {
                    lag
                } else {
                    self.lag + (lag - self.lag).min(self.lag.abs() + 60.0) * 0.05
                };
                self.judge(bin, normal, in_fault)
            }
        }
    }

    /// Learns the bin width. A shorter distance counts once it was seen twice, so that one odd time
    /// does not shrink the bins for ever.
    fn learn_step(&mut self, distance: Seconds) {
        self.spacing += (distance as f32 - self.spacing) * 0.3;
        if self.step == 0 || distance < self.step && distance == self.shorter {
            // The lag counts from the end of a bin, which has just moved.
            self.lag += (self.width() - distance) as f32;
            self.step = distance;
        } else if distance < self.step {
            self.shorter = distance;
        }
    }

    /// Returns whether the reading came as early as those of this series that were later revised
    /// upwards, and so is not to be trusted at once.
    fn is_provisional(&self, lag: Seconds) -> bool {
        self.early.is_some_and(|early| (lag as f32) < early + self.width() as f32 / 4.0)
    }

    fn learn_revision(&mut self, first: Bin, settled: Bin) {
        let lag = self.newest_lag as f32;
        // A late value was not an early reading: its source was away, or we were.
        if settled.value > first.value * (1.0 + REVISED) && lag < self.lag {
            self.early = Some(self.early.map_or(lag, |early| early + (lag - early) * 0.1));
        }
    }

    /// Takes a new value of a bin that was judged already, or a late bin.
    fn revise(
        &mut self,
        bin: Bin,
        normal: Option<&Normal>,
        in_fault: impl Fn(i64, i64) -> bool + Copy,
    ) -> Taken {
        let kept = usize::from(self.kept);
        match self.bins().binary_search_by_key(&bin.start, |b| b.start) {
            Ok(at) => {
                let old = std::mem::replace(&mut self.bins[at], bin);
                if old.value.to_bits() == bin.value.to_bits() {
                    return Taken::default();
                }
                if at + 1 == kept {
                    self.learn_revision(old, bin);
                }
            }
            Err(0) if kept == KEPT_BINS => return Taken::default(),
            Err(at) if kept < KEPT_BINS => {
                self.bins.copy_within(at..kept, at + 1);
                self.bins[at] = bin;
                self.kept += 1;
            }
            Err(at) => {
                let oldest = self.bins[0];
                self.base = self.base.with(oldest, self.width(), self.unit, normal, in_fault);
                self.bins.copy_within(1..at, 0);
                self.bins[at - 1] = bin;
            }
        }
        self.judge_again(normal, in_fault);
        Taken { judged: Some(bin.start), ..Taken::default() }
    }

    fn judge(
        &mut self,
        bin: Bin,
        normal: Option<&Normal>,
        in_fault: impl Fn(i64, i64) -> bool + Copy,
    ) -> Taken {
        let kept = usize::from(self.kept);
        if kept == KEPT_BINS {
            let oldest = self.bins[0];
            self.base = self.base.with(oldest, self.width(), self.unit, normal, in_fault);
            self.bins.copy_within(1.., 0);
            self.bins[kept - 1] = bin;
        } else {
            self.bins[kept] = bin;
            self.kept += 1;
        }
        self.score = self.score.with(bin, self.width(), self.unit, normal, in_fault);
        let settled = usize::from(self.kept).checked_sub(SETTLED + 1);
        let slot = settled.and_then(|at| self.collect(self.bins[at], normal, in_fault));
        Taken { judged: Some(bin.start), late: None, slot }
    }

    /// Sums up the kept bins again, because one was revised, or a fault of the source became known
    /// or ended.
    pub fn judge_again(
        &mut self,
        normal: Option<&Normal>,
        in_fault: impl Fn(i64, i64) -> bool + Copy,
    ) {
        let (width, unit) = (self.width(), self.unit);
        self.score = self
            .bins()
            .iter()
            .fold(self.base, |score, bin| score.with(*bin, width, unit, normal, in_fault));
    }

    /// Drops the kept bins and their evidence. Another level is normal from now on, so evidence
    /// against the old one means nothing.
    pub fn reset(&mut self) {
        (self.base, self.score) = (Score::default(), Score::default());
        self.kept = 0;
    }

    /// Moves all instants back with the clock. The current hour is dropped, because its values are
    /// of two hours.
    pub fn move_back(&mut self, back: SetBack) {
        let mut bins = self.bins().to_vec();
        for bin in bins.iter_mut().chain(&mut self.held) {
            bin.start = back.right(bin.start);
        }
        // The clock was ahead for longer than the shift, so some instants were written twice;
        // either value will do.
        bins.sort_by_key(|bin| bin.start);
        bins.dedup_by_key(|bin| bin.start);
        self.kept = bins.len() as u8;
        self.bins[..bins.len()].copy_from_slice(&bins);
        for score in [&mut self.base, &mut self.score] {
            for instant in
                [&mut score.since, &mut score.up_since, &mut score.back_at, &mut score.last]
            {
                *instant = back.right(*instant);
            }
        }
        self.gap = back.right(self.gap);
        self.received = back.right(self.received);
        self.hour = Hour::default();
    }

    /// Adds the bin to its hour. Returns the previous hour when the bin begins a new one.
    fn collect(
        &mut self,
        bin: Bin,
        normal: Option<&Normal>,
        in_fault: impl Fn(i64, i64) -> bool,
    ) -> Option<Slot> {
        let hour = bin.start.div_euclid(HOUR).max(0) as u32;
        let mut done = None;
        if self.hour.number != hour {
            done = self.hour.slot();
            self.hour = Hour { number: hour, ..Hour::default() };
        }
        if in_fault(bin.start, bin.start + self.width()) {
            return done;
        }
        self.unit.whole &= bin.value.fract() == 0.0;
        self.hour.bins = self.hour.bins.saturating_add(1);
        if let Some(normal) = normal {
            self.hour.judged = true;
            let usual = normal.usual_low(normal.at(bin.start, self.width()), self.unit);
            for (below, depth) in self.hour.below.iter_mut().zip(DEPTHS) {
                *below = below.saturating_add(u8::from(bin.value < f64::from(depth) * usual));
            }
        }
        let filled = usize::from(self.hour.filled);
        if filled < HOUR_VALUES
            && (filled == 0 || bin.start - self.hour.last >= HOUR / HOUR_VALUES as i64)
        {
            self.hour.values[filled] = bin.value as f32;
            self.hour.filled += 1;
            self.hour.last = bin.start;
        }
        done
    }

    /// Returns the level that the newest bins agree on, where of a handful one may be missing:
    /// enough to begin with where the past cannot be read. `None` while they disagree or the series
    /// is low.
    pub fn steady(&self) -> Option<f64> {
        let newest = self.bins().get(usize::from(self.kept).checked_sub(STEADY)?..)?;
        let mut values: Vec<f32> = newest.iter().map(|bin| bin.value as f32).collect();
        let level = f64::from(median(&mut values));
        let least = newest.iter().map(|bin| bin.value).fold(f64::INFINITY, f64::min);
        (level > 0.0 && !self.score.is_low && least >= (level * 0.75).min(level - 1.0).max(0.5))
            .then_some(level)
    }

    /// Returns whether the bin shows a fall, or would show one if it were not part of a fault.
    pub fn misses_something(&self, start: i64, normal: &Normal) -> bool {
        let sags = |value: f64| value < SAGS_BELOW * normal.at(start, self.width());
        self.score.is_low
            || self.score.low >= LEANS
            || normal.is_comparable() && self.value_at(start).is_some_and(sags)
    }

    /// Returns the two instants (Unix seconds) between which the series began to fall, as far as
    /// its bins show: between the last usual bin and the first that is not, or, for a fall over
    /// several bins, around the instant at which the line through them leaves the usual level.
    pub fn onset(&self, normal: &Normal) -> Option<(i64, i64)> {
        let width = self.width();
        // A bin of our own probes shows the state at its end; a bin of a source stands for its
        // whole width.
        let shown = if self.unit.witnesses { width } else { width / 2 };
        let share = |bin: &Bin| bin.value / normal.at(bin.start, width).max(f64::MIN_POSITIVE);
        let usual = 1.0 - (3.0 * f64::from(normal.spread)).max(1.0 - f64::from(normal.floor));
        let bins = self.bins();
        let low = bins.iter().position(|bin| bin.start >= self.score.since)?;
        let before = bins[..low].iter().rposition(|bin| share(bin) >= usual)?;
        let (last, first) = (&bins[before], &bins[before + 1]);
        if first.start - last.start > 2 * width {
            return None;
        }
        let (from, until) = (last.start + shown, first.start + shown);
        // Follow the fall while it continues and still shows how fast it began.
        let further = bins[before + 1..].windows(2).take(ONSET_BINS);
        let further =
            further.take_while(|pair| share(&pair[0]) - share(&pair[1]) > STILL_FALLING).last();
        let Some([_, last]) = further else { return Some((from, until)) };
        let falls = (share(first) - share(last)) / (last.start - first.start) as f64;
        let left = (until - ((1.0 - share(first)) / falls) as i64).clamp(from, until);
        Some(((left - width / 4).max(from), (left + width / 4).min(until)))
    }

    /// Returns whether the newest bin is older than the source's usual delay explains. `now` is in
    /// Unix seconds.
    pub fn is_stale(&self, now: i64) -> bool {
        let newest = self.newest().map_or(0, |bin| bin.start).max(self.gap);
        let usual = self.width().max(self.spacing as Seconds);
        now - newest > 3 * usual + (1.5 * self.lag.max(0.0)) as Seconds + 60
    }
}

impl Hour {
    fn slot(&self) -> Option<Slot> {
        if self.filled == 0 {
            return None;
        }
        let mut values = self.values;
        let values = &mut values[..usize::from(self.filled)];
        let level = median(values);
        let spread = (values.iter().map(|value| (value - level).powi(2)).sum::<f32>()
            / values.len() as f32)
            .sqrt();
        let Self { number: hour, bins, below, .. } = *self;
        if self.judged {
            return Some(Slot { hour, level, spread, bins, below });
        }
        // There was no normal yet, so the bins are compared with the level of their own hour.
        let below =
            DEPTHS.map(|depth| values.iter().filter(|value| **value < depth * level).count() as u8);
        Some(Slot { hour, level, spread, bins: self.filled, below })
    }
}

impl Score {
    /// Returns whether the series is low and has been since `start` or longer.
    pub fn is_low_since(&self, start: i64) -> bool {
        self.is_low && self.since <= start
    }

    /// Returns since when the series is back (Unix seconds): by its own bins, or by fewer of them
    /// while other signals, seen until `heard_until`, stayed back.
    pub fn is_back(&self, heard_until: i64) -> Option<i64> {
        if !self.is_low {
            return (self.back_at > 0).then_some(self.back_at);
        }
        (self.up >= BACK && heard_until - self.up_since >= BACK_FOR).then_some(self.up_since)
    }

    /// Returns the evidence with one more bin.
    fn with(
        mut self,
        bin: Bin,
        step: Seconds,
        unit: Unit,
        normal: Option<&Normal>,
        in_fault: impl Fn(i64, i64) -> bool,
    ) -> Self {
        self.before = self.low;
        let Some(normal) = normal.filter(|normal| normal.is_telling()) else {
            return Self::default();
        };
        let usual = normal.at(bin.start, step);
        if usual <= 0.0 || in_fault(bin.start, bin.start + step) {
            return self;
        }
        let llr = normal.weigh(bin.value, usual, step, unit, &GONE);
        self.last = bin.start;
        if llr > 0.0 && self.low <= 0.0 {
            self.since = bin.start;
        }
        self.low = (self.low + llr).clamp(0.0, SUREST);
        if self.low >= LOW && !self.is_low {
            self.is_low = true;
            self.up = 0.0;
        }
        // A series that scatters widely cannot show that its last quarter is back.
        let back = if self.is_low && normal.is_exact() {
            let gone = STILL_GONE.max(2.0 * f64::from(normal.spread)).min(GONE[0]);
            -normal.weigh(bin.value, usual, step, unit, &[gone])
        } else {
            -llr
        };
        if back > 0.0 {
            if self.up <= 0.0 {
                self.up_since = bin.start;
            }
            self.up = (self.up + back).min(SUREST);
        } else {
            self.up = (self.up + 2.0 * back).max(0.0);
            if back < -1.0 {
                self.up = 0.0;
            }
        }
        if self.is_low {
            if self.up >= BACK
                && (step >= LONG_BIN || bin.start + step / 2 - self.up_since >= BACK_FOR)
            {
                self.is_low = false;
                self.low = 0.0;
                self.back_at = self.up_since;
            } else if normal.is_exact() {
                // Half-way back is not up: a series that was surely low stays low until its return
                // is sure.
                self.low = self.low.max(LOW);
            } else if self.low <= 0.0 {
                self.is_low = false;
                self.back_at = self.up_since;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::baseline::History;
    use super::*;

    /// Returns a tracker after two days of 5-minute bins of 100, and the history learned from them.
    fn two_usual_days() -> (SeriesTracker, History) {
        let (mut head, mut history) = (SeriesTracker::new(0, 0, false), History::default());
        for bin in 0..2 * 288 {
            if let Some(slot) = take(&mut head, &history, bin, 100.0).slot {
                history.push(slot);
            }
        }
        (head, history)
    }

    fn take(head: &mut SeriesTracker, history: &History, bin: i64, value: f64) -> Taken {
        let start = bin * 300;
        head.take(start + 1200, Bin { start, value }, history.normal(), |_, _| false)
    }

    #[test]
    fn a_fall_is_seen_and_so_is_the_return_but_only_after_a_while() {
        let (mut head, history) = two_usual_days();
        take(&mut head, &history, 576, 0.0);
        take(&mut head, &history, 577, 0.0);
        assert!(head.score.is_low);
        assert_eq!(head.score.since, 576 * 300);
        take(&mut head, &history, 578, 100.0);
        take(&mut head, &history, 579, 100.0);
        assert!(head.score.is_low, "ten minutes are no return");
        take(&mut head, &history, 580, 100.0);
        assert!(!head.score.is_low);
        assert_eq!(head.score.back_at, 578 * 300);
    }

    #[test]
    fn what_was_revised_in_time_is_learned_as_it_is_by_then() {
        let (mut head, mut history) = two_usual_days();
        for bin in 576..620 {
            take(&mut head, &history, bin, 40.0);
            let revised = take(&mut head, &history, bin, 100.0);
            assert!(revised.slot.is_none());
            if let Some(slot) = take(&mut head, &history, bin + 1, 100.0).slot {
                history.push(slot);
                assert_eq!(slot.below, [0; DEPTHS.len()]);
            }
        }
    }

    #[test]
    fn a_revised_bin_is_judged_as_if_it_had_always_been_so() {
        let (mut revised, history) = two_usual_days();
        let mut at_once = revised.clone();
        for bin in 576..580 {
            take(&mut revised, &history, bin, 0.0);
            take(&mut at_once, &history, bin, 100.0);
        }
        for bin in 576..580 {
            let received = 580 * 300 + 1200;
            revised.take(
                received,
                Bin { start: bin * 300, value: 100.0 },
                history.normal(),
                |_, _| false,
            );
        }
        let (revised, at_once) = (revised.score, at_once.score);
        assert_eq!(
            (revised.is_low, revised.low, revised.last),
            (at_once.is_low, at_once.low, at_once.last)
        );
    }

    #[test]
    fn a_series_that_was_revised_upwards_waits_for_the_revision() {
        let (mut head, history) = two_usual_days();
        let early = |head: &mut SeriesTracker, bin: i64| {
            let start = bin * 300;
            head.take(start + 900, Bin { start, value: 30.0 }, history.normal(), |_, _| false)
        };
        early(&mut head, 576);
        take(&mut head, &history, 576, 100.0);
        assert_eq!(early(&mut head, 577), Taken::default());
        take(&mut head, &history, 577, 100.0);
        assert!(head.score.low <= 0.0);
    }
}
