//! IODA of Georgia Tech: plans requests and opens replies. Facts and traps: docs/sources/ioda.md

mod outages;
mod signals;

use super::json::{Member, excerpt, parse};
use super::{Polled, PublishSchedule, Purpose, Query, Readings, Request, SourceError, SourceInfo};
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{Asn, Entity, Seconds, Timestamp};
use serde::Deserialize;

/// Names, address and limits of IODA. It documents no limit; one request at a time, two seconds
/// apart, is our own choice.
pub const ABOUT: SourceInfo = SourceInfo {
    name: "ioda",
    title: "IODA",
    url: "https://api.ioda.inetintel.cc.gatech.edu/v2",
    url_variable: "LINKDOWN_IODA_URL",
    token_variable: None,
    attribution: "IODA, Georgia Tech",
    in_flight: 1,
    spacing: 2,
    calls_a_day: None,
    refusal,
};

const BGP: &str = "bgp";
const PING: &str = "ping-slash24";
const TELESCOPE: &str = "merit-nt";
const GOOGLE: &str = "gtr";

/// Maximum number of entity codes in one request: they take some hundred bytes of the address, and
/// 14 days of their data are about a megabyte.
const CODES: usize = 40;
/// The longest window of one request; IODA answers 400 to a longer one.
const LONGEST_WINDOW: Seconds = 100 * DAY;
/// The `limit` of events and alerts in one reply; IODA drops the rest.
const REPORTS: &str = "500";

/// The source `ioda`; it has no state.
#[derive(Debug)]
pub struct Ioda;

/// The kinds of entities that IODA knows, as they stand in its addresses and replies.
const KINDS: [&str; 3] = ["country", "region", "asn"];

fn kind_and_code(entity: &Entity) -> Option<(&'static str, String)> {
    match entity {
        Entity::Country(code) => Some((KINDS[0], code.to_string())),
        Entity::Region(code) => Some((KINDS[1], code.clone())),
        Entity::Asn(Asn(number)) => Some((KINDS[2], number.to_string())),
        Entity::Prefix(_) | Entity::Site(_) | Entity::Name(_) => None,
    }
}

impl Polled for Ioda {
    fn about(&self) -> &'static SourceInfo {
        &ABOUT
    }

    fn covers(&self, entity: &Entity) -> bool {
        kind_and_code(entity).is_some()
    }

    /// Plans one call for each datasource and for up to 40 entities of a kind. Routing and probing
    /// come first, since they decide a verdict.
    fn plan(&self, wanted: &Query, _now: Timestamp, allowance: u32) -> Vec<Request> {
        let datasources: &[&str] = match wanted.purpose {
            Purpose::Live | Purpose::Backfill => &[BGP, PING, TELESCOPE, GOOGLE],
            // A chat expects its answer within seconds, and two calls are two seconds apart.
            Purpose::Question => &[BGP, PING],
        };
        let mut requests = Vec::new();
        for window in windows(wanted) {
            for datasource in datasources {
                requests.extend(
                    groups(&window).filter_map(|group| signals::request(datasource, group)),
                );
            }
        }
        let reports: &[&str] = match wanted.purpose {
            Purpose::Live => &["events", "alerts"],
            Purpose::Question => &["events"],
            Purpose::Backfill => &[],
        };
        for report in reports {
            requests.extend(groups(wanted).map(|group| outages::request(report, group)));
        }
        requests.truncate(allowance as usize);
        requests
    }

    fn read(
        &self,
        request: &Request,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<Readings, SourceError> {
        match request.path.as_str() {
            "/outages/events" => {
                outages::events(request, data(body)?, received_at).unless_all_odd()
            }
            "/outages/alerts" => {
                outages::alerts(request, data(body)?, received_at).unless_all_odd()
            }
            _ => signals::read(request, &data(body)?, received_at),
        }
    }

    fn rhythm(&self, signal: &str) -> PublishSchedule {
        match signal {
            PING => PublishSchedule { step: 600, delay: 20 * MINUTE },
            GOOGLE => PublishSchedule { step: 1800, delay: 3 * HOUR },
            _ => PublishSchedule { step: 300, delay: 25 * MINUTE },
        }
    }

    fn link(&self, entity: &Entity, from: Timestamp, until: Timestamp) -> Option<String> {
        let (kind, code) = kind_and_code(entity)?;
        let (from, until) = (from.unix(), until.unix());
        Some(format!(
            "https://ioda.inetintel.cc.gatech.edu/{kind}/{code}?from={from}&until={until}"
        ))
    }
}

/// Entities of one kind for one request, most urgent first.
struct Group {
    kind: &'static str,
    codes: String,
    wanted: Query,
}

fn groups(wanted: &Query) -> impl Iterator<Item = Group> {
    KINDS.into_iter().flat_map(|kind| {
        let of_kind: Vec<Entity> = wanted
            .entities
            .iter()
            .filter(|e| kind_and_code(e).is_some_and(|(k, _)| k == kind))
            .cloned()
            .collect();
        let chunks: Vec<Group> = of_kind
            .chunks(CODES)
            .map(|chunk| {
                let codes: Vec<String> =
                    chunk.iter().filter_map(kind_and_code).map(|(_, code)| code).collect();
                Group { kind, codes: codes.join(","), wanted: wanted.about(chunk) }
            })
            .collect();
        chunks
    })
}

