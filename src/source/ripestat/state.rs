//! Reads `bgp-state`, which RIS peers see a network or block at a moment and through which
//! neighbours, and `ris-peer-count`, the number of all peers.

use crate::domain::time::MINUTE;
use crate::domain::{Asn, Entity, Fact, FactKind, Observation, Seconds, Series, Timestamp};
use crate::source::json::{Items, Loose, Member};
use crate::source::ris_live::message::{self, Peer};
use crate::source::ris_live::table::Seed;
use crate::source::{Oddity, Purpose, Readings, Request, SourceError};
use ipnet::IpNet;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The bin width: a state counts for the five minutes that contain its moment.
pub const STEP: Seconds = 5 * MINUTE;
/// The greatest age of a state in which "seen by no peer" counts as zero, in seconds.
const FRESH: Seconds = 30 * MINUTE;
/// The largest share of malformed routes with which the other routes are still counted. Five per
/// cent is as much as the live stream tolerates, and less than any fall that is reported.
const MALFORMED_AT_MOST: f64 = 0.05;
/// Maximum number of gateways in the facts, best seen first: a large network has hundreds.
const GATEWAYS: usize = 8;

/// The data of `bgp-state`.
#[derive(Deserialize)]
pub struct Data {
    #[serde(default)]
    timestamp: Loose,
    #[serde(default)]
    query_time: Loose,
    #[serde(default)]
    latest_time: Loose,
    bgp_state: Items<RawRoute>,
}

/// A route as it was sent. Each member may be missing or of any type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRoute {
    target_prefix: Loose,
    path: Member<Vec<Loose>>,
    /// Collector and address of the peer, such as `00-192.0.2.1`.
    source_id: Loose,
}

/// A readable route: a block, the peer that sees it, and the networks on the path, origin last.
struct Route<'a> {
    target: IpNet,
    source_id: &'a str,
    /// AS numbers; 0 for a hop that is not a number, such as a set.
    path: Vec<u32>,
}

impl Data {
    /// Returns the time of the data. The time in the envelope is not used: it only says when the
    /// reply was written.
    fn time(&self) -> Result<Timestamp, SourceError> {
        let at = [&self.timestamp, &self.query_time, &self.latest_time]
            .into_iter()
            .find_map(Loose::time);
        at.ok_or_else(|| SourceError::malformed("a state without its time"))
    }

    /// Returns the readable routes and the number of unreadable ones. Fails if so many are
    /// unreadable that a count of the others would read like a fall.
    fn routes(&self) -> Result<(Vec<Route<'_>>, usize), SourceError> {
        let routes: Vec<Route<'_>> =
            self.bgp_state.read.iter().filter_map(RawRoute::read).collect();
        let all = self.bgp_state.read.len() + self.bgp_state.odd;
        let odd = all - routes.len();
        if odd as f64 > MALFORMED_AT_MOST * all as f64 {
            return Err(SourceError::malformed(format!(
                "{odd} of {all} routes of a state are malformed"
            )));
        }
        Ok((routes, odd))
    }
}

impl RawRoute {
    fn read(&self) -> Option<Route<'_>> {
        let target = self.target_prefix.text()?.parse::<IpNet>().ok()?;
        let source_id = self.source_id.text().filter(|id| !id.is_empty())?;
        let path = self.path.0.iter().flatten().map(|hop| hop.whole().unwrap_or(0)).collect();
        Some(Route { target, source_id, path })
    }
}

impl Route<'_> {
    fn gateway(&self) -> u32 {
        message::gateway(&self.path)
    }
}

