//! Weighs an entity's witnesses together, and freezes the evidence for a reader.

use super::baseline::Normal;
use super::signal::SeriesTracker;
use super::state::StateOverlay;
use super::thresholds::{LOW, ONE_BLOCK, SURE};
use crate::domain::observation::BLOCKS;
use crate::domain::time::MINUTE;
use crate::domain::{
    Assessment, Confidence, Evidence, Fact, FactKind, Layer, Phase, Reading, Seconds, Timestamp,
    Unknown, Verdict,
};
use std::sync::Arc;

/// The combined evidence from which on confidence in two agreeing witnesses is high: well above the
/// alert threshold.
const HIGHLY_SURE: f64 = 12.0;
/// A part stands for the whole when its routing is at least this share of the whole's.
const STANDS_FOR_THE_WHOLE: f64 = 0.8;
/// Seconds from the beginning of a fall until a quick signal shows it: the first bin contains some
/// of the time before.
const FALL_SHOWS_AFTER: Seconds = 30;
/// Withdrawals within this many seconds of the instant that the bins show belong to the same fall.
const SAME_FALL: Seconds = 600;
/// Two signals of the same layer may differ by a wide bin or two about the instant of a fall, not
/// by more than this.
const DENIED_FOR: Seconds = 30 * MINUTE;

/// The evidence of one witness about an entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WitnessScore {
    /// Number of the witness.
    pub witness: u32,
    /// The series that represents the witness: the surest of the entity's own, or the median one of
    /// its parts'.
    pub series: u32,
    /// Evidence for an outage that may be used now; 0 where the series is up or unknown.
    pub low: f32,
    /// Whether it has a normal, and is fresh and trusted.
    pub heard: bool,
}