/// Cuts the query into windows that IODA accepts, oldest first.
fn windows(wanted: &Query) -> Vec<Query> {
    let mut windows = Vec::new();
    let mut from = wanted.from;
    while from < wanted.until {
        let until = wanted.until.min(from + LONGEST_WINDOW);
        windows.push(wanted.between(from, until));
        from = until;
    }
    windows
}

/// The wrapper of every reply.
#[derive(Deserialize)]
struct Envelope<T> {
    #[serde(default)]
    error: Member<String>,
    #[serde(default = "none")]
    data: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

/// Returns the data of a reply. Fails with `Refused` if the reply holds an error text, even with
/// status 200.
fn data<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, SourceError> {
    let envelope: Envelope<T> = parse(body)?;
    match envelope {
        Envelope { error: Member(Some(said)), .. } if !said.is_empty() => {
            Err(SourceError::Refused { status: 200, said: excerpt(&said) })
        }
        Envelope { data: Some(data), .. } => Ok(data),
        Envelope { data: None, .. } => Err(SourceError::empty("IODA's answer has no data at all")),
    }
}

fn refusal(status: u16, body: &[u8]) -> SourceError {
    let said =
        parse::<Envelope<serde::de::IgnoredAny>>(body).ok().and_then(|envelope| envelope.error.0);
    SourceError::Refused { status, said: excerpt(&said.unwrap_or_default()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(entities: &[&str], purpose: Purpose) -> Query {
        Query {
            entities: entities.iter().map(|e| e.parse().unwrap()).collect(),
            from: Timestamp::parse("2025-06-06 16:00").unwrap(),
            until: Timestamp::parse("2025-06-06 18:00").unwrap(),
            purpose,
        }
    }

    fn paths(wanted: &Query, allowance: u32) -> Vec<String> {
        let shown = |r: &Request| match r.value_of("datasource") {
            Some(datasource) => format!("{} {datasource}", r.path),
            None => format!("{} {}", r.path, r.value_of("entityCode").unwrap_or_default()),
        };
        Ioda.plan(wanted, wanted.until, allowance).iter().map(shown).collect()
    }

    #[test]
    fn a_tick_asks_for_one_datasource_a_call_with_all_codes_of_a_kind() {
        let all =
            wanted(&["country/KP", "asn/131279", "country/IR", "site/kcna.kp"], Purpose::Live);
        assert_eq!(
            paths(&all, 99),
            [
                "/signals/raw/country/KP,IR bgp",
                "/signals/raw/asn/131279 bgp",
                "/signals/raw/country/KP,IR ping-slash24",
                "/signals/raw/asn/131279 ping-slash24",
                "/signals/raw/country/KP,IR merit-nt",
                "/signals/raw/asn/131279 merit-nt",
                "/signals/raw/country/KP,IR gtr",
                "/outages/events KP,IR",
                "/outages/events 131279",
                "/outages/alerts KP,IR",
                "/outages/alerts 131279",
            ]
        );
        assert_eq!(
            paths(&all, 2),
            ["/signals/raw/country/KP,IR bgp", "/signals/raw/asn/131279 bgp"]
        );
    }

    #[test]
    fn a_question_costs_few_calls() {
        assert_eq!(paths(&wanted(&["country/KP"], Purpose::Question), 99).len(), 3);
    }

    #[test]
    fn a_window_longer_than_a_hundred_days_is_cut() {
        let mut year = wanted(&["country/KP"], Purpose::Backfill);
        year.from = year.until - 365 * DAY;
        let requests = Ioda.plan(&year, year.until, 99);
        assert_eq!(requests.len(), 16);
        assert!(requests.iter().all(|r| r.wanted.until - r.wanted.from <= LONGEST_WINDOW));
        assert_eq!(requests[0].wanted.from, year.from);
        assert_eq!(requests[15].wanted.until, year.until);
    }

    #[test]
    fn many_codes_are_spread_over_requests() {
        let names: Vec<String> = (1..=95).map(|n| format!("asn/{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let requests = Ioda.plan(&wanted(&names, Purpose::Backfill), Timestamp::default(), 99);
        let sizes: Vec<usize> = requests.iter().map(|r| r.wanted.entities.len()).collect();
        assert_eq!(sizes, [40, 40, 15, 40, 40, 15, 40, 40, 15]);
    }

    #[test]
    fn the_link_leads_to_the_entity_and_the_window() {
        let w = wanted(&["country/KP"], Purpose::Live);
        assert_eq!(
            Ioda.link(&w.entities[0], w.from, w.until).unwrap(),
            "https://ioda.inetintel.cc.gatech.edu/country/KP?from=1749225600&until=1749232800"
        );
        assert_eq!(Ioda.link(&"site/kcna.kp".parse().unwrap(), w.from, w.until), None);
    }
}
