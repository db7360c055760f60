//! The methods that are neither about messages nor about updates.

use super::access::Access;
use super::chat::{Kind, Membership};
use super::json;
use super::params::Params;
use super::refusal::{Outcome, Refusal};
use super::world::World;
use serde_json::{Value, json};

/// All that this double knows, as the real one writes it; names are taken in any case.
pub const KNOWN: [&str; 18] = [
    "getMe",
    "getUpdates",
    "deleteWebhook",
    "getWebhookInfo",
    "sendMessage",
    "editMessageText",
    "editMessageReplyMarkup",
    "answerCallbackQuery",
    "setMyCommands",
    "getMyCommands",
    "deleteMyCommands",
    "getChat",
    "getChatMember",
    "getChatAdministrators",
    "leaveChat",
    "sendChatAction",
    "setMyDescription",
    "setMyShortDescription",
];

pub fn get_me(world: &World) -> Value {
    let mut me = json::bot();
    if world.is_old {
        for (what, so) in [
            ("can_join_groups", true),
            ("can_read_all_group_messages", false),
            ("supports_inline_queries", false),
        ] {
            me[what] = json!(so);
        }
        return me;
    }
    for (what, so) in [
        ("can_join_groups", true),
        ("can_read_all_group_messages", false),
        ("supports_inline_queries", false),
        ("can_connect_to_business", false),
        ("has_main_web_app", false),
    ] {
        me[what] = json!(so);
    }
    me
}

pub fn delete_webhook(world: &mut World, params: &Params) -> Value {
    if params.flag("drop_pending_updates") {
        world.queue.clear();
    }
    world.webhook = None;
    Value::Bool(true)
}

/// Fields: <https://core.telegram.org/bots/api#webhookinfo>. The address is empty where there is no webhook.
pub fn get_webhook_info(world: &World) -> Value {
    let waiting = world.queue.len();
    match &world.webhook {
        Some(url) => {
            json!({"url": url, "has_custom_certificate": false, "pending_update_count": waiting,
            "max_connections": 40, "ip_address": "192.0.2.1"})
        }
        None => {
            json!({"url": "", "has_custom_certificate": false, "pending_update_count": waiting})
        }
    }
}

/// `typing…`, for some seconds: nothing stays of it, but it may only be shown to whom a message may be sent.
pub fn send_chat_action(world: &World, params: &Params) -> Outcome {
    world.access(params, Access::Write)?;
    Ok(Value::Bool(true))
}

pub fn get_chat(world: &World, params: &Params) -> Outcome {
    let chat = world.access(params, Access::Read)?;
    Ok(world.chat(chat).full_json())
}

pub fn get_chat_member(world: &World, params: &Params) -> Outcome {
    let user = params
        .number("user_id")
        .filter(|id| *id > 0)
        .ok_or_else(|| Refusal::bad("invalid user_id specified"))?;
    let own = user == super::BOT_ID;
    let chat = world.chat(world.access(params, if own { Access::Read } else { Access::Members })?);
    if own {
        return Ok(chat.bot_member(chat.standing));
    }
    if user == super::ANONYMOUS_ID {
        return Ok(json!({"user": json::anonymous(), "status": "left"}));
    }
    if chat.kind == Kind::Channel && !chat.standing.is_admin() {
        return Err(Refusal::bad("CHAT_ADMIN_REQUIRED"));
    }
    world
        .people
        .get(&user)
        .map(|person| chat.member_json(person))
        .ok_or_else(|| Refusal::bad("member not found"))
}

pub fn get_chat_administrators(world: &World, params: &Params) -> Outcome {
    let chat = world.chat(world.access(params, Access::Members)?);
    if chat.kind == Kind::Private {
        return Err(Refusal::bad("there are no administrators in the private chat"));
    }
    Ok(Value::Array(chat.administrators()))
}

pub fn leave_chat(world: &mut World, params: &Params) -> Outcome {
    let chat = world.access(params, Access::Read)?;
    if world.chat(chat).kind == Kind::Private {
        return Err(Refusal::bad("chat member status can't be changed in private chats"));
    }
    world.stands(chat, Membership::Left, &json::bot());
    Ok(Value::Bool(true))
}

/// The scope as JSON, with the language behind it where there is one.
fn scope(world: &World, params: &Params) -> Result<String, Refusal> {
    let scope = match params.json("scope") {
        Value::Null => json!({"type": "default"}),
        scope => scope,
    };
    let kind = scope["type"].as_str().unwrap_or_default();
    match kind {
        "default" | "all_private_chats" | "all_group_chats" | "all_chat_administrators" => {}
        "chat" | "chat_administrators" | "chat_member" => {
            let chat = scope["chat_id"].as_i64().and_then(|id| world.chats.get(&id));
            chat.filter(|chat| chat.standing.is_inside())
                .ok_or_else(|| Refusal::bad("chat not found"))?;
        }
        _ => return Err(Refusal::bad("can't parse BotCommandScope: Unsupported type specified")),
    }
    Ok(format!("{scope} {}", params.text("language_code")).trim_end().to_owned())
}

pub fn set_my_commands(world: &mut World, params: &Params) -> Outcome {
    let scope = scope(world, params)?;
    let Value::Array(given) = params.json("commands") else {
        return Err(Refusal::bad("expected an Array of BotCommand"));
    };
    if given.len() > 100 {
        return Err(Refusal::bad("BOT_COMMANDS_TOO_MUCH"));
    }
    let commands = given.iter().map(command).collect::<Result<Vec<_>, _>>()?;
    world.command_sets += 1;
    world.commands.insert(scope, commands);
    Ok(Value::Bool(true))
}

fn command(given: &Value) -> Result<(String, String), Refusal> {
    let field = |name: &str| given[name].as_str().unwrap_or_default().trim().to_owned();
    let (command, description) =
        (field("command").trim_start_matches('/').to_owned(), field("description"));
    let refuse = |why: &str| Err(Refusal::bad(why));
    match (command.chars().count(), description.chars().count()) {
        (0, _) => refuse("command must be non-empty"),
        (33.., _) => refuse("command length must not exceed 32"),
        (_, 0) => refuse("command description must be non-empty"),
        (_, 257..) => refuse("command description length must not exceed 256"),
        _ if !command
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') =>
        {
            refuse("BOT_COMMAND_INVALID")
        }
        _ => Ok((command, description)),
    }
}

pub fn get_my_commands(world: &World, params: &Params) -> Outcome {
    let commands =
        world.commands.get(&scope(world, params)?).map(Vec::as_slice).unwrap_or_default();
    let json = |(command, description): &(String, String)| json!({"command": command, "description": description});
    Ok(commands.iter().map(json).collect())
}

pub fn delete_my_commands(world: &mut World, params: &Params) -> Outcome {
    let scope = scope(world, params)?;
    world.commands.remove(&scope);
    Ok(Value::Bool(true))
}
