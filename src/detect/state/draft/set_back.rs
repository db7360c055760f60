//! Follows a clock that was ahead and is set right: all instants that our own probes recorded by it
//! move back with it.

use super::{StateOverlay, upsert};
use crate::detect::clock_step::SetBack;
use crate::domain::time::SLEWED;
use std::collections::BTreeSet;

impl StateOverlay<'_> {
    /// Moves recorded instants back if the clock was set back. Our own probes measure the present,
    /// so a probe result that is older than their last one shows it. Otherwise their new results
    /// would count as late until the clock passes the last one, and we would be blind for that
    /// long.
    pub fn follow_the_clock(&mut self) {
        let Some(back) = self.set_back() else { return };
        let (state, mut own_families) = (self.state, BTreeSet::new());
        for (number, _) in
            state.names.iter().enumerate().filter(|(_, named)| named.series.is_our_own())
        {
            self.head_mut(number as u32).move_back(back);
            own_families.insert(state.heads[number].family);
        }
        for family in own_families {
            let mut faults = self.faults(family).clone();
            faults.move_back(back);
            upsert(&mut self.change.faults, family, faults);
        }
        let mut uplink = self.uplink().clone();
        uplink.move_back(back);
        self.change.uplink = Some(uplink);
        for entity in 0..state.lives.len() as u32 {
            let mut life = self.life(entity).clone();
            life.move_back(back);
            if life != *self.life(entity) {
                self.put_life(entity, life);
            }
        }
    }

    /// Returns the shift that puts the newest earlier result right before the present one.
    fn set_back(&self) -> Option<SetBack> {
        let own = self.batch.observations.iter().filter(|row| row.series.is_our_own());
        let back = own.filter_map(|row| {
            let head = self.head(*self.state.index.series.get(&row.series)?)?;
            let (from, newest) = (row.observed_at.unix(), head.newest()?.start);
            let heard_before = self.batch.received_at.unix() < head.received;
            (heard_before && newest - from > SLEWED)
                .then(|| SetBack { from, by: newest - from + head.width() })
        });
        back.max_by_key(|back| back.by)
    }
}
