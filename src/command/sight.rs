//! What a reader may see: what the operator watches and what their own chat subscribed to, never what other chats want to
//! know. The operator's own chat, an owner alone with the bot, and the console see all.

use super::{AppContext, Asker};
use crate::domain::{Entity, Scope};
use crate::store::{Db, Incident, StoreError};

/// What one reader may see.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    everything: bool,
    /// Named by the operator: watched, or polled as a control.
    configured: Vec<Entity>,
    /// What this chat subscribed to besides.
    own: Vec<Entity>,
    /// The chat's row, where it has one.
    chat: Option<i64>,
}

impl Sight {
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// What the chat subscribed to that the operator does not watch, in the order of its subscriptions.
    pub fn own(&self) -> &[Entity] {
        &self.own
    }

    pub fn sees(&self, entity: &Entity) -> bool {
        self.everything || self.own.contains(entity) || self.configured.contains(entity)
    }

    /// Whether an incident may be shown: also one that this chat was told of before it unsubscribed.
    pub fn sees_incident(&self, db: &Db<'_>, incident: &Incident) -> Result<bool, StoreError> {
        if self.sees(&incident.key.entity) {
            return Ok(true);
        }
        match self.chat {
            Some(chat) => db.deliveries().was_owed(incident.id, chat),
            None => Ok(false),
        }
    }
}

impl AppContext {
    /// Returns what somebody may see where they ask.
    pub async fn sight(&self, asker: &Asker) -> Result<Sight, StoreError> {
        let everything = self.is_operators(asker);
        let configured = self.watchlist.configured().map(|watched| watched.entity.clone());
        let controls = self.feeds.iter().flat_map(|feed| feed.controls.iter().cloned());
        let configured: Vec<Entity> = configured.chain(controls).collect();
        if everything {
            return Ok(Sight {
                everything,
                configured,
                own: self.watchlist.subscribed(),
                chat: None,
            });
        }
        let (platform, address) = (asker.platform, asker.address.clone());
        let (chat, own) = self
            .store
            .read(move |db| {
                let Some(place) = db.chats().at(platform, &address)? else {
                    return Ok((None, Vec::new()));
                };
                Ok((Some(place.chat.id), db.subscriptions().of_chat(place.chat.id)?))
            })
            .await?;
        let own = own.into_iter().filter_map(|wish| match wish.scope {
            Scope::One(entity) => Some(entity),
            Scope::All => None,
        });
        let own = own.filter(|entity| !self.watchlist.is_configured(entity)).collect();
        Ok(Sight { everything, configured, own, chat })
    }

    /// The console, the operator's chat of the configuration, or an owner where nobody reads along.
    fn is_operators(&self, asker: &Asker) -> bool {
        let is_the_chat = self.operator.as_ref().is_some_and(|(platform, address)| {
            // A topic of the operator's group on Telegram belongs to the group.
            let is_there =
                asker.address == *address || platform == "telegram" && asker.home == *address;
            platform == asker.platform && is_there
        });
        let is_alone = || {
            asker
                .person
                .as_deref()
                .is_some_and(|person| asker.home.trim_start_matches('@') == person)
        };
        asker.platform == "console"
            || is_the_chat
            || self.access.is_owner(asker.platform, asker.person.as_deref()) && is_alone()
    }
}
