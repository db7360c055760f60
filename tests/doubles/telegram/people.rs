//! What people do, and the wait for what the bot does about it.

use super::TelegramDouble;
use super::chat::{Author, Kind, Message, Person, Sent, TopicState};
use super::html::Entity;
use super::world::World;

/// Something that is about to be written.
struct Words<'a> {
    author: Author,
    chat: i64,
    text: &'a str,
    topic: Option<i32>,
    reply_to: Option<i32>,
    forwarded: bool,
    /// The text is the caption of a photo.
    photo: bool,
    /// The text is marked as a block quotation.
    is_quoted: bool,
}

/// What became of it: its id, that of the update, and how many messages the bot had sent before.
struct Put {
    message: i32,
    update: Option<i32>,
    sent: u64,
}

impl<'a> Words<'a> {
    fn of(who: &Person, chat: i64, text: &'a str) -> Self {
        Self::by(Author::Person(who.clone()), chat, text)
    }

    fn by(author: Author, chat: i64, text: &'a str) -> Self {
        Self {
            author,
            chat,
            text,
            topic: None,
            reply_to: None,
            forwarded: false,
            photo: false,
            is_quoted: false,
        }
    }
}

impl World {
    fn put(&mut self, words: Words<'_>) -> Put {
        let sent = self.sent;
        let chat = self.chat_mut(words.chat);
        assert!(
            chat.migrated_to.is_none() && !chat.gone,
            "nobody can write to {} any more",
            words.chat
        );
        if let Author::Person(person) = &words.author {
            assert!(chat.kind != Kind::Channel, "in a channel one `posts`");
            assert!(
                chat.has(person),
                "{} is not in {}: see `member` and `admin`",
                person.name,
                chat.title
            );
        }
        if let Some(topic) = words.topic {
            let state = chat.topics.get(&topic).map(|topic| topic.state);
            assert_eq!(state, Some(TopicState::Open), "topic {topic} in {}", chat.title);
        }
        chat.started = true;
        let Words { author, topic, reply_to, .. } = words;
        let text = words.text.to_owned();
        let message = Message { topic, reply_to, html: text.clone(), text, ..Message::default() };
        let said = self.keep(words.chat, author, message);
        said.entities = commands_in(words.text);
        if words.is_quoted {
            let length = words.text.encode_utf16().count();
            said.entities.push(Entity { kind: "blockquote", offset: 0, length, extra: None });
        }
        (said.forwarded, said.photo) = (words.forwarded, words.photo);
        let id = said.message.id;
        Put { message: id, update: self.deliver(words.chat, id, false), sent }
    }

    /// Tells the bot of a message, if it may hear of it.
    fn deliver(&mut self, chat: i64, message: i32, edited: bool) -> Option<i32> {
        if !self.hears(chat, message) {
            return None;
        }
        let kind = match (self.chat(chat).kind == Kind::Channel, edited) {
            (true, false) => "channel_post",
            (true, true) => "edited_channel_post",
            (false, false) => "message",
            (false, true) => "edited_message",
        };
        let about = self.message_json(chat, message);
        self.put_update(kind, about)
    }

    /// The privacy mode: in groups, commands that are for this bot or for any, and replies to the bot.
    fn hears(&self, chat: i64, message: i32) -> bool {
        let chat = self.chat(chat);
        let Some(said) = chat.find(message) else { return false };
        if !chat.standing.is_inside() {
            return false;
        }
        if matches!(chat.kind, Kind::Private | Kind::Channel) || chat.standing.is_admin() {
            return true;
        }
        let original = said.message.reply_to.and_then(|id| chat.find(id));
        if original.is_some_and(|original| original.author == Author::Bot) {
            return true;
        }
        let Some(command) = said.message.text.strip_prefix('/') else { return false };
        let word = command.split_whitespace().next().unwrap_or_default();
        word.split_once('@').is_none_or(|(_, bot)| bot.eq_ignore_ascii_case(super::USERNAME))
    }
}

/// Telegram marks commands wherever they stand.
fn commands_in(text: &str) -> Vec<Entity> {
    let mut found = Vec::new();
    let mut offset = 0;
    let mut follows_blank = true;
    for (at, c) in text.char_indices() {
        if c == '/' && follows_blank {
            let rest = &text[at + 1..];
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '@')
                .unwrap_or(rest.len());
            if (1..=64).contains(&end) && !rest.starts_with('@') {
                found.push(Entity { kind: "bot_command", offset, length: end + 1, extra: None });
            }
        }
        follows_blank = c.is_whitespace();
        offset += c.len_utf16();
    }
    found
}

impl TelegramDouble {
    /// Somebody writes; what the bot sent to that chat from when it got the message until it rested. Panics if that is
    /// nothing.
    pub async fn says(&self, who: &Person, chat: i64, text: &str) -> Vec<Sent> {
        self.answered(Words::of(who, chat, text)).await
    }

    pub async fn says_in(&self, who: &Person, chat: i64, topic: i32, text: &str) -> Vec<Sent> {
        self.answered(Words { topic: Some(topic), ..Words::of(who, chat, text) }).await
    }

