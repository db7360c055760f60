//! The channel that a command names: it must be one of the server in which the command is given, whatever arrives as the
//! option's value.

use super::message::snowflake;
use super::{Discord, PLATFORM, refusal};
use crate::command::AppContext;
use serde_json::Value;

/// Channel type of a forum: <https://discord.com/developers/docs/resources/channel#channel-object-channel-types>
const FORUM: u64 = 15;

/// What is found out about a channel that a command names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It is one of the server; its address as we write it.
    Here(String),
    /// The bot may not see it, and has not told it anything.
    Hidden,
    /// It is in another server, or is no channel.
    Elsewhere,
    /// Discord did not say.
    Unknown,
}

impl Discord {
    /// Looks up where a channel is. One that the bot may not see any more is known from what was stored of it.
    pub(super) async fn named(&self, context: &AppContext, channel: u64, guild: u64) -> Named {
        match self.rest.get(&format!("/channels/{channel}")).await {
            Ok(answer) if snowflake(&answer.body, "guild_id") == Some(guild) => {
                let is_forum = answer.body.get("type").and_then(Value::as_u64) == Some(FORUM);
                Named::Here(if is_forum { format!("forum:{channel}") } else { channel.to_string() })
            }
            Ok(_) => Named::Elsewhere,
            Err(refusal) => match (stored(context, channel, guild).await, refusal.code) {
                (Some(address), _) => Named::Here(address),
                (None, Some(refusal::MISSING_ACCESS)) => Named::Hidden,
                (None, Some(refusal::UNKNOWN_CHANNEL)) => Named::Elsewhere,
                (None, _) => Named::Unknown,
            },
        }
    }
}

/// Returns the address of a channel that is stored as one of that server.
async fn stored(context: &AppContext, channel: u64, guild: u64) -> Option<String> {
    let home = guild.to_string();
    let places = context.store.read(move |db| db.chats().of_home(PLATFORM, &home)).await;
    let addresses = [channel.to_string(), format!("forum:{channel}")];
    let mut places = places.unwrap_or_default().into_iter().map(|place| place.chat.address);
    places.find(|address| addresses.contains(address))
}
