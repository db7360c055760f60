//! Sends and edits cards.

use super::address::{Address, message_id};
use super::refusal::Refusal;
use super::rest::Rest;
use crate::notify::platform::{Edit, Form, Outgoing, Sent, Volume};
use crate::notify::retry::{EditAgain, SendError};
use crate::render::card::{Action, Card};
use crate::render::telegram::{escape, html, plain};
use serde_json::Value;
use teloxide_core::RequestError;
use teloxide_core::payloads::{EditMessageText, SendMessage};
use teloxide_core::types::{
    InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, MessageId, ParseMode,
    ReplyMarkup, ReplyParameters,
};

/// The most bytes that a button carries.
const BUTTON_DATA: usize = 64;

/// A message in the form in which Telegram receives it.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The text, as HTML in the rich form.
    pub text: String,
    /// The message to reply to.
    pub answers: Option<MessageId>,
    /// The buttons; may be empty.
    pub keyboard: InlineKeyboardMarkup,
    /// Whether the message notifies.
    pub volume: Volume,
    /// Whether the text is HTML or plain.
    pub form: Form,
}

pub(super) async fn send(rest: &Rest, outgoing: &Outgoing) -> Result<Sent, SendError> {
    let to = Address::read(&outgoing.chat.address)?;
    let mut card = outgoing.card.clone();
    if outgoing.in_doubt.is_some() {
        // Telegram cannot be asked which messages a chat holds.
        card.foot.push("Perhaps a repeat: how an earlier attempt ended is not known.".to_owned());
    }
    let message = Message {
        text: text(card.clone(), outgoing.mention.as_deref(), outgoing.form),
        answers: outgoing.answers.as_deref().and_then(|id| message_id(id).ok()),
        keyboard: keyboard(&card.actions),
        volume: outgoing.volume,
        form: outgoing.form,
    };
    let mut sent = say(rest, to, &message).await;
    // A closed topic may be opened again; until then, alerts are sent to the group.
    if to.topic.is_some() && sent.as_ref().is_err_and(|refusal| refusal.says("TOPIC_CLOSED")) {
        sent = say(rest, Address { topic: None, ..to }, &message).await;
    }
    sent.map(|id| Sent { message: id.to_string(), rest_ms: 0 }).map_err(|refusal| refusal.error(to))
}

pub(super) async fn edit(rest: &Rest, edit: &Edit) -> Result<(), SendError> {
    let to = Address::read(&edit.chat.address)?;
    let mut payload = EditMessageText::new(to.chat, message_id(&edit.message)?, html(&edit.card));
    payload.parse_mode = Some(ParseMode::Html);
    payload.link_preview_options = Some(no_preview());
    payload.reply_markup = Some(keyboard(&edit.card.actions));
    match rest.call("editMessageText", &payload).await {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.says("message is not modified") => Ok(()),
        Err(refusal)
            if refusal.says("message to edit not found")
                || refusal.says("message can't be edited") =>
        {
            Err(SendError::MessageGone)
        }
        // A closed topic accepts no edits; new messages go to its group.
        Err(refusal) if refusal.says("TOPIC_CLOSED") => Err(SendError::EditRefused {
            why: "the topic is closed".to_owned(),
            until: EditAgain::AfterAMessage,
        }),
        Err(refusal) => Err(refusal.error(to)),
    }
}

/// Sends one message as it is and returns its id.
pub(super) async fn say(rest: &Rest, to: Address, message: &Message) -> Result<i64, Refusal> {
    let mut payload = SendMessage::new(to.chat, message.text.clone());
    payload.link_preview_options = Some(no_preview());
    payload.disable_notification = Some(message.volume == Volume::Silent);
    payload.message_thread_id = to.topic;
    payload.parse_mode = (message.form == Form::Rich).then_some(ParseMode::Html);
    payload.reply_parameters =
        message.answers.map(|id| ReplyParameters::new(id).allow_sending_without_reply());
    if !message.keyboard.inline_keyboard.is_empty() {
        payload.reply_markup = Some(ReplyMarkup::InlineKeyboard(message.keyboard.clone()));
    }
    let sent = rest.call("sendMessage", &payload).await?;
    sent.get("message_id")
        .and_then(Value::as_i64)
        .ok_or_else(|| Refusal::in_doubt("Telegram named no message"))
}

fn text(mut card: Card, mention: Option<&str>, form: Form) -> String {
    // In the foot, where it always fits; it notifies the person there as well.
    card.foot.extend(mention.map(escape));
    match form {
        Form::Plain => plain(&card),
        Form::Rich => html(&card),
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

/// Returns the text of an error of the library's own calls, without the library's wording and
/// without any address, which contains the token.
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
