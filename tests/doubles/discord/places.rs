//! The scripted world: guilds, channels, people, and what happens to them.

use super::DiscordDouble;
use super::messages::Message;
use super::permissions::{self, IntoPermissions};
use super::sessions::GUILDS;
use super::wire;
use super::world::{Channel, Guild, Kind, World};
use serde_json::json;
use std::collections::BTreeMap;

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: u64,
    pub name: String,
    /// The language of their client.
    pub locale: String,
}

impl DiscordDouble {
    /// A guild with the bot in it.
    pub fn guild(&self, name: &str) -> u64 {
        self.inner.change(|world| {
            let id = world.snowflake();
            // The two after it are the bot's role and the owner.
            world.snowflake();
            world.snowflake();
            let everyone = BTreeMap::from([(id, ("@everyone".to_owned(), false))]);
            let joined = world.clock.millis();
            let guild = Guild {
                id,
                name: name.to_owned(),
                has_bot: true,
                joined,
                roles: everyone,
                members: BTreeMap::new(),
            };
            world.guilds.insert(id, guild);
            world.tell_guild(id);
            id
        })
    }

    pub fn channel(&self, guild: u64, name: &str) -> u64 {
        self.place(Some(guild), None, Kind::Text, name)
    }

    pub fn forum(&self, guild: u64, name: &str) -> u64 {
        self.place(Some(guild), None, Kind::Forum, name)
    }

    pub fn announcement(&self, guild: u64, name: &str) -> u64 {
        self.place(Some(guild), None, Kind::Announcement, name)
    }

    /// A public thread of a channel.
    pub fn thread(&self, parent: u64, name: &str) -> u64 {
        let guild = self.inner.lock().channel_mut(parent).guild;
        self.place(guild, Some(parent), Kind::Thread, name)
    }

    fn place(&self, guild: Option<u64>, parent: Option<u64>, kind: Kind, name: &str) -> u64 {
        self.inner.change(|world| {
            let id = world.snowflake();
            world.place(id, guild, parent, kind, name);
            id
        })
    }

    /// The threads of a channel, or the posts of a forum, oldest first: number and name.
    pub fn threads(&self, parent: u64) -> Vec<(u64, String)> {
        let world = self.inner.lock();
        let below = world
            .channels
            .values()
            .filter(|channel| channel.parent == Some(parent) && !channel.deleted);
        below.map(|channel| (channel.id, channel.name.clone())).collect()
    }

    /// The direct messages that the person has opened with the bot.
    pub fn dm(&self, user: &User) -> u64 {
        self.inner.change(|world| {
            let id = world.dm_with(user.id);
            world.channel_mut(id).opened = true;
            id
        })
    }

    /// The person takes no message from the bot any more.
    pub fn blocks_dms(&self, user: &User) {
        self.inner.change(|world| world.blocking.insert(user.id));
    }

    /// Somebody who is in no guild of the bot.
    pub fn user(&self, name: &str) -> User {
        self.inner.change(|world| {
            let id = world.snowflake();
            world.people.insert(id, name.to_owned());
            User { id, name: name.to_owned(), locale: "en-US".to_owned() }
        })
    }

    /// Somebody in a guild, with what they may beyond everybody.
    pub fn member(&self, guild: u64, name: &str, may: impl IntoPermissions) -> User {
        let user = self.user(name);
        self.joins(&user, guild, may);
        user
    }

    pub fn joins(&self, user: &User, guild: u64, may: impl IntoPermissions) {
        let may = may.into_bits();
        self.inner.change(|world| world.guild_mut(guild).members.insert(user.id, may));
    }

    /// A person writes something there.
    pub fn says(&self, user: &User, channel: u64, text: &str) {
        self.inner.change(|world| {
            let mut message = Message::new(0, channel, user.id, text, world.clock.millis());
            message.id = world.snowflake();
            world.store(message);
        });
    }

    /// A role that anybody may mention.
    pub fn role(&self, guild: u64, name: &str) -> u64 {
        self.inner.change(|world| {
            let id = world.snowflake();
            world.guild_mut(guild).roles.insert(id, (name.to_owned(), true));
            let role = wire::role(guild, id, name, true);
            world.sessions.dispatch(
                "GUILD_ROLE_CREATE",
                &json!({"guild_id": guild.to_string(), "role": role}),
                GUILDS,
            );
            id
        })
    }

    /// The bot loses a permission in a channel, named as Discord shows it; in a thread this is its parent's.
    pub fn may_not(&self, channel: u64, permission: &str) {
        self.sets(channel, |denied| denied | permissions::bits(permission));
    }

    pub fn may_again(&self, channel: u64, permission: &str) {
        self.sets(channel, |denied| denied & !permissions::bits(permission));
    }

