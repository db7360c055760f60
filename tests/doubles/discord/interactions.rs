//! What people do with the bot: commands, completions, buttons; and what they get for it.

use super::messages::Message;
use super::places::User;
use super::seen;
use super::world::{Unchecked, World};
use super::{DiscordDouble, options};
use serde_json::Value;
use std::time::Duration;

/// In real time, as are the next two.
pub(super) const DEADLINE: Duration = Duration::from_secs(3);
const DEFERRED: Duration = Duration::from_secs(15);
/// How long the bot may take to be there at all.
const START: Duration = Duration::from_secs(5);

/// What a person got.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The message: a new one, or the one with the button.
    pub id: u64,
    /// Content and embeds as one reads them.
    pub text: String,
    pub content: String,
    pub embeds: Vec<Value>,
    pub components: Value,
    pub ephemeral: bool,
    pub deferred: bool,
    /// Those that had come by then.
    pub followups: Vec<Message>,
    /// Until the answer stood, in real time.
    pub took: Duration,
}

impl Answer {
    /// The buttons, in order: label and `custom_id` (or the address that it opens).
    pub fn buttons(&self) -> Vec<(String, String)> {
        seen::buttons(&self.components)
    }
}

impl DiscordDouble {
    /// Somebody uses a command: `subscribe`, or `watch add` for one below another. Options by their names.
    ///
    /// # Panics
    ///
    /// Where [`DiscordDouble::try_slash`] is an error.
    pub async fn slash(&self, user: &User, channel: u64, command: &str, options: Value) -> Answer {
        let answer = self.try_slash(user, channel, command, options).await;
        answer.unwrap_or_else(|why| panic!("/{command} by {}: {why}", user.name))
    }

    /// Fails where Discord's client would not let one do so, and where the bot does not answer in time.
    pub async fn try_slash(
        &self,
        user: &User,
        channel: u64,
        command: &str,
        options: Value,
    ) -> Result<Answer, String> {
        self.is_there(true).await?;
        let id = self.inner.change(|world| {
            let data = options::command(world, user, channel, command, &options)?;
            world.asks(2, user, channel, command, &data, None)
        })?;
        self.answer(id).await
    }

    /// What is offered for `typed` in an option: names and values.
    ///
    /// # Panics
    ///
    /// When the option has no completion, or the bot does not answer in time.
    pub async fn completes(
        &self,
        user: &User,
        channel: u64,
        command: &str,
        option: &str,
        typed: &str,
    ) -> Vec<(String, String)> {
        let asked = async {
            self.is_there(true).await?;
            let id = self.inner.change(|world| {
                let data = options::completion(world, user, channel, command, option, typed)?;
                world.asks(4, user, channel, command, &data, None)
            })?;
            self.first(id).await?;
            let world = self.inner.lock();
            Ok::<_, String>(world.asking(id).choices.clone())
        };
        let choices =
            asked.await.unwrap_or_else(|why| panic!("completion of {option} of /{command}: {why}"));
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        choices.iter().map(|choice| (text(&choice["name"]), text(&choice["value"]))).collect()
    }

    /// Somebody presses a button of a message.
    ///
    /// # Panics
    ///
    /// Where [`DiscordDouble::try_clicks`] is an error.
    pub async fn clicks(&self, user: &User, channel: u64, message: u64, custom_id: &str) -> Answer {
        let answer = self.try_clicks(user, channel, message, custom_id, &[]).await;
        answer.unwrap_or_else(|why| panic!("{} on {custom_id}: {why}", user.name))
    }

    /// Somebody chooses in a list of a message.
    ///
    /// # Panics
    ///
    /// Where [`DiscordDouble::try_clicks`] is an error.
    pub async fn chooses(
        &self,
        user: &User,
        channel: u64,
        message: u64,
        custom_id: &str,
        values: &[&str],
    ) -> Answer {
        let answer = self.try_clicks(user, channel, message, custom_id, values).await;
        answer.unwrap_or_else(|why| panic!("{} in {custom_id}: {why}", user.name))
    }

    /// Fails where there is no such component, and where the bot does not answer in time. No values are a button's.
    pub async fn try_clicks(
        &self,
        user: &User,
        channel: u64,
        message: u64,
        custom_id: &str,
        values: &[&str],
    ) -> Result<Answer, String> {
        self.is_there(false).await?;
        let id = self.inner.change(|world| {
            let data = options::component(world, user, channel, message, custom_id, values)?;
            world.asks(3, user, channel, "", &data, Some(message))
        })?;
        self.answer(id).await
    }

    /// How long the bot has for its first answer, instead of three seconds: for stories of a bot that does not answer.
    pub fn deadline(&self, deadline: Duration) {
        self.inner.change(|world| world.deadline = deadline);
    }

    /// From now on a channel option may name any channel.
    pub fn passes_on(&self, unchecked: Unchecked) {
        self.inner.change(|world| world.unchecked = unchecked);
    }

    /// Somebody uses a command, and nobody waits for an answer.
    pub async fn puts(&self, user: &User, channel: u64, command: &str, options: &Value) {
        self.is_there(true).await.unwrap();
        let put = self.inner.change(|world| {
            let data = options::command(world, user, channel, command, options)?;
            world.asks(2, user, channel, command, &data, None)
        });
        put.unwrap();
    }

    /// How many of the commands so far were answered in any way, and how many of those were put off.
    pub fn answered(&self) -> (usize, usize) {
        let world = self.inner.lock();
        let of = |wanted: &dyn Fn(u64) -> bool| {
            world.asking.iter().filter(|asking| asking.answer.is_some_and(wanted)).count()
        };
        (of(&|_| true), of(&|kind| kind == 5))
    }

    async fn is_there(&self, with_commands: bool) -> Result<(), String> {
        let is_so =
            |world: &World| world.sessions.is_open() && (world.registrations > 0 || !with_commands);
        if self.inner.until(START, is_so).await {
            Ok(())
        } else {
            Err("the bot is not connected to the gateway, or has registered no commands".to_owned())
        }
    }

    /// Waits for the first answer.
    async fn first(&self, id: u64) -> Result<(), String> {
        let is_answered = |world: &World| world.asking(id).answer.is_some();
        let deadline = self.inner.lock().deadline;
        if self.inner.until(deadline, is_answered).await {
            return Ok(());
        }
        self.inner.change(|world| {
            let asking = world.asking_mut(id);
            if asking.answer.is_some() {
                return Ok(());
            }
            asking.expired = true;
            let refused = asking.refused.join("; ");
            let why =
                if refused.is_empty() { refused } else { format!("; refused was: {refused}") };
            Err(format!("the application did not respond in {deadline:?}{why}"))
        })
    }

    async fn answer(&self, id: u64) -> Result<Answer, String> {
        self.first(id).await?;
        let is_seen = |world: &World| world.asking(id).took.is_some();
        if !self.inner.until(DEFERRED, is_seen).await {
            return Err("the answer was put off, and did not come in 15 s".to_owned());
        }
        let world = self.inner.lock();
        let asking = world.asking(id);
        let channel = &world.channels[&asking.channel];
        let find = |id: &u64| channel.messages.iter().find(|message| message.id == *id).cloned();
        let message = asking.message.as_ref().and_then(find).ok_or("the answer is gone")?;
        Ok(Answer {
            id: message.id,
            text: message.text(),
            content: message.content,
            embeds: message.embeds,
            components: message.components,
            ephemeral: message.only_for.is_some(),
            deferred: matches!(asking.answer, Some(5 | 6)),
            followups: asking.followups.iter().filter_map(find).collect(),
            took: asking.took.unwrap_or_default(),
        })
    }
}
