//! Every rule that may start an alert. One list decides, and explains.

use super::baseline::LEANS;
use super::signal::LOW;
use super::state::{ONE_BLOCK, PEOPLE, StateOverlay};
use super::verdict::{SURE, WitnessScore};
use crate::domain::time::HOUR;
use crate::domain::{Forbidden, Layer, Rule, Seconds, Series, Tested};
use std::sync::Arc;

/// Two witnesses that agree must be this sure together: one clear bin of each (about 100 to 1 each).
const TWO_AGREE: f32 = 7.2;
/// Two of one source must be surer: what makes both wrong may be the source.
const TWO_OF_ONE_SOURCE_AGREE: f32 = 8.8;
/// A lone witness that nobody can contradict: two of its clearest bins.
const ALONE_AND_SURE: f32 = 7.5;
/// Services of several hosts that our own probes find gone in two rounds, each host asked twice in each, over a line that
/// is whole.
const SERVICES_AND_SURE: f32 = 5.0;
/// A lone witness that others contradict, or that cannot be compared with other entities, must be as sure as can be…
const AGAINST_OTHERS: f32 = 18.0;
/// … for this long.
const AGAINST_OTHERS_FOR: Seconds = 3 * HOUR;
/// From here on a lone witness is worth a suspicion.
const WORTH_A_SUSPICION: f32 = 7.5;

/// What the witnesses come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    Nothing,
    Suspicion,
    Proof,
}

impl StateOverlay<'_> {
    pub fn weigh(&self, voices: &[WitnessScore]) -> Weight {
        if self.rules(voices).iter().any(Tested::is_met) {
            Weight::Proof
        } else if surest(voices).is_some_and(|lone| lone.low >= WORTH_A_SUSPICION) {
            Weight::Suspicion
        } else {
            Weight::Nothing
        }
    }

    /// Every rule that may start an alert, with what speaks for it.
    pub fn rules(&self, voices: &[WitnessScore]) -> Vec<Tested> {
        let Some(lone) = surest(voices) else { return Vec::new() };
        let Some(head) = self.head(lone.series) else { return Vec::new() };
        let mut rules: Vec<Tested> = self.two_agree(voices).into_iter().collect();
        rules.extend(self.one_is_sure_and_another_leans(voices));
        let layer = |voice: &WitnessScore| self.named(voice.series).layer;
        let name = |voice: &WitnessScore| Arc::clone(&self.named(voice.series).series);
        let comparable = self.faults(head.family).comparable
            || self.is_own_probe(head.family) && self.has_controls();
        let others = || {
            voices
                .iter()
                .filter(|other| other.heard && other.witness != lone.witness && other.low <= 0.0)
        };
        let alone = |rule: Rule, needs: f32, by: Vec<Arc<Series>>| Tested {
            rule,
            by: vec![name(lone)],
            has: lone.low,
            needs,
            forbidden: match (comparable, by.is_empty()) {
                (false, _) => Some(Forbidden::NotComparable),
                (true, false) => Some(Forbidden::Contradicted { by }),
                (true, true) => None,
            },
        };
        let newest = head.newest().zip(self.normal(lone.series));
        let several = newest.is_some_and(|(bin, normal)| normal.at(bin.start, head.width()) > 1.5);
        // That the network is up is no word against services that are gone.
        if lone.witness == ONE_BLOCK {
            let (rule, enough) = if several {
                (Rule::ServicesAlone, SERVICES_AND_SURE)
            } else {
                (Rule::AloneAndSure, ALONE_AND_SURE)
            };
            rules.push(alone(rule, enough, Vec::new()));
        } else {
            // Any that is heard: were it low as well, the two would agree.
            let with = voices.iter().filter(|other| other.heard && other.witness != lone.witness);
            rules.push(alone(Rule::AloneAndSure, ALONE_AND_SURE, with.map(name).collect()));
        }
        // Nor are whole routes one against silent hosts.
        if layer(lone) != Layer::Routing {
            let denies = others().filter(|other| layer(other) != Layer::Routing);
            let mut silent =
                alone(Rule::SilentBehindWholeRoutes, AGAINST_OTHERS, denies.map(name).collect());
            let lasted = head.newest().map_or(0, |bin| bin.start + head.width() - head.score.since);
            if lone.witness == PEOPLE {
                silent.forbidden = Some(Forbidden::PeopleAlone);
            } else if silent.forbidden.is_none() && lasted < AGAINST_OTHERS_FOR {
                silent.forbidden = Some(Forbidden::TooShort { lasted, needed: AGAINST_OTHERS_FOR });
            }
            rules.push(silent);
        }
        rules
    }

    /// The two that come nearest to agreeing.
    fn two_agree(&self, voices: &[WitnessScore]) -> Option<Tested> {
        let low: Vec<&WitnessScore> = voices.iter().filter(|voice| voice.low >= LOW).collect();
        let named = |voice: &WitnessScore| &self.named(voice.series).series;
        let pairs =
            low.iter().enumerate().flat_map(|(at, a)| low[at + 1..].iter().map(move |b| (*a, *b)));
        let tested = pairs.map(|(a, b)| Tested {
            rule: Rule::TwoAgree,
            by: vec![Arc::clone(named(a)), Arc::clone(named(b))],
            has: a.low + b.low,
            needs: if named(a).measurer() == named(b).measurer() {
                TWO_OF_ONE_SOURCE_AGREE
            } else {
                TWO_AGREE
            },
            forbidden: None,
        });
        tested.max_by(|a, b| (a.has - a.needs).total_cmp(&(b.has - b.needs)))
    }

    /// One has two of its clearest bins, and one of another source begins to say the same.
    fn one_is_sure_and_another_leans(&self, voices: &[WitnessScore]) -> Option<Tested> {
        let named = |voice: &WitnessScore| &self.named(voice.series).series;
        let sure = voices.iter().filter(|sure| sure.low >= SURE);
        let pairs = sure.flat_map(|sure| {
            let another =
                move |other: &&WitnessScore| other.witness != sure.witness && other.low > 0.0;
            voices.iter().filter(another).map(move |other| (sure, other))
        });
        let pairs = pairs.filter(|(sure, other)| named(sure).measurer() != named(other).measurer());
        let (sure, other) = pairs.max_by(|(_, a), (_, b)| a.low.total_cmp(&b.low))?;
        Some(Tested {
            rule: Rule::OneIsSureAndAnotherLeans,
            by: vec![Arc::clone(named(sure)), Arc::clone(named(other))],
            has: other.low,
            needs: LEANS,
            forbidden: None,
        })
    }
}

/// The surest of those that are low.
fn surest(voices: &[WitnessScore]) -> Option<&WitnessScore> {
    voices.iter().filter(|voice| voice.low >= LOW).max_by(|a, b| a.low.total_cmp(&b.low))
}
