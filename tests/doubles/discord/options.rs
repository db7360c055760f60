//! What Discord's client makes of a command that somebody types, or of a component that they use; and what it refuses.

use super::mentions::number;
use super::places::User;
use super::seen;
use super::wire;
use super::world::{Unchecked, World};
use serde_json::{Map, Value, json};

/// The `data` of a command.
pub(super) fn command(
    world: &World,
    user: &User,
    channel: u64,
    name: &str,
    given: &Value,
) -> Result<Value, String> {
    let found = Found::new(world, user, channel, name)?;
    let mut resolved = json!({});
    let mut options = Vec::new();
    let none = Map::new();
    let given = given.as_object().unwrap_or(&none);
    if let Some(unknown) =
        given.keys().find(|key| !found.options.iter().any(|option| option["name"] == key.as_str()))
    {
        return Err(format!("no option {unknown:?} is registered"));
    }
    for option in found.options {
        let name = option["name"].as_str().unwrap_or_default();
        match given.get(name).filter(|value| !value.is_null()) {
            Some(value) => options.push(fit(world, user, channel, option, value, &mut resolved)?),
            None if option["required"] == true => {
                return Err(format!("the option {name:?} is required"));
            }
            None => {}
        }
    }
    let mut data = found.data(&options);
    if resolved != json!({}) {
        data["resolved"] = resolved;
    }
    Ok(data)
}

/// The `data` of a completion.
pub(super) fn completion(
    world: &World,
    user: &User,
    channel: u64,
    name: &str,
    option: &str,
    typed: &str,
) -> Result<Value, String> {
    let found = Found::new(world, user, channel, name)?;
    let registered = found.options.iter().find(|known| known["name"] == option);
    let registered = registered.ok_or_else(|| format!("no option {option:?} is registered"))?;
    if registered["autocomplete"] != true {
        return Err(format!("the option {option:?} has no completion"));
    }
    Ok(found.data(&[
        json!({"name": option, "type": registered["type"], "value": typed, "focused": true}),
    ]))
}

/// A registered command, and the one below it that is meant.
struct Found<'w> {
    command: &'w Value,
    path: Vec<&'w Value>,
    options: &'w [Value],
}

impl<'w> Found<'w> {
    fn new(world: &'w World, user: &User, channel: u64, name: &str) -> Result<Self, String> {
        world.meets(user, channel)?;
        let mut names = name.split(' ');
        let first = names.next().unwrap_or_default();
        let is_it = |command: &&Value| command["name"] == first && command["type"] == 1;
        let command = world
            .commands
            .iter()
            .find(is_it)
            .ok_or_else(|| format!("no command {first:?} is registered"))?;
        may_use(world, user, channel, command)?;
        let list = |of: &'w Value| of["options"].as_array().map_or(&[][..], Vec::as_slice);
        let mut path = Vec::new();
        let mut options = list(command);
        for name in names {
            let is_it = |below: &&Value| {
                below["name"] == name && matches!(below["type"].as_u64(), Some(1 | 2))
            };
            let below = options
                .iter()
                .find(is_it)
                .ok_or_else(|| format!("no sub-command {name:?} is registered"))?;
            path.push(below);
            options = list(below);
        }
        if options.iter().any(|option| matches!(option["type"].as_u64(), Some(1 | 2))) {
            return Err(format!("/{name} needs a sub-command"));
        }
        Ok(Self { command, path, options })
    }

    fn data(&self, options: &[Value]) -> Value {
        let mut options = json!(options);
        for below in self.path.iter().rev() {
            options = json!([{"name": below["name"], "type": below["type"], "options": options}]);
        }
        json!({"id": self.command["id"], "name": self.command["name"], "type": 1, "options": options})
    }
}

fn may_use(world: &World, user: &User, channel: u64, command: &Value) -> Result<(), String> {
    let place = &world.channels[&channel];
    let context = u64::from(place.guild.is_none());
    if let Some(contexts) = command["contexts"].as_array()
        && !contexts.iter().any(|known| *known == context)
    {
        return Err("the command is not offered there".to_owned());
    }
    if context == 1 && command["dm_permission"] == false {
        return Err("the command is not offered in direct messages".to_owned());
    }
    let needed =
        command["default_member_permissions"].as_str().and_then(|bits| bits.parse::<u64>().ok());
    let may = world.permissions_of(user.id, place).unwrap_or(0);
    match needed.filter(|_| context == 0) {
        Some(0) if may & super::permissions::ADMINISTRATOR == 0 => {
            Err("the command is for administrators".to_owned())
        }
        Some(bits) if may & bits != bits => Err("they may not use the command".to_owned()),
        _ => Ok(()),
    }
}

