//! sendMessage, editMessageText and editMessageReplyMarkup, with all that may be wrong about a message.

use super::access::{self, Access};
use super::chat::{Author, Edit, Message, Said};
use super::html::{self, Parsed, units};
use super::params::Params;
use super::refusal::{Outcome, Refusal};
use super::world::World;
use serde_json::{Value, json};

/// In UTF-16 units, as they are seen.
const LONGEST: usize = 4096;
/// In bytes, as they are sent.
const LONGEST_RAW: usize = 1 << 15;

pub fn send_message(world: &mut World, params: &Params) -> Outcome {
    let parsed = text(params)?;
    let (markup, buttons) = keyboard(params)?;
    let chat = world.access(params, Access::Write)?;
    let topic = access::topic(world.chat(chat), params)?;
    let reply_to = reply_to(world, chat, params)?;
    if units(&parsed.text) > LONGEST {
        return Err(Refusal::bad("message is too long"));
    }
    world.spend(chat)?;
    let message = Message {
        topic,
        text: parsed.text,
        html: params.text("text"),
        silent: params.flag("disable_notification"),
        preview_off: preview_off(params),
        reply_to,
        buttons,
        ..Message::default()
    };
    let said = world.keep(chat, Author::Bot, message);
    said.entities = parsed.entities;
    said.markup = markup;
    let id = said.message.id;
    world.show_new(chat, id);
    Ok(world.message_json(chat, id))
}

pub fn edit_message_text(world: &mut World, params: &Params) -> Outcome {
    let parsed = text(params)?;
    let (markup, buttons) = keyboard(params)?;
    let (chat, id) = own_message(world, params)?;
    if units(&parsed.text) > LONGEST {
        return Err(Refusal::bad("MESSAGE_TOO_LONG"));
    }
    world.spend(chat)?;
    let now = world.now();
    let said = found(world, chat, id)?;
    if said.message.text == parsed.text && said.entities == parsed.entities && said.markup == markup
    {
        return Err(not_modified());
    }
    said.entities = parsed.entities;
    said.markup = markup;
    said.edited_at = Some(now);
    let message = &mut said.message;
    message.text.clone_from(&parsed.text);
    message.html = params.text("text");
    message.preview_off = preview_off(params);
    message.buttons = buttons;
    let edit = Edit { at_millis: now, text: parsed.text, html: message.html.clone() };
    message.edits.push(edit);
    world.show_edit(chat, id);
    Ok(world.message_json(chat, id))
}

pub fn edit_message_reply_markup(world: &mut World, params: &Params) -> Outcome {
    let (markup, buttons) = keyboard(params)?;
    let (chat, id) = own_message(world, params)?;
    world.spend(chat)?;
    let now = world.now();
    let said = found(world, chat, id)?;
    if said.markup == markup {
        return Err(not_modified());
    }
    said.markup = markup;
    said.message.buttons = buttons;
    said.edited_at = Some(now);
    world.show_buttons(chat, id);
    Ok(world.message_json(chat, id))
}

fn not_modified() -> Refusal {
    Refusal::bad(
        "message is not modified: specified new message content and reply markup are exactly the same as a current \
         content and reply markup of the message",
    )
}

fn found(world: &mut World, chat: i64, id: i32) -> Result<&mut Said, Refusal> {
    world.chat_mut(chat).find_mut(id).ok_or_else(|| Refusal::bad("message to edit not found"))
}

fn own_message(world: &mut World, params: &Params) -> Result<(i64, i32), Refusal> {
    let chat = world.access(params, Access::Edit)?;
    let id = params.number("message_id").and_then(|id| i32::try_from(id).ok()).unwrap_or_default();
    let said = found(world, chat, id)?;
    if said.author != Author::Bot || said.service.is_some() {
        return Err(Refusal::bad("message can't be edited"));
    }
    Ok((chat, id))
}

