//! Puts a signal into words: its unit, the name of its source, its value against its normal.

use super::card::Row;
use super::outside::tame;
use super::words::{number, percent, utc_time};
use crate::domain::lookup::display_name;
use crate::domain::{Assessment, Entity, Evidence, FactKind, Onset, Reading, Timestamp, Unknown};

/// The unit of a signal.
enum Unit {
    /// A number of things, with their state: `0 of 4 blocks announced`.
    Count(&'static str),
    /// A number of observers: `seen by 0 of 352 RIS peers`.
    SeenBy(&'static str),
    /// A share of normal, for a unit that means nothing to a reader: `traffic at 12 % of normal`.
    Share(&'static str),
}

fn unit(source: &str, signal: &str) -> Unit {
    match (source, signal) {
        (_, "bgp") => Unit::Count("blocks announced"),
        (_, "ping-slash24") | ("probe", "blocks") => Unit::Count("blocks answer"),
        (_, "prefixes") => Unit::Count("prefixes announced"),
        ("ripestat" | "ris-live", "visibility") => Unit::SeenBy("RIS peers"),
        (_, "merit-nt") => Unit::Share("telescope noise"),
        (_, "gtr") => Unit::Share("Google traffic"),
        (_, "netflow") => Unit::Share("traffic"),
        ("probe", "dns") => Unit::Count("name servers work"),
        ("probe", "http") => Unit::Count("sites work"),
        ("probe", "mail") => Unit::Count("mail hosts work"),
        _ => Unit::Share(""),
    }
}

/// Returns the name under which a reader knows the source of a signal: `IODA BGP`.
pub fn source_name(source: &str, signal: &str) -> String {
    match (source, signal) {
        ("ioda", "bgp") => "IODA BGP".to_owned(),
        ("ioda", "ping-slash24") => "IODA probing".to_owned(),
        ("ioda", "merit-nt") => "IODA telescope".to_owned(),
        ("ioda", "gtr") => "IODA Google traffic".to_owned(),
        ("ripestat", "visibility") => "RIPE RIS".to_owned(),
        ("ripestat", _) => "RIPEstat".to_owned(),
        ("ris-live", _) => "RIPE RIS live".to_owned(),
        ("radar", _) => "Cloudflare Radar".to_owned(),
        ("probe", _) => "own probes".to_owned(),
        _ => format!("{} {}", tame(source, 40), tame(signal, 40)),
    }
}

/// Returns the newest value in words: `0 of 4 blocks announced`, `traffic at 12 % of normal`.
/// `ris_peers` is the number of full-table RIS peers, if it is known.
pub fn measured(assessment: &Assessment, ris_peers: Option<u32>) -> String {
    let series = &assessment.series;
    let Some(value) = assessment.value else {
        return "no value".to_owned();
    };
    match (unit(&series.source, &series.signal), assessment.normal) {
        (Unit::Count(what), Some(normal)) if is_a_count(value) => {
            format!("{} of {} {what}", number(value), number(normal.round().max(value)))
        }
        (Unit::Count(what), None) if is_a_count(value) => format!("{} {what}", number(value)),
        // A value below one is a share of the targets, not a count.
        (Unit::Count(what), _) => format!("{} of {what}", percent(value)),
        (Unit::SeenBy(whom), normal) => match ris_peers.map(f64::from).or(normal.map(f64::round)) {
            // The total counts full-table peers only, so the value may exceed it. Such a value is
            // shown alone, never as "360 of 352".
            Some(all) if all >= value => {
                format!("seen by {} of {} {whom}", number(value), number(all))
            }
            _ => format!("seen by {} {whom}", number(value)),
        },
        (Unit::Share(what), Some(normal)) if normal > 0.0 => {
            let name = if what.is_empty() { tame(&series.signal, 40) } else { what.to_owned() };
            format!("{name} at {} of normal", percent(value / normal))
        }
        (Unit::Share(what), _) => {
            let name = if what.is_empty() { tame(&series.signal, 40) } else { what.to_owned() };
            format!("{name} {}", number(value))
        }
    }
}

/// Returns whether a value is a count. Whole numbers are. Re-binned counts are means, which may
/// have a fraction, so any value from one on counts as well.
fn is_a_count(value: f64) -> bool {
    value >= 1.0 || value.fract() == 0.0
}

/// Returns in words why a signal cannot be judged. `newest` is the time of its newest value.
pub fn why_unknown(why: Unknown, newest: Timestamp) -> String {
    match why {
        Unknown::NoNormal => "no normal is known yet".to_owned(),
        Unknown::NormalIsNothing => "too little data here to judge".to_owned(),
        Unknown::Stale if newest.unix() > 0 => {
            format!("no new data, last reading {}", utc_time(newest))
        }
        Unknown::Stale => "no new data".to_owned(),
        Unknown::SourceFault => "the source is in trouble".to_owned(),
        Unknown::Uplink => "our own connection is in doubt".to_owned(),
    }
}

/// The signals as an alert shows them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// Readings since the outage began, layer by layer.
    pub rows: Vec<Row>,
    /// Signals without a reading since the outage began, a sentence each.
    pub silent: Vec<String>,
    /// Signals that cannot be judged, a sentence each, with the reason.
    pub unknown: Vec<String>,
}

/// Sorts the signals into known ones, ones last read before the outage, and unknown ones.
pub fn shown(evidence: &Evidence) -> Shown {
    let ris_peers = ris_peers(evidence);
    let fell = fell_at(evidence);
    let (mut shown, mut last_layer) = (Shown::default(), None);
    for assessment in &evidence.assessments {
        let series = &assessment.series;
        if is_said_by_the_whole(evidence, assessment) {
            continue;
        }
        let name =
            of_part(&evidence.entity, &series.entity, source_name(&series.source, &series.signal));
        let at = utc_time(assessment.observed_at);
        if let Reading::Unknown { why } = assessment.reading {
            shown.unknown.push(format!(
                "{} ({name}): {}",
                assessment.layer,
                why_unknown(why, assessment.observed_at)
            ));
            continue;
        }
        if says_nothing_of(assessment, fell) {
            shown.silent.push(format!(
                "{} ({name}): last reading {at}, before the outage",
                assessment.layer
            ));
            continue;
        }
        shown.rows.push(Row {
            layer: if last_layer == Some(assessment.layer) {
                String::new()
            } else {
                assessment.layer.to_string()
            },
            measured: measured(assessment, ris_peers),
            source: name,
            normal: assessment.normal.map(|n| format!("normal {}", number(n))).unwrap_or_default(),
            at,
        });
        last_layer = Some(assessment.layer);
    }
    shown
}

/// Returns a value with its source: `0 of 4 blocks announced · IODA BGP`.
pub fn measured_line(evidence: &Evidence, assessment: &Assessment) -> String {
    let series = &assessment.series;
    let name =
        of_part(&evidence.entity, &series.entity, source_name(&series.source, &series.signal));
    format!("{} · {name}", measured(assessment, ris_peers(evidence)))
}

/// Returns the number of full-table peers of the route collectors, if a source has reported it.
pub fn ris_peers(evidence: &Evidence) -> Option<u32> {
    evidence.facts.iter().rev().find_map(|fact| match fact.kind {
        FactKind::Peers { total } => Some(total),
        _ => None,
    })
}

/// Returns whether the signal belongs to a part of the entity and the entity itself has the same
/// signal. Both are one witness and get one row.
pub fn is_said_by_the_whole(evidence: &Evidence, assessment: &Assessment) -> bool {
    let part = &assessment.series;
    let same = |other: &Assessment| {
        let whole = &other.series;
        whole.entity == evidence.entity
            && whole.source == part.source
            && whole.signal == part.signal
    };
    part.entity != evidence.entity && evidence.assessments.iter().any(same)
}

/// Returns when the first signal fell, even if it is back by now.
pub fn fell_at(evidence: &Evidence) -> Option<Timestamp> {
    let began = evidence.onset.as_ref().and_then(Onset::began);
    began
        .or_else(|| evidence.assessments.iter().filter_map(|assessment| assessment.low_since).min())
}

/// Returns whether the newest value is from before the fall: a slow source has not reported it yet.
pub fn says_nothing_of(assessment: &Assessment, fell: Option<Timestamp>) -> bool {
    assessment.is_normal() && fell.is_some_and(|fell| assessment.observed_at < fell)
}

/// Returns the source, with the part appended if the value was measured on a part of the entity.
pub fn of_part(whole: &Entity, measured_on: &Entity, source: String) -> String {
    if whole == measured_on { source } else { format!("{source}, {}", display_name(measured_on)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Layer, Series};
    use std::sync::Arc;

    fn said(source: &str, signal: &str, value: f64, normal: f64) -> String {
        let series = Series {
            entity: "country/KP".parse().unwrap(),
            source: source.into(),
            signal: signal.into(),
        };
        let at = Timestamp::from_unix(0);
        let assessment = Assessment {
            layer: Layer::Routing,
            series: Arc::new(series),
            reading: Reading::Low,
            value: Some(value),
            normal: Some(normal),
            observed_at: at,
            step: 300,
            low_since: None,
            back_since: None,
            weight: 0.0,
        };
        measured(&assessment, Some(352))
    }

    #[test]
    fn every_signal_is_said_in_its_own_unit() {
        assert_eq!(said("ioda", "bgp", 0.0, 4.0), "0 of 4 blocks announced");
        assert_eq!(said("ioda", "ping-slash24", 1.0, 3.8), "1 of 4 blocks answer");
        assert_eq!(said("ripestat", "visibility", 0.0, 349.0), "seen by 0 of 352 RIS peers");
        assert_eq!(said("ripestat", "visibility", 360.0, 349.0), "seen by 360 RIS peers");
        assert_eq!(said("radar", "netflow", 0.12, 1.0), "traffic at 12 % of normal");
        assert_eq!(said("probe", "http", 0.0, 5.0), "0 of 5 sites work");
        assert_eq!(said("probe", "http", 0.4, 0.97), "40 % of sites work");
        assert_eq!(said("probe", "mail", 1.0, 1.0), "1 of 1 mail hosts work");
        assert_eq!(
            said("ip-observatory", "connectivity", 3.0, 97.0),
            "connectivity at 3 % of normal"
        );
    }
}
