//! What a person reads: messages as text, and what is new in a channel.

use super::BOT;
use super::DiscordDouble;
use super::messages::Message;
use super::world::World;
use linkdown::clock::Millis;
use serde_json::Value;

impl DiscordDouble {
    /// What is new in the channel since the last look, in order of time.
    pub fn sees(&self, channel: u64) -> String {
        let mut world = self.inner.lock();
        let channel = world.channel_mut(channel);
        let new = channel.seen[channel.shown..].join("\n");
        channel.shown = channel.seen.len();
        new
    }
}

/// Content and embeds in the order in which they stand.
pub(super) fn text(content: &str, embeds: &[Value]) -> String {
    let mut lines = Vec::new();
    let mut say = |line: &str| {
        if !line.is_empty() {
            lines.push(line.to_owned());
        }
    };
    say(content);
    for embed in embeds {
        let part =
            |pointer: &str| embed.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        say(part("/author/name"));
        say(part("/title"));
        say(part("/description"));
        for field in embed["fields"].as_array().into_iter().flatten() {
            let (name, value) = (
                field["name"].as_str().unwrap_or_default(),
                field["value"].as_str().unwrap_or_default(),
            );
            let between = if value.contains('\n') { ":\n" } else { ": " };
            say(&format!("{name}{between}{value}"));
        }
        say(part("/footer/text"));
    }
    lines.join("\n")
}

/// Every component of a message's rows.
pub(super) fn parts(components: &Value) -> impl Iterator<Item = &Value> {
    components
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|row| row["components"].as_array().into_iter().flatten())
}

pub(super) fn buttons(components: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let leads_to = |button: &Value| text(button.get("custom_id").unwrap_or(&button["url"]));
    parts(components)
        .filter(|part| part["type"] == 2)
        .map(|part| (text(&part["label"]), leads_to(part)))
        .collect()
}

pub(super) fn message(world: &World, message: &Message) -> String {
    let text = message.text();
    let before = if let Some((_, command, person)) = &message.interaction {
        let name = world.people.get(person).map_or("", String::as_str);
        if command.is_empty() {
            format!("({name} clicked) ")
        } else {
            format!("({name}: /{command}) ")
        }
    } else if let Some(to) = message.reply_to {
        let original =
            world.channels[&message.channel].message(to).map(Message::text).unwrap_or_default();
        format!("↳ (reply to “{}”) ", original.lines().next().unwrap_or_default())
    } else if message.author == BOT {
        String::new()
    } else {
        format!("{}: ", world.people.get(&message.author).map_or("", String::as_str))
    };
    line(message.at_millis, &format!("{before}{text}"))
}

pub(super) fn edit(message: &Message, at: Millis) -> String {
    line(at, &format!("(edited) {}", message.text()))
}

pub(super) fn deletion(message: &Message, at: Millis) -> String {
    line(at, &format!("(deleted) {}", message.text().lines().next().unwrap_or_default()))
}

/// Further lines stand under the first one.
fn line(at: Millis, text: &str) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at).unwrap().format("%H:%M");
    let below =
        |line: &str| if line.trim().is_empty() { String::new() } else { format!("        {line}") };
    let mut lines = text.lines();
    let first = format!("[{at}] {}", lines.next().unwrap_or_default());
    [first].into_iter().chain(lines.map(below)).collect::<Vec<_>>().join("\n")
}
