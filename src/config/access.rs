//! The `[access]` table: who may use the bot.

use super::explain::Place;
use super::raw;
pub use super::raw::Who;
use toml::Spanned;

/// The default of `max_subscriptions`: with more, a chat is flooded.
const DEFAULT_SUBSCRIPTIONS: u32 = 100;
/// The upper bound of `max_subscriptions`, so that the list that a chat sees stays readable.
const SUBSCRIPTIONS_AT_MOST: u32 = 1000;

/// Who may use the bot, and how much a chat may subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whether everyone or only the listed may use the bot.
    pub who: Who,
    /// The numbers of the listed Discord servers.
    pub discord_servers: Vec<String>,
    /// The numbers of the listed Telegram chats; groups have negative ones.
    pub telegram_chats: Vec<String>,
    /// People who may use the bot everywhere, such as `discord:1234` or `telegram:1234`.
    pub owners: Vec<String>,
    /// The most subscriptions in one chat.
    pub max_subscriptions: u32,
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
    /// Returns whether a person may use the bot in a chat of that server or group.
    pub fn admits(&self, platform: &str, home: &str, person: Option<&str>) -> bool {
        let listed = match platform {
            "discord" => self.discord_servers.iter().any(|id| id == home),
            "telegram" => self.telegram_chats.iter().any(|id| id == home),
            // The person at the console is the operator.
            _ => true,
        };
        self.who == Who::Everyone || listed || self.is_owner(platform, person)
    }

    /// Returns whether the person is listed in `owners`; an unknown person is not.
    pub fn is_owner(&self, platform: &str, person: Option<&str>) -> bool {
        person.is_some_and(|person| {
            self.owners.iter().any(|owner| *owner == format!("{platform}:{person}"))
        })
    }
}

/// Checks the table: every number and owner must have the right form.
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
