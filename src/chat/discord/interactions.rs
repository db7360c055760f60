//! Slash commands, taps on buttons and completions: finds the asker and the command, and sends the
//! answer, which only that person sees.

use super::message::{KEY_MARK, buttons, embedded};
use super::permissions::missing;
use super::target::Named;
use super::{Discord, PLATFORM, error_text};
use crate::chat::flood::{Admission, Flood};
use crate::chat::queues::ChatQueues;
use crate::command::{self, AppContext, Asker, CHANGING, Rank};
use crate::render::Card;
use crate::render::blocks::cut;
use crate::render::discord::embed;
use serenity::all::{
    AutocompleteChoice, ChannelType, CommandInteraction, ComponentInteraction,
    CreateAllowedMentions, CreateAutocompleteResponse, CreateInteractionResponse,
    CreateInteractionResponseFollowup, CreateInteractionResponseMessage, EditInteractionResponse,
    Interaction, PartialChannel, Permissions, ResolvedOption, ResolvedValue, Unresolved,
};
use serenity::http::Http;
use std::sync::Arc;

/// The most characters in all embeds of one message.
const TOTAL: usize = 6000;
/// The most embeds in one message.
const EMBEDS: usize = 10;
/// The most messages of one answer.
const MESSAGES: usize = 5;

/// The notice to a person who asks too much, sent once a minute.
const SLOW_DOWN: &str = "Too many commands at once: the next ones get no answer for a moment.";

/// The limits on answers.
pub(super) struct Bounded {
    /// Answers one chat's commands one after the other.
    pub lines: ChatQueues,
    /// Limits commands and taps.
    pub flood: Flood,
    /// Limits completions, of which each key press requests one.
    pub keys: Flood,
}

/// Handles an interaction.
pub(super) async fn take(
    discord: &Arc<Discord>,
    context: &AppContext,
    bounded: &Bounded,
    interaction: Interaction,
) {
    match interaction {
        Interaction::Command(asked) => {
            let (person, channel) = (asked.user.id.to_string(), asked.channel_id.to_string());
            let admission = bounded.flood.admit(Some(&person), &channel);
            if let Some(first) = first_answer(admission) {
                let taken = asked.create_response(&*discord.http, first).await;
                if is_taken(&taken) && admission == Admission::Answer {
                    command(discord, context, bounded, asked).await;
                }
            }
        }
        Interaction::Component(tapped) => {
            let (person, channel) = (tapped.user.id.to_string(), tapped.channel_id.to_string());
            let admission = bounded.flood.admit(Some(&person), &channel);
            if let Some(first) = first_answer(admission) {
                let taken = tapped.create_response(&*discord.http, first).await;
                if is_taken(&taken) && admission == Admission::Answer {
                    tap(discord, context, bounded, tapped).await;
                }
            }
        }
        Interaction::Autocomplete(asked) => {
            let (person, channel) = (asked.user.id.to_string(), asked.channel_id.to_string());
            if bounded.keys.admit(Some(&person), &channel) == Admission::Answer {
                complete(discord, context, &asked).await;
            }
        }
        _ => {}
    }
}

/// Returns the first response, which Discord wants within three seconds and shows as a sign that
/// the answer is coming. A person who asks too much gets one notice, and then no response.
fn first_answer(admission: Admission) -> Option<CreateInteractionResponse> {
    let message = CreateInteractionResponseMessage::new().ephemeral(true);
    match admission {
        Admission::Answer => Some(CreateInteractionResponse::Defer(message)),
        Admission::SlowDown => Some(CreateInteractionResponse::Message(message.content(SLOW_DOWN))),
        Admission::Silence => None,
    }
}

fn is_taken(taken: &Result<(), serenity::Error>) -> bool {
    if let Err(error) = taken {
        tracing::warn!("Discord: a command could not be taken: {}", error_text::words(error));
    }
    taken.is_ok()
}

async fn command(
    discord: &Arc<Discord>,
    context: &AppContext,
    bounded: &Bounded,
    asked: CommandInteraction,
) {
    let (discord, context) = (Arc::clone(discord), context.clone());
    let (http, token) = (Arc::clone(&discord.http), asked.token.clone());
    let taken = bounded.lines.enqueue(&asked.channel_id.to_string(), async move {
        let cards = match asker(&discord, &context, &asked).await {
            Ok(asker) => context.reply(&line(&asked), &asker).await,
            Err(refused) => vec![refused],
        };
        answer(&discord.http, &asked.token, &cards).await;
    });
    if !taken {
        bounded.flood.left_out();
        answer(&http, &token, &[Card::titled(SLOW_DOWN)]).await;
    }
}

