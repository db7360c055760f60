//! How things look in Discord's JSON.

use super::BOT;
use super::messages::Message;
use super::permissions;
use super::world::{Channel, Kind, World};
use linkdown::clock::Millis;
use serde_json::{Value, json};

pub(super) fn time(at: Millis) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at).unwrap();
    at.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

pub(super) fn user(world: &World, id: u64) -> Value {
    let name = world.people.get(&id).map_or("", String::as_str);
    let account = name.to_lowercase().replace(' ', "_");
    let mut user = json!({"id": id.to_string(), "username": account, "global_name": name, "discriminator": "0",
        "avatar": null, "public_flags": 0, "primary_guild": null, "avatar_decoration_data": null, "collectibles": null});
    if id == BOT {
        user["bot"] = json!(true);
        user["global_name"] = Value::Null;
    }
    user
}

/// The account that the token belongs to, as it sees itself.
pub(super) fn me(world: &World) -> Value {
    let mut me = user(world, BOT);
    me["verified"] = json!(true);
    me["mfa_enabled"] = json!(true);
    me["flags"] = json!(0);
    me
}

pub(super) fn member(world: &World, guild: u64, id: u64) -> Value {
    let joined = world.guilds[&guild].joined;
    let roles = if id == BOT { vec![(guild + 1).to_string()] } else { Vec::new() };
    json!({"user": user(world, id), "nick": null, "avatar": null, "banner": null, "roles": roles,
        "joined_at": time(joined), "premium_since": null, "deaf": false, "mute": false, "flags": 0, "pending": false,
        "communication_disabled_until": null, "unusual_dm_activity_until": null})
}

pub(super) fn role(guild: u64, id: u64, name: &str, mentionable: bool) -> Value {
    let allowed = if id == guild { permissions::EVERYONE } else { 0 };
    json!({"id": id.to_string(), "name": name, "description": null, "permissions": allowed.to_string(),
        "position": i32::from(id != guild), "color": 0, "hoist": false, "managed": id == guild + 1, "flags": 0,
        "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null},
        "mentionable": mentionable, "icon": null, "unicode_emoji": null})
}

/// With the bot's own, which Discord makes when it is invited.
pub(super) fn roles(world: &World, guild: u64) -> Vec<Value> {
    let made = world.guilds[&guild]
        .roles
        .iter()
        .map(|(id, (name, mentionable))| role(guild, *id, name, *mentionable));
    let mut own = role(guild, guild + 1, "Linkdown", false);
    own["tags"] = json!({"bot_id": BOT.to_string()});
    made.chain([own]).collect()
}

pub(super) fn channel(world: &World, channel: &Channel) -> Value {
    let last = channel.messages.last().map(|message| message.id.to_string());
    let id = channel.id.to_string();
    if channel.kind == Kind::Dm {
        let with: Vec<Value> = channel.with.iter().map(|id| user(world, *id)).collect();
        return json!({"id": id, "type": 1, "last_message_id": last, "flags": 0, "recipients": with});
    }
    let guild = channel.guild.map(|guild| guild.to_string());
    let parent = channel.parent.map(|parent| parent.to_string());
    let mut shown = json!({"id": id, "type": channel.kind as u8, "name": channel.name, "guild_id": guild,
        "parent_id": parent, "last_message_id": last, "flags": 0, "rate_limit_per_user": 0});
    if channel.kind == Kind::Thread {
        shown["owner_id"] = json!(BOT.to_string());
        shown["message_count"] = json!(channel.messages.len());
        shown["total_message_sent"] = json!(channel.messages.len());
        shown["member_count"] = json!(1);
        shown["thread_metadata"] = json!({"archived": channel.archived,
            "auto_archive_duration": 4320, "locked": channel.locked,
            "archive_timestamp": time(world.clock.millis()), "create_timestamp": time(world.clock.millis())});
    } else {
        shown["position"] = json!(0);
        shown["nsfw"] = json!(false);
        shown["topic"] = Value::Null;
        shown["permission_overwrites"] = if channel.denied == 0 {
            json!([])
        } else {
            json!([{"id": BOT.to_string(), "type": 1, "allow": "0", "deny": channel.denied.to_string()}])
        };
    }
    if channel.kind == Kind::Forum {
        shown["available_tags"] = json!([]);
        shown["default_forum_layout"] = json!(0);
        shown["default_sort_order"] = Value::Null;
        shown["default_reaction_emoji"] = Value::Null;
    }
    shown
}

