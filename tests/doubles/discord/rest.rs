//! The REST side: who may ask, how much, and what answers.

use super::asked::Call;
use super::faults::Fault;
use super::limits::{Bucket, Wait};
use super::refusal::{
    Complaints, MALFORMED, MISSING_ACCESS, NO_JSON, NO_SUCH_PATH, NO_USER_AGENT, Refusal,
    UNAUTHORIZED, UNKNOWN_APPLICATION, UNKNOWN_CHANNEL, UNKNOWN_GUILD, UNKNOWN_MEMBER,
    UNKNOWN_USER,
};
use super::world::World;
use super::{APPLICATION, BOT, TOKEN, callbacks, commands, mentions, posting, wire};
use crate::doubles::web::{Reply, Request};
use serde_json::{Value, json};

pub(super) fn answer(world: &mut World, request: &Request) -> Reply {
    let at_millis = world.clock.millis();
    let reply = gate(world, request).unwrap_or_else(|refusal| refusal.reply());
    let (status, answer) = match &reply {
        Reply::Json { status, body, .. } => (*status, body.clone()),
        Reply::Html { status, .. } | Reply::Empty { status } => (*status, Value::Null),
        Reply::Hang | Reply::Reset => (0, Value::Null),
    };
    world.limits.answered(status, at_millis);
    let (method, path, body) = (request.method.clone(), request.path.clone(), request.json());
    world.calls.push(Call { method, path, status, at_millis, body, answer });
    reply
}

fn gate(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    if world.limits.banned {
        return Ok(page(403, "error code: 1015"));
    }
    let header = |name: &str| request.headers.get(name).map(String::as_str).unwrap_or_default();
    // The documentation demands it, and the front end turns away those who have none.
    if !header("user-agent").starts_with("DiscordBot (") {
        return Err(NO_USER_AGENT);
    }
    let path = request.path.strip_prefix("/api/v10/").unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let method = request.method.as_str();
    // These carry a token of their own, and count for nothing.
    let is_interaction = matches!(parts[0], "interactions" | "webhooks");
    if world.revoked || !is_interaction && header("authorization") != format!("Bot {TOKEN}") {
        return Err(UNAUTHORIZED);
    }
    let message_call = match (method, parts.as_slice()) {
        ("POST", ["channels", channel, "messages" | "threads"]) => Some((id(channel)?, "new")),
        ("PATCH", ["channels", channel, "messages", _]) => Some((id(channel)?, "edit")),
        _ => None,
    };
    if !is_interaction {
        let bucket = message_call.unwrap_or((0, "other"));
        if let Err(wait) = world.limits.ask(bucket, world.clock.millis()) {
            return Ok(wait.reply(bucket));
        }
    }
    if !request.body.is_empty() && !header("content-type").starts_with("application/json") {
        let mut complaints = Complaints::default();
        complaints.say(
            "",
            "CONTENT_TYPE_INVALID",
            "Expected \"Content-Type\" header to be one of {'application/json'}.",
        );
        complaints.settle()?;
    }
    match message_call {
        Some(bucket) => Ok(message_call_in(world, bucket, request, &parts)),
        None => route(world, request, method, &parts),
    }
}

/// Those that make or edit a message have limits of their own, and go wrong on demand.
fn message_call_in(world: &mut World, bucket: Bucket, request: &Request, parts: &[&str]) -> Reply {
    let now = world.clock.millis();
    if let Err(wait) = world.limits.ask_channel(bucket, now) {
        return wait.reply(bucket);
    }
    let fault = world.faults.for_call(bucket.0);
    let mut reply = match fault {
        None | Some(Fault::AcceptThenReset) => {
            route(world, request, &request.method, parts).unwrap_or_else(|refusal| refusal.reply())
        }
        Some(Fault::Status(status @ 502..)) => {
            return page(status, "error code: the origin is unreachable");
        }
        Some(Fault::Status(status)) => Reply::json(
            status,
            json!({"message": format!("{status}: Internal Server Error"), "code": 0}),
        ),
        Some(Fault::Reset) => Reply::Reset,
        Some(Fault::Hang) => Reply::Hang,
        Some(Fault::RateLimited { after_ms, global }) => {
            let wait = Wait { millis: after_ms, global };
            world.limits.shut(bucket, wait, now);
            return wait.reply(bucket);
        }
        Some(Fault::Forbidden(code)) => {
            Reply::json(403, json!({"message": "Discord names a reason here", "code": code}))
        }
        Some(Fault::NotFoundChannel) => UNKNOWN_CHANNEL.reply(),
        Some(Fault::HtmlPage) => return page(200, "one moment, please"),
        Some(Fault::Malformed400) => MALFORMED.reply(),
    };
    if fault == Some(Fault::AcceptThenReset) {
        return Reply::Reset;
    }
    if let Reply::Json { headers, .. } = &mut reply {
        headers.extend(world.limits.headers(bucket, now));
    }
    reply
}

