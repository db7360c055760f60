//! Parses one update of the Bot API. Only the fields that the bot needs are parsed, each by itself:
//! an update with a field, an entity or a kind that is newer than this code is still accepted, and
//! one malformed update does not affect the others. Field names and types:
//! <https://core.telegram.org/bots/api#getting-updates>

use super::address::Address;
use serde::Deserialize;
use serde_json::Value;
use teloxide_core::types::{ChatId, MessageId, ThreadId, UserId};

/// The account under which anonymous administrators of a group write.
pub(super) const ANONYMOUS_ADMIN: UserId = UserId(1_087_968_824);
/// Telegram's own account, which forwards posts of a linked channel into the group.
const SERVICE: UserId = UserId(777_000);

/// Fields that mark a text as written by somebody else. `forward_origin` exists since Bot API 7.0;
/// older servers send the other `forward_*` fields (Bot API 6.9 and before).
const NOT_THEIR_OWN: [&str; 10] = [
    "forward_origin",
    "forward_from",
    "forward_from_chat",
    "forward_from_message_id",
    "forward_signature",
    "forward_sender_name",
    "forward_date",
    "is_automatic_forward",
    "via_bot",
    "sender_business_bot",
];

/// Kinds of updates that Telegram has and the bot does not request. Some still arrive for a short
/// time after another program with the same token requested them.
const NOT_ASKED_FOR: [&str; 21] = [
    "edited_message",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "managed_bot",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
];

/// The part of an update that the bot uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// A message or a post in a channel.
    Message(Message),
    /// A tap on a button.
    Tap(Tap),
    /// A change of the bot's own membership in a chat.
    Membership(Membership),
    /// An update without use for the bot.
    Other,
}

/// The reason why an update was not parsed: its kind and the error, never any of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The kind of the update, or `unknown`.
    pub kind: &'static str,
    /// The error.
    pub why: &'static str,
}

/// The type of a chat; a supergroup is a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChatKind {
    Private,
    Group,
    Channel,
}

/// The account that sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub id: UserId,
    pub is_bot: bool,
}

/// A message or a post in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub id: MessageId,
    pub at: Address,
    pub kind: ChatKind,
    /// The sender; `None` if Telegram names none, as for a post in a channel.
    pub from: Option<Person>,
    /// The channel or group under whose name it is written.
    pub sender_chat: Option<ChatId>,
    /// The supergroup that this group has become.
    pub migrates_to: Option<ChatId>,
    /// The text, or the caption of a photo or another file.
    pub words: Option<String>,
    /// Whether the sender wrote the text here: it is not forwarded, not by another bot and not a
    /// quote.
    pub is_own: bool,
    /// The user name of the person replied to, if it is a reply and the name can be read.
    pub answers: Option<String>,
}

/// A tap on a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    pub id: String,
    pub from: UserId,
    /// The command that the button carries.
    pub data: String,
    /// The message with the button; `None` if it is too old for Telegram to show.
    pub message: Option<Message>,
}

/// A change of the bot's own membership: it is now in a chat, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub chat: ChatId,
    pub kind: ChatKind,
    /// Whether the bot is in the chat now.
    pub is_inside: bool,
}

/// Returns the id of an update, even if the rest cannot be parsed.
pub(super) fn number(raw: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Head {
        update_id: i64,
    }
    serde_json::from_str::<Head>(raw).ok().map(|head| head.update_id)
}

/// Parses one update.
pub(super) fn read(raw: &str) -> Result<Update, Unreadable> {
    let of_kind = |kind| move |why| Unreadable { kind, why };
    let Ok(update) = serde_json::from_str::<Value>(raw) else {
        return Err(Unreadable { kind: "unknown", why: "it is not valid JSON" });
    };
    let part = |kind: &str| update.get(kind).filter(|part| !part.is_null());
    for kind in ["message", "channel_post"] {
        if let Some(message) = part(kind) {
            return Message::read(message).map(Update::Message).map_err(of_kind(kind));
        }
    }
    if let Some(tap) = part("callback_query") {
        return Tap::read(tap).map(Update::Tap).map_err(of_kind("callback_query"));
    }
    if let Some(change) = part("my_chat_member") {
        return Membership::read(change).map(Update::Membership).map_err(of_kind("my_chat_member"));
    }
    if NOT_ASKED_FOR.iter().any(|kind| update.get(*kind).is_some()) {
        return Ok(Update::Other);
    }
    Err(Unreadable { kind: "unknown", why: "its kind is not known" })
}

