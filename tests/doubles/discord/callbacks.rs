//! The bot's answers to interactions: the first one, and those that come later.

use super::asking::Asking;
use super::messages::{Draft, Message};
use super::refusal::{
    ACKNOWLEDGED, Complaints, EMPTY_MESSAGE, Refusal, STALE_TOKEN, UNKNOWN_INTERACTION,
    UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK,
};
use super::validate::{self, EPHEMERAL};
use super::world::World;
use super::{BOT, commands, mentions, wire};
use crate::doubles::web::Reply;
use linkdown::clock::Millis;
use serde_json::{Value, json};

const TOKEN_HOLDS: Millis = 900_000;

pub(super) fn answered(
    world: &mut World,
    id: u64,
    token: &str,
    body: &Value,
    with_response: bool,
) -> Result<Reply, Refusal> {
    let is_it = |asking: &&Asking| asking.id == id && asking.token == token && !asking.expired;
    let asking = world.asking.iter().find(is_it).ok_or(UNKNOWN_INTERACTION)?;
    if asking.answer.is_some() {
        return Err(ACKNOWLEDGED);
    }
    if let Err(refusal) = first(world, id, body) {
        world.asking_mut(id).refused.push(refusal.body().to_string());
        return Err(refusal);
    }
    if !with_response {
        return Ok(Reply::Empty { status: 204 });
    }
    let asking = world.asking(id);
    let shown =
        asking.message.and_then(|message| world.channels[&asking.channel].message(message).ok());
    Ok(Reply::json(
        200,
        json!({"interaction": {"id": id.to_string(), "type": asking.kind},
        "resource": {"type": asking.answer, "message": shown.map(|shown| wire::message(world, shown))}}),
    ))
}

