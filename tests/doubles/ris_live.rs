//! RIS Live as docs/sources/ris-live.md has it: subscriptions with filters, acknowledged; pings; messages to whom they match.

use futures_util::{SinkExt, StreamExt};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// Messages that a client may be behind by before it is told that it is too slow, and cut off.
const TOO_SLOW: usize = 100_000;

#[derive(Clone)]
pub struct RisLiveDouble {
    port: u16,
    host: String,
    said: broadcast::Sender<Said>,
    world: Arc<Mutex<World>>,
}

#[derive(Default)]
struct World {
    /// Filters of all clients there ever were, in their order.
    subscribed: Vec<Value>,
    clients: Vec<String>,
    answers_pings: bool,
    ids: u64,
    /// Types that a subscription may not name: either name of a session may be gone one day.
    refused_types: BTreeSet<String>,
}

#[derive(Clone, Debug)]
enum Said {
    /// To those whose filters it matches.
    Message(Arc<Value>),
    /// To everybody, as it stands.
    Raw(Arc<String>),
    Close,
}

impl RisLiveDouble {
    pub async fn start() -> Self {
        Self::at("127.0.0.1").await
    }

    pub async fn at(host: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let world = World { answers_pings: true, ..World::default() };
        let double = Self {
            port: listener.local_addr().unwrap().port(),
            host: host.to_owned(),
            said: broadcast::channel(TOO_SLOW).0,
            world: Arc::new(Mutex::new(world)),
        };
        let serving = double.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        double
    }

    pub fn url(&self) -> String {
        format!("ws://{}:{}/v1/ws/", self.host, self.port)
    }

    /// The filters that were asked for.
    pub fn subscribed(&self) -> Vec<Value> {
        self.world.lock().unwrap().subscribed.clone()
    }

    /// By which names clients came.
    pub fn clients(&self) -> Vec<String> {
        self.world.lock().unwrap().clients.clone()
    }

    /// Answers a subscription to this type with an error. A filter that is refused keeps the connection.
    pub fn refuses_type(&self, kind: &str) {
        self.world.lock().unwrap().refused_types.insert(kind.to_owned());
    }

    pub fn answers_pings(&self, answers: bool) {
        self.world.lock().unwrap().answers_pings = answers;
    }

    /// Somebody's peer says that it sees, or has lost, the blocks. `path` empty: a withdrawal.
    pub fn update(&self, collector: u32, peer: &str, at: f64, path: &[u32], nets: &[&str]) {
        let (announced, withdrawn) =
            if path.is_empty() { (vec![], nets.to_vec()) } else { (nets.to_vec(), vec![]) };
        let announcements = if announced.is_empty() {
            json!([])
        } else {
            json!([{"next_hop": peer, "prefixes": announced}])
        };
        let id = {
            let mut world = self.world.lock().unwrap();
            world.ids += 1;
            format!("{collector:02}-{peer}-{}", world.ids)
        };
        self.say(json!({"timestamp": at, "peer": peer, "peer_asn": path.first().unwrap_or(&64_496).to_string(),
            "id": id, "host": format!("rrc{collector:02}.ripe.net"), "type": "UPDATE", "path": path, "community": [],
            "announcements": announcements, "withdrawals": withdrawn}));
    }

    /// A session comes up (`connected`) or goes down (`down`), as the service has told it since 2026 at the latest.
    pub fn session(&self, collector: u32, peer: &str, at: f64, state: &str) {
        self.session_as("STATE", collector, peer, at, state);
    }

    /// The same under another name: `RIS_PEER_STATE` in the service's documentation and in captures of 2019.
    pub fn session_as(&self, kind: &str, collector: u32, peer: &str, at: f64, state: &str) {
        self.say(
            json!({"timestamp": at, "peer": peer, "peer_asn": "64496", "id": format!("{peer}-01a0"),
            "host": format!("rrc{collector:02}.ripe.net"), "type": kind, "state": state}),
        );
    }

    fn say(&self, data: Value) {
        // Nobody listens: nothing is kept for later.
        let _ = self.said.send(Said::Message(Arc::new(data)));
    }

    pub fn raw(&self, text: impl Into<String>) {
        let _ = self.said.send(Said::Raw(Arc::new(text.into())));
    }

    /// Breaks every connection off, without a reason, as it happens.
    pub fn breaks_off(&self) {
        let _ = self.said.send(Said::Close);
    }