impl StateOverlay<'_> {
    /// Returns the entity's own series and those of parts that stand for it.
    pub fn witnesses_of(&self, entity: u32) -> Vec<u32> {
        let mut series = self.series_of(entity).to_vec();
        for part in self.parts_of(entity) {
            if self.stands_for(*part, entity) {
                series.extend(self.witnesses_of_part(*part, 0));
            }
        }
        series
    }

    fn witnesses_of_part(&self, part: u32, depth: usize) -> Vec<u32> {
        let mut series = self.series_of(part).to_vec();
        for inner in self.parts_of(part) {
            if depth < 6 && self.stands_for(*inner, part) {
                series.extend(self.witnesses_of_part(*inner, depth + 1));
            }
        }
        series
    }

    /// Returns the facts about the entity and about the parts that stand for it.
    fn facts_behind(&self, entity: u32) -> Vec<Fact> {
        let mut spoken_of = vec![entity];
        for part in self
            .witnesses_of(entity)
            .into_iter()
            .filter_map(|series| Some(self.head(series)?.entity))
        {
            if !spoken_of.contains(&part) {
                spoken_of.push(part);
            }
        }
        spoken_of.into_iter().flat_map(|part| self.facts_of(part)).collect()
    }

    /// Returns whether a part stands for the whole: the same signal of the same source finds nearly
    /// the same routes in both. A part that is too small to be routed by itself (a site) is a
    /// sample of its whole.
    fn stands_for(&self, part: u32, whole: u32) -> bool {
        let routed = |entity: u32| {
            self.series_of(entity)
                .iter()
                .filter(|series| self.named(**series).layer == Layer::Routing)
                .copied()
        };
        let normal = |series: u32| {
            let (head, normal) = (self.head(series)?, self.normal(series)?);
            Some(normal.at(head.newest()?.start, head.width()))
        };
        let mut is_routed = false;
        for part in routed(part) {
            is_routed = true;
            let name = &self.named(part).series;
            let same = routed(whole).find(|of_whole| {
                let other = &self.named(*of_whole).series;
                other.source == name.source && other.signal == name.signal
            });
            if let (Some(ours), Some(theirs)) = (normal(part), same.and_then(normal)) {
                return ours >= STANDS_FOR_THE_WHOLE * theirs;
            }
        }
        !is_routed && !self.series_of(part).is_empty()
    }

    /// Returns one score for each witness. Where only parts of the entity were measured, the median
    /// part represents the witness. A fall before `fallen_since` (Unix seconds) is not evidence.
    pub fn voices(&self, entity: u32, fallen_since: i64) -> Vec<WitnessScore> {
        let mut said: Vec<(u32, bool, u32, f32, bool)> = Vec::new();
        let one_block = self.may_be_one_block(entity);
        for series in self.witnesses_of(entity) {
            let Some(head) = self.head(series) else { continue };
            let is_known = self.why_unknown(series, head).is_none();
            let low = if is_known && head.score.since >= fallen_since {
                self.usable(series, head)
            } else {
                0.0
            };
            said.push((
                self.witness(series, head, one_block),
                head.entity == entity,
                series,
                low,
                is_known,
            ));
        }
        let mut voices: Vec<WitnessScore> = Vec::new();
        said.sort_by(|a, b| {
            (a.0, !a.1, !a.4).cmp(&(b.0, !b.1, !b.4)).then(b.3.total_cmp(&a.3)).then(a.2.cmp(&b.2))
        });
        for same in said.chunk_by(|a, b| a.0 == b.0) {
            let own = same.iter().any(|of| of.1);
            let counted: Vec<_> = same.iter().filter(|of| of.1 == own && of.4).collect();
            // Several series of the entity itself are one witness because people cause them all:
            // the surest represents them.
            let speaks = if own { counted.first() } else { counted.get(counted.len() / 2) };
            if let Some(&&(witness, _, series, low, heard)) = speaks {
                voices.push(WitnessScore { witness, series, low, heard });
            }
        }
        voices
    }

    /// Returns the number of the witness that a series belongs to. `one_block`: see
    /// [`Self::may_be_one_block`].
    pub fn witness(&self, series: u32, head: &SeriesTracker, one_block: bool) -> u32 {
        if one_block && self.is_own_probe(head.family) {
            ONE_BLOCK
        } else {
            self.named(series).witness
        }
    }

    /// Returns whether everything that our own probes miss of the entity may be in one block of
    /// addresses: it is then one witness, however many names and services it has. Where blocks are
    /// not counted, each signal is a witness of its own.
    pub fn may_be_one_block(&self, entity: u32) -> bool {
        let fallen = self
            .witnesses_of(entity)
            .into_iter()
            .filter(|series| self.named(*series).series.signal == BLOCKS);
        let mut is_counted = false;
        let fallen: f64 = fallen
            .filter_map(|series| {
                let (head, normal) = (self.head(series)?, self.normal(series)?);
                is_counted = true;
                let newest = head.newest()?;
                Some((normal.at(newest.start, head.width()).round() - newest.value).max(0.0))
            })
            .sum();
        is_counted && fallen < 2.0
    }

    /// Returns the evidence of a low series after comparison with other entities, as far as that is
    /// possible; 0 where it is too little to count.
    pub fn usable(&self, series: u32, head: &SeriesTracker) -> f32 {
        let needed = self.normal(series).map_or(f32::INFINITY, Normal::counts_from);
        let Some(newest) = head.newest() else { return 0.0 };
        // Other entities' values of the newest bin may still be missing; those of the one before
        // rarely are.
        let width = head.width();
        let low = if self.is_confirmed(head, newest.start) {
            head.score.low
        } else if self.is_confirmed(head, newest.start - width) {
            head.score.before
        } else {
            0.0
        };
        if low >= needed { low } else { 0.0 }
    }

    /// Returns whether the bin was compared with others of its family and, for a probe, with the
    /// controls of our uplink.
    fn is_confirmed(&self, head: &SeriesTracker, start: i64) -> bool {
        let faults = self.faults(head.family);
        let by_others = !faults.comparable || start <= faults.checked;
        let by_controls = !self.is_own_probe(head.family)
            || !self.has_controls()
            || start + head.width() <= self.uplink().checked;
        by_others && by_controls
    }

    /// Returns why a series is unknown now, or `None` if it is known.
    pub fn why_unknown(&self, series: u32, head: &SeriesTracker) -> Option<Unknown> {
        let Some(normal) = self.normal(series) else { return Some(Unknown::NoNormal) };
        let Some(newest) = head.newest() else { return Some(Unknown::NoNormal) };
        if normal.at(newest.start, head.width()) <= 0.0 || !normal.is_telling() {
            return Some(Unknown::NormalIsNothing);
        }
        let ill =
            |faults: &super::trust::Faults| faults.cover(newest.start, newest.start + head.width());
        if self.is_own_probe(head.family) && (self.uplink().is_open() || ill(self.uplink())) {
            return Some(Unknown::Uplink);
        }
        if head.poll_failed || ill(self.faults(head.family)) {
            return Some(Unknown::SourceFault);
        }
        head.is_stale(self.batch.received_at.unix()).then_some(Unknown::Stale)
    }

    /// Returns when the first route was withdrawn, to the minute, if that was seen live near
    /// `about`. Bins are less exact.
    fn first_withdrawal(&self, entity: u32, about: i64) -> Option<i64> {
        let withdrawn = self.facts_behind(entity).into_iter().filter_map(|fact| match fact.kind {
            FactKind::Withdrawn { gateways } => gateways.iter().map(|fall| fall.first.unix()).min(),
            _ => None,
        });
        withdrawn
            .filter(|first| (first - about).abs() <= SAME_FALL)
            .min()
            .map(|first| first.div_euclid(60) * 60)
    }

    /// Returns when the outage began, in Unix seconds: inside every interval in which a signal fell
    /// in one clear step, or else in the first low bin. `None` while no witness is surely low.
    pub fn began(&self, entity: u32, voices: &[WitnessScore]) -> Option<i64> {
        let by_bins = self.began_by_bins(voices)?;
        Some(self.first_withdrawal(entity, by_bins).unwrap_or(by_bins))
    }

    fn began_by_bins(&self, voices: &[WitnessScore]) -> Option<i64> {
        let surely = |voice: &&WitnessScore| voice.low >= LOW;
        voices.iter().find(surely)?;
        let mut fallen: Vec<&WitnessScore> =
            voices.iter().filter(|voice| voice.low > 0.0).collect();
        fallen.retain(|voice| !voices.iter().any(|other| self.denies(other, voice)));
        if fallen.iter().any(surely) {
            fallen.retain(surely);
        }
        let low = || {
            fallen.iter().filter_map(|voice| self.head(voice.series).zip(self.normal(voice.series)))
        };
        let exact = || low().filter(|(_, normal)| normal.is_exact());
        let mut onsets: Vec<(i64, i64)> =
            exact().filter_map(|(head, normal)| head.onset(normal)).collect();
        onsets.sort_by_key(|(from, until)| (until - from, *until, *from));
        let since = |(head, _): (&SeriesTracker, &Normal)| head.score.since;
        let first = exact().map(since).min().or_else(|| low().map(since).min())?;
        let Some((mut from, mut until)) = onsets.first().copied() else { return Some(first) };
        for (other_from, other_until) in onsets {
            if other_from < until && from < other_until {
                from = from.max(other_from);
                until = until.min(other_until);
            }
        }
        Some((i64::midpoint(from, until) - FALL_SHOWS_AFTER).div_euclid(60) * 60)
    }

    /// Returns whether `other` saw the same layer whole for long after the fall that `voice` shows,
    /// and fell only later. Until then, the source of `voice` was at fault.
    fn denies(&self, other: &WitnessScore, voice: &WitnessScore) -> bool {
        let (theirs, ours) = (self.named(other.series), self.named(voice.series));
        let Some((other_head, head)) = self.head(other.series).zip(self.head(voice.series)) else {
            return false;
        };
        let (fell, since) = (other_head.score.since, head.score.since);
        other.low > 0.0
            && theirs.layer == ours.layer
            && theirs.series.measurer() != ours.series.measurer()
            && self.normal(other.series).is_some_and(Normal::is_exact)
            && fell - since > DENIED_FOR
            && other_head.bins().iter().any(|bin| (since..fell).contains(&bin.start))
    }

    /// Returns the evidence about the entity as of the batch: every assessment, the verdict and its
    /// confidence.
    pub fn evidence(&self, entity: u32) -> Evidence {
        let at = self.batch.received_at;
        let mut assessments: Vec<(Assessment, u32)> = Vec::new();
        let one_block = self.may_be_one_block(entity);
        for series in self.witnesses_of(entity) {
            let Some(head) = self.head(series) else { continue };
            let named = self.named(series);
            let newest = head.newest();
            let why = self.why_unknown(series, head);
            let reading = match why {
                Some(why) => Reading::Unknown { why },
                None if head.score.is_low => Reading::Low,
                None => Reading::Normal,
            };
            let normal = newest.and_then(|bin| {
                self.normal(series).map(|normal| normal.at(bin.start, head.width()))
            });
            let assessment = Assessment {
                series: Arc::clone(&named.series),
                layer: named.layer,
                reading,
                value: newest.map(|bin| bin.value),
                normal,
                observed_at: Timestamp::from_unix(newest.map_or(0, |bin| bin.start)),
                step: head.width(),
                low_since: head.score.is_low.then(|| Timestamp::from_unix(head.score.since)),
                back_since: (!head.score.is_low && head.score.back_at > 0)
                    .then(|| Timestamp::from_unix(head.score.back_at)),
                weight: f64::from(if head.score.low > 0.0 {
                    head.score.low
                } else {
                    -head.score.up
                }),
            };
            assessments.push((assessment, self.witness(series, head, one_block)));
        }
        assessments.sort_by(|(a, _), (b, _)| {
            (a.layer, &a.series.source, &a.series.signal, &a.series.entity).cmp(&(
                b.layer,
                &b.series.source,
                &b.series.signal,
                &b.series.entity,
            ))
        });
        let phase = self.life(entity).phase();
        let verdict = match phase {
            Some(Phase::Suspected) => Verdict::Suspected,
            Some(Phase::Down) => Verdict::Down,
            Some(Phase::Returning) => Verdict::Returning,
            Some(Phase::Recovered | Phase::Retracted) | None => {
                let is_known =
                    assessments.iter().any(|(a, _)| !matches!(a.reading, Reading::Unknown { .. }));
                if is_known { Verdict::Up } else { Verdict::Unknown }
            }
        };
        let (witnesses, sources, sureness) = how_sure(verdict, &assessments);
        let mut evidence = Evidence {
            entity: self.entity(entity).clone(),
            at,
            verdict,
            sureness,
            witnesses,
            sources,
            assessments: assessments.into_iter().map(|(assessment, _)| assessment).collect(),
            facts: self.facts_behind(entity),
            onset: None,
        };
        evidence.onset = self.life(entity).onset_with(&evidence);
        evidence
    }
}

