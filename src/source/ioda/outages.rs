//! IODA's own outage events and alerts: kept as reports that corroborate, never as a verdict.

use super::{Group, Ioda, REPORTS};
use crate::domain::{Entity, Fact, FactKind, Seconds, Timestamp};
use crate::source::json::{Loose, sane};
use crate::source::{Polled, Readings, Request};
use serde::Deserialize;
use std::collections::BTreeMap;

/// IODA publishes a bin some 25 minutes late, so nothing can be known to have ended within the last five.
const CUT_BY_THE_WINDOW: Seconds = 300;

/// `report` is `events` or `alerts`.
pub fn request(report: &str, group: Group) -> Request {
    let query = [
        ("from", group.wanted.from.unix().to_string()),
        ("until", group.wanted.until.unix().to_string()),
        ("entityType", group.kind.to_owned()),
        ("entityCode", group.codes),
        ("limit", REPORTS.to_owned()),
    ];
    Request::new(format!("/outages/{report}"), query, group.wanted)
}

#[derive(Deserialize)]
pub struct Event {
    /// `country/KP`, as we write it too.
    location: String,
    start: i64,
    duration: Seconds,
    #[serde(default)]
    method: Option<String>,
    datasource: String,
    #[serde(default)]
    score: Loose,
    #[serde(default)]
    overlaps_window: bool,
}

/// An event that is still open ends, in the reply, where the question did: that is no recovery.
pub fn events(request: &Request, data: Vec<Event>, received_at: Timestamp) -> Readings {
    let mut facts = Vec::new();
    for event in data {
        let Some(entity) = wanted(request, &event.location) else { continue };
        let started_at = Timestamp::from_unix(event.start);
        let end = started_at + event.duration.max(0);
        let is_open = event.overlaps_window && request.wanted.until - end <= CUT_BY_THE_WINDOW;
        let method = event.method.unwrap_or_default();
        let what = match event.score.number().and_then(sane) {
            Some(score) => format!("IODA outage event in {} (score {score:.0})", event.datasource),
            None => format!("IODA outage event in {}", event.datasource),
        };
        facts.push(Fact {
            source: super::ABOUT.name.to_owned(),
            observed_at: received_at,
            kind: FactKind::Report {
                id: format!("event/{}/{}/{method}/{}", event.location, event.datasource, event.start),
                what,
                started_at,
                ended_at: (!is_open).then_some(end),
                cause: None,
                link: Ioda.link(&entity, started_at - 6 * 3600, request.wanted.until),
            },
            entity,
        });
    }
    Readings { observations: Vec::new(), facts }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    datasource: String,
    entity: Subject,
    time: i64,
    level: String,
    #[serde(default)]
    value: Loose,
    #[serde(default)]
    history_value: Loose,
    #[serde(default)]
    method: Option<String>,
}

#[derive(Deserialize)]
struct Subject {
    code: String,
    r#type: String,
}