fn route(
    world: &mut World,
    request: &Request,
    method: &str,
    parts: &[&str],
) -> Result<Reply, Refusal> {
    let ok = |body: Value| Ok(Reply::json(200, body));
    match (method, parts) {
        ("GET", ["gateway"]) => ok(json!({"url": world.gateway})),
        ("GET", ["gateway", "bot"]) => {
            ok(json!({"url": world.gateway, "shards": 1, "session_start_limit":
            {"total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1}}))
        }
        ("GET", ["users", "@me"]) => ok(wire::me(world)),
        ("GET", ["applications", "@me"] | ["oauth2", "applications", "@me"]) => {
            ok(application(world))
        }
        ("POST", ["users", "@me", "channels"]) => {
            let person = mentions::number(&body(request)?["recipient_id"]).ok_or(UNKNOWN_USER)?;
            if !world.people.contains_key(&person) || person == BOT {
                return Err(UNKNOWN_USER);
            }
            let channel = world.dm_with(person);
            ok(wire::channel(world, &world.channels[&channel]))
        }
        ("GET", ["applications", app, "commands"]) if id(app)? == APPLICATION => {
            ok(json!(world.commands))
        }
        ("PUT", ["applications", app, "commands"]) if id(app)? == APPLICATION => {
            let commands = body(request)?;
            ok(json!(commands::register(world, &commands)?))
        }
        (_, ["applications", app, "commands"]) if id(app)? != APPLICATION => {
            Err(UNKNOWN_APPLICATION)
        }
        ("GET", ["channels", channel]) => {
            let channel = world.visible(id(channel)?)?;
            ok(wire::channel(world, channel))
        }
        ("GET", ["channels", channel, "messages"]) => {
            ok(posting::history(world, id(channel)?, &request.query)?)
        }
        ("GET", ["channels", channel, "messages", message]) => {
            ok(posting::one(world, id(channel)?, id(message)?)?)
        }
        ("POST", ["channels", channel, "messages"]) => {
            ok(posting::create(world, id(channel)?, &body(request)?)?)
        }
        ("PATCH", ["channels", channel, "messages", message]) => {
            ok(posting::edit(world, id(channel)?, id(message)?, &body(request)?)?)
        }
        ("POST", ["channels", forum, "threads"]) => {
            Ok(Reply::json(201, posting::thread(world, id(forum)?, &body(request)?)?))
        }
        ("GET", ["guilds", guild, rest @ ..]) => in_guild(world, request, id(guild)?, rest),
        ("POST", ["interactions", interaction, token, "callback"]) => {
            let with_response = query(&request.query, "with_response") == Some("true");
            callbacks::answered(world, id(interaction)?, token, &body(request)?, with_response)
        }
        (_, ["webhooks", app, token, rest @ ..]) => {
            if id(app)? != APPLICATION {
                return Err(super::refusal::UNKNOWN_WEBHOOK);
            }
            let body = if request.body.is_empty() { Value::Null } else { body(request)? };
            match callbacks::later(world, method, token, rest, &body)? {
                Some(reply) => Ok(reply),
                None => unexpected(world, request),
            }
        }
        _ => unexpected(world, request),
    }
}

fn unexpected(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    world.unexpected.push(format!("{} {}", request.method, request.path));
    Err(NO_SUCH_PATH)
}

fn in_guild(
    world: &mut World,
    request: &Request,
    guild: u64,
    rest: &[&str],
) -> Result<Reply, Refusal> {
    if !world.guilds.get(&guild).ok_or(UNKNOWN_GUILD)?.has_bot {
        return Err(MISSING_ACCESS);
    }
    match rest {
        [] => Ok(Reply::json(200, wire::bare_guild(world, guild))),
        ["roles"] => Ok(Reply::json(200, json!(wire::roles(world, guild)))),
        ["members", who] => {
            let who = id(who)?;
            if who != BOT && !world.guilds[&guild].members.contains_key(&who) {
                return Err(UNKNOWN_MEMBER);
            }
            Ok(Reply::json(200, wire::member(world, guild, who)))
        }
        _ => unexpected(world, request),
    }
}

fn application(world: &World) -> Value {
    let owner = json!({"id": "1200000000000000000", "username": "operator", "global_name": "Operator", "avatar": null,
        "discriminator": "0", "public_flags": 0});
    json!({"id": APPLICATION.to_string(), "name": "Linkdown", "icon": null, "description": "", "summary": "",
        "bot_public": true, "bot_require_code_grant": false, "verify_key": "0".repeat(64), "flags": 0, "team": null,
        "owner": owner, "bot": wire::user(world, BOT), "redirect_uris": [], "interactions_endpoint_url": null,
        "approximate_guild_count": world.guilds.values().filter(|guild| guild.has_bot).count()})
}

fn page(status: u16, what: &str) -> Reply {
    Reply::Html {
        status,
        body: format!("<!DOCTYPE html>\n<html><head><title>{what}</title></head></html>"),
    }
}

fn body(request: &Request) -> Result<Value, Refusal> {
    serde_json::from_slice(&request.body).map_err(|_| NO_JSON)
}

fn id(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| {
        let mut complaints = Complaints::default();
        complaints.say("id", "NUMBER_TYPE_COERCE", format!("Value \"{text}\" is not snowflake."));
        complaints.settle().unwrap_err()
    })
}

pub(super) fn query<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
