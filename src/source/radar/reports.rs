//! Reads Radar's outage annotations and traffic anomalies as reports, which corroborate a verdict
//! and name causes. They are written late, revised and back-dated, so their absence means nothing.

use super::Radar;
use crate::domain::{Asn, CountryCode, Entity, Fact, FactKind, Timestamp};
use crate::source::json::{Items, Loose, Member, excerpt};
use crate::source::{Oddity, Polled, Readings, Request};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The result of the call for annotations.
#[derive(Deserialize)]
pub struct Annotations {
    #[serde(default)]
    annotations: Items<Annotation>,
}

/// An annotation as it was sent. Each member may be missing, null or of any type; Radar's own types
/// allow most of that.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Annotation {
    id: Loose,
    start_date: Loose,
    end_date: Loose,
    description: Loose,
    scope: Loose,
    linked_url: Loose,
    locations: Member<Items<Loose>>,
    asns: Member<Items<Loose>>,
    outage: Member<Outage>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Outage {
    outage_cause: Loose,
    outage_type: Loose,
}

/// Reads outage annotations. Each becomes a report about each of its countries and networks that
/// the request is about.
pub fn annotations(request: &Request, data: Annotations, received_at: Timestamp) -> Readings {
    let mut readings = Readings::default();
    readings.odd.extend(Oddity::unreadable(data.annotations.odd, "Radar annotations"));
    for annotation in data.annotations.read {
        let countries = listed(&annotation.locations).filter_map(|code| country(code.text()?));
        let networks = listed(&annotation.asns).filter_map(network);
        let entities =
            countries.chain(networks).filter(|entity| request.wanted.entities.contains(entity));
        let entities: BTreeSet<Entity> = entities.collect();
        let Some(started_at) = annotation.start_date.time() else {
            readings.odd.extend(undated("annotation", &annotation.id, entities.into_iter().next()));
            continue;
        };
        let outage = annotation.outage.0.as_ref();
        // The lists of types and causes grow, so a word is shown as it was sent.
        let mut what = outage
            .and_then(|outage| said(&outage.outage_type))
            .unwrap_or_else(|| "outage".to_owned());
        // The extent of the outage, such as `Multiple cities in Florida`.
        if let Some(scope) = said(&annotation.scope) {
            what = format!("{what} ({scope})");
        }
        if let Some(description) = said(&annotation.description) {
            what = format!("{what}: {description}");
        }
        for entity in entities {
            let report = FactKind::Report {
                id: format!("annotation/{}", key(&annotation.id, started_at)),
                what: format!("Cloudflare Radar: {what}"),
                started_at,
                ended_at: ended(&annotation.end_date, started_at),
                cause: outage.and_then(|outage| said(&outage.outage_cause)),
                link: link(annotation.linked_url.text(), &entity, started_at, request),
            };
            readings.facts.push(fact(entity, report, received_at));
        }
    }
    readings
}

/// The result of the call for anomalies.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Anomalies {
    #[serde(default)]
    traffic_anomalies: Items<Anomaly>,
}

/// A traffic anomaly as it was sent. Each member may be missing, null or of any type.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Anomaly {
    uuid: Loose,
    status: Loose,
    start_date: Loose,
    end_date: Loose,
    visible_in_data_sources: Member<Items<Loose>>,
    asn_details: Member<AsnDetails>,
    location_details: Member<LocationDetails>,
}

/// The network of an anomaly. Its country (`location` in live replies, `locations` in Radar's
/// types) is not read: the anomaly belongs to the network.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AsnDetails {
    asn: Loose,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LocationDetails {
    code: Loose,
}

/// Reads traffic anomalies as reports. UNVERIFIED marks a hint from a machine, VERIFIED one that a
/// person has checked; an entry may change its status or disappear.
pub fn anomalies(request: &Request, data: Anomalies, received_at: Timestamp) -> Readings {
    let mut readings = Readings::default();
    readings.odd.extend(Oddity::unreadable(data.traffic_anomalies.odd, "Radar anomalies"));
    for anomaly in data.traffic_anomalies.read {
        let of_network = anomaly.asn_details.0.as_ref().and_then(|details| network(&details.asn));
        let of_country = || country(anomaly.location_details.0.as_ref()?.code.text()?);
        let entity = of_network
            .or_else(of_country)
            .filter(|entity| request.wanted.entities.contains(entity));
        let Some(started_at) = anomaly.start_date.time() else {
            readings.odd.extend(undated("anomaly", &anomaly.uuid, entity));
            continue;
        };
        let Some(entity) = entity else { continue };
        let status = said(&anomaly.status).unwrap_or_else(|| "status unknown".to_owned());
        let seen_in: Vec<&str> =
            listed(&anomaly.visible_in_data_sources).filter_map(Loose::text).collect();
        let what = match seen_in.join(", ").as_str() {
            "" => format!("Cloudflare Radar: traffic anomaly ({status})"),
            seen_in => {
                format!("Cloudflare Radar: traffic anomaly ({status}) in {}", excerpt(seen_in))
            }
        };
        let report = FactKind::Report {
            id: format!("anomaly/{}", key(&anomaly.uuid, started_at)),
            what,
            started_at,
            ended_at: ended(&anomaly.end_date, started_at),
            cause: None,
            link: link(None, &entity, started_at, request),
        };
        readings.facts.push(fact(entity, report, received_at));
    }
    readings
}

