//! The people and chats that there are, and what becomes of them; the bot is told what the real one would be told.

use super::TelegramDouble;
use super::chat::{Author, Chat, Kind, Membership, Person, Topic, TopicState};
use super::json;
use super::world::World;
use serde_json::json;

/// Who founded the groups and channels.
const OWNER: i64 = 5_000_000_000;

impl World {
    fn add_person(&mut self, name: &str) -> Person {
        let person = Person { id: OWNER + self.people.len() as i64, name: name.to_owned() };
        self.people.insert(person.id, person.clone());
        self.chats.insert(person.id, Chat::new(person.id, Kind::Private, name, person.clone()));
        person
    }

    fn add_chat(&mut self, kind: Kind, title: &str, standing: Membership) -> i64 {
        let owner = self.people.get(&OWNER).cloned().unwrap_or_else(|| self.add_person("Olga"));
        let count = self.chats.values().filter(|chat| chat.kind == kind).count() as i64 + 1;
        let id = match kind {
            Kind::Group => -4_000_000_000 - count,
            Kind::Channel => -1_003_000_000_000 - count,
            Kind::Private | Kind::Supergroup => -1_002_000_000_000 - count,
        };
        let chat = Chat { standing, ..Chat::new(id, kind, title, owner) };
        self.chats.insert(id, chat);
        if matches!(kind, Kind::Supergroup | Kind::Channel) {
            // The first message tells that the chat was made; "General" has its number.
            *self.last_id(id) = 1;
        }
        id
    }

    fn serve_by_owner(
        &mut self,
        chat: i64,
        topic: Option<i32>,
        field: &'static str,
        value: serde_json::Value,
    ) -> i32 {
        let owner = Author::Person(self.chat(chat).owner.clone());
        self.serves(chat, owner, topic, (field, value))
    }

    fn set_topic(&mut self, chat: i64, topic: i32, state: TopicState) {
        let topics = &mut self.chat_mut(chat).topics;
        topics
            .get_mut(&topic)
            .unwrap_or_else(|| panic!("there is no topic {topic} in {chat}"))
            .state = state;
    }

    fn stands_by_owner(&mut self, chat: i64, standing: Membership) {
        let owner = self.chat(chat).owner.json();
        self.stands(chat, standing, &owner);
    }
}

impl TelegramDouble {
    /// Somebody who has not written to the bot yet: it may not write first.
    pub fn person(&self, name: &str) -> Person {
        self.act(|world| {
            if world.people.is_empty() {
                world.add_person("Olga");
            }
            world.add_person(name)
        })
    }

    /// A supergroup with the bot as an ordinary member.
    pub fn supergroup(&self, title: &str) -> i64 {
        self.act(|world| world.add_chat(Kind::Supergroup, title, Membership::Member))
    }

    /// A basic group with the bot as an ordinary member.
    pub fn group(&self, title: &str) -> i64 {
        self.act(|world| world.add_chat(Kind::Group, title, Membership::Member))
    }

    /// A channel of which the bot knows nothing, until [`TelegramDouble::bot_is_admin`].
    pub fn channel(&self, title: &str) -> i64 {
        self.act(|world| world.add_chat(Kind::Channel, title, Membership::Stranger))
    }

    /// A supergroup of which the bot knows nothing, until [`TelegramDouble::invites_back`].
    pub fn foreign_supergroup(&self, title: &str) -> i64 {
        self.act(|world| world.add_chat(Kind::Supergroup, title, Membership::Stranger))
    }

    pub fn admin(&self, chat: i64, person: &Person) {
        self.act(|world| {
            let chat = world.chat_mut(chat);
            chat.members.retain(|member| member != person);
            chat.admins.push(person.clone());
        });
    }

    pub fn member(&self, chat: i64, person: &Person) {
        self.act(|world| {
            let chat = world.chat_mut(chat);
            chat.admins.retain(|admin| admin != person);
            chat.members.push(person.clone());
        });
    }

    /// The owner hides behind the group; see [`TelegramDouble::says_as_anonymous`].
    pub fn anonymous_admin(&self, chat: i64) {
        self.act(|world| world.chat_mut(chat).owner_is_anonymous = true);
    }

    pub fn bot_is_admin(&self, chat: i64, is_admin: bool) {
        self.act(|world| {
            let standing = match world.chat(chat).kind {
                _ if is_admin => Membership::Admin,
                // A channel has no bots that are not administrators.
                Kind::Channel => Membership::Left,
                _ => Membership::Member,
            };
            world.stands_by_owner(chat, standing);
        });
    }

    /// The bot may read, and not write. In a basic group that is so for everybody, and not told.
    pub fn may_not_write(&self, chat: i64) {
        self.act(|world| match world.chat(chat).kind {
            Kind::Channel => world.stands_by_owner(chat, Membership::MuteAdmin),
            Kind::Group => world.chat_mut(chat).standing = Membership::Restricted,
            Kind::Supergroup | Kind::Private => world.stands_by_owner(chat, Membership::Restricted),
        });
    }