/// One option with its value, and what that stands for.
fn fit(
    world: &World,
    user: &User,
    channel: u64,
    option: &Value,
    value: &Value,
    resolved: &mut Value,
) -> Result<Value, String> {
    let (name, kind) = (&option["name"], option["type"].as_u64().unwrap_or(0));
    let bad = |why: &str| Err(format!("the option {name} does not take {value}: {why}"));
    let bound = |key: &str| option[key].as_f64();
    let value = match kind {
        3 => {
            // The client sends what stands in a text field as text, a number too.
            let text = value
                .as_str()
                .map(str::to_owned)
                .or_else(|| value.as_u64().map(|number| number.to_string()));
            let Some(text) = text else { return bad("a text is wanted") };
            let long = text.chars().count() as f64;
            if bound("min_length").is_some_and(|min| long < min)
                || bound("max_length").unwrap_or(6000.0) < long
            {
                return bad("too short or too long");
            }
            json!(text)
        }
        4 | 10 => {
            let Some(number) =
                value.as_f64().filter(|_| kind == 10 || value.is_i64() || value.is_u64())
            else {
                return bad("a number is wanted");
            };
            if bound("min_value").is_some_and(|min| number < min)
                || bound("max_value").is_some_and(|max| number > max)
            {
                return bad("out of bounds");
            }
            value.clone()
        }
        5 if value.is_boolean() => value.clone(),
        5 => return bad("true or false is wanted"),
        6..=9 => {
            let Some(id) = number(value) else { return bad("an id is wanted") };
            if kind == 7
                && world.unchecked != Unchecked::Nothing
                && world.channels.contains_key(&id)
            {
                if world.unchecked == Unchecked::Resolved {
                    resolved["channels"][id.to_string()] =
                        wire::channel(world, &world.channels[&id]);
                    resolved["channels"][id.to_string()]["permissions"] = json!("0");
                }
            } else if !resolve(world, user, channel, option, id, resolved) {
                return bad("there is no such one");
            }
            json!(id.to_string())
        }
        _ => return bad("this double knows no such option"),
    };
    let choices = option["choices"].as_array().filter(|choices| !choices.is_empty());
    if choices.is_some_and(|choices| !choices.iter().any(|choice| choice["value"] == value)) {
        return bad("it is none of the choices");
    }
    Ok(json!({"name": name, "type": kind, "value": value}))
}

/// Adds what the id stands for, if the option takes such a thing.
fn resolve(
    world: &World,
    user: &User,
    channel: u64,
    option: &Value,
    id: u64,
    resolved: &mut Value,
) -> bool {
    let kind = option["type"].as_u64().unwrap_or(0);
    let guild = world.channels[&channel].guild;
    let key = id.to_string();
    if matches!(kind, 6 | 9) && world.people.contains_key(&id) {
        resolved["users"][&key] = wire::user(world, id);
        if let Some(guild) = guild.filter(|guild| world.guilds[guild].members.contains_key(&id)) {
            let mut member = wire::member(world, guild, id);
            let may = world.permissions_of(id, &world.channels[&channel]).unwrap_or(0);
            member["permissions"] = json!(may.to_string());
            if let Some(member) = member.as_object_mut() {
                for left_out in ["user", "deaf", "mute"] {
                    member.remove(left_out);
                }
            }
            resolved["members"][&key] = member;
        }
        return true;
    }
    if matches!(kind, 8 | 9)
        && let Some(guild) = guild
        && let Some((name, mentionable)) = world.guilds[&guild].roles.get(&id)
    {
        resolved["roles"][&key] = wire::role(guild, id, name, *mentionable);
        return true;
    }
    if kind == 7
        && let Some(place) =
            world.channels.get(&id).filter(|place| place.guild == guild && !place.deleted)
    {
        let kinds = option["channel_types"].as_array().filter(|kinds| !kinds.is_empty());
        if kinds.is_some_and(|kinds| !kinds.iter().any(|kind| *kind == place.kind as u64)) {
            return false;
        }
        let mut shown = wire::channel(world, place);
        shown["permissions"] = json!(world.permissions_of(user.id, place).unwrap_or(0).to_string());
        resolved["channels"][&key] = shown;
        return true;
    }
    false
}

/// The `data` of a component.
pub(super) fn component(
    world: &World,
    user: &User,
    channel: u64,
    message: u64,
    custom_id: &str,
    values: &[&str],
) -> Result<Value, String> {
    world.meets(user, channel)?;
    let message =
        world.channels[&channel].message(message).map_err(|_| "there is no such message there")?;
    if message.only_for.is_some_and(|person| person != user.id) {
        return Err("that message is for somebody else alone".to_owned());
    }
    let part = seen::parts(&message.components).find(|part| part["custom_id"] == custom_id);
    let part = part.ok_or_else(|| {
        let known: Vec<String> =
            seen::buttons(&message.components).into_iter().map(|(_, id)| id).collect();
        format!("the message has no such component, but {known:?}")
    })?;
    if part["disabled"] == true {
        return Err("it is disabled".to_owned());
    }
    let mut data = json!({"custom_id": custom_id, "component_type": part["type"]});
    if part["type"] == 2 {
        return if values.is_empty() {
            Ok(data)
        } else {
            Err("a button takes no values".to_owned())
        };
    }
    let offered = |value: &&str| {
        part["options"].as_array().into_iter().flatten().any(|option| option["value"] == **value)
    };
    if part["type"] == 3
        && let Some(unknown) = values.iter().find(|value| !offered(value))
    {
        return Err(format!("{unknown:?} is not offered"));
    }
    let bound = |key: &str| part[key].as_u64().unwrap_or(1) as usize;
    if values.len() < bound("min_values") || values.len() > bound("max_values") {
        return Err("too few or too many values".to_owned());
    }
    data["values"] = json!(values);
    Ok(data)
}
