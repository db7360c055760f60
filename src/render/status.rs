//! Renders the state of an entity: the answer to `/status`, and the body of every alert.

use super::card::{Card, Line, Link, Tone};
use super::lead::{Stage, lead, measurer};
use super::measure::shown;
use super::onset::{corrections, order_of_fall};
use super::reading::{gateways_line, hint, probes_lines, services_alone, way_in_line};
use super::syntax::Syntax;
use super::words::{duration, incident_line, listed, plural};
use crate::domain::lookup::display_name;
use crate::domain::observation::PROBE;
use crate::domain::{Assessment, Confidence, Entity, Evidence, Reading, Timestamp, Verdict};
use chrono_tz::Tz;

/// The inputs of a status answer.
#[derive(Clone, Debug)]
pub struct EntityStatus<'a> {
    /// The entity in question.
    pub entity: &'a Entity,
    /// The newest evidence; `None` if nothing was ever measured.
    pub evidence: Option<&'a Evidence>,
    /// The id and the beginning of the open incident.
    pub open: Option<(i64, Timestamp)>,
    /// Whether the entity is watched, and not only looked up for this answer.
    pub watched: bool,
    /// The entity's time zone.
    pub zone: Tz,
    /// The time of the answer.
    pub now: Timestamp,
    /// Pages on which a reader can check the data.
    pub links: Vec<Link>,
    /// Remarks on the sources: failing, off or late ones.
    pub foot: Vec<String>,
    /// How the readers of the chat give commands.
    pub syntax: Syntax,
}

/// Renders the answer to `/status`.
pub fn status(standing: &EntityStatus<'_>) -> Card {
    let verdict = standing.evidence.map_or(Verdict::Unknown, |evidence| evidence.verdict);
    let mut card = Card::titled(title(standing, verdict)).toned(tone(verdict));
    let plain = standing.evidence.and_then(|evidence| lead(evidence, Stage::of_verdict(verdict)?));
    let looked_up =
        (!standing.watched).then(|| "It is not watched: this was looked up just now.".to_owned());
    let said: Vec<String> = plain.into_iter().chain(looked_up).collect();
    card.lead = (!said.is_empty()).then(|| said.join(" ").into());
    if let Some(evidence) = standing.evidence {
        body(&mut card, evidence);
    }
    card.links.clone_from(&standing.links);
    card.foot.clone_from(&standing.foot);
    card.foot.extend(standing.open.map(|(id, _)| incident_line(id, standing.syntax)));
    card
}

fn title(standing: &EntityStatus<'_>, verdict: Verdict) -> Line {
    let name = display_name(standing.entity);
    let services =
        standing.evidence.and_then(services_alone).map(|services| services_down(&name, &services));
    let said = match (verdict, standing.open) {
        (Verdict::Down, _) if services.is_some() => services.unwrap_or_default(),
        (Verdict::Down, _) => format!("🔴 {name} is down"),
        (Verdict::Returning, _) => format!("🟡 {name} is coming back"),
        (Verdict::Suspected, Some(_)) => format!("🟠 {name} may be down"),
        (Verdict::Suspected, None) => format!("🟠 {name} may be going down"),
        (Verdict::Up, _) => return format!("🟢 {name} is up").into(),
        (Verdict::Unknown, _) => {
            return format!("⚪ {name}: unknown, not enough recent data to judge").into();
        }
    };
    let Some((_, started_at)) = standing.open else { return said.into() };
    let length = duration(standing.now - started_at);
    Line::from(format!("{said} · {length}, since ")).at(started_at, standing.zone, standing.now)
}

/// Returns the title for an outage of services alone: `🔴 North Korea: name servers are down, the
/// network is up`.
pub fn services_down(name: &str, services: &[&str]) -> String {
    let services: Vec<String> = services.iter().map(|service| (*service).to_owned()).collect();
    format!("🔴 {name}: {} are down, the network is up", listed(&services))
}

