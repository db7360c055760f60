//! The channel that a command names. It must belong to the server in which the command is given,
//! whatever the option's value is.

use super::message::snowflake;
use super::{Discord, PLATFORM, refusal};
use crate::command::AppContext;
use serde_json::Value;

/// The channel type of a forum:
/// <https://discord.com/developers/docs/resources/channel#channel-object-channel-types>
const FORUM: u64 = 15;

/// The result of a look-up of a channel that a command names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The channel belongs to the server; its address in the bot's own form.
    Here(String),
    /// The bot may not see the channel, and none of its stored chats is that channel.
    Hidden,
    /// The channel is in another server, or does not exist.
    Elsewhere,
    /// Discord gave no usable answer.
    Unknown,
}

impl Discord {
    /// Looks up the server of a channel. A channel that the bot may not see any more is found among
    /// the stored chats.
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

/// Returns the address of a channel that is stored as one of that server's.
async fn stored(context: &AppContext, channel: u64, guild: u64) -> Option<String> {
    let home = guild.to_string();
    let places = context.store.read(move |db| db.chats().of_home(PLATFORM, &home)).await;
    let addresses = [channel.to_string(), format!("forum:{channel}")];
    let mut places = places.unwrap_or_default().into_iter().map(|place| place.chat.address);
    places.find(|address| addresses.contains(address))
}