/// Returns the number of witnesses and of sources that agree with the verdict, and the confidence
/// that follows.
fn how_sure(verdict: Verdict, assessments: &[(Assessment, u32)]) -> (u32, u32, Confidence) {
    let agrees = |assessment: &Assessment| match verdict {
        Verdict::Unknown => false,
        Verdict::Up => assessment.is_normal(),
        Verdict::Suspected | Verdict::Down | Verdict::Returning => assessment.is_low(),
    };
    let agreeing: Vec<_> =
        assessments.iter().filter(|(assessment, _)| agrees(assessment)).collect();
    let mut witnesses: Vec<u32> = agreeing.iter().map(|(_, witness)| *witness).collect();
    witnesses.sort_unstable();
    witnesses.dedup();
    let mut sources: Vec<&str> =
        agreeing.iter().map(|(assessment, _)| assessment.series.measurer()).collect();
    sources.sort_unstable();
    sources.dedup();
    // Each witness adds the evidence of its surest signal, but no more than two of its clearest
    // bins.
    let strength: f64 = witnesses
        .iter()
        .map(|witness| {
            let of = agreeing.iter().filter(|(_, other)| other == witness);
            of.map(|(a, _)| a.weight.abs()).fold(0.0, f64::max).min(f64::from(SURE))
        })
        .sum();
    let mut sureness = match (witnesses.len(), sources.len()) {
        (3.., 2..) => Confidence::High,
        (2.., 2..) if strength >= HIGHLY_SURE => Confidence::High,
        (2.., _) => Confidence::Medium,
        _ => Confidence::Low,
    };
    let unknown = assessments.iter().filter(|(a, _)| {
        matches!(
            a.reading,
            Reading::Unknown { why: Unknown::Stale | Unknown::SourceFault | Unknown::Uplink }
        )
    });
    if unknown.count() * 2 > assessments.len() {
        sureness = if sureness == Confidence::High { Confidence::Medium } else { Confidence::Low };
    }
    (witnesses.len() as u32, sources.len() as u32, sureness)
}
