//! The normal of a series: its usual value at each hour of the day, and how far its usual days
//! stray from that.
//!
//! The normal is learned from hourly medians taken while nothing was wrong, so that one bad hour,
//! burst or holiday does not move it.

use super::slot::{DEPTHS, Slot, median};
use super::week::Week;
use crate::domain::Seconds;
use crate::domain::time::HOUR;
use serde::{Deserialize, Serialize};

/// Hours of history kept: three weeks hold every weekday three times, as a median needs to outvote
/// one odd day.
const KEPT_HOURS: usize = 21 * 24;
/// Hours of history needed before anything is called normal: about a day of backfill.
const ENOUGH_HOURS: usize = 22;
/// The shortfall assumed before many days were seen, as a share of normal.
const PRIOR_SHORTFALL: f32 = 0.05;
/// The share of the daily swing that is added to `PRIOR_SHORTFALL`: a series that follows the hour
/// of the day follows weekends too.
const RHYTHM_SHORTFALL: f32 = 0.5;
/// The weight of the assumed shortfall, in days.
const PRIOR_DAYS: f32 = 4.0;
/// The smallest scatter assumed for any series, as a share of its normal.
const FINEST_SPREAD: f32 = 0.02;
/// One in this many days may be worse than usual and is ignored. Weekends are usual; half a day of
/// some trouble that nobody called an outage is not.
const DAYS_FOR_AN_ODD_ONE: usize = 7;
/// A whole day below the first or above the second of these shares of normal, with nothing wrong,
/// is another level: new allocations, or another way to measure.
const OTHER_LEVEL: (f32, f32) = (0.62, 1.6);
/// The number of hours that must all lie beyond `OTHER_LEVEL`.
const OTHER_LEVEL_HOURS: usize = 24;
/// The last day may scale the normal by no more than these factors, so that the normal never
/// follows an outage.
const LEVEL_RANGE: (f32, f32) = (0.7, 1.4);
/// A value above this share of normal is never part of an outage, however exactly the series is
/// measured.
const WORTH_NO_WORD: f64 = 0.88;
/// Below this share of normal, nearly none of several witnesses is left.
const GONE: f32 = 0.2;
/// The range of the cap on the evidence of one bin, in natural-log units: from e to 1 up to about
/// 100 to 1.
const BIN_CAP: (f32, f32) = (1.0, 4.6);
/// The cap on the evidence of a bin shorter than `SHORT_BIN`: there are so many of them that chance
/// brings a bad one every day.
const SHORT_BIN_CAP: f64 = 3.0;
/// Five minutes, in seconds.
const SHORT_BIN: Seconds = 300;
/// Hours of history that count as one chance for a bad bin. A bad bin is rare when few of the
/// chances had one.
const CHANCE_HOURS: f32 = 6.0;
/// The weight of the prior belief that a bad bin is rare, in chances: one day.
const PRIOR_CHANCES: f32 = 4.0;
/// The weight of a few bins of our own probes, in chances: two thirds of a day. A host does not
/// alternate between answering and silence.
const STEADY_CHANCES: f32 = 2.7;
/// From this cap on a deep bin is so rare that several witnesses, all gone in it, are believed at
/// once.
const RARE: f64 = 1.6;
/// The smallest scatter assumed for a count of a few whole things, in things.
const FINEST_COUNT: f64 = 0.3;
/// The share of the usual value that an empty bin is weighed at.
const NEARLY_NOTHING: f64 = 0.001;
/// A provisional normal is replaced by a level that exceeds it by this factor.
const MORE: f64 = 1.1;
/// The evidence from which on an exact series may support another one.
pub const LEANS: f32 = 2.5;
/// The same for a series that scatters widely.
const LOW_OF_A_NOISY_ONE: f32 = 5.0;
/// Counts below this number are judged in whole units: one of four missing is not a trend.
const FEW: f64 = 50.0;

/// The clean hours of a series, oldest first, and the normal learned from them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    slots: Vec<Slot>,
    normal: Option<Normal>,
    /// Whether the normal rests on a few bins only, until there are enough hours.
    is_provisional: bool,
}

/// The kind of thing that a series counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Whether all its values were whole numbers so far.
    pub whole: bool,
    /// Whether it counts things that can be wrong on their own.
    pub witnesses: bool,
}