/// An alert ends with the next one of the same entity, datasource and method whose level is `normal`. A `normal` whose
/// beginning lies before the window is told as it came, begun and ended at its own time.
pub fn alerts(request: &Request, mut data: Vec<Alert>, received_at: Timestamp) -> Readings {
    data.sort_by_key(|alert| alert.time);
    let mut open: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut facts: Vec<Fact> = Vec::new();
    for alert in data {
        let location = format!("{}/{}", alert.entity.r#type, alert.entity.code);
        let Some(entity) = wanted(request, &location) else { continue };
        let at = Timestamp::from_unix(alert.time);
        let thread = format!("{location}/{}/{}", alert.datasource, alert.method.unwrap_or_default());
        let is_over = alert.level == "normal";
        if is_over && let Some(begun) = open.remove(&thread) {
            for index in begun {
                if let FactKind::Report { ended_at, .. } = &mut facts[index].kind {
                    *ended_at = Some(at);
                }
            }
            continue;
        }
        if !is_over {
            open.entry(thread.clone()).or_default().push(facts.len());
        }
        let number = |value: &Loose| value.number().map_or_else(|| "unknown".to_owned(), |n| n.to_string());
        let (value, before) = (number(&alert.value), number(&alert.history_value));
        facts.push(Fact {
            source: super::ABOUT.name.to_owned(),
            observed_at: received_at,
            kind: FactKind::Report {
                id: format!("alert/{thread}/{}", alert.time),
                what: format!("IODA alert: {} {} (value {value}, before {before})", alert.datasource, alert.level),
                started_at: at,
                ended_at: is_over.then_some(at),
                cause: None,
                link: Ioda.link(&entity, at - 6 * 3600, request.wanted.until),
            },
            entity,
        });
    }
    Readings { observations: Vec::new(), facts }
}

fn wanted(request: &Request, location: &str) -> Option<Entity> {
    location.parse().ok().filter(|entity| request.wanted.entities.contains(entity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Purpose, Wanted};

    const NOW: i64 = 1_749_234_000;

    fn reports(path: &str, data: &str) -> Vec<(String, i64, Option<i64>)> {
        let wanted = Wanted {
            entities: vec!["country/KP".parse().unwrap()],
            from: Timestamp::from_unix(NOW - 7200),
            until: Timestamp::from_unix(NOW),
            purpose: Purpose::Live,
        };
        let plan = Ioda.plan(&wanted, wanted.until, 99);
        let request = plan.iter().find(|r| r.path == path).unwrap();
        let body = format!(r#"{{"type":"outages","error":null,"data":{data}}}"#);
        let readings = Ioda.read(request, body.as_bytes(), wanted.until).unwrap();
        let row = |fact: Fact| match fact.kind {
            FactKind::Report { what, started_at, ended_at, .. } => {
                (what, started_at.unix() - NOW, ended_at.map(|end| end.unix() - NOW))
            }
            other => panic!("{other:?}"),
        };
        readings.facts.into_iter().map(row).collect()
    }

    fn event(start: i64, duration: i64, overlaps: bool) -> String {
        format!(
            r#"{{"location":"country/KP","start":{},"duration":{duration},"uncertainty":null,"method":"median",
            "datasource":"bgp","status":0,"fraction":null,"score":4500.0,"overlaps_window":{overlaps}}}"#,
            NOW + start
        )
    }

    #[test]
    fn an_event_that_ends_where_the_question_did_is_still_open() {
        let data = format!("[{},{},{}]", event(-2700, 2700, true), event(-5000, 600, false), event(-9000, 3000, true));
        let seen = reports("/outages/events", &data);
        assert_eq!(seen[0], ("IODA outage event in bgp (score 4500)".to_owned(), -2700, None));
        assert_eq!((seen[1].1, seen[1].2), (-5000, Some(-4400)));
        assert_eq!((seen[2].1, seen[2].2), (-9000, Some(-6000)), "it overlaps the beginning of the window only");
    }

    fn alert(time: i64, level: &str, value: i64) -> String {
        format!(
            r#"{{"datasource":"bgp","entity":{{"code":"KP","name":"…","type":"country"}},"time":{},"level":"{level}",
            "condition":null,"value":{value},"historyValue":4,"method":"median"}}"#,
            NOW + time
        )
    }

    #[test]
    fn an_alert_lasts_until_the_normal_that_follows() {
        let data =
            format!("[{},{},{}]", alert(-600, "normal", 4), alert(-3000, "critical", 0), alert(-300, "critical", 1));
        assert_eq!(
            reports("/outages/alerts", &data),
            [
                ("IODA alert: bgp critical (value 0, before 4)".to_owned(), -3000, Some(-600)),
                ("IODA alert: bgp critical (value 1, before 4)".to_owned(), -300, None),
            ]
        );
    }

    #[test]
    fn no_event_is_no_failure_and_a_strangers_event_is_left_out() {
        assert_eq!(reports("/outages/events", "[]"), []);
        assert_eq!(reports("/outages/events", &format!("[{}]", event(0, 9, true).replace("KP", "IR"))), []);
    }
}