/// Reads a state as one value of `visibility`, the number of peers that see the entity, and facts
/// about its gateways. Fails if the state is too old to support that, lies in the future, or is
/// about other networks.
pub fn read(
    request: &Request,
    data: &Data,
    received_at: Timestamp,
) -> Result<Readings, SourceError> {
    let Some(entity) = request.wanted.entities.first() else { return Ok(Readings::default()) };
    let at = data.time()?;
    let due = match request.wanted.purpose {
        Purpose::Live | Purpose::Question => received_at,
        Purpose::Backfill => request.wanted.from,
    };
    if at - due > FRESH {
        return Err(SourceError::malformed(format!("a state of {at}, which is yet to come")));
    }
    let (all, odd) = data.routes()?;
    let routes: Vec<&Route<'_>> = all.iter().filter(|route| concerns(entity, route)).collect();
    let peers: BTreeSet<&str> = routes.iter().map(|route| route.source_id).collect();
    if due - at > FRESH && (peers.is_empty() || request.wanted.purpose == Purpose::Backfill) {
        return Err(SourceError::empty(format!("RIPEstat answered with an old state, of {at}")));
    }
    if routes.is_empty() && !all.is_empty() {
        return Err(SourceError::malformed(
            "a state of other networks than the one that was asked for",
        ));
    }
    let source = super::ABOUT.name;
    let series = Arc::new(Series {
        entity: entity.clone(),
        source: source.to_owned(),
        signal: "visibility".to_owned(),
    });
    let observed_at = at.floor_to(STEP);
    let facts = gateways(entity, &routes).into_iter().map(|kind| Fact {
        entity: entity.clone(),
        source: source.to_owned(),
        observed_at,
        kind,
    });
    let value = Some(peers.len() as f64);
    let odd = (odd > 0).then(|| Oddity {
        entity: Some(entity.clone()),
        why: format!("{odd} routes of RIPEstat's state of {entity} are malformed"),
    });
    let observations = vec![Observation { series, observed_at, value }];
    Ok(Readings { observations, facts: facts.collect(), odd: odd.into_iter().collect() })
}

/// All routes of a state, to seed a table of routes.
#[derive(Clone, Debug, PartialEq)]
pub struct Routes {
    /// The moment of the state.
    pub at: Timestamp,
    /// One seed for each block and peer.
    pub routes: Vec<Seed>,
}

impl Routes {
    /// Returns the routes inside the block.
    pub fn of(&self, net: IpNet) -> Vec<Seed> {
        self.routes.iter().filter(|seed| net.contains(&seed.net)).cloned().collect()
    }
}

/// Returns all readable routes of a state. Fails as `Data::routes` does.
pub fn routes(data: &Data) -> Result<Routes, SourceError> {
    let at = data.time()?;
    let (routes, _) = data.routes()?;
    let seeds = routes.iter().filter_map(|route| {
        // Such as `00-192.0.2.1`: collector and address.
        let (collector, address) = route.source_id.split_once('-')?;
        let peer =
            Peer { collector: message::collector(collector)?, address: address.parse().ok()? };
        Some(Seed { net: route.target.trunc(), peer, gateway: route.gateway() })
    });
    Ok(Routes { at, routes: seeds.collect() })
}

/// Returns whether the route leads to the entity. A route of a larger block that covers the entity
/// belongs to another network and does not.
fn concerns(entity: &Entity, route: &Route<'_>) -> bool {
    match entity {
        Entity::Prefix(net) => net.contains(&route.target),
        // An origin that is a set may hold any network.
        Entity::Asn(Asn(number)) => {
            route.path.last().is_none_or(|origin| origin == number || *origin == 0)
        }
        _ => false,
    }
}