/// The usual values of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normal {
    /// The usual value in the middle of each UTC hour.
    profile: [f32; 24],
    /// The factor of each part of the week.
    week: Week,
    /// The ratio of the last day to the profile.
    level: f32,
    /// The share of normal that the series stays above in nearly all its usual hours.
    pub floor: f32,
    /// Scatter of single bins, as a share of normal.
    pub spread: f32,
    /// The cap on the evidence of one bin below each of `DEPTHS`, from how often usual days have
    /// such bins.
    caps: [f32; DEPTHS.len()],
}

impl History {
    /// Returns the normal, or `None` before there are enough hours or steady bins.
    pub fn normal(&self) -> Option<&Normal> {
        self.normal.as_ref()
    }

    /// Starts with a provisional normal at `level`, which a few bins of our own probes showed,
    /// while nothing better is known: a host that answers is expected to go on answering.
    pub fn begin_with(&mut self, level: f64) {
        self.normal = Some(Normal::steady(level as f32));
        self.is_provisional = true;
    }

    /// Returns whether a provisional normal at `level` is an improvement: nothing is known yet, or
    /// only a provisional normal that is lower.
    pub fn may_begin_with(&self, level: f64) -> bool {
        match &self.normal {
            None => true,
            Some(normal) => self.is_provisional && level > f64::from(normal.profile[0]) * MORE,
        }
    }

    /// Adds a clean hour. The normal is learned again every six hours, and every hour during the
    /// first three days. Returns the usual value before and after when the series adopts another
    /// level.
    pub fn push(&mut self, slot: Slot) -> Option<(f32, f32)> {
        if let Some(newest) = self.slots.last()
            && newest.hour >= slot.hour
        {
            // A backfill or a late revision: hours stay in order, and an hour that is known stays
            // as it is.
            match self.slots.binary_search_by_key(&slot.hour, |s| s.hour) {
                Ok(_) => return None,
                Err(at) => self.slots.insert(at, slot),
            }
        } else {
            self.slots.push(slot);
        }
        if self.slots.len() > KEPT_HOURS {
            self.slots.remove(0);
        }
        if !slot.hour.is_multiple_of(6) && self.slots.len() >= 3 * 24 {
            return None;
        }
        let adopted = self.other_level();
        if adopted.is_some() {
            self.slots.drain(..self.slots.len() - OTHER_LEVEL_HOURS);
        }
        self.learn();
        adopted
    }

    /// Returns the usual value before and now if the last day stayed beyond the normal range.
    fn other_level(&self) -> Option<(f32, f32)> {
        let normal = self.normal.as_ref().filter(|_| self.slots.len() > OTHER_LEVEL_HOURS)?;
        let newest = &self.slots[self.slots.len() - OTHER_LEVEL_HOURS..];
        let share = |slot: &Slot| slot.level / normal.profile[slot.hour as usize % 24];
        let stays = |beyond: fn(f32) -> bool| newest.iter().all(|slot| beyond(share(slot)));
        if !stays(|share| share < OTHER_LEVEL.0) && !stays(|share| share > OTHER_LEVEL.1) {
            return None;
        }
        let mut now: Vec<f32> = newest.iter().map(|slot| slot.level).collect();
        let mut before = normal.profile;
        Some((median(&mut before), median(&mut now))).filter(|(_, now)| *now > 0.0)
    }

    fn learn(&mut self) {
        // After an early incident too few hours may be left: the earlier normal still is the best
        // guess.
        if let Some(normal) = learn(&self.slots) {
            self.normal = Some(normal);
            self.is_provisional = false;
        }
    }

    /// Forgets the hours from `hour` (Unix hour) on, because something was already wrong in them.
    pub fn forget_since(&mut self, hour: u32) {
        let before = self.slots.len();
        self.slots.retain(|slot| slot.hour < hour);
        if self.slots.len() != before {
            self.learn();
        }
    }
}

impl Normal {
    /// Returns a normal of `level` at every hour, with no more trust than a few bins deserve.
    fn steady(level: f32) -> Self {
        let cap = ((STEADY_CHANCES + PRIOR_CHANCES) / 0.5).ln();
        Self {
            profile: [level; 24],
            week: Week::default(),
            level: 1.0,
            floor: 1.0 - PRIOR_SHORTFALL,
            spread: FINEST_SPREAD,
            caps: [cap; DEPTHS.len()],
        }
    }

