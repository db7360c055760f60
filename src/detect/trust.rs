//! Decides whether the entities, the source or our own uplink is at fault. A family is one signal
//! of one source over all entities: when nearly all unrelated entities fall in the same bin by the
//! same factor, the source is at fault, not the world.

use super::clock_step::SetBack;
use super::thresholds::SAGS_BELOW;
use crate::domain::Seconds;
use crate::domain::time::DAY;
use serde::{Deserialize, Serialize};

/// With fewer unrelated entities than this, a comparison cannot show that the source is at fault.
pub const ENOUGH_TO_COMPARE: usize = 3;
/// From this share of entities that fall in one bin on, the source is at fault. Of Iran's 31 series
/// of November 2019, which were all switched off within hours, at most 71 % fell in one bin.
const NEARLY_ALL: f32 = 0.8;
/// A fault is over when no more than this share of entities still sags.
const FEW: f32 = 0.35;
/// Entities that sag by a fault sag alike: half of them are within this distance of the median
/// ratio.
const ALIKE: f32 = 0.12;
/// An entity that fell more bins ago than this has an outage of its own and is not compared.
pub const FELL_LONG_AGO: Seconds = 3;
/// A sag of all entities that lasts this long is another way to measure, unless nothing at all is
/// left.
const USUAL_AFTER: Seconds = 3 * DAY;
const SOMETHING_IS_LEFT: f32 = 0.01;
/// Faults kept: as many as the kept bins can reach back to.
const KEPT_FAULTS: usize = 4;

/// A period in which readings mean nothing. Instants are Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Start of its first bin.
    pub from: i64,
    /// Start of the first bin after it; `None` while it lasts.
    pub until: Option<i64>,
}

/// The faults of one family or of our uplink in their order, and up to which bin they were looked
/// for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    windows: Vec<Fault>,
    /// Start of the newest bin for which enough other entities are known.
    pub checked: i64,
    /// Whether there were enough other entities to compare with.
    pub comparable: bool,
    /// The bins whose falls wait for other entities, each with the least number of further entities
    /// it takes.
    waiting: [(i64, usize); 2],
}

/// One bin over the entities of a family.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinComparison {
    /// Ratio of value to normal, of each unrelated entity that has a value and had not fallen
    /// before.
    pub ratios: Vec<f32>,
    /// Number of unrelated entities that fell shortly before, at another moment than the others: a
    /// fault of the source does not do that.
    pub fell_before: usize,
    /// Number of unrelated entities whose value of this bin is still missing.
    pub unheard: usize,
}

impl BinComparison {
    fn entities(&self) -> usize {
        self.ratios.len() + self.fell_before + self.unheard
    }

    fn is_heard_enough(&self) -> bool {
        self.ratios.len() * 2 > self.entities()
    }

    fn sagging(&self) -> impl Iterator<Item = f32> {
        self.ratios.iter().copied().filter(|ratio| f64::from(*ratio) < SAGS_BELOW)
    }

    fn sagging_share(&self) -> f32 {
        self.sagging().count() as f32 / (self.ratios.len() + self.fell_before).max(1) as f32
    }

    fn is_the_sources_own_fault(&self) -> bool {
        self.ratios.len() >= ENOUGH_TO_COMPARE
            && self.sagging_share() >= NEARLY_ALL
            && self.sags_alike()
    }

    /// Returns the least number of further entities with a usual value after which the bin cannot
    /// be a fault of the source, whatever the others show. 0 if it already cannot be, or all values
    /// are there.
    fn waits_for(&self) -> usize {
        let could_sag = self.sagging().count() + self.unheard;
        let too_many = (could_sag as f32 - NEARLY_ALL * self.entities() as f32).floor() as i64 + 1;
        if self.unheard == 0 { 0 } else { too_many.max(0) as usize }
    }

    fn sags_alike(&self) -> bool {
        let mut ratios: Vec<f32> = self.sagging().collect();
        let median = super::slot::median(&mut ratios);
        let mut off: Vec<f32> = ratios.iter().map(|ratio| (ratio - median).abs()).collect();
        super::slot::median(&mut off) <= ALIKE
    }
}

