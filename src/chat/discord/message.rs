//! Sends a card as an embed, replies to it and edits it; creates posts in a forum.

use super::refusal::{self, Refusal};
use super::rest::Answer;
use super::{Address, Discord};
use crate::notify::platform::{Edit, Form, Outgoing, Sent, Volume};
use crate::notify::retry::SendError;
use crate::render::blocks::cut;
use crate::render::card::{Action, Card};
use crate::render::discord::{CONTENT, embed, plain};
use serde_json::{Value, json};
use serenity::all::{
    ButtonStyle, ChannelId, CreateActionRow, CreateAllowedMentions, CreateButton, CreateEmbed,
    CreateEmbedFooter, CreateMessage, EditMessage, MessageFlags, MessageId, MessageReference,
    Nonce, RoleId, UserId,
};
use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

/// Separates the command from the delivery's id in the id of a message's buttons.
pub(super) const KEY_MARK: char = '#';
/// The most characters in the title of a forum post.
const POST_TITLE: usize = 100;
/// The most direct-message channels remembered. Beyond that all are forgotten; each is then
/// requested again by one call.
const CONVERSATIONS: usize = 4096;

impl Discord {
    pub(super) async fn deliver(&self, message: &Outgoing) -> Result<Sent, SendError> {
        if let Some(tried_at) = message.in_doubt
            && let Some(found) = self.find(message, tried_at).await
        {
            return Ok(Sent { message: found, rest_ms: 0 });
        }
        let answered = message.answers.as_deref().and_then(parse_message);
        match Address::read(&message.chat.address)? {
            Address::Channel(channel) => {
                self.say(channel, message, answered.map(|(_, id)| id)).await
            }
            Address::Person(person) => {
                let channel = self.conversation(person).await?;
                self.say(channel, message, answered.map(|(_, id)| id)).await
            }
            Address::Forum(forum) => match answered {
                Some((Some(post), first)) => match self.say(post, message, Some(first)).await {
                    // The post was deleted or locked; the forum still exists.
                    Err(SendError::ChatUnreachable { .. }) => self.post(forum, message).await,
                    other => other,
                },
                _ => self.post(forum, message).await,
            },
        }
    }

    /// Sends a message to a channel or thread.
    async fn say(
        &self,
        channel: u64,
        message: &Outgoing,
        answers: Option<u64>,
    ) -> Result<Sent, SendError> {
        let path = format!("/channels/{channel}/messages");
        let body = |answers| written(&create(message, channel, answers));
        let mut sent = self.rest.post(&path, &body(answers)).await;
        // The message that it replies to was deleted or may not be read: it is sent without the
        // reference.
        if answers.is_some() && sent.as_ref().is_err_and(|refusal| refusal.is_about_the_answered) {
            sent = self.rest.post(&path, &body(None)).await;
        }
        match sent {
            Ok(answer) => arrived(&answer, channel, message),
            Err(refusal) => Err(self.explained(refusal, channel).await),
        }
    }

    /// Creates a post in a forum. Its thread has the id of its first message.
    async fn post(&self, forum: u64, message: &Outgoing) -> Result<Sent, SendError> {
        let title = cut(&message.card.title.to_string(), POST_TITLE);
        let mut first = written(&create(message, forum, None));
        // A forum post does not accept a nonce.
        if let Some(first) = first.as_object_mut() {
            first.remove("nonce");
            first.remove("enforce_nonce");
        }
        let body = json!({ "name": title, "message": first });
        match self.rest.post(&format!("/channels/{forum}/threads"), &body).await {
            Ok(answer) => arrived(&answer, forum, message),
            Err(refusal) => Err(self.explained(refusal, forum).await),
        }
    }

    pub(super) async fn revise(&self, edit: &Edit) -> Result<(), SendError> {
        let (thread, id) = parse_message(&edit.message).ok_or(SendError::MessageGone)?;
        let channel = match (thread, Address::read(&edit.chat.address)?) {
            (Some(thread), _) => thread,
            (None, Address::Channel(channel) | Address::Forum(channel)) => channel,
            (None, Address::Person(person)) => self.conversation(person).await?,
        };
        let message = EditMessage::new()
            .embed(embedded(&edit.card))
            .components(buttons(&edit.card.actions, None))
            .allowed_mentions(CreateAllowedMentions::new());
        let body = serde_json::to_value(&message).unwrap_or(Value::Null);
        match self.rest.patch(&format!("/channels/{channel}/messages/{id}"), &body).await {
            Ok(_) => Ok(()),
            Err(refusal) => Err(refusal.of_edit()),
        }
    }

    /// Returns the direct-message channel of a person.
    pub(super) async fn conversation(&self, person: u64) -> Result<u64, SendError> {
        if let Some(known) = self.conversations().get(&person) {
            return Ok(*known);
        }
        let body = json!({ "recipient_id": person.to_string() });
        let answer =
            self.rest.post("/users/@me/channels", &body).await.map_err(|refusal| refusal.error)?;
        let channel = snowflake(&answer.body, "id");
        let channel =
            channel.ok_or_else(|| SendError::later("Discord named no channel for this person"))?;
        remember(&mut self.conversations(), person, channel);
        Ok(channel)
    }