/// Returns the readable items of a list.
fn listed(list: &Member<Items<Loose>>) -> impl Iterator<Item = &Loose> {
    list.0.iter().flat_map(|items| &items.read)
}

/// Describes a report that has no start time. Returns `None` for a report about entities that were
/// not requested.
fn undated(what: &str, id: &Loose, entity: Option<Entity>) -> Option<Oddity> {
    let id = match id {
        Loose::Text(text) => excerpt(text),
        Loose::Number(number) => number.to_string(),
        Loose::Nothing => "without an id".to_owned(),
    };
    let entity = entity?;
    let why = format!("Radar's {what} {id} of {entity} has no readable startDate");
    Some(Oddity { entity: Some(entity), why })
}

fn country(code: &str) -> Option<Entity> {
    CountryCode::new(code).map(Entity::Country)
}

fn network(asn: &Loose) -> Option<Entity> {
    asn.whole().map(|number| Entity::Asn(Asn(number)))
}

/// Returns the end of a report, or `None` if it lies before the beginning.
fn ended(end: &Loose, started_at: Timestamp) -> Option<Timestamp> {
    end.time().filter(|end| *end >= started_at)
}

/// Returns the text, shortened, or `None` if it is empty or not a text.
fn said(text: &Loose) -> Option<String> {
    text.text().filter(|text| !text.trim().is_empty()).map(excerpt)
}

/// Returns the source's own key, or a key made of the start time if there is none.
fn key(id: &Loose, started_at: Timestamp) -> String {
    match id {
        Loose::Text(text) => excerpt(text),
        Loose::Number(number) => number.to_string(),
        Loose::Nothing => format!("without-id/{}", started_at.unix()),
    }
}

/// Returns the source's link to evidence if it is a plain web address, otherwise the entity's page.
fn link(
    theirs: Option<&str>,
    entity: &Entity,
    started_at: Timestamp,
    request: &Request,
) -> Option<String> {
    let is_plain = |url: &&str| {
        (url.starts_with("https://") || url.starts_with("http://"))
            && url.len() <= 500
            && !url
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
    };
    theirs
        .filter(is_plain)
        .map(str::to_owned)
        .or_else(|| Radar.link(entity, started_at, request.wanted.until))
}

fn fact(entity: Entity, kind: FactKind, received_at: Timestamp) -> Fact {
    Fact { entity, source: super::ABOUT.name.to_owned(), observed_at: received_at, kind }
}

#[cfg(test)]
mod tests {
    use super::super::{ANNOTATIONS, ANOMALIES};
    use super::*;
    use crate::source::{Purpose, Query};

