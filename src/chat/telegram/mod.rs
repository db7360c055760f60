//! Telegram: sends by the Bot API, hears by long polling. The library is teloxide's core; messages go by our own client
//! with its payloads, since how a send ended must be ours to read. Facts: docs/telegram.md

mod address;
mod ask;
mod menu;
mod refusal;
mod rest;
mod send;
mod updates;

use crate::domain::Chat;
use crate::notify::pace::{Limit, SharedPace};
use crate::notify::platform::{Cards, Doing, Edit, Outgoing, Platform, Sent};
use address::Address;
use reqwest::Url;
use rest::Rest;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::Duration;
use teloxide_core::Bot;
use teloxide_core::prelude::Requester as _;
use teloxide_core::types::{ChatAction, ChatMemberKind};

pub const PLATFORM: &str = "telegram";

/// Telegram names 30 messages a second over all chats; see <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits>.
/// One of them is left to an answer: the alert after it waits in its stead, but what is handed over already does not.
const OVERALL: Limit = Limit::per_second(28.9);
/// Telegram asks for at most one message a second to a chat, and 20 a minute to a group. With a burst of two, a message
/// every 3.2 s is the fastest that never puts more than 20 into a minute.
const ALONE: Limit = Limit { every_ms: 1050.0, burst: 1 };
const GROUP: Limit = Limit { every_ms: 3200.0, burst: 2 };

/// How long a poll waits for something to happen.
const POLL: Duration = Duration::from_secs(50);

/// How long one call may take: one whose end is not known may have to be told twice, so there is time for it.
const DEADLINE: Duration = Duration::from_secs(6);

/// The bot on Telegram.
pub struct Telegram {
    /// For messages.
    rest: Rest,
    /// For questions, so that they do not wait behind a poll.
    bot: Bot,
    polling: Bot,
    /// Alerts and answers count together.
    pace: SharedPace,
}

impl Telegram {
    /// `deadline` stands in for the usual one.
    pub fn new(token: &SecretString, api: Option<&Url>, deadline: Option<Duration>) -> Result<Self, String> {
        let deadline = deadline.unwrap_or(DEADLINE);
        let bot = |client| {
            let bot = Bot::with_client(token.expose_secret(), client);
            match api {
                Some(api) => bot.set_api_url(api.clone()),
                None => bot,
            }
        };
        Ok(Self {
            rest: Rest::new(token, api, deadline)?,
            bot: bot(rest::client(deadline)?),
            polling: bot(rest::client(POLL + deadline)?),
            pace: SharedPace::new(OVERALL),
        })
    }
}

impl Telegram {
    /// The address by which a group lets the bot in. As a plain member it sees commands alone, and may write.
    pub async fn invite(&self) -> Result<String, String> {
        let me = self.bot.get_me().await.map_err(|error| match error {
            teloxide_core::RequestError::Api(teloxide_core::ApiError::InvalidToken) => {
                "the token is refused: it is wrong or was revoked; @BotFather gives a new one (/token)".to_owned()
            }
            other => send::words(&other),
        })?;
        Ok(format!("https://t.me/{}?startgroup=linkdown", me.username()))
    }

    /// Whether the chat at that address can be told; why not, where it cannot.
    pub async fn may_tell(&self, address: &str) -> Result<(), String> {
        let chat = Address::read(address).map_err(|error| error.to_string())?.chat;
        let chat = self.bot.get_chat(chat).await.map_err(|error| send::words(&error))?;
        if chat.is_private() {
            return Ok(());
        }
        let me = self.bot.get_me().await.map_err(|error| send::words(&error))?;
        let member = self.bot.get_chat_member(chat.id, me.id).await.map_err(|error| send::words(&error))?;
        let may_write = match &member.kind {
            kind if !kind.is_present() => return Err("I am not in it".to_owned()),
            ChatMemberKind::Restricted(rights) => rights.can_send_messages,
            ChatMemberKind::Administrator(rights) if chat.is_channel() => rights.can_post_messages,
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
        Address::read(&chat.address).map_or_else(|_| chat.address.clone(), |address| address.chat.to_string())
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
