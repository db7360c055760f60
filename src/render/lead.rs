//! The first line of an alert, for a reader without any background: how much can be reached, which
//! sources measured it, and which have not reported yet. It claims no more than the mildest reading
//! shows.

use super::measure::{fell_at, is_said_by_the_whole, says_nothing_of};
use super::outside::tame;
use super::reading::services_alone;
use super::words::{listed, percent};
use crate::domain::lookup::display_name;
use crate::domain::{
    Assessment, Entity, Evidence, Layer, Reading, Timestamp, TransitionKind, Unknown, Verdict,
};

/// The share of normal below which a value is called almost nothing.
const ALMOST_NOTHING: f64 = 0.05;
/// The share of normal below which a value is called little.
const LITTLE: f64 = 0.35;
/// The share of normal from which on a value counts as present.
const MOST: f64 = 0.9;

/// The state of an outage that the line describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A suspicion that is not confirmed yet.
    Possible,
    /// A confirmed outage.
    Down,
    /// An outage of which a part is back.
    Returning,
    /// An outage that continues after a short return.
    GoneAgain,
    /// An outage that ended at this time.
    Over(Timestamp),
}

impl Stage {
    /// Returns the stage after a transition; `None` for a retraction.
    pub fn of(kind: TransitionKind, ended_at: Timestamp) -> Option<Self> {
        Some(match kind {
            TransitionKind::Suspected => Self::Possible,
            TransitionKind::Started | TransitionKind::Worsened => Self::Down,
            TransitionKind::PartlyBack => Self::Returning,
            TransitionKind::GoneAgain => Self::GoneAgain,
            TransitionKind::Recovered => Self::Over(ended_at),
            TransitionKind::Retracted => return None,
        })
    }

    /// Returns the stage for a verdict; `None` if it is not that of an outage.
    pub fn of_verdict(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Suspected => Some(Self::Possible),
            Verdict::Down => Some(Self::Down),
            Verdict::Returning => Some(Self::Returning),
            Verdict::Up | Verdict::Unknown => None,
        }
    }
}

/// Returns the line: `Almost nothing in North Korea can be reached. Confirmed by RIPE routing data
/// and own probes; not yet by IODA.` Returns `None` if the readings support no claim.
pub fn lead(evidence: &Evidence, stage: Stage) -> Option<String> {
    let measured = Measured::of(evidence, stage);
    let claim = match stage {
        Stage::Down => measured.outage()?,
        Stage::Possible => format!("Possible outage: {}", lower_first(&measured.outage()?)),
        Stage::GoneAgain => format!("The return did not last. {}", measured.outage()?),
        Stage::Returning => measured.back_in_part()?,
        Stage::Over(_) => measured.over()?,
    };
    let by = by_whom(evidence, stage);
    Some(if by.is_empty() { claim } else { format!("{claim} {by}") })
}

/// The worst and the mildest of the readings of some layers since the outage began, as shares of
/// normal.
#[derive(Clone, Copy, Debug)]
struct Span {
    least: f64,
    most: f64,
    /// Whether any of the readings is low.
    is_low: bool,
}

struct Measured<'a> {
    entity: &'a Entity,
    evidence: &'a Evidence,
    since: Option<Timestamp>,
}

impl<'a> Measured<'a> {
    fn of(evidence: &'a Evidence, stage: Stage) -> Self {
        let fell = fell_at(evidence);
        let since = if let Stage::Over(ended) = stage { fell.max(Some(ended)) } else { fell };
        Self { entity: &evidence.entity, evidence, since }
    }

    /// Returns the range of the layers' readings since the outage began; `None` without a reading.
    fn span(&self, layers: &[Layer]) -> Option<Span> {
        let counts = |a: &&Assessment| {
            layers.contains(&a.layer)
                && !matches!(a.reading, Reading::Unknown { .. })
                && (a.is_low() || self.since.is_none_or(|since| a.observed_at >= since))
                && !is_said_by_the_whole(self.evidence, a)
        };
        let of = || self.evidence.assessments.iter().filter(counts);
        let shares = || of().filter_map(Assessment::ratio);
        let (least, most) = (shares().min_by(f64::total_cmp)?, shares().max_by(f64::total_cmp)?);
        Some(Span { least, most, is_low: of().any(Assessment::is_low) })
    }

    fn routes(&self) -> Option<Span> {
        self.span(&[Layer::Routing])
    }

    fn answers(&self) -> Option<Span> {
        self.span(&[Layer::Reach, Layer::Dns, Layer::Web, Layer::Mail])
    }

    fn traffic(&self) -> Option<Span> {
        self.span(&[Layer::Traffic])
    }

