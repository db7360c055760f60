//! Finds out whether a message arrived whose delivery is in doubt. Discord creates no second
//! message with the same nonce within some minutes; after that, the bot searches the channel's
//! history for its own message.

use super::message::{marked, snowflake};
use super::{Address, Discord};
use crate::domain::{Seconds, Timestamp, time::HOUR};
use crate::notify::platform::Outgoing;
use crate::render::discord::embed;
use serde_json::Value;
use std::sync::atomic::Ordering;

/// The start of Discord's ids, in ms of Unix time.
const EPOCH_MS: i64 = 1_420_070_400_000;
/// The greatest difference between Discord's clock and the local clock at the time of sending.
const APART: Seconds = 3 * HOUR;
/// The most messages in one answer of Discord, and the most pages read: in a busy channel the
/// message is far back.
const AT_ONCE: usize = 100;
const PAGES: usize = 5;

impl Discord {
    /// Returns the id of the message if the channel holds it. `None` if it does not or if that
    /// cannot be found out; then the nonce prevents a second message, if the first was sent
    /// recently.
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

    /// Returns a page of a channel's messages, the newest first.
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
    /// Returns the bot's own user id; requests it if the gateway has not reported it yet.
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
        // The button's id holds the command as well, because a restored older database reuses
        // delivery ids.
        return message
            .card
            .actions
            .iter()
            .any(|action| ids.contains(&&*marked(action, message.key)));
    }
    // A message without buttons is recognized by its title.
    let title = embed(&message.card).title;
    let said = found.get("embeds").and_then(|embeds| embeds.get(0)?.get("title")?.as_str());
    // A retry may have a prefix (`Told … late: `) that the first attempt did not have.
    said.is_some_and(|said| said == title || title.starts_with("Told ") && title.ends_with(said))
}
