//! Telegram: sends messages by the Bot API, receives updates by long polling. The library is
//! teloxide's core. Messages are sent by a client of our own with its payloads, because the outbox
//! needs to know how a send ended. Facts: docs/telegram.md

mod address;
mod answer_details;
mod ask;
mod details;
mod listener;
mod menu;
mod poll;
mod refusal;
mod rest;
mod send;
mod update;
mod updates;

use crate::domain::Chat;
use crate::notify::pace::{Limit, SharedPace};
use crate::notify::platform::{Cards, Doing, Edit, Outgoing, Platform, Sent};
use crate::render::words::tame;
use address::Address;
use poll::Poller;
use refusal::Refusal;
use reqwest::Url;
use rest::Rest;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use teloxide_core::Bot;
use teloxide_core::prelude::Requester as _;
use teloxide_core::types::{ChatAction, ChatId, UserId};

/// The platform's name in the configuration and the database.
pub const PLATFORM: &str = "telegram";

/// Telegram allows 30 messages a second over all chats:
/// <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits>. The remainder is for answers, and
/// for messages that arrive a little closer together than they were sent.
const OVERALL: Limit = Limit::per_second(27.5);
/// Telegram asks for at most one message a second to a chat, and 20 a minute to a group. With a
/// burst of two, a message every 3.2 s is the fastest pace that never puts more than 20 into a
/// minute.
const ALONE: Limit = Limit { every_ms: 1050.0, burst: 1 };
const GROUP: Limit = Limit { every_ms: 3200.0, burst: 2 };

/// The address of the Bot API, unless the operator configures another server.
const API: &str = "https://api.telegram.org";

/// The time limit of one call. It is long because a message whose outcome is unknown may be sent
/// twice.
const DEADLINE: Duration = Duration::from_secs(6);

/// The bot on Telegram.
pub struct Telegram {
    /// The client for messages.
    rest: Rest,
    /// The client for menus and taps.
    bot: Bot,
    poller: Poller,
    /// The pace of messages. Alerts and answers count together.
    pace: SharedPace,
    /// Whether the bot removes a webhook that diverts its updates.
    removes_webhooks: bool,
}

/// The bot's own account.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Me {
    id: u64,
    username: String,
}

/// A webhook that is set on the token. Updates go only there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its host only: the path of a webhook is often a secret.
    pub host: String,
    /// The number of updates that the webhook has not received yet.
    pub waiting: u64,
}

impl Telegram {
    /// Builds the client. `api` replaces `https://api.telegram.org`, `deadline` the usual time
    /// limit of a call.
    pub fn new(
        token: &SecretString,
        api: Option<&Url>,
        deadline: Option<Duration>,
    ) -> Result<Self, String> {
        let deadline = deadline.unwrap_or(DEADLINE);
        let base = match api {
            Some(api) => api.clone(),
            None => Url::parse(API).map_err(|error| error.to_string())?,
        };
        let bot = Bot::with_client(token.expose_secret(), rest::client(deadline)?)
            .set_api_url(base.clone());
        Ok(Self {
            rest: Rest::new(token, api, deadline)?,
            bot,
            poller: Poller::new(token, base, deadline)?,
            pace: SharedPace::new(OVERALL),
            removes_webhooks: false,
        })
    }

    /// Sets whether a webhook that diverts updates is removed, by `[telegram] remove_webhook`.
    #[must_use]
    pub fn removing_webhooks(self, removes_webhooks: bool) -> Self {
        Self { removes_webhooks, ..self }
    }
}

impl Telegram {
    /// Returns the URL by which a group lets the bot in. As a plain member the bot sees only
    /// commands and may write.
    pub async fn invite(&self) -> Result<String, String> {
        let me = self.me().await.map_err(|refusal| match refusal {
            Refusal::Said { status: 401 | 404, .. } => {
                "the token is refused: it is wrong or was revoked; @BotFather gives a new one (/token)".to_owned()
            }
            other => other.words(),
        })?;
        Ok(format!("https://t.me/{}?startgroup=linkdown", me.username))
    }

    /// Returns the webhook that is set on the token, if there is one.
    pub async fn left_webhook(&self) -> Result<Option<Webhook>, String> {
        self.webhook().await.map_err(|refusal| refusal.words())
    }

    async fn me(&self) -> Result<Me, Refusal> {
        let me = self.rest.call("getMe", &json!({})).await?;
        let id = me.get("id").and_then(Value::as_u64);
        let username = me.get("username").and_then(Value::as_str);
        match (id, username) {
            (Some(id), Some(username)) => Ok(Me { id, username: tame(username, 64) }),
            _ => Err(Refusal::in_doubt("Telegram did not name the bot")),
        }
    }

