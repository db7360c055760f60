//! Discord: sends messages by REST, receives commands by the gateway and interactions. The library
//! is serenity. Messages are sent by a client of our own with serenity's builders as the body,
//! because the outbox needs the details of Discord's answers: how long to wait, which permission is
//! missing. Facts: docs/discord.md

mod commands;
mod error_text;
mod gateway;
mod interactions;
mod message;
mod permissions;
mod refusal;
mod rest;
mod search;
mod target;

use crate::clock::Clock;
use crate::domain::Chat;
use crate::notify::pace::{Limit, SharedPace};
use crate::notify::platform::{Cards, Doing, Edit, Outgoing, Platform, Sent};
use crate::notify::retry::SendError;
use reqwest::Url;
use rest::Rest;
use secrecy::{ExposeSecret, SecretString};
use serenity::http::{Http, HttpBuilder};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The platform's name in the configuration and the database.
pub const PLATFORM: &str = "discord";

/// Discord allows a bot 50 requests a second:
/// <https://discord.com/developers/docs/topics/rate-limits#global-rate-limit>
const OVERALL: Limit = Limit::per_second(49.0);
/// Discord also allows five messages in five seconds to a channel.
const CHANNEL: Limit = Limit { every_ms: 1050.0, burst: 3 };

/// The time limit of one call. It is short because a call with an unknown outcome is repeated
/// without harm.
const DEADLINE: Duration = Duration::from_secs(4);

/// The bot on Discord.
pub struct Discord {
    rest: Rest,
    /// The client for the gateway and the answers to interactions.
    http: Arc<Http>,
    token: SecretString,
    /// The pace of messages. Answers to interactions do not count.
    pace: SharedPace,
    /// The bot's own user id, or 0 until it is known. Tells the bot's messages from others'.
    me: AtomicU64,
    /// The direct-message channels of people, by person.
    conversations: Mutex<HashMap<u64, u64>>,
}

impl Discord {
    /// Builds the client. `api` replaces `https://discord.com`, `deadline` the usual time limit of
    /// a call.
    pub fn new(
        token: &SecretString,
        api: Option<&Url>,
        deadline: Option<Duration>,
    ) -> Result<Self, String> {
        let pace = SharedPace::new(OVERALL);
        let rest = Rest::new(token, api, deadline.unwrap_or(DEADLINE), pace.clone())?;
        let mut http = HttpBuilder::new(token.expose_secret())
            .client(rest.client().clone())
            .ratelimiter_disabled(true);
        if let Some(api) = api {
            http = http.proxy(api.as_str().trim_end_matches('/'));
        }
        Ok(Self {
            rest,
            http: Arc::new(http.build()),
            token: token.clone(),
            pace,
            me: AtomicU64::new(0),
            conversations: Mutex::default(),
        })
    }
}

impl Discord {
    /// Replaces the system's clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.rest.set_clock(clock);
        self
    }

    /// Returns the URL by which a server lets the bot in, with the fewest permissions.
    pub async fn invite(&self) -> Result<String, String> {
        let application = self
            .http
            .get_current_application_info()
            .await
            .map_err(|error| error_text::words(&error))?;
        Ok(permissions::invite_url(application.id.get()))
    }

    /// Checks that messages can be sent to the chat at that address. The error says what is
    /// missing.
    pub async fn may_tell(&self, address: &str) -> Result<(), String> {
        let channel = match Address::read(address).map_err(|error| error.to_string())? {
            Address::Channel(channel) | Address::Forum(channel) => channel,
            // Whether a person accepts messages shows only when one is sent.
            Address::Person(_) => return Ok(()),
        };
        let me = self.http.get_current_user().await.map_err(|error| error_text::words(&error))?;
        self.me.store(me.id.get(), Ordering::Relaxed);
        let (lacks, name) = self.lacks(channel).await.map_err(|error| error.to_string())?;
        if lacks.is_empty() {
            Ok(())
        } else {
            Err(format!("I lack {} in {name}", lacks.join(" and ")))
        }
    }
}

/// The library's own `Debug` output shows the token.
impl fmt::Debug for Discord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discord")
    }
}

/// An address on Discord in the bot's own form: `123` is a channel or thread, `forum:123` a forum
/// in which each outage is a post, `@123` a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    Channel(u64),
    Forum(u64),
    Person(u64),
}

impl Address {
    fn read(text: &str) -> Result<Self, SendError> {
        let (make, id): (fn(u64) -> Self, &str) =
            match (text.strip_prefix("forum:"), text.strip_prefix('@')) {
                (Some(id), _) => (Self::Forum, id),
                (_, Some(id)) => (Self::Person, id),
                _ => (Self::Channel, text),
            };
        id.parse().map(make).map_err(|_| SendError::ChatUnreachable {
            why: format!("`{text}` is no Discord channel"),
        })
    }
}

impl Platform for Discord {
    fn name(&self) -> &'static str {
        PLATFORM
    }

    fn cards(&self) -> Cards {
        Cards::Kept
    }

    fn pace(&self) -> SharedPace {
        self.pace.clone()
    }

    fn pace_of(&self, _: &Chat) -> Limit {
        CHANNEL
    }

    fn place(&self, chat: &Chat) -> String {
        match Address::read(&chat.address) {
            Ok(Address::Channel(_)) => "a channel".to_owned(),
            Ok(Address::Forum(_)) => "a forum".to_owned(),
            Ok(Address::Person(_)) => "somebody".to_owned(),
            Err(_) => chat.address.clone(),
        }
    }

    fn link(&self, chat: &Chat, home: Option<&str>) -> Option<String> {
        match (Address::read(&chat.address), home) {
            (Ok(Address::Channel(id) | Address::Forum(id)), Some(home)) => {
                Some(format!("https://discord.com/channels/{home}/{id}"))
            }
            _ => None,
        }
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> Doing<'a, Sent> {
        Box::pin(self.deliver(message))
    }

    fn edit<'a>(&'a self, edit: &'a Edit) -> Doing<'a, ()> {
        Box::pin(self.revise(edit))
    }
}
