//! Messages as the double keeps them, and how they come to be and change.

use super::seen;
use super::sessions::{DIRECT_MESSAGES, GUILD_MESSAGES};
use super::world::World;
use super::{BOT, DiscordDouble, wire};
use linkdown::clock::Millis;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Message {
    pub id: u64,
    pub channel: u64,
    pub author: u64,
    /// As it is now; so are embeds and components.
    pub content: String,
    pub embeds: Vec<Value>,
    pub components: Value,
    pub reply_to: Option<u64>,
    pub edits: Vec<Edit>,
    pub nonce: Option<String>,
    pub flags: u64,
    /// People and roles that were really pinged; the guild's own number is everyone.
    pub mentions_pinged: Vec<u64>,
    pub at_millis: Millis,
    pub deleted: bool,
    /// Ephemeral: seen by this person alone.
    pub(super) only_for: Option<u64>,
    /// Answers that interaction: its number, the command's name (none for a click), who asked.
    pub(super) interaction: Option<(u64, String, u64)>,
}

/// What a message became.
#[derive(Clone, Debug)]
pub struct Edit {
    pub at_millis: Millis,
    pub content: String,
    pub embeds: Vec<Value>,
}

/// The checked body of a call: `None` is what it leaves as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) content: Option<String>,
    pub(super) embeds: Option<Vec<Value>>,
    pub(super) components: Option<Value>,
    pub(super) flags: Option<u64>,
}

impl Message {
    pub(super) fn new(
        id: u64,
        channel: u64,
        author: u64,
        content: &str,
        at_millis: Millis,
    ) -> Self {
        Self {
            id,
            channel,
            author,
            content: content.to_owned(),
            embeds: Vec::new(),
            components: json!([]),
            reply_to: None,
            edits: Vec::new(),
            nonce: None,
            flags: 0,
            mentions_pinged: Vec::new(),
            at_millis,
            deleted: false,
            only_for: None,
            interaction: None,
        }
    }

    /// Content and embeds as one reads them.
    pub fn text(&self) -> String {
        seen::text(&self.content, &self.embeds)
    }

    /// The buttons, in order: label and `custom_id` (or the address that it opens).
    pub fn buttons(&self) -> Vec<(String, String)> {
        seen::buttons(&self.components)
    }

    pub(super) fn is_empty(&self) -> bool {
        let has_components = self.components.as_array().is_some_and(|rows| !rows.is_empty());
        self.content.is_empty() && self.embeds.is_empty() && !has_components
    }

    pub(super) fn take(&mut self, draft: Draft) {
        if let Some(content) = draft.content {
            self.content = content;
        }
        if let Some(embeds) = draft.embeds {
            self.embeds = embeds;
        }
        if let Some(components) = draft.components {
            self.components = components;
        }
        if let Some(flags) = draft.flags {
            // Ephemeral or not was settled when it came to be.
            self.flags = (self.flags & 64) | (flags & !64);
        }
    }
}

impl World {
    pub(super) fn store(&mut self, message: Message) -> u64 {
        let (id, place) = (message.id, message.channel);
        let line = message.only_for.is_none().then(|| seen::message(self, &message));
        let channel = self.channel_mut(place);
        let guild = channel.guild;
        channel.messages.push(message);
        // One that is for somebody alone is told to nobody.
        let Some(line) = line else { return id };
        channel.seen.push(line);
        if self.visible(place).is_ok()
            && let Some(message) = self.channels[&place].messages.last()
        {
            let mut shown = wire::message(self, message);
            if let Some(guild) = guild {
                shown["guild_id"] = json!(guild.to_string());
            }
            let intent = if guild.is_some() { GUILD_MESSAGES } else { DIRECT_MESSAGES };
            self.sessions.dispatch("MESSAGE_CREATE", &shown, intent);
        }
        id
    }

    /// Lays a new version over a message, and says what it is now.
    pub(super) fn edit(&mut self, mut version: Message) -> Value {
        let at_millis = self.clock.millis();
        let edit =
            Edit { at_millis, content: version.content.clone(), embeds: version.embeds.clone() };
        version.edits.push(edit);
        let line = seen::edit(&version, at_millis);
        let shown = wire::message(self, &version);
        let channel = self.channel_mut(version.channel);
        if version.only_for.is_none() {
            channel.seen.push(line);
        }
        let id = version.id;
        if let Some(message) = channel.message_mut(id) {
            *message = version;
        }
        self.touched(id);
        shown
    }
}

impl DiscordDouble {
    /// What everybody in the channel sees, deleted ones too, oldest first.
    pub fn messages(&self, channel: u64) -> Vec<Message> {
        let mut world = self.inner.lock();
        world
            .channel_mut(channel)
            .messages
            .iter()
            .filter(|message| message.only_for.is_none())
            .cloned()
            .collect()
    }

    /// The bot's alone.
    pub fn bot_messages(&self, channel: u64) -> Vec<Message> {
        self.messages(channel).into_iter().filter(|message| message.author == BOT).collect()
    }
}