/// As `GET /guilds/{id}` has it.
pub(super) fn bare_guild(world: &World, guild: u64) -> Value {
    json!({"id": guild.to_string(), "name": world.guilds[&guild].name, "icon": null, "splash": null,
        "discovery_splash": null, "owner_id": (guild + 2).to_string(), "afk_channel_id": null, "afk_timeout": 300,
        "verification_level": 1, "default_message_notifications": 1, "explicit_content_filter": 0,
        "roles": roles(world, guild), "emojis": [], "stickers": [], "features": [], "mfa_level": 0,
        "application_id": null, "system_channel_id": null, "system_channel_flags": 0, "rules_channel_id": null,
        "vanity_url_code": null, "description": null, "banner": null, "premium_tier": 0,
        "premium_subscription_count": 0, "preferred_locale": "en-US", "public_updates_channel_id": null,
        "nsfw": false, "nsfw_level": 0, "premium_progress_bar_enabled": false, "safety_alerts_channel_id": null,
        "widget_enabled": false, "widget_channel_id": null, "max_members": 500_000, "incidents_data": null})
}

/// As `GUILD_CREATE` has it.
pub(super) fn guild(world: &World, id: u64) -> Value {
    let mut shown = bare_guild(world, id);
    let places =
        || world.channels.values().filter(|channel| channel.guild == Some(id) && !channel.deleted);
    let threads = places().filter(|place| place.kind == Kind::Thread);
    let channels = places().filter(|place| place.kind != Kind::Thread);
    shown["channels"] = channels.map(|place| channel(world, place)).collect();
    shown["threads"] = threads.map(|place| channel(world, place)).collect();
    shown["joined_at"] = json!(time(world.guilds[&id].joined));
    shown["large"] = json!(false);
    shown["unavailable"] = json!(false);
    shown["member_count"] = json!(world.guilds[&id].members.len() + 1);
    // Without the privileged intent the bot sees itself alone.
    shown["members"] = json!([member(world, id, BOT)]);
    for none in [
        "voice_states",
        "presences",
        "stage_instances",
        "guild_scheduled_events",
        "soundboard_sounds",
    ] {
        shown[none] = json!([]);
    }
    shown
}

pub(super) fn message(world: &World, message: &Message) -> Value {
    let channel = &world.channels[&message.channel];
    // Without the privileged intent nobody else's words are told, except in private.
    let is_told = message.author == BOT || channel.guild.is_none();
    let empty = json!([]);
    let (content, embeds, components) = if is_told {
        (message.content.as_str(), json!(message.embeds), &message.components)
    } else {
        ("", json!([]), &empty)
    };
    let is_person = |id: &&u64| world.people.contains_key(*id);
    let (people, roles): (Vec<u64>, Vec<u64>) = message.mentions_pinged.iter().partition(is_person);
    let everyone = channel.guild.is_some_and(|guild| roles.contains(&guild));
    let kind = match (message.interaction.is_some(), message.reply_to) {
        (true, _) => 20,
        (false, Some(_)) => 19,
        (false, None) => 0,
    };
    let mut shown = json!({"id": message.id.to_string(), "channel_id": message.channel.to_string(), "type": kind,
        "author": user(world, message.author), "content": content, "embeds": embeds, "components": components,
        "attachments": [], "tts": false, "pinned": false, "mention_everyone": everyone, "flags": message.flags,
        "mentions": people.iter().map(|id| user(world, *id)).collect::<Vec<_>>(),
        "mention_roles": roles.iter().filter(|id| Some(**id) != channel.guild).map(u64::to_string).collect::<Vec<_>>(),
        "timestamp": time(message.at_millis), "edited_timestamp": message.edits.last().map(|edit| time(edit.at_millis))});
    if let Some(nonce) = &message.nonce {
        shown["nonce"] = json!(nonce);
    }
    if let Some(to) = message.reply_to {
        shown["message_reference"] = json!({"type": 0, "message_id": to.to_string(),
            "channel_id": message.channel.to_string(), "guild_id": channel.guild.map(|guild| guild.to_string())});
        let original = channel.message(to).ok().filter(|original| original.reply_to.is_none());
        shown["referenced_message"] =
            original.map_or(Value::Null, |original| self::message(world, original));
    }
    if let Some((id, name, person)) = &message.interaction {
        shown["application_id"] = json!(super::APPLICATION.to_string());
        shown["webhook_id"] = json!(super::APPLICATION.to_string());
        shown["interaction_metadata"] = json!({"id": id.to_string(), "type": if name.is_empty() { 3 } else { 2 },
            "name": name, "user": user(world, *person), "authorizing_integration_owners": {}});
    }
    shown
}