fn text(params: &Params) -> Result<Parsed, Refusal> {
    let raw = params.text("text");
    if raw.is_empty() {
        return Err(Refusal::bad("message text is empty"));
    }
    if raw.len() > LONGEST_RAW {
        return Err(Refusal::bad("text is too long"));
    }
    let parsed = match params.text("parse_mode").to_lowercase().as_str() {
        "" | "none" => Parsed { text: raw.trim().to_owned(), entities: Vec::new() },
        "html" => html::parse(&raw)
            .map_err(|why| Refusal::bad(&format!("can't parse entities: {why}")))?,
        // The real one knows two kinds of Markdown more.
        _ => return Err(Refusal::bad("unsupported parse_mode")),
    };
    if parsed.text.is_empty() { Err(Refusal::bad("message text is empty")) } else { Ok(parsed) }
}

fn preview_off(params: &Params) -> bool {
    params.json("link_preview_options")["is_disabled"] == true
        || params.flag("disable_web_page_preview")
}

fn reply_to(world: &World, chat: i64, params: &Params) -> Result<Option<i32>, Refusal> {
    let reply = params.json("reply_parameters");
    let old = params.number("reply_to_message_id");
    let Some(id) = reply["message_id"].as_i64().or(old).filter(|id| *id > 0) else {
        return Ok(None);
    };
    let lenient =
        reply["allow_sending_without_reply"] == true || params.flag("allow_sending_without_reply");
    match i32::try_from(id).ok().filter(|id| world.chat(chat).find(*id).is_some()) {
        Some(id) => Ok(Some(id)),
        None if lenient => Ok(None),
        None => Err(Refusal::bad("message to be replied not found")),
    }
}

type Buttons = Vec<Vec<(String, String)>>;

/// The inline keyboard as it is given out again, and as it is seen. Other keyboards are not kept.
fn keyboard(params: &Params) -> Result<(Value, Buttons), Refusal> {
    if !params.has("reply_markup") {
        return Ok((Value::Null, Vec::new()));
    }
    let markup = params.json("reply_markup");
    if !markup.is_object() {
        return Err(Refusal::bad("object expected as reply markup"));
    }
    let Some(rows) = markup["inline_keyboard"].as_array().filter(|rows| !rows.is_empty()) else {
        return Ok((Value::Null, Vec::new()));
    };
    let mut buttons = Vec::new();
    for row in rows {
        let row = row
            .as_array()
            .ok_or_else(|| Refusal::bad("field \"inline_keyboard\" must be an Array of Arrays"))?;
        buttons.push(row.iter().map(button).collect::<Result<Vec<_>, _>>()?);
    }
    buttons.retain(|row| !row.is_empty());
    if buttons.iter().map(Vec::len).sum::<usize>() > 100 || buttons.iter().any(|row| row.len() > 8)
    {
        return Err(Refusal::bad("reply markup is too long"));
    }
    let markup = if buttons.is_empty() { Value::Null } else { json!({"inline_keyboard": rows}) };
    Ok((markup, buttons))
}

fn button(button: &Value) -> Result<(String, String), Refusal> {
    let unparsed = |why: &str| Refusal::bad(&format!("can't parse inline keyboard button: {why}"));
    let text =
        button["text"].as_str().ok_or_else(|| unparsed("Field \"text\" must be of type String"))?;
    if text.trim().is_empty() {
        return Err(unparsed("Field \"text\" must be non-empty"));
    }
    if let Some(data) = button["callback_data"].as_str() {
        let fits = (1..=64).contains(&data.len());
        return if fits {
            Ok((text.to_owned(), data.to_owned()))
        } else {
            Err(Refusal::bad("BUTTON_DATA_INVALID"))
        };
    }
    if let Some(url) = button["url"].as_str() {
        let is_link = ["http://", "https://", "tg://"].iter().any(|scheme| url.starts_with(scheme));
        return if is_link {
            Ok((text.to_owned(), url.to_owned()))
        } else {
            Err(Refusal::bad("BUTTON_URL_INVALID"))
        };
    }
    Err(unparsed("Text buttons are unallowed in the inline keyboard"))
}
