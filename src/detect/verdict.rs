//! An entity's witnesses weighed together, and the evidence frozen for a reader.

use super::baseline::Normal;
use super::signal::{LOW, SeriesTracker};
use super::state::{ONE_BLOCK, StateOverlay};
use crate::domain::observation::BLOCKS;
use crate::domain::time::MINUTE;
use crate::domain::{
    Assessment, Confidence, Evidence, Fact, FactKind, Layer, Phase, Reading, Seconds, Timestamp,
    Unknown, Verdict,
};
use std::sync::Arc;

/// As good as two clear bins; and the first bin of another witness that is not clear yet.
pub const SURE: f32 = 9.0;
/// From here on witnesses that agree are called highly sure: well above what it takes to tell.
const HIGHLY_SURE: f64 = 12.0;
/// A part stands for the whole when its routing is at least this share of the whole's.
const STANDS_FOR_THE_WHOLE: f64 = 0.8;
/// A quick signal's fall is seen about this long after it began: the first bin holds some of the time before.
const FALL_SHOWS_AFTER: Seconds = 30;
/// Withdrawals this close to what the bins say belong to the same fall.
const SAME_FALL: Seconds = 600;
/// Two that see the same layer may differ by a wide bin or two about when it fell, not by more.
const DENIED_FOR: Seconds = 30 * MINUTE;

/// What one witness says about an entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WitnessScore {
    pub witness: u32,
    /// The surest of its series.
    pub series: u32,
    /// Evidence for an outage that may be used now; 0 where it is up or unknown.
    pub low: f32,
    /// It has a normal, is fresh and trusted.
    pub heard: bool,
}

impl StateOverlay<'_> {
    /// The entity's own series and those of parts that stand for it.
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

    /// What was said of the entity and of the parts that stand for it.
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

    /// A part stands for the whole when the same signal of the same source finds nearly the same routes in both; one
    /// that is too small to be routed by itself (a site) is a sample of what it is part of.
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

    /// Each witness once. Where only parts were measured, the middle one of them speaks.
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
            // Own series are of one witness because people make them all: the surest speaks for them.
            let speaks = if own { counted.first() } else { counted.get(counted.len() / 2) };
            if let Some(&&(witness, _, series, low, heard)) = speaks {
                voices.push(WitnessScore { witness, series, low, heard });
            }
        }
        voices
    }

    pub fn witness(&self, series: u32, head: &SeriesTracker, one_block: bool) -> u32 {
        if one_block && self.is_own_probe(head.family) {
            ONE_BLOCK
        } else {
            self.named(series).witness
        }
    }

    /// Whether all that our own probes miss of the entity may stand in one block of addresses: then they are one witness,
    /// however many names and services there are. Where blocks are not counted each signal is its own.
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

    /// Evidence of a low series that was compared with others, as far as that is possible.
    pub fn usable(&self, series: u32, head: &SeriesTracker) -> f32 {
        let needed = self.normal(series).map_or(f32::INFINITY, Normal::counts_from);
        let Some(newest) = head.newest() else { return 0.0 };
        // The newest bin may still be waiting for the word of others; the one before rarely does.
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

    /// The bin was compared with others of its family; a probe's with the controls of our uplink, too.
    fn is_confirmed(&self, head: &SeriesTracker, start: i64) -> bool {
        let faults = self.faults(head.family);
        let by_others = !faults.comparable || start <= faults.checked;
        let by_controls = !self.is_own_probe(head.family)
            || !self.has_controls()
            || start + head.width() <= self.uplink().checked;
        by_others && by_controls
    }

    /// Why a series says nothing now; `None` where it says something.
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

    /// When the first route went, where that was seen live: to the second, which no bin tells.
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

    /// When it began: inside every interval in which a signal fell in one clear step, or else the first low bin.
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

    /// Whether `other` saw the same layer whole for long after `voice` says that it fell, and fell only then: until then it was the
    /// source of `voice` that was ill.
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

/// Witnesses and sources that agree with the verdict, and what that makes of it.
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
    // What each witness adds: its surest signal, and no more than two of its clearest bins.
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
