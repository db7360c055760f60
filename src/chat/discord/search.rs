//! Whether a message arrived of which that is not known. Discord makes no second message of one key within some minutes;
//! after longer our own is looked for in the channel's history.

use super::message::{KEY_MARK, snowflake};
use super::{Address, Discord};
use crate::domain::{Seconds, Timestamp, time::MINUTE};
use crate::notify::platform::Outgoing;
use crate::render::discord::embed;
use serde_json::Value;
use std::sync::atomic::Ordering;

/// Discord counts its ids from here, in milliseconds.
const EPOCH_MS: i64 = 1_420_070_400_000;
/// Discord's clock and ours may differ by so much.
const SLACK: Seconds = MINUTE;
/// What Discord gives at once.
const AT_ONCE: usize = 50;

impl Discord {
    /// The id of the message, if the channel holds it. `None` where it does not, or where that cannot be found out: then
    /// the key keeps it from being made twice, if it was not long ago.
    pub(super) async fn find(&self, message: &Outgoing, tried_at: Timestamp) -> Option<String> {
        let channel = match Address::read(&message.chat.address).ok()? {
            Address::Channel(channel) => channel,
            Address::Person(person) => self.conversation(person).await.ok()?,
            Address::Forum(_) => return None,
        };
        let after = ((tried_at - SLACK).unix() * 1000 - EPOCH_MS).max(0) << 22;
        let path = format!("/channels/{channel}/messages?after={after}&limit={AT_ONCE}");
        let answer = match self.rest.get(&path).await {
            Ok(answer) => answer,
            Err(refusal) => {
                tracing::info!(channel, "whether a message arrived cannot be looked up: {}", refusal.error);
                return None;
            }
        };
        let me = self.me().await?;
        let title = embed(&message.card).title;
        let is_it = |found: &&Value| {
            found.get("author").and_then(|author| snowflake(author, "id")) == Some(me)
                && is_the_same(found, message.key, &title)
        };
        let found = answer.body.as_array()?.iter().find(is_it)?;
        tracing::info!(channel, delivery = message.key, "found in the channel: it had arrived");
        snowflake(found, "id").map(|id| id.to_string())
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

fn is_the_same(found: &Value, key: i64, title: &str) -> bool {
    let mark = format!("{KEY_MARK}{key}");
    let mut buttons = found.get("components").and_then(Value::as_array).into_iter().flatten();
    let mut buttons =
        buttons.by_ref().flat_map(|row| row.get("components").and_then(Value::as_array).into_iter().flatten());
    let marked: Vec<&str> = buttons.by_ref().filter_map(|button| button.get("custom_id")?.as_str()).collect();
    if !marked.is_empty() {
        return marked.iter().any(|id| id.ends_with(&mark));
    }
    // What has no buttons is told by its title.
    let said = found.get("embeds").and_then(|embeds| embeds.get(0)?.get("title")?.as_str());
    // By how much it is late may have changed since.
    said.is_some_and(|said| said == title || title.starts_with("Told ") && title.ends_with(said))
}
