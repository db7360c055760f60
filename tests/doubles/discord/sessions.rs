//! The gateway's sessions: what was told to which, and what is told again when one resumes.

use super::wire;
use super::world::World;
use super::{APPLICATION, TOKEN};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::mpsc::UnboundedSender;

pub(super) const GUILDS: u64 = 1 << 0;
pub(super) const GUILD_MESSAGES: u64 = 1 << 9;
pub(super) const DIRECT_MESSAGES: u64 = 1 << 12;
/// Sent whatever the intents are.
pub(super) const ALWAYS: u64 = 0;
const PRIVILEGED: u64 = 1 << 1 | 1 << 8 | 1 << 15;
const KNOWN: u64 = (1 << 26) - 1;

/// What goes out on a socket.
#[derive(Clone, Debug)]
pub(super) enum Out {
    Text(String),
    Close(u16, &'static str),
    /// The connection ends without a word.
    Cut,
}

/// What a bot said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identify {
    pub intents: u64,
    pub token_ok: bool,
    /// Which of how many.
    pub shards: Option<(u64, u64)>,
}

pub(super) struct Sessions {
    pub(super) sockets: BTreeMap<u64, UnboundedSender<Out>>,
    all: Vec<Session>,
    pub(super) connections: usize,
    pub(super) identifies: Vec<Identify>,
    pub(super) resumes: usize,
    pub(super) heartbeats: usize,
    pub(super) interval: u64,
    pub(super) is_acking: bool,
    pub(super) is_down: bool,
}

pub(super) struct Session {
    id: String,
    intents: u64,
    seq: u64,
    /// How far the bot says it has come.
    heard: u64,
    log: Vec<(u64, String)>,
    socket: Option<u64>,
    has_ended: bool,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            sockets: BTreeMap::new(),
            all: Vec::new(),
            connections: 0,
            identifies: Vec::new(),
            resumes: 0,
            heartbeats: 0,
            interval: 45_000,
            is_acking: true,
            is_down: false,
        }
    }
}

impl Sessions {
    /// Whether a bot is there now.
    pub(super) fn is_live(&self) -> bool {
        self.all.iter().any(|session| session.socket.is_some())
    }

    /// Whether one is, or may come back to what it missed.
    pub(super) fn is_open(&self) -> bool {
        self.all.iter().any(|session| !session.has_ended)
    }

    /// Whether every bot that is there has said that it got everything.
    pub(super) fn has_caught_up(&self) -> bool {
        self.all
            .iter()
            .filter(|session| session.socket.is_some())
            .all(|session| session.heard >= session.seq)
    }

    pub(super) fn dispatch(&mut self, event: &str, data: &Value, intent: u64) {
        for at in 0..self.all.len() {
            let session = &self.all[at];
            if !session.has_ended && (intent == ALWAYS || session.intents & intent != 0) {
                self.tell(at, event, data);
            }
        }
    }

    fn tell(&mut self, at: usize, event: &str, data: &Value) {
        let session = &mut self.all[at];
        session.seq += 1;
        let text = json!({"op": 0, "s": session.seq, "t": event, "d": data}).to_string();
        session.log.push((session.seq, text.clone()));
        if let Some(socket) = session.socket.and_then(|socket| self.sockets.get(&socket)) {
            let _ = socket.send(Out::Text(text));
        }
    }

    pub(super) fn send(&self, socket: u64, out: Out) {
        if let Some(socket) = self.sockets.get(&socket) {
            let _ = socket.send(out);
        }
    }

    /// Says it to every bot that is there; what happens from now on waits until it resumes.
    pub(super) fn detach_all(&mut self, message: &Value, ends: bool) {
        for session in &mut self.all {
            if let Some(socket) = session.socket.take() {
                session.has_ended |= ends;
                if let Some(socket) = self.sockets.get(&socket) {
                    let _ = socket.send(Out::Text(message.to_string()));
                }
            }
        }
    }

    /// Says it to every bot that is there.
    pub(super) fn say_all(&self, message: &Value) {
        for socket in self.all.iter().filter_map(|session| session.socket) {
            self.send(socket, Out::Text(message.to_string()));
        }
    }

    pub(super) fn cut_all(&mut self) {
        self.end_sockets(&Out::Cut);
    }

    pub(super) fn close_all(&mut self, code: u16, why: &'static str) {
        self.end_sockets(&Out::Close(code, why));
    }

    fn end_sockets(&mut self, out: &Out) {
        for socket in std::mem::take(&mut self.sockets).into_values() {
            let _ = socket.send(out.clone());
        }
        for session in &mut self.all {
            session.socket = None;
        }
    }

    /// A bot that says goodbye ends its session, one that is just gone does not.
    pub(super) fn left(&mut self, socket: u64, said_goodbye: bool) {
        self.sockets.remove(&socket);
        for session in self.all.iter_mut().filter(|session| session.socket == Some(socket)) {
            session.socket = None;
            session.has_ended |= said_goodbye;
        }
    }
}

