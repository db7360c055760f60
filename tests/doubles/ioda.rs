//! IODA as docs/sources/ioda.md has it.

use super::script::{Script, gone_between};
use super::server::{Answer, Asked, Fault, Server};
use linkdown::clock::Clock;
use linkdown::domain::time::{DAY, MINUTE};
use linkdown::domain::{Entity, Seconds, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const DATASOURCES: [(&str, Seconds, Seconds); 5] = [
    ("bgp", 300, 25 * MINUTE),
    ("ping-slash24", 600, 20 * MINUTE),
    ("merit-nt", 300, 25 * MINUTE),
    ("gtr", 1800, 180 * MINUTE),
    ("gtr-norm", 1800, 180 * MINUTE),
];

pub struct IodaDouble {
    server: Server,
    world: Arc<World>,
}

struct World {
    clock: Clock,
    script: Script,
    events: Mutex<Vec<Event>>,
    /// What becomes of an entity's series before it is sent.
    spoilt: Mutex<BTreeMap<Entity, Spoil>>,
}

type Spoil = Arc<dyn Fn(&mut Value) + Send + Sync>;

struct Event {
    entity: String,
    datasource: String,
    start: Timestamp,
    end: Option<Timestamp>,
}

impl IodaDouble {
    pub async fn start(clock: Clock) -> Self {
        let world = Arc::new(World {
            clock: clock.clone(),
            script: Script::default(),
            events: Mutex::default(),
            spoilt: Mutex::default(),
        });
        for (datasource, _, delay) in DATASOURCES {
            world.script.delay(datasource, delay);
        }
        let answering = Arc::clone(&world);
        let handler =
            Arc::new(move |asked: &Asked, fault: Option<&Fault>| answering.answer(asked, fault));
        Self { server: Server::start(clock, usize::MAX, handler).await, world }
    }

    pub fn url(&self) -> String {
        format!("{}/v2", self.server.url())
    }

    /// The values of a series by the start of the bin. None is a gap.
    pub fn set(
        &self,
        entity: &str,
        datasource: &str,
        values: impl Fn(Timestamp) -> Option<f64> + Send + Sync + 'static,
    ) {
        self.world.script.set(entity, datasource, Arc::new(move |bin, _| values(bin)));
    }

    /// Values that are revised: by the start of the bin, and by when they are asked for.
    pub fn set_revised(
        &self,
        entity: &str,
        datasource: &str,
        values: impl Fn(Timestamp, Timestamp) -> Option<f64> + Send + Sync + 'static,
    ) {
        self.world.script.set(entity, datasource, Arc::new(values));
    }

    /// `normal` in routing and probing, and nothing in `[from, until)`.
    pub fn outage(&self, entity: &str, normal: f64, from: Timestamp, until: Timestamp) {
        for datasource in ["bgp", "ping-slash24"] {
            self.set(entity, datasource, gone_between(normal, from, until));
        }
    }

    /// From the end of a bin to its publication.
    pub fn delay(&self, datasource: &str, seconds: Seconds) {
        self.world.script.delay(datasource, seconds);
    }

    /// Changes each series of the entity before it is sent, as a faulty back end does: `|series| series["step"] = json!(0)`.
    pub fn spoils(&self, entity: &str, spoil: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.world.spoilt.lock().unwrap().insert(entity.parse().unwrap(), Arc::new(spoil));
    }

    /// An event that IODA itself declares, and its alerts.
    pub fn event(&self, entity: &str, datasource: &str, start: Timestamp, end: Option<Timestamp>) {
        let (entity, datasource) = (entity.to_owned(), datasource.to_owned());
        self.world.events.lock().unwrap().push(Event { entity, datasource, start, end });
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

type Refused = (u16, String);

impl World {
    fn answer(&self, asked: &Asked, fault: Option<&Fault>) -> Answer {
        if fault == Some(&Fault::ErrorInside) {
            return envelope(200, Some("Backend failure"), &Value::Null);
        }
        let path: Vec<&str> = asked.path.trim_start_matches("/v2/").split('/').collect();
        let data = match path.as_slice() {
            ["signals", "raw", kind, codes] => self.signals(asked, kind, codes, fault),
            ["outages", "events"] => self.outages(asked, Self::as_event),
            ["outages", "alerts"] => self.outages(asked, Self::as_alerts),
            _ => Err((404, "no such path".to_owned())),
        };
        match data {
            Ok(_) if fault == Some(&Fault::EmptyData) => envelope(200, None, &json!([])),
            Ok(data) => envelope(200, None, &data),
            Err((status, error)) => envelope(status, Some(&error), &Value::Null),
        }
    }

    fn signals(
        &self,
        asked: &Asked,
        kind: &str,
        codes: &str,
        fault: Option<&Fault>,
    ) -> Result<Value, Refused> {
        let bad = |why: &str| (400, why.to_owned());
        let (from, until) = window(asked)?;
        if until - from > 100 * DAY {
            return Err(bad("time range exceeds 100 days"));
        }
        let name = asked
            .value("datasource")
            .ok_or_else(|| bad("this double wants one datasource a call"))?;
        let Some((_, step, _)) = DATASOURCES.iter().find(|(known, ..)| *known == name) else {
            return Err(bad("unknown datasource"));
        };
        if !["continent", "country", "region", "geoasn", "asn"].contains(&kind) {
            return Err(bad("unknown entity type"));
        }
        let found: Vec<Entity> = codes
            .split(',')
            .filter_map(|code| format!("{kind}/{code}").parse().ok())
            .filter(|entity| self.script.knows(entity))
            .collect();
        if found.is_empty() {
            // For a network a stand-in is invented; a country or region must be known.
            return if kind == "asn" {
                Ok(json!([[]]))
            } else {
                Err(bad("cannot find corresponding metadata entity"))
            };
        }
        let first = from.floor_to(*step);
        let bins = ((until - first) + step - 1) / step;
        let now = self.clock.now();
        // The order is not promised: here it is the other way round.
        let groups = found.iter().rev().map(|entity| {
            let (kind, code) = entity_parts(entity);
            let values: Vec<Option<f64>> = (0..bins)
                .map(|bin| self.script.value(entity, name, first + bin * step, *step, now))
                .map(|value| if fault == Some(&Fault::Negative) { value.map(|_| -1.0) } else { value })
                .collect();
            if self.script.has(entity, name) {
                let mut series = json!({"entityType": kind, "entityCode": code, "entityName": "…", "entityFqid": "…",
                    "datasource": name, "subtype": "", "from": first.unix(), "until": (first + bins * step).unix(),
                    "step": step, "nativeStep": step, "values": values});
                if let Some(spoil) = self.spoilt.lock().unwrap().get(entity) {
                    spoil(&mut series);
                }
                json!([series])
            } else {
                json!([])
            }
        });
        Ok(groups.collect())
    }

    fn outages(
        &self,
        asked: &Asked,
        shown: fn(&Event, Timestamp, Timestamp) -> Vec<Value>,
    ) -> Result<Value, Refused> {
        let (from, until) = window(asked)?;
        let kind = asked.value("entityType").unwrap_or_default();
        let codes: Vec<&str> = asked.value("entityCode").unwrap_or_default().split(',').collect();
        let now = self.clock.now();
        let events = self.events.lock().unwrap();
        let ours = events.iter().filter(|event| {
            let (k, code) = event.entity.split_once('/').unwrap_or_default();
            k == kind && codes.contains(&code) && event.start <= now && event.start < until
        });
        Ok(ours.flat_map(|event| shown(event, from, until)).collect())
    }

    fn as_event(event: &Event, from: Timestamp, until: Timestamp) -> Vec<Value> {
        // What is still open ends where the question does.
        let end = event.end.unwrap_or(until).min(until);
        if end < from {
            return Vec::new();
        }
        let overlaps = event.start < from || event.end.is_none_or(|end| end > until);
        vec![
            json!({"location": event.entity, "start": event.start.unix(), "duration": end - event.start,
            "uncertainty": null, "method": "median", "datasource": event.datasource, "status": 0, "fraction": null,
            "score": 4500.0, "location_name": "…", "overlaps_window": overlaps}),
        ]
    }

    fn as_alerts(event: &Event, from: Timestamp, until: Timestamp) -> Vec<Value> {
        let (kind, code) = event.entity.split_once('/').unwrap_or_default();
        let alert = |time: Timestamp, level: &str, value: i64| {
            json!({"datasource": event.datasource, "entity": {"code": code, "name": "…", "type": kind, "subnames": [],
                "attrs": {"fqid": "…"}}, "time": time.unix(), "level": level, "condition": "< 0.99", "value": value,
                "historyValue": 4, "method": "median"})
        };
        let both = [Some((event.start, "critical", 0)), event.end.map(|end| (end, "normal", 4))];
        let inside = both.into_iter().flatten().filter(|(at, ..)| from <= *at && *at < until);
        inside.map(|(at, level, value)| alert(at, level, value)).collect()
    }
}

fn entity_parts(entity: &Entity) -> (String, String) {
    let text = entity.to_string();
    let (kind, code) = text.split_once('/').unwrap_or_default();
    (kind.to_owned(), code.to_owned())
}

fn window(asked: &Asked) -> Result<(Timestamp, Timestamp), Refused> {
    let bound = |key: &str| {
        let digits = asked
            .value(key)
            .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
        let seconds = digits
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| (400, format!("missing or bad {key}")))?;
        Ok(Timestamp::from_unix(seconds))
    };
    let (from, until) = (bound("from")?, bound("until")?);
    if from > until {
        Err((400, "from must be before until".to_owned()))
    } else {
        Ok((from, until))
    }
}

fn envelope(status: u16, error: Option<&str>, data: &Value) -> Answer {
    Answer::json(
        status,
        &json!({"type": "signals", "metadata": {}, "requestParameters": {}, "error": error, "perf": null, "data": data,
            "copyright": "This data is Copyright (c) …"}),
    )
}
