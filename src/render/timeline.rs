//! Renders the course of an outage from its stored observations: each loss, partial return and
//! return of a signal, short returns included, among the transitions that were reported.

use super::blocks::length;
use super::card::Card;
use super::measure::{measured, of_part, ris_peers, source_name};
use super::words::utc_time;
use crate::domain::{Assessment, Series, Timestamp, Transition, TransitionKind};
use std::sync::Arc;

/// The share of normal below which a signal counts as gone.
const GONE: f64 = 0.05;
/// The share of normal from which on a value counts as usual.
const AS_USUAL: f64 = 0.9;
/// The most lines of a timeline. A longer one is shortened in the middle.
const LINES: usize = 48;

/// The values of a signal that was low in the outage.
#[derive(Clone, Debug)]
pub struct Course {
    /// The signal, with its newest normal value.
    pub assessment: Assessment,
    /// Its values from before the start of the outage on, oldest first; `None` for an empty bin.
    pub values: Vec<(Timestamp, Option<f64>)>,
}

/// Returns the signals that were low in any of these transitions, each once, with the newest
/// normal.
pub fn implicated(history: &[Transition]) -> Vec<Assessment> {
    let mut found: Vec<Assessment> = Vec::new();
    let all = || history.iter().rev().flat_map(|transition| &transition.evidence.assessments);
    let low: Vec<&Arc<Series>> = all().filter(|a| a.is_low()).map(|a| &a.series).collect();
    for assessment in all().filter(|a| low.contains(&&a.series) && a.normal.is_some()) {
        if !found.iter().any(|known| known.series == assessment.series) {
            found.push(assessment.clone());
        }
    }
    found.sort_by(|a, b| (a.layer, &a.series).cmp(&(b.layer, &b.series)));
    found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Gone,
    Part,
    Usual,
}

fn level(share: f64) -> Level {
    match share {
        share if share < GONE => Level::Gone,
        share if share < AS_USUAL => Level::Part,
        _ => Level::Usual,
    }
}

/// Adds the timeline to the card as notes, with all times in UTC.
pub fn add_timeline(card: &mut Card, history: &[Transition], courses: &[Course]) {
    let Some((first, newest)) = history.first().zip(history.last()) else { return };
    let entity = &first.incident.entity;
    let ris_peers = ris_peers(&newest.evidence);
    let mut events: Vec<(Timestamp, usize, String)> = Vec::new();
    for transition in history {
        let (mark, said) = told(transition.kind);
        events.push((transition.at, usize::MAX, format!("{mark} {said}")));
    }
    for (number, course) in courses.iter().enumerate() {
        let assessment = &course.assessment;
        let Some(normal) = assessment.normal.filter(|normal| *normal > 0.0) else { continue };
        let series = &assessment.series;
        let source = of_part(entity, &series.entity, source_name(&series.source, &series.signal));
        let mut last = Level::Usual;
        for (at, value) in &course.values {
            let Some(value) = value else { continue };
            let now = level(value / normal);
            if now != last {
                let of = Assessment { value: Some(*value), observed_at: *at, ..assessment.clone() };
                events.push((
                    *at,
                    number,
                    format!("{}: {} · {source}", assessment.layer, measured(&of, ris_peers)),
                ));
            }
            last = now;
        }
    }
    events.sort();
    let day = |at: Timestamp| at.utc().format("%-d %b").to_string();
    let mut last_day = String::new();
    let lines = events.iter().map(|(at, _, said)| {
        let today = day(*at);
        let date = if today == last_day { String::new() } else { format!("{today}, ") };
        last_day = today;
        format!("{date}{} {said}", utc_time(*at))
    });
    for (number, part) in in_parts(shortened(lines.collect())).into_iter().enumerate() {
        card.note(if number == 0 { "Timeline" } else { "Later" }, part);
    }
}

/// The longest note, in UTF-16 units: Discord's limit for a field of an embed (1024) less some room
/// for escapes.
const PART: usize = 900;

fn in_parts(lines: Vec<String>) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for line in lines {
        match parts.last_mut().filter(|part| length(part) + length(&line) < PART) {
            Some(part) => {
                part.push('\n');
                part.push_str(&line);
            }
            None => parts.push(line),
        }
    }
    parts
}

fn shortened(lines: Vec<String>) -> Vec<String> {
    let over = lines.len().saturating_sub(LINES);
    if over == 0 {
        return lines;
    }
    let (head, kept) = (LINES / 3, LINES - LINES / 3);
    let (first, last) = (&lines[..head], &lines[lines.len() - kept..]);
    first
        .iter()
        .cloned()
        .chain([format!("… {over} more changes")])
        .chain(last.iter().cloned())
        .collect()
}

fn told(kind: TransitionKind) -> (&'static str, &'static str) {
    match kind {
        TransitionKind::Suspected => ("🟠", "suspected"),
        TransitionKind::Started => ("🔴", "reported down"),
        TransitionKind::Worsened => ("🔴", "reported worse"),
        TransitionKind::PartlyBack => ("🟡", "reported partly back"),
        TransitionKind::GoneAgain => ("🔴", "reported gone again"),
        TransitionKind::Recovered => ("🟢", "reported back"),
        TransitionKind::Retracted => ("⚪", "taken back"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Arrival, Confidence, Evidence, IncidentKey, Layer, Reading, Verdict};

    #[test]
    fn a_short_return_between_two_changes_is_in_the_timeline() {
        let entity: crate::domain::Entity = "country/KP".parse().unwrap();
        let at = |time: &str| Timestamp::parse(&format!("2025-06-06 {time}")).unwrap();
        let series = Series { entity: entity.clone(), source: "ioda".into(), signal: "bgp".into() };
        let assessment = Assessment {
            series: Arc::new(series),
            layer: Layer::Routing,
            reading: Reading::Low,
            value: Some(0.0),
            normal: Some(4.0),
            observed_at: at("17:35"),
            step: 300,
            low_since: Some(at("17:35")),
            back_since: None,
            weight: 9.0,
        };
        let started = Transition {
            incident: IncidentKey { entity: entity.clone(), ordinal: 1 },
            number: 1,
            kind: TransitionKind::Started,
            at: at("18:05"),
            arrival: Arrival::Live,
            started_at: at("17:34"),
            ended_at: None,
            evidence: Evidence {
                entity,
                at: at("18:05"),
                verdict: Verdict::Down,
                sureness: Confidence::High,
                witnesses: 1,
                sources: 1,
                assessments: vec![assessment.clone()],
                facts: vec![],
                onset: None,
            },
        };
        let values = [
            ("17:30", 4.0),
            ("17:35", 0.0),
            ("17:40", 0.0),
            ("20:40", 1.0),
            ("20:45", 1.0),
            ("20:55", 0.0),
        ];
        let values = values.into_iter().map(|(time, value)| (at(time), Some(value))).collect();
        assert_eq!(implicated(std::slice::from_ref(&started)), std::slice::from_ref(&assessment));
        let mut card = Card::titled("🔴 North Korea is down");
        add_timeline(&mut card, &[started], &[Course { assessment, values }]);
        insta::assert_snapshot!(card.notes[0].text, @"
        6 Jun, 17:35 UTC routing: 0 of 4 blocks announced · IODA BGP
        18:05 UTC 🔴 reported down
        20:40 UTC routing: 1 of 4 blocks announced · IODA BGP
        20:55 UTC routing: 0 of 4 blocks announced · IODA BGP
        ");
    }
}
