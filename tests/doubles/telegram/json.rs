//! Users, chats, members and messages as the Bot API writes them.

use super::BOT_ID;
use super::chat::{Author, Chat, Kind, Membership, Person, Said};
use super::html::Entity;
use super::world::World;
use linkdown::clock::Millis;
use serde_json::{Map, Value, json};

const ADMIN_RIGHTS: [(&str, bool); 14] = [
    ("can_manage_chat", true),
    ("can_change_info", false),
    ("can_delete_messages", true),
    ("can_invite_users", true),
    ("can_restrict_members", false),
    ("can_promote_members", false),
    ("can_manage_video_chats", false),
    ("can_pin_messages", true),
    ("can_manage_topics", false),
    ("can_post_stories", false),
    ("can_edit_stories", false),
    ("can_delete_stories", false),
    ("is_anonymous", false),
    ("can_be_edited", false),
];
const MEMBER_RIGHTS: [&str; 14] = [
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
];

pub const fn date(at: Millis) -> i64 {
    at.div_euclid(1000)
}

pub fn bot() -> Value {
    json!({"id": BOT_ID, "is_bot": true, "first_name": "Linkdown", "username": super::USERNAME})
}

pub fn anonymous() -> Value {
    json!({"id": super::ANONYMOUS_ID, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot"})
}

impl Person {
    pub fn json(&self) -> Value {
        json!({"id": self.id, "is_bot": false, "first_name": self.name, "language_code": "en"})
    }
}

impl Chat {
    pub fn json(&self) -> Value {
        match self.kind {
            Kind::Private => json!({"id": self.id, "first_name": self.title, "type": "private"}),
            Kind::Group => {
                json!({"id": self.id, "title": self.title, "type": "group", "all_members_are_administrators": false})
            }
            Kind::Supergroup if self.forum => {
                json!({"id": self.id, "title": self.title, "is_forum": true, "type": "supergroup"})
            }
            Kind::Supergroup => json!({"id": self.id, "title": self.title, "type": "supergroup"}),
            Kind::Channel => json!({"id": self.id, "title": self.title, "type": "channel"}),
        }
    }

    /// As getChat tells it.
    pub fn full_json(&self) -> Value {
        let mut full = self.json();
        let gifts = self.kind == Kind::Private;
        full["accepted_gift_types"] = json!({"unlimited_gifts": gifts, "limited_gifts": gifts, "unique_gifts": gifts,
            "premium_subscription": gifts, "gifts_from_channels": gifts});
        full["max_reaction_count"] = json!(11);
        full["accent_color_id"] = json!(2);
        if matches!(self.kind, Kind::Group | Kind::Supergroup) {
            full["permissions"] =
                MEMBER_RIGHTS.iter().map(|right| ((*right).to_owned(), json!(true))).collect();
        }
        full
    }

    pub fn bot_member(&self, standing: Membership) -> Value {
        let user = bot();
        match standing {
            Membership::Stranger | Membership::Left => json!({"user": user, "status": "left"}),
            Membership::Kicked => json!({"user": user, "status": "kicked", "until_date": 0}),
            // In a basic group it is everybody who may not write.
            Membership::Restricted if self.kind == Kind::Group => {
                json!({"user": user, "status": "member"})
            }
            Membership::Member => json!({"user": user, "status": "member"}),
            Membership::Restricted => {
                let mut member: Map<_, _> =
                    MEMBER_RIGHTS.iter().map(|right| ((*right).to_owned(), json!(false))).collect();
                member.insert("user".to_owned(), user);
                member.insert("status".to_owned(), json!("restricted"));
                member.insert("until_date".to_owned(), json!(0));
                member.insert("is_member".to_owned(), json!(true));
                Value::Object(member)
            }
            Membership::Admin | Membership::MuteAdmin => {
                self.admin(user, standing == Membership::Admin)
            }
        }
    }

    fn admin(&self, user: Value, posts: bool) -> Value {
        let mut member: Map<_, _> =
            ADMIN_RIGHTS.iter().map(|(right, has)| ((*right).to_owned(), json!(has))).collect();
        member.insert("user".to_owned(), user);
        member.insert("status".to_owned(), json!("administrator"));
        if self.kind == Kind::Channel {
            member.insert("can_post_messages".to_owned(), json!(posts));
            member.insert("can_edit_messages".to_owned(), json!(posts));
        }
        Value::Object(member)
    }

    pub fn member_json(&self, person: &Person) -> Value {
        let user = person.json();
        if self.owner == *person && self.kind != Kind::Private {
            json!({"user": user, "status": "creator", "is_anonymous": self.owner_is_anonymous})
        } else if self.admins.contains(person) {
            self.admin(user, true)
        } else if self.has(person) {
            json!({"user": user, "status": "member"})
        } else {
            json!({"user": user, "status": "left"})
        }
    }

    pub fn administrators(&self) -> Vec<Value> {
        let people =
            std::iter::once(&self.owner).chain(&self.admins).map(|person| self.member_json(person));
        let bot = self.standing.is_admin().then(|| self.bot_member(self.standing));
        people.chain(bot).collect()
    }
}

impl World {
    pub fn my_chat_member(&self, chat: i64, old: Membership, by: &Value) -> Value {
        let chat = self.chat(chat);
        json!({"chat": chat.json(), "from": by, "date": date(self.now()), "old_chat_member": chat.bot_member(old),
            "new_chat_member": chat.bot_member(chat.standing)})
    }

    /// With the message that it replies to, one deep. Also one that has been deleted.
    pub fn message_json(&self, chat: i64, id: i32) -> Value {
        let chat = self.chat(chat);
        let at = chat.said.binary_search_by_key(&id, |said| said.message.id).unwrap();
        let said = &chat.said[at];
        let mut json = plain(chat, said, self.is_old);
        if let Some(original) = said.message.reply_to.and_then(|id| chat.find(id)) {
            json["reply_to_message"] = plain(chat, original, self.is_old);
        }
        json
    }
}

fn plain(chat: &Chat, said: &Said, is_old: bool) -> Value {
    let message = &said.message;
    let mut json =
        json!({"message_id": message.id, "chat": chat.json(), "date": date(message.at_millis)});
    match &said.author {
        Author::Bot if chat.kind == Kind::Channel => json["sender_chat"] = chat.json(),
        Author::Bot => json["from"] = bot(),
        Author::Person(person) => json["from"] = person.json(),
        Author::Anonymous => {
            json["from"] = anonymous();
            json["sender_chat"] = chat.json();
        }
        Author::Channel => json["sender_chat"] = chat.json(),
    }
    if let Some(at) = said.edited_at {
        json["edit_date"] = json!(date(at));
    }
    if let Some(topic) = message.topic {
        json["message_thread_id"] = json!(topic);
        json["is_topic_message"] = json!(true);
    } else if let (Kind::Supergroup, false, Some(original)) =
        (chat.kind, chat.forum, message.reply_to)
    {
        // A chain of replies is a thread, but no topic.
        json["message_thread_id"] = json!(original);
    }
    if said.forwarded {
        if !is_old {
            json["forward_origin"] = json!({"type": "hidden_user", "sender_user_name": "Somebody", "date": date(message.at_millis)});
        }
        json["forward_sender_name"] = json!("Somebody");
        json["forward_date"] = json!(date(message.at_millis));
    }
    if let Some((field, value)) = &said.service {
        json[*field] = value.clone();
    } else if said.photo {
        json["photo"] = json!([{"file_id": "AgACAgIAAxkBAAMC", "file_unique_id": "AQADAgAT", "width": 90, "height": 60,
            "file_size": 1234}]);
        json["caption"] = json!(message.text);
    } else {
        json["text"] = json!(message.text);
    }
    if !said.entities.is_empty() {
        json[if said.photo { "caption_entities" } else { "entities" }] =
            said.entities.iter().map(Entity::json).collect();
    }
    if !said.markup.is_null() {
        json["reply_markup"] = said.markup.clone();
    }
    json
}