    /// Returns the usual value of a bin that starts at `start` (Unix seconds) and lasts `step`
    /// seconds, interpolated between the two nearest hours of the day.
    pub fn at(&self, start: i64, step: Seconds) -> f64 {
        let position = (start + step / 2 - HOUR / 2).rem_euclid(24 * HOUR) as f64 / HOUR as f64;
        let hour = position as usize % 24;
        let part = position - hour as f64;
        let (here, next) =
            (f64::from(self.profile[hour]), f64::from(self.profile[(hour + 1) % 24]));
        (here + (next - here) * part) * f64::from(self.week.at(start + step / 2) * self.level)
    }

    /// Returns the median of the usual values over the day.
    pub fn usual(&self) -> f32 {
        median(&mut self.profile.clone()) * self.level
    }

    /// Returns the value that a series may fall to on a usual day, in its own unit. Of a few whole
    /// things, one may always be missing.
    pub fn usual_low(&self, normal: f64, unit: Unit) -> f64 {
        let low = normal * f64::from(self.floor).min(WORTH_NO_WORD);
        if is_a_handful(normal, unit) && normal >= 1.5 { low.min(normal - 1.0) } else { low }
    }

    /// Returns how strongly `value` points to an outage in which one of the shares `gone` is
    /// missing, against a usual day: a log-likelihood ratio, bounded by how often usual days have
    /// had such bins.
    pub fn weigh(&self, value: f64, normal: f64, step: Seconds, unit: Unit, gone: &[f64]) -> f32 {
        let usual = self.usual_low(normal, unit);
        let value = value.min(usual);
        let least = if is_a_handful(normal, unit) { FINEST_COUNT } else { 0.0 };
        let spread = f64::from(self.spread).hypot(least / usual.max(f64::MIN_POSITIVE));
        // Counts of people and hosts scatter in proportion to their level: a gamma distribution,
        // whose shape parameter follows from the spread.
        let (shape, share) = (1.0 / (spread * spread), (value / usual).max(NEARLY_NOTHING));
        let said = gone
            .iter()
            .map(|gone| shape * (-(1.0 - gone).ln() + share - share / (1.0 - gone)))
            .fold(f64::NEG_INFINITY, f64::max);
        let depth = DEPTHS.iter().filter(|depth| value < f64::from(**depth) * usual).count();
        let cap = f64::from(self.caps[depth.saturating_sub(1)]);
        let all_are_gone =
            unit.witnesses && normal >= 1.5 && value < f64::from(GONE) * normal && cap >= RARE;
        if all_are_gone {
            return said.clamp(0.0, f64::from(BIN_CAP.1)) as f32;
        }
        let most = if step < SHORT_BIN { SHORT_BIN_CAP } else { f64::from(BIN_CAP.1) };
        said.clamp(-most, cap.min(most)) as f32
    }

    /// Returns whether many bins can tell an outage from a usual day at all.
    pub fn is_telling(&self) -> bool {
        self.floor >= self.spread
    }

    /// Returns whether a few bins show that most of the series is gone, whatever usual days may
    /// bring.
    pub fn is_comparable(&self) -> bool {
        self.spread < 0.4
    }

    /// Returns the evidence from which on the series counts. A series that scatters widely gathers
    /// a little evidence on some day of every week.
    pub fn counts_from(&self) -> f32 {
        if self.is_exact() { LEANS } else { LOW_OF_A_NOISY_ONE }
    }

    /// Returns whether a single bin shows that most of the series is there. For other series it
    /// takes many bins.
    pub fn is_exact(&self) -> bool {
        self.spread < 0.35 && self.floor > 0.4
    }
}

/// Returns whether the series counts so few things that one more or less is a visible share.
fn is_a_handful(normal: f64, unit: Unit) -> bool {
    unit.whole && normal < FEW
}

