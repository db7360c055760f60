//! Whether a message arrived of which that is not known. Discord makes no second message of one key within some minutes;
//! after longer our own is looked for in the channel's history.

use super::message::{marked, snowflake};
use super::{Address, Discord};
use crate::domain::{Seconds, Timestamp, time::HOUR};
use crate::notify::platform::Outgoing;
use crate::render::discord::embed;
use serde_json::Value;
use std::sync::atomic::Ordering;

/// Discord counts its ids from here, in milliseconds.
const EPOCH_MS: i64 = 1_420_070_400_000;
/// Discord's clock and ours may have differed by so much when it was sent.
const APART: Seconds = 3 * HOUR;
/// What Discord gives at once, and how often it is asked: in a busy channel ours lies deep.
const AT_ONCE: usize = 100;
const PAGES: usize = 5;

impl Discord {
    /// The id of the message, if the channel holds it. `None` where it does not, or where that cannot be found out: then
    /// the key keeps it from being made twice, if it was not long ago.
    pub(super) async fn find(&self, message: &Outgoing, tried_at: Timestamp) -> Option<String> {
        let channel = match Address::read(&message.chat.address).ok()? {
            Address::Channel(channel) => channel,
            Address::Person(person) => self.conversation(person).await.ok()?,
            Address::Forum(_) => return None,
        };
        let me = self.me().await?;
        let oldest = (((tried_at - APART).unix() * 1000 - EPOCH_MS).max(0) as u64) << 22;
        let id = |found: &Value| snowflake(found, "id").unwrap_or_default();
        let mut before = String::new();
        for _ in 0..PAGES {
            let page = self.newest(channel, &before).await?;
            let recent = || page.iter().filter(|found| id(found) >= oldest);
            let is_ours = |found: &&Value| {
                found.get("author").and_then(|author| snowflake(author, "id")) == Some(me)
            };
            if let Some(found) = recent().filter(is_ours).find(|found| is_the_same(found, message))
            {
                tracing::info!(
                    channel,
                    delivery = message.key,
                    "found in the channel: it had arrived"
                );
                return Some(id(found).to_string());
            }
            if recent().count() < AT_ONCE {
                return None;
            }
            before = format!("&before={}", id(page.last()?));
        }
        None
    }

    /// The newest messages of a channel, the newest first.
    async fn newest(&self, channel: u64, before: &str) -> Option<Vec<Value>> {
        match self.rest.get(&format!("/channels/{channel}/messages?limit={AT_ONCE}{before}")).await
        {
            Ok(answer) => answer.body.as_array().cloned(),
            Err(refusal) => {
                tracing::info!(
                    channel,
                    "whether a message arrived cannot be looked up: {}",
                    refusal.error
                );
                None
            }
        }
    }
}

impl Discord {
    /// Our own user; asked for where the gateway has not told it yet.
    async fn me(&self) -> Option<u64> {
        let known = self.me.load(Ordering::Relaxed);
        if known > 0 {
            return Some(known);
        }
        let answer = self.rest.get("/users/@me").await.ok()?;
        let me = snowflake(&answer.body, "id")?;
        self.me.store(me, Ordering::Relaxed);
        Some(me)
    }
}

fn is_the_same(found: &Value, message: &Outgoing) -> bool {
    let rows = found.get("components").and_then(Value::as_array).into_iter().flatten();
    let buttons =
        rows.flat_map(|row| row.get("components").and_then(Value::as_array).into_iter().flatten());
    let ids: Vec<&str> = buttons.filter_map(|button| button.get("custom_id")?.as_str()).collect();
    if !ids.is_empty() {
        // With its command: an older database that was put back counts its messages anew.
        return message
            .card
            .actions
            .iter()
            .any(|action| ids.contains(&&*marked(action, message.key)));
    }
    // What has no buttons is told by its title.
    let title = embed(&message.card).title;
    let said = found.get("embeds").and_then(|embeds| embeds.get(0)?.get("title")?.as_str());
    // By how much it is late may have changed since.
    said.is_some_and(|said| said == title || title.starts_with("Told ") && title.ends_with(said))
}
