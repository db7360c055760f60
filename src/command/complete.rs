//! Completions for each option of each command, as pairs of (label, value). Both halves are
//! accepted as input.

use super::parse::LONGEST;
use super::{AppContext, Asker, WORDS, parse_in};
use crate::domain::lookup::{display_name, short};
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{Entity, Kinds, Layer, Scope, Seconds, Sensitivity, country, zone};
use crate::render::words::{day_and_time, duration};
use crate::store::{Incident, StoreError};
use chrono_tz::Tz;

/// The most choices that a platform shows.
const AT_MOST: usize = 25;
/// The most characters that Discord allows in either half of a choice.
const LENGTH: usize = 100;

type Choices = Vec<(String, String)>;

impl AppContext {
    /// Returns the completions of a command's option for the text typed so far. Returns none for a
    /// person who may not use the bot, and none that the person may not see.
    pub async fn complete(
        &self,
        asker: &Asker,
        command: &str,
        option: &str,
        typed: &str,
    ) -> Choices {
        if asker.is_admitted(&self.access).is_err() {
            return Vec::new();
        }
        let found = match (command, option) {
            ("unsubscribe", "what") => self.complete_subscribed(asker, typed).await,
            ("unmute", "what") => self.complete_muted(asker, typed).await,
            ("outage", "id") => self.complete_outage(asker, typed).await,
            (_, "what") => self.complete_entity(asker, typed, command != "why").await,
            (_, "when") => self.complete_when(asker, typed).await,
            _ => Ok(Self::complete_word(option, typed)),
        };
        found.unwrap_or_else(|error| {
            tracing::error!(%error, command, option, "a completion could not be read");
            Vec::new()
        })
    }

    /// Completes the options whose values are the same for everybody.
    fn complete_word(option: &str, typed: &str) -> Choices {
        match option {
            "zone" => Self::complete_zone(typed),
            "for" => complete_length(typed),
            "layers" => complete_list(typed, &Layer::ALL.map(Layer::as_str)),
            "kinds" => beginning_with(typed, Kinds::ALL.map(|kinds| plain(kinds.words()))),
            "sensitivity" => beginning_with(
                typed,
                Sensitivity::ALL
                    .map(|word| (format!("{word}: {}", word.meaning()), word.to_string())),
            ),
            "quiet" => beginning_with(
                typed,
                ["22-07", "23-07", "20-08", "00-06", "22:30-06:30"].map(plain),
            ),
            "command" => beginning_with(typed, WORDS.map(plain)),
            "sure" => beginning_with(typed, ["yes"].map(plain)),
            _ => Vec::new(),
        }
    }

    /// Completes countries, configured entities and this chat's own subscriptions.
    async fn complete_entity(
        &self,
        asker: &Asker,
        typed: &str,
        with_all: bool,
    ) -> Result<Choices, StoreError> {
        Ok(self.complete_name(self.sight(asker).await?.own(), typed, with_all))
    }

    /// Returns (label, value) pairs for an option that names entities. Completes the last of
    /// several names.
    pub fn complete_what(&self, typed: &str) -> Choices {
        self.complete_name(&[], typed, true)
    }

    fn complete_name(&self, own: &[Entity], typed: &str, with_all: bool) -> Choices {
        let (before, last) = self.before_last(typed);
        let said = last.trim().to_lowercase();
        let mut found = Found::after(before);
        if with_all && "all".starts_with(&said) && found.before.is_empty() {
            found.push("🌐 all that is watched", "all");
        }
        let configured = self.watchlist.configured().map(|watched| &watched.entity);
        for entity in configured.chain(own).filter(|entity| self.begins(entity, &said)) {
            found.push(&self.shown(entity), &short(entity));
        }
        let by_code = |country: &&country::Country| country.code.as_str().to_lowercase() == said;
        let by_flag = |country: &&country::Country| country.flag() == said;
        let by_name = |country: &&country::Country| {
            country.name.to_lowercase().starts_with(&said)
                || country.aliases.iter().any(|alias| alias.to_lowercase().starts_with(&said))
        };
        let within = |country: &&country::Country| {
            said.len() > 2 && country.name.to_lowercase().contains(&said)
        };
        let all = || country::all().iter();
        let found_by = all()
            .filter(by_code)
            .chain(all().filter(by_flag))
            .chain(all().filter(by_name))
            .chain(all().filter(within));
        for country in found_by {
            found.push(
                &format!("{} {} ({})", country.flag(), country.name, country.code),
                country.code.as_str(),
            );
        }
        found.choices()
    }

    /// Completes this chat's subscriptions, and `everything`.
    async fn complete_subscribed(&self, asker: &Asker, typed: &str) -> Result<Choices, StoreError> {
        let (platform, address) = (asker.platform, asker.address.clone());
        let scopes = self
            .store
            .read(move |db| {
                let Some(place) = db.chats().at(platform, &address)? else { return Ok(Vec::new()) };
                Ok(db
                    .subscriptions()
                    .of_chat(place.chat.id)?
                    .into_iter()
                    .map(|wish| wish.scope)
                    .collect())
            })
            .await?;
        Ok(self.complete_scopes(&scopes, typed, ("everything", "everything")))
    }

