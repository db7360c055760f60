//! Tests that a malformed item affects no other item, whatever its depth and fault. Each test takes
//! a good reply of a call, spoils one item in every way below, and asserts that the readings of all
//! other items stay the same.

use super::ioda::Ioda;
use super::radar::Radar;
use super::ripestat::Ripestat;
use super::{Polled, Purpose, Query, Readings};
use crate::domain::time::DAY;
use crate::domain::{FactKind, Timestamp};
use serde_json::{Value, json};

/// Wrong values that a parsed document cannot hold; they are inserted into the text of the reply.
const RAW: [&str; 6] =
    ["NaN", "-Infinity", "1e999", "\"\\ud800\"", "-0.5e-7", "18446744073709551615"];

/// Returns all wrong values, with a placeholder for each of [`RAW`].
fn wrongs() -> Vec<Value> {
    let raw = (0..RAW.len()).map(|n| json!(format!("@raw{n}@")));
    let plain = json!([
        null, true, 0, -1, -300, 1, 0.5, 86_401, 1e15, 1e300, 253_402_300_800_i64, -9e18, "", "x", "-5", "NaN", "4",
        "2025-13-45T99:99:99", [], [null], [[]], {}, {"a": null}, [{"x": "y"}]
    ]);
    raw.chain(plain.as_array().cloned().unwrap()).collect()
}

/// Returns the JSON pointers of a value and of every value inside it.
fn places(value: &Value, at: &str) -> Vec<String> {
    let mut all = vec![at.to_owned()];
    match value {
        Value::Object(members) => {
            all.extend(
                members.iter().flat_map(|(key, inner)| places(inner, &format!("{at}/{key}"))),
            );
        }
        Value::Array(items) => {
            all.extend(
                items.iter().enumerate().flat_map(|(n, inner)| places(inner, &format!("{at}/{n}"))),
            );
        }
        _ => {}
    }
    all
}

/// Returns the text of every reply that results from spoiling the item at `item` in one place.
fn spoiled(reply: &Value, item: &str) -> Vec<String> {
    let text = |value: &Value| {
        let plain = value.to_string();
        RAW.iter()
            .enumerate()
            .fold(plain, |text, (n, raw)| text.replace(&format!("\"@raw{n}@\""), raw))
    };
    let mut all = Vec::new();
    for place in places(reply.pointer(item).unwrap(), item) {
        for wrong in wrongs() {
            let mut changed = reply.clone();
            *changed.pointer_mut(&place).unwrap() = wrong;
            all.push(text(&changed));
        }
        let (parent, key) = place.rsplit_once('/').unwrap();
        let mut changed = reply.clone();
        if let Some(members) = changed.pointer_mut(parent).and_then(Value::as_object_mut) {
            members.remove(key);
            all.push(text(&changed));
        }
    }
    assert!(all.len() >= wrongs().len());
    all
}

fn wanted(entities: &[&str]) -> Query {
    let until = Timestamp::from_unix(1_749_234_000);
    let entities = entities.iter().map(|entity| entity.parse().unwrap()).collect();
    Query { entities, from: until - 3000, until, purpose: Purpose::Live }
}

/// Returns the readings about every entity except `whom`, as sorted lines. Failed polls are left
/// out.
fn of_others(readings: &Readings, whom: &str) -> Vec<String> {
    let observed = readings.observations.iter().map(|o| {
        format!("{} {} {} {:?}", o.series.entity, o.series.signal, o.observed_at, o.value)
    });
    let facts =
        readings.facts.iter().filter(|fact| !matches!(fact.kind, FactKind::PollFailed { .. }));
    let facts = facts.map(|fact| format!("{} {:?}", fact.entity, fact.kind));
    let mut said: Vec<String> =
        observed.chain(facts).filter(|line| !line.starts_with(whom)).collect();
    said.sort();
    said
}