impl Faults {
    /// Returns whether any part of `[start, end)` lies in a fault.
    pub fn cover(&self, start: i64, end: i64) -> bool {
        self.windows
            .iter()
            .any(|fault| fault.from < end && fault.until.is_none_or(|until| start < until))
    }

    /// Moves its instants back with the clock.
    pub fn move_back(&mut self, back: SetBack) {
        for fault in &mut self.windows {
            fault.from = back.right(fault.from);
            fault.until = fault.until.map(|until| back.right(until));
        }
        self.checked = back.right(self.checked);
        for (start, _) in &mut self.waiting {
            *start = back.right(*start);
        }
    }

    /// Returns whether a bin that shows no fall is worth a comparison of all entities: a fault may
    /// end, or an entity's fall waits for it.
    pub fn is_worth_a_look(&self, start: i64) -> bool {
        self.is_open() || self.waiting.iter().any(|(waits, more)| *waits == start && *more > 0)
    }

    /// Notes that another entity has a value in the bin. Returns whether a comparison may show
    /// something by now.
    pub fn hears_one_more(&mut self, start: i64) -> bool {
        let Some((_, more)) = self.waiting.iter_mut().find(|(waits, _)| *waits == start) else {
            return self.is_open();
        };
        *more = more.saturating_sub(1);
        *more == 0 || self.is_open()
    }

    fn wait(&mut self, start: i64, more: usize) {
        match self.waiting.iter().position(|(waits, _)| *waits == start) {
            Some(known) => self.waiting[known].1 = more,
            None if start > self.waiting[0].0 => self.waiting[0] = (start, more),
            None => {}
        }
        self.waiting.sort_unstable();
    }

    /// Returns whether a fault lasts, as far as is known.
    pub fn is_open(&self) -> bool {
        self.windows.last().is_some_and(|fault| fault.until.is_none())
    }

    /// Returns whether a sag that began as a fault is how the source measures now.
    pub fn is_usual_by_now(&self, start: i64, look: &BinComparison) -> bool {
        let lasts = self
            .windows
            .last()
            .is_some_and(|fault| fault.until.is_none() && start - fault.from > USUAL_AFTER);
        let mut ratios = look.ratios.clone();
        lasts && look.is_heard_enough() && super::slot::median(&mut ratios) > SOMETHING_IS_LEFT
    }

    /// Takes the comparison of the bin that starts at `start`. Returns the instant from which on
    /// all series of the family must be judged again.
    pub fn take(&mut self, start: i64, look: &BinComparison) -> Option<i64> {
        if start >= self.checked {
            self.comparable = look.entities() >= ENOUGH_TO_COMPARE;
        }
        let more = look.waits_for();
        self.wait(start, more);
        if more == 0 {
            self.checked = self.checked.max(start);
        }
        if !look.is_heard_enough() {
            return None;
        }
        if look.sagging_share() <= FEW {
            return self.closes(start);
        }
        look.is_the_sources_own_fault().then(|| self.opens(start)).flatten()
    }

    /// Does the same for our uplink: of the control series with a value at `start`, `failing`
    /// failed; `all` are watched.
    pub fn take_control(
        &mut self,
        start: i64,
        step: Seconds,
        heard: usize,
        failing: usize,
        all: usize,
    ) -> Option<i64> {
        self.comparable = true;
        if failing * 2 > all {
            self.checked = self.checked.max(start + step);
            return self.opens(start);
        }
        if (heard - failing) * 2 < all {
            return None;
        }
        self.checked = self.checked.max(start + step);
        self.closes(start)
    }

    fn opens(&mut self, start: i64) -> Option<i64> {
        if self.cover(start, start + 1) {
            return None;
        }
        match self.windows.last_mut() {
            // The bin before was the last one of a fault, by the data known then.
            Some(last) if last.until == Some(start) => last.until = None,
            Some(last) if last.from > start => last.from = start,
            _ => self.windows.push(Fault { from: start, until: None }),
        }
        if self.windows.len() > KEPT_FAULTS {
            self.windows.remove(0);
        }
        Some(start)
    }

