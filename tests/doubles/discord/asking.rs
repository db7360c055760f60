//! Interactions as the double keeps them, and how the bot hears of them.

use super::places::User;
use super::sessions::ALWAYS;
use super::world::{Kind, World};
use super::{APPLICATION, wire};
use linkdown::clock::Millis;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An interaction under way, or over.
pub(super) struct Asking {
    pub(super) id: u64,
    pub(super) token: String,
    /// 2 a command, 3 a component, 4 a completion.
    pub(super) kind: u8,
    pub(super) person: u64,
    pub(super) channel: u64,
    pub(super) command: String,
    /// The message with the component.
    pub(super) on: Option<u64>,
    pub(super) asked: Instant,
    pub(super) asked_millis: Millis,
    /// Not answered in time.
    pub(super) expired: bool,
    /// The type of the first answer.
    pub(super) answer: Option<u64>,
    pub(super) ephemeral: bool,
    pub(super) message: Option<u64>,
    pub(super) followups: Vec<u64>,
    pub(super) choices: Vec<Value>,
    /// When there was something to be seen.
    pub(super) took: Option<Duration>,
    /// What was wrong with answers that were refused.
    pub(super) refused: Vec<String>,
}

impl World {
    pub(super) fn asking(&self, id: u64) -> &Asking {
        self.asking.iter().find(|asking| asking.id == id).expect("it was asked")
    }

    pub(super) fn asking_mut(&mut self, id: u64) -> &mut Asking {
        self.asking.iter_mut().find(|asking| asking.id == id).expect("it was asked")
    }

    /// A message has changed: whoever pressed a button of it sees that.
    pub(super) fn touched(&mut self, message: u64) {
        let waits = |asking: &&mut Asking| {
            asking.answer == Some(6) && asking.on == Some(message) && asking.took.is_none()
        };
        for asking in self.asking.iter_mut().filter(waits) {
            asking.message = Some(message);
            asking.took = Some(asking.asked.elapsed());
        }
    }

    /// Tells the bot of it.
    pub(super) fn asks(
        &mut self,
        kind: u8,
        user: &User,
        channel: u64,
        command: &str,
        data: &Value,
        on: Option<u64>,
    ) -> Result<u64, String> {
        let id = self.snowflake();
        let token = format!("aW50ZXJhY3Rpb246{id}{}", "x".repeat(150));
        let place = &self.channels[&channel];
        let may = self.permissions_of(user.id, place).ok_or("they are not in that channel")?;
        let app_may = self.bot_permissions(place);
        let mut shown = wire::channel(self, place);
        shown["permissions"] = json!(may.to_string());
        let mut told = json!({"id": id.to_string(), "application_id": APPLICATION.to_string(), "type": kind,
            "data": data, "channel": shown, "channel_id": channel.to_string(), "token": token, "version": 1,
            "app_permissions": app_may.to_string(), "locale": user.locale, "entitlements": [],
            "attachment_size_limit": 10_485_760});
        if let Some(guild) = place.guild {
            told["guild_id"] = json!(guild.to_string());
            told["guild"] = json!({"id": guild.to_string(), "locale": "en-US", "features": []});
            told["guild_locale"] = json!("en-US");
            told["member"] = wire::member(self, guild, user.id);
            told["member"]["permissions"] = json!(may.to_string());
            told["authorizing_integration_owners"] = json!({"0": guild.to_string()});
            told["context"] = json!(0);
        } else {
            told["user"] = wire::user(self, user.id);
            told["authorizing_integration_owners"] = json!({"0": "0"});
            told["context"] = json!(1);
        }
        if let Some(message) = on {
            let message = place.message(message).map_err(|_| "the message is gone")?;
            told["message"] = wire::message(self, message);
        }
        self.asking.push(Asking {
            id,
            token,
            kind,
            person: user.id,
            channel,
            command: command.to_owned(),
            on,
            asked: Instant::now(),
            asked_millis: self.clock.millis(),
            expired: false,
            answer: None,
            ephemeral: false,
            message: None,
            followups: Vec::new(),
            choices: Vec::new(),
            took: None,
            refused: Vec::new(),
        });
        self.sessions.dispatch("INTERACTION_CREATE", &told, ALWAYS);
        Ok(id)
    }

    /// Whether the person can be there with the bot.
    pub(super) fn meets(&self, user: &User, channel: u64) -> Result<(), String> {
        let place = self
            .channels
            .get(&channel)
            .filter(|place| !place.deleted)
            .ok_or("there is no such channel")?;
        if place.guild.is_some_and(|guild| !self.guilds[&guild].has_bot) {
            return Err("the bot is not in that guild".to_owned());
        }
        if place.kind == Kind::Forum {
            return Err("a forum takes no commands, its posts do".to_owned());
        }
        self.permissions_of(user.id, place)
            .map(|_| ())
            .ok_or_else(|| "they are not in that channel".to_owned())
    }
}
