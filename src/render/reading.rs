//! Interprets the evidence. It gives only hints, each with its reason, and states openly that a
//! cause is unknown.

use super::measure::{fell_at, says_nothing_of};
use super::onset::{gateway_name, judged, within};
use super::outside::{tame, tame_trouble};
use super::words::{listed, plural, utc_time};
use crate::domain::observation::RIS_LIVE;
use crate::domain::time::HOUR;
use crate::domain::{Assessment, Block, Evidence, FactKind, Layer, Reading, Timestamp, Verdict};
use std::collections::BTreeMap;

/// The newest observation of a gateway.
#[derive(Clone, Debug, PartialEq)]
struct Gateway {
    label: String,
    prefixes_seen: u32,
    seen_at: Timestamp,
}

fn gateways(evidence: &Evidence) -> Vec<Gateway> {
    let mut newest: BTreeMap<u32, Gateway> = BTreeMap::new();
    // The live source reports routes only when they change, so its last report holds as long as it
    // measures them.
    let of_routes = |a: &&Assessment| {
        a.series.source == RIS_LIVE && !matches!(a.reading, Reading::Unknown { .. })
    };
    let seen_live = evidence.assessments.iter().filter(of_routes).map(|a| a.observed_at).max();
    for fact in &evidence.facts {
        if let FactKind::Gateway { asn, name, prefixes_seen, .. } = &fact.kind {
            let label = gateway_name(*asn, name.as_deref());
            let holds_until =
                seen_live.filter(|_| fact.source == RIS_LIVE).unwrap_or(fact.observed_at);
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

/// Returns the state of the gateways: `China Unicom AS4837: gone · TransTelecom AS20485: gone`.
pub fn gateways_line(evidence: &Evidence) -> Option<String> {
    let fell = fell_at(evidence);
    let said: Vec<String> = gateways(evidence)
        .into_iter()
        .map(|gateway| match gateway.prefixes_seen {
            0 => format!("{}: gone", gateway.label),
            n => {
                let seen = plural(n.into(), "prefix", "prefixes");
                let is_old = fell.is_some_and(|fell| gateway.seen_at < fell);
                let old = if is_old {
                    format!(" (last reading {}, before the outage)", utc_time(gateway.seen_at))
                } else {
                    String::new()
                };
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

/// Returns how close together the routes through all gateways went: `both within two minutes`.
/// Returns `None` if that was not seen live or a gateway remains.
fn fell_within(evidence: &Evidence) -> Option<String> {
    if gateways(evidence).iter().any(|gateway| gateway.prefixes_seen > 0) {
        return None;
    }
    let falls = evidence.facts.iter().rev().find_map(|fact| match &fact.kind {
        FactKind::Withdrawn { gateways } if gateways.len() > 1 => Some(gateways),
        _ => None,
    })?;
    let (first, last) =
        (falls.iter().map(|fall| fall.first).min()?, falls.iter().map(|fall| fall.last).max()?);
    // Withdrawals in another outage do not apply to this one.
    if fell_at(evidence).is_none_or(|fell| (first - fell).abs() > HOUR) {
        return None;
    }
    let within = within(last - first);
    Some(format!("{} within {within}", if falls.len() == 2 { "both" } else { "all" }))
}

/// Returns which networks on the way in answer our own probes: `China Unicom AS4837 answers ·
/// TransTelecom AS20485 does not answer`.
pub fn way_in_line(evidence: &Evidence) -> Option<String> {
    let outside =
        hosts(evidence).find_map(|(_, _, outside)| (!outside.is_empty()).then_some(outside))?;
    let said = |(name, answers): &(String, bool)| {
        format!("{} {}", tame(name, 40), if *answers { "answers" } else { "does not answer" })
    };
    Some(outside.iter().map(said).collect::<Vec<_>>().join(" · "))
}

/// Returns the number of probed hosts and blocks, and the hosts that do not work, a line each. The
/// hosts of one block are one witness. Returns `None` if all of them work.
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
    lines.extend(troubles.iter().map(|trouble| tame_trouble(trouble, 120)));
    Some(lines.join("\n"))
}

type Hosts<'a> = (&'a [Block], &'a [String], &'a [(String, bool)]);

/// Returns the results of our own probes for the entity itself, the newest first.
fn hosts(evidence: &Evidence) -> impl Iterator<Item = Hosts<'_>> {
    evidence.facts.iter().rev().filter(|fact| fact.entity == evidence.entity).filter_map(|fact| {
        match &fact.kind {
            FactKind::Hosts { blocks, troubles, outside } => {
                Some((&blocks[..], &troubles[..], &outside[..]))
            }
            _ => None,
        }
    })
}

/// Returns the services that are down while the network is seen to be up. Such an outage must not
/// be called a blackout. Returns `None` for any other.
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

/// Returns the layers that are low, and the layers that were measured as normal after the first
/// fall.
fn layers(evidence: &Evidence) -> (Vec<Layer>, Vec<Layer>) {
    let with = |wanted: &dyn Fn(&Assessment) -> bool| {
        let mut found: Vec<Layer> =
            evidence.assessments.iter().filter(|a| wanted(a)).map(|a| a.layer).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    let fell = fell_at(evidence);
    (with(&|a| a.is_low()), with(&|a| a.is_normal() && !says_nothing_of(a, fell)))
}

/// Returns a sentence about a return in stages: traffic or services are back, and the probed hosts
/// are not. Returns `None` for any other state.
pub fn in_stages(evidence: &Evidence) -> Option<String> {
    let (low, _) = layers(evidence);
    if evidence.verdict != Verdict::Returning || !low.contains(&Layer::Reach) {
        return None;
    }
    let is_back = |a: &&Assessment| a.is_normal() && a.back_since.is_some();
    let mut back: Vec<Layer> =
        evidence.assessments.iter().filter(is_back).map(|a| a.layer).collect();
    back.retain(|layer| matches!(layer, Layer::Traffic | Layer::Dns | Layer::Web | Layer::Mail));
    back.sort_unstable();
    back.dedup();
    let named = listed(&back.iter().map(ToString::to_string).collect::<Vec<_>>());
    let verb = if back.len() == 1 { "is" } else { "are" };
    (!back.is_empty()).then(|| {
        format!("It is coming back in stages: {named} {verb} back, while much of what is probed does not answer yet. It is not over.")
    })
}

/// Returns the judgement on the fall, the causes that others report, and the limits of both, a
/// sentence each.
pub fn hint(evidence: &Evidence) -> Vec<String> {
    let Some(onset) = evidence.onset.as_ref().filter(|onset| !onset.layers.is_empty()) else {
        return Vec::new();
    };
    let is_open =
        matches!(evidence.verdict, Verdict::Down | Verdict::Suspected | Verdict::Returning);
    let mut said: Vec<String> = judged(onset, &evidence.assessments).into_iter().collect();
    said.extend(in_stages(evidence));
    said.extend(reported(evidence));
    if said.is_empty() && is_open {
        said.push(
            if onset.over_at.is_some() {
                "What kind of fall it was is not known."
            } else {
                "It is too early to say what this looks like: slower sources have not reported yet."
            }
            .to_owned(),
        );
    }
    if is_open {
        said.push("Nobody can tell from outside whether it was deliberate.".to_owned());
    }
    said
}

/// Returns the causes that other parties have published for outages that are open or ended within
/// the last day, a sentence each.
fn reported(evidence: &Evidence) -> Vec<String> {
    let mut said: Vec<String> = evidence
        .facts
        .iter()
        .filter_map(|fact| match &fact.kind {
            FactKind::Report { what, cause: Some(cause), ended_at, .. }
                if ended_at.is_none_or(|ended| ended >= evidence.at - crate::domain::time::DAY) =>
            {
                Some(format!(
                    "{} names as cause: {} ({}).",
                    tame(&fact.source, 40),
                    tame(cause, 60),
                    tame(what, 120)
                ))
            }
            _ => None,
        })
        .collect();
    said.dedup();
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Confidence, Entity, Series};
    use std::sync::Arc;

    fn returning(signals: &[(&str, &str, bool)]) -> Evidence {
        let entity: Entity = "country/KP".parse().unwrap();
        let assessment = |(source, signal, is_back): &(&str, &str, bool)| {
            let series = Series {
                entity: entity.clone(),
                source: (*source).into(),
                signal: (*signal).into(),
            };
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
            sureness: Confidence::High,
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
        let staged = returning(&[
            ("radar", "netflow", true),
            ("probe", "http", true),
            ("ioda", "ping-slash24", false),
        ]);
        assert_eq!(
            in_stages(&staged).unwrap(),
            "It is coming back in stages: traffic and web are back, while much of what is probed does not answer yet. It is not over."
        );
        assert_eq!(hint(&staged), Vec::<String>::new(), "nothing is known of how it fell");
        assert_eq!(
            in_stages(&returning(&[("radar", "netflow", false), ("ioda", "ping-slash24", false)])),
            None
        );
        assert_eq!(
            in_stages(&returning(&[("radar", "netflow", true), ("ioda", "bgp", false)])),
            None
        );
    }
}