    /// Completes the entities muted in this chat, and `everything`.
    async fn complete_muted(&self, asker: &Asker, typed: &str) -> Result<Choices, StoreError> {
        let (platform, address, now) = (asker.platform, asker.address.clone(), self.clock.now());
        let scopes = self
            .store
            .read(move |db| {
                let Some(place) = db.chats().at(platform, &address)? else { return Ok(Vec::new()) };
                let mutes = db
                    .subscriptions()
                    .mutes(now)?
                    .into_iter()
                    .filter(|mute| mute.chat == place.chat.id);
                Ok(mutes.map(|mute| mute.scope).collect())
            })
            .await?;
        Ok(self.complete_scopes(&scopes, typed, ("everything", "everything")))
    }

    fn complete_scopes(&self, scopes: &[Scope], typed: &str, all: (&str, &str)) -> Choices {
        let (before, last) = self.before_last(typed);
        let said = last.trim().to_lowercase();
        let mut found = Found::after(before);
        for scope in scopes {
            match scope {
                Scope::All if "all".starts_with(&said) && found.before.is_empty() => {
                    found.push("🌐 all that is watched", "all");
                }
                Scope::One(entity) if self.begins(entity, &said) => {
                    found.push(&self.shown(entity), &short(entity));
                }
                _ => {}
            }
        }
        if scopes.len() > 1 && all.1.starts_with(&said) && found.before.is_empty() {
            found.push(all.0, all.1);
        }
        found.choices()
    }

    /// Completes the newest incidents that this reader may see, by number or by name.
    async fn complete_outage(&self, asker: &Asker, typed: &str) -> Result<Choices, StoreError> {
        let said = typed.trim().trim_start_matches('#').to_lowercase();
        let mut choices = Vec::new();
        for incident in self.seen_incidents(asker).await? {
            let name = display_name(&incident.key.entity);
            let since = day_and_time(incident.started_at, Tz::UTC, self.clock.now());
            let shown = format!("Incident {} · {name}, since {since}", incident.id.0);
            let id = incident.id.0.to_string();
            if id.starts_with(&said) || shown.to_lowercase().contains(&said) {
                choices.push((cut(&shown), id));
            }
        }
        choices.truncate(AT_MOST);
        Ok(choices)
    }

    /// Completes moments in words, and the starts of the newest incidents that this reader may see.
    async fn complete_when(&self, asker: &Asker, typed: &str) -> Result<Choices, StoreError> {
        const WORDS: [&str; 9] = [
            "now",
            "30 min ago",
            "1 h ago",
            "2 h ago",
            "today",
            "yesterday",
            "last night",
            "2 days ago",
            "monday",
        ];
        let said = typed.trim().to_lowercase();
        let mut choices = beginning_with(typed, WORDS.map(plain));
        for incident in self.seen_incidents(asker).await? {
            let at = day_and_time(incident.started_at, Tz::UTC, self.clock.now());
            let shown = format!("{at} · {}", display_name(&incident.key.entity));
            if shown.to_lowercase().contains(&said)
                && !choices.iter().any(|(_, known)| *known == at)
            {
                choices.push((cut(&at), at));
            }
        }
        choices.truncate(AT_MOST);
        Ok(choices)
    }

    async fn seen_incidents(&self, asker: &Asker) -> Result<Vec<Incident>, StoreError> {
        /// The most incidents searched. Completions are requested at every letter.
        const LOOKED_THROUGH: usize = 200;
        let sight = self.sight(asker).await?;
        self.store
            .read(move |db| {
                let mut seen = Vec::new();
                for incident in db.incidents().recent(LOOKED_THROUGH)? {
                    if sight.sees_incident(db, &incident)? {
                        seen.push(incident);
                    }
                }
                Ok(seen)
            })
            .await
    }

    /// Completes time zones that contain the typed text, those that begin with it first. An
    /// abbreviation is completed to its zones.
    pub fn complete_zone(typed: &str) -> Choices {
        let said = typed.trim().to_lowercase().replace(' ', "_");
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let named = zone::find(typed, &[]).filter(|_| !said.is_empty());
        let meant = named
            .iter()
            .flat_map(|named| [named.zone].into_iter().chain(named.others.clone()))
            .map(Tz::name);
        let begins = names().filter(|name| name.to_lowercase().starts_with(&said));
        let city = names().filter(|name| {
            name.to_lowercase().split('/').skip(1).any(|part| part.starts_with(&said))
        });
        let mut found = Found::after("");
        meant
            .chain(begins)
            .chain(city)
            .chain(zone::near(typed))
            .for_each(|name| found.push(name, name));
        found.choices()
    }

