//! Telegram: sends by the Bot API, hears by long polling. The library is teloxide's core; messages go by our own client
//! with its payloads, since how a send ended must be ours to read. Facts: docs/telegram.md

mod address;
mod ask;
mod details;
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

pub const PLATFORM: &str = "telegram";

/// Telegram names 30 messages a second over all chats; see <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits>.
/// The rest is room for answers, and for messages that arrive a little closer together than they were sent.
const OVERALL: Limit = Limit::per_second(27.5);
/// Telegram asks for at most one message a second to a chat, and 20 a minute to a group. With a burst of two, a message
/// every 3.2 s is the fastest that never puts more than 20 into a minute.
const ALONE: Limit = Limit { every_ms: 1050.0, burst: 1 };
const GROUP: Limit = Limit { every_ms: 3200.0, burst: 2 };

/// Where the Bot API is, unless the operator names another server.
const API: &str = "https://api.telegram.org";

/// How long one call may take: one whose end is not known may have to be told twice, so there is time for it.
const DEADLINE: Duration = Duration::from_secs(6);

/// The bot on Telegram.
pub struct Telegram {
    /// For messages.
    rest: Rest,
    /// For menus and for taps.
    bot: Bot,
    poller: Poller,
    /// Alerts and answers count together.
    pace: SharedPace,
    /// Whether a webhook that keeps updates away is removed.
    removes_webhooks: bool,
}

/// The bot's own account.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Me {
    id: u64,
    username: String,
}

/// A webhook that is set on the token: updates go there, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its host alone: the path of a webhook is often a secret.
    pub host: String,
    /// Updates that it has not taken yet.
    pub waiting: u64,
}

impl Telegram {
    /// `deadline` stands in for the usual one.
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

    /// Removes a webhook that keeps updates away, as `[telegram] remove_webhook` says.
    #[must_use]
    pub fn removing_webhooks(self, removes_webhooks: bool) -> Self {
        Self { removes_webhooks, ..self }
    }
}

impl Telegram {
    /// The address by which a group lets the bot in. As a plain member it sees commands alone, and may write.
    pub async fn invite(&self) -> Result<String, String> {
        let me = self.me().await.map_err(|refusal| match refusal {
            Refusal::Said { status: 401 | 404, .. } => {
                "the token is refused: it is wrong or was revoked; @BotFather gives a new one (/token)".to_owned()
            }
            other => other.words(),
        })?;
        Ok(format!("https://t.me/{}?startgroup=linkdown", me.username))
    }

    /// The webhook that is set on the token, if there is one.
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

    /// What waits for the webhook is kept, and arrives here.
    async fn remove_webhook(&self) -> Result<(), Refusal> {
        self.rest.call("deleteWebhook", &json!({ "drop_pending_updates": false })).await.map(drop)
    }

    /// What somebody is in a chat, as Telegram writes it: only the fields that are used are read, so that older and newer
    /// servers do.
    async fn member(&self, chat: ChatId, person: UserId) -> Result<Value, Refusal> {
        self.rest.call("getChatMember", &json!({ "chat_id": chat, "user_id": person })).await
    }

    /// Whether the chat at that address can be told; why not, where it cannot.
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

    /// The same; and of a person, whether they still block the bot.
    async fn is_able_at(&self, address: &str) -> bool {
        let Ok(Address { chat, .. }) = Address::read(address) else { return false };
        if chat.is_user() {
            // Nothing else tells, short of a message.
            self.bot.send_chat_action(chat, ChatAction::Typing).await.is_ok()
        } else {
            self.may_tell(address).await.is_ok()
        }
    }
}

/// Returns how fast messages may go to the chat at that address. Groups and channels have numbers below zero.
fn limit_of(address: &str) -> Limit {
    if address.starts_with('-') { GROUP } else { ALONE }
}

impl Refusal {
    /// What went wrong, in words for the log.
    fn words(&self) -> String {
        match self {
            Self::Unreachable(why) | Self::InDoubt(why) | Self::Said { why, .. } => why.clone(),
            Self::RetryAfter { seconds } => format!("asked to wait {seconds} s"),
            Self::MigratedTo { chat } => format!("the group has become the supergroup {chat}"),
        }
    }
}

/// The library's own form shows the token.
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

    /// Telegram counts all topics of a group together.
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
