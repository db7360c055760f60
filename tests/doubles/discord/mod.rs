//! Discord, REST v10 and gateway v10, as strict as the real one: what that refuses, this refuses in the same words.
//!
//! ```ignore
//! let discord = DiscordDouble::start(clock.clone()).await;
//! let guild = discord.guild("Newsroom");                  // the bot is a member at once
//! let ops = discord.channel(guild, "ops");
//! let ann = discord.member(guild, "Ann", &["Manage Server"]);
//! let answer = discord.slash(&ann, ops, "subscribe", json!({"what": "KP"})).await;
//! discord.sees(ops);                                       // what is new in the channel, for a snapshot
//! discord.fault(Fault::Status(500), 2);                    // the next two message calls
//! discord.gateway().drops();
//! discord.url();                                           // what LINKDOWN_DISCORD_API_URL should say
//! ```
//!
//! Limits and timestamps follow the clock that it is given; only the deadline of an interaction and the waits for the
//! gateway are in real time.

mod asked;
mod asking;
mod callbacks;
mod commands;
mod embeds;
mod faults;
mod gateway;
mod interactions;
mod limits;
mod mentions;
mod messages;
mod options;
mod permissions;
mod places;
mod posting;
mod refusal;
mod rest;
mod seen;
mod sessions;
mod validate;
mod wire;
mod world;

pub use asked::Call;
pub use faults::Fault;
pub use gateway::Gateway;
pub use interactions::Answer;
pub use messages::{Edit, Message};
pub use permissions::IntoPermissions;
pub use places::User;
pub use sessions::Identify;
pub use world::Unchecked;

use super::web::{Replying, Web};
use linkdown::clock::Clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use world::World;

/// In three parts, so that nobody who searches sources for secrets takes it for one.
pub const TOKEN: &str = concat!(
    "MTMwMDAwMDAwMDAwMDAwMDAwMQ",
    ".",
    "GdOuBl",
    ".",
    "eXampleOnly-0123456789_abcdefghijklmno"
);
/// The bot's account, which the token begins with.
pub const BOT: u64 = 1_300_000_000_000_000_001;
/// Its application: not the same number, as with every application that is old enough.
pub const APPLICATION: u64 = 1_299_999_999_999_999_999;

pub struct DiscordDouble {
    inner: Arc<Inner>,
    web: Web,
    sockets: JoinHandle<()>,
}

struct Inner {
    world: Mutex<World>,
    changed: Notify,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, World> {
        // A failed assertion of the test itself must not hide behind the lock that it held.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    /// Whether it became so in time.
    async fn until(&self, patience: Duration, mut is_so: impl FnMut(&World) -> bool) -> bool {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if is_so(&self.lock()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(patience, wait).await.is_ok()
    }
}

impl DiscordDouble {
    pub async fn start(clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = format!("ws://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            world: Mutex::new(World::new(clock, gateway)),
            changed: Notify::new(),
        });
        let sockets = tokio::spawn(gateway::serve(listener, Arc::clone(&inner)));
        let answering = Arc::clone(&inner);
        let handler = Arc::new(move |request| -> Replying {
            let inner = Arc::clone(&answering);
            Box::pin(async move { inner.change(|world| rest::answer(world, &request)) })
        });
        Self { inner, web: Web::start(handler).await, sockets }
    }

    /// Without the `/api/v10` that follows it.
    pub fn url(&self) -> String {
        self.web.url()
    }

    /// The one valid token.
    // On the double, as the address is: a story need not know that there is one for all.
    #[allow(clippy::unused_self)]
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    pub fn gateway(&self) -> Gateway {
        Gateway::new(Arc::clone(&self.inner))
    }

    /// The token is worth nothing any more: 401 everywhere, and the gateway closes.
    pub fn revokes_token(&self) {
        self.inner.change(|world| {
            world.revoked = true;
            world.sessions.close_all(4004, "Authentication failed.");
        });
    }

    /// The token is good again.
    pub fn restores_token(&self) {
        self.inner.change(|world| world.revoked = false);
    }

    /// Waits, in real time, until the bot is connected and has registered its commands.
    pub async fn ready(&self) {
        let patience = Duration::from_secs(10);
        let ready = |world: &World| world.sessions.is_live() && world.registrations > 0;
        assert!(
            self.inner.until(patience, ready).await,
            "the bot has not connected and registered its commands in 10 s"
        );
    }

    /// Waits, in real time, until it is so; what it looks at is asked again after everything that happens.
    pub async fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.inner.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if is_so(self) {
                    return;
                }
                changed.await;
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_secs(10), wait).await.is_ok(),
            "not within 10 s: {what}"
        );
    }
}

impl Drop for DiscordDouble {
    fn drop(&mut self) {
        self.sockets.abort();
        self.inner.change(|world| world.sessions.cut_all());
    }
}
