//! Reads IODA's own outage events and alerts as reports. They corroborate a verdict but never make
//! one.

use super::{Group, Ioda, REPORTS};
use crate::domain::{Entity, Fact, FactKind, Seconds, Timestamp};
use crate::source::json::{Items, Loose, Member, excerpt, sane};
use crate::source::{Oddity, Polled, Readings, Request};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The distance in seconds from the end of the window within which the end of an event means that
/// the window cut it. IODA publishes a bin some 25 minutes late, so it cannot know of an end within
/// the last five minutes.
const CUT_BY_THE_WINDOW: Seconds = 300;

/// Returns the request for `report`, which is `events` or `alerts`.
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

/// An event as it was sent. Each member may be missing or of any type.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Event {
    /// The entity in our own form, such as `country/KP`.
    location: Loose,
    start: Loose,
    duration: Loose,
    method: Loose,
    datasource: Loose,
    score: Loose,
    overlaps_window: Member<bool>,
}

/// Reads IODA's events as reports. In the reply an open event ends at the end of the requested
/// window; this is not a recovery, so its report has no end.
pub fn events(request: &Request, data: Items<Event>, received_at: Timestamp) -> Readings {
    let mut readings = Readings::default();
    readings.odd.extend(Oddity::unreadable(data.odd, "IODA events"));
    for event in data.read {
        let entity = match subject(request, event.location.text()) {
            Ok(Some(entity)) => entity,
            Ok(None) => continue,
            Err(odd) => {
                readings.odd.push(odd);
                continue;
            }
        };
        let (Some(started_at), Some(duration)) =
            (event.start.time(), event.duration.number().and_then(sane))
        else {
            let why = format!("an IODA event of {entity} has no readable start and duration");
            readings.odd.push(Oddity { entity: Some(entity), why });
            continue;
        };
        let end = started_at + duration as Seconds;
        let overlaps = event.overlaps_window.0.unwrap_or(false);
        let is_open = overlaps && request.wanted.until - end <= CUT_BY_THE_WINDOW;
        let datasource = word(&event.datasource);
        let method = event.method.text().unwrap_or_default();
        let what = match event.score.number().and_then(sane) {
            Some(score) => format!("IODA outage event in {datasource} (score {score:.0})"),
            None => format!("IODA outage event in {datasource}"),
        };
        readings.facts.push(Fact {
            source: super::ABOUT.name.to_owned(),
            observed_at: received_at,
            kind: FactKind::Report {
                id: format!("event/{entity}/{datasource}/{method}/{}", started_at.unix()),
                what,
                started_at,
                ended_at: (!is_open).then_some(end),
                cause: None,
                link: Ioda.link(&entity, started_at - 6 * 3600, request.wanted.until),
            },
            entity,
        });
    }
    readings
}

/// An alert as it was sent. Each member may be missing or of any type.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Alert {
    datasource: Loose,
    entity: Member<Subject>,
    time: Loose,
    level: Loose,
    value: Loose,
    history_value: Loose,
    method: Loose,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subject {
    code: Loose,
    r#type: Loose,
}

impl Alert {
    /// Returns the entity in our own form, such as `country/KP`, if both parts can be read.
    fn location(&self) -> Option<String> {
        let subject = self.entity.0.as_ref()?;
        let code = match &subject.code {
            Loose::Text(code) => code.clone(),
            Loose::Number(code) => code.to_string(),
            Loose::Nothing => return None,
        };
        Some(format!("{}/{code}", subject.r#type.text()?))
    }
}

/// Reads IODA's alerts as reports. An alert ends at the next alert of level `normal` for the same
/// entity, datasource and method. A `normal` without an earlier alert in the window becomes a
/// report that begins and ends at its own time.
pub fn alerts(request: &Request, data: Items<Alert>, received_at: Timestamp) -> Readings {
    let mut readings = Readings::default();
    readings.odd.extend(Oddity::unreadable(data.odd, "IODA alerts"));
    let mut alerts: Vec<(Timestamp, Entity, Alert)> = Vec::new();
    for alert in data.read {
        match subject(request, alert.location().as_deref()) {
            Ok(Some(entity)) => {
                if let (Some(at), Some(_)) = (alert.time.time(), alert.level.text()) {
                    alerts.push((at, entity, alert));
                } else {
                    let why = format!("an IODA alert of {entity} has no readable time and level");
                    readings.odd.push(Oddity { entity: Some(entity), why });
                }
            }
            Ok(None) => {}
            Err(odd) => readings.odd.push(odd),
        }
    }
    alerts.sort_by_key(|(at, ..)| *at);
    let mut open: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let facts = &mut readings.facts;
    for (at, entity, alert) in alerts {
        let (datasource, level) = (word(&alert.datasource), word(&alert.level));
        let thread = format!("{entity}/{datasource}/{}", alert.method.text().unwrap_or_default());
        let is_over = level == "normal";
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
        let number =
            |value: &Loose| value.number().map_or_else(|| "unknown".to_owned(), |n| n.to_string());
        let (value, before) = (number(&alert.value), number(&alert.history_value));
        facts.push(Fact {
            source: super::ABOUT.name.to_owned(),
            observed_at: received_at,
            kind: FactKind::Report {
                id: format!("alert/{thread}/{}", at.unix()),
                what: format!("IODA alert: {datasource} {level} (value {value}, before {before})"),
                started_at: at,
                ended_at: is_over.then_some(at),
                cause: None,
                link: Ioda.link(&entity, at - 6 * 3600, request.wanted.until),
            },
            entity,
        });
    }
    readings
}

/// Returns a word of IODA's vocabulary as it was sent, shortened; `unknown` if it is not a text.
fn word(value: &Loose) -> String {
    value.text().map_or_else(|| "unknown".to_owned(), excerpt)
}

/// Returns the entity at a location, or `None` if the request was not about it. Fails with an
/// oddity if there is no location.
fn subject(request: &Request, location: Option<&str>) -> Result<Option<Entity>, Oddity> {
    let Some(location) = location else {
        return Err(Oddity { entity: None, why: "an IODA report names no entity".to_owned() });
    };
    Ok(location.parse().ok().filter(|entity| request.wanted.entities.contains(entity)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Purpose, Query};

    const NOW: i64 = 1_749_234_000;

    fn reports(path: &str, data: &str) -> Vec<(String, i64, Option<i64>)> {
        let wanted = Query {
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
        let data = format!(
            "[{},{},{}]",
            event(-2700, 2700, true),
            event(-5000, 600, false),
            event(-9000, 3000, true)
        );
        let seen = reports("/outages/events", &data);
        assert_eq!(seen[0], ("IODA outage event in bgp (score 4500)".to_owned(), -2700, None));
        assert_eq!((seen[1].1, seen[1].2), (-5000, Some(-4400)));
        assert_eq!(
            (seen[2].1, seen[2].2),
            (-9000, Some(-6000)),
            "it overlaps the beginning of the window only"
        );
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
        let data = format!(
            "[{},{},{}]",
            alert(-600, "normal", 4),
            alert(-3000, "critical", 0),
            alert(-300, "critical", 1)
        );
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
        assert_eq!(
            reports("/outages/events", &format!("[{}]", event(0, 9, true).replace("KP", "IR"))),
            []
        );
    }
}