impl Message {
    fn read(message: &Value) -> Result<Self, &'static str> {
        let id = message.get("message_id").and_then(Value::as_i64);
        let id = id.and_then(|id| i32::try_from(id).ok()).ok_or("it has no message_id")?;
        let (chat, kind) = chat(message)?;
        let from = match message.get("from").filter(|from| !from.is_null()) {
            Some(from) => Some(person(from).ok_or("its sender cannot be read")?),
            None => None,
        };
        let words = match message.get("text").or_else(|| message.get("caption")) {
            Some(Value::String(words)) => Some(words.clone()),
            Some(Value::Null) | None => None,
            Some(_) => return Err("its text cannot be read"),
        };
        let entities = message.get(if message.get("text").is_some() {
            "entities"
        } else {
            "caption_entities"
        });
        let is_passed_on = NOT_THEIR_OWN.iter().any(|field| is_set(message.get(*field)));
        let is_service = from.is_some_and(|from| from.id == SERVICE);
        let is_quoted = words.as_deref().is_some_and(|words| begins_in_a_quote(words, entities));
        // Replies in an ordinary group have a thread, too; only a topic's thread is part of the
        // address.
        let is_topic = message.get("is_topic_message") == Some(&Value::Bool(true));
        let topic = message.get("message_thread_id").and_then(Value::as_i64).filter(|_| is_topic);
        let topic = topic.and_then(|id| i32::try_from(id).ok()).map(|id| ThreadId(MessageId(id)));
        if is_topic && topic.is_none() {
            return Err("its topic cannot be read");
        }
        Ok(Self {
            id: MessageId(id),
            at: Address { chat, topic },
            kind,
            from,
            sender_chat: message.get("sender_chat").and_then(chat_id),
            migrates_to: message.get("migrate_to_chat_id").and_then(Value::as_i64).map(ChatId),
            words,
            is_own: !is_passed_on && !is_service && !is_quoted,
            answers: message
                .pointer("/reply_to_message/from/username")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }
}

impl Tap {
    fn read(tap: &Value) -> Result<Self, &'static str> {
        let id = tap.get("id").and_then(Value::as_str).ok_or("it has no id")?;
        let from = tap.get("from").and_then(person).ok_or("its sender cannot be read")?;
        let data = tap.get("data").and_then(Value::as_str).unwrap_or_default();
        // A message that is too old arrives with the date 0 and without content.
        let message = tap.get("message").filter(|message| {
            message.is_object() && message.get("date").and_then(Value::as_i64) != Some(0)
        });
        let message = message.map(Message::read).transpose()?;
        Ok(Self { id: id.to_owned(), from: from.id, data: data.to_owned(), message })
    }
}

impl Membership {
    fn read(change: &Value) -> Result<Self, &'static str> {
        let (chat, kind) = chat(change)?;
        let new = change.get("new_chat_member");
        let status =
            new.and_then(|new| new.get("status")?.as_str()).ok_or("it has no new status")?;
        let is_inside = is_inside(status, new.and_then(|new| new.get("is_member")))
            .ok_or("its new status is not known")?;
        Ok(Self { chat, kind, is_inside })
    }
}

/// Returns whether a person with that status is in the chat; `None` for an unknown status.
pub(super) fn is_inside(status: &str, is_member: Option<&Value>) -> Option<bool> {
    match status {
        "creator" | "administrator" | "member" => Some(true),
        "restricted" => Some(is_member == Some(&Value::Bool(true))),
        "left" | "kicked" => Some(false),
        _ => None,
    }
}

fn chat(of: &Value) -> Result<(ChatId, ChatKind), &'static str> {
    let chat = of.get("chat").ok_or("it has no chat")?;
    let id = chat_id(chat).ok_or("its chat has no id")?;
    let kind = match chat.get("type").and_then(Value::as_str) {
        Some("private") => ChatKind::Private,
        Some("group" | "supergroup") => ChatKind::Group,
        Some("channel") => ChatKind::Channel,
        _ => return Err("the type of its chat is not known"),
    };
    Ok((id, kind))
}

fn chat_id(chat: &Value) -> Option<ChatId> {
    chat.get("id").and_then(Value::as_i64).map(ChatId)
}