    /// A post in a channel.
    pub async fn posts(&self, channel: i64, text: &str) -> Vec<Sent> {
        self.answered(self.post(channel, text)).await
    }

    /// A post that is none of the bot's business.
    pub async fn posts_only(&self, channel: i64, text: &str) -> Vec<Sent> {
        self.unanswered(self.post(channel, text)).await
    }

    fn post<'a>(&self, channel: i64, text: &'a str) -> Words<'a> {
        self.look(|world| {
            assert_eq!(world.chat(channel).kind, Kind::Channel, "only in a channel one posts");
        });
        Words::by(Author::Channel, channel, text)
    }

    /// The owner writes in the name of the group.
    pub async fn says_as_anonymous(&self, chat: i64, text: &str) -> Vec<Sent> {
        self.look(|world| {
            assert!(world.chat(chat).owner_is_anonymous, "nobody is anonymous in {chat}");
        });
        self.answered(Words::by(Author::Anonymous, chat, text)).await
    }

    /// A reply; in a forum it is in the topic of what it replies to.
    pub async fn replies(&self, who: &Person, chat: i64, message: i32, text: &str) -> Vec<Sent> {
        let topic =
            self.look(|world| world.chat(chat).find(message).map(|said| said.message.topic));
        let topic = topic.unwrap_or_else(|| panic!("there is no message {message} in {chat}"));
        self.answered(Words { topic, reply_to: Some(message), ..Words::of(who, chat, text) }).await
    }

    /// The same as `says` where nothing should come of it, or may not even be heard: what was sent nevertheless.
    pub async fn sends_nothing(&self, who: &Person, chat: i64, text: &str) -> Vec<Sent> {
        self.unanswered(Words::of(who, chat, text)).await
    }

    /// What somebody else wrote is passed on; what the bot sent then.
    pub async fn forwards(&self, who: &Person, chat: i64, text: &str) -> Vec<Sent> {
        self.unanswered(Words { forwarded: true, ..Words::of(who, chat, text) }).await
    }

    /// Somebody sends a photo with that caption.
    pub async fn sends_photo(&self, who: &Person, chat: i64, caption: &str) -> Vec<Sent> {
        self.answered(Words { photo: true, ..Words::of(who, chat, caption) }).await
    }

    /// Somebody writes it as a block quotation; what the bot sent then.
    pub async fn quotes(&self, who: &Person, chat: i64, text: &str) -> Vec<Sent> {
        self.unanswered(Words { is_quoted: true, ..Words::of(who, chat, text) }).await
    }

    /// Somebody writes, and nobody waits: the message's id.
    pub fn puts(&self, who: &Person, chat: i64, text: &str) -> i32 {
        self.act(|world| world.put(Words::of(who, chat, text)).message)
    }

    /// A message that was written before is changed; what the bot sent then.
    pub async fn edits(&self, who: &Person, chat: i64, message: i32, text: &str) -> Vec<Sent> {
        let put = self.act(|world| {
            let (sent, now) = (world.sent, world.now());
            let said = world.chat_mut(chat).find_mut(message);
            let said = said.unwrap_or_else(|| panic!("there is no message {message} in {chat}"));
            assert_eq!(
                said.author,
                Author::Person(who.clone()),
                "one changes only one's own messages"
            );
            text.clone_into(&mut said.message.text);
            said.entities = commands_in(text);
            said.edited_at = Some(now);
            Put { message, update: world.deliver(chat, message, true), sent }
        });
        self.aftermath(chat, &put).await
    }

    /// The last message there that is not the bot's.
    pub fn last_said(&self, chat: i64) -> i32 {
        let last = |world: &World| {
            world
                .chat(chat)
                .said
                .iter()
                .rev()
                .find(|said| said.author != Author::Bot)
                .map(|said| said.message.id)
        };
        self.look(last).unwrap_or_else(|| panic!("nobody has said anything in {chat}"))
    }

    async fn answered(&self, words: Words<'_>) -> Vec<Sent> {
        let (chat, text) = (words.chat, words.text.to_owned());
        let put = self.act(|world| world.put(words));
        let update = put.update.unwrap_or_else(|| {
            panic!("the bot does not get to hear {text:?}: use `sends_nothing`")
        });
        let what = format!("the bot did not answer {text:?}");
        let sent = self.shared.until(&what, |world| {
            let before = world.queue.sent_before(update)?;
            let is_answered = !world.chat(chat).sent_since(before).is_empty();
            (is_answered && world.queue.is_confirmed(update)).then_some(before)
        });
        let sent = sent.await;
        self.rest().await;
        self.look(|world| world.chat(chat).sent_since(sent))
    }

    async fn unanswered(&self, words: Words<'_>) -> Vec<Sent> {
        let chat = words.chat;
        let put = self.act(|world| world.put(words));
        self.aftermath(chat, &put).await
    }

    async fn aftermath(&self, chat: i64, put: &Put) -> Vec<Sent> {
        if let Some(update) = put.update {
            self.confirmed(update).await;
        }
        self.rest().await;
        self.look(|world| world.chat(chat).sent_since(put.sent))
    }
}