fn learn(slots: &[Slot]) -> Option<Normal> {
    if slots.len() < ENOUGH_HOURS {
        return None;
    }
    let profile = profile(slots);
    let of_the_day = |slot: &Slot| {
        let usual = profile[slot.hour as usize % 24];
        if usual > 0.0 { slot.level / usual } else { 1.0 }
    };
    let week = Week::learn(slots, of_the_day);
    let ratio = |slot: &Slot| of_the_day(slot) / week.at(i64::from(slot.hour) * HOUR + HOUR / 2);
    let days = slots.len() as f32 / 24.0;
    let ratios: Vec<f32> = slots.iter().map(ratio).collect();
    let level = if days < 3.0 {
        1.0
    } else {
        median(&mut ratios[slots.len() - 24..].to_vec()).clamp(LEVEL_RANGE.0, LEVEL_RANGE.1)
    };
    let mut off: Vec<f32> = ratios.iter().map(|ratio| (ratio - 1.0).abs()).collect();
    let between = 1.48 * median(&mut off);
    let mut within: Vec<f32> = slots
        .iter()
        .filter(|slot| slot.bins > 1 && slot.level > 0.0)
        .map(|slot| slot.spread / slot.level)
        .collect();
    // Most hours of a share of five targets have no miss at all, so the spread is taken from the
    // worse hours.
    let within = if within.is_empty() { 0.0 } else { quantile(&mut within, 0.7) };
    let shortfall = 1.0 - usual_worst(slots, &ratios);
    let most = profile.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let swing = 1.0 - profile.iter().copied().fold(f32::MAX, f32::min).max(0.0) / most;
    let prior = PRIOR_SHORTFALL + RHYTHM_SHORTFALL * swing;
    let shortfall = (days * shortfall.max(0.0) + PRIOR_DAYS * prior) / (days + PRIOR_DAYS);
    let counted = |depth: usize| slots.iter().map(|slot| f32::from(slot.below[depth])).sum::<f32>();
    let chances = (slots.len() as f32 / CHANCE_HOURS).max(1.0);
    let cap = |low: f32| ((chances + PRIOR_CHANCES) / (low + 0.5)).ln().clamp(BIN_CAP.0, BIN_CAP.1);
    Some(Normal {
        profile,
        week,
        level,
        floor: (1.0 - shortfall).max(0.2),
        spread: within.max(between).max(FINEST_SPREAD),
        caps: std::array::from_fn(|depth| cap(counted(depth))),
    })
}

/// Returns the ratio in the worst hour of the worst day, leaving out the odd days (see
/// `DAYS_FOR_AN_ODD_ONE`).
fn usual_worst(slots: &[Slot], ratios: &[f32]) -> f32 {
    let mut days: Vec<(u32, f32)> = Vec::new();
    for (slot, ratio) in slots.iter().zip(ratios) {
        match days.last_mut() {
            Some((day, worst)) if *day == slot.hour / 24 => *worst = worst.min(*ratio),
            _ => days.push((slot.hour / 24, *ratio)),
        }
    }
    let odd = days.len() / DAYS_FOR_AN_ODD_ONE;
    days.select_nth_unstable_by(odd, |a, b| a.1.total_cmp(&b.1)).1.1
}

/// Returns the median of each hour of the day. An hour that was never seen lies between the nearest
/// ones that were.
fn profile(slots: &[Slot]) -> [f32; 24] {
    let mut hours: [Vec<f32>; 24] = Default::default();
    for slot in slots {
        hours[slot.hour as usize % 24].push(slot.level);
    }
    let medians =
        hours.map(|mut levels| if levels.is_empty() { None } else { Some(median(&mut levels)) });
    std::array::from_fn(|hour| {
        let nearest = |step: usize| {
            (0..24).find_map(|n| medians[(hour + n * step) % 24].map(|level| (n as f32, level)))
        };
        match (nearest(1), nearest(23)) {
            (Some((after, level)), _) if after < 0.5 => level,
            (Some((after, next)), Some((before, last))) => {
                (next * before + last * after) / (before + after)
            }
            _ => 0.0,
        }
    })
}

