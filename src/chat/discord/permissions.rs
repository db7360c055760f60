//! The bot's permissions in a channel, and those that it needs. How permissions add up:
//! <https://discord.com/developers/docs/topics/permissions#permission-overwrites>

use super::message::snowflake;
use super::{Address, Discord};
use crate::notify::retry::SendError;
use serde_json::Value;
use serenity::model::Permissions;
use std::sync::atomic::Ordering;

/// The fewest permissions with which the bot can send alerts, reply to them and find them again.
const NEEDED: Permissions = Permissions::VIEW_CHANNEL
    .union(Permissions::SEND_MESSAGES)
    .union(Permissions::EMBED_LINKS)
    .union(Permissions::READ_MESSAGE_HISTORY)
    .union(Permissions::SEND_MESSAGES_IN_THREADS);

/// The channel types of threads: announcement, public, private.
const THREADS: std::ops::RangeInclusive<u64> = 10..=12;

/// Returns the URL that lets the bot into a server with the fewest permissions.
pub(super) fn invite_url(application: u64) -> String {
    format!(
        "https://discord.com/oauth2/authorize?client_id={application}&scope=bot+applications.commands&permissions={}",
        NEEDED.bits()
    )
}

/// Returns the missing permissions for sending messages, by the names that Discord shows.
pub(super) fn missing(has: Permissions, is_thread: bool) -> Vec<String> {
    let send = if is_thread {
        (Permissions::SEND_MESSAGES_IN_THREADS, "Send Messages in Threads")
    } else {
        (Permissions::SEND_MESSAGES, "Send Messages")
    };
    let needed = [
        (Permissions::VIEW_CHANNEL, "View Channel"),
        send,
        (Permissions::EMBED_LINKS, "Embed Links"),
    ];
    if has.contains(Permissions::ADMINISTRATOR) {
        return Vec::new();
    }
    needed
        .into_iter()
        .filter(|(permission, _)| !has.contains(*permission))
        .map(|(_, name)| name.to_owned())
        .collect()
}

impl Discord {
    /// Returns the permissions that the bot lacks in a channel, by Discord's current roles and
    /// overwrites, and the channel's name.
    pub(super) async fn lacks(&self, channel: u64) -> Result<(Vec<String>, String), SendError> {
        let get = async |path: String| self.rest.get(&path).await.map(|answer| answer.body);
        let shown = match get(format!("/channels/{channel}")).await {
            Ok(shown) => shown,
            Err(refusal) if refusal.code == Some(super::refusal::MISSING_ACCESS) => {
                return Ok((vec!["View Channel".to_owned()], "the channel".to_owned()));
            }
            Err(refusal) => return Err(refusal.error),
        };
        let kind = shown.get("type").and_then(Value::as_u64).unwrap_or_default();
        let is_thread = THREADS.contains(&kind);
        let name = shown
            .get("name")
            .and_then(Value::as_str)
            .map_or_else(|| "the channel".to_owned(), |name| format!("#{name}"));
        let Some(guild) = snowflake(&shown, "guild_id") else { return Ok((Vec::new(), name)) };
        // A thread has the permissions of its parent channel.
        let of_parent = match snowflake(&shown, "parent_id").filter(|_| is_thread) {
            Some(parent) => {
                get(format!("/channels/{parent}")).await.map_err(|refusal| refusal.error)?
            }
            None => shown.clone(),
        };
        let me = self.me.load(Ordering::Relaxed);
        let roles = get(format!("/guilds/{guild}/roles")).await.map_err(|refusal| refusal.error)?;
        let member =
            get(format!("/guilds/{guild}/members/{me}")).await.map_err(|refusal| refusal.error)?;
        let has = added_up(guild, me, &roles, &member, &of_parent);
        let mut lacks = missing(has, is_thread);
        let is_locked =
            shown.pointer("/thread_metadata/locked").and_then(Value::as_bool).unwrap_or_default();
        if is_locked && !has.intersects(Permissions::ADMINISTRATOR | Permissions::MANAGE_THREADS) {
            lacks.push("Manage Threads, as the thread is locked,".to_owned());
        }
        Ok((lacks, name))
    }

