//! What the evidence may mean. Only hints, each with its reason; that a cause is unknown is said aloud.

use super::measure::{fell_at, says_nothing_of};
use super::words::{duration, listed, plural, tame};
use crate::domain::observation::RIS_LIVE;
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{Assessment, Block, Evidence, FactKind, Layer, Reading, Seconds, Timestamp, Verdict};
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
    // The live routes are told of again only when they change: what was told last holds as long as they are seen.
    let of_routes = |a: &&Assessment| a.series.source == RIS_LIVE && !matches!(a.reading, Reading::Unknown { .. });
    let seen_live = evidence.assessments.iter().filter(of_routes).map(|a| a.observed_at).max();
    for fact in &evidence.facts {
        if let FactKind::Gateway { asn, name, prefixes_seen, .. } = &fact.kind {
            let label = match name {
                Some(name) => format!("{} AS{asn}", tame(name, 40)),
                None => format!("AS{asn}"),
            };
            let holds_until = seen_live.filter(|_| fact.source == RIS_LIVE).unwrap_or(fact.observed_at);
            let seen_at = fact.observed_at.max(holds_until);
            let gateway = Gateway { label, prefixes_seen: *prefixes_seen, seen_at };
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
    if said.is_empty() {
        return None;
    }
    let within = fell_within(evidence).map(|within| format!(", {within}")).unwrap_or_default();
    Some(format!("{}{within}", said.join(" · ")))
}

/// `both within two minutes`: how close together the routes through all gateways went, where that was seen live.
fn fell_within(evidence: &Evidence) -> Option<String> {
    if gateways(evidence).iter().any(|gateway| gateway.prefixes_seen > 0) {
        return None;
    }
    let falls = evidence.facts.iter().rev().find_map(|fact| match &fact.kind {
        FactKind::Withdrawn { gateways } if gateways.len() > 1 => Some(gateways),
        _ => None,
    })?;
    let (first, last) = (falls.iter().map(|fall| fall.first).min()?, falls.iter().map(|fall| fall.last).max()?);
    // Those of another outage say nothing of this one.
    if fell_at(evidence).is_none_or(|fell| (first - fell).abs() > HOUR) {
        return None;
    }
    let within = match last - first {
        apart if apart <= MINUTE => "a minute".to_owned(),
        apart if apart <= 2 * MINUTE => "two minutes".to_owned(),
        apart => duration(apart + MINUTE - 1),
    };
    Some(format!("{} within {within}", if falls.len() == 2 { "both" } else { "all" }))
}

/// `China Unicom AS4837 answers · TransTelecom AS20485 does not answer`: networks on the way in, by our own probes.
pub fn way_in_line(evidence: &Evidence) -> Option<String> {
    let outside = hosts(evidence).find_map(|(_, _, outside)| (!outside.is_empty()).then_some(outside))?;
    let said = |(name, answers): &(String, bool)| {
        format!("{} {}", tame(name, 40), if *answers { "answers" } else { "does not answer" })
    };
    Some(outside.iter().map(said).collect::<Vec<_>>().join(" · "))
}

/// What of the hosts that we probe does not work, a line each; and how many witnesses they are.
pub fn probes_lines(evidence: &Evidence) -> Option<String> {
    let (blocks, troubles, _) = hosts(evidence).next()?;
    if troubles.is_empty() {
        return None;
    }
    let all: u32 = blocks.iter().map(|block| block.hosts).sum();
    let mut lines = vec![format!(
        "{} in {}; hosts of one block are one witness",
        plural(all.into(), "host", "hosts"),
        plural(blocks.len() as u64, "block", "blocks")
    )];
    lines.extend(troubles.iter().map(|trouble| tame(trouble, 120)));
    Some(lines.join("\n"))
}

type Hosts<'a> = (&'a [Block], &'a [String], &'a [(String, bool)]);

/// The newest word of our own probes about the entity itself.
fn hosts(evidence: &Evidence) -> impl Iterator<Item = Hosts<'_>> {
    evidence.facts.iter().rev().filter(|fact| fact.entity == evidence.entity).filter_map(|fact| match &fact.kind {
        FactKind::Hosts { blocks, troubles, outside } => Some((&blocks[..], &troubles[..], &outside[..])),
        _ => None,
    })
}