async fn tap(
    discord: &Arc<Discord>,
    context: &AppContext,
    bounded: &Bounded,
    tapped: ComponentInteraction,
) {
    let (discord, context) = (Arc::clone(discord), context.clone());
    let (http, token) = (Arc::clone(&discord.http), tapped.token.clone());
    let taken = bounded.lines.enqueue(&tapped.channel_id.to_string(), async move {
        let line = tapped.data.custom_id.split(KEY_MARK).next().unwrap_or_default().to_owned();
        let has = tapped.member.as_ref().and_then(|member| member.permissions);
        let place = Place {
            channel: tapped.channel.as_ref(),
            id: tapped.channel_id.get(),
            guild: tapped.guild_id.map(serenity::all::GuildId::get),
            bot_has: tapped.app_permissions,
        };
        let asker = place.asker(tapped.user.id.get(), has, tapped.id.to_string());
        let cards = match line.strip_prefix("outage ").and_then(|number| number.parse().ok()) {
            Some(incident) => vec![context.details(incident, &asker).await],
            None => context.reply(&line, &asker).await,
        };
        answer(&discord.http, &tapped.token, &cards).await;
    });
    if !taken {
        bounded.flood.left_out();
        answer(&http, &token, &[Card::titled(SLOW_DOWN)]).await;
    }
}

async fn complete(discord: &Arc<Discord>, context: &AppContext, asked: &CommandInteraction) {
    let Some(option) = asked.data.autocomplete() else { return };
    let asker = place_of(asked).asker(asked.user.id.get(), None, asked.id.to_string());
    let found = context.complete(&asker, &asked.data.name, option.name, option.value).await;
    let choices =
        found.into_iter().map(|(shown, typed)| AutocompleteChoice::new(shown, typed)).collect();
    let response = CreateInteractionResponse::Autocomplete(
        CreateAutocompleteResponse::new().set_choices(choices),
    );
    if let Err(error) = asked.create_response(&*discord.http, response).await {
        // A person who typed on has already requested the next completion.
        tracing::debug!("Discord: a completion came too late: {}", error_text::words(&error));
    }
}

/// The place of an interaction.
struct Place<'a> {
    channel: Option<&'a PartialChannel>,
    id: u64,
    guild: Option<u64>,
    /// The bot's permissions there.
    bot_has: Option<Permissions>,
}

impl Place<'_> {
    fn asker(&self, person: u64, has: Option<Permissions>, request: String) -> Asker {
        let manages = has.is_some_and(|has| {
            has.intersects(Permissions::MANAGE_GUILD | Permissions::ADMINISTRATOR)
        });
        let is_thread = self.channel.is_some_and(|channel| is_thread(channel.kind));
        let is_direct = self.guild.is_none();
        let name = self.channel.and_then(|channel| channel.name.clone()).filter(|_| !is_direct);
        Asker {
            platform: PLATFORM,
            address: if is_direct { format!("@{person}") } else { self.id.to_string() },
            place: name.map_or_else(|| "this conversation".to_owned(), |name| format!("#{name}")),
            home: self.guild.map_or_else(|| format!("@{person}"), |guild| guild.to_string()),
            person: Some(person.to_string()),
            rank: if is_direct || manages { Rank::Admin } else { Rank::Member },
            lacks: match self.bot_has {
                Some(bot_has) if !is_direct => missing(bot_has, is_thread),
                _ => Vec::new(),
            },
            request,
        }
    }
}

fn is_thread(kind: ChannelType) -> bool {
    matches!(kind, ChannelType::NewsThread | ChannelType::PublicThread | ChannelType::PrivateThread)
}

fn place_of(asked: &CommandInteraction) -> Place<'_> {
    Place {
        channel: asked.channel.as_ref(),
        id: asked.channel_id.get(),
        guild: asked.guild_id.map(serenity::all::GuildId::get),
        bot_has: asked.app_permissions,
    }
}

