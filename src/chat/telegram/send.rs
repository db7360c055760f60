//! A card goes out; and what Telegram's refusals mean. Their words are matched here alone.

use super::address::{Address, message_id};
use crate::notify::platform::{Edit, Form, Outgoing, Sent, Volume};
use crate::notify::retry::{SendError, Whom};
use crate::render::card::{Action, Card};
use crate::render::telegram::{escape, html, plain};
use teloxide_core::payloads::{EditMessageTextSetters as _, SendMessageSetters as _};
use teloxide_core::prelude::Requester as _;
use teloxide_core::types::{
    InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, MessageId, ParseMode, ReplyParameters,
};
use teloxide_core::{Bot, RequestError};

/// What a button may carry.
const BUTTON_DATA: usize = 64;

pub(super) async fn send(bot: &Bot, message: &Outgoing) -> Result<Sent, SendError> {
    let to = Address::read(&message.chat.address)?;
    let mut card = message.card.clone();
    if message.in_doubt.is_some() {
        // Telegram cannot be asked what a chat holds.
        card.foot.push("Perhaps a repeat: how an earlier attempt ended is not known.".to_owned());
    }
    let text = text(&card, message.mention.as_deref(), message.form);
    let answers = message.answers.as_deref().and_then(|id| message_id(id).ok());
    let keyboard = keyboard(&card.actions);
    let silent = message.volume == Volume::Silent;
    let attempt = |to: Address| say(bot, to, text.clone(), answers, keyboard.clone(), silent, message.form);
    let sent = match attempt(to).await {
        // A closed topic may be opened again: what is urgent is told in the group meanwhile.
        Err(error) if to.topic.is_some() && words(&error).contains("TOPIC_CLOSED") => {
            attempt(Address { topic: None, ..to }).await
        }
        other => other,
    };
    sent.map(|id| Sent { message: id.0.to_string(), rest_ms: 0 }).map_err(|error| classify(&error, to))
}

pub(super) async fn edit(bot: &Bot, edit: &Edit) -> Result<(), SendError> {
    let to = Address::read(&edit.chat.address)?;
    let id = message_id(&edit.message)?;
    let call = bot
        .edit_message_text(to.chat, id, html(&edit.card))
        .parse_mode(ParseMode::Html)
        .link_preview_options(no_preview())
        .reply_markup(keyboard(&edit.card.actions));
    match call.await {
        Ok(_) => Ok(()),
        Err(error) => match classify(&error, to) {
            SendError::Unreadable { why } if why.contains("message is not modified") => Ok(()),
            SendError::Unreadable { why }
                if why.contains("message to edit not found") || why.contains("message can't be edited") =>
            {
                Err(SendError::MessageGone)
            }
            other => Err(other),
        },
    }
}

/// One message, as it is.
pub(super) async fn say(
    bot: &Bot,
    to: Address,
    text: String,
    answers: Option<MessageId>,
    keyboard: InlineKeyboardMarkup,
    silent: bool,
    form: Form,
) -> Result<MessageId, RequestError> {
    let mut call = bot.send_message(to.chat, text).link_preview_options(no_preview()).disable_notification(silent);
    if form == Form::Rich {
        call = call.parse_mode(ParseMode::Html);
    }
    if let Some(topic) = to.topic {
        call = call.message_thread_id(topic);
    }
    if let Some(id) = answers {
        call = call.reply_parameters(ReplyParameters::new(id).allow_sending_without_reply());
    }
    if !keyboard.inline_keyboard.is_empty() {
        call = call.reply_markup(keyboard);
    }
    call.await.map(|message| message.id)
}

fn text(card: &Card, mention: Option<&str>, form: Form) -> String {
    match (form, mention) {
        (Form::Plain, _) => plain(card),
        (Form::Rich, None) => html(card),
        (Form::Rich, Some(name)) => {
            let mut card = card.clone();
            card.foot.push(name.to_owned());
            // In the foot, where it always fits; it calls all the same.
            debug_assert!(escape(name) == name);
            html(&card)
        }
    }
}

pub(super) fn keyboard(actions: &[Action]) -> InlineKeyboardMarkup {
    let buttons: Vec<InlineKeyboardButton> = actions
        .iter()
        .filter(|action| action.command.len() <= BUTTON_DATA)
        .map(|action| InlineKeyboardButton::callback(action.label.clone(), action.command.clone()))
        .collect();
    InlineKeyboardMarkup::new((!buttons.is_empty()).then_some(buttons))
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

/// What Telegram said, without the library's words around it, and never with an address: the token stands in it.
pub(super) fn words(error: &RequestError) -> String {
    use teloxide_core::ApiError;
    match error {
        RequestError::Api(ApiError::Unknown(text)) => text.clone(),
        RequestError::Api(error) => error.to_string(),
        RequestError::MigrateToChatId(to) => format!("the group has become the supergroup {to}"),
        RequestError::RetryAfter(pause) => format!("asked to wait {} s", pause.seconds()),
        RequestError::Network(error) if error.is_timeout() => "no answer in time".to_owned(),
        RequestError::Network(error) if error.is_connect() => "cannot be reached".to_owned(),
        RequestError::Network(_) => "the connection broke".to_owned(),
        RequestError::InvalidJson { .. } => "an answer that is not Telegram's".to_owned(),
        RequestError::Io(error) => error.kind().to_string(),
    }
}

/// Refusals that last until somebody changes something in the chat.
const NEVER: [&str; 22] = [
    "blocked by the user",
    "was kicked",
    "is not a member",
    "bot was removed",
    "user is deactivated",
    "chat not found",
    "user not found",
    "group is deactivated",
    "group chat was deleted",
    "group chat was deactivated",
    "not enough rights",
    "have no rights to send",
    "need administrator rights",
    "CHAT_WRITE_FORBIDDEN",
    "CHAT_SEND_PLAIN_FORBIDDEN",
    "CHAT_RESTRICTED",
    "CHAT_ADMIN_REQUIRED",
    "CHANNEL_PRIVATE",
    "initiate conversation",
    "messages to bots",
    "TOPIC_CLOSED",
    "PEER_ID_INVALID",
];

fn classify(error: &RequestError, to: Address) -> SendError {
    let why = words(error);
    match error {
        RequestError::RetryAfter(pause) => {
            SendError::Wait { pause_ms: i64::from(pause.seconds()) * 1000, whom: Whom::Chat }
        }
        RequestError::MigrateToChatId(new) => SendError::Moved { to: new.0.to_string() },
        RequestError::Network(error) if error.is_connect() => SendError::later(format!("Telegram {why}")),
        RequestError::Io(_) => SendError::later(why),
        RequestError::Api(teloxide_core::ApiError::InvalidToken) => SendError::Revoked {
            why: "Telegram refuses the token: it is wrong or was revoked; @BotFather gives a new one (/token)"
                .to_owned(),
        },
        RequestError::Api(_) if why.contains("message thread not found") => {
            // The topic was deleted: its group is still there.
            SendError::Moved { to: Address { topic: None, ..to }.written() }
        }
        RequestError::Api(_) if NEVER.iter().any(|words| why.contains(words)) => SendError::Never { why },
        RequestError::Api(_) if why.starts_with("Bad Request") => SendError::Unreadable { why },
        RequestError::Api(_) if why.starts_with("Forbidden") => SendError::Never { why },
        // Sent, and perhaps taken: nobody knows. A page instead of JSON comes with 5xx.
        RequestError::Network(_) | RequestError::InvalidJson { .. } | RequestError::Api(_) => {
            SendError::in_doubt(format!("Telegram: {why}"))
        }
    }
}
