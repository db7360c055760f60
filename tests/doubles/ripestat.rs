//! RIPEstat as docs/sources/ripestat.md has it.

use super::script::Script;
use super::server::{Answer, Asked, Fault, Server};
use linkdown::clock::Clock;
use linkdown::domain::time::{DAY, HOUR, MINUTE};
use linkdown::domain::{Entity, Seconds, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// Requests of one address that may be under way at once.
const AT_ONCE: usize = 8;

pub struct RipestatDouble {
    server: Server,
    world: Arc<World>,
}

struct World {
    clock: Clock,
    script: Script,
    /// Prefixes and gateways.
    announced: Mutex<BTreeMap<Entity, Announced>>,
    peers: Mutex<u32>,
    stale: Mutex<Seconds>,
    /// Resources that are answered 400, as they are asked for.
    refused: Mutex<BTreeSet<String>>,
}

type Announced = (Vec<String>, Vec<u32>);

impl RipestatDouble {
    pub async fn start(clock: Clock) -> Self {
        let world = Arc::new(World {
            clock: clock.clone(),
            script: Script::default(),
            announced: Mutex::default(),
            peers: Mutex::new(352),
            stale: Mutex::default(),
            refused: Mutex::default(),
        });
        let answering = Arc::clone(&world);
        let handler =
            Arc::new(move |asked: &Asked, fault: Option<&Fault>| answering.answer(asked, fault));
        Self { server: Server::start(clock, AT_ONCE, handler).await, world }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// `prefixes` of a country, or `visibility` (how many peers see it) of a network or block, by time.
    pub fn set(
        &self,
        entity: &str,
        signal: &str,
        values: impl Fn(Timestamp) -> Option<f64> + Send + Sync + 'static,
    ) {
        self.world.script.set(entity, signal, Arc::new(move |at, _| values(at)));
    }

    /// The prefixes of a network or block, and the neighbours through which its peers reach it by turns.
    pub fn announces(&self, entity: &str, prefixes: &[&str], gateways: &[u32]) {
        let prefixes = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
        self.world
            .announced
            .lock()
            .unwrap()
            .insert(entity.parse().unwrap(), (prefixes, gateways.to_vec()));
    }

    /// Full-table peers in all.
    pub fn peers(&self, total: u32) {
        *self.world.peers.lock().unwrap() = total;
    }

    /// Its states are older than they should be by so much.
    pub fn lags(&self, seconds: Seconds) {
        *self.world.stale.lock().unwrap() = seconds;
    }

    /// Answers 400 to each question about the resource (`zz`, `AS64500`) from now on: it is not a known one.
    pub fn refuses(&self, resource: &str) {
        self.world.refused.lock().unwrap().insert(resource.to_owned());
    }

    /// Knows the resource again.
    pub fn knows(&self, resource: &str) {
        self.world.refused.lock().unwrap().remove(resource);
    }

    pub fn fault(&self, fault: Fault) {
        self.server.fault(fault);
    }

    pub fn fault_for(&self, times: usize, fault: Fault) {
        self.server.fault_for(times, fault);
    }

    pub fn heal(&self) {
        self.server.heal();
    }

    pub fn requests(&self) -> Vec<Asked> {
        self.server.requests()
    }
}

impl World {
    fn answer(&self, asked: &Asked, fault: Option<&Fault>) -> Answer {
        let path: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        let ["data", call, "data.json"] = path.as_slice() else {
            return Answer::json(404, &"\"no such page\"");
        };
        if fault == Some(&Fault::ErrorInside) {
            return envelope(call, 200, Err("the request took too long"));
        }
        let app = asked.value("sourceapp").unwrap_or_default();
        if app.is_empty()
            || !app.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        {
            return envelope(
                call,
                400,
                Err("say who you are: sourceapp of letters, digits, - and _"),
            );
        }
        let resource = asked.value("resource").unwrap_or_default();
        if self.refused.lock().unwrap().contains(resource) {
            return envelope(call, 400, Err("not a known country code"));
        }
        let data = match *call {
            "country-routing-stats" => self.country(asked, fault),
            "bgp-state" => self.state(asked, fault),
            "ris-peer-count" => self.peer_count(asked),
            _ => Err("unknown data call"),
        };
        envelope(call, if data.is_ok() { 200 } else { 400 }, data)
    }

    fn country(&self, asked: &Asked, fault: Option<&Fault>) -> Result<Value, &'static str> {
        let code = asked.value("resource").unwrap_or_default();
        let entity: Entity = format!("country/{code}")
            .parse()
            .map_err(|_| "bad resource: a country code is needed")?;
        let (from, until) = (time(asked, "starttime")?, time(asked, "endtime")?);
        let (from, until) = (from.ok_or("starttime missing")?, until.ok_or("endtime missing")?);
        let wished = match asked.value("resolution") {
            Some("5m") => 5 * MINUTE,
            Some("1h") => HOUR,
            Some("1d") => DAY,
            _ => return Err("bad resolution"),
        };
        // Coarser than asked for is what long windows get.
        let step = wished.max(match until - from {
            window if window >= 29 * DAY => DAY,
            window if window >= 4 * DAY => HOUR,
            _ => 0,
        });
        let latest = until.min(self.clock.now() - 5 * MINUTE).floor_to(step);
        let mut runs: Vec<(f64, Vec<(Timestamp, Timestamp)>)> = Vec::new();
        let mut at = from.floor_to(step);
        // The newest bin begins at the newest time.
        while at <= latest {
            let value = self.script.value(&entity, "prefixes", at, 0, at).unwrap_or(-1.0);
            let value = if fault == Some(&Fault::Negative) { -1.0 } else { value };
            let next = at + step;
            match runs.iter_mut().find(|(held, _)| held.total_cmp(&value).is_eq()) {
                // An end is inclusive: it is the start of the last bin.
                Some((_, intervals))
                    if intervals.last().is_some_and(|(_, last)| *last + step == at) =>
                {
                    intervals.last_mut().unwrap().1 = at;
                }
                Some((_, intervals)) => intervals.push((at, at)),
                None => runs.push((value, vec![(at, at)])),
            }
            at = next;
        }
        let interval = |(start, end): &(Timestamp, Timestamp)| json!({"starttime": iso(*start), "endtime": iso(*end)});
        // One entry for each distinct value, in no order.
        let entries = runs.iter().rev().map(|(value, intervals)| {
            let timeline: Vec<Value> = intervals.iter().map(interval).collect();
            json!({"timeline": timeline, "v4_prefixes_ris": value, "v6_prefixes_ris": 0, "asns_ris": 1,
                "v4_prefixes_stats": -1, "v6_prefixes_stats": -1, "asns_stats": -1})
        });
        let stats: Vec<Value> =
            if fault == Some(&Fault::EmptyData) { Vec::new() } else { entries.collect() };
        let resolution = if step == DAY {
            "1d"
        } else if step == HOUR {
            "1h"
        } else {
            "5m"
        };
        Ok(json!({"resource": code.to_uppercase(), "resolution": resolution, "stats": stats,
            "latest_time": iso(latest), "hd_latest_time": iso(latest)}))
    }

    /// Of one resource, or of several with commas between them.
    fn state(&self, asked: &Asked, fault: Option<&Fault>) -> Result<Value, &'static str> {
        let resources = asked.value("resource").unwrap_or_default();
        let mut all: Option<Value> = None;
        for resource in resources.split(',') {
            let mut one = self.state_of(resource, asked, fault)?;
            if let Some(all) = &mut all {
                let more = one["bgp_state"].as_array_mut().map(std::mem::take).unwrap_or_default();
                all["bgp_state"].as_array_mut().unwrap().extend(more);
            } else {
                all = Some(one);
            }
        }
        let mut all = all.unwrap();
        all["resource"] = json!(resources.trim_start_matches("AS"));
        all["nr_routes"] = json!(all["bgp_state"].as_array().map_or(0, Vec::len));
        Ok(all)
    }

    fn state_of(
        &self,
        resource: &str,
        asked: &Asked,
        fault: Option<&Fault>,
    ) -> Result<Value, &'static str> {
        let digits = resource.trim_start_matches("AS");
        let entity: Entity = [format!("asn/{digits}"), format!("prefix/{resource}")]
            .iter()
            .find_map(|text| text.parse().ok())
            .ok_or("bad resource: a prefix or AS number is needed")?;
        let now = self.clock.now();
        let at = time(asked, "timestamp")?.unwrap_or(now - *self.stale.lock().unwrap());
        if at > now {
            return Err("timestamp lies in the future");
        }
        let seen = self.script.value(&entity, "visibility", at, 0, at).unwrap_or(0.0) as u32;
        let empty = matches!(fault, Some(Fault::EmptyData | Fault::Negative));
        let announced = self.announced.lock().unwrap();
        let (prefixes, gateways) = announced.get(&entity).cloned().unwrap_or_else(|| {
            let prefix = match &entity {
                Entity::Prefix(net) => net.to_string(),
                _ => "192.0.2.0/24".to_owned(),
            };
            (vec![prefix], vec![64_500])
        });
        let origin = digits.parse::<u32>().unwrap_or(64_501);
        let routes: Vec<Value> = (0..if empty { 0 } else { seen })
            .flat_map(|peer| {
                let gateway = gateways[peer as usize % gateways.len()];
                // Some routers prepend, and some items come as text.
                let path = if peer % 2 == 0 { json!([64_496 + peer, gateway, origin, origin]) } else { json!([64_496 + peer, gateway.to_string(), origin]) };
                let source_id = format!("{:02}-198.51.{}.{}", peer % 27, peer / 250, peer % 250);
                prefixes.iter().map(move |prefix| json!({"target_prefix": prefix, "path": path, "community": [], "source_id": source_id})).collect::<Vec<_>>()
            })
            .collect();
        Ok(
            json!({"resource": digits, "timestamp": iso(at), "nr_routes": routes.len(), "bgp_state": routes}),
        )
    }

    fn peer_count(&self, asked: &Asked) -> Result<Value, &'static str> {
        let (Some(from), Some(until)) = (time(asked, "starttime")?, time(asked, "endtime")?) else {
            return Err("starttime and endtime are needed");
        };
        let total = *self.peers.lock().unwrap();
        let mut counts = Vec::new();
        let mut at = until.floor_to(8 * HOUR);
        while at >= from {
            counts.push(json!({"count": total, "timestamp": iso(at)}));
            at = at - 8 * HOUR;
        }
        Ok(
            json!({"peer_count": {"v4": {"total": [], "full_feed": counts}, "v6": {"total": [], "full_feed": []}},
            "v4_full_prefix_threshold": 800_000, "v6_full_prefix_threshold": 150_000}),
        )
    }
}

/// ISO without a zone, as all its times are.
fn iso(at: Timestamp) -> String {
    at.to_string().trim_end_matches('Z').to_owned()
}

/// Epoch or ISO; fractional seconds with `Z` are refused.
fn time(asked: &Asked, key: &str) -> Result<Option<Timestamp>, &'static str> {
    let Some(text) = asked.value(key) else { return Ok(None) };
    if text.contains('.') && text.ends_with('Z') {
        return Err("bad time");
    }
    let read = text.parse().ok().map(Timestamp::from_unix).or_else(|| Timestamp::parse(text));
    read.map(Some).ok_or("bad time")
}

fn envelope(call: &str, code: u16, data: Result<Value, &str>) -> Answer {
    let (status, messages, data) = match data {
        Ok(data) => {
            ("ok", json!([["info", "Results exclude routes with very low visibility (…)"]]), data)
        }
        Err(why) => ("error", json!([["error", why]]), json!({})),
    };
    Answer::json(
        code,
        &json!({"messages": messages, "see_also": [], "version": "1.2", "data_call_name": call,
            "data_call_status": "supported", "cached": false, "status": status, "status_code": code,
            "time": "2099-01-01T00:00:00.123456", "data": data}),
    )
}