    /// Splits the text into the complete names and the word or name that is still being typed.
    fn before_last<'a>(&self, typed: &'a str) -> (&'a str, &'a str) {
        let is_complete =
            |before: &str| parse_in(&format!("/status {before}"), &self.watchlist).is_ok();
        match typed.rsplit_once(' ') {
            // A name of several words is completed as one name.
            Some((before, last)) if !self.is_a_beginning(typed) && is_complete(before) => {
                (before.trim(), last)
            }
            _ => ("", typed),
        }
    }

    /// Returns whether the name of a country or of a configured entity begins with the text.
    fn is_a_beginning(&self, typed: &str) -> bool {
        let said = typed.trim_start().to_lowercase();
        let countries = country::all().iter().map(|country| country.name);
        let watched = self.watchlist.configured().filter_map(|watched| watched.name.as_deref());
        countries.chain(watched).any(|name| name.to_lowercase().starts_with(&said))
    }

    fn begins(&self, entity: &Entity, said: &str) -> bool {
        let names = [
            Some(display_name(entity)),
            self.watchlist.name_of(entity).map(str::to_owned),
            Some(short(entity)),
        ];
        let flag = entity.country().and_then(country::by_code).map(country::Country::flag);
        names.into_iter().chain([flag]).flatten().any(|name| name.to_lowercase().starts_with(said))
    }

    /// Returns the label of an entity: `🇰🇵 North Korea (KP)`, `Star JV (AS131279)`, `kcna.kp`.
    fn shown(&self, entity: &Entity) -> String {
        let short = short(entity);
        let name =
            self.watchlist.name_of(entity).map_or_else(|| display_name(entity), str::to_owned);
        let flag = entity.country().and_then(country::by_code);
        let flag = flag.map_or_else(String::new, |country| format!("{} ", country.flag()));
        if name == short { format!("{flag}{name}") } else { format!("{flag}{name} ({short})") }
    }
}

/// Choices that continue the text typed before them.
struct Found {
    before: String,
    choices: Choices,
}

impl Found {
    fn after(before: &str) -> Self {
        let before = if before.is_empty() { String::new() } else { format!("{before} ") };
        Self { before, choices: Vec::new() }
    }

    fn push(&mut self, shown: &str, typed: &str) {
        let typed = format!("{}{typed}", self.before);
        let shown = format!("{}{shown}", self.before);
        // A truncated label would not be accepted as input, so the value replaces it.
        let shown = if shown.chars().count() <= LENGTH { shown } else { typed.clone() };
        if typed.chars().count() <= LENGTH && !self.choices.iter().any(|(_, known)| *known == typed)
        {
            self.choices.push((shown, typed));
        }
    }

    fn choices(mut self) -> Choices {
        self.choices.truncate(AT_MOST);
        self.choices
    }
}

fn plain(word: &str) -> (String, String) {
    (word.to_owned(), word.to_owned())
}

fn beginning_with<const N: usize>(typed: &str, choices: [(String, String); N]) -> Choices {
    let said = typed.trim().to_lowercase();
    choices.into_iter().filter(|(shown, _)| shown.to_lowercase().starts_with(&said)).collect()
}

/// Completes the last entry of a comma-separated list.
fn complete_list(typed: &str, words: &[&str]) -> Choices {
    let (before, last) = match typed.rfind([',', ' ']) {
        Some(at) => (typed[..at].trim().trim_end_matches(','), &typed[at + 1..]),
        None => ("", typed),
    };
    let said = last.trim().to_lowercase();
    let has =
        |word: &str| before.split([',', ' ']).any(|known| known.trim().eq_ignore_ascii_case(word));
    let wanted = words.iter().filter(|word| word.starts_with(&said) && !has(word));
    let joined = wanted.map(|word| {
        if before.is_empty() { (*word).to_owned() } else { format!("{before}, {word}") }
    });
    joined.filter(|list| list.chars().count() <= LENGTH).map(|list| plain(&list)).collect()
}

/// Completes the length of a mute: for a number its minutes, hours and days, otherwise the usual
/// lengths.
fn complete_length(typed: &str) -> Choices {
    const USUAL: [Seconds; 7] = [30 * MINUTE, HOUR, 2 * HOUR, 8 * HOUR, DAY, 3 * DAY, 7 * DAY];
    let said = typed.trim().to_lowercase();
    let number = said
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse::<Seconds>().ok());
    let lengths: Vec<Seconds> = match number {
        None => USUAL.to_vec(),
        Some(number) => {
            [MINUTE, HOUR, DAY].into_iter().filter_map(|unit| number.checked_mul(unit)).collect()
        }
    };
    let lengths = lengths.into_iter().filter(|length| (1..=LONGEST).contains(length)).map(duration);
    let is_it = |shown: &String| number.is_some() || shown.starts_with(&said);
    lengths.filter(is_it).map(|shown| plain(&shown)).collect()
}

fn cut(text: &str) -> String {
    text.chars().take(LENGTH).collect()
}
