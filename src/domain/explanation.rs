//! Why a verdict is what it is: what each signal says and may say, and each rule with what it asks for.

use super::{Assessment, Entity, Phase, Seconds, Series, Timestamp, Verdict};
use serde::Serialize;
use std::sync::Arc;

/// What an entity's signals came to at one moment. Evidence is in natural-log units: 4.6 is a hundred to one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    pub entity: Entity,
    pub at: Timestamp,
    pub verdict: Verdict,
    /// The phase of the incident that is open, and since when it is.
    pub open: Option<(Phase, Timestamp)>,
    pub signals: Vec<SignalReport>,
    /// Every rule that may start an alert.
    pub rules: Vec<Tested>,
}

/// One signal's part in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SignalReport {
    #[serde(flatten)]
    pub assessment: Assessment,
    /// As low as it is on a usual day, in the signal's own unit.
    pub usual_low: Option<f64>,
    /// For an outage, as summed up so far.
    pub evidence: f32,
    /// What of it counts now.
    pub counts: f32,
    pub part: Part,
}

/// Why evidence counts, or does not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "part")]
pub enum Part {
    /// It is heard and says that nothing is wrong.
    Up,
    /// Unknown: the assessment says why.
    Unheard,
    /// Some evidence, too little to count for a series that scatters so much.
    TooLittle {
        needed: f32,
    },
    /// Not yet compared with other entities, or with the controls of our own line, of that bin.
    WaitsForOthers,
    /// It fell in an outage that is over.
    OfAnEarlierOutage,
    /// Of one witness only one signal counts: this one.
    SpokenForBy {
        series: Arc<Series>,
    },
    Counts,
}

/// A rule, held against what there is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tested {
    pub rule: Rule,
    /// The signals that come nearest to it.
    pub by: Vec<Arc<Series>>,
    pub has: f32,
    pub needs: f32,
    /// What forbids it, however much evidence there is.
    pub forbidden: Option<Forbidden>,
}

/// Why an alert may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    TwoAgree,
    OneIsSureAndAnotherLeans,
    AloneAndSure,
    ServicesAlone,
    SilentBehindWholeRoutes,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Forbidden {
    /// Others are heard and say that nothing is wrong.
    Contradicted { by: Vec<Arc<Series>> },
    /// There are too few other entities to tell it from a fault of the source.
    NotComparable,
    /// What people do may fall on a holiday.
    PeopleAlone,
    /// It lasts for so long only.
    TooShort { lasted: Seconds, needed: Seconds },
}

impl Tested {
    pub fn is_met(&self) -> bool {
        self.forbidden.is_none() && self.has >= self.needs
    }
}

impl Explanation {
    /// The rule by which it is told, if it is.
    pub fn met(&self) -> Option<&Tested> {
        self.rules.iter().find(|tested| tested.is_met())
    }
}
