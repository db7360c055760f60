//! Renders a transition of an incident as a message.

use super::card::{Action, Card, Line, Link};
use super::lead::{Stage, lead};
use super::measure::{is_said_by_the_whole, measured_line};
use super::onset::{corrections, order_of_return};
use super::reading::{in_stages, services_alone};
use super::status::{body, confidence, low_layers, services_down};
use super::syntax::Syntax;
use super::words::{day_and_time, duration, incident_line, listed, percent, plural};
use crate::domain::lookup::display_name;
use crate::domain::{
    Arrival, Assessment, Earlier, Entity, Evidence, Layer, Seconds, Timestamp, Transition,
    TransitionKind,
    time::{DAY, HOUR, MINUTE},
};
use chrono_tz::Tz;

/// The delay from which on the title of an alert mentions it.
pub const WORTH_SAYING_LATE: Seconds = 5 * MINUTE;
/// The most parts or readings that are listed. The others are only counted.
const NAMED: usize = 5;

/// The inputs of an alert.
#[derive(Clone, Debug)]
pub struct Alert<'a> {
    /// The incident's id, as `/outage` takes it.
    pub incident: i64,
    /// The transition that the alert reports.
    pub transition: &'a Transition,
    /// The current evidence, if it is newer than that of the transition.
    pub newer: Option<&'a Evidence>,
    /// The incident's transitions up to this one, oldest first.
    pub history: &'a [Transition],
    /// The time zone of local times.
    pub zone: Tz,
    /// When the alert is sent.
    pub now: Timestamp,
    /// Whether the title describes the decision or the present.
    pub as_of_now: AsOf,
    /// How long after it became owed the alert is sent.
    pub late: Seconds,
    /// The watched parts of the entity that are down as well.
    pub parts_down: &'a [Entity],
    /// The entity's outages of the week before this one, newest first.
    pub earlier: &'a [Earlier],
    /// Pages on which a reader can check the data.
    pub links: Vec<Link>,
    /// The attribution of the data to their sources.
    pub credits: Option<String>,
    /// A label in front of the title of an alert that does not rest on measurements:
    /// `reconstructed`.
    pub label: Option<&'a str>,
    /// How the readers of the chat give commands.
    pub syntax: Syntax,
}

/// The time at which an alert describes the incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// The time of the decision: the alert is sent as it happens.
    Decision,
    /// The present: an edited card, or an alert that became owed later than it was decided.
    Now,
}

/// Renders the full alert, which becomes the incident's card in the chat.
pub fn alert(alert: &Alert<'_>) -> Card {
    let transition = alert.transition;
    let evidence = alert.newer.unwrap_or(&transition.evidence);
    let mut card = Card::titled(title(alert)).toned(transition.kind.leads_to().into());
    card.lead = plain(alert, evidence);
    body(&mut card, evidence);
    if transition.kind == TransitionKind::Recovered {
        recovered(&mut card, alert);
    }
    if let Some(parts) = parts_down(alert.parts_down) {
        card.note("Within", parts);
    }
    if let Some(before) = before(alert) {
        card.note("Before", before);
    }
    card.links.clone_from(&alert.links);
    card.foot.extend(alert.credits.clone());
    card.foot.push(incident_line(alert.incident, alert.syntax));
    card.actions = actions(alert);
    card
}

/// Returns the first line: the state of the entity, for a reader without any background.
fn plain(alert: &Alert<'_>, evidence: &Evidence) -> Option<Line> {
    let transition = alert.transition;
    let ended = transition.ended_at.unwrap_or(transition.at);
    let Some(stage) = Stage::of(transition.kind, ended) else { return Some(TAKEN_BACK.into()) };
    let said = lead(evidence, stage);
    if transition.kind != TransitionKind::Recovered {
        return said.map(Line::from);
    }
    let down = if said.is_some() { " It was down from " } else { "It was down from " };
    let line = Line::from(said.unwrap_or_default()).and(down);
    Some(
        line.at(transition.started_at, alert.zone, alert.now)
            .and(" until ")
            .at(ended, alert.zone, alert.now)
            .and("."),
    )
}

/// The share of normal from which on a value counts as usual.
const AS_USUAL: f64 = 0.9;

