//! Compares one bin over all entities, to tell an entity's fall from a fault of the source.

use super::{StateOverlay, upsert};
use crate::detect::trust::{BinComparison, FELL_LONG_AGO, Faults};
use crate::domain::Entity;

impl StateOverlay<'_> {
    /// Notes a bin that shows no fall or has no value: the fall of another entity may have waited
    /// for it.
    pub fn hear(&mut self, family: u32, start: i64) {
        if !self.faults(family).is_worth_a_look(start) {
            return;
        }
        let mut faults = self.faults(family).clone();
        if faults.hears_one_more(start) {
            self.judged.push((family, start));
        }
        upsert(&mut self.change.faults, family, faults);
    }

    /// Compares each judged bin with the same bin of other entities.
    pub fn look_for_faults(&mut self) {
        for (family, start) in std::mem::take(&mut self.judged) {
            if family as usize >= self.state.families.len() {
                continue;
            }
            let look = self.look(family, start);
            let known = self.faults(family);
            let mut faults = known.clone();
            let again = faults.take(start, &look);
            let heard_until = known.checked;
            let has_heard_more = faults.checked > heard_until;
            if faults != *known {
                upsert(&mut self.change.faults, family, faults);
            }
            if has_heard_more {
                self.hear_of_others(family, heard_until);
            }
            if let Some(from) = again {
                self.judge_again(family, from);
            }
            if self.faults(family).is_usual_by_now(start, &look) {
                upsert(&mut self.change.faults, family, Faults::default());
                self.change.renewed.push(family);
            }
        }
    }

    /// Marks the entities whose fall waited for other entities' values of a bin after `since`, so
    /// that they are decided now.
    pub fn hear_of_others(&mut self, family: u32, since: i64) {
        for number in &self.state.families[family as usize].members {
            let Some(head) = self.head(*number) else { continue };
            if head.score.low > 0.0 && head.newest().is_some_and(|bin| bin.start > since) {
                let entity = head.entity;
                self.touched.push(entity);
            }
        }
    }

    fn look(&self, family: u32, start: i64) -> BinComparison {
        let mut compared: Vec<(u32, f32)> = Vec::new();
        let (mut fell_before, mut unheard) = (Vec::new(), Vec::new());
        let has_controls = self.is_own_probe(family) && self.has_controls();
        for number in &self.state.families[family as usize].members {
            let (Some(head), Some(normal)) = (self.head(*number), self.normal(*number)) else {
                continue;
            };
            let (width, Some(newest)) = (head.width(), head.newest()) else { continue };
            if !normal.is_comparable()
                || newest.start < start - 2 * width
                || head.score.is_low_since(start - FELL_LONG_AGO * width - 1)
            {
                continue;
            }
            let root = self.state.wholes_of(head.entity).last().unwrap_or(head.entity);
            // Our own uplink is judged by its controls. Sites, which chats may add by the hundred
            // and perhaps on one host, would outvote the other entities and hide an outage of a
            // country that falls at the same time.
            if has_controls && matches!(self.entity(root), Entity::Site(_)) {
                continue;
            }
            let usual = normal.at(start, width);
            if head.score.is_low_since(start - 1) {
                fell_before.push(root);
            } else if let Some(value) = head.value_at(start) {
                let ratio = if usual > 0.0 { (value / usual) as f32 } else { 1.0 };
                match compared.iter_mut().find(|(other, _)| *other == root) {
                    Some((_, most)) => *most = most.max(ratio),
                    None => compared.push((root, ratio)),
                }
            } else if newest.start < start && head.gap < start {
                unheard.push(root);
            }
        }
        let is_heard = |root: &u32| compared.iter().any(|(known, _)| known == root);
        let count = |mut roots: Vec<u32>| {
            roots.retain(|root| !is_heard(root));
            roots.sort_unstable();
            roots.dedup();
            roots.len()
        };
        let (fell_before, unheard) = (count(fell_before), count(unheard));
        BinComparison {
            ratios: compared.into_iter().map(|(_, ratio)| ratio).collect(),
            fell_before,
            unheard,
        }
    }

    /// Sums up again every series of the family that has bins from `from` (Unix seconds) on.
    pub fn judge_again(&mut self, family: u32, from: i64) {
        let state = self.state;
        for number in &state.families[family as usize].members {
            let newest =
                self.head(*number).and_then(|head| Some(head.newest()?.start + head.width()));
            if newest.is_none_or(|end| end <= from) {
                continue;
            }
            let Some(mut head) = self.take_head(*number) else { continue };
            head.judge_again(self.normal(*number), |from, until| {
                self.is_in_fault(family, from, until)
            });
            self.touched.push(head.entity);
            self.put_head(*number, head);
        }
    }

    /// Returns whether any part of `[from, until)` lies in a fault of the family or, for our own
    /// probes, of the uplink.
    pub fn is_in_fault(&self, family: u32, from: i64, until: i64) -> bool {
        self.faults(family).cover(from, until)
            || self.is_own_probe(family) && self.uplink().cover(from, until)
    }
}