/// Returns the networks next to the origin, found in the paths, each with the number of prefixes
/// seen through it and the number of peers that see them.
fn gateways(entity: &Entity, routes: &[&Route<'_>]) -> Vec<FactKind> {
    let mut seen: BTreeMap<u32, (BTreeSet<IpNet>, BTreeSet<&str>)> = BTreeMap::new();
    for route in routes {
        if let Some(gateway) = before_the_origin(entity, route) {
            let (prefixes, peers) = seen.entry(gateway).or_default();
            prefixes.insert(route.target);
            peers.insert(route.source_id);
        }
    }
    let mut found: Vec<(u32, u32, u32)> = seen
        .into_iter()
        .map(|(asn, (prefixes, peers))| (peers.len() as u32, prefixes.len() as u32, asn))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.truncate(GATEWAYS);
    let told = |(peers_seeing, prefixes_seen, asn)| FactKind::Gateway {
        asn,
        name: None,
        prefixes_seen,
        peers_seeing,
    };
    found.into_iter().map(told).collect()
}

/// Returns the hop before the origin. An origin that is repeated (prepending) counts once. Returns
/// `None` if the peer is itself the origin, if the origin is another network than the entity, or if
/// either hop is a set.
fn before_the_origin(entity: &Entity, route: &Route<'_>) -> Option<u32> {
    let origin = *route.path.last().filter(|origin| **origin != 0)?;
    if matches!(entity, Entity::Asn(Asn(own)) if *own != origin) {
        return None;
    }
    Some(route.gateway()).filter(|gateway| *gateway != 0)
}

/// The data of `ris-peer-count`.
#[derive(Deserialize)]
pub struct PeerCount {
    peer_count: ByVersion,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ByVersion {
    v4: Member<Feeds>,
    v6: Member<Feeds>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Feeds {
    full_feed: Items<Count>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Count {
    count: Loose,
    timestamp: Loose,
}

/// Returns the newest count of peers with a full table as a fact about each entity: IPv6 peers for
/// an IPv6 block, IPv4 peers for every other entity.
pub fn peers(request: &Request, data: &PeerCount) -> Result<Readings, SourceError> {
    let newest = |feeds: &Member<Feeds>| {
        let counts = feeds.0.iter().flat_map(|feeds| &feeds.full_feed.read);
        let counts = counts.filter_map(|c| Some((c.timestamp.time()?, c.count.whole()?)));
        counts.filter(|(_, total)| *total > 0).max()
    };
    let (v4, v6) = (newest(&data.peer_count.v4), newest(&data.peer_count.v6));
    let facts: Vec<Fact> = request
        .wanted
        .entities
        .iter()
        .filter_map(|entity| {
            let (observed_at, total) =
                if matches!(entity, Entity::Prefix(IpNet::V6(_))) { v6 } else { v4 }?;
            let source = super::ABOUT.name.to_owned();
            Some(Fact {
                entity: entity.clone(),
                source,
                observed_at,
                kind: FactKind::Peers { total },
            })
        })
        .collect();
    if facts.is_empty() {
        return Err(SourceError::empty("RIPEstat has no count of its peers"));
    }
    Ok(Readings { facts, ..Readings::default() })
}

#[cfg(test)]
mod tests {
    use super::super::{PEERS, Ripestat, STATE};
    use super::*;
    use crate::source::{Polled, Query};

    fn read_as(entity: &str, purpose: Purpose, state: &str) -> Result<Readings, SourceError> {
        let until = Timestamp::parse("2025-06-06 17:35").unwrap();
        let wanted =
            Query { entities: vec![entity.parse().unwrap()], from: until - 7200, until, purpose };
        let source = Ripestat::new("");
        let plan = source.plan(&wanted, until, 99);
        let request = plan.iter().find(|r| r.path.contains(STATE)).unwrap();
        let data = format!(
            r#"{{"resource":"131279","timestamp":"2025-06-06T17:32:10","bgp_state":{state}}}"#
        );
        source.read(request, envelope(STATE, &data).as_bytes(), until)
    }

    fn envelope(call: &str, data: &str) -> String {
        format!(
            r#"{{"messages":[],"status":"ok","status_code":200,"data_call_name":"{call}","time":"2025-06-06T21:00:00.1","data":{data}}}"#
        )
    }

    fn route(prefix: &str, path: &str, peer: &str) -> String {
        format!(
            r#"{{"target_prefix":"{prefix}","path":{path},"community":[],"source_id":"{peer}"}}"#
        )
    }

    fn gateways_of(readings: &Readings) -> Vec<(u32, u32, u32)> {
        let row = |fact: &Fact| match fact.kind {
            FactKind::Gateway { asn, prefixes_seen, peers_seeing, .. } => {
                (asn, prefixes_seen, peers_seeing)
            }
            _ => panic!("{fact:?}"),
        };
        readings.facts.iter().map(row).collect()
    }

    #[test]
    fn a_peer_counts_once_and_its_paths_teach_the_gateways() {
        let state = [
            route("175.45.176.0/24", "[64496,64500,4837,131279]", "00-192.0.2.1"),
            route("175.45.177.0/24", r#"["64496","4837","131279","131279"]"#, "00-192.0.2.1"),
            route("175.45.176.0/24", "[64497,20485,131279,131279,131279]", "01-192.0.2.2"),
            route("175.45.177.0/24", "[64498,4837,131279]", "03-2001:db8::1"),
            route("175.45.178.0/24", "[131279]", "04-192.0.2.4"),
            route("175.45.178.0/24", r#"[64496,"{64512}",131279]"#, "04-192.0.2.4"),
        ];
        let readings =
            read_as("asn/131279", Purpose::Live, &format!("[{}]", state.join(","))).unwrap();
        assert_eq!(readings.observations.len(), 1);
        assert_eq!(readings.observations[0].value, Some(4.0));
        assert_eq!(readings.observations[0].observed_at.to_string(), "2025-06-06T17:30:00Z");
        assert_eq!(gateways_of(&readings), [(4837, 2, 2), (20485, 1, 1)]);
    }

    #[test]
    fn only_routes_inside_the_block_speak_of_it() {
        let state = [
            route("175.45.176.0/24", "[4837,131279]", "00-192.0.2.1"),
            route("175.45.176.0/20", "[4837,64500]", "01-192.0.2.2"),
            route("0.0.0.0/0", "[4837]", "02-192.0.2.3"),
        ];
        let readings =
            read_as("prefix/175.45.176.0/22", Purpose::Live, &format!("[{}]", state.join(",")))
                .unwrap();
        assert_eq!(readings.observations[0].value, Some(1.0));
    }

    #[test]
    fn nobody_seeing_it_is_a_zero_only_while_the_state_is_fresh() {
        let fresh = read_as("asn/131279", Purpose::Live, "[]").unwrap();
        assert_eq!(fresh.observations[0].value, Some(0.0));

        let source = Ripestat::new("");
        let later = Timestamp::parse("2025-06-06 18:05").unwrap();
        let entities = vec!["asn/131279".parse().unwrap()];
        let wanted = Query { entities, from: later - 7200, until: later, purpose: Purpose::Live };
        let request = source.plan(&wanted, later, 1).remove(0);
        let read = |state: &str| {
            let data = format!(r#"{{"timestamp":"2025-06-06T17:32:10","bgp_state":{state}}}"#);
            source.read(&request, envelope(STATE, &data).as_bytes(), later)
        };
        let error = read("[]").unwrap_err().to_string();
        assert_eq!(
            error,
            "sent no data: RIPEstat answered with an old state, of 2025-06-06T17:32:10Z"
        );
        let seen =
            read(&format!("[{}]", route("175.45.176.0/24", "[4837,131279]", "00-192.0.2.1")))
                .unwrap();
        assert_eq!(
            seen.observations[0].observed_at.to_string(),
            "2025-06-06T17:30:00Z",
            "at its own time"
        );
    }

    #[test]
    fn a_state_of_the_past_must_be_the_one_that_was_asked_for() {
        let seen = read_as("asn/131279", Purpose::Backfill, "[]").unwrap();
        assert_eq!(seen.observations[0].value, Some(0.0));
        let error = read_as(
            "asn/64500",
            Purpose::Live,
            &format!("[{}]", route("192.0.2.0/24", "[1,2]", "00-a")),
        );
        assert!(error.unwrap_err().to_string().contains("other networks"));
    }

    #[test]
    fn the_peers_are_the_newest_count_of_full_tables() {
        let until = Timestamp::parse("2025-06-06 18:05").unwrap();
        let entities = vec!["asn/131279".parse().unwrap(), "prefix/2001:db8::/32".parse().unwrap()];
        let wanted = Query { entities, from: until - 7200, until, purpose: Purpose::Live };
        let source = Ripestat::new("");
        let plan = source.plan(&wanted, until, 99);
        let request = plan.iter().find(|r| r.path.contains(PEERS)).unwrap();
        let data = r#"{"peer_count":{"v4":{"total":[{"count":900,"timestamp":"2025-06-06T16:00:00"}],
            "full_feed":[{"count":352,"timestamp":"2025-06-06T16:00:00"},{"count":350,"timestamp":"2025-06-06T08:00:00"}]},
            "v6":{"total":[],"full_feed":[]}}}"#;
        let facts = source.read(request, envelope(PEERS, data).as_bytes(), until).unwrap().facts;
        assert_eq!(facts.len(), 1, "nothing is known of version 6");
        assert_eq!(facts[0].kind, FactKind::Peers { total: 352 });
        assert_eq!(facts[0].observed_at.to_string(), "2025-06-06T16:00:00Z");
    }
}