    fn outage(&self) -> Option<String> {
        if let Entity::Site(host) = self.entity {
            return self.site_outage(host);
        }
        if let Some(services) = services_alone(self.evidence) {
            let services =
                listed(&services.iter().map(|service| (*service).to_owned()).collect::<Vec<_>>());
            let (place, degree) = (self.within(), self.answers_lost());
            return Some(format!(
                "{degree} of the {services} that are checked {place} work; the network itself is up."
            ));
        }
        let low = |span: Option<Span>| span.filter(|span| span.is_low);
        let (routes, answers) = (self.routes(), self.answers());
        match (low(routes), low(answers)) {
            (Some(routes), Some(answers)) => Some(self.reachable(routes.most.max(answers.most))),
            (Some(routes), None) => {
                let gone =
                    format!("{} internet routes to {} are gone", lost(routes.most), self.name());
                Some(match answers {
                    Some(answers) if answers.least >= MOST => {
                        format!("{gone}, but hosts there still answer.")
                    }
                    _ => format!("{gone}."),
                })
            }
            (None, Some(answers)) => {
                let silent =
                    format!("{} of what is probed {} answers", little(answers.most), self.within());
                Some(match routes {
                    Some(routes) if routes.least >= MOST => {
                        format!("{silent}, though its internet routes are still there.")
                    }
                    _ => format!("{silent}."),
                })
            }
            (None, None) => low(self.traffic()).map(|traffic| {
                let (far, share) =
                    (if traffic.most < LITTLE { "far " } else { "" }, percent(traffic.most));
                format!(
                    "Internet traffic from {} is {far}below normal, at {share} of it.",
                    self.name()
                )
            }),
        }
    }

    fn site_outage(&self, host: &str) -> Option<String> {
        let routes_gone = self.routes().is_some_and(|routes| routes.is_low);
        let answers = self.answers().filter(|span| span.is_low);
        let most = answers.map(|span| span.most).or_else(|| self.routes().map(|span| span.most))?;
        Some(match (answers, most < ALMOST_NOTHING) {
            (Some(_), true) => format!("{host} cannot be reached."),
            (Some(_), false) => format!("{host} works only in part."),
            (None, _) if routes_gone => {
                format!("{} internet routes to {host} are gone.", lost(most))
            }
            (None, _) => return None,
        })
    }

    /// Returns the claim for an outage of both routes and answers, by the milder of the two.
    fn reachable(&self, most: f64) -> String {
        match little(most) {
            "Only a part" => format!("Only a part of {} can be reached.", self.name()),
            little => format!("{little} {} can be reached.", self.within()),
        }
    }

    /// Returns in words how many of the services that fell still work.
    fn answers_lost(&self) -> &'static str {
        let services = [Layer::Dns, Layer::Web, Layer::Mail];
        let low = |a: &&Assessment| a.is_low() && services.contains(&a.layer);
        let most = self
            .evidence
            .assessments
            .iter()
            .filter(low)
            .filter_map(Assessment::ratio)
            .max_by(f64::total_cmp);
        match most {
            Some(most) if most < ALMOST_NOTHING => "Almost none",
            Some(most) if most < LITTLE => "Few",
            _ => "Only some",
        }
    }

    fn back_in_part(&self) -> Option<String> {
        if let Entity::Site(host) = self.entity {
            return Some(format!("{host} works again in part."));
        }
        let (routes, answers) = (self.routes(), self.answers());
        let is_back = |span: Option<Span>| span.is_some_and(|span| span.most >= MOST);
        let some = |span: Option<Span>| span.is_some_and(|span| span.most >= ALMOST_NOTHING);
        Some(match answers {
            Some(answers) if !some(Some(answers)) && is_back(routes) => format!(
                "The internet routes to {} are back, but almost nothing that is probed there answers yet.",
                self.name()
            ),
            None if some(routes) => format!("Internet routes to {} are coming back.", self.name()),
            Some(_) if some(answers) => format!("A part of {} can be reached again.", self.name()),
            _ if some(routes) => format!("Some internet routes to {} are back.", self.name()),
            _ if some(self.traffic()) => {
                format!("Some internet traffic from {} is back.", self.name())
            }
            _ => return None,
        })
    }

    fn over(&self) -> Option<String> {
        let low: Vec<String> = Layer::ALL
            .into_iter()
            .filter(|layer| {
                self.evidence.assessments.iter().any(|a| a.layer == *layer && a.is_low())
            })
            .map(|layer| layer.to_string())
            .collect();
        let back = if self.routes().is_none() && self.answers().is_none() {
            self.traffic()?;
            format!("Internet traffic from {} is back to normal", self.name())
        } else if let Entity::Site(host) = self.entity {
            format!("{host} works again")
        } else {
            format!("{} can be reached again", capital(&self.name()))
        };
        Some(match &low[..] {
            [] => format!("{back}."),
            [one] => format!("{back}; {one} is still below normal."),
            several => format!("{back}; {} are still below normal.", listed(several)),
        })
    }

    /// Returns the entity in words: `North Korea`, `the network AS131279`.
    fn name(&self) -> String {
        let name = display_name(self.entity);
        match self.entity {
            Entity::Asn(_) => format!("the network {name}"),
            Entity::Prefix(_) => format!("the address block {name}"),
            Entity::Name(_) => tame(&name, 60),
            Entity::Country(_) | Entity::Region(_) | Entity::Site(_) => name,
        }
    }

    fn within(&self) -> String {
        match self.entity {
            Entity::Site(_) => format!("at {}", self.name()),
            _ => format!("in {}", self.name()),
        }
    }
}