    /// Returns whether the address still exists and the bot lacks no permission there.
    pub(super) async fn is_able_at(&self, address: &str) -> bool {
        match Address::read(address) {
            Ok(Address::Channel(channel) | Address::Forum(channel)) => {
                self.lacks(channel).await.is_ok_and(|(lacks, _)| lacks.is_empty())
            }
            Ok(Address::Person(_)) => true,
            Err(_) => false,
        }
    }

    /// Returns the permissions that the bot lacks at an address; none if that cannot be found out.
    pub(super) async fn lacks_at(&self, address: &str) -> Vec<String> {
        match Address::read(address) {
            Ok(Address::Channel(channel) | Address::Forum(channel)) => {
                self.lacks(channel).await.map(|(lacks, _)| lacks).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

/// Adds up the roles' permissions, then what the channel denies and allows: to everyone, to the
/// roles, to the bot itself.
fn added_up(guild: u64, me: u64, roles: &Value, member: &Value, channel: &Value) -> Permissions {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let held: Vec<u64> = member
        .get("roles")
        .map(list)
        .unwrap_or_default()
        .iter()
        .filter_map(|role| role.as_str()?.parse().ok())
        .chain([guild])
        .collect();
    let bits = |value: &Value, key: &str| {
        let text = value.get(key).and_then(Value::as_str).and_then(|text| text.parse().ok());
        Permissions::from_bits_truncate(text.unwrap_or_default())
    };
    let mut has = Permissions::empty();
    for role in
        list(roles).iter().filter(|role| snowflake(role, "id").is_some_and(|id| held.contains(&id)))
    {
        has |= bits(role, "permissions");
    }
    let overwrites = channel.get("permission_overwrites").map(list).unwrap_or_default();
    let of = |wanted: &dyn Fn(u64) -> bool| {
        let mut both = (Permissions::empty(), Permissions::empty());
        for overwrite in
            overwrites.iter().filter(|overwrite| snowflake(overwrite, "id").is_some_and(wanted))
        {
            both.0 |= bits(overwrite, "deny");
            both.1 |= bits(overwrite, "allow");
        }
        both
    };
    for (deny, allow) in [
        of(&|id| id == guild),
        of(&|id| id != guild && id != me && held.contains(&id)),
        of(&|id| id == me),
    ] {
        has = (has - deny) | allow;
    }
    has
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_is_named_as_discord_shows_it() {
        let all = NEEDED.bits().to_string();
        let roles = json!([{ "id": "1", "permissions": all }, { "id": "7", "permissions": "0" }]);
        let member = json!({ "roles": ["7"] });
        let of = |overwrites: Value| {
            let channel = json!({ "permission_overwrites": overwrites });
            missing(added_up(1, 99, &roles, &member, &channel), false)
        };
        let bit = |permission: Permissions| permission.bits().to_string();
        assert_eq!(of(json!([])), Vec::<String>::new());
        let deny = json!({ "id": "1", "deny": bit(Permissions::SEND_MESSAGES), "allow": "0" });
        assert_eq!(of(json!([deny])), ["Send Messages"]);
        let to_role = json!({ "id": "7", "deny": "0", "allow": bit(Permissions::SEND_MESSAGES) });
        assert_eq!(of(json!([deny, to_role])), Vec::<String>::new());
        let me = json!({ "id": "99", "deny": bit(Permissions::EMBED_LINKS | Permissions::VIEW_CHANNEL), "allow": "0" });
        assert_eq!(of(json!([to_role, me])), ["View Channel", "Embed Links"]);
    }

    #[test]
    fn the_invitation_asks_for_the_least() {
        assert_eq!(
            invite_url(42),
            "https://discord.com/oauth2/authorize?client_id=42&scope=bot+applications.commands&permissions=274877991936"
        );
    }
}