/// Asserts that the readings about all other entities stay the same, however the item of `whom` is
/// spoiled in a reply to the request with this path.
fn spoils_no_other(
    source: &dyn Polled,
    wanted: &Query,
    path: &str,
    reply: &Value,
    item: &str,
    whom: &str,
) {
    let request = source
        .plan(wanted, wanted.until, 99)
        .into_iter()
        .find(|r| r.path.starts_with(path))
        .unwrap();
    let read = |text: &str| source.read(&request, text.as_bytes(), wanted.until);
    let good = of_others(&read(&reply.to_string()).unwrap(), whom);
    assert!(!good.is_empty());
    for text in spoiled(reply, item) {
        let readings = read(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(of_others(&readings, whom), good, "{text}");
    }
}

#[test]
fn a_series_of_ioda() {
    let series = |code: &str, value: u32| {
        json!([{"entityType": "country", "entityCode": code, "datasource": "bgp", "subtype": "", "from": 1_749_231_000,
            "until": 1_749_234_000, "step": 300, "nativeStep": 300, "values": [value, null, 0, value, null]}])
    };
    let data = json!([series("KP", 4), series("IR", 90), series("CU", 9)]);
    let reply = json!({"type": "signals", "error": null, "data": data});
    let wanted = wanted(&["country/KP", "country/IR", "country/CU"]);
    for item in ["/data/1", "/data/1/0"] {
        spoils_no_other(&Ioda, &wanted, "/signals/raw/country", &reply, item, "country/IR");
    }
    // A spoiled bin leaves the other bins of the same series intact.
    let request = Ioda.plan(&wanted, wanted.until, 1).remove(0);
    for text in spoiled(&reply, "/data/1/0/values/3") {
        let readings = Ioda.read(&request, text.as_bytes(), wanted.until).unwrap();
        let of_ir = readings.observations.iter().filter(|o| o.series.entity == wanted.entities[1]);
        let values: Vec<_> = of_ir.map(|o| o.value).collect();
        assert_eq!(values[..3], [Some(90.0), None, Some(0.0)], "{text}");
    }
}

#[test]
fn a_report_of_ioda() {
    let event = |code: &str| {
        json!({"location": format!("country/{code}"), "start": 1_749_231_300, "duration": 600, "method": "median",
            "datasource": "bgp", "status": 0, "score": 4500.0, "overlaps_window": false})
    };
    let alert = |code: &str| {
        json!({"datasource": "bgp", "entity": {"code": code, "name": "x", "type": "country"}, "time": 1_749_231_300,
            "level": "critical", "condition": null, "value": 0, "historyValue": 4, "method": "median"})
    };
    let wanted = wanted(&["country/KP", "country/IR", "country/CU"]);
    for (path, data) in [
        ("/outages/events", json!([event("KP"), event("IR"), event("CU")])),
        ("/outages/alerts", json!([alert("KP"), alert("IR"), alert("CU")])),
    ] {
        let reply = json!({"error": null, "data": data});
        spoils_no_other(&Ioda, &wanted, path, &reply, "/data/1", "country/IR");
    }
}

#[test]
fn a_report_of_radar() {
    let annotation = |code: &str| {
        json!({"id": format!("of {code}"), "dataSource": "ALL", "description": "words", "eventType": "OUTAGE",
            "startDate": "2025-06-06T17:30:00Z", "endDate": null, "locations": [code], "asns": [64_500],
            "asnsDetails": null, "linkedUrl": "https://example.org/x", "scope": "Two cities",
            "outage": {"outageCause": "WEATHER", "outageType": "REGIONAL"}})
    };
    let anomaly = |code: &str| {
        json!({"uuid": format!("of {code}"), "type": "LOCATION", "status": "VERIFIED", "endDate": null,
            "startDate": "2025-06-06T17:45:00Z", "visibleInDataSources": ["NET"], "asnDetails": null,
            "locationDetails": {"code": code, "name": "x"}, "originDetails": null})
    };
    let wanted = wanted(&["country/KP", "country/IR", "country/CU"]);
    let all = ["KP", "IR", "CU"];
    for (path, result) in [
        ("/radar/annotations", json!({"annotations": all.map(annotation)})),
        ("/radar/traffic_anomalies", json!({"trafficAnomalies": all.map(anomaly)})),
    ] {
        let list = result.as_object().unwrap().keys().next().unwrap().clone();
        let reply = json!({"success": true, "errors": [], "result": result});
        spoils_no_other(&Radar, &wanted, path, &reply, &format!("/result/{list}/1"), "country/IR");
    }
}

#[test]
fn a_bucket_of_radars_traffic() {
    let mut wanted = wanted(&["country/IR"]);
    wanted.until = wanted.until.floor_to(900);
    wanted.from = wanted.until - 7200;
    let request = Radar.plan(&wanted, wanted.until, 1).remove(0);
    let times: Vec<String> =
        (0..672).map(|n| (wanted.until - 7 * DAY + n * 900).to_string()).collect();
    let values = vec!["0.5"; 672];
    let reply = json!({"success": true, "errors": [], "result": {"meta": {"aggInterval": "FIFTEEN_MINUTES",
        "normalization": "MIN0_MAX", "confidenceInfo": {"level": 5}}, "serie_0": {"timestamps": times, "values": values}}});
    let read = |text: &str| {
        let readings = Radar.read(&request, text.as_bytes(), wanted.until).unwrap();
        let spoiled = wanted.until - 3 * 900;
        let others = readings.observations.into_iter().filter(|o| o.observed_at != spoiled);
        others.map(|o| (o.observed_at, o.value)).collect::<Vec<_>>()
    };
    let good = read(&reply.to_string());
    assert_eq!(good.len(), 5);
    for place in ["/result/serie_0/timestamps/669", "/result/serie_0/values/669"] {
        for wrong in wrongs() {
            let mut changed = reply.clone();
            *changed.pointer_mut(place).unwrap() = wrong;
            assert_eq!(read(&changed.to_string()), good, "{place}");
        }
    }
}

fn ripestat(call: &str, data: &Value) -> Value {
    json!({"messages": [["info", "few peers"]], "status": "ok", "status_code": 200, "data_call_name": call, "data": data})
}

#[test]
fn an_interval_of_ripestat() {
    let interval = |from: &str, to: &str| json!({"starttime": format!("2025-06-06T{from}:00"), "endtime": format!("2025-06-06T{to}:00")});
    let stats = json!([
        {"timeline": [interval("17:30", "17:40"), interval("18:00", "18:05")], "v4_prefixes_ris": 4},
        {"timeline": [interval("17:45", "17:50")], "v4_prefixes_ris": 0},
        {"timeline": [interval("17:55", "17:55")], "v4_prefixes_ris": 3}
    ]);
    let reply = ripestat("country-routing-stats", &json!({"resolution": "5m", "stats": stats}));
    let (source, wanted) = (Ripestat::new(""), wanted(&["country/KP"]));
    let request = source.plan(&wanted, wanted.until, 1).remove(0);
    let read = |text: &str, spoiled: &[&str]| {
        let readings = source
            .read(&request, text.as_bytes(), wanted.until)
            .unwrap_or_else(|why| panic!("{why}: {text}"));
        let bins = readings
            .observations
            .iter()
            .map(|o| (o.observed_at.to_string()[11..16].to_owned(), o.value));
        bins.filter(|(at, _)| !spoiled.contains(&at.as_str())).collect::<Vec<_>>()
    };
    for (item, bins) in [
        ("/data/stats/1", &["17:45", "17:50"][..]),
        ("/data/stats/0/timeline/0", &["17:30", "17:35", "17:40"]),
        ("/data/stats/2/timeline", &["17:55"]),
    ] {
        let good = read(&reply.to_string(), bins);
        assert_eq!(good.len(), 8 - bins.len());
        for text in spoiled(&reply, item) {
            assert_eq!(read(&text, bins), good, "{text}");
        }
    }
}

#[test]
fn a_route_of_ripestat() {
    let route = |n: usize| {
        json!({"target_prefix": "175.45.176.0/24", "path": [64_496 + n, 4837, 131_279], "community": [],
            "source_id": format!("{n:02}-192.0.2.{n}")})
    };
    let routes: Vec<Value> = (0..40).map(route).collect();
    let state =
        json!({"resource": "131279", "timestamp": "2025-06-06T18:19:10", "bgp_state": routes});
    let reply = ripestat("bgp-state", &state);
    let (source, wanted) = (Ripestat::new(""), wanted(&["asn/131279"]));
    let request = source.plan(&wanted, wanted.until, 1).remove(0);
    for text in spoiled(&reply, "/data/bgp_state/7") {
        let readings = source
            .read(&request, text.as_bytes(), wanted.until)
            .unwrap_or_else(|why| panic!("{why}: {text}"));
        let seen = readings.observations[0].value.unwrap();
        assert!((39.0..=40.0).contains(&seen), "{seen}: {text}");
    }
    // If many routes are malformed, nothing is counted: the count would read like a fall.
    let mut broken = reply.clone();
    for n in 0..10 {
        broken["data"]["bgp_state"][n]["source_id"] = Value::Null;
    }
    assert!(source.read(&request, broken.to_string().as_bytes(), wanted.until).is_err());
}

#[test]
fn a_count_of_ripestats_peers() {
    let count = |total: u32, at: &str| json!({"count": total, "timestamp": format!("2025-06-06T{at}:00:00")});
    let feeds =
        json!({"total": [], "full_feed": [count(350, "08"), count(352, "16"), count(351, "00")]});
    let reply =
        ripestat("ris-peer-count", &json!({"peer_count": {"v4": feeds, "v6": {"full_feed": []}}}));
    let (source, mut wanted) = (Ripestat::new(""), wanted(&["asn/131279"]));
    wanted.purpose = Purpose::Backfill;
    for item in
        ["/data/peer_count/v4/full_feed/0", "/data/peer_count/v6", "/data/peer_count/v4/total"]
    {
        spoils_no_other(&source, &wanted, "/data/ris-peer-count", &reply, item, "nobody");
    }
}