/// The services that are gone while the network is seen to be up: no blackout, and not called one.
pub fn services_alone(evidence: &Evidence) -> Option<Vec<&'static str>> {
    let (low, normal) = layers(evidence);
    let is_network = |layer: &Layer| matches!(layer, Layer::Routing | Layer::Reach);
    let mut services = Vec::new();
    for layer in &low {
        services.push(match layer {
            Layer::Dns => "name servers",
            Layer::Web => "web sites",
            Layer::Mail => "mail hosts",
            Layer::Routing | Layer::Reach | Layer::Traffic => return None,
        });
    }
    (!services.is_empty() && normal.iter().any(is_network)).then_some(services)
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

/// A return in stages, told as what it is: people or services are back, and the hosts that are probed are not.
pub fn in_stages(evidence: &Evidence) -> Option<String> {
    let (low, _) = layers(evidence);
    if evidence.verdict != Verdict::Returning || !low.contains(&Layer::Reach) {
        return None;
    }
    let is_back = |a: &&Assessment| a.is_normal() && a.back_since.is_some();
    let mut back: Vec<Layer> = evidence.assessments.iter().filter(is_back).map(|a| a.layer).collect();
    back.retain(|layer| matches!(layer, Layer::Traffic | Layer::Dns | Layer::Web | Layer::Mail));
    back.sort_unstable();
    back.dedup();
    let named = listed(&back.iter().map(ToString::to_string).collect::<Vec<_>>());
    let verb = if back.len() == 1 { "is" } else { "are" };
    (!back.is_empty()).then(|| {
        format!("It comes back in stages: {named} {verb} back, while much of what is probed does not answer yet. It is not over.")
    })
}

/// What the picture looks like, and what cannot be told.
pub fn hint(evidence: &Evidence) -> Vec<String> {
    if let Some(stages) = in_stages(evidence) {
        return vec![stages];
    }
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
    } else if services_alone(evidence).is_some() {
        said.push(
            "Services do not work while the network is up: more like a fault of theirs than a lost line.".to_owned(),
        );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Entity, Series, Sureness};
    use std::sync::Arc;

    fn returning(signals: &[(&str, &str, bool)]) -> Evidence {
        let entity: Entity = "country/KP".parse().unwrap();
        let assessment = |(source, signal, is_back): &(&str, &str, bool)| {
            let series = Series { entity: entity.clone(), source: (*source).into(), signal: (*signal).into() };
            let at = Timestamp::from_unix(1_000);
            Assessment {
                layer: series.layer(),
                series: Arc::new(series),
                reading: if *is_back { Reading::Normal } else { Reading::Low },
                value: Some(if *is_back { 4.0 } else { 0.0 }),
                normal: Some(4.0),
                observed_at: at,
                step: 300,
                low_since: (!is_back).then_some(at),
                back_since: is_back.then_some(at),
                weight: 9.0,
            }
        };
        Evidence {
            at: Timestamp::from_unix(2_000),
            verdict: Verdict::Returning,
            sureness: Sureness::High,
            witnesses: 2,
            sources: 2,
            assessments: signals.iter().map(assessment).collect(),
            facts: vec![],
            onset: None,
            entity: entity.clone(),
        }
    }

    #[test]
    fn a_staged_return_is_told_as_what_it_is() {
        let staged = returning(&[("radar", "netflow", true), ("probe", "http", true), ("ioda", "ping-slash24", false)]);
        assert_eq!(
            in_stages(&staged).unwrap(),
            "It comes back in stages: traffic and web are back, while much of what is probed does not answer yet. It is not over."
        );
        assert_eq!(hint(&staged), [in_stages(&staged).unwrap()]);
        assert_eq!(in_stages(&returning(&[("radar", "netflow", false), ("ioda", "ping-slash24", false)])), None);
        assert_eq!(in_stages(&returning(&[("radar", "netflow", true), ("ioda", "bgp", false)])), None);
    }
}
