//! RIPEstat of the RIPE NCC: plans requests and opens replies. Facts and traps:
//! docs/sources/ripestat.md

mod country;
mod envelope;
mod state;

pub use state::Routes;

use super::{Polled, PublishSchedule, Purpose, Query, Readings, Request, SourceError, SourceInfo};
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{Asn, Entity, Seconds, Timestamp};
use ipnet::IpNet;

/// Names, address and limits of RIPEstat. It allows 8 concurrent requests, and asks callers above
/// about 1,000 calls a day to register.
pub const ABOUT: SourceInfo = SourceInfo {
    name: "ripestat",
    title: "RIPEstat",
    url: "https://stat.ripe.net",
    url_variable: "LINKDOWN_RIPESTAT_URL",
    token_variable: None,
    attribution: "RIPE NCC (RIS, RIPEstat)",
    in_flight: 2,
    spacing: 1,
    calls_a_day: Some(1000),
    refusal: envelope::refusal,
};

const COUNTRY: &str = "country-routing-stats";
const STATE: &str = "bgp-state";
const PEERS: &str = "ris-peer-count";

/// The longest window, in seconds, for which the five-minute series is requested. RIPEstat itself
/// coarsens longer windows.
const FINE_WINDOW: Seconds = 2 * DAY;
/// Number of past states of each network or block in one step of a backfill. In a step of two days
/// that is one every eight hours, as often as the RIPE NCC itself counts.
const PAST_STATES: i64 = 6;
/// The part of every eight hours, in seconds from 00, 08 and 16 UTC, in which a tick also requests
/// the count of peers. The count is renewed at those hours, and a plan has no memory of earlier
/// ticks.
const PEERS_DUE: std::ops::Range<Seconds> = 2 * HOUR..2 * HOUR + 15 * MINUTE;

/// The source `ripestat`.
#[derive(Debug)]
pub struct Ripestat {
    /// The parameter `sourceapp`, by which the RIPE NCC identifies callers.
    app: String,
}

impl Ripestat {
    /// Builds the source. Only the ASCII letters, digits, `-` and `_` of `operator` are used, 40 at
    /// most; it may be empty.
    pub fn new(operator: &str) -> Self {
        let known: String = operator
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            .take(40)
            .collect();
        Self {
            app: if known.is_empty() { "linkdown".to_owned() } else { format!("linkdown-{known}") },
        }
    }

    fn request<const N: usize>(
        &self,
        call: &str,
        resource: String,
        more: [(&str, String); N],
        w: Query,
    ) -> Request {
        let mut request = Request::new(format!("/data/{call}/data.json"), more, w);
        if !resource.is_empty() {
            request.query.insert(0, ("resource".to_owned(), resource));
        }
        request.query.push(("sourceapp".to_owned(), self.app.clone()));
        request
    }

    /// Returns the request for a country's prefixes over the window, or for the present state of a
    /// network or block.
    fn now(&self, entity: &Entity, wanted: &Query) -> Option<Request> {
        let resource = resource(entity)?;
        let wanted = wanted.about(std::slice::from_ref(entity));
        Some(match entity {
            Entity::Country(_) => {
                let fine = wanted.until - wanted.from <= FINE_WINDOW;
                let window = [
                    ("starttime", wanted.from.unix().to_string()),
                    ("endtime", wanted.until.unix().to_string()),
                    ("resolution", if fine { "5m" } else { "1h" }.to_owned()),
                ];
                self.request(COUNTRY, resource, window, wanted)
            }
            _ => self.request(STATE, resource, [("unix_timestamps", "FALSE".to_owned())], wanted),
        })
    }

    /// Returns the requests for states of networks and blocks at moments of the window: newest
    /// moment first, all entities at each moment.
    fn past_states(&self, wanted: &Query) -> Vec<Request> {
        let entities: Vec<&Entity> =
            wanted.entities.iter().filter(|entity| has_state(entity)).collect();
        let window = wanted.until - wanted.from;
        if entities.is_empty() || window <= 0 {
            return Vec::new();
        }
        let apart = (window / PAST_STATES / (30 * MINUTE)).max(1) * 30 * MINUTE;
        let mut requests = Vec::new();
        let mut at = (wanted.until - 1).floor_to(30 * MINUTE);
        while at >= wanted.from {
            for entity in &entities {
                let one = wanted.about(std::slice::from_ref(*entity)).between(at, at + state::STEP);
                let moment =
                    [("timestamp", at.unix().to_string()), ("unix_timestamps", "FALSE".to_owned())];
                requests.extend(
                    resource(entity).map(|resource| self.request(STATE, resource, moment, one)),
                );
            }
            at = at - apart;
        }
        requests
    }

