//! All that the double knows, and who may do what in it.

use super::asked::Call;
use super::asking::Asking;
use super::faults::Faults;
use super::interactions::DEADLINE;
use super::limits::Limits;
use super::messages::Message;
use super::permissions::{self, ADMINISTRATOR, VIEW_CHANNEL};
use super::refusal::{
    MISSING_ACCESS, MISSING_PERMISSIONS, Refusal, UNKNOWN_CHANNEL, UNKNOWN_MESSAGE,
};
use super::sessions::Sessions;
use super::{APPLICATION, BOT};
use linkdown::clock::{Clock, Millis};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) gateway: String,
    pub(super) revoked: bool,
    pub(super) guilds: BTreeMap<u64, Guild>,
    pub(super) channels: BTreeMap<u64, Channel>,
    pub(super) people: BTreeMap<u64, String>,
    /// Those who take no direct message from the bot.
    pub(super) blocking: BTreeSet<u64>,
    pub(super) commands: Vec<Value>,
    pub(super) registrations: usize,
    pub(super) asking: Vec<Asking>,
    pub(super) deadline: Duration,
    pub(super) sessions: Sessions,
    pub(super) limits: Limits,
    pub(super) faults: Faults,
    pub(super) calls: Vec<Call>,
    /// What of a channel option Discord passes on unchecked.
    pub(super) unchecked: Unchecked,
    pub(super) unexpected: Vec<String>,
    last_id: u64,
}

pub(super) struct Guild {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) has_bot: bool,
    pub(super) joined: Millis,
    /// By role: its name, and whether anybody may mention it.
    pub(super) roles: BTreeMap<u64, (String, bool)>,
    /// By person: what they may beyond everybody.
    pub(super) members: BTreeMap<u64, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text = 0,
    Dm = 1,
    Announcement = 5,
    Thread = 11,
    Forum = 15,
}

/// Whether a channel option may name a channel of another server. Discord's client offers those of the server alone, and
/// the documentation does not say that anything else is refused: a story assumes the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchecked {
    Nothing,
    /// The number arrives, and the channel in `resolved`.
    Resolved,
    /// The number arrives alone.
    Number,
}

// Each is a fact about the channel that changes by itself.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Channel {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) guild: Option<u64>,
    pub(super) parent: Option<u64>,
    /// The other one of a direct message.
    pub(super) with: Option<u64>,
    /// Opened by that person.
    pub(super) opened: bool,
    /// What the bot may not.
    pub(super) denied: u64,
    pub(super) deleted: bool,
    /// Of a thread.
    pub(super) archived: bool,
    pub(super) locked: bool,
    /// Edits of messages older than an hour are refused for now.
    pub(super) refuses_old_edits: bool,
    pub(super) messages: Vec<Message>,
    /// What was to be seen, in order, and how much of it has been shown.
    pub(super) seen: Vec<String>,
    pub(super) shown: usize,
}

impl World {
    pub(super) fn new(clock: Clock, gateway: String) -> Self {
        Self {
            clock,
            gateway,
            revoked: false,
            guilds: BTreeMap::new(),
            channels: BTreeMap::new(),
            people: BTreeMap::from([(BOT, "Linkdown".to_owned())]),
            blocking: BTreeSet::new(),
            commands: Vec::new(),
            registrations: 0,
            asking: Vec::new(),
            deadline: DEADLINE,
            sessions: Sessions::default(),
            limits: Limits::default(),
            faults: Faults::default(),
            calls: Vec::new(),
            unchecked: Unchecked::Nothing,
            unexpected: Vec::new(),
            last_id: BOT.max(APPLICATION),
        }
    }

    /// A snowflake: the milliseconds since 2015 and a number that makes it larger than every one before.
    pub(super) fn snowflake(&mut self) -> u64 {
        let since = u64::try_from(self.clock.millis() - 1_420_070_400_000).unwrap_or(0);
        self.last_id = (self.last_id + 1).max(since << 22);
        self.last_id
    }

    /// What the bot may in a channel.
    pub(super) fn bot_permissions(&self, channel: &Channel) -> u64 {
        let Some(guild) = channel.guild else { return permissions::EVERYONE };
        if !self.guilds[&guild].has_bot {
            return 0;
        }
        // A thread has what its parent has.
        let place = channel.parent.map_or(channel, |parent| &self.channels[&parent]);
        let all = permissions::EVERYONE & !place.denied;
        if all & VIEW_CHANNEL == 0 { 0 } else { all }
    }

    /// What a person may in a channel; none where they are no member.
    pub(super) fn permissions_of(&self, person: u64, channel: &Channel) -> Option<u64> {
        let Some(guild) = channel.guild else {
            return (channel.with == Some(person)).then_some(permissions::EVERYONE);
        };
        let own = self.guilds[&guild].members.get(&person)?;
        Some(if own & ADMINISTRATOR == 0 { own | permissions::EVERYONE } else { permissions::ALL })
    }

    /// A channel that the bot sees.
    pub(super) fn visible(&self, id: u64) -> Result<&Channel, Refusal> {
        let channel =
            self.channels.get(&id).filter(|channel| !channel.deleted).ok_or(UNKNOWN_CHANNEL)?;
        if self.bot_permissions(channel) & VIEW_CHANNEL == 0 {
            Err(MISSING_ACCESS)
        } else {
            Ok(channel)
        }
    }

    /// A channel in which the bot may all of `wanted`.
    pub(super) fn allowed(&self, id: u64, wanted: u64) -> Result<&Channel, Refusal> {
        let channel = self.visible(id)?;
        if self.bot_permissions(channel) & wanted == wanted {
            Ok(channel)
        } else {
            Err(MISSING_PERMISSIONS)
        }
    }

    /// # Panics
    ///
    /// When the test asks for a channel that never was.
    pub(super) fn channel_mut(&mut self, id: u64) -> &mut Channel {
        self.channels.get_mut(&id).unwrap_or_else(|| panic!("there is no channel {id}"))
    }

    pub(super) fn guild_mut(&mut self, id: u64) -> &mut Guild {
        self.guilds.get_mut(&id).unwrap_or_else(|| panic!("there is no guild {id}"))
    }

    pub(super) fn share_a_guild(&self, person: u64) -> bool {
        self.guilds.values().any(|guild| guild.has_bot && guild.members.contains_key(&person))
    }
}

impl Channel {
    /// A message that is still there, for everybody or for one alone.
    pub(super) fn message(&self, id: u64) -> Result<&Message, Refusal> {
        self.messages
            .iter()
            .rfind(|message| message.id == id && !message.deleted)
            .ok_or(UNKNOWN_MESSAGE)
    }

    pub(super) fn message_mut(&mut self, id: u64) -> Option<&mut Message> {
        self.messages.iter_mut().rfind(|message| message.id == id)
    }
}
