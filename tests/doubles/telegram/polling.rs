//! Updates and getUpdates: an offset confirms, a long poll waits in real time, and one poll ends the other.

use super::TelegramDouble;
use super::params::Params;
use super::refusal::{Outcome, Refusal};
use super::world::{Shared, World};
use linkdown::clock::Millis;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Updates that nobody fetches are thrown away after a day.
const KEPT: Millis = 24 * 60 * 60 * 1000;
/// What one gets who does not ask for it by name.
const NOT_BY_DEFAULT: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

#[derive(Debug)]
pub struct Queue {
    waiting: VecDeque<Update>,
    last_id: i32,
    allowed: Vec<String>,
    /// For each update that was handed out: how many messages the bot had sent before.
    handed: BTreeMap<i32, u64>,
    /// The poll that is under way, or was the last.
    poll: u64,
}

#[derive(Debug)]
struct Update {
    id: i32,
    at: Millis,
    body: Value,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            last_id: 500_000_000,
            allowed: Vec::new(),
            handed: BTreeMap::new(),
            poll: 0,
        }
    }
}

impl Queue {
    fn allows(&self, kind: &str) -> bool {
        if self.allowed.is_empty() {
            !NOT_BY_DEFAULT.contains(&kind)
        } else {
            self.allowed.iter().any(|allowed| allowed == kind)
        }
    }

    pub fn is_confirmed(&self, id: i32) -> bool {
        self.waiting.iter().all(|update| update.id != id)
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// How many messages the bot had sent when it got the update; `None` until it has got it.
    pub fn sent_before(&self, id: i32) -> Option<u64> {
        self.handed.get(&id).copied()
    }

    fn confirm(&mut self, offset: i64, now: Millis) {
        if offset < 0 {
            let kept = usize::try_from(-offset).unwrap_or_default();
            self.waiting.drain(..self.waiting.len().saturating_sub(kept));
        }
        self.waiting.retain(|update| i64::from(update.id) >= offset && update.at + KEPT > now);
    }

    fn hand_out(&mut self, limit: usize, sent: u64) -> Vec<Value> {
        let batch = self.waiting.iter().take(limit);
        batch
            .map(|update| {
                self.handed.entry(update.id).or_insert(sent);
                update.body.clone()
            })
            .collect()
    }
}

impl World {
    /// Its id, if the bot wants to hear of such things.
    pub fn put_update(&mut self, kind: &str, about: Value) -> Option<i32> {
        if !self.queue.allows(kind) {
            return None;
        }
        let mut body = Map::new();
        body.insert(kind.to_owned(), about);
        Some(self.put_raw(body))
    }

    fn put_raw(&mut self, mut body: Map<String, Value>) -> i32 {
        self.queue.last_id += 1;
        let id = self.queue.last_id;
        body.insert("update_id".to_owned(), json!(id));
        let update = Update { id, at: self.now(), body: Value::Object(body) };
        self.queue.waiting.push_back(update);
        id
    }
}

pub async fn get_updates(shared: &Shared, params: &Params) -> Outcome {
    let limit = params.number("limit").map_or(100, |limit| limit.clamp(1, 100)) as usize;
    let patience =
        Duration::from_secs(params.number("timeout").unwrap_or_default().clamp(0, 50) as u64);
    let deadline = Instant::now() + patience;
    let mine = shared.act(|world| {
        if world.webhook.is_some() {
            return Err(Refusal::webhook_is_active());
        }
        if world.second_instance {
            return Err(Refusal::conflict());
        }
        let now = world.now();
        if let Value::Array(allowed) = params.json("allowed_updates") {
            world.queue.allowed =
                allowed.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect();
        }
        world.queue.confirm(params.number("offset").unwrap_or_default(), now);
        world.queue.poll += 1;
        Ok(world.queue.poll)
    })?;
    let mut changes = shared.changes();
    loop {
        changes.borrow_and_update();
        let updates = {
            let mut world = shared.lock();
            if world.revoked {
                return Err(Refusal::unauthorized());
            }
            if world.webhook.is_some() {
                return Err(Refusal::terminated_by_webhook());
            }
            if world.second_instance || world.queue.poll != mine {
                return Err(Refusal::conflict());
            }
            let sent = world.sent;
            world.queue.hand_out(limit, sent)
        };
        if !updates.is_empty() {
            shared.act(|_| ());
            return Ok(Value::Array(updates));
        }
        if tokio::time::timeout_at(deadline, changes.changed()).await.is_err() {
            return Ok(json!([]));
        }
    }
}

impl TelegramDouble {
    /// Any update, as it is: malformed, unknown or huge ones. An `update_id` is put in.
    pub fn update(&self, update: Value) -> i32 {
        let Value::Object(body) = update else { panic!("an update is an object") };
        self.act(|world| world.put_raw(body))
    }

    /// Another program sets a webhook on the token.
    pub fn sets_webhook(&self, url: &str) {
        self.act(|world| world.webhook = Some(url.to_owned()));
    }

    /// That program, or a person, removes it.
    pub fn removes_webhook(&self) {
        self.act(|world| world.webhook = None);
    }

    pub fn webhook(&self) -> Option<String> {
        self.look(|world| world.webhook.clone())
    }

    /// The server is a self-hosted one of before Bot API 7.0: forwards have no `forward_origin`, getMe fewer fields.
    pub fn is_an_older_server(&self) {
        self.act(|world| world.is_old = true);
    }

    /// What waits to be polled is older than a day.
    pub fn forgets(&self) {
        self.act(|world| world.queue.waiting.clear());
    }

    /// Waits until the bot has confirmed every update, and rests.
    pub async fn quiet(&self) {
        self.shared
            .until("an update was not confirmed", |world| world.queue.is_empty().then_some(()))
            .await;
        self.rest().await;
    }

    pub(super) async fn confirmed(&self, update: i32) {
        let what = "the bot did not confirm the update";
        self.shared.until(what, |world| world.queue.is_confirmed(update).then_some(())).await;
    }

    /// Waits until nobody is at work by the clock.
    pub(super) async fn rest(&self) {
        let clock = self.look(|world| world.clock.clone());
        let rested = tokio::time::timeout(super::world::PATIENCE, clock.until_all_rest()).await;
        assert!(rested.is_ok(), "the bot does not come to rest\n{}", self.look(World::last_calls));
    }

    /// Updates that the bot has not confirmed.
    pub fn unconfirmed(&self) -> usize {
        self.look(|world| world.queue.waiting.len())
    }
}