    fn reports(path: &str, result: &str) -> Vec<String> {
        let until = Timestamp::parse("2025-06-06 20:00").unwrap();
        let entities = ["country/KP", "asn/131279"].map(|e| e.parse().unwrap()).to_vec();
        let wanted = Query { entities, from: until - 7200, until, purpose: Purpose::Live };
        let plan = Radar.plan(&wanted, until, 99);
        let request = plan.iter().find(|r| r.path == path).unwrap();
        let body = format!(r#"{{"success":true,"errors":[],"result":{result}}}"#);
        let readings = Radar.read(request, body.as_bytes(), until).unwrap();
        let row = |fact: &Fact| match &fact.kind {
            FactKind::Report { id, what, ended_at, cause, link, .. } => {
                let cause = cause.as_deref().unwrap_or("-");
                let end = ended_at.map_or_else(|| "open".to_owned(), |end| end.to_string());
                format!(
                    "{} {id} | {what} | {cause} | {end} | {}",
                    fact.entity,
                    link.as_deref().unwrap_or("-")
                )
            }
            other => panic!("{other:?}"),
        };
        readings.facts.iter().map(row).collect()
    }

    #[test]
    fn an_annotation_speaks_of_its_countries_and_networks() {
        let data = r#"{"annotations":[
            {"id":"9001","dataSource":"ALL","description":"","eventType":"OUTAGE","startDate":"2025-06-06T17:30:00Z",
             "endDate":null,"locations":["KP","XX"],"asns":[131279],"asnsDetails":null,"linkedUrl":"https://example.org/x",
             "outage":{"outageCause":"SOMETHING_NEW","outageType":"NATIONWIDE"}},
            {"id":"9002","startDate":"2025-06-01T00:00:00Z","endDate":"2025-06-02T00:00:00Z","locations":["KP"],
             "linkedUrl":"javascript:alert(1)"}]}"#;
        assert_eq!(
            reports(ANNOTATIONS, data),
            [
                "country/KP annotation/9001 | Cloudflare Radar: NATIONWIDE | SOMETHING_NEW | open | https://example.org/x",
                "asn/131279 annotation/9001 | Cloudflare Radar: NATIONWIDE | SOMETHING_NEW | open | https://example.org/x",
                "country/KP annotation/9002 | Cloudflare Radar: outage | - | 2025-06-02T00:00:00Z | https://radar.cloudflare.com/kp",
            ]
        );
    }

    #[test]
    fn how_far_an_annotation_reaches_is_shown_whatever_else_is_null() {
        let data = r#"{"annotations":[
            {"id":"9003","startDate":"2026-09-02T10:00:00Z","endDate":null,"locations":["KP"],"asns":[],"eventType":"OUTAGE",
             "scope":"Multiple cities in Florida","description":null,"linkedUrl":null,"tags":null,"geoIds":null,
             "outage":{"outageCause":"WEATHER","outageType":"REGIONAL"}},
            {"id":"9004","startDate":"2026-09-02T10:00:00Z","locations":["KP"],"scope":"Two provinces","description":"Cable cut",
             "outage":{"outageCause":null,"outageType":"SUBMARINE_CABLE"}},
            {"id":null,"startDate":"2026-09-02T10:00:00Z","endDate":7,"locations":["KP"],"scope":" ","description":"","outage":null,
             "linkedUrl":5,"asns":null},
            {"id":null,"startDate":"2026-09-03T10:00:00Z","locations":["KP","KP"],"scope":["x"],"description":{},"outage":[]}]}"#;
        assert_eq!(
            reports(ANNOTATIONS, data),
            [
                "country/KP annotation/9003 | Cloudflare Radar: REGIONAL (Multiple cities in Florida) | WEATHER | open | https://radar.cloudflare.com/kp",
                "country/KP annotation/9004 | Cloudflare Radar: SUBMARINE_CABLE (Two provinces): Cable cut | - | open | https://radar.cloudflare.com/kp",
                "country/KP annotation/without-id/1788343200 | Cloudflare Radar: outage | - | open | https://radar.cloudflare.com/kp",
                "country/KP annotation/without-id/1788429600 | Cloudflare Radar: outage | - | open | https://radar.cloudflare.com/kp",
            ]
        );
    }

    #[test]
    fn an_anomaly_is_a_hint_or_verified() {
        let data = r#"{"trafficAnomalies":[
            {"uuid":"u1","type":"LOCATION","status":"UNVERIFIED","startDate":"2025-06-06T17:45:00Z","endDate":null,
             "visibleInDataSources":["NET","HTTP"],"asnDetails":null,"locationDetails":{"code":"KP","name":"…"},"originDetails":null},
            {"uuid":"u2","type":"AS","status":"VERIFIED","startDate":"2025-06-06T17:45:00Z",
             "asnDetails":{"asn":"131279","name":"STAR-KP","locations":{"code":"KP"}},"locationDetails":null},
            {"uuid":"u3","type":"ORIGIN","startDate":"2025-06-06T17:45:00Z","originDetails":{}}]}"#;
        assert_eq!(
            reports(ANOMALIES, data),
            [
                "country/KP anomaly/u1 | Cloudflare Radar: traffic anomaly (UNVERIFIED) in NET, HTTP | - | open | https://radar.cloudflare.com/kp",
                "asn/131279 anomaly/u2 | Cloudflare Radar: traffic anomaly (VERIFIED) | - | open | https://radar.cloudflare.com/as131279",
            ]
        );
        assert_eq!(reports(ANOMALIES, r#"{"trafficAnomalies":[]}"#), Vec::<String>::new());
    }
}