    pub fn may_write(&self, chat: i64) {
        self.act(|world| match world.chat(chat).kind {
            Kind::Channel => world.stands_by_owner(chat, Membership::Admin),
            Kind::Group => world.chat_mut(chat).standing = Membership::Member,
            Kind::Supergroup | Kind::Private => world.stands_by_owner(chat, Membership::Member),
        });
    }

    /// The bot is thrown out.
    pub fn kicks(&self, chat: i64) {
        self.act(|world| world.stands_by_owner(chat, Membership::Kicked));
    }

    /// The bot is taken in (again), as an ordinary member of a group or an administrator of a channel.
    pub fn invites_back(&self, chat: i64) {
        self.act(|world| {
            let is_channel = world.chat(chat).kind == Kind::Channel;
            world.stands_by_owner(
                chat,
                if is_channel { Membership::Admin } else { Membership::Member },
            );
            if !is_channel {
                world.serve_by_owner(chat, None, "new_chat_members", json!([json::bot()]));
            }
        });
    }

    pub fn blocks(&self, person: &Person) {
        self.act(|world| world.stands_by_owner(person.id, Membership::Kicked));
    }

    pub fn unblocks(&self, person: &Person) {
        self.act(|world| world.stands_by_owner(person.id, Membership::Member));
    }

    /// The account is deleted. Nobody is told.
    pub fn deactivates(&self, person: &Person) {
        self.act(|world| world.chat_mut(person.id).deactivated = true);
    }

    /// The group is deleted. Nobody is told.
    pub fn deletes_group(&self, chat: i64) {
        self.act(|world| world.chat_mut(chat).gone = true);
    }

    /// A topic of a supergroup, which thereby is a forum.
    pub fn topic(&self, chat: i64, name: &str) -> i32 {
        self.act(|world| {
            assert_eq!(world.chat(chat).kind, Kind::Supergroup, "only supergroups have topics");
            let id = world.upcoming_id(chat);
            world.chat_mut(chat).forum = true;
            world
                .chat_mut(chat)
                .topics
                .insert(id, Topic { name: name.to_owned(), state: TopicState::Open });
            world.serve_by_owner(
                chat,
                Some(id),
                "forum_topic_created",
                json!({"name": name, "icon_color": 7_322_096}),
            )
        })
    }

    pub fn closes_topic(&self, chat: i64, topic: i32) {
        self.act(|world| {
            world.set_topic(chat, topic, TopicState::Closed);
            world.serve_by_owner(chat, Some(topic), "forum_topic_closed", json!({}));
        });
    }

    pub fn reopens_topic(&self, chat: i64, topic: i32) {
        self.act(|world| {
            world.set_topic(chat, topic, TopicState::Open);
            world.serve_by_owner(chat, Some(topic), "forum_topic_reopened", json!({}));
        });
    }

    /// With all that was said in it. Nobody is told.
    pub fn deletes_topic(&self, chat: i64, topic: i32) {
        self.act(|world| {
            world.set_topic(chat, topic, TopicState::Deleted);
            let said = world
                .chat_mut(chat)
                .said
                .iter_mut()
                .filter(|said| said.message.topic == Some(topic));
            said.for_each(|said| said.message.deleted = true);
        });
    }

    pub fn closes_general(&self, chat: i64) {
        self.act(|world| {
            world.chat_mut(chat).general_is_closed = true;
            world.serve_by_owner(chat, None, "forum_topic_closed", json!({}));
        });
    }

    /// A message is deleted. Nobody is told.
    pub fn deletes(&self, chat: i64, message: i32) {
        self.act(|world| {
            let said = world.chat_mut(chat).find_mut(message);
            said.unwrap_or_else(|| panic!("there is no message {message} in {chat}"))
                .message
                .deleted = true;
        });
    }

    /// A basic group becomes a supergroup, with a new id. The bot is told of the new one, and by both of the change.
    pub fn migrates(&self, group: i64) -> i64 {
        self.act(|world| {
            let old = world.chat(group);
            assert!(
                old.kind == Kind::Group && old.migrated_to.is_none(),
                "only a basic group becomes a supergroup"
            );
            let (title, standing) = (old.title.clone(), old.standing);
            let (admins, members, anonymous) =
                (old.admins.clone(), old.members.clone(), old.owner_is_anonymous);
            let new = world.add_chat(Kind::Supergroup, &title, Membership::Left);
            *world.last_id(new) = 0;
            let chat = world.chat_mut(new);
            (chat.admins, chat.members, chat.owner_is_anonymous) = (admins, members, anonymous);
            if standing.is_inside() {
                world.stands_by_owner(new, standing);
            }
            world.serve_by_owner(group, None, "migrate_to_chat_id", json!(new));
            world.serve_by_owner(new, None, "migrate_from_chat_id", json!(group));
            world.chat_mut(group).migrated_to = Some(new);
            new
        })
    }
}