/// Returns the tone of a verdict.
pub fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Up => Tone::Up,
        Verdict::Suspected => Tone::Suspected,
        Verdict::Down => Tone::Down,
        Verdict::Returning => Tone::Returning,
        Verdict::Unknown => Tone::Unknown,
    }
}

/// Sets the rows and adds the notes of the evidence, in the order that all messages share.
pub fn body(card: &mut Card, evidence: &Evidence) {
    let shown = shown(evidence);
    card.rows = shown.rows;
    if !shown.silent.is_empty() {
        card.note("Not yet", shown.silent.join("\n"));
    }
    if let Some(line) = gateways_line(evidence) {
        card.note("Gateways", line);
    }
    if let Some(line) = way_in_line(evidence) {
        card.note("Way in", line);
    }
    if let Some(lines) = probes_lines(evidence) {
        card.note("Probes", lines);
    }
    if evidence.onset.as_ref().is_some_and(|onset| onset.layers.len() > 1)
        && let Some(order) = order_of_fall(evidence)
    {
        card.note("Fell", order);
    }
    let reading = hint(evidence);
    if !reading.is_empty() {
        card.note("Reading", reading.join("\n"));
    }
    if let Some(corrected) = corrections(evidence) {
        card.note("Corrected", corrected);
    }
    if !shown.unknown.is_empty() {
        card.note("Unknown", shown.unknown.join("\n"));
    }
    if let Some(confidence) = confidence(evidence) {
        card.note("Confidence", confidence);
    }
}

/// Returns the confidence and its basis: `high (4 measurements, from RIPE, own probes and IODA; own
/// connection good)`. Returns `None` for an unknown state.
pub fn confidence(evidence: &Evidence) -> Option<String> {
    let word = match evidence.sureness {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    };
    let agrees = |a: &&Assessment| match evidence.verdict {
        Verdict::Unknown => false,
        Verdict::Up => a.is_normal(),
        Verdict::Suspected | Verdict::Down | Verdict::Returning => a.is_low(),
    };
    if evidence.verdict == Verdict::Unknown {
        return None;
    }
    let mut from: Vec<(usize, String)> =
        evidence.assessments.iter().filter(agrees).map(|a| measurer(&a.series.source)).collect();
    from.sort();
    from.dedup();
    let from: Vec<String> =
        from.into_iter().map(|(_, name)| name.replace("RIPE routing data", "RIPE")).collect();
    let measurements = plural(u64::from(evidence.witnesses), "measurement", "measurements");
    let from = match (&from[..], evidence.witnesses) {
        ([], _) => String::new(),
        ([one], 2) => format!(", both from {one}"),
        ([one], 3..) => format!(", all from {one}"),
        (several, _) => format!(", from {}", listed(several)),
    };
    // Our own probes are judged only while our own connection is seen to be good.
    let by_probes =
        |a: &Assessment| a.series.source == PROBE && !matches!(a.reading, Reading::Unknown { .. });
    let line =
        if evidence.assessments.iter().any(by_probes) { "; own connection good" } else { "" };
    Some(format!("{word} ({measurements}{from}{line})"))
}

/// Returns the parts of the evidence that a card shows, without times. A card whose gist does not
/// change needs no edit.
pub fn gist(evidence: &Evidence) -> Vec<String> {
    let shown = shown(evidence);
    let mut gist: Vec<String> =
        shown.rows.into_iter().map(|row| format!("{} {}", row.source, row.measured)).collect();
    gist.extend(gateways_line(evidence));
    gist.extend(hint(evidence));
    gist.extend(corrections(evidence));
    gist.extend(confidence(evidence));
    gist
}

/// Returns the layers with a low signal in one line: `routing and reach`.
pub fn low_layers(evidence: &Evidence) -> String {
    let mut layers: Vec<String> = Vec::new();
    for assessment in evidence.assessments.iter().filter(|a| a.is_low()) {
        let layer = assessment.layer.to_string();
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    listed(&layers)
}
