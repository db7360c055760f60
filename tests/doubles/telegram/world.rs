//! All that Telegram knows, behind one lock, and the wait for it to change.

use super::TelegramDouble;
use super::callbacks::Query;
use super::chat::{Author, Chat, Kind, Membership, Message, Person, Said};
use super::faults::Faults;
use super::limits::Pace;
use super::polling::Queue;
use super::seen::Call;
use crate::doubles::disobeyed::Disobeyed;
use linkdown::clock::{Clock, Millis};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long, in real time, the double waits for the bot.
pub const PATIENCE: Duration = Duration::from_secs(5);

// Each is a fact about the service that changes by itself.
#[allow(clippy::struct_excessive_bools)]
pub struct World {
    pub clock: Clock,
    pub chats: BTreeMap<i64, Chat>,
    pub people: BTreeMap<i64, Person>,
    /// Private chats and basic groups count their messages together, every other chat its own.
    last_ids: BTreeMap<i64, i32>,
    /// Messages of the bot so far.
    pub sent: u64,
    pub queue: Queue,
    pub queries: BTreeMap<String, Query>,
    pub calls: Vec<Call>,
    pub unexpected: Vec<String>,
    pub commands: BTreeMap<String, Vec<(String, String)>>,
    pub command_sets: usize,
    pub faults: Faults,
    pub pace: Pace,
    pub unlimited: bool,
    /// Describes each call that came while a pause that was asked for was running.
    pub disobeyed: Vec<Disobeyed>,
    pub revoked: bool,
    pub second_instance: bool,
    /// Where updates are sent; while there is one, none can be polled.
    pub webhook: Option<String>,
    /// The server is one of before Bot API 7.0.
    pub is_old: bool,
}

pub struct Shared {
    world: Mutex<World>,
    changes: watch::Sender<u64>,
}

impl Shared {
    pub fn new(clock: Clock) -> Self {
        let world = World {
            clock,
            chats: BTreeMap::new(),
            people: BTreeMap::new(),
            last_ids: BTreeMap::new(),
            sent: 0,
            queue: Queue::default(),
            queries: BTreeMap::new(),
            calls: Vec::new(),
            unexpected: Vec::new(),
            commands: BTreeMap::new(),
            command_sets: 0,
            faults: Faults::default(),
            pace: Pace::default(),
            unlimited: false,
            disobeyed: Vec::new(),
            revoked: false,
            second_instance: false,
            webhook: None,
            is_old: false,
        };
        Self { world: Mutex::new(world), changes: watch::Sender::new(0) }
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        // A story that panicked while it looked says so itself.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world, and wakes whoever waits for that.
    pub fn act<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let result = act(&mut self.lock());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until there is something to be found; what it waits for is told if that does not come.
    pub async fn until<T>(&self, what: &str, mut find: impl FnMut(&mut World) -> Option<T>) -> T {
        let mut changes = self.changes();
        let found = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = find(&mut self.lock()) {
                    return found;
                }
                let _ = changes.changed().await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| {
            panic!("in vain for {PATIENCE:?}: {what}\n{}", self.lock().last_calls())
        })
    }
}

impl TelegramDouble {
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        self.shared.act(act)
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.shared.lock())
    }
}

impl World {
    pub fn now(&self) -> Millis {
        self.clock.millis()
    }

    /// For stories, which know which chats there are.
    pub fn chat(&self, id: i64) -> &Chat {
        self.chats.get(&id).unwrap_or_else(|| panic!("there is no chat {id}"))
    }

    pub fn chat_mut(&mut self, id: i64) -> &mut Chat {
        self.chats.get_mut(&id).unwrap_or_else(|| panic!("there is no chat {id}"))
    }

    /// The id that the next message there will have.
    pub fn upcoming_id(&mut self, chat: i64) -> i32 {
        *self.last_id(chat) + 1
    }

    pub fn last_id(&mut self, chat: i64) -> &mut i32 {
        let own = matches!(self.chat(chat).kind, Kind::Supergroup | Kind::Channel);
        self.last_ids.entry(if own { chat } else { 0 }).or_default()
    }

    /// Puts a message into the chat; its id and its time are given to it here.
    pub fn keep(&mut self, chat: i64, author: Author, message: Message) -> &mut Said {
        let id = self.upcoming_id(chat);
        *self.last_id(chat) = id;
        let message = Message { id, at_millis: self.now(), ..message };
        let order = self.sent;
        self.sent += u64::from(author == Author::Bot);
        let said = Said {
            order,
            author,
            message,
            entities: Vec::new(),
            markup: Value::Null,
            edited_at: None,
            forwarded: false,
            photo: false,
            service: None,
        };
        let kept = &mut self.chat_mut(chat).said;
        kept.push(said);
        kept.last_mut().unwrap()
    }

    /// Puts a service message there, and tells the bot if it is there.
    pub fn serves(
        &mut self,
        chat: i64,
        author: Author,
        topic: Option<i32>,
        service: (&'static str, Value),
    ) -> i32 {
        let said = self.keep(chat, author, Message { topic, ..Message::default() });
        said.service = Some(service);
        let id = said.message.id;
        if self.chat(chat).standing.is_inside() {
            let kind =
                if self.chat(chat).kind == Kind::Channel { "channel_post" } else { "message" };
            let message = self.message_json(chat, id);
            self.put_update(kind, message);
        }
        id
    }

    /// Changes what the bot is in a chat, and tells it.
    pub fn stands(&mut self, chat: i64, standing: Membership, by: &Value) {
        let old = std::mem::replace(&mut self.chat_mut(chat).standing, standing);
        if old != standing {
            let update = self.my_chat_member(chat, old, by);
            self.put_update("my_chat_member", update);
        }
    }
}
