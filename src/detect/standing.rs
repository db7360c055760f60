//! Counts which signals of an incident are back, which are still low, and which are unknown.

use super::baseline::Normal;
use super::incident::bit;
use super::signal::{SUREST, SeriesTracker};
use super::state::StateOverlay;
use super::thresholds::PEOPLE;
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{Layer, Seconds, Unknown};

/// A low signal that cannot be seen any more is not back; but a return waits for a dead source no
/// longer than this.
const UNSEEN_FOR: Seconds = 12 * HOUR;
/// A return waits for signals that are read within this many seconds after the start of their bin,
/// not for slower ones.
const QUICK_ENOUGH: Seconds = 45 * MINUTE;
/// The evidence of a signal from which on a return in part is reported. Each failed return raises
/// it by as much again.
const PARTLY_BACK: f32 = 6.0;
/// A fall this many seconds before the start still belongs to the incident: slow signals are dated
/// by wide bins.
const FELL_BEFORE: Seconds = 6 * HOUR;

/// Counts of the implicated series of an incident. Instants are Unix seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeriesCounts {
    /// Series that are back.
    pub back: usize,
    /// The largest evidence of a return among those that are back.
    up: f32,
    /// Series that still miss something.
    pub low: usize,
    /// Of `low`, those that a few bins are enough to judge.
    exact_low: usize,
    /// Series that were low, cannot be seen now, and hold up the return.
    pub blocking: usize,
    /// Series that fell in this incident, by the data known now.
    pub ever_low: usize,
    /// When half of those that are back were back: the last of them may have taken hours longer.
    pub ended_at: i64,
    /// When the last of them was back. Signals that follow people's habits are left out where
    /// others are back.
    pub last_back: i64,
    /// One bit for each layer of those that are surely back.
    layers_back: u8,
}

impl SeriesCounts {
    /// Returns whether part of it is back, as far as the data shows. A signal that wavers is
    /// believed less each time.
    pub fn is_partly_back(self, failed_returns: u8) -> bool {
        let needed = (PARTLY_BACK * f32::from(failed_returns.saturating_add(1))).min(SUREST);
        self.up >= needed && self.back > usize::from(failed_returns) / 2
    }

    /// Returns whether every signal that was low and is read in time is back, each by its own
    /// evidence for a while. Where several signals are back, only exact ones are waited for.
    pub fn is_back(self) -> bool {
        let low = if self.back > 1 { self.exact_low } else { self.low };
        self.back > 0 && low == 0 && self.blocking == 0
    }

    /// Returns whether routes that were gone are back and something answers through them: slower
    /// signals then only must not deny it.
    fn network_is_back(self) -> bool {
        let routing = bit(Layer::Routing);
        self.layers_back & routing != 0 && self.layers_back & !routing != 0
    }
}

/// Returns the seconds from the start of a bin to its reading.
fn slowness(head: &SeriesTracker) -> Seconds {
    head.width() + head.lag as Seconds
}

impl StateOverlay<'_> {
    /// Counts those of `implicated` that were low in an incident that began at `started_at` (Unix
    /// seconds).
    pub fn standing(&self, implicated: &[u32], started_at: i64) -> SeriesCounts {
        let heads: Vec<(u32, &SeriesTracker)> =
            implicated.iter().filter_map(|series| Some((*series, self.head(*series)?))).collect();
        let heard_until = heard_until(&heads, started_at);
        let is_back = |head: &SeriesTracker| {
            head.score.is_back(heard_until).filter(|back_at| *back_at >= started_at)
        };
        let only_people = implicated.iter().all(|series| self.named(*series).witness == PEOPLE);
        let mut standing = SeriesCounts::default();
        let mut backs = Vec::new();
        for (series, head) in &heads {
            let score = &head.score;
            let Some(back_at) = is_back(head) else {
                standing.ever_low +=
                    usize::from(score.is_low && score.since >= started_at - FELL_BEFORE);
                continue;
            };
            standing.ever_low += 1;
            let named = self.named(*series);
            if !score.is_low || named.layer == Layer::Routing {
                standing.layers_back |= bit(named.layer);
            }
            let exact = named.witness != PEOPLE;
            if exact || only_people {
                standing.back += 1;
                standing.up = standing.up.max(score.up);
            }
            if exact || standing.last_back == 0 {
                standing.last_back = standing.last_back.max(back_at);
                backs.push(back_at);
            }
        }
        backs.sort_unstable();
        standing.ended_at =
            backs.get(backs.len().saturating_sub(1) / 2).copied().unwrap_or_default();
        let quickest = heads.iter().map(|(_, head)| slowness(head)).min().unwrap_or(0);
        let quick = QUICK_ENOUGH.max(quickest * 3 / 2);
        for (series, head) in
            heads.into_iter().filter(|(_, head)| head.score.is_low && is_back(head).is_none())
        {
            self.count_low(&mut standing, series, head, quick);
        }
        standing
    }

    /// Counts a series that still misses something, or did when it was last known.
    fn count_low(
        &self,
        standing: &mut SeriesCounts,
        series: u32,
        head: &SeriesTracker,
        quick: Seconds,
    ) {
        let network_is_back = standing.network_is_back();
        if let Some(why) = self.why_unknown(series, head) {
            // A series without a normal will never show that it is back.
            let may_say = !matches!(why, Unknown::NoNormal | Unknown::NormalIsNothing);
            let unseen_for = self.batch.received_at.unix() - head.score.last;
            standing.blocking +=
                usize::from(may_say && unseen_for < UNSEEN_FOR && !network_is_back);
            return;
        }
        let newest = head.newest().map_or(0, |bin| bin.start + head.width());
        let is_slow = network_is_back || slowness(head) > quick;
        if is_slow && newest <= standing.last_back + head.width() {
            return;
        }
        standing.low += 1;
        standing.exact_low += usize::from(self.normal(series).is_some_and(Normal::is_exact));
    }
}

/// Returns until when (Unix seconds) those that are back were seen to be so.
fn heard_until(heads: &[(u32, &SeriesTracker)], started_at: i64) -> i64 {
    let back =
        heads.iter().filter(|(_, head)| !head.score.is_low && head.score.back_at >= started_at);
    back.filter_map(|(_, head)| Some(head.newest()?.start + head.width() / 2)).max().unwrap_or(0)
}
