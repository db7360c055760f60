//! The registration of commands, checked as Discord checks it.

use super::APPLICATION;
use super::refusal::{Complaints, Refusal};
use super::world::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const TEXT_ALTOGETHER: usize = 8000;

/// Replaces all global commands, and tells them as Discord keeps them. A name keeps its number.
pub(super) fn register(world: &mut World, given: &Value) -> Result<Vec<Value>, Refusal> {
    let mut complaints = Complaints::default();
    let commands = complaints.list("", Some(given), 100);
    let mut names = BTreeSet::new();
    for (at, command) in commands.iter().enumerate() {
        let path = at.to_string();
        let kind = command["type"].as_u64().unwrap_or(1);
        if !(1..=3).contains(&kind) {
            complaints.choice(&format!("{path}.type"), "(1, 2, 3, 4)");
        }
        if kind == 1 {
            named(&mut complaints, &path, command);
            options(&mut complaints, &path, command, 0);
        } else {
            complaints.text(&format!("{path}.name"), command.get("name"), 1, 32);
            complaints.text(&format!("{path}.description"), command.get("description"), 0, 0);
        }
        if !names.insert((kind, command["name"].as_str())) {
            let why = "Application command names must be unique";
            complaints.say(&format!("{path}.name"), "APPLICATION_COMMANDS_DUPLICATE_NAME", why);
        }
        if length(command) > TEXT_ALTOGETHER {
            let why = format!("Command exceeds maximum size ({TEXT_ALTOGETHER})");
            complaints.say(&path, "APPLICATION_COMMAND_TOO_LARGE", why);
        }
        let needed = &command["default_member_permissions"];
        if !needed.is_null() && needed.as_str().and_then(|bits| bits.parse::<u64>().ok()).is_none()
        {
            complaints.say(
                &format!("{path}.default_member_permissions"),
                "STRING_TYPE_CONVERT",
                "Not a bit set.",
            );
        }
    }
    complaints.settle()?;
    let kept: Vec<Value> = commands.iter().map(|command| keep(world, command)).collect();
    world.commands.clone_from(&kept);
    world.registrations += 1;
    Ok(kept)
}

fn keep(world: &mut World, given: &Value) -> Value {
    let known = world.commands.iter().find(|command| command["name"] == given["name"]);
    let id = known.map_or(Value::Null, |command| command["id"].clone());
    let id = if id.is_null() { json!(world.snowflake().to_string()) } else { id };
    let mut kept = given.clone();
    for (name, default) in [
        ("type", json!(1)),
        ("description", json!("")),
        ("options", json!([])),
        ("default_member_permissions", Value::Null),
        ("nsfw", json!(false)),
        ("contexts", Value::Null),
        ("integration_types", json!([0])),
    ] {
        if given.get(name).is_none() {
            kept[name] = default;
        }
    }
    kept["id"] = id;
    kept["application_id"] = json!(APPLICATION.to_string());
    kept["version"] = json!(world.snowflake().to_string());
    kept
}

fn named(complaints: &mut Complaints, path: &str, thing: &Value) {
    complaints.text(&format!("{path}.description"), thing.get("description"), 1, 100);
    let name = format!("{path}.name");
    let before = thing["name"].as_str().unwrap_or_default();
    complaints.text(&name, thing.get("name"), 1, 32);
    let is_fine =
        |c: char| (c.is_alphanumeric() || c == '-' || c == '_') && c.to_lowercase().eq([c]);
    if !before.chars().all(is_fine) {
        complaints.say(&name, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid");
    }
}

fn options(complaints: &mut Complaints, path: &str, above: &Value, depth: usize) {
    let path = format!("{path}.options");
    let options = complaints.list(&path, above.get("options"), 25);
    let mut names = BTreeSet::new();
    let mut optional_before = false;
    let nested =
        options.iter().filter(|option| matches!(option["type"].as_u64(), Some(1 | 2))).count();
    if nested != 0 && nested != options.len() {
        let why = "Sub-command and sub-command group option types are mutually exclusive to all other types";
        complaints.say(&path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", why);
    }
    for (at, option) in options.iter().enumerate() {
        let path = format!("{path}.{at}");
        named(complaints, &path, option);
        if !names.insert(option["name"].as_str()) {
            let why = "Option name already exists";
            complaints.say(
                &format!("{path}.name"),
                "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
                why,
            );
        }
        let kind = option["type"].as_u64().unwrap_or(0);
        match kind {
            1 if depth <= 1 => self::options(complaints, &path, option, 2),
            2 if depth == 0 => self::options(complaints, &path, option, 1),
            3..=11 => {}
            _ => complaints.choice(&format!("{path}.type"), "(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)"),
        }
        if depth == 1 && kind != 1 {
            complaints.choice(&format!("{path}.type"), "(1,)");
        }
        let required = option["required"] == true;
        if required && optional_before {
            let why = "Required options must be placed before non-required options";
            complaints.say(&path, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", why);
        }
        optional_before |= !required && kind > 2;
        choices(complaints, &path, option, kind);
    }
}

fn choices(complaints: &mut Complaints, path: &str, option: &Value, kind: u64) {
    let list = format!("{path}.choices");
    let choices = complaints.list(&list, option.get("choices"), 25);
    let completes = option["autocomplete"] == true;
    let takes_any = matches!(kind, 3 | 4 | 10);
    if (completes || !choices.is_empty()) && !takes_any {
        complaints.say(
            path,
            "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID_TYPE",
            "Choices are not allowed for this type",
        );
    }
    if completes && !choices.is_empty() {
        let why = "Autocomplete and choices are mutually exclusive";
        complaints.say(path, "APPLICATION_COMMAND_AUTOCOMPLETE_CHOICES_MUTUALLY_EXCLUSIVE", why);
    }
    let mut names = BTreeSet::new();
    for (at, choice) in choices.iter().enumerate() {
        one_choice(complaints, &format!("{list}.{at}"), choice, kind);
        if !names.insert(choice["name"].as_str()) {
            let path = format!("{list}.{at}.name");
            complaints.say(
                &path,
                "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_ALREADY_EXISTS",
                "Choice already exists",
            );
        }
    }
}

/// A choice, registered or completed.
pub(super) fn one_choice(complaints: &mut Complaints, path: &str, choice: &Value, kind: u64) {
    complaints.text(&format!("{path}.name"), choice.get("name"), 1, 100);
    let value = format!("{path}.value");
    match kind {
        3 => complaints.text(&value, choice.get("value"), 1, 100),
        4 if choice["value"].is_i64() || choice["value"].is_u64() => {}
        10 if choice["value"].is_number() => {}
        _ => complaints.say(
            &value,
            "NUMBER_TYPE_COERCE",
            format!("Value {} does not fit.", choice["value"]),
        ),
    }
}

/// Names, descriptions and values, all the way down.
fn length(thing: &Value) -> usize {
    let own = ["name", "description", "value"].iter().filter_map(|part| thing[*part].as_str());
    let below = ["options", "choices"]
        .iter()
        .flat_map(|part| thing[*part].as_array().into_iter().flatten());
    own.map(|text| text.chars().count()).sum::<usize>() + below.map(length).sum::<usize>()
}
