//! Telegram: sends through the Bot API, hears by long polling. The library is teloxide's core; what is known of it and of
//! the API stands in docs/telegram.md.

mod address;
mod ask;
mod menu;
mod send;
mod updates;

use crate::domain::Chat;
use crate::notify::pace::Limit;
use crate::notify::platform::{Cards, Doing, Edit, Outgoing, Platform, Sent};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::Duration;
use teloxide_core::Bot;
use teloxide_core::prelude::Requester as _;

pub const PLATFORM: &str = "telegram";

/// Telegram names 30 messages a second over all chats; see <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits>.
const OVERALL: Limit = Limit::per_second(28.5);
/// "Avoid sending more than one message per second" to a chat; to a group 20 a minute.
const ALONE: Limit = Limit { every_ms: 1050.0, burst: 1 };
const GROUP: Limit = Limit { every_ms: 3100.0, burst: 2 };

/// How long a poll waits for something to happen.
const POLL: Duration = Duration::from_secs(50);

/// The bot on Telegram.
pub struct Telegram {
    /// For messages.
    bot: Bot,
    /// For what must not wait behind a poll, nor a poll behind it.
    polling: Bot,
}

impl Telegram {
    /// `deadline` is how long one call may take, polls aside.
    pub fn new(token: &SecretString, api: Option<&Url>, deadline: Duration) -> Result<Self, String> {
        let client = |deadline: Duration| {
            let builder = Client::builder().connect_timeout(deadline.min(Duration::from_secs(5))).timeout(deadline);
            // A redirect would carry the token to wherever it points.
            let builder = builder.redirect(reqwest::redirect::Policy::none()).tcp_nodelay(true);
            builder.build().map_err(|error| error.without_url().to_string())
        };
        let bot = |client| {
            let bot = Bot::with_client(token.expose_secret(), client);
            match api {
                Some(api) => bot.set_api_url(api.clone()),
                None => bot,
            }
        };
        Ok(Self { bot: bot(client(deadline)?), polling: bot(client(POLL + deadline)?) })
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

    fn pace(&self) -> Limit {
        OVERALL
    }

    fn pace_of(&self, chat: &Chat) -> Limit {
        // Groups and channels have numbers below zero.
        if chat.address.starts_with('-') { GROUP } else { ALONE }
    }

    fn direct(&self, person: &str) -> Option<String> {
        Some(person.to_owned())
    }

    fn place(&self, chat: &Chat) -> String {
        format!("the Telegram chat {}", chat.address)
    }

    fn link(&self, _: &Chat, _: Option<&str>) -> Option<String> {
        None
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> Doing<'a, Sent> {
        Box::pin(send::send(&self.bot, message))
    }

    fn edit<'a>(&'a self, edit: &'a Edit) -> Doing<'a, ()> {
        Box::pin(send::edit(&self.bot, edit))
    }
}