    async fn webhook(&self) -> Result<Option<Webhook>, Refusal> {
        let info = self.rest.call("getWebhookInfo", &json!({})).await?;
        let url = info.get("url").and_then(Value::as_str).filter(|url| !url.is_empty());
        let host = url.map(|url| {
            Url::parse(url).ok().and_then(|url| url.host_str().map(|host| tame(host, 100)))
        });
        let waiting = info.get("pending_update_count").and_then(Value::as_u64).unwrap_or(0);
        Ok(host.map(|host| Webhook {
            host: host.unwrap_or_else(|| "an unknown host".to_owned()),
            waiting,
        }))
    }

    /// Removes the webhook. Updates that wait for it are kept and arrive by polling.
    async fn remove_webhook(&self) -> Result<(), Refusal> {
        self.rest.call("deleteWebhook", &json!({ "drop_pending_updates": false })).await.map(drop)
    }

    /// Returns a person's membership in a chat as Telegram's JSON. Only the fields in use are read,
    /// so that older and newer servers work.
    async fn member(&self, chat: ChatId, person: UserId) -> Result<Value, Refusal> {
        self.rest.call("getChatMember", &json!({ "chat_id": chat, "user_id": person })).await
    }

    /// Checks that messages can be sent to the chat at that address. The error says why not.
    pub async fn may_tell(&self, address: &str) -> Result<(), String> {
        let chat = Address::read(address).map_err(|error| error.to_string())?.chat;
        let words = |refusal: Refusal| refusal.words();
        let shown = self.rest.call("getChat", &json!({ "chat_id": chat })).await.map_err(words)?;
        let kind = shown.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == "private" {
            return Ok(());
        }
        let me = self.me().await.map_err(words)?;
        let member = self.member(chat, UserId(me.id)).await.map_err(words)?;
        let may = |right: &str| member.get(right) == Some(&Value::Bool(true));
        let status = member.get("status").and_then(Value::as_str).unwrap_or_default();
        let may_write = match status {
            _ if update::is_inside(status, member.get("is_member")) == Some(false) => {
                return Err("I am not in it".to_owned());
            }
            "restricted" => may("can_send_messages"),
            "administrator" if kind == "channel" => may("can_post_messages"),
            _ => true,
        };
        if may_write { Ok(()) } else { Err("I may not write in it".to_owned()) }
    }

    /// Returns whether messages can be sent to the chat at that address, and for a person also
    /// whether they do not block the bot.
    async fn is_able_at(&self, address: &str) -> bool {
        let Ok(Address { chat, .. }) = Address::read(address) else { return false };
        if chat.is_user() {
            // Short of a message, no other call shows a block.
            self.bot.send_chat_action(chat, ChatAction::Typing).await.is_ok()
        } else {
            self.may_tell(address).await.is_ok()
        }
    }
}

/// Returns the fastest pace of messages to the chat at that address. Groups and channels have
/// negative ids.
fn limit_of(address: &str) -> Limit {
    if address.starts_with('-') { GROUP } else { ALONE }
}

impl Refusal {
    /// Returns the text of the refusal for the log.
    fn words(&self) -> String {
        match self {
            Self::Unreachable(why) | Self::InDoubt(why) | Self::Said { why, .. } => why.clone(),
            Self::RetryAfter { seconds } => format!("asked to wait {seconds} s"),
            Self::MigratedTo { chat } => format!("the group has become the supergroup {chat}"),
        }
    }
}

/// The library's own `Debug` output shows the token.
impl fmt::Debug for Telegram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telegram")
    }
}

impl Platform for Telegram {
    fn name(&self) -> &'static str {
        PLATFORM
    }

    fn cards(&self) -> Cards {
        Cards::Kept
    }

    fn pace(&self) -> SharedPace {
        self.pace.clone()
    }

    fn pace_of(&self, chat: &Chat) -> Limit {
        limit_of(&chat.address)
    }

    /// Returns the whole group as the place of a topic: Telegram counts all its topics together.
    fn place_of(&self, chat: &Chat) -> String {
        Address::read(&chat.address)
            .map_or_else(|_| chat.address.clone(), |address| address.chat.to_string())
    }

    fn place(&self, chat: &Chat) -> String {
        format!("the Telegram chat {}", chat.address)
    }

    fn link(&self, _: &Chat, _: Option<&str>) -> Option<String> {
        None
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> Doing<'a, Sent> {
        Box::pin(send::send(&self.rest, message))
    }

    fn edit<'a>(&'a self, edit: &'a Edit) -> Doing<'a, ()> {
        Box::pin(send::edit(&self.rest, edit))
    }
}