    /// Returns the request for the number of RIS peers over the last day, three values eight hours
    /// apart; `None` if no entity is a network or block.
    fn peers(&self, wanted: &Query, now: Timestamp) -> Option<Request> {
        let counted: Vec<Entity> =
            wanted.entities.iter().filter(|entity| has_state(entity)).cloned().collect();
        let until = wanted.until.unix().min(now.unix());
        let window = [("starttime", (until - DAY).to_string()), ("endtime", until.to_string())];
        (!counted.is_empty())
            .then(|| self.request(PEERS, String::new(), window, wanted.about(&counted)))
    }
}

/// Returns whether the state of the entity is requested: the state of a country may be hundreds of
/// megabytes.
fn has_state(entity: &Entity) -> bool {
    matches!(entity, Entity::Asn(_) | Entity::Prefix(_))
}

fn resource(entity: &Entity) -> Option<String> {
    match entity {
        Entity::Country(code) => Some(code.as_str().to_ascii_lowercase()),
        Entity::Asn(Asn(number)) => Some(format!("AS{number}")),
        Entity::Prefix(net) => Some(net.to_string()),
        Entity::Region(_) | Entity::Site(_) | Entity::Name(_) => None,
    }
}

/// Maximum number of blocks in one call for their state.
pub const NETS_AT_ONCE: usize = 20;

/// Returns the request for the present state of these blocks, to seed a table of routes. `app` is
/// the parameter `sourceapp`, by which the RIPE NCC identifies callers.
pub fn state_of(app: &str, nets: &[IpNet]) -> Request {
    let resource: Vec<String> = nets.iter().map(ToString::to_string).collect();
    let wanted = Query {
        entities: Vec::new(),
        from: Timestamp::default(),
        until: Timestamp::default(),
        purpose: Purpose::Live,
    };
    let query = [
        ("resource", resource.join(",")),
        ("unix_timestamps", "FALSE".to_owned()),
        ("sourceapp", app.to_owned()),
    ];
    Request::new(format!("/data/{STATE}/data.json"), query, wanted)
}

/// Reads the reply to [`state_of`]. Fails if too many routes are malformed.
pub fn routes(body: &[u8]) -> Result<Routes, SourceError> {
    state::routes(&envelope::open(STATE, body)?)
}

