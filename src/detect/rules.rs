//! Every rule that may start an alert. One list both decides and explains.

use super::baseline::LEANS;
use super::state::StateOverlay;
use super::thresholds::{LOW, ONE_BLOCK, PEOPLE, SURE};
use super::verdict::WitnessScore;
use crate::domain::time::HOUR;
use crate::domain::{Forbidden, Layer, Rule, Seconds, Series, Tested};
use std::sync::Arc;

/// The combined evidence of two agreeing witnesses that is enough: one clear bin of each (about 100
/// to 1 each).
const TWO_AGREE: f32 = 7.2;
/// The same for two witnesses of one source, which may itself be the reason why both are wrong.
const TWO_OF_ONE_SOURCE_AGREE: f32 = 8.8;
/// The evidence of a lone witness that no other contradicts: two of its clearest bins.
const ALONE_AND_SURE: f32 = 7.5;
/// The evidence at which services of several hosts that our own probes find gone are enough: gone
/// in two rounds over a healthy uplink, with each host asked twice in each round.
const SERVICES_AND_SURE: f32 = 5.0;
/// The evidence of a lone witness that others contradict, or that cannot be compared with other
/// entities: nearly the most possible…
const AGAINST_OTHERS: f32 = 18.0;
/// … for this many seconds.
const AGAINST_OTHERS_FOR: Seconds = 3 * HOUR;
/// The evidence from which on a lone witness raises a suspicion.
const WORTH_A_SUSPICION: f32 = 7.5;

/// The outcome of weighing an entity's witnesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Not even a suspicion.
    Nothing,
    /// Enough for a suspicion, not for an alert.
    Suspicion,
    /// At least one rule for an alert is met.
    Proof,
}

impl StateOverlay<'_> {
    /// Weighs the witnesses of one entity by the rules.
    pub fn weigh(&self, voices: &[WitnessScore]) -> Weight {
        if self.rules(voices).iter().any(Tested::is_met) {
            Weight::Proof
        } else if surest(voices).is_some_and(|lone| lone.low >= WORTH_A_SUSPICION) {
            Weight::Suspicion
        } else {
            Weight::Nothing
        }
    }

    /// Returns every rule that may start an alert, with the evidence for it and what forbids it.
    /// Empty while no witness is low.
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
        // A network that is up does not contradict services that are gone.
        if lone.witness == ONE_BLOCK {
            let (rule, enough) = if several {
                (Rule::ServicesAlone, SERVICES_AND_SURE)
            } else {
                (Rule::AloneAndSure, ALONE_AND_SURE)
            };
            rules.push(alone(rule, enough, Vec::new()));
        } else {
            // Every other known witness contradicts: if it were low as well, the two would agree.
            let with = voices.iter().filter(|other| other.heard && other.witness != lone.witness);
            rules.push(alone(Rule::AloneAndSure, ALONE_AND_SURE, with.map(name).collect()));
        }
        // Nor do whole routes contradict silent hosts.
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

    /// Tests the two witnesses that come nearest to agreeing.
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

    /// Tests whether one witness has two of its clearest bins while one of another source begins to
    /// agree.
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

/// Returns the surest of the witnesses that are low.
fn surest(voices: &[WitnessScore]) -> Option<&WitnessScore> {
    voices.iter().filter(|voice| voice.low >= LOW).max_by(|a, b| a.low.total_cmp(&b.low))
}
