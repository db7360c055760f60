//! What the evidence may mean. Only hints, each with its reason; that a cause is unknown is said aloud.

use super::measure::{fell_at, says_nothing_of};
use super::words::{duration, listed, plural, tame};
use crate::domain::{Assessment, Evidence, FactKind, Layer, Seconds, Timestamp, Verdict};
use std::collections::BTreeMap;

/// Falls this close together count as one moment: the width of a BGP bin.
const AT_ONCE: Seconds = 300;

/// A gateway as it was seen last.
#[derive(Clone, Debug, PartialEq)]
struct Gateway {
    label: String,
    prefixes_seen: u32,
    seen_at: Timestamp,
}

fn gateways(evidence: &Evidence) -> Vec<Gateway> {
    let mut newest: BTreeMap<u32, Gateway> = BTreeMap::new();
    for fact in &evidence.facts {
        if let FactKind::Gateway { asn, name, prefixes_seen, .. } = &fact.kind {
            let label = match name {
                Some(name) => format!("{} AS{asn}", tame(name, 40)),
                None => format!("AS{asn}"),
            };
            let gateway = Gateway { label, prefixes_seen: *prefixes_seen, seen_at: fact.observed_at };
            let held = newest.entry(*asn).or_insert_with(|| gateway.clone());
            if held.seen_at <= gateway.seen_at {
                *held = gateway;
            }
        }
    }
    newest.into_values().collect()
}

/// `China Unicom AS4837: gone · TransTelecom AS20485: gone`.
pub fn gateways_line(evidence: &Evidence) -> Option<String> {
    let fell = fell_at(evidence);
    let said: Vec<String> = gateways(evidence)
        .into_iter()
        .map(|gateway| match gateway.prefixes_seen {
            0 => format!("{}: gone", gateway.label),
            n => {
                let seen = plural(n.into(), "prefix", "prefixes");
                let old = fell.filter(|fell| gateway.seen_at < *fell).map(|_| ", before it").unwrap_or_default();
                format!("{}: {seen}{old}", gateway.label)
            }
        })
        .collect();
    (!said.is_empty()).then(|| said.join(" · "))
}

/// The layers that are low, and those that have been seen to be normal since the first of them fell.
fn layers(evidence: &Evidence) -> (Vec<Layer>, Vec<Layer>) {
    let with = |wanted: &dyn Fn(&Assessment) -> bool| {
        let mut found: Vec<Layer> = evidence.assessments.iter().filter(|a| wanted(a)).map(|a| a.layer).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    let fell = fell_at(evidence);
    (with(&|a| a.is_low()), with(&|a| a.is_normal() && !says_nothing_of(a, fell)))
}

/// What the picture looks like, and what cannot be told.
pub fn hint(evidence: &Evidence) -> Vec<String> {
    if !matches!(evidence.verdict, Verdict::Down | Verdict::Suspected) {
        return Vec::new();
    }
    let (low, normal) = layers(evidence);
    let has = |list: &[Layer], layer: Layer| list.contains(&layer);
    // A gateway that was seen before the last fall says nothing of it.
    let fell_last = evidence.assessments.iter().filter_map(|a| a.low_since).max();
    let spoken = |gateway: &Gateway| gateway.prefixes_seen == 0 || fell_last.is_none_or(|fell| gateway.seen_at >= fell);
    let known: Vec<Gateway> = Some(gateways(evidence)).filter(|all| all.iter().all(spoken)).unwrap_or_default();
    let gone = known.iter().filter(|gateway| gateway.prefixes_seen == 0).count();
    let mut said = Vec::new();
    if has(&low, Layer::Routing) && gone >= 2 && gone == known.len() {
        let both = if gone == 2 { "both gateways" } else { "all gateways" };
        let went = match (fell_at_once(evidence), low.len()) {
            (true, 1) => "All routes went at once,",
            (true, _) => "Everything went at once,",
            (false, _) => "The routes went",
        };
        said.push(format!("{went} through {both}: more like a fault or a switch inside than one cut cable."));
    } else if has(&low, Layer::Routing) && gone >= 1 && gone < known.len() {
        said.push(
            "One gateway is gone and another still leads in: more like a lost link than a switch inside.".to_owned(),
        );
    } else if has(&low, Layer::Routing) && has(&low, Layer::Reach) {
        said.push("The routes are withdrawn and what they led to does not answer.".to_owned());
    } else if has(&normal, Layer::Routing) && has(&low, Layer::Reach) {
        said.push(
            "The routes are still announced while much behind them does not answer: more like power, or access that \
             was switched off inside, than a lost route."
                .to_owned(),
        );
    } else if has(&low, Layer::Traffic) && !has(&low, Layer::Routing) && !has(&low, Layer::Reach) {
        said.push("Only what people do has fallen; the network itself looks whole.".to_owned());
    } else if !has(&low, Layer::Routing) && !has(&low, Layer::Reach) && has(&normal, Layer::Routing) {
        said.push("Services do not answer while the network is up.".to_owned());
    }
    said.extend(reported(evidence));
    if said.is_empty() {
        said.push("What went first is not clear yet: the slower sources have not spoken of it.".to_owned());
    }
    said.push("Whether it was meant cannot be told from outside.".to_owned());
    said
}

fn fell_at_once(evidence: &Evidence) -> bool {
    let falls: Vec<Timestamp> =
        evidence.assessments.iter().filter(|a| a.layer == Layer::Routing).filter_map(|a| a.low_since).collect();
    match (falls.iter().min(), falls.iter().max()) {
        (Some(first), Some(last)) => *last - *first <= AT_ONCE,
        _ => false,
    }
}

/// Causes that somebody else has published about a time that meets this one.
fn reported(evidence: &Evidence) -> Vec<String> {
    let mut said: Vec<String> = evidence
        .facts
        .iter()
        .filter_map(|fact| match &fact.kind {
            FactKind::Report { what, cause: Some(cause), ended_at, .. }
                if ended_at.is_none_or(|ended| ended >= evidence.at - crate::domain::time::DAY) =>
            {
                Some(format!("{} gives as cause: {} ({}).", fact.source, tame(cause, 60), tame(what, 120)))
            }
            _ => None,
        })
        .collect();
    said.dedup();
    said
}

/// The first moment of each layer, in the order of those moments: `routing, web 10 min later and mail 1 h 40 min later`.
fn in_order(moments: impl Iterator<Item = (Timestamp, Layer)>) -> Option<String> {
    let mut moments: Vec<_> = moments.collect();
    moments.sort_unstable();
    let first = moments.first()?.0;
    let (mut seen, mut said) = (Vec::new(), Vec::new());
    for (at, layer) in moments {
        if !seen.contains(&layer) {
            seen.push(layer);
            said.push(if at == first { layer.to_string() } else { format!("{layer} {} later", duration(at - first)) });
        }
    }
    (said.len() > 1).then(|| listed(&said))
}

/// In which order the layers fell.
pub fn order_of_fall(evidence: &Evidence) -> Option<String> {
    in_order(evidence.assessments.iter().filter_map(|a| Some((a.low_since?, a.layer))))
}

/// In which order the layers came back from an outage that began at `started_at`.
pub fn order_of_return(evidence: &Evidence, started_at: Timestamp) -> Option<String> {
    let back = |a: &Assessment| Some((a.back_since.filter(|back| *back > started_at)?, a.layer));
    in_order(evidence.assessments.iter().filter_map(back))
}