impl Polled for Ripestat {
    fn about(&self) -> &'static SourceInfo {
        &ABOUT
    }

    fn covers(&self, entity: &Entity) -> bool {
        resource(entity).is_some()
    }

    /// Plans one call for each entity, most urgent first. A backfill adds past states while the
    /// allowance lasts.
    fn plan(&self, wanted: &Query, now: Timestamp, allowance: u32) -> Vec<Request> {
        let live = wanted.entities.iter().filter_map(|entity| self.now(entity, wanted));
        let mut requests: Vec<Request> = match wanted.purpose {
            Purpose::Question => live.collect(),
            Purpose::Live => {
                let due = PEERS_DUE.contains(&now.unix().rem_euclid(8 * HOUR));
                live.chain(self.peers(wanted, now).filter(|_| due)).collect()
            }
            Purpose::Backfill => {
                let countries = wanted.entities.iter().filter(|e| e.country().is_some());
                let series = countries.filter_map(|entity| self.now(entity, wanted));
                series.chain(self.peers(wanted, now)).chain(self.past_states(wanted)).collect()
            }
        };
        requests.truncate(allowance as usize);
        requests
    }

    fn read(
        &self,
        request: &Request,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<Readings, SourceError> {
        match request.path.split('/').nth(2) {
            Some(COUNTRY) => country::read(request, &envelope::open(COUNTRY, body)?),
            Some(PEERS) => state::peers(request, &envelope::open(PEERS, body)?),
            _ => state::read(request, &envelope::open(STATE, body)?, received_at),
        }
    }

    /// Returns the same for both signals: replies are computed on request and are some minutes old.
    fn rhythm(&self, _signal: &str) -> PublishSchedule {
        PublishSchedule { step: state::STEP, delay: 10 * MINUTE }
    }

    fn link(&self, entity: &Entity, _from: Timestamp, _until: Timestamp) -> Option<String> {
        match entity {
            Entity::Country(code) => Some(format!("https://stat.ripe.net/{code}")),
            _ => resource(entity).map(|resource| format!("https://stat.ripe.net/{resource}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(entities: &[&str], days: i64, purpose: Purpose) -> Query {
        let until = Timestamp::parse("2025-06-06 18:00").unwrap();
        let entities = entities.iter().map(|e| e.parse().unwrap()).collect();
        Query { entities, from: until - days * DAY, until, purpose }
    }

    fn calls(wanted: &Query, now: &str, allowance: u32) -> Vec<String> {
        let shown = |r: &Request| {
            let call = r.path.split('/').nth(2).unwrap_or_default();
            let time =
                r.value_of("timestamp").and_then(|t| t.parse().ok()).map(Timestamp::from_unix);
            let time = time.map_or_else(String::new, |t| format!(" {t}"));
            format!("{call} {}{time}", r.value_of("resource").unwrap_or("-"))
        };
        let source = Ripestat::new("ops@example.org");
        source.plan(wanted, Timestamp::parse(now).unwrap(), allowance).iter().map(shown).collect()
    }

    #[test]
    fn a_tick_asks_one_call_an_entity_and_the_most_urgent_first() {
        let w = wanted(
            &["asn/131279", "country/KP", "site/kcna.kp", "prefix/175.45.176.0/22"],
            0,
            Purpose::Live,
        );
        let all = ["bgp-state AS131279", "country-routing-stats kp", "bgp-state 175.45.176.0/22"];
        assert_eq!(calls(&w, "2025-06-06 18:20", 9), all);
        assert_eq!(calls(&w, "2025-06-06 18:20", 1), &all[..1]);
    }

    #[test]
    fn the_peers_are_counted_three_times_a_day() {
        let w = wanted(&["asn/131279"], 0, Purpose::Live);
        assert_eq!(calls(&w, "2025-06-06 18:05", 9), ["bgp-state AS131279", "ris-peer-count -"]);
        let w = wanted(&["country/KP"], 0, Purpose::Live);
        assert_eq!(calls(&w, "2025-06-06 18:05", 9), ["country-routing-stats kp"]);
    }

    #[test]
    fn a_step_of_a_backfill_learns_the_normal_from_a_few_moments() {
        let w = wanted(&["country/KP", "asn/131279"], 2, Purpose::Backfill);
        let seen = calls(&w, "2025-06-06 18:00", 999);
        assert_eq!(seen.len(), 1 + 1 + 6);
        assert_eq!(seen[..2], ["country-routing-stats kp", "ris-peer-count -"]);
        assert_eq!(seen[2], "bgp-state AS131279 2025-06-06T17:30:00Z");
        assert_eq!(seen[3], "bgp-state AS131279 2025-06-06T09:30:00Z");
    }

    #[test]
    fn we_are_known_by_a_plain_name() {
        let w = wanted(&["country/KP"], 0, Purpose::Live);
        let request = Ripestat::new("ops@example.org").plan(&w, w.until, 1).remove(0);
        assert_eq!(request.value_of("sourceapp"), Some("linkdown-opsexampleorg"));
        assert_eq!(request.value_of("resolution"), Some("5m"));
    }

    #[test]
    fn the_link_leads_to_the_resource() {
        let link = |e: &str| {
            Ripestat::new("").link(&e.parse().unwrap(), Timestamp::default(), Timestamp::default())
        };
        assert_eq!(link("country/KP").unwrap(), "https://stat.ripe.net/KP");
        assert_eq!(link("asn/131279").unwrap(), "https://stat.ripe.net/AS131279");
        assert_eq!(link("site/kcna.kp"), None);
    }
}
