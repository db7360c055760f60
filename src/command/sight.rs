//! Visibility: a reader sees the operator's entities and their own chat's subscriptions, never the
//! subscriptions of other chats. The operator's own chat, an owner alone with the bot, and the
//! console see everything.

use super::{AppContext, Asker};
use crate::domain::{Entity, Scope};
use crate::store::{Db, Incident, StoreError};

/// The entities and incidents that one reader may see.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    everything: bool,
    /// Entities named by the operator, either watched or polled as a control.
    configured: Vec<Entity>,
    /// Entities that this chat subscribed to and the configuration does not watch.
    own: Vec<Entity>,
    /// The id of the chat's database row; `None` if it has none.
    chat: Option<i64>,
}

impl Sight {
    /// Returns whether the reader sees everything, other chats' subscriptions included.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Returns the unconfigured entities that the chat subscribed to, in the order of its
    /// subscriptions. For a reader who sees everything, those of all chats.
    pub fn own(&self) -> &[Entity] {
        &self.own
    }

    /// Returns whether the reader may see that this entity is watched.
    pub fn sees(&self, entity: &Entity) -> bool {
        self.everything || self.own.contains(entity) || self.configured.contains(entity)
    }

    /// Returns whether an incident may be shown. An incident that was owed to this chat before it
    /// unsubscribed may be.
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
    /// Returns the visibility for a person in the chat in which they ask.
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

    /// Returns whether the asker sees everything: on the console, in the operator's configured
    /// chat, or as an owner in a private chat.
    fn is_operators(&self, asker: &Asker) -> bool {
        let is_the_chat = self.operator.as_ref().is_some_and(|(platform, address)| {
            // On Telegram, a topic of the operator's group counts as that group.
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
