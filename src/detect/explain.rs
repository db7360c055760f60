//! Explains why there is or is not an alert, with the numbers and rules that decided.

use super::baseline::{LEANS, Normal};
use super::signal::SeriesTracker;
use super::state::{State, StateOverlay};
use crate::domain::{
    Assessment, Batch, Entity, Explanation, Part, Reading, SignalReport, Timestamp,
};
use std::sync::Arc;

impl State {
    /// Explains why the entity is or is not reported down as of the newest batch, or returns `None`
    /// for an unknown entity. `now` only decides which series are stale.
    pub fn explain(&self, entity: &Entity, now: Timestamp) -> Option<Explanation> {
        let number = self.number_of(entity)?;
        let batch = Batch::live(now);
        Some(StateOverlay::new(self, &batch).explain(number))
    }
}

impl StateOverlay<'_> {
    fn explain(&self, entity: u32) -> Explanation {
        let evidence = self.evidence(entity);
        let life = self.life(entity);
        let since = life.begins_after();
        let voices = self.voices(entity, since);
        let numbers = self.witnesses_of(entity);
        let one_block = self.may_be_one_block(entity);
        let number_of = |assessment: &Assessment| {
            numbers.iter().copied().find(|series| self.named(*series).series == assessment.series)
        };
        let said = |assessment: Assessment| {
            let series = number_of(&assessment);
            let known = series.and_then(|series| Some((series, self.head(series)?)));
            let (evidence, counts, part) =
                known.map_or((0.0, 0.0, Part::Unheard), |(series, head)| {
                    let counts = self.usable(series, head);
                    let witness = self.witness(series, head, one_block);
                    let speaks = voices
                        .iter()
                        .find(|voice| voice.witness == witness)
                        .map_or(series, |voice| voice.series);
                    let is_unheard = matches!(assessment.reading, Reading::Unknown { .. });
                    let part = if is_unheard {
                        Part::Unheard
                    } else {
                        self.part(series, head, since, speaks)
                    };
                    (head.score.low, counts, part)
                });
            let usual_low = known.and_then(|(series, head)| {
                let (normal, bin) = (self.normal(series)?, head.newest()?);
                Some(normal.usual_low(normal.at(bin.start, head.width()), head.unit()))
            });
            let counts = if part == Part::Counts { counts } else { 0.0 };
            SignalReport { assessment, usual_low, evidence, counts, part }
        };
        Explanation {
            entity: evidence.entity,
            at: evidence.at,
            verdict: evidence.verdict,
            open: life
                .phase()
                .zip(life.started_at())
                .map(|(phase, at)| (phase, Timestamp::from_unix(at))),
            signals: evidence.assessments.into_iter().map(said).collect(),
            rules: self.rules(&voices),
        }
    }

    /// Returns the part that the series plays in the verdict. `speaks` is the series that
    /// represents its witness.
    fn part(&self, series: u32, head: &SeriesTracker, since: i64, speaks: u32) -> Part {
        if head.score.low <= 0.0 {
            return Part::Up;
        }
        if head.score.since < since {
            return Part::OfAnEarlierOutage;
        }
        let needed = self.normal(series).map_or(LEANS, Normal::counts_from);
        if self.usable(series, head) <= 0.0 {
            return if head.score.low < needed {
                Part::TooLittle { needed }
            } else {
                Part::WaitsForOthers
            };
        }
        if speaks == series {
            return Part::Counts;
        }
        Part::SpokenForBy { series: Arc::clone(&self.named(speaks).series) }
    }
}
