//! Cloudflare Radar as docs/sources/radar.md has it.

use super::script::Script;
use super::server::{Answer, Asked, Fault, Server};
use linkdown::clock::Clock;
use linkdown::domain::time::{DAY, MINUTE};
use linkdown::domain::{Entity, Seconds, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const STEP: Seconds = 15 * MINUTE;
/// Requests within five minutes; beyond, everything is refused.
const LIMIT: usize = 1200;

pub struct RadarDouble {
    server: Server,
    world: Arc<World>,
}

struct World {
    clock: Clock,
    token: String,
    script: Script,
    confidence: Mutex<BTreeMap<Entity, u32>>,
    annotations: Mutex<Vec<Value>>,
    anomalies: Mutex<Vec<Value>>,
    asked_at: Mutex<Vec<Timestamp>>,
}

impl RadarDouble {
    /// Answers only those who bring `token`.
    pub async fn start(clock: Clock, token: &str) -> Self {
        let world = Arc::new(World {
            clock: clock.clone(),
            token: token.to_owned(),
            script: Script::default(),
            confidence: Mutex::default(),
            annotations: Mutex::default(),
            anomalies: Mutex::default(),
            asked_at: Mutex::default(),
        });
        let answering = Arc::clone(&world);
        let handler =
            Arc::new(move |asked: &Asked, fault: Option<&Fault>| answering.answer(asked, fault));
        Self { server: Server::start(clock, usize::MAX, handler).await, world }
    }

    pub fn url(&self) -> String {
        format!("{}/client/v4", self.server.url())
    }

    /// Traffic in any unit, by the start of the quarter of an hour; it is scaled to each window's maximum.
    pub fn set(
        &self,
        entity: &str,
        values: impl Fn(Timestamp) -> Option<f64> + Send + Sync + 'static,
    ) {
        self.world.script.set(entity, "netflow", Arc::new(move |at, _| values(at)));
    }

    /// How far Radar trusts its own series; 5 where nothing is said.
    pub fn confidence(&self, entity: &str, level: u32) {
        self.world.confidence.lock().unwrap().insert(entity.parse().unwrap(), level);
    }

    pub fn annotation(&self, annotation: Value) {
        self.world.annotations.lock().unwrap().push(annotation);
    }

    pub fn anomaly(&self, anomaly: Value) {
        self.world.anomalies.lock().unwrap().push(anomaly);
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

type Refused = (u16, u32, String);

impl World {
    fn answer(&self, asked: &Asked, fault: Option<&Fault>) -> Answer {
        match self.result(asked, fault) {
            Ok(result) => {
                Answer::json(200, &json!({"success": true, "errors": [], "result": result}))
            }
            Err((status, code, message)) => {
                let errors = json!([{"code": code, "message": message}]);
                Answer::json(status, &json!({"success": false, "errors": errors, "result": null}))
            }
        }
    }

    fn result(&self, asked: &Asked, fault: Option<&Fault>) -> Result<Value, Refused> {
        match asked.headers.get("authorization").map(String::as_str) {
            None => {
                return Err((
                    400,
                    9106,
                    "Missing X-Auth-Key, X-Auth-Email or Authorization headers".to_owned(),
                ));
            }
            // A careless service repeats what it was given.
            Some(given) if given != format!("Bearer {}", self.token) => {
                return Err((403, 10_000, format!("Authentication error: {given}")));
            }
            Some(_) => {}
        }
        if self.is_flooded() {
            return Err((429, 1015, "rate limited".to_owned()));
        }
        if fault == Some(&Fault::ErrorInside) {
            return Err((200, 2000, "internal".to_owned()));
        }
        let empty = fault == Some(&Fault::EmptyData);
        let shown = |list: &Mutex<Vec<Value>>| {
            if empty { Vec::new() } else { list.lock().unwrap().clone() }
        };
        match asked.path.trim_start_matches("/client/v4") {
            "/radar/netflows/timeseries" => self.netflows(asked, fault),
            "/radar/annotations/outages" => {
                window(asked).map(|_| json!({"annotations": shown(&self.annotations)}))
            }
            "/radar/traffic_anomalies" => {
                window(asked).map(|_| json!({"trafficAnomalies": shown(&self.anomalies)}))
            }
            _ => Err((404, 7003, "Could not route to that path".to_owned())),
        }
    }

    fn is_flooded(&self) -> bool {
        let now = self.clock.now();
        let mut asked_at = self.asked_at.lock().unwrap();
        asked_at.retain(|at| now - *at < 300);
        asked_at.push(now);
        asked_at.len() > LIMIT
    }

    fn netflows(&self, asked: &Asked, fault: Option<&Fault>) -> Result<Value, Refused> {
        let bad = |why: &str| (400, 2001, why.to_owned());
        let entity: Entity = match (asked.value("location"), asked.value("asn")) {
            (Some(code), None) => format!("country/{code}").parse(),
            (None, Some(number)) => format!("asn/{number}").parse(),
            _ => return Err(bad("one of location and asn is needed")),
        }
        .map_err(|_| bad("bad location or asn"))?;
        if asked.value("aggInterval") != Some("15m")
            || asked.value("normalization") != Some("MIN0_MAX")
        {
            return Err(bad("this double knows 15m and MIN0_MAX alone"));
        }
        let (from, until) = window(asked)?;
        let now = self.clock.now();
        let mut buckets = Vec::new();
        let mut at = from;
        while at < until && at < now && fault != Some(&Fault::EmptyData) {
            if let Some(value) = self.script.value(&entity, "netflow", at, 0, at) {
                // The newest are still filling.
                buckets.push((at, if now - at < 2 * STEP { value * 0.2 } else { value }));
            }
            at = at + STEP;
        }
        let most = buckets.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        let sign = if fault == Some(&Fault::Negative) { -1.0 } else { 1.0 };
        let level = self.confidence.lock().unwrap().get(&entity).copied().unwrap_or(5);
        let timestamps: Vec<String> = buckets.iter().map(|(at, _)| at.to_string()).collect();
        let values: Vec<String> =
            buckets.iter().map(|(_, value)| format!("{:.6}", sign * value / most)).collect();
        Ok(
            json!({"meta": {"aggInterval": "FIFTEEN_MINUTES", "lastUpdated": now.to_string(), "normalization": "MIN0_MAX",
            "units": [{"name": "*", "value": "bytes"}], "confidenceInfo": {"level": level, "annotations": []}},
            "serie_0": {"timestamps": timestamps, "values": values}}),
        )
    }
}

fn window(asked: &Asked) -> Result<(Timestamp, Timestamp), Refused> {
    let bad = |why: &str| (400, 2001, why.to_owned());
    if asked.value("dateRange").is_some() {
        return Err(bad(
            "dateRange and dateStart exclude each other, and this double knows the latter",
        ));
    }
    let date =
        |key: &str| asked.value(key).filter(|text| text.ends_with('Z')).and_then(Timestamp::parse);
    let (Some(from), Some(until)) = (date("dateStart"), date("dateEnd")) else {
        return Err(bad("dateStart and dateEnd are needed, ISO 8601 with Z"));
    };
    if until - from > 364 * DAY {
        return Err(bad("the range is too long"));
    }
    Ok((from.floor_to(STEP), until.floor_to(STEP)))
}
