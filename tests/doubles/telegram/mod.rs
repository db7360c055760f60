//! The Telegram Bot API on a real socket, as strict as the real one, for the real client.
//!
//! ```ignore
//! let telegram = TelegramDouble::start(clock.clone()).await;
//! telegram.url();                                              // what LINKDOWN_TELEGRAM_API_URL should say
//! let ann = telegram.person("Ann");
//! let ops = telegram.supergroup("Ops");                        // the bot is in it
//! let answer = telegram.says(&ann, ops, "/status KP").await;   // what the bot sent to the chat because of it
//! telegram.sees(ops);                                          // what is new to see there, for a snapshot
//! telegram.fault(Fault::Reset, 1);                             // the next message meets a broken connection
//! ```
//!
//! Rate limits and dates go by the clock that it is given; only long polls wait in real time.

mod access;
mod callbacks;
mod chat;
mod faults;
mod html;
mod json;
mod limits;
mod methods;
mod params;
mod people;
mod polling;
mod refusal;
mod scenery;
mod seen;
mod sending;
mod world;

pub use callbacks::CallbackAnswer;
pub use chat::{Edit, Message, Person, Sent};
pub use faults::Fault;
pub use seen::Call;

use crate::doubles::web::{Handler, Reply, Request, Web};
use linkdown::clock::Clock;
use params::Params;
use refusal::{Outcome, Refusal, reply};
use std::sync::Arc;
use world::{Shared, World};

/// The one token that is valid.
pub const TOKEN: &str = "123456789:AAF4kEbUTtokenOfTheDoubleInTests0xy";
pub const USERNAME: &str = "LinkdownBot";
pub const BOT_ID: i64 = 123_456_789;
/// In whose name an anonymous administrator writes.
pub const ANONYMOUS_ID: i64 = 1_087_968_824;

pub struct TelegramDouble {
    web: Web,
    shared: Arc<Shared>,
}

// What is the same for every double is asked of one all the same, so that stories need no paths.
#[allow(clippy::unused_self)]
impl TelegramDouble {
    pub async fn start(clock: Clock) -> Self {
        let shared = Arc::new(Shared::new(clock));
        let answering = Arc::clone(&shared);
        let handler: Arc<Handler> = Arc::new(move |request| {
            let shared = Arc::clone(&answering);
            Box::pin(async move { answer(&shared, &request).await })
        });
        Self { web: Web::start(handler).await, shared }
    }

    pub fn url(&self) -> String {
        self.web.url()
    }

    pub fn token(&self) -> &'static str {
        TOKEN
    }

    pub fn username(&self) -> &'static str {
        USERNAME
    }
}

async fn answer(shared: &Shared, request: &Request) -> Reply {
    let path = params::decoded(&request.path);
    let Some((token, name)) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/'))
    else {
        return Refusal::not_found("Not Found").reply();
    };
    if !looks_like_a_token(token) {
        return Refusal::not_found("Not Found").reply();
    }
    let known = methods::KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name));
    let params = Params::read(request);
    let call = shared.act(|world| {
        let method = known.map_or_else(|| name.to_owned(), |known| (*known).to_owned());
        world.calls.push(Call { method, body: params.whole(), status: 0, at_millis: world.now() });
        world.calls.len() - 1
    });
    let reply = if token != TOKEN || shared.lock().revoked {
        Refusal::unauthorized().reply()
    } else if let Some(known) = known {
        called(shared, known, &params).await
    } else {
        shared.act(|world| world.unexpected.push(name.to_owned()));
        Refusal::not_found("Not Found: method not found").reply()
    };
    let status = match &reply {
        Reply::Json { status, .. } | Reply::Html { status, .. } | Reply::Empty { status } => {
            *status
        }
        Reply::Hang | Reply::Reset => 0,
    };
    shared.act(|world| world.calls[call].status = status);
    reply
}

/// As Telegram makes them: the bot's number, and 35 characters behind a colon.
fn looks_like_a_token(token: &str) -> bool {
    token.split_once(':').is_some_and(|(number, secret)| {
        !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && secret.len() == 35
            && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

async fn called(shared: &Shared, method: &str, params: &Params) -> Reply {
    let fault = shared.act(|world| world.fault_of(method, params));
    if let Some(reply) = fault.and_then(Fault::reply) {
        return reply;
    }
    let outcome = if method == "getUpdates" {
        polling::get_updates(shared, params).await
    } else {
        shared.act(|world| world.does(method, params))
    };
    if fault.is_some() && outcome.is_ok() { Reply::Reset } else { reply(outcome) }
}

impl World {
    fn fault_of(&mut self, method: &str, params: &Params) -> Option<Fault> {
        if method == "getUpdates" {
            return self.faults.polling.pop_front();
        }
        if !matches!(method, "sendMessage" | "editMessageText") {
            return None;
        }
        let now = self.now();
        let chat = params.number("chat_id").and_then(|id| self.chats.get_mut(&id));
        // A wait that was asked for goes before what is scripted.
        if self.pace.closed_for(now).is_some()
            || chat.as_ref().is_some_and(|chat| chat.pace.closed_for(now).is_some())
        {
            return None;
        }
        let fault = self.faults.of_sending(chat.as_ref().and_then(|chat| chat.fault));
        if let (Some(Fault::RateLimited(seconds)), Some(chat)) = (fault, chat) {
            chat.pace.close(now, i64::from(seconds));
        }
        fault
    }

    fn does(&mut self, method: &str, params: &Params) -> Outcome {
        if matches!(method, "sendMessage" | "editMessageText" | "editMessageReplyMarkup") {
            self.heeds_the_wait(params)?;
        }
        match method {
            "getMe" => Ok(methods::get_me(self)),
            "getWebhookInfo" => Ok(methods::get_webhook_info(self)),
            "deleteWebhook" => Ok(methods::delete_webhook(self, params)),
            "sendMessage" => sending::send_message(self, params),
            "editMessageText" => sending::edit_message_text(self, params),
            "editMessageReplyMarkup" => sending::edit_message_reply_markup(self, params),
            "answerCallbackQuery" => callbacks::answer_callback_query(self, params),
            "setMyCommands" => methods::set_my_commands(self, params),
            "getMyCommands" => methods::get_my_commands(self, params),
            "deleteMyCommands" => methods::delete_my_commands(self, params),
            "getChat" => methods::get_chat(self, params),
            "getChatMember" => methods::get_chat_member(self, params),
            "getChatAdministrators" => methods::get_chat_administrators(self, params),
            "sendChatAction" => methods::send_chat_action(self, params),
            "leaveChat" => methods::leave_chat(self, params),
            _ => Ok(serde_json::Value::Bool(true)),
        }
    }
}