    // The library's own callback has so large an error.
    #[allow(clippy::result_large_err)]
    async fn serve(self, stream: TcpStream) {
        let mut said = self.said.subscribe();
        let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            let query = request.uri().query().unwrap_or_default();
            let client = query.split('&').find_map(|pair| pair.strip_prefix("client="));
            self.world.lock().unwrap().clients.push(client.unwrap_or("nobody").to_owned());
            Ok(response)
        };
        let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, note).await else {
            return;
        };
        let mut filters: Vec<Value> = Vec::new();
        loop {
            let frame = tokio::select! {
                heard = socket.next() => match heard {
                    Some(Ok(Frame::Text(text))) => match self.heard(&text, &mut filters) {
                        Some(answer) => Frame::Text(answer.to_string()),
                        None => continue,
                    },
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => return,
                },
                said = said.recv() => match said {
                    Ok(Said::Message(data)) if filters.iter().any(|filter| matches(filter, &data)) => {
                        Frame::Text(json!({"type": "ris_message", "data": &*data}).to_string())
                    }
                    Ok(Said::Message(_)) => continue,
                    Ok(Said::Raw(text)) => Frame::Text((*text).clone()),
                    Ok(Said::Close) | Err(broadcast::error::RecvError::Closed) => return,
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        let last = json!({"type": "ris_error", "data": {"message": "client is too slow"}});
                        let _ = socket.send(Frame::Text(last.to_string())).await;
                        return;
                    }
                },
            };
            if socket.send(frame).await.is_err() {
                return;
            }
        }
    }

    fn heard(&self, text: &str, filters: &mut Vec<Value>) -> Option<Value> {
        let error = |why: &str| Some(json!({"type": "ris_error", "data": {"message": why}}));
        let Ok(message) = serde_json::from_str::<Value>(text) else { return error("no JSON") };
        match message["type"].as_str() {
            Some("ping") => self
                .world
                .lock()
                .unwrap()
                .answers_pings
                .then(|| json!({"type": "pong", "data": null})),
            Some("ris_subscribe") => {
                let filter = message["data"].clone();
                let known = [
                    "host",
                    "type",
                    "require",
                    "peer",
                    "path",
                    "prefix",
                    "moreSpecific",
                    "lessSpecific",
                    "socketOptions",
                ];
                let Some(keys) = filter.as_object() else { return error("no filter") };
                if let Some(key) = keys.keys().find(|key| !known.contains(&key.as_str())) {
                    return error(&format!("unknown filter {key}"));
                }
                let types =
                    ["UPDATE", "OPEN", "NOTIFICATION", "KEEPALIVE", "STATE", "RIS_PEER_STATE"];
                if filter["type"].as_str().is_some_and(|kind| {
                    !types.contains(&kind)
                        || self.world.lock().unwrap().refused_types.contains(kind)
                }) {
                    return error(&format!("unknown type {}", filter["type"]));
                }
                if filter["prefix"].as_str().is_some_and(|prefix| prefix.parse::<IpNet>().is_err())
                {
                    return error("bad prefix");
                }
                self.world.lock().unwrap().subscribed.push(filter.clone());
                filters.push(filter.clone());
                let acknowledge = filter["socketOptions"]["acknowledge"] == json!(true);
                acknowledge
                    .then(|| json!({"type": "ris_subscribe_ok", "data": {"subscription": filter, "socketOptions": {}}}))
            }
            _ => error("unknown message"),
        }
    }
}

fn matches(filter: &Value, data: &Value) -> bool {
    if filter["type"].is_string() && filter["type"] != data["type"] {
        return false;
    }
    // A withdrawal carries no path: a path filter never matches it.
    if filter["path"].is_string() && data["path"].as_array().is_none_or(Vec::is_empty) {
        return false;
    }
    let Some(prefix) = filter["prefix"].as_str().and_then(|prefix| prefix.parse::<IpNet>().ok())
    else {
        return true;
    };
    let announced = data["announcements"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|a| a["prefixes"].as_array().into_iter().flatten());
    let all = announced.chain(data["withdrawals"].as_array().into_iter().flatten());
    let mut nets = all.filter_map(|net| net.as_str()?.parse::<IpNet>().ok());
    nets.any(|net| prefix.contains(&net))
}
