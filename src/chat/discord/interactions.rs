//! Slash commands, taps on buttons, completions: who asks, what, and the answer, which that person alone sees.

use super::message::{KEY_MARK, buttons, embedded};
use super::permissions::missing;
use super::{Discord, PLATFORM, gateway};
use crate::chat::lines::Lines;
use crate::command::{Asker, CHANGING, Desk, Rank};
use crate::render::Card;
use crate::render::blocks::cut;
use crate::render::discord::embed;
use serenity::all::{
    AutocompleteChoice, ChannelType, CommandInteraction, ComponentInteraction, CreateAllowedMentions,
    CreateAutocompleteResponse, CreateInteractionResponse, CreateInteractionResponseFollowup,
    CreateInteractionResponseMessage, EditInteractionResponse, Interaction, PartialChannel, Permissions,
    ResolvedOption, ResolvedValue,
};
use serenity::http::Http;
use std::sync::Arc;

/// All embeds of one message together.
const TOTAL: usize = 6000;
/// Embeds in one message.
const EMBEDS: usize = 10;
/// Answers of many parts end after so many messages.
const MESSAGES: usize = 5;

/// Takes what somebody did.
pub(super) async fn take(discord: &Arc<Discord>, desk: &Desk, lines: &Lines, interaction: Interaction) {
    match interaction {
        Interaction::Command(asked) => command(discord, desk, lines, asked).await,
        Interaction::Component(tapped) => tap(discord, desk, lines, tapped).await,
        Interaction::Autocomplete(asked) => complete(discord, desk, &asked).await,
        _ => {}
    }
}

/// Discord wants an answer within three seconds, and shows who waits that it is coming.
fn at_once() -> CreateInteractionResponse {
    CreateInteractionResponse::Defer(CreateInteractionResponseMessage::new().ephemeral(true))
}

async fn command(discord: &Arc<Discord>, desk: &Desk, lines: &Lines, asked: CommandInteraction) {
    if let Err(error) = asked.create_response(&*discord.http, at_once()).await {
        tracing::warn!("Discord: a command could not be taken: {}", gateway::words(&error));
        return;
    }
    let (discord, desk) = (Arc::clone(discord), desk.clone());
    let token = asked.token.clone();
    let http = Arc::clone(&discord.http);
    let taken = lines.stand(&asked.channel_id.to_string(), async move {
        let asker = asker(&discord, &asked).await;
        let line = line(&asked);
        let cards = desk.reply(&line, &asker).await;
        answer(&discord.http, &asked.token, &cards).await;
    });
    if !taken {
        answer(&http, &token, &[too_many()]).await;
    }
}

async fn tap(discord: &Arc<Discord>, desk: &Desk, lines: &Lines, tapped: ComponentInteraction) {
    if let Err(error) = tapped.create_response(&*discord.http, at_once()).await {
        tracing::warn!("Discord: a tap could not be taken: {}", gateway::words(&error));
        return;
    }
    let (discord, desk) = (Arc::clone(discord), desk.clone());
    let (http, token) = (Arc::clone(&discord.http), tapped.token.clone());
    let taken = lines.stand(&tapped.channel_id.to_string(), async move {
        let line = tapped.data.custom_id.split(KEY_MARK).next().unwrap_or_default().to_owned();
        let has = tapped.member.as_ref().and_then(|member| member.permissions);
        let place = Place {
            channel: tapped.channel.as_ref(),
            id: tapped.channel_id.get(),
            guild: tapped.guild_id.map(serenity::all::GuildId::get),
            bot_has: tapped.app_permissions,
        };
        let asker = place.asker(tapped.user.id.get(), has, tapped.id.to_string());
        let mut cards = desk.reply(&line, &asker).await;
        if line.starts_with("outage") && cards.len() > 1 {
            // The newest change alone: it has the evidence as it is now.
            cards.drain(..cards.len() - 1);
        }
        answer(&discord.http, &tapped.token, &cards).await;
    });
    if !taken {
        answer(&http, &token, &[too_many()]).await;
    }
}