fn quantile(values: &mut [f32], share: f32) -> f32 {
    let at = ((values.len() - 1) as f32 * share).round() as usize;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: u32, level: impl Fn(u32) -> f32) -> History {
        let mut history = History::default();
        for hour in 0..days * 24 {
            let level = level(hour);
            history.push(Slot { hour, level, spread: level * 0.02, bins: 12, below: [0; 4] });
        }
        history
    }

    fn at(history: &History, hour: i64) -> f64 {
        history.normal().map_or(f64::NAN, |normal| normal.at(hour * HOUR, 300))
    }

    #[test]
    fn the_hour_of_the_day_is_known_after_a_day_and_hours_flow_into_each_other() {
        let history = days(1, |hour| if hour < 12 { 100.0 } else { 200.0 });
        assert!((at(&history, 30) - 100.0).abs() < 1.0);
        assert!((at(&history, 42) - 200.0).abs() < 1.0);
        let between = at(&history, 36);
        assert!(between > 120.0 && between < 180.0, "{between}");
    }

    #[test]
    fn nothing_is_normal_before_a_day() {
        assert!(days(0, |_| 1.0).normal().is_none());
    }

    #[test]
    fn one_wild_day_in_a_week_moves_nothing() {
        let history = days(7, |hour| if hour / 24 == 3 { 900.0 } else { 100.0 });
        assert!((at(&history, 200) - 100.0).abs() < 1.0);
    }

    #[test]
    fn a_weekend_shortfall_is_usual() {
        let history = days(14, |hour| if hour / 24 % 7 > 4 { 70.0 } else { 100.0 });
        let normal = history.normal().unwrap();
        assert!(normal.weigh(70.0, 100.0, 300, Unit::default(), &[0.4, 0.7, 0.95]) < 0.0);
        assert!(normal.weigh(20.0, 100.0, 300, Unit::default(), &[0.4, 0.7, 0.95]) > 3.0);
    }

    #[test]
    fn the_weekday_counts_once_it_was_seen_twice() {
        let free = |hour: u32| hour / 24 % 7 == 3;
        let history = days(21, |hour| if free(hour) { 60.0 } else { 100.0 });
        let middle_of = |day: i64| at(&history, day * 24 + 12);
        assert!((middle_of(3 + 21) - 60.0).abs() < 2.0 && (middle_of(4 + 21) - 100.0).abs() < 2.0);
        let once = days(21, |hour| if hour / 24 == 10 { 60.0 } else { 100.0 });
        assert!((at(&once, 24 * 24 + 12) - 100.0).abs() < 2.0, "a holiday is no weekday");
    }

    #[test]
    fn scatter_that_grows_with_the_level_is_told_from_a_fall() {
        // A network telescope whose bins scatter by a half.
        let mut history = History::default();
        for hour in 0..10 * 24 {
            history.push(Slot { hour, level: 20.0, spread: 10.0, bins: 12, below: [2, 0, 0, 0] });
        }
        let normal = history.normal().unwrap();
        let said = |value: f64| normal.weigh(value, 20.0, 300, Unit::default(), &[0.4, 0.7, 0.95]);
        assert!(
            said(0.5) > 3.0 && said(12.0) < 1.0 && said(20.0) < 0.0,
            "{} {} {}",
            said(0.5),
            said(12.0),
            said(20.0)
        );
    }

    #[test]
    fn what_nobody_calls_an_outage_is_none_however_exact_the_series() {
        let history = days(14, |_| 1000.0);
        let normal = history.normal().unwrap();
        let said =
            |value: f64| normal.weigh(value, 1000.0, 300, Unit::default(), &[0.4, 0.7, 0.95]);
        assert!(said(750.0) < 0.0 && said(640.0) > 4.0, "{} {}", said(750.0), said(640.0));
    }

    #[test]
    fn our_own_eyes_begin_with_what_they_see_and_are_raised_by_more() {
        let mut history = History::default();
        history.begin_with(3.0);
        assert!((at(&history, 5) - 3.0).abs() < 0.01);
        assert!(
            history.may_begin_with(4.0)
                && !history.may_begin_with(3.0)
                && !history.may_begin_with(1.0)
        );
        let normal = history.normal().unwrap();
        let said = |witnesses: bool, value: f64| {
            normal.weigh(value, 4.0, 60, Unit { whole: true, witnesses }, &[0.4, 0.7, 0.95])
        };
        assert!(said(true, 0.0) > 4.0, "four blocks are not silent in one minute by chance");
        assert!(said(false, 0.0) < 3.0, "four names may be");
        assert!(said(true, 3.0) < 0.0, "one of four is");
    }

    #[test]
    fn spoiled_hours_are_forgotten_but_not_what_is_normal() {
        let mut history = days(2, |_| 100.0);
        history.forget_since(20);
        assert!((at(&history, 60) - 100.0).abs() < 1.0);
    }
}
