//! Messages over REST: made, edited, read, and posts in forums.

use super::messages::{Draft, Message};
use super::permissions::{
    EMBED_LINKS, READ_MESSAGE_HISTORY, SEND_MESSAGES, SEND_MESSAGES_IN_THREADS,
};
use super::refusal::{
    Complaints, EMPTY_MESSAGE, MISSING_PERMISSIONS, NO_MUTUAL_GUILDS, NO_SUCH_PATH,
    NO_TEXT_CHANNEL, NOT_TO_THIS_USER, NOT_YOURS, OLD_EDITS, REPLY_WITHOUT_HISTORY, Refusal,
    THREAD_ARCHIVED, UNKNOWN_MESSAGE,
};
use super::rest::query;
use super::world::{Channel, Kind, World};
use super::{BOT, mentions, validate, wire};
use linkdown::clock::Millis;
use serde_json::{Value, json};

const NONCE_HOLDS: Millis = 300_000;
const HOUR: Millis = 3_600_000;

pub(super) fn create(world: &mut World, channel: u64, body: &Value) -> Result<Value, Refusal> {
    let place = world.visible(channel)?;
    if place.kind == Kind::Forum {
        return Err(NO_TEXT_CHANNEL);
    }
    if let Some(person) = place.with {
        if world.blocking.contains(&person) {
            return Err(NOT_TO_THIS_USER);
        }
        if !place.opened && !world.share_a_guild(person) {
            return Err(NO_MUTUAL_GUILDS);
        }
    }
    let needed = if place.kind == Kind::Thread { SEND_MESSAGES_IN_THREADS } else { SEND_MESSAGES };
    world.allowed(channel, needed)?;
    // The bot has no Manage Threads: it cannot wake a thread that is locked.
    if place.locked {
        return Err(THREAD_ARCHIVED);
    }
    let draft = validate::draft(body)?;
    let reply_to = reply(world, place, body)?;
    if let Some(first) = same_nonce(world, place, body) {
        return Ok(wire::message(world, first));
    }
    let message = compose(world, channel, draft, body, reply_to)?;
    // "The API will helpfully automatically unarchive a thread when sending a message in that thread"
    // (discord/discord-api-docs#2855); an edit does not.
    if world.channels[&channel].archived {
        world.change_thread(channel, |thread| thread.archived = false);
    }
    let id = world.store(message);
    Ok(wire::message(world, world.channels[&channel].message(id)?))
}

fn compose(
    world: &mut World,
    channel: u64,
    mut draft: Draft,
    body: &Value,
    reply_to: Option<u64>,
) -> Result<Message, Refusal> {
    let place = &world.channels[&channel];
    let has_embeds = draft.embeds.as_ref().is_some_and(|embeds| !embeds.is_empty());
    if has_embeds && world.bot_permissions(place) & EMBED_LINKS == 0 {
        if draft.content.as_ref().is_none_or(String::is_empty) {
            return Err(MISSING_PERMISSIONS);
        }
        // Beside content they vanish without a word.
        draft.embeds = None;
    }
    let mut message = Message::new(0, channel, BOT, "", world.clock.millis());
    message.take(draft);
    message.flags &= !validate::EPHEMERAL;
    if message.is_empty() {
        return Err(EMPTY_MESSAGE);
    }
    message.reply_to = reply_to;
    message.nonce = nonce(body);
    let everything = mentions::for_messages();
    let allowed =
        body.get("allowed_mentions").filter(|given| !given.is_null()).unwrap_or(&everything);
    message.mentions_pinged = mentions::pinged(world, place, &message.content, allowed, reply_to);
    message.id = world.snowflake();
    Ok(message)
}

fn nonce(body: &Value) -> Option<String> {
    match &body["nonce"] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The message that already has the nonce, if it is to be the only one.
fn same_nonce<'w>(world: &World, place: &'w Channel, body: &Value) -> Option<&'w Message> {
    let wanted = nonce(body).filter(|_| body["enforce_nonce"] == true)?;
    let now = world.clock.millis();
    let is_it =
        |message: &&Message| message.author == BOT && message.nonce.as_ref() == Some(&wanted);
    place
        .messages
        .iter()
        .rev()
        .take_while(|message| now - message.at_millis < NONCE_HOLDS)
        .find(is_it)
}

fn reply(world: &World, place: &Channel, body: &Value) -> Result<Option<u64>, Refusal> {
    let reference = &body["message_reference"];
    if reference.is_null() {
        return Ok(None);
    }
    let refuse = |path: &str, code: &str, why: &str| {
        let mut complaints = Complaints::default();
        complaints.say(path, code, why);
        complaints.settle().unwrap_err()
    };
    if reference["type"].as_u64().unwrap_or(0) != 0 {
        return Err(refuse(
            "message_reference.type",
            "DOUBLE",
            "this double knows no forwarded messages",
        ));
    }
    let Some(to) = mentions::number(&reference["message_id"]) else {
        return Err(refuse(
            "message_reference.message_id",
            "BASE_TYPE_REQUIRED",
            "This field is required",
        ));
    };
    if world.bot_permissions(place) & READ_MESSAGE_HISTORY == 0 {
        return Err(REPLY_WITHOUT_HISTORY);
    }
    let is_here =
        mentions::number(&reference["channel_id"]).is_none_or(|channel| channel == place.id);
    if is_here && place.message(to).is_ok_and(|message| message.only_for.is_none()) {
        return Ok(Some(to));
    }
    if reference["fail_if_not_exists"] == false {
        return Ok(None);
    }
    Err(refuse("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message"))
}

