//! A transition of an incident as a message.

use super::card::{Card, Link};
use super::lists::Past;
use super::reading::{order_of_fall, order_of_return};
use super::status::{body, low_layers};
use super::words::{duration, listed, local_and_utc, percent};
use crate::domain::lookup::display_name;
use crate::domain::{Arrival, Evidence, Layer, Seconds, Timestamp, Transition, TransitionKind, time::MINUTE};
use chrono_tz::Tz;

/// Later than this after the decision an alert says by how much it is late.
const WORTH_SAYING_LATE: Seconds = 5 * MINUTE;

/// What an alert is about.
#[derive(Clone, Debug)]
pub struct Alert<'a> {
    /// The incident's number, as `/outage` takes it.
    pub incident: i64,
    pub transition: &'a Transition,
    /// The incident's transitions up to this one, oldest first.
    pub history: &'a [Transition],
    pub zone: Tz,
    /// When it is told.
    pub now: Timestamp,
    pub links: Vec<Link>,
    /// Whose data it is.
    pub credits: Option<String>,
    /// `reconstructed`: stands in front of everything that is not measured.
    pub label: Option<&'a str>,
}

pub fn alert(alert: &Alert<'_>) -> Card {
    let transition = alert.transition;
    let mut card = Card::titled(title(alert));
    match transition.kind {
        TransitionKind::Recovered => recovered(&mut card, alert),
        TransitionKind::Retracted => {
            card.lead = Some(
                "Later data take the alert back: what looked like an outage was revised, or was the source's own fault."
                    .to_owned(),
            );
            body(&mut card, &transition.evidence, alert.now);
        }
        _ => body(&mut card, &transition.evidence, alert.now),
    }
    card.links.clone_from(&alert.links);
    card.foot.extend(alert.credits.clone());
    card.foot.push(format!("Incident {} · /outage {}", alert.incident, alert.incident));
    let late = alert.now - transition.at;
    if transition.arrival == Arrival::Live && late >= WORTH_SAYING_LATE {
        card.foot.push(format!("Told {} late.", duration(late)));
    }
    card
}

fn title(alert: &Alert<'_>) -> String {
    let transition = alert.transition;
    let name = display_name(&transition.incident.entity);
    let label = alert.label.map(|label| format!("[{label}] ")).unwrap_or_default();
    let lasted = |until: Timestamp| duration(until - transition.started_at);
    let since = local_and_utc(transition.started_at, alert.zone, alert.now);
    let low = low_layers(&transition.evidence);
    let lost = if low.is_empty() { String::new() } else { format!(" · lost: {low}") };
    let already = if transition.arrival == Arrival::Live { "" } else { "already " };
    let said = match transition.kind {
        TransitionKind::Suspected => format!("🟠 {name} may be {already}down · since {since}{lost}"),
        TransitionKind::Started => {
            // What was read after the fact is told as of now: its own moment is only an estimate.
            let until = if transition.arrival == Arrival::Live { transition.at } else { alert.now };
            format!("🔴 {name} is {already}down · {}, since {since}", lasted(until))
        }
        TransitionKind::Worsened => {
            format!("🔴 {name}: more of it is gone · down {}, since {since}{lost}", lasted(transition.at))
        }
        TransitionKind::PartlyBack => {
            format!("🟡 {name} is partly back · after {}, down since {since}", lasted(transition.at))
        }
        TransitionKind::GoneAgain => format!("🔴 {name} is gone again · down {}, since {since}", lasted(transition.at)),
        TransitionKind::Recovered => {
            let ended = transition.ended_at.unwrap_or(transition.at);
            format!("🟢 {name} is back · it was down {}", lasted(ended))
        }
        TransitionKind::Retracted => format!("⚪ {name}: taken back, it was not down · said since {since}"),
    };
    format!("{label}{said}")
}

fn recovered(card: &mut Card, alert: &Alert<'_>) {
    let transition = alert.transition;
    let ended = transition.ended_at.unwrap_or(transition.at);
    let at = |at| local_and_utc(at, alert.zone, alert.now);
    card.lead = Some(format!("From {} until {}.", at(transition.started_at), at(ended)));
    body(card, &transition.evidence, alert.now);
    let worst = alert.history.iter().filter(|t| t.kind != TransitionKind::Recovered).map(|t| &t.evidence);
    if let Some(peak) = worst.clone().max_by(|a, b| depth(a).total_cmp(&depth(b))) {
        let lost: Vec<String> = Layer::ALL
            .into_iter()
            .filter(|layer| worst.clone().any(|evidence| has_low(evidence, *layer)))
            .map(|layer| layer.to_string())
            .collect();
        card.note("At worst", format!("{} gone; lost in its course: {}", percent(depth(peak)), listed(&lost)));
    }
    if let Some(order) = worst.clone().next().and_then(order_of_fall) {
        card.note("Fell", order);
    }
    if let Some(order) = order_of_return(&transition.evidence, transition.started_at) {
        card.note("Returned", order);
    }
    let silent: Vec<String> = Layer::ALL
        .into_iter()
        .filter(|layer| worst.clone().any(|e| has_low(e, *layer)) && has_low(&transition.evidence, *layer))
        .map(|layer| layer.to_string())
        .collect();
    if !silent.is_empty() {
        card.note("Not yet", format!("{} still below normal", silent.join(", ")));
    }
    card.note("Cause", "unknown: what was measured does not tell it.");
}

fn has_low(evidence: &Evidence, layer: Layer) -> bool {
    evidence.assessments.iter().any(|a| a.layer == layer && a.is_low())
}

/// The share that was gone by the deepest of the low signals.
fn depth(evidence: &Evidence) -> f64 {
    evidence
        .assessments
        .iter()
        .filter(|a| a.is_low())
        .filter_map(|a| a.ratio().map(|ratio| (1.0 - ratio).clamp(0.0, 1.0)))
        .fold(0.0, f64::max)
}

/// One line about what began and ended while the program was away.
pub fn missed(past: &Past, now: Timestamp) -> Card {
    let ended = past.ended_at.unwrap_or(past.started_at);
    let mut card = Card::titled(format!(
        "🟢 While Linkdown was away {} was down {}: from {} until {}",
        display_name(&past.entity),
        duration(ended - past.started_at),
        local_and_utc(past.started_at, past.zone, now),
        local_and_utc(ended, past.zone, now),
    ));
    card.foot.push(format!("Incident {} · /outage {}", past.id, past.id));
    card
}