    fn conversations(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces a refusal for missing permissions by an error that names them.
    async fn explained(&self, refusal: Refusal, channel: u64) -> SendError {
        match refusal.code {
            Some(refusal::MISSING_PERMISSIONS | refusal::MISSING_ACCESS) => {
                match self.lacks(channel).await {
                    Ok((lacks, name)) if !lacks.is_empty() => SendError::ChatUnreachable {
                        why: format!("I lack {} in {name}", crate::render::words::listed(&lacks)),
                    },
                    _ => refusal.error,
                }
            }
            _ => refusal.error,
        }
    }
}

/// Builds the message to create.
fn create(message: &Outgoing, channel: u64, answers: Option<u64>) -> CreateMessage {
    let mut create = CreateMessage::new();
    let mention = message.mention.as_deref().unwrap_or_default();
    create = match message.form {
        Form::Rich => create.embed(embedded(&message.card)).content(mention),
        Form::Plain => {
            create.content(cut(&format!("{mention}\n{}", plain(&message.card)), CONTENT))
        }
    };
    create = create
        .allowed_mentions(allowed(mention))
        .components(buttons(&message.card.actions, Some(message.key)))
        .nonce(Nonce::String(message.key.to_string()))
        .enforce_nonce(true);
    if message.volume == Volume::Silent {
        create = create.flags(MessageFlags::SUPPRESS_NOTIFICATIONS);
    }
    if let Some(answers) = answers {
        let reference = MessageReference::from((ChannelId::new(channel), MessageId::new(answers)));
        create = create.reference_message(reference.fail_if_not_exists(false));
    }
    create
}

fn written(create: &CreateMessage) -> Value {
    serde_json::to_value(create).unwrap_or(Value::Null)
}

pub(super) fn embedded(card: &Card) -> CreateEmbed {
    let said = embed(card);
    let mut made =
        CreateEmbed::new().title(said.title).description(said.description).colour(said.colour);
    for (name, value) in said.fields {
        made = made.field(name, value, false);
    }
    if !said.footer.is_empty() {
        made = made.footer(CreateEmbedFooter::new(said.footer));
    }
    made
}

/// Builds a row of buttons. Each carries its command; with `key`, also the delivery's id, by which
/// the message can be found again.
pub(super) fn buttons(actions: &[Action], key: Option<i64>) -> Vec<CreateActionRow> {
    let button = |action: &Action| {
        let id = key.map_or_else(|| action.command.clone(), |key| marked(action, key));
        CreateButton::new(id).label(cut(&action.label, 80)).style(ButtonStyle::Secondary)
    };
    let row: Vec<CreateButton> = actions.iter().take(5).map(button).collect();
    if row.is_empty() { Vec::new() } else { vec![CreateActionRow::Buttons(row)] }
}

/// Returns the id of a button of that delivery.
pub(super) fn marked(action: &Action, key: i64) -> String {
    format!("{}{KEY_MARK}{key}", action.command)
}

/// Allows only the role or person that the subscription names to be mentioned.
fn allowed(mention: &str) -> CreateAllowedMentions {
    let id = mention
        .trim_start_matches("<@")
        .trim_start_matches('&')
        .trim_end_matches('>')
        .parse::<u64>();
    match id {
        Ok(id) if id > 0 && mention.starts_with("<@&") => {
            CreateAllowedMentions::new().roles([RoleId::new(id)])
        }
        Ok(id) if id > 0 => CreateAllowedMentions::new().users([UserId::new(id)]),
        _ => CreateAllowedMentions::new(),
    }
}

fn arrived(answer: &Answer, channel: u64, message: &Outgoing) -> Result<Sent, SendError> {
    let id = snowflake(&answer.body, "id")
        .ok_or_else(|| SendError::in_doubt("Discord named no message"))?;
    // A message in a forum is stored with its thread. A new post and its first message share an id.
    let is_post = matches!(Address::read(&message.chat.address), Ok(Address::Forum(forum)) if forum == channel);
    let in_post = matches!(Address::read(&message.chat.address), Ok(Address::Forum(forum)) if forum != channel);
    let told = match (is_post, in_post) {
        (true, _) => format!("{id}/{id}"),
        (_, true) => format!("{channel}/{id}"),
        _ => id.to_string(),
    };
    Ok(Sent { message: told, rest_ms: answer.rest_ms })
}

/// Parses `123`, or `45/123` for a message in the forum post 45.
fn parse_message(text: &str) -> Option<(Option<u64>, u64)> {
    let (thread, id) = text.split_once('/').map_or((None, text), |(thread, id)| (Some(thread), id));
    let thread = thread.map(str::parse).transpose().ok()?;
    Some((thread, id.parse().ok().filter(|id| *id > 0)?))
}

pub(super) fn snowflake(body: &Value, key: &str) -> Option<u64> {
    body.get(key)?.as_str()?.parse().ok().filter(|id| *id > 0)
}

/// Remembers the direct-message channel of a person.
fn remember(conversations: &mut HashMap<u64, u64>, person: u64, channel: u64) {
    if conversations.len() >= CONVERSATIONS {
        conversations.clear();
    }
    conversations.insert(person, channel);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_people_are_written_to_few_channels_are_remembered() {
        let mut conversations = HashMap::new();
        for person in 0..=3 * CONVERSATIONS as u64 {
            remember(&mut conversations, person, person + 1);
            assert!(conversations.len() <= CONVERSATIONS);
            assert_eq!(conversations.get(&person), Some(&(person + 1)));
        }
    }
}