fn person(of: &Value) -> Option<Person> {
    let id = of.get("id").and_then(Value::as_u64).map(UserId)?;
    Some(Person { id, is_bot: of.get("is_bot") == Some(&Value::Bool(true)) })
}

/// Returns whether a field has a value other than `false` and `null`.
fn is_set(field: Option<&Value>) -> bool {
    !matches!(field, None | Some(Value::Null | Value::Bool(false)))
}

/// Returns whether the first word stands in a block quotation. Entities of other and unknown types
/// are ignored. Offsets count UTF-16 code units: <https://core.telegram.org/bots/api#messageentity>
fn begins_in_a_quote(words: &str, entities: Option<&Value>) -> bool {
    let blank = words.len() - words.trim_start().len();
    let first = words[..blank].encode_utf16().count() as i64;
    let quotes = entities.and_then(Value::as_array).into_iter().flatten().filter(|entity| {
        matches!(
            entity.get("type").and_then(Value::as_str),
            Some("blockquote" | "expandable_blockquote")
        )
    });
    let mut spans = quotes
        .filter_map(|quote| Some((quote.get("offset")?.as_i64()?, quote.get("length")?.as_i64()?)));
    spans.any(|(offset, length)| (offset..offset.saturating_add(length)).contains(&first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(more: Value) -> Value {
        let mut message = json!({ "message_id": 7, "date": 1, "chat": { "id": 42, "type": "private" },
            "from": { "id": 42, "is_bot": false } });
        if let Value::Object(fields) = more {
            fields.into_iter().for_each(|(field, value)| message[field] = value);
        }
        message
    }

    fn read_message(more: Value) -> Message {
        match read(&json!({ "update_id": 1, "message": message(more) }).to_string()) {
            Ok(Update::Message(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_text_and_a_caption_are_both_words() {
        assert_eq!(
            read_message(json!({ "text": "/status KP" })).words.as_deref(),
            Some("/status KP")
        );
        for media in [
            "photo",
            "video",
            "animation",
            "document",
            "audio",
            "voice",
            "paid_media",
            "something_newer",
        ] {
            let said = read_message(json!({ media: { "any": "shape" }, "caption": "/status KP" }));
            assert_eq!((said.words.as_deref(), said.is_own), (Some("/status KP"), true), "{media}");
        }
        assert_eq!(read_message(json!({ "sticker": {} })).words, None);
    }

    #[test]
    fn what_is_newer_than_this_code_spoils_nothing() {
        let said = read_message(json!({
            "text": "/status KP tomorrow",
            "entities": [{ "type": "bot_command", "offset": 0, "length": 7 },
                { "type": "date_time", "offset": 11, "length": 8, "unix_time": 1 }, "no object", { "type": 7 }],
            "reply_to_message": { "message_id": "odd" }, "a_new_field": { "of": ["any", "shape"] },
        }));
        assert_eq!((said.words.as_deref(), said.is_own), (Some("/status KP tomorrow"), true));
    }

    #[test]
    fn words_of_others_are_known_from_every_server() {
        let origin = json!({ "type": "hidden_user", "sender_user_name": "Eve", "date": 1 });
        for (field, value) in [
            ("forward_origin", origin),
            ("forward_origin", json!({ "type": "newer_than_this_code" })),
            ("forward_from", json!({ "id": 7, "is_bot": false })),
            ("forward_from_chat", json!({ "id": -7, "type": "channel" })),
            ("forward_from_message_id", json!(7)),
            ("forward_signature", json!("Eve")),
            ("forward_sender_name", json!("Eve")),
            ("forward_date", json!(1)),
            ("is_automatic_forward", json!(true)),
            ("via_bot", json!({ "id": 7, "is_bot": true })),
            ("sender_business_bot", json!({ "id": 7, "is_bot": true })),
            ("from", json!({ "id": 777_000, "is_bot": false })),
        ] {
            assert!(
                !read_message(json!({ "text": "/subscribe KP", field: value })).is_own,
                "{field}"
            );
        }
        for (field, value) in [
            ("forward_origin", Value::Null),
            ("is_automatic_forward", json!(false)),
            ("reply_to_message", message(json!({ "forward_date": 1 }))),
            ("external_reply", json!({ "origin": { "type": "user" } })),
            ("quote", json!({ "text": "/subscribe KP", "position": 0 })),
        ] {
            assert!(
                read_message(json!({ "text": "/subscribe KP", field: value })).is_own,
                "{field}"
            );
        }
    }

    #[test]
    fn a_command_inside_a_block_quotation_is_not_the_writers() {
        let quoted = |field: &str, entities: Value, words: &str| {
            let text = if field == "entities" { "text" } else { "caption" };
            !read_message(json!({ text: words, field: entities })).is_own
        };
        for kind in ["blockquote", "expandable_blockquote"] {
            let whole = json!([{ "type": kind, "offset": 0, "length": 13 }]);
            assert!(quoted("entities", whole.clone(), "/subscribe KP"), "{kind}");
            assert!(quoted("caption_entities", whole, "/subscribe KP"), "{kind}");
        }
        let later = json!([{ "type": "blockquote", "offset": 11, "length": 2 }]);
        assert!(!quoted("entities", later, "/subscribe KP"));
        let code = json!([{ "type": "code", "offset": 0, "length": 13 }]);
        assert!(!quoted("entities", code, "/subscribe KP"), "people paste a command as code");
        let odd = json!([{ "type": "blockquote", "offset": 0, "length": i64::MAX }, { "type": "blockquote" }]);
        assert!(quoted("entities", odd, "/subscribe KP"));
    }

    #[test]
    fn what_cannot_be_read_is_named_without_its_content() {
        let kinds = [
            (json!({ "update_id": 5, "message": { "text": "secret words" } }), "message"),
            (
                json!({ "update_id": 5, "message": message(json!({ "text": ["secret"] })) }),
                "message",
            ),
            (
                json!({ "update_id": 5, "message": message(json!({ "from": { "id": "secret" } })) }),
                "message",
            ),
            (
                json!({ "update_id": 5, "message": message(json!({ "chat": { "id": 1, "type": "secret" } })) }),
                "message",
            ),
            (json!({ "update_id": 5, "callback_query": { "data": "secret" } }), "callback_query"),
            (
                json!({ "update_id": 5, "my_chat_member": { "chat": { "id": 1, "type": "group" } } }),
                "my_chat_member",
            ),
            (json!({ "update_id": 5, "secret": "secret" }), "unknown"),
        ];
        for (update, kind) in kinds {
            let raw = update.to_string();
            let unreadable = read(&raw).unwrap_err();
            assert_eq!((unreadable.kind, number(&raw)), (kind, Some(5)), "{raw}");
            assert!(!format!("{unreadable:?}").contains("secret"), "{unreadable:?}");
        }
        // A lone surrogate is not valid text, and numbers may be out of range: the update's id is
        // still found.
        for raw in
            [r#"{"message":{"text":"\ud83d"},"update_id":6}"#, r#"{"update_id":6,"message":1e999}"#]
        {
            assert_eq!((read(raw).is_err(), number(raw)), (true, Some(6)), "{raw}");
        }
        assert_eq!(number("[]"), None);
    }

    #[test]
    fn a_kind_that_was_not_asked_for_is_left_alone() {
        for kind in NOT_ASKED_FOR {
            assert_eq!(
                read(&json!({ "update_id": 1, kind: {} }).to_string()),
                Ok(Update::Other),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_tap_on_a_message_that_is_too_old_has_no_message() {
        let tap = |message: Value| {
            let query =
                json!({ "id": "9", "from": { "id": 42 }, "data": "outage 3", "message": message });
            match read(&json!({ "update_id": 1, "callback_query": query }).to_string()) {
                Ok(Update::Tap(tap)) => tap,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(tap(message(json!({ "date": 0 }))).message, None);
        assert_eq!(tap(Value::Null).message, None);
        let shown = tap(message(json!({})));
        assert_eq!(
            (shown.data.as_str(), shown.message.map(|message| message.id)),
            ("outage 3", Some(MessageId(7)))
        );
    }

    #[test]
    fn the_bot_is_inside_by_its_new_status() {
        for (status, is_member, inside) in [
            ("member", None, true),
            ("restricted", Some(true), true),
            ("restricted", Some(false), false),
            ("administrator", None, true),
            ("left", None, false),
            ("kicked", None, false),
        ] {
            let change = json!({ "chat": { "id": -7, "type": "supergroup" },
                "new_chat_member": { "status": status, "is_member": is_member } });
            let read = read(&json!({ "update_id": 1, "my_chat_member": change }).to_string());
            let expected =
                Membership { chat: ChatId(-7), kind: ChatKind::Group, is_inside: inside };
            assert_eq!(read, Ok(Update::Membership(expected)), "{status}");
        }
    }
}