/// Renders only the news of a transition, for a chat that has the incident's card above it.
pub fn brief(alert: &Alert<'_>) -> Card {
    let transition = alert.transition;
    let evidence = &transition.evidence;
    let mut card = Card::titled(title(alert)).toned(transition.kind.leads_to().into());
    card.lead = plain(alert, evidence);
    if transition.kind != TransitionKind::Retracted {
        let is_back = |a: &Assessment| {
            a.is_normal() && a.back_since.is_some_and(|back| back > transition.started_at)
        };
        // The newest value is as usual, but not for long enough to count as back.
        let seems_back =
            |a: &Assessment| a.is_low() && a.ratio().is_some_and(|share| share >= AS_USUAL);
        let is_lost = |a: &Assessment| a.is_low() && !seems_back(a);
        let said = [
            ("Back", told(evidence, is_back)),
            ("Coming back", told(evidence, seems_back)),
            ("Lost", told(evidence, is_lost)),
        ];
        for (label, said) in said {
            if !said.is_empty() {
                card.note(label, said);
            }
        }
        if let Some(stages) = in_stages(evidence) {
            card.note("Reading", stages);
        }
        if let Some(corrected) = corrected_since(alert) {
            card.note("Corrected", corrected);
        }
        if let Some(confidence) = confidence(evidence) {
            card.note("Confidence", confidence);
        }
    }
    card.foot.push(incident_line(alert.incident, alert.syntax));
    card
}

/// Returns the corrections if one of them is newer than the previous transition.
fn corrected_since(alert: &Alert<'_>) -> Option<String> {
    let newest = alert.transition.evidence.onset.as_ref()?.corrections.last()?.at;
    let before =
        alert.history.iter().rev().find(|earlier| earlier.number < alert.transition.number)?;
    if newest > before.at { corrections(&alert.transition.evidence) } else { None }
}

/// The most earlier outages that are listed. The others are only counted.
const EARLIER_NAMED: usize = 3;
/// The largest difference in the time of day at which two outages began at about the same hour.
const SAME_HOUR: Seconds = 90 * MINUTE;

