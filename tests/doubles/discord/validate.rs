//! The body of a message, checked as Discord checks it.

use super::messages::Draft;
use super::refusal::{Complaints, Refusal};
use super::{embeds, mentions};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) const CONTENT: usize = 2000;
pub(super) const EPHEMERAL: u64 = 64;
const SUPPRESS_EMBEDS: u64 = 1 << 2;
const SUPPRESS_NOTIFICATIONS: u64 = 1 << 12;

/// What a body asks for. Says nothing of whether the message would be empty.
pub(super) fn draft(body: &Value) -> Result<Draft, Refusal> {
    let mut complaints = Complaints::default();
    let draft = part(&mut complaints, "", body);
    nonce(&mut complaints, body);
    complaints.settle()?;
    Ok(draft)
}

/// The same inside of something larger; `under` ends with a dot where it is not empty.
pub(super) fn part(complaints: &mut Complaints, under: &str, body: &Value) -> Draft {
    if !body.is_object() {
        complaints.say(under, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType");
        return Draft::default();
    }
    let at = |name: &str| format!("{under}{name}");
    let mut draft = Draft::default();
    if let Some(content) = body.get("content") {
        complaints.text(&at("content"), Some(content), 0, CONTENT);
        draft.content = Some(content.as_str().unwrap_or_default().trim().to_owned());
    }
    if let Some(given) = body.get("embeds") {
        draft.embeds = Some(embeds::check(complaints, &at("embeds"), given));
    }
    if let Some(given) = body.get("components") {
        components(complaints, &at("components"), given);
        draft.components = Some(if given.is_null() { json!([]) } else { given.clone() });
    }
    if let Some(flags) = body.get("flags").filter(|flags| !flags.is_null()) {
        match flags.as_u64() {
            None => complaints.say(&at("flags"), "NUMBER_TYPE_COERCE", "Value is not int."),
            Some(flags) if flags & (1 << 15) != 0 => {
                complaints.say(
                    &at("flags"),
                    "DOUBLE",
                    "this double knows no components of the second version",
                );
            }
            Some(flags) => {
                draft.flags = Some(flags & (EPHEMERAL | SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS));
            }
        }
    }
    mentions::check(complaints, body.get("allowed_mentions"));
    for unknown in ["sticker_ids", "attachments", "poll"] {
        if body.get(unknown).is_some_and(|given| !given.is_null() && given != &json!([])) {
            complaints.say(&at(unknown), "DOUBLE", format!("this double knows no {unknown}"));
        }
    }
    draft
}

fn nonce(complaints: &mut Complaints, body: &Value) {
    match body.get("nonce") {
        None | Some(Value::Null | Value::Number(_)) => {}
        nonce => complaints.text("nonce", nonce, 0, 25),
    }
}

fn components(complaints: &mut Complaints, path: &str, given: &Value) {
    let mut ids = BTreeSet::new();
    for (at, row) in complaints.list(path, Some(given), 5).iter().enumerate() {
        let path = format!("{path}.{at}");
        if row["type"] != 1 {
            complaints.choice(&format!("{path}.type"), "(1,)");
            continue;
        }
        let path = format!("{path}.components");
        let parts = complaints.list(&path, row.get("components"), 5);
        if parts.is_empty() {
            complaints.say(&path, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.");
        }
        if parts.len() > 1 && parts.iter().any(|part| part["type"] != 2) {
            complaints.say(
                &path,
                "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
                "The specified component exceeds the maximum width",
            );
        }
        for (at, part) in parts.iter().enumerate() {
            let path = format!("{path}.{at}");
            match part["type"].as_u64() {
                Some(2) => button(complaints, &path, part),
                Some(3 | 5..=8) => select(complaints, &path, part),
                _ => complaints.choice(&format!("{path}.type"), "(2, 3, 5, 6, 7, 8)"),
            }
            let id = part["custom_id"].as_str();
            if id.is_some_and(|id| !ids.insert(id)) {
                let path = format!("{path}.custom_id");
                complaints.say(
                    &path,
                    "COMPONENT_CUSTOM_ID_DUPLICATED",
                    "Component custom id cannot be duplicated",
                );
            }
        }
    }
}

fn button(complaints: &mut Complaints, path: &str, button: &Value) {
    let at = |name: &str| format!("{path}.{name}");
    complaints.text(&at("label"), button.get("label"), 0, 80);
    if button["label"].as_str().is_none_or(|label| label.trim().is_empty())
        && button["emoji"].is_null()
    {
        complaints.say(
            path,
            "BUTTON_COMPONENT_MISSING_LABEL_OR_EMOJI",
            "A button must have a label or an emoji",
        );
    }
    match button["style"].as_u64() {
        Some(1..=4) => {
            complaints.text(&at("custom_id"), button.get("custom_id"), 1, 100);
            if !button["url"].is_null() {
                complaints.say(
                    &at("url"),
                    "BUTTON_COMPONENT_INVALID_URL",
                    "A button with a custom id cannot have a url",
                );
            }
        }
        Some(5) => {
            complaints.text(&at("url"), button.get("url"), 1, 512);
            complaints.address(&at("url"), button.get("url"));
            if !button["custom_id"].is_null() {
                let why = "A custom id and url cannot both be specified";
                complaints.say(path, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", why);
            }
        }
        _ => complaints.choice(&at("style"), "(1, 2, 3, 4, 5)"),
    }
}

fn select(complaints: &mut Complaints, path: &str, select: &Value) {
    complaints.text(&format!("{path}.custom_id"), select.get("custom_id"), 1, 100);
    complaints.text(&format!("{path}.placeholder"), select.get("placeholder"), 0, 150);
    if select["type"] != 3 {
        return;
    }
    let path = format!("{path}.options");
    let options = complaints.list(&path, select.get("options"), 25);
    if options.is_empty() {
        complaints.required(&path);
    }
    let mut values = BTreeSet::new();
    for (at, option) in options.iter().enumerate() {
        complaints.text(&format!("{path}.{at}.label"), option.get("label"), 1, 100);
        complaints.text(&format!("{path}.{at}.value"), option.get("value"), 1, 100);
        complaints.text(&format!("{path}.{at}.description"), option.get("description"), 0, 100);
        if option["value"].as_str().is_some_and(|value| !values.insert(value)) {
            let why = "The specified option value is already used";
            complaints.say(
                &format!("{path}.{at}.value"),
                "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                why,
            );
        }
    }
}