    fn closes(&mut self, start: i64) -> Option<i64> {
        let last = self.windows.last_mut()?;
        match last.until {
            None if start > last.from => {
                last.until = Some(start);
                Some(start)
            }
            // Later data showed that there was no fault.
            None if start == last.from => {
                self.windows.pop();
                Some(start)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(ratios: &[f32], fell_before: usize, unheard: usize) -> BinComparison {
        BinComparison { ratios: ratios.to_vec(), fell_before, unheard }
    }

    #[test]
    fn a_source_is_ill_when_nearly_all_fall_at_once_and_alike() {
        assert!(look(&[0.45, 0.44, 0.46, 0.45, 1.0], 0, 0).is_the_sources_own_fault());
        assert!(look(&[0.0, 0.0, 0.0], 0, 0).is_the_sources_own_fault());
        assert!(!look(&[0.0, 0.0], 0, 0).is_the_sources_own_fault(), "two may fall by chance");
        assert!(
            !look(&[0.0, 0.0, 0.0], 2, 0).is_the_sources_own_fault(),
            "others fell an hour ago"
        );
        assert!(
            !look(&[0.0, 0.25, 0.5, 0.6, 0.1], 0, 0).is_the_sources_own_fault(),
            "each by another share"
        );
    }

    #[test]
    fn a_fall_is_held_back_while_those_unheard_could_make_it_a_fault() {
        let mut faults = Faults::default();
        faults.take(300, &look(&[0.0], 0, 3));
        assert_eq!(faults.checked, 0);
        faults.take(300, &look(&[0.0, 1.0], 0, 2));
        assert_eq!(faults.checked, 300);
    }

    #[test]
    fn a_look_is_worth_its_cost_when_enough_others_were_heard() {
        let mut faults = Faults::default();
        faults.take(300, &look(&[0.0], 0, 9));
        assert!(!faults.is_worth_a_look(600));
        let heard =
            (0..9).filter(|_| faults.is_worth_a_look(300) && faults.hears_one_more(300)).count();
        assert_eq!(heard, 1, "after three of the nine: then fewer than eight of ten can sag");
        faults.take(300, &look(&[0.0, 1.0, 1.0, 1.0], 0, 6));
        assert!(faults.checked == 300 && !faults.is_worth_a_look(300));
    }

    #[test]
    fn a_sag_of_days_is_how_the_source_measures_now_unless_nothing_is_left() {
        for (left, usual) in [(0.4, true), (0.0, false)] {
            let mut faults = Faults::default();
            faults.take(300, &look(&[left; 4], 0, 0));
            assert!(!faults.is_usual_by_now(300 + DAY, &look(&[left; 4], 0, 0)));
            assert_eq!(faults.is_usual_by_now(300 + 4 * DAY, &look(&[left; 4], 0, 0)), usual);
        }
    }

    #[test]
    fn a_fault_covers_its_bins_until_most_are_back() {
        let mut faults = Faults::default();
        assert_eq!(faults.take(300, &look(&[0.0, 0.0, 0.0, 0.0], 0, 0)), Some(300));
        assert_eq!(faults.take(600, &look(&[0.0, 1.0], 0, 2)), None);
        assert!(faults.cover(600, 900) && !faults.cover(0, 300));
        assert_eq!(faults.take(900, &look(&[1.0, 1.0, 1.0, 0.0], 0, 0)), Some(900));
        assert!(faults.cover(600, 900) && !faults.cover(900, 1200));
    }

    #[test]
    fn our_uplink_is_down_when_most_controls_fail_together() {
        let mut uplink = Faults::default();
        assert_eq!(uplink.take_control(0, 60, 2, 1, 2), None);
        assert_eq!(uplink.take_control(60, 60, 2, 2, 2), Some(60));
        assert_eq!(uplink.take_control(120, 60, 2, 0, 2), Some(120));
        assert!(uplink.cover(60, 120) && !uplink.cover(120, 180));
        assert_eq!(uplink.checked, 180);
    }
}