/// Returns the asker, with the place that the command concerns, or the answer if the command names
/// a place of another server.
async fn asker(
    discord: &Discord,
    context: &AppContext,
    asked: &CommandInteraction,
) -> Result<Asker, Card> {
    let has = asked.member.as_ref().and_then(|member| member.permissions);
    let mut asker = place_of(asked).asker(asked.user.id.get(), has, asked.id.to_string());
    // A command may name another channel than the one in which it is typed.
    let named = asked.data.options().into_iter().find_map(|option| match option.value {
        ResolvedValue::Channel(channel) => Some((channel.id.get(), Some(channel.clone()))),
        ResolvedValue::Unresolved(Unresolved::Channel(id)) => Some((id.get(), None)),
        _ => None,
    });
    let Some((id, resolved)) = named.filter(|(id, _)| *id != asked.channel_id.get()) else {
        return Ok(asker);
    };
    let word = asked.data.name.as_str();
    let Some(guild) = asked.guild_id else {
        return Err(Card::titled("A channel can be named only in its own server."));
    };
    asker.address = match discord.named(context, id, guild.get()).await {
        Named::Here(address) => address,
        // The person sees the channel and the bot does not: the missing permission is reported
        // below.
        Named::Hidden if resolved.is_some() && matches!(word, "subscribe" | "test") => {
            id.to_string()
        }
        Named::Hidden | Named::Elsewhere => {
            return Err(Card::titled(
                "That is not a channel of this server that I can see: name one of this server.",
            ));
        }
        Named::Unknown => {
            return Err(Card::titled(
                "Discord did not say where that channel is: try again in a moment.",
            ));
        }
    };
    let name = resolved.and_then(|channel| channel.name);
    asker.place = name.map_or_else(|| format!("<#{id}>"), |name| format!("#{name}"));
    if CHANGING.contains(&word) {
        asker.lacks = discord.lacks_at(&asker.address).await;
    }
    Ok(asker)
}

/// Writes the command as a typed line: the options by place first, then those by name.
fn line(asked: &CommandInteraction) -> String {
    let mut given: Vec<(&str, String)> = Vec::new();
    for ResolvedOption { name, value, .. } in asked.data.options() {
        let said = match value {
            ResolvedValue::String(text) => text.to_owned(),
            ResolvedValue::Integer(number) => number.to_string(),
            ResolvedValue::Boolean(true) => "yes".to_owned(),
            // The role of everyone has the server's id.
            ResolvedValue::Role(role)
                if asked.guild_id.is_some_and(|guild| guild.get() == role.id.get()) =>
            {
                "@everyone".to_owned()
            }
            ResolvedValue::Role(role) => format!("<@&{}>", role.id),
            ResolvedValue::User(user, _) => format!("<@{}>", user.id),
            _ => continue,
        };
        given.push((name, said));
    }
    let given: Vec<(&str, &str)> =
        given.iter().map(|(name, said)| (*name, said.as_str())).collect();
    command::line(&asked.data.name, &given)
}

/// Sends the cards to the asker, as many in a message as fit.
async fn answer(http: &Http, token: &str, cards: &[Card]) {
    let mut messages: Vec<Vec<&Card>> = Vec::new();
    let mut room = 0;
    for card in cards {
        let needs = embed(card).length();
        if let Some(last) = messages.last_mut().filter(|last| last.len() < EMBEDS && needs <= room)
        {
            last.push(card);
        } else {
            messages.push(vec![card]);
            room = TOTAL;
        }
        room = room.saturating_sub(needs);
    }
    for (at, message) in messages.iter().take(MESSAGES).enumerate() {
        let embeds = message.iter().map(|card| embedded(card)).collect();
        // Only the last card's buttons: Discord refuses the same command twice in a message.
        let keys = message.last().map(|card| card.actions.clone()).unwrap_or_default();
        let said = if at == 0 {
            let reply = EditInteractionResponse::new()
                .embeds(embeds)
                .components(buttons(&keys, None))
                .allowed_mentions(CreateAllowedMentions::new());
            http.edit_original_interaction_response(token, &reply, Vec::new()).await.map(drop)
        } else {
            let left = messages.len().saturating_sub(MESSAGES);
            let mut reply = CreateInteractionResponseFollowup::new()
                .embeds(embeds)
                .ephemeral(true)
                .allowed_mentions(CreateAllowedMentions::new());
            if at + 1 == MESSAGES && left > 0 {
                reply = reply
                    .content(cut(&format!("{left} more messages would not be read here."), 200));
            }
            http.create_followup_message(token, &reply, Vec::new()).await.map(drop)
        };
        if let Err(error) = said {
            tracing::warn!("Discord: an answer was not taken: {}", error_text::words(&error));
            return;
        }
    }
}
