//! A chat as Telegram keeps it: who is in it, what the bot may do there, and what was said.

use super::faults::Fault;
use super::html::Entity;
use super::limits::Pace;
use linkdown::clock::Millis;
use serde_json::Value;
use std::collections::BTreeMap;

/// Somebody with an account. The private chat with the bot has the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: i64,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Private,
    Group,
    Supergroup,
    Channel,
}

/// What the bot is in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It never was there, and does not know the chat.
    Stranger,
    Left,
    /// In a private chat: blocked.
    Kicked,
    Member,
    /// A member that may not write.
    Restricted,
    Admin,
    /// An administrator of a channel that may not post.
    MuteAdmin,
}

impl Membership {
    pub fn is_inside(self) -> bool {
        !matches!(self, Self::Stranger | Self::Left | Self::Kicked)
    }

    pub fn is_admin(self) -> bool {
        matches!(self, Self::Admin | Self::MuteAdmin)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicState {
    Open,
    Closed,
    Deleted,
}

#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    pub state: TopicState,
}

// Each is a fact about the chat that changes by itself.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug)]
pub struct Chat {
    pub id: i64,
    pub kind: Kind,
    /// In a private chat the person's name.
    pub title: String,
    pub owner: Person,
    pub owner_is_anonymous: bool,
    pub admins: Vec<Person>,
    pub members: Vec<Person>,
    pub standing: Membership,
    /// In a private chat: the person has written to the bot.
    pub started: bool,
    pub deactivated: bool,
    /// The group was deleted.
    pub gone: bool,
    pub migrated_to: Option<i64>,
    pub forum: bool,
    pub topics: BTreeMap<i32, Topic>,
    pub general_is_closed: bool,
    /// By message id, which only grows.
    pub said: Vec<Said>,
    /// What can be seen of the bot, and how much of it was looked at.
    pub shown: Vec<String>,
    pub looked_at: usize,
    pub pace: Pace,
    pub fault: Option<Fault>,
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    Bot,
    Person(Person),
    /// An administrator in the name of the group.
    Anonymous,
    /// Somebody in the name of the channel.
    Channel,
}

/// A message with all that the API tells about it.
#[derive(Clone, Debug)]
pub struct Said {
    /// The bot's messages are counted over all chats.
    pub order: u64,
    pub author: Author,
    pub message: Message,
    pub entities: Vec<Entity>,
    /// As it is given out again.
    pub markup: Value,
    pub edited_at: Option<Millis>,
    pub forwarded: bool,
    /// The text is the caption of a photo.
    pub photo: bool,
    /// What a service message is about: the field and its value.
    pub service: Option<(&'static str, Value)>,
}

/// A message as people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub id: i32,
    pub topic: Option<i32>,
    /// What is visible now.
    pub text: String,
    /// As it was last sent.
    pub html: String,
    pub silent: bool,
    pub preview_off: bool,
    pub reply_to: Option<i32>,
    /// Rows of text and data (or address).
    pub buttons: Vec<Vec<(String, String)>>,
    pub edits: Vec<Edit>,
    pub at_millis: Millis,
    pub deleted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub at_millis: Millis,
    pub text: String,
    pub html: String,
}

/// What the bot sent.
pub type Sent = Message;

impl Message {
    /// The first row's, then the second's …
    pub fn button_texts(&self) -> Vec<&str> {
        self.buttons.iter().flatten().map(|(text, _)| text.as_str()).collect()
    }

    pub fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

impl Chat {
    pub fn new(id: i64, kind: Kind, title: &str, owner: Person) -> Self {
        Self {
            id,
            kind,
            title: title.to_owned(),
            owner,
            owner_is_anonymous: false,
            admins: Vec::new(),
            members: Vec::new(),
            standing: Membership::Member,
            started: false,
            deactivated: false,
            gone: false,
            migrated_to: None,
            forum: false,
            topics: BTreeMap::new(),
            general_is_closed: false,
            said: Vec::new(),
            shown: Vec::new(),
            looked_at: 0,
            pace: Pace::default(),
            fault: None,
        }
    }

    pub fn find(&self, id: i32) -> Option<&Said> {
        let at = self.said.binary_search_by_key(&id, |said| said.message.id).ok()?;
        Some(&self.said[at]).filter(|said| !said.message.deleted)
    }

    pub fn find_mut(&mut self, id: i32) -> Option<&mut Said> {
        let at = self.said.binary_search_by_key(&id, |said| said.message.id).ok()?;
        Some(&mut self.said[at]).filter(|said| !said.message.deleted)
    }

    /// The bot's messages from this one of its count on.
    pub fn sent_since(&self, order: u64) -> Vec<Sent> {
        let sent = self
            .said
            .iter()
            .rev()
            .filter(|said| said.author == Author::Bot && said.service.is_none());
        let mut sent: Vec<Sent> =
            sent.take_while(|said| said.order >= order).map(|said| said.message.clone()).collect();
        sent.reverse();
        sent
    }

    pub fn has(&self, person: &Person) -> bool {
        self.kind == Kind::Private
            || self.owner == *person
            || self.admins.contains(person)
            || self.members.contains(person)
    }
}