/// Returns the outages of the week before: `2 outages within a week: Fri 6 Jun 01:02 KST for
/// 6 h 58 min (/outage 11), …; all began at about this hour of the day`.
fn before(alert: &Alert<'_>) -> Option<String> {
    let earlier = alert.earlier;
    let newest = earlier.first()?;
    let told = |of: &Earlier| {
        format!(
            "{} for {} ({})",
            day_and_time(of.started_at, alert.zone, alert.now),
            duration(of.lasted),
            alert.syntax.outage(of.id)
        )
    };
    let named: Vec<String> = earlier.iter().take(EARLIER_NAMED).map(told).collect();
    let more = earlier.len().saturating_sub(EARLIER_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let apart = |of: &Earlier| {
        let apart = (alert.transition.started_at - of.started_at).rem_euclid(DAY);
        apart.min(DAY - apart)
    };
    let by_the_clock = if earlier.iter().all(|of| apart(of) <= SAME_HOUR)
        && alert.transition.started_at - newest.started_at > 12 * HOUR
    {
        match earlier.len() {
            1 => "; it began at about this hour of the day, too",
            _ => "; all began at about this hour of the day",
        }
    } else {
        ""
    };
    let count = plural(earlier.len() as u64, "outage", "outages");
    Some(format!("{count} within a week: {}{more}{by_the_clock}", named.join(", ")))
}

const TAKEN_BACK: &str = "Later data take the alert back: what looked like an outage was revised, or was a fault of the source.";

fn title(alert: &Alert<'_>) -> Line {
    let transition = alert.transition;
    let name = display_name(&transition.incident.entity);
    let since = |line: String| Line::from(line).at(transition.started_at, alert.zone, alert.now);
    let low = low_layers(&transition.evidence);
    let lost = if low.is_empty() { String::new() } else { format!(" · lost: {low}") };
    let already = if transition.arrival == Arrival::Live { "" } else { "already " };
    if matches!(transition.kind, TransitionKind::Started | TransitionKind::Worsened)
        && let Some(services) = services_alone(&transition.evidence)
    {
        return finish(alert, since(format!("{} · since ", services_down(&name, &services))));
    }
    let said = match transition.kind {
        TransitionKind::Suspected => {
            since(format!("🟠 {name} may be {already}down · since ")).and(lost)
        }
        TransitionKind::Started => since(format!("🔴 {name} is {already}down · since ")),
        TransitionKind::Worsened if alert.as_of_now == AsOf::Now => {
            since(format!("🔴 {name} is down · since ")).and(lost)
        }
        TransitionKind::Worsened => {
            since(format!("🔴 {name}: more of it is gone · down since ")).and(lost)
        }
        // A duration up to an event is fixed. One up to now would be wrong when it is read later.
        TransitionKind::PartlyBack if transition.arrival == Arrival::Live => {
            let lasted = duration(transition.at - transition.started_at);
            since(format!("🟡 {name} is partly back · after {lasted}, down since "))
        }
        TransitionKind::PartlyBack => since(format!("🟡 {name} is partly back · down since ")),
        TransitionKind::GoneAgain => since(format!("🔴 {name} is gone again · down since ")),
        TransitionKind::Recovered => {
            let ended = transition.ended_at.unwrap_or(transition.at);
            let down = duration(ended - transition.started_at);
            match services_of(alert.history) {
                Some(services) => {
                    format!("🟢 {name}: {} are back · they were down {down}", listed(&services))
                        .into()
                }
                None => format!("🟢 {name} is back · it was down {down}").into(),
            }
        }
        TransitionKind::Retracted => {
            since(format!("⚪ {name}: taken back, it was not down · said since "))
        }
    };
    finish(alert, said)
}

/// Puts the delay and the label in front of the title.
fn finish(alert: &Alert<'_>, said: Line) -> Line {
    let said = if alert.late >= WORTH_SAYING_LATE {
        said.after(&format!("Told {} late: ", duration(alert.late)))
    } else {
        said
    };
    match alert.label {
        Some(label) => said.after(&format!("[{label}] ")),
        None => said,
    }
}

/// Returns the services that were down in an incident that concerned services alone from its start
/// to its end; `None` for any other.
fn services_of(history: &[Transition]) -> Option<Vec<String>> {
    let mut services: Vec<String> = Vec::new();
    for transition in history
        .iter()
        .filter(|t| !t.kind.leads_to().is_over() && t.kind != TransitionKind::PartlyBack)
    {
        for service in services_alone(&transition.evidence)? {
            if !services.iter().any(|known| known == service) {
                services.push(service.to_owned());
            }
        }
    }
    (!services.is_empty()).then_some(services)
}

/// Returns the buttons: details, and a mute while the incident is open.
fn actions(alert: &Alert<'_>) -> Vec<Action> {
    let mut actions = vec![Action::new("Details", format!("outage {}", alert.incident))];
    let entity = &alert.transition.incident.entity;
    let mute = format!("mute {entity} for 2h");
    if !alert.transition.kind.leads_to().is_over() && mute.len() <= 64 {
        actions.push(Action::new("Mute 2 h", mute));
    }
    actions
}

/// Returns the parts that are down: `2 watched parts are down, too: AS131279 and 175.45.176.0/22`.
fn parts_down(parts: &[Entity]) -> Option<String> {
    let count = plural(parts.len() as u64, "watched part is", "watched parts are");
    let named: Vec<String> = parts.iter().take(NAMED).map(display_name).collect();
    let more = parts.len().saturating_sub(NAMED);
    match more {
        _ if parts.is_empty() => None,
        0 => Some(format!("{count} down, too: {}", listed(&named))),
        _ => Some(format!("{count} down, too: {} and {more} more", named.join(", "))),
    }
}

fn recovered(card: &mut Card, alert: &Alert<'_>) {
    let transition = alert.transition;
    let worst =
        alert.history.iter().filter(|t| t.kind != TransitionKind::Recovered).map(|t| &t.evidence);
    if let Some(peak) = worst.clone().max_by(|a, b| depth(a).total_cmp(&depth(b))) {
        let lost: Vec<String> = Layer::ALL
            .into_iter()
            .filter(|layer| worst.clone().any(|evidence| has_low(evidence, *layer)))
            .map(|layer| layer.to_string())
            .collect();
        card.note(
            "At worst",
            format!("{} gone; affected during the outage: {}", percent(depth(peak)), listed(&lost)),
        );
    }
    if let Some(order) = order_of_return(&transition.evidence, transition.started_at) {
        card.note("Returned", order);
    }
    let silent = layers(&transition.evidence, |layer| {
        worst.clone().any(|e| has_low(e, layer)) && has_low(&transition.evidence, layer)
    });
    if !silent.is_empty() {
        card.note("Still low", silent);
    }
    card.note("Cause", "unknown: the measurements do not show it.");
}

fn has_low(evidence: &Evidence, layer: Layer) -> bool {
    evidence.assessments.iter().any(|a| a.layer == layer && a.is_low())
}

/// Returns the readings of the wanted signals, a line each.
fn told(evidence: &Evidence, wanted: impl Fn(&Assessment) -> bool) -> String {
    let shown =
        evidence.assessments.iter().filter(|a| wanted(a) && !is_said_by_the_whole(evidence, a));
    let lines = shown.map(|a| measured_line(evidence, a));
    let mut lines: Vec<String> = lines.collect();
    lines.dedup();
    let more = lines.len().saturating_sub(NAMED);
    lines.truncate(NAMED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

/// Returns the measured layers that `wanted` selects, as a list in one line.
fn layers(evidence: &Evidence, wanted: impl Fn(Layer) -> bool) -> String {
    let measured = |layer: &Layer| evidence.assessments.iter().any(|a| a.layer == *layer);
    let found: Vec<String> = Layer::ALL
        .into_iter()
        .filter(measured)
        .filter(|layer| wanted(*layer))
        .map(|layer| layer.to_string())
        .collect();
    listed(&found)
}

/// Returns the share of normal that is missing in the deepest of the low signals, in `[0, 1]`.
fn depth(evidence: &Evidence) -> f64 {
    evidence
        .assessments
        .iter()
        .filter(|a| a.is_low())
        .filter_map(|a| a.ratio().map(|ratio| (1.0 - ratio).clamp(0.0, 1.0)))
        .fold(0.0, f64::max)
}