pub(super) fn edit(
    world: &mut World,
    channel: u64,
    message: u64,
    body: &Value,
) -> Result<Value, Refusal> {
    let place = world.visible(channel)?;
    let old = place
        .message(message)
        .ok()
        .filter(|message| message.only_for.is_none())
        .ok_or(UNKNOWN_MESSAGE)?;
    if old.author != BOT {
        return Err(NOT_YOURS);
    }
    if place.archived {
        return Err(THREAD_ARCHIVED);
    }
    if place.refuses_old_edits && world.clock.millis() - old.at_millis >= HOUR {
        return Err(OLD_EDITS);
    }
    let mut draft = validate::draft(body)?;
    if world.bot_permissions(place) & EMBED_LINKS == 0 && place.guild.is_some() {
        draft.embeds = draft.embeds.map(|_| Vec::new());
    }
    let mut version = old.clone();
    version.take(draft);
    if version.is_empty() {
        return Err(EMPTY_MESSAGE);
    }
    Ok(world.edit(version))
}

pub(super) fn one(world: &World, channel: u64, message: u64) -> Result<Value, Refusal> {
    let place = world.allowed(channel, READ_MESSAGE_HISTORY)?;
    let found = place.message(message)?;
    if found.only_for.is_some() { Err(UNKNOWN_MESSAGE) } else { Ok(wire::message(world, found)) }
}

pub(super) fn history(world: &World, channel: u64, asked: &str) -> Result<Value, Refusal> {
    let place = world.visible(channel)?;
    let number = |name: &str| query(asked, name).and_then(|text| text.parse::<u64>().ok());
    let limit = query(asked, "limit").map_or(Some(50), |text| text.parse::<usize>().ok());
    let Some(limit) = limit.filter(|limit| (1..=100).contains(limit)) else {
        let mut complaints = Complaints::default();
        complaints.say("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.");
        return Err(complaints.settle().unwrap_err());
    };
    if world.bot_permissions(place) & READ_MESSAGE_HISTORY == 0 {
        return Ok(json!([]));
    }
    let all: Vec<&Message> = place
        .messages
        .iter()
        .filter(|message| !message.deleted && message.only_for.is_none())
        .collect();
    let chosen = if let Some(after) = number("after") {
        let from = all.partition_point(|message| message.id <= after);
        &all[from..(from + limit).min(all.len())]
    } else if let Some(around) = number("around") {
        let middle = all.partition_point(|message| message.id < around);
        let from = middle.saturating_sub(limit / 2);
        &all[from..(from + limit).min(all.len())]
    } else {
        let until = number("before")
            .map_or(all.len(), |before| all.partition_point(|message| message.id < before));
        &all[until.saturating_sub(limit)..until]
    };
    // Newest first, whatever was asked.
    Ok(chosen.iter().rev().map(|message| wire::message(world, message)).collect())
}

/// A post in a forum: a thread with its first message, which has the same number.
pub(super) fn thread(world: &mut World, forum: u64, body: &Value) -> Result<Value, Refusal> {
    if world.visible(forum)?.kind != Kind::Forum {
        world.unexpected.push(format!("a thread outside of a forum, in {forum}"));
        return Err(NO_SUCH_PATH);
    }
    world.allowed(forum, SEND_MESSAGES)?;
    let mut complaints = Complaints::default();
    complaints.text("name", body.get("name"), 1, 100);
    let archive = &body["auto_archive_duration"];
    if !archive.is_null() && ![60, 1440, 4320, 10_080].iter().any(|minutes| archive == minutes) {
        complaints.choice("auto_archive_duration", "(60, 1440, 4320, 10080)");
    }
    let mut draft = Draft::default();
    match body.get("message") {
        None | Some(Value::Null) => complaints.required("message"),
        Some(first) => draft = validate::part(&mut complaints, "message.", first),
    }
    complaints.settle()?;
    let mut first = compose(world, forum, draft, &body["message"], None)?;
    let guild = world.channels[&forum].guild;
    world.place(
        first.id,
        guild,
        Some(forum),
        Kind::Thread,
        body["name"].as_str().unwrap_or_default().trim(),
    );
    first.channel = first.id;
    let id = world.store(first);
    let mut shown = wire::channel(world, &world.channels[&id]);
    shown["message"] = wire::message(world, world.channels[&id].message(id)?);
    Ok(shown)
}
