//! Taps on buttons, and answerCallbackQuery.

use super::TelegramDouble;
use super::chat::{Author, Person};
use super::params::Params;
use super::refusal::{Outcome, Refusal};
use super::world::World;
use linkdown::clock::Millis;
use serde_json::{Value, json};

/// How long a query can be answered, by the clock. The real limit is nowhere told; this is on the short side.
const ANSWERABLE: Millis = 60_000;

#[derive(Debug)]
pub struct Query {
    at: Millis,
    too_old: bool,
    tried: bool,
    answer: Option<CallbackAnswer>,
}

/// What the person who tapped is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallbackAnswer {
    pub text: String,
    /// In a window that must be closed, not as a note that goes away.
    pub alert: bool,
}

pub fn answer_callback_query(world: &mut World, params: &Params) -> Outcome {
    let now = world.now();
    let too_old =
        || Refusal::bad("query is too old and response timeout expired or query ID is invalid");
    let query = world.queries.get_mut(&params.text("callback_query_id")).ok_or_else(too_old)?;
    query.tried = true;
    if query.too_old || query.at + ANSWERABLE < now {
        return Err(too_old());
    }
    let text = params.text("text");
    if text.chars().count() > 200 {
        return Err(Refusal::bad("MESSAGE_TOO_LONG"));
    }
    query.answer.get_or_insert(CallbackAnswer { text, alert: params.flag("show_alert") });
    Ok(Value::Bool(true))
}

impl World {
    fn tap(
        &mut self,
        who: &Person,
        chat: i64,
        message: i32,
        data: &str,
        too_old: bool,
    ) -> (String, i32) {
        let said = self.chat(chat).find(message).filter(|said| said.author == Author::Bot);
        let said = said.unwrap_or_else(|| panic!("the bot has no message {message} in {chat}"));
        let there = said.message.buttons.iter().flatten().any(|(_, there)| there == data);
        assert!(there, "no button {data:?} under it, but {:?}", said.message.buttons);
        let id = format!("{}", 4_000_000_000_000_000_000_i64 + self.queries.len() as i64);
        let about = json!({"id": id, "from": who.json(), "message": self.message_json(chat, message),
            "chat_instance": format!("{}", chat.wrapping_mul(7)), "data": data});
        self.queries
            .insert(id.clone(), Query { at: self.now(), too_old, tried: false, answer: None });
        let update = self.put_update("callback_query", about);
        (id, update.expect("the bot does not want callback queries"))
    }
}

impl TelegramDouble {
    /// A button under a message of the bot is tapped; what the bot answers to that. All that it does besides is done.
    pub async fn taps(&self, who: &Person, chat: i64, message: i32, data: &str) -> CallbackAnswer {
        let (query, update) = self.act(|world| world.tap(who, chat, message, data, false));
        let what = format!("the bot did not answer the tap on {data:?}");
        let answer = self.shared.until(&what, |world| world.queries[&query].answer.clone()).await;
        self.confirmed(update).await;
        self.rest().await;
        answer
    }

    /// The same, but the query is too old when the bot gets it: no answer is taken. Whether one was tried.
    pub async fn taps_old(&self, who: &Person, chat: i64, message: i32, data: &str) -> bool {
        let (query, update) = self.act(|world| world.tap(who, chat, message, data, true));
        self.confirmed(update).await;
        self.rest().await;
        self.look(|world| world.queries[&query].tried)
    }
}