/// Returns the words for the share of normal that is left at most: `Almost nothing`.
fn little(most: f64) -> &'static str {
    match most {
        most if most < ALMOST_NOTHING => "Almost nothing",
        most if most < LITTLE => "Only little",
        _ => "Only a part",
    }
}

/// Returns the words for the loss, by the share of normal that is left at most: `Almost all`.
fn lost(most: f64) -> &'static str {
    match most {
        most if most < ALMOST_NOTHING => "Almost all",
        most if most < LITTLE => "Most",
        _ => "Some",
    }
}

fn lower_first(text: &str) -> String {
    let is_a_word = ["Almost", "Only", "Most", "Some", "Few", "Internet"]
        .iter()
        .any(|word| text.starts_with(word));
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if is_a_word => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

fn capital(text: &str) -> String {
    text.strip_prefix("the ").map_or_else(|| text.to_owned(), |rest| format!("The {rest}"))
}

/// The measuring projects under the names that a reader knows, in the order of the message, with
/// the sources of each.
const MEASURERS: [(&str, &[&str]); 5] = [
    ("RIPE routing data", &["ripestat", "ris-live"]),
    ("own probes", &["probe"]),
    ("RIPE Atlas", &["atlas"]),
    ("IODA", &["ioda"]),
    ("Cloudflare Radar", &["radar"]),
];

/// Returns the name of the project behind a source, and its position in a list of projects. An
/// unknown source comes last, under its own name.
pub fn measurer(source: &str) -> (usize, String) {
    let known = MEASURERS.iter().position(|(_, sources)| sources.contains(&source));
    known.map_or_else(|| (MEASURERS.len(), tame(source, 40)), |at| (at, MEASURERS[at].0.to_owned()))
}

/// The relation of a project's readings to the claim. Of several signals the greatest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Says {
    /// No reading bears on the claim.
    Nothing,
    NoData,
    /// The newest reading is older than the event, or is still low although the outage ends.
    NotYet,
    /// The readings are normal during the outage.
    Otherwise,
    Confirms,
}

/// Returns the sources of the claim: `Confirmed by RIPE routing data and own probes; not yet by
/// IODA.` Returns an empty text if no source confirms it.
fn by_whom(evidence: &Evidence, stage: Stage) -> String {
    let fell = fell_at(evidence);
    let says = |a: &Assessment| match (a.reading, stage) {
        (Reading::Unknown { why: Unknown::NoNormal | Unknown::NormalIsNothing }, _) => {
            Says::Nothing
        }
        (Reading::Unknown { .. }, _) => Says::NoData,
        (Reading::Low, Stage::Possible | Stage::Down | Stage::GoneAgain) => Says::Confirms,
        (Reading::Low, Stage::Returning | Stage::Over(_)) => Says::NotYet,
        (Reading::Normal, Stage::Over(ended)) => {
            if a.observed_at >= ended
                || a.back_since.is_some_and(|back| fell.is_some_and(|fell| back >= fell))
            {
                Says::Confirms
            } else {
                Says::NotYet
            }
        }
        (Reading::Normal, _) if says_nothing_of(a, fell) => Says::NotYet,
        (Reading::Normal, Stage::Returning) => {
            // A signal that never fell does not show that anything is back.
            if a.back_since.is_some_and(|back| fell.is_none_or(|fell| back > fell)) {
                Says::Confirms
            } else {
                Says::Nothing
            }
        }
        (Reading::Normal, _) => Says::Otherwise,
    };
    let mut by: Vec<((usize, String), Says)> = Vec::new();
    for assessment in &evidence.assessments {
        let (who, says) = (measurer(&assessment.series.source), says(assessment));
        match by.iter_mut().find(|(known, _)| *known == who) {
            Some((_, known)) => *known = says.max(*known),
            None => by.push((who, says)),
        }
    }
    by.sort();
    let who = |wanted: Says| {
        let names: Vec<String> = by
            .iter()
            .filter(|(_, says)| *says == wanted)
            .map(|((_, name), _)| name.clone())
            .collect();
        (!names.is_empty()).then(|| (names.len(), listed(&names)))
    };
    let mut said = match who(Says::Confirms) {
        Some((1, name)) => format!("Measured by {name}"),
        Some((_, names)) => format!("Confirmed by {names}"),
        None => return String::new(),
    };
    if let Some((_, names)) = who(Says::NotYet) {
        said.extend(["; not yet by ", &*names]);
    }
    if let Some((count, names)) = who(Says::Otherwise) {
        let verb = if count > 1 || names == "own probes" { "measure" } else { "measures" };
        said.extend(["; ", &*names, " ", verb, " normal values"]);
    }
    if let Some((_, names)) = who(Says::NoData) {
        said.extend(["; no data from ", &*names]);
    }
    said.push('.');
    said
}

#[cfg(test)]
mod tests;
