//! How an entity stands: the answer to `/status`, and the body of every alert.

use super::card::{Card, Link};
use super::measure::rows;
use super::reading::{gateways_line, hint};
use super::words::{duration, listed, local_and_utc, plural};
use crate::domain::lookup::display_name;
use crate::domain::{Entity, Evidence, Sureness, Timestamp, Verdict};
use chrono_tz::Tz;

/// What a status answer is about.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    pub entity: &'a Entity,
    /// `None`: nothing was ever measured.
    pub evidence: Option<&'a Evidence>,
    /// Number and beginning of the incident that is open.
    pub open: Option<(i64, Timestamp)>,
    pub watched: bool,
    pub zone: Tz,
    pub now: Timestamp,
    pub links: Vec<Link>,
    /// What the reader must know of the sources: which are ill, off or late.
    pub foot: Vec<String>,
}

pub fn status(standing: &Standing<'_>) -> Card {
    let mut card = Card::titled(title(standing));
    if !standing.watched {
        card.lead = Some("It is not watched: this was looked up just now.".to_owned());
    }
    if let Some(evidence) = standing.evidence {
        body(&mut card, evidence, standing.now);
    }
    card.links.clone_from(&standing.links);
    card.foot.clone_from(&standing.foot);
    card.foot.extend(standing.open.map(|(id, _)| format!("Incident {id} · /outage {id}")));
    card
}

fn title(standing: &Standing<'_>) -> String {
    let name = display_name(standing.entity);
    let since = standing.open.map(|(_, started_at)| {
        let length = duration(standing.now - started_at);
        format!("{length}, since {}", local_and_utc(started_at, standing.zone, standing.now))
    });
    let verdict = standing.evidence.map_or(Verdict::Unknown, |evidence| evidence.verdict);
    match (verdict, since) {
        (Verdict::Down, Some(since)) => format!("🔴 {name} is down · {since}"),
        (Verdict::Down, None) => format!("🔴 {name} is down"),
        (Verdict::Returning, Some(since)) => format!("🟡 {name} is coming back · {since}"),
        (Verdict::Returning, None) => format!("🟡 {name} is coming back"),
        (Verdict::Suspected, Some(since)) => format!("🟠 {name} may be down · {since}"),
        (Verdict::Suspected, None) => format!("🟠 {name} may be going down"),
        (Verdict::Up, _) => format!("🟢 {name} is up"),
        (Verdict::Unknown, _) => format!("⚪ {name}: unknown, no fresh signal with a known normal"),
    }
}

/// Rows and notes: the facts, in the order in which every message gives them.
pub fn body(card: &mut Card, evidence: &Evidence, now: Timestamp) {
    let (rows, unknown) = rows(evidence, now);
    card.rows = rows;
    if let Some(line) = gateways_line(evidence) {
        card.note("Gateways", line);
    }
    let reading = hint(evidence);
    if !reading.is_empty() {
        card.note("Reading", reading.join("\n"));
    }
    if !unknown.is_empty() {
        card.note("Unknown", unknown.join("\n"));
    }
    if let Some(sure) = sureness(evidence) {
        card.note("Sure", sure);
    }
}

/// `high: 3 independent sources, 4 witnesses`.
pub fn sureness(evidence: &Evidence) -> Option<String> {
    let word = match evidence.sureness {
        Sureness::High => "high",
        Sureness::Medium => "medium",
        Sureness::Low => "low",
    };
    if evidence.verdict == Verdict::Unknown {
        return None;
    }
    let sources = plural(u64::from(evidence.sources), "independent source", "independent sources");
    let witnesses = plural(u64::from(evidence.witnesses), "witness", "witnesses");
    Some(format!("{word}: {sources}, {witnesses}"))
}

/// What of the usual signals has fallen, for one line: `routing and reach`.
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
