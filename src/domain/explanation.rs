//! The explanation of a verdict: the evidence of each signal and whether it counts, and each rule
//! with the evidence that it requires.

use super::{Assessment, Entity, Phase, Seconds, Series, Timestamp, Verdict};
use serde::Serialize;
use std::sync::Arc;

/// The result of an entity's signals at one moment. Evidence is in natural-log units: 4.6 is a
/// hundred to one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The entity that is explained.
    pub entity: Entity,
    /// The moment of the verdict.
    pub at: Timestamp,
    /// The verdict at that moment.
    pub verdict: Verdict,
    /// The phase and the start of the open incident, if there is one.
    pub open: Option<(Phase, Timestamp)>,
    /// One report for each signal, in the order of the evidence.
    pub signals: Vec<SignalReport>,
    /// Every rule that can start an alert. Empty if no signal has enough evidence to try one.
    pub rules: Vec<Tested>,
}

/// The contribution of one signal to the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SignalReport {
    /// The signal compared with its baseline.
    #[serde(flatten)]
    pub assessment: Assessment,
    /// The lowest value on a usual day, in the signal's own unit.
    pub usual_low: Option<f64>,
    /// Evidence for an outage, summed up so far.
    pub evidence: f32,
    /// The part of `evidence` that counts now; 0 unless `part` is [`Part::Counts`].
    pub counts: f32,
    /// The reason why the evidence counts or not.
    pub part: Part,
}

/// The reason why a signal's evidence counts or not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "part")]
pub enum Part {
    /// The signal has recent data and no evidence for an outage.
    Up,
    /// The signal is unknown. The assessment holds the reason.
    Unheard,
    /// The evidence is too weak to count for a series that scatters so much.
    TooLittle {
        /// The evidence from which the series counts.
        needed: f32,
    },
    /// The bin has not been compared yet with other entities, or with the controls of the bot's own
    /// uplink.
    WaitsForOthers,
    /// The signal fell in an earlier outage, which is over.
    OfAnEarlierOutage,
    /// Another signal of the same witness counts instead: only one per witness does.
    SpokenForBy {
        /// The signal that counts.
        series: Arc<Series>,
    },
    /// The evidence counts.
    Counts,
}

/// A rule, compared with the evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tested {
    /// The rule that was tested.
    pub rule: Rule,
    /// The signals that come nearest to meeting the rule.
    pub by: Vec<Arc<Series>>,
    /// Their evidence, in natural-log units. For [`Rule::OneIsSureAndAnotherLeans`], only that of
    /// the second.
    pub has: f32,
    /// The evidence that the rule requires, in the same unit.
    pub needs: f32,
    /// The reason why the rule cannot be met, regardless of the evidence.
    pub forbidden: Option<Forbidden>,
}

/// A rule that can start an alert. The thresholds are in `detect::rules`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Two witnesses are low, and their combined evidence is enough.
    TwoAgree,
    /// One witness is sure, and one of another source begins to show the same.
    OneIsSureAndAnotherLeans,
    /// One witness is sure, and no other has data that could contradict it.
    AloneAndSure,
    /// The bot's own probes find the services of several hosts gone, although the network is up.
    ServicesAlone,
    /// One witness outside routing is low for hours, although routes are whole.
    SilentBehindWholeRoutes,
}

/// The reason why a rule cannot be met, regardless of the evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Forbidden {
    /// Other witnesses have recent data, which does not confirm the outage.
    Contradicted {
        /// The signals of those witnesses.
        by: Vec<Arc<Series>>,
    },
    /// There are too few other entities to distinguish an outage from a fault of the source.
    NotComparable,
    /// The only witness follows people's habits, and these may also change on a holiday.
    PeopleAlone,
    /// The outage has not lasted long enough yet.
    TooShort {
        /// How long it has lasted.
        lasted: Seconds,
        /// How long it must last.
        needed: Seconds,
    },
}

impl Tested {
    /// Returns whether the evidence is enough and nothing forbids the rule.
    pub fn is_met(&self) -> bool {
        self.forbidden.is_none() && self.has >= self.needs
    }
}

impl Explanation {
    /// Returns the first rule that is met: the one that starts the alert.
    pub fn met(&self) -> Option<&Tested> {
        self.rules.iter().find(|tested| tested.is_met())
    }
}
