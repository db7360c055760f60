//! What people see of the bot, and what the bot asked of Telegram.

use super::TelegramDouble;
use super::chat::{Chat, Message};
use super::world::World;
use linkdown::clock::Millis;
use linkdown::domain::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One call of the API.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub body: Value,
    /// 0 where no answer was given, or none yet.
    pub status: u16,
    pub at_millis: Millis,
}

impl World {
    pub fn last_calls(&self) -> String {
        let last = &self.calls[self.calls.len().saturating_sub(8)..];
        last.iter().fold("the last calls were:".to_owned(), |mut text, call| {
            let _ = write!(text, "\n  {} {} {}", call.status, call.method, call.body);
            text
        })
    }

    pub fn show_new(&mut self, chat: i64, id: i32) {
        self.show(chat, id, |chat, message| {
            let mut mark = topic_mark(chat, message);
            if let Some(original) = message.reply_to.and_then(|id| chat.find(id)) {
                let _ = write!(mark, "↳ (reply to “{}”) ", original.message.first_line());
            }
            if message.silent {
                mark.push_str("(silent) ");
            }
            (mark, message.text.clone())
        });
    }

    pub fn show_edit(&mut self, chat: i64, id: i32) {
        self.show(chat, id, |chat, message| {
            (topic_mark(chat, message) + "(edited) ", message.text.clone())
        });
    }

    pub fn show_buttons(&mut self, chat: i64, id: i32) {
        self.show(chat, id, |chat, message| {
            (topic_mark(chat, message), format!("(other buttons under “{}”)", message.first_line()))
        });
    }

    fn show(&mut self, chat: i64, id: i32, text: impl FnOnce(&Chat, &Message) -> (String, String)) {
        let at = Timestamp::from_unix(self.now().div_euclid(1000)).utc().format("%H:%M");
        let chat = self.chat_mut(chat);
        let Some(said) = chat.find(id) else { return };
        let (mark, text) = text(chat, &said.message);
        let mut shown = format!("[{at}] {mark}{}", text.replace('\n', "\n        "));
        for row in &said.message.buttons {
            let row: Vec<String> = row.iter().map(|(text, _)| format!("[{text}]")).collect();
            let _ = write!(shown, "\n        {}", row.join(" "));
        }
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        let shown = lines.join("\n");
        chat.shown.push(shown);
    }
}

fn topic_mark(chat: &Chat, message: &Message) -> String {
    let name = message
        .topic
        .and_then(|id| chat.topics.get(&id))
        .map_or("General", |topic| topic.name.as_str());
    if chat.forum { format!("#{name} ") } else { String::new() }
}

impl TelegramDouble {
    /// The bot's messages there, oldest first, also deleted ones.
    pub fn messages(&self, chat: i64) -> Vec<Message> {
        self.look(|world| world.chat(chat).sent_since(0))
    }

    /// The bot's last message there.
    pub fn last(&self, chat: i64) -> Message {
        self.messages(chat).pop().unwrap_or_else(|| panic!("the bot has written nothing to {chat}"))
    }

    /// Waits until the bot has so many messages there.
    pub async fn until_messages(&self, chat: i64, count: usize) -> Vec<Message> {
        let what = format!("{count} messages in {chat}");
        let enough = |world: &mut World| {
            Some(world.chat(chat).sent_since(0)).filter(|sent| sent.len() >= count)
        };
        self.shared.until(&what, enough).await
    }

    /// What is new to see of the bot since the last look: new messages, edits and buttons in order of time.
    pub fn sees(&self, chat: i64) -> String {
        self.act(|world| {
            let chat = world.chat_mut(chat);
            let new = chat.shown[chat.looked_at..].join("\n");
            chat.looked_at = chat.shown.len();
            new
        })
    }

    /// Every call, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.look(|world| world.calls.clone())
    }

    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        let of = |world: &World| {
            world.calls.iter().filter(|call| call.method == method).cloned().collect()
        };
        self.look(of)
    }

    /// Methods that this double does not know.
    pub fn unexpected(&self) -> Vec<String> {
        self.look(|world| world.unexpected.clone())
    }

    /// Name and description of each command, by its scope as JSON (with the language behind it, where there is one).
    pub fn commands(&self) -> BTreeMap<String, Vec<(String, String)>> {
        self.look(|world| world.commands.clone())
    }

    /// How often commands were set.
    pub fn command_sets(&self) -> usize {
        self.look(|world| world.command_sets)
    }
}