fn first(world: &mut World, id: u64, body: &Value) -> Result<(), Refusal> {
    let mut complaints = Complaints::default();
    let asking = world.asking(id);
    let kind = body["type"].as_u64().unwrap_or(0);
    let fits = match asking.kind {
        4 => kind == 8,
        3 => (4..=7).contains(&kind),
        _ => matches!(kind, 4 | 5),
    };
    if !fits {
        complaints.choice(
            "type",
            if asking.kind == 4 { "(8,)" } else { "(4, 5), and (6, 7) for components" },
        );
        return complaints.settle();
    }
    let data = &body["data"];
    let ephemeral = data["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0;
    match kind {
        4 | 7 => {
            if data.is_null() {
                complaints.required("data");
            } else {
                let draft = validate::part(&mut complaints, "data.", data);
                complaints.settle()?;
                return if kind == 4 {
                    say(world, id, draft, data, ephemeral)
                } else {
                    change(world, id, draft, kind)
                };
            }
        }
        8 => {
            let choices = complaints.list("data.choices", data.get("choices"), 25);
            if !data["choices"].is_array() {
                complaints.required("data.choices");
            }
            for (at, choice) in choices.iter().enumerate() {
                let kind = if choice["value"].is_string() { 3 } else { 10 };
                commands::one_choice(&mut complaints, &format!("data.choices.{at}"), choice, kind);
            }
        }
        _ => {}
    }
    complaints.settle()?;
    let asking = world.asking_mut(id);
    asking.answer = Some(kind);
    asking.ephemeral = ephemeral;
    if kind == 8 {
        asking.choices = data["choices"].as_array().cloned().unwrap_or_default();
        asking.took = Some(asking.asked.elapsed());
    }
    Ok(())
}

fn say(
    world: &mut World,
    id: u64,
    draft: Draft,
    data: &Value,
    ephemeral: bool,
) -> Result<(), Refusal> {
    let message = add(world, id, draft, data, ephemeral)?;
    let asking = world.asking_mut(id);
    asking.answer = Some(4);
    seen(asking, message);
    Ok(())
}

fn seen(asking: &mut Asking, message: u64) {
    asking.message = Some(message);
    asking.took.get_or_insert(asking.asked.elapsed());
}

fn change(world: &mut World, id: u64, draft: Draft, kind: u64) -> Result<(), Refusal> {
    let asking = world.asking(id);
    let on = asking.on.ok_or(UNKNOWN_MESSAGE)?;
    relay(world, world.asking(id).channel, on, draft)?;
    let asking = world.asking_mut(id);
    asking.answer = Some(kind);
    seen(asking, on);
    Ok(())
}

/// Edits a message of an interaction, whoever may see it.
fn relay(world: &mut World, channel: u64, message: u64, draft: Draft) -> Result<Value, Refusal> {
    let mut version = world.channels[&channel].message(message)?.clone();
    version.take(draft);
    if version.is_empty() {
        return Err(EMPTY_MESSAGE);
    }
    Ok(world.edit(version))
}

fn add(
    world: &mut World,
    id: u64,
    draft: Draft,
    data: &Value,
    ephemeral: bool,
) -> Result<u64, Refusal> {
    let number = world.snowflake();
    let at = world.clock.millis();
    let asking = world.asking(id);
    let mut message = Message::new(number, asking.channel, BOT, "", at);
    message.take(draft);
    if message.is_empty() {
        return Err(EMPTY_MESSAGE);
    }
    message.flags = (message.flags & !EPHEMERAL) | if ephemeral { EPHEMERAL } else { 0 };
    message.only_for = ephemeral.then_some(asking.person);
    message.interaction = Some((id, asking.command.clone(), asking.person));
    let people = mentions::for_interactions();
    let allowed = data.get("allowed_mentions").filter(|given| !given.is_null()).unwrap_or(&people);
    let place = &world.channels[&asking.channel];
    message.mentions_pinged = mentions::pinged(world, place, &message.content, allowed, None);
    Ok(world.store(message))
}

/// What is asked of the webhook that an interaction leaves open; nothing where the double knows no such call.
pub(super) fn later(
    world: &mut World,
    method: &str,
    token: &str,
    rest: &[&str],
    body: &Value,
) -> Result<Option<Reply>, Refusal> {
    let asking = world.asking.iter().find(|asking| asking.token == token).ok_or(UNKNOWN_WEBHOOK)?;
    if asking.expired || asking.answer.is_none() {
        return Err(UNKNOWN_WEBHOOK);
    }
    if world.clock.millis() - asking.asked_millis >= TOKEN_HOLDS {
        return Err(STALE_TOKEN);
    }
    let (id, channel) = (asking.id, asking.channel);
    // One that updates a message means that message, before it has done so.
    let original = asking.message.or(asking.on.filter(|_| asking.answer == Some(6)));
    let which = match rest {
        ["messages", "@original"] => original,
        ["messages", other] => other.parse().ok().filter(|other| asking.followups.contains(other)),
        _ => None,
    };
    let shown = match (method, rest) {
        ("POST", []) => follow_up(world, id, body)?,
        ("GET", ["messages", _]) => {
            let message = world.channels[&channel].message(which.ok_or(UNKNOWN_MESSAGE)?)?;
            wire::message(world, message)
        }
        ("PATCH", ["messages", "@original"]) if original.is_none() => put_off(world, id, body)?,
        ("PATCH", ["messages", _]) => {
            let message = which.ok_or(UNKNOWN_MESSAGE)?;
            let shown = relay(world, channel, message, validate::draft(body)?)?;
            if Some(message) == original {
                seen(world.asking_mut(id), message);
            }
            shown
        }
        ("DELETE", ["messages", _]) => {
            let message = which.ok_or(UNKNOWN_MESSAGE)?;
            world.channels[&channel].message(message)?;
            if let Some(message) = world.channel_mut(channel).message_mut(message) {
                message.deleted = true;
            }
            return Ok(Some(Reply::Empty { status: 204 }));
        }
        _ => return Ok(None),
    };
    Ok(Some(Reply::json(200, shown)))
}

/// The answer that was put off. Whether it is ephemeral was said then.
fn put_off(world: &mut World, id: u64, body: &Value) -> Result<Value, Refusal> {
    let draft = validate::draft(body)?;
    let (channel, ephemeral) = (world.asking(id).channel, world.asking(id).ephemeral);
    let message = add(world, id, draft, body, ephemeral)?;
    seen(world.asking_mut(id), message);
    Ok(wire::message(world, world.channels[&channel].message(message)?))
}

fn follow_up(world: &mut World, id: u64, body: &Value) -> Result<Value, Refusal> {
    let asking = world.asking(id);
    if asking.answer == Some(5) && asking.message.is_none() {
        // The first one takes the place of the answer that was put off.
        return put_off(world, id, body);
    }
    let draft = validate::draft(body)?;
    let channel = asking.channel;
    let ephemeral = body["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0;
    let message = add(world, id, draft, body, ephemeral)?;
    let asking = world.asking_mut(id);
    asking.followups.push(message);
    // A click that changed nothing is answered by what follows.
    if asking.took.is_none() {
        seen(asking, message);
    }
    Ok(wire::message(world, world.channels[&channel].message(message)?))
}
