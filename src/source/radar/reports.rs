//! Radar's outage annotations and traffic anomalies: reports that corroborate and name causes. Written late, revised and
//! back-dated; that there is none says nothing.

use super::Radar;
use crate::domain::{Asn, CountryCode, Entity, Fact, FactKind, Timestamp};
use crate::source::json::{Loose, excerpt};
use crate::source::{Polled, Readings, Request};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Annotations {
    #[serde(default)]
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    #[serde(default)]
    id: Loose,
    #[serde(default)]
    start_date: Loose,
    #[serde(default)]
    end_date: Loose,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    linked_url: Option<String>,
    #[serde(default)]
    locations: Option<Vec<String>>,
    #[serde(default)]
    asns: Option<Vec<Loose>>,
    #[serde(default)]
    outage: Option<Outage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outage {
    #[serde(default)]
    outage_cause: Option<String>,
    #[serde(default)]
    outage_type: Option<String>,
}

pub fn annotations(request: &Request, data: Annotations, received_at: Timestamp) -> Readings {
    let mut facts = Vec::new();
    for annotation in data.annotations {
        let Some(started_at) = annotation.start_date.time() else { continue };
        let countries = annotation.locations.iter().flatten().filter_map(|code| country(code));
        let networks = annotation.asns.iter().flatten().filter_map(network);
        let outage = annotation.outage.as_ref();
        // Both vocabularies grow: a word is shown as it came.
        let kind = outage.and_then(|outage| said(outage.outage_type.as_ref())).unwrap_or_else(|| "outage".to_owned());
        let what = match said(annotation.description.as_ref()) {
            Some(description) => format!("Cloudflare Radar: {kind}: {description}"),
            None => format!("Cloudflare Radar: {kind}"),
        };
        for entity in countries.chain(networks).filter(|entity| request.wanted.entities.contains(entity)) {
            let report = FactKind::Report {
                id: format!("annotation/{}", key(&annotation.id)),
                what: what.clone(),
                started_at,
                ended_at: annotation.end_date.time(),
                cause: outage.and_then(|outage| said(outage.outage_cause.as_ref())),
                link: link(annotation.linked_url.as_deref(), &entity, started_at, request),
            };
            facts.push(fact(entity, report, received_at));
        }
    }
    Readings { observations: Vec::new(), facts }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Anomalies {
    #[serde(default)]
    traffic_anomalies: Vec<Anomaly>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Anomaly {
    #[serde(default)]
    uuid: Loose,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    start_date: Loose,
    #[serde(default)]
    end_date: Loose,
    #[serde(default)]
    visible_in_data_sources: Option<Vec<String>>,
    #[serde(default)]
    asn_details: Option<AsnDetails>,
    #[serde(default)]
    location_details: Option<LocationDetails>,
}

/// Where the network is (`location` live, `locations` in the types) does not matter here: the anomaly is the network's.
#[derive(Deserialize)]
struct AsnDetails {
    #[serde(default)]
    asn: Loose,
}

#[derive(Deserialize)]
struct LocationDetails {
    #[serde(default)]
    code: Option<String>,
}

/// UNVERIFIED is a hint of a machine, VERIFIED was looked at by a person; an entry may turn into the other or vanish.
pub fn anomalies(request: &Request, data: Anomalies, received_at: Timestamp) -> Readings {
    let mut facts = Vec::new();
    for anomaly in data.traffic_anomalies {
        let Some(started_at) = anomaly.start_date.time() else { continue };
        let of_network = anomaly.asn_details.as_ref().and_then(|details| network(&details.asn));
        let of_country = || country(anomaly.location_details.as_ref()?.code.as_ref()?);
        let Some(entity) = of_network.or_else(of_country) else { continue };
        if !request.wanted.entities.contains(&entity) {
            continue;
        }
        let status = said(anomaly.status.as_ref()).unwrap_or_else(|| "status unknown".to_owned());
        let seen_in = anomaly.visible_in_data_sources.unwrap_or_default().join(", ");
        let what = match seen_in.as_str() {
            "" => format!("Cloudflare Radar: traffic anomaly ({status})"),
            seen_in => format!("Cloudflare Radar: traffic anomaly ({status}) in {}", excerpt(seen_in)),
        };
        let report = FactKind::Report {
            id: format!("anomaly/{}", key(&anomaly.uuid)),
            what,
            started_at,
            ended_at: anomaly.end_date.time(),
            cause: None,
            link: link(None, &entity, started_at, request),
        };
        facts.push(fact(entity, report, received_at));
    }
    Readings { observations: Vec::new(), facts }
}

fn country(code: &str) -> Option<Entity> {
    CountryCode::new(code).map(Entity::Country)
}

fn network(asn: &Loose) -> Option<Entity> {
    asn.whole().map(|number| Entity::Asn(Asn(number)))
}

/// A text that says something; an empty one does not.
fn said(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).map(|text| excerpt(text))
}

fn key(id: &Loose) -> String {
    match id {
        Loose::Text(text) => excerpt(text),
        Loose::Number(number) => number.to_string(),
        Loose::Nothing => "without-id".to_owned(),
    }
}

/// The source's own evidence where it is a web address, else the entity's page.
fn link(theirs: Option<&str>, entity: &Entity, started_at: Timestamp, request: &Request) -> Option<String> {
    let is_plain = |url: &&str| {
        (url.starts_with("https://") || url.starts_with("http://"))
            && url.len() <= 500
            && !url.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
    };
    theirs.filter(is_plain).map(str::to_owned).or_else(|| Radar.link(entity, started_at, request.wanted.until))
}

fn fact(entity: Entity, kind: FactKind, received_at: Timestamp) -> Fact {
    Fact { entity, source: super::ABOUT.name.to_owned(), observed_at: received_at, kind }
}

#[cfg(test)]
mod tests {
    use super::super::{ANNOTATIONS, ANOMALIES};
    use super::*;
    use crate::source::{Purpose, Wanted};

    fn reports(path: &str, result: &str) -> Vec<String> {
        let until = Timestamp::parse("2025-06-06 20:00").unwrap();
        let entities = ["country/KP", "asn/131279"].map(|e| e.parse().unwrap()).to_vec();
        let wanted = Wanted { entities, from: until - 7200, until, purpose: Purpose::Live };
        let plan = Radar.plan(&wanted, until, 99);
        let request = plan.iter().find(|r| r.path == path).unwrap();
        let body = format!(r#"{{"success":true,"errors":[],"result":{result}}}"#);
        let readings = Radar.read(request, body.as_bytes(), until).unwrap();
        let row = |fact: &Fact| match &fact.kind {
            FactKind::Report { id, what, ended_at, cause, link, .. } => {
                let cause = cause.as_deref().unwrap_or("-");
                let end = ended_at.map_or_else(|| "open".to_owned(), |end| end.to_string());
                format!("{} {id} | {what} | {cause} | {end} | {}", fact.entity, link.as_deref().unwrap_or("-"))
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