/// A message that came in.
pub(super) fn heard(world: &mut World, socket: u64, text: &str) {
    let Ok(message) = serde_json::from_str::<Value>(text) else {
        return world.sessions.send(socket, Out::Close(4002, "Error while decoding payload."));
    };
    let known = world.sessions.all.iter_mut().find(|session| session.socket == Some(socket));
    let out = match (message["op"].as_u64(), known) {
        _ if text.len() > 4096 => Some(Out::Close(4002, "Error while decoding payload.")),
        (Some(1), known) => {
            if let (Some(session), Some(seq)) = (known, message["d"].as_u64()) {
                session.heard = seq;
            }
            world.sessions.heartbeats += 1;
            world.sessions.is_acking.then(|| Out::Text(json!({"op": 11}).to_string()))
        }
        (Some(2 | 6), Some(_)) => Some(Out::Close(4005, "Already authenticated.")),
        (Some(2), None) => identify(world, socket, &message["d"]).err(),
        (Some(6), None) => resume(world, socket, &message["d"]).err(),
        (Some(3 | 4 | 8 | 31), Some(_)) => None,
        (Some(3 | 4 | 8 | 31), None) => Some(Out::Close(4003, "Not authenticated.")),
        _ => Some(Out::Close(4001, "Unknown opcode.")),
    };
    if let Some(out) = out {
        world.sessions.send(socket, out);
    }
}

/// With `Bot ` before it or without: serenity says it, and Discord takes both.
fn is_valid(world: &World, token: &Value) -> bool {
    let token = token.as_str().unwrap_or_default();
    !world.revoked && token.strip_prefix("Bot ").unwrap_or(token) == TOKEN
}

fn identify(world: &mut World, socket: u64, data: &Value) -> Result<(), Out> {
    let token_ok = is_valid(world, &data["token"]);
    let shards = data["shard"][0].as_u64().zip(data["shard"][1].as_u64());
    let intents = data["intents"].as_u64();
    world.sessions.identifies.push(Identify { intents: intents.unwrap_or(0), token_ok, shards });
    if !data["properties"].is_object() {
        return Err(Out::Close(4002, "Error while decoding payload."));
    }
    if !token_ok {
        return Err(Out::Close(4004, "Authentication failed."));
    }
    if shards.is_some_and(|(which, all)| which >= all) {
        return Err(Out::Close(4010, "Invalid shard."));
    }
    let intents = intents
        .filter(|intents| intents & !KNOWN == 0)
        .ok_or(Out::Close(4013, "Invalid intent(s)."))?;
    if intents & PRIVILEGED != 0 {
        return Err(Out::Close(4014, "Disallowed intent(s)."));
    }
    let number = world.snowflake();
    let id = format!("{number:032x}");
    let session = Session {
        id: id.clone(),
        intents,
        seq: 0,
        heard: 0,
        log: Vec::new(),
        socket: Some(socket),
        has_ended: false,
    };
    let guilds: Vec<u64> =
        world.guilds.values().filter(|guild| guild.has_bot).map(|guild| guild.id).collect();
    let away = |guild: &u64| json!({"id": guild.to_string(), "unavailable": true});
    let mut ready = json!({"v": 10, "user": wire::me(world), "guilds": guilds.iter().map(away).collect::<Vec<_>>(),
        "session_id": id, "session_type": "normal", "resume_gateway_url": world.gateway, "private_channels": [],
        "relationships": [], "presences": [], "application": {"id": APPLICATION.to_string(), "flags": 0}});
    if let Some((which, all)) = shards {
        ready["shard"] = json!([which, all]);
    }
    world.sessions.all.push(session);
    let at = world.sessions.all.len() - 1;
    world.sessions.tell(at, "READY", &ready);
    for guild in guilds.into_iter().filter(|_| intents & GUILDS != 0) {
        let shown = wire::guild(world, guild);
        world.sessions.tell(at, "GUILD_CREATE", &shown);
    }
    Ok(())
}

fn resume(world: &mut World, socket: u64, data: &Value) -> Result<(), Out> {
    if !is_valid(world, &data["token"]) {
        return Err(Out::Close(4004, "Authentication failed."));
    }
    let sessions = &mut world.sessions;
    let known = |session: &Session| data["session_id"] == session.id.as_str() && !session.has_ended;
    let Some(at) = sessions.all.iter().position(known) else {
        return Err(Out::Text(json!({"op": 9, "d": false}).to_string()));
    };
    let session = &mut sessions.all[at];
    let seq = data["seq"]
        .as_u64()
        .filter(|seq| *seq <= session.seq)
        .ok_or(Out::Close(4007, "Invalid seq."))?;
    session.socket = Some(socket);
    session.heard = seq;
    let missed: Vec<String> = session
        .log
        .iter()
        .filter(|(number, _)| *number > seq)
        .map(|(_, text)| text.clone())
        .collect();
    sessions.resumes += 1;
    for text in missed {
        sessions.send(socket, Out::Text(text));
    }
    sessions.tell(at, "RESUMED", &json!({"_trace": []}));
    Ok(())
}