    fn sets(&self, channel: u64, change: impl FnOnce(u64) -> u64) {
        self.inner.change(|world| {
            let id = world.channel_mut(channel).parent.unwrap_or(channel);
            let place = world.channel_mut(id);
            place.denied = change(place.denied);
            let shown = wire::channel(world, &world.channels[&id]);
            world.sessions.dispatch("CHANNEL_UPDATE", &shown, GUILDS);
        });
    }

    /// The thread was quiet for as long as its server allows: Discord archives it. Anybody's message wakes it.
    pub fn archives(&self, thread: u64) {
        self.inner.change(|world| world.change_thread(thread, |thread| thread.archived = true));
    }

    /// A moderator locks the thread, which archives it as well.
    pub fn locks(&self, thread: u64) {
        self.inner.change(|world| {
            world.change_thread(thread, |thread| (thread.archived, thread.locked) = (true, true));
        });
    }

    pub fn unlocks(&self, thread: u64) {
        self.inner.change(|world| {
            world.change_thread(thread, |thread| (thread.archived, thread.locked) = (false, false));
        });
    }

    pub fn is_archived(&self, thread: u64) -> bool {
        self.inner.lock().channel_mut(thread).archived
    }

    /// Whether the channel has had its edits of messages that are older than an hour.
    pub fn refuses_old_edits(&self, channel: u64, refuses: bool) {
        self.inner.change(|world| world.channel_mut(channel).refuses_old_edits = refuses);
    }

    /// Somebody deletes a channel or thread.
    pub fn deletes(&self, channel: u64) {
        self.inner.change(|world| {
            world.channel_mut(channel).deleted = true;
            let place = &world.channels[&channel];
            let event = if place.kind == Kind::Thread { "THREAD_DELETE" } else { "CHANNEL_DELETE" };
            let shown = wire::channel(world, place);
            world.sessions.dispatch(event, &shown, GUILDS);
        });
    }

    /// Somebody deletes a message.
    pub fn deletes_message(&self, channel: u64, message: u64) {
        self.inner.change(|world| {
            let at = world.clock.millis();
            let place = world.channel_mut(channel);
            let gone = place
                .message_mut(message)
                .unwrap_or_else(|| panic!("there is no message {message}"));
            gone.deleted = true;
            let line = super::seen::deletion(gone, at);
            place.seen.push(line);
        });
    }

    pub fn kicks(&self, guild: u64) {
        self.inner.change(|world| {
            world.guild_mut(guild).has_bot = false;
            world.sessions.dispatch("GUILD_DELETE", &json!({"id": guild.to_string()}), GUILDS);
        });
    }

    pub fn invites_back(&self, guild: u64) {
        self.inner.change(|world| {
            world.guild_mut(guild).has_bot = true;
            world.tell_guild(guild);
        });
    }

    /// Somebody else's message.
    pub fn posts(&self, channel: u64, author: &User, text: &str) -> u64 {
        self.inner.change(|world| {
            let message =
                Message::new(world.snowflake(), channel, author.id, text, world.clock.millis());
            world.store(message)
        })
    }
}

impl World {
    pub(super) fn place(
        &mut self,
        id: u64,
        guild: Option<u64>,
        parent: Option<u64>,
        kind: Kind,
        name: &str,
    ) {
        let channel = Channel {
            id,
            kind,
            name: name.to_owned(),
            guild,
            parent,
            with: None,
            opened: false,
            denied: 0,
            deleted: false,
            archived: false,
            locked: false,
            refuses_old_edits: false,
            messages: Vec::new(),
            seen: Vec::new(),
            shown: 0,
        };
        self.channels.insert(id, channel);
        if guild.is_some_and(|guild| self.guild_mut(guild).has_bot) {
            let event = if kind == Kind::Thread { "THREAD_CREATE" } else { "CHANNEL_CREATE" };
            let shown = wire::channel(self, &self.channels[&id]);
            self.sessions.dispatch(event, &shown, GUILDS);
        }
    }

    /// Changes a thread. Real Discord sends `THREAD_UPDATE` for it, and never `CHANNEL_UPDATE`
    /// (<https://discord.com/developers/docs/events/gateway-events#thread-update>).
    pub(super) fn change_thread(&mut self, thread: u64, change: impl FnOnce(&mut Channel)) {
        change(self.channel_mut(thread));
        let shown = wire::channel(self, &self.channels[&thread]);
        self.sessions.dispatch("THREAD_UPDATE", &shown, GUILDS);
    }

    /// The one channel of direct messages with a person.
    pub(super) fn dm_with(&mut self, person: u64) -> u64 {
        if let Some(channel) = self.channels.values().find(|channel| channel.with == Some(person)) {
            return channel.id;
        }
        let id = self.snowflake();
        self.place(id, None, None, Kind::Dm, "");
        self.channel_mut(id).with = Some(person);
        id
    }

    fn tell_guild(&mut self, guild: u64) {
        let shown = wire::guild(self, guild);
        self.sessions.dispatch("GUILD_CREATE", &shown, GUILDS);
    }
}