async fn complete(discord: &Arc<Discord>, desk: &Desk, asked: &CommandInteraction) {
    let Some(option) = asked.data.autocomplete() else { return };
    let found = match option.name {
        "zone" => Desk::complete_zone(option.value),
        _ => desk.complete_what(option.value),
    };
    let choices = found.into_iter().map(|(shown, typed)| AutocompleteChoice::new(shown, typed)).collect();
    let response = CreateInteractionResponse::Autocomplete(CreateAutocompleteResponse::new().set_choices(choices));
    if let Err(error) = asked.create_response(&*discord.http, response).await {
        // Whoever typed on has asked again.
        tracing::debug!("Discord: a completion came too late: {}", gateway::words(&error));
    }
}

fn too_many() -> Card {
    Card::titled("Too many commands here at once: this one was left out. Try again in a moment.")
}

/// Where something was asked.
struct Place<'a> {
    channel: Option<&'a PartialChannel>,
    id: u64,
    guild: Option<u64>,
    /// What the bot may do there.
    bot_has: Option<Permissions>,
}

impl Place<'_> {
    fn asker(&self, person: u64, has: Option<Permissions>, request: String) -> Asker {
        let manages = has.is_some_and(|has| has.intersects(Permissions::MANAGE_GUILD | Permissions::ADMINISTRATOR));
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

async fn asker(discord: &Discord, asked: &CommandInteraction) -> Asker {
    let place = Place {
        channel: asked.channel.as_ref(),
        id: asked.channel_id.get(),
        guild: asked.guild_id.map(serenity::all::GuildId::get),
        bot_has: asked.app_permissions,
    };
    let has = asked.member.as_ref().and_then(|member| member.permissions);
    let mut asker = place.asker(asked.user.id.get(), has, asked.id.to_string());
    // A command may speak of another channel than the one in which it is typed.
    let target = asked.data.options().into_iter().find_map(|option| match option.value {
        ResolvedValue::Channel(channel) => Some(channel.clone()),
        _ => None,
    });
    if let Some(target) = target {
        let id = target.id.get();
        asker.address = if target.kind == ChannelType::Forum { format!("forum:{id}") } else { id.to_string() };
        asker.place = target.name.clone().map_or_else(|| format!("<#{id}>"), |name| format!("#{name}"));
        if CHANGING.contains(&asked.data.name.as_str()) {
            asker.lacks = discord.lacks_at(&asker.address).await;
        }
    }
    asker
}

/// The command as a line: what stands there first, then the options by their names.
fn line(asked: &CommandInteraction) -> String {
    let (mut first, mut rest) = (String::new(), String::new());
    for ResolvedOption { name, value, .. } in asked.data.options() {
        let said = match value {
            ResolvedValue::String(text) => text.to_owned(),
            ResolvedValue::Integer(number) => number.to_string(),
            ResolvedValue::Boolean(true) => "yes".to_owned(),
            // The role that everyone has bears the server's number.
            ResolvedValue::Role(role) if asked.guild_id.is_some_and(|guild| guild.get() == role.id.get()) => {
                "@everyone".to_owned()
            }
            ResolvedValue::Role(role) => format!("<@&{}>", role.id),
            ResolvedValue::User(user, _) => format!("<@{}>", user.id),
            _ => continue,
        };
        match name {
            "what" | "id" | "command" | "sure" => first = said,
            "for" => rest.extend([" for ", &said]),
            "when" => rest.extend([" ", &said]),
            _ => rest.extend([" ", name, ": ", &said]),
        }
    }
    format!("{} {first}{rest}", asked.data.name)
}

/// Says the cards to the one who asked: as many to a message as it holds.
async fn answer(http: &Http, token: &str, cards: &[Card]) {
    let mut messages: Vec<Vec<&Card>> = Vec::new();
    let mut room = 0;
    for card in cards {
        let needs = embed(card).length();
        if let Some(last) = messages.last_mut().filter(|last| last.len() < EMBEDS && needs <= room) {
            last.push(card);
        } else {
            messages.push(vec![card]);
            room = TOTAL;
        }
        room = room.saturating_sub(needs);
    }
    for (at, message) in messages.iter().take(MESSAGES).enumerate() {
        let embeds = message.iter().map(|card| embedded(card)).collect();
        // The newest card's buttons: the same command twice in a message would be refused.
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
                reply = reply.content(cut(&format!("{left} more messages would not be read here."), 200));
            }
            http.create_followup_message(token, &reply, Vec::new()).await.map(drop)
        };
        if let Err(error) = said {
            tracing::warn!("Discord: an answer was not taken: {}", gateway::words(&error));
            return;
        }
    }
}
