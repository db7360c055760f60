//! Who may use the bot: the operator's to say.

use super::explain::Place;
use super::raw;
use toml::Spanned;

/// More in one chat is no watch but a flood.
const DEFAULT_SUBSCRIPTIONS: u32 = 100;
/// The chat's own list must stay readable.
const SUBSCRIPTIONS_AT_MOST: u32 = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub who: Who,
    pub discord_servers: Vec<String>,
    pub telegram_chats: Vec<String>,
    /// `discord:1234`, `telegram:1234`: may use it everywhere.
    pub owners: Vec<String>,
    /// For each chat.
    pub max_subscriptions: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// Everyone who lets it into a chat.
    #[default]
    Everyone,
    /// Only the listed servers and chats, and the owners.
    Listed,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            who: Who::Everyone,
            discord_servers: Vec::new(),
            telegram_chats: Vec::new(),
            owners: Vec::new(),
            max_subscriptions: DEFAULT_SUBSCRIPTIONS,
        }
    }
}

impl Access {
    /// Whether somebody may use it in a chat of that server or group.
    pub fn admits(&self, platform: &str, home: &str, person: Option<&str>) -> bool {
        let listed = match platform {
            "discord" => self.discord_servers.iter().any(|id| id == home),
            "telegram" => self.telegram_chats.iter().any(|id| id == home),
            // Whoever sits at the console is the operator.
            _ => true,
        };
        self.who == Who::Everyone || listed || self.is_owner(platform, person)
    }

    pub fn is_owner(&self, platform: &str, person: Option<&str>) -> bool {
        person.is_some_and(|person| {
            self.owners.iter().any(|owner| *owner == format!("{platform}:{person}"))
        })
    }
}

pub(super) fn check(raw: &raw::RawAccess) -> Result<Access, Place> {
    for id in raw.discord_servers.iter().chain(&raw.telegram_chats) {
        let text = id.get_ref();
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Place::new(
                id.span().start,
                format!(
                    "`{text}` is no number of a server or chat: write it in quotes, such as \"1234567890\""
                ),
            ));
        }
    }
    for owner in &raw.owners {
        let is_known = owner.get_ref().split_once(':').is_some_and(|(platform, id)| {
            matches!(platform, "discord" | "telegram")
                && !id.is_empty()
                && id.bytes().all(|b| b.is_ascii_digit())
        });
        if !is_known {
            let message = "an owner is written \"discord:1234\" or \"telegram:1234\", with the person's number there";
            return Err(Place::new(owner.span().start, message));
        }
    }
    let most = raw.max_subscriptions.as_ref();
    let max_subscriptions = most.map_or(DEFAULT_SUBSCRIPTIONS, |most| *most.get_ref());
    if !(1..=SUBSCRIPTIONS_AT_MOST).contains(&max_subscriptions) {
        let at = most.map_or(0, |most| most.span().start);
        return Err(Place::new(
            at,
            format!("`max_subscriptions` must be from 1 to {SUBSCRIPTIONS_AT_MOST}"),
        ));
    }
    let texts = |list: &[Spanned<String>]| list.iter().map(|text| text.get_ref().clone()).collect();
    Ok(Access {
        who: raw.who,
        discord_servers: texts(&raw.discord_servers),
        telegram_chats: texts(&raw.telegram_chats),
        owners: texts(&raw.owners),
        max_subscriptions,
    })
}
