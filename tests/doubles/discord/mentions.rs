//! Who is pinged: only the content counts, and only what `allowed_mentions` lets through.

use super::BOT;
use super::permissions::MENTION_EVERYONE;
use super::refusal::Complaints;
use super::world::{Channel, World};
use serde_json::{Value, json};

pub(super) fn check(complaints: &mut Complaints, allowed: Option<&Value>) {
    let Some(allowed) = allowed.filter(|allowed| !allowed.is_null()) else { return };
    let parse = complaints.list("allowed_mentions.parse", allowed.get("parse"), 3);
    for (at, kind) in parse.iter().enumerate() {
        if !["roles", "users", "everyone"].contains(&kind.as_str().unwrap_or_default()) {
            let path = format!("allowed_mentions.parse.{at}");
            complaints.choice(&path, "('everyone', 'users', 'roles')");
        }
    }
    for kind in ["users", "roles"] {
        let named = complaints.list(&format!("allowed_mentions.{kind}"), allowed.get(kind), 100);
        if !named.is_empty() && parse.iter().any(|parsed| parsed == kind) {
            let why = format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive.");
            complaints.say("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", why);
        }
    }
}

/// Without a word on it a message pings all that it names, and an answer to an interaction people alone.
pub(super) fn for_messages() -> Value {
    json!({"parse": ["users", "roles", "everyone"], "replied_user": true})
}

pub(super) fn for_interactions() -> Value {
    json!({"parse": ["users"], "replied_user": true})
}

/// People and roles, each once; everyone as the guild's own number.
pub(super) fn pinged(
    world: &World,
    channel: &Channel,
    content: &str,
    allowed: &Value,
    reply_to: Option<u64>,
) -> Vec<u64> {
    let parses = |kind: &str| {
        allowed["parse"].as_array().is_some_and(|list| list.iter().any(|parsed| parsed == kind))
    };
    let names = |kind: &str, id: u64| {
        allowed[kind]
            .as_array()
            .is_some_and(|list| list.iter().any(|named| number(named) == Some(id)))
    };
    let may_all = world.bot_permissions(channel) & MENTION_EVERYONE != 0;
    let guild = channel.guild.map(|guild| &world.guilds[&guild]);
    let mut found = Vec::new();
    for (is_role, id) in named(content) {
        let exists = if is_role {
            guild
                .and_then(|guild| guild.roles.get(&id))
                .is_some_and(|(_, mentionable)| *mentionable || may_all)
        } else {
            channel.with == Some(id) || guild.is_some_and(|guild| guild.members.contains_key(&id))
        };
        let kind = if is_role { "roles" } else { "users" };
        if exists && (parses(kind) || names(kind, id)) {
            found.push(id);
        }
    }
    if let Some(guild) = guild
        && parses("everyone")
        && may_all
        && (content.contains("@everyone") || content.contains("@here"))
    {
        found.push(guild.id);
    }
    if allowed["replied_user"] == true
        && let Some(author) =
            reply_to.and_then(|to| channel.message(to).ok()).map(|message| message.author)
        && author != BOT
    {
        found.push(author);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Snowflakes come as text, and are taken as numbers too.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// `<@1>`, `<@!1>` and `<@&1>`; with whether it is a role.
fn named(content: &str) -> Vec<(bool, u64)> {
    let read = |rest: &str| {
        let inside = rest.split_once('>')?.0;
        let (is_role, digits) = match inside.strip_prefix('&') {
            Some(digits) => (true, digits),
            None => (false, inside.strip_prefix('!').unwrap_or(inside)),
        };
        Some((is_role, digits.parse().ok()?))
    };
    content.split("<@").skip(1).filter_map(read).collect()
}
