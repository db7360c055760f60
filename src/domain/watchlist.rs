//! The watched entities (those of the config and those that a chat subscribed to), and the larger
//! entities of which they are part.

use super::{Entity, Scope, Sensitivity, country};
use std::sync::{PoisonError, RwLock};

/// An entity that the config watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The watched entity.
    pub entity: Entity,
    /// The larger entity of which it is part, if the config names one.
    pub part_of: Option<Entity>,
    /// The name that people use for it, if it differs from the usual one.
    pub name: Option<String>,
    /// The sensitivity for chats that do not set their own.
    pub sensitivity: Sensitivity,
}

/// Every watched entity. The entities of subscriptions change while the bot runs.
#[derive(Debug, Default)]
pub struct Watchlist {
    /// The entities of the config, in its order.
    configured: Vec<Watched>,
    /// The entities that are watched only for subscriptions, sorted. They change while the bot
    /// runs.
    subscribed: RwLock<Vec<Entity>>,
}

impl Watchlist {
    /// Creates a watchlist with the entities of the config and without any of subscriptions.
    pub fn new(configured: Vec<Watched>) -> Self {
        Self { configured, subscribed: RwLock::default() }
    }

    /// Returns the entities of the config. A subscription to "everything" means these.
    pub fn configured(&self) -> impl Iterator<Item = &Watched> {
        self.configured.iter()
    }

    /// Returns whether the config watches the entity.
    pub fn is_configured(&self, entity: &Entity) -> bool {
        self.configured.iter().any(|watched| watched.entity == *entity)
    }

    /// Returns the entity to which the config gives this name. Case, diacritics and punctuation are
    /// ignored.
    pub fn named(&self, name: &str) -> Option<&Entity> {
        let said = country::key(name);
        let is_it = |watched: &&Watched| {
            watched.name.as_ref().is_some_and(|name| country::key(name) == said)
        };
        self.configured
            .iter()
            .find(is_it)
            .filter(|_| !said.is_empty())
            .map(|watched| &watched.entity)
    }

    /// Returns the name that the config gives to an entity.
    pub fn name_of(&self, entity: &Entity) -> Option<&str> {
        self.configured.iter().find(|watched| watched.entity == *entity)?.name.as_deref()
    }

    /// Returns the sensitivity for chats that do not set their own: the entity's in the config,
    /// else the default.
    pub fn sensitivity(&self, entity: &Entity) -> Sensitivity {
        let configured = self.configured.iter().find(|watched| watched.entity == *entity);
        configured.map_or(Sensitivity::default(), |watched| watched.sensitivity)
    }

    /// Returns the sensitivity that all entities of the scopes share, or `None` if they differ.
    pub fn usual_sensitivity(&self, scopes: &[Scope]) -> Option<Sensitivity> {
        let of = |scope: &Scope| match scope {
            Scope::One(entity) => vec![self.sensitivity(entity)],
            Scope::All => self.configured.iter().map(|watched| watched.sensitivity).collect(),
        };
        let mut words = scopes.iter().flat_map(of);
        let first = words.next().unwrap_or_default();
        words.all(|word| word == first).then_some(first)
    }

    /// Replaces the entities that are watched for subscriptions. Those of the config are left out.
    pub fn set_subscribed(&self, entities: impl IntoIterator<Item = Entity>) {
        let mut only: Vec<Entity> =
            entities.into_iter().filter(|entity| !self.is_configured(entity)).collect();
        only.sort();
        only.dedup();
        *self.subscribed.write().unwrap_or_else(PoisonError::into_inner) = only;
    }

    /// Returns the entities that are watched only for subscriptions, sorted.
    pub fn subscribed(&self) -> Vec<Entity> {
        self.subscribed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns every watched entity: those of the config first, then those of subscriptions.
    pub fn entities(&self) -> Vec<Entity> {
        let mut all: Vec<Entity> =
            self.configured.iter().map(|watched| watched.entity.clone()).collect();
        all.extend(self.subscribed());
        all
    }

    /// Returns whether the entity is watched, for the config or for a subscription.
    pub fn contains(&self, entity: &Entity) -> bool {
        self.is_configured(entity)
            || self
                .subscribed
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .binary_search(entity)
                .is_ok()
    }

    /// Returns the larger entity of which this one is directly part, according to the config.
    pub fn whole_of(&self, entity: &Entity) -> Option<&Entity> {
        self.configured.iter().find(|watched| watched.entity == *entity)?.part_of.as_ref()
    }

    /// Returns the configured entities that are directly or indirectly part of the entity, in the
    /// order of the config.
    pub fn parts_of<'a>(&'a self, entity: &'a Entity) -> impl Iterator<Item = &'a Entity> {
        let parts = self.configured.iter().map(|watched| &watched.entity);
        parts.filter(move |part| self.wholes_of(part).contains(&entity))
    }

    /// Returns the larger entities of which this one is part, nearest first. Terminates even if the
    /// config contains a cycle.
    pub fn wholes_of(&self, entity: &Entity) -> Vec<&Entity> {
        let mut wholes: Vec<&Entity> = Vec::new();
        let mut next = self.whole_of(entity);
        while let Some(whole) = next.filter(|whole| *whole != entity && !wholes.contains(whole)) {
            wholes.push(whole);
            next = self.whole_of(whole);
        }
        wholes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_sure_it_must_be_is_one_word_only_where_all_have_it() {
        let watched = |entity: &str, sensitivity| Watched {
            entity: entity.parse().unwrap(),
            part_of: None,
            name: None,
            sensitivity,
        };
        let list = Watchlist::new(vec![
            watched("country/KP", Sensitivity::Eager),
            watched("country/IR", Sensitivity::Balanced),
        ]);
        let of = |entity: &str| Scope::One(entity.parse().unwrap());
        assert_eq!(list.usual_sensitivity(&[of("country/KP")]), Some(Sensitivity::Eager));
        assert_eq!(
            list.usual_sensitivity(&[of("country/IR"), of("country/CU")]),
            Some(Sensitivity::Balanced)
        );
        assert_eq!(list.usual_sensitivity(&[Scope::All]), None);
    }

    #[test]
    fn a_prefix_is_part_of_its_network_and_so_of_the_country() {
        let watched = |entity: &str, whole: Option<&str>| Watched {
            entity: entity.parse().unwrap(),
            part_of: whole.map(|whole| whole.parse().unwrap()),
            name: None,
            sensitivity: Sensitivity::Balanced,
        };
        let list = Watchlist::new(vec![
            watched("country/KP", None),
            watched("asn/131279", Some("country/KP")),
            watched("prefix/175.45.176.0/22", Some("asn/131279")),
            watched("asn/1", Some("asn/2")),
            watched("asn/2", Some("asn/1")),
        ]);
        let wholes = |entity: &str| -> Vec<String> {
            list.wholes_of(&entity.parse().unwrap()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(wholes("prefix/175.45.176.0/22"), ["asn/131279", "country/KP"]);
        assert_eq!(wholes("country/KP"), Vec::<String>::new());
        assert_eq!(wholes("asn/1"), ["asn/2"]);
        let kp = "country/KP".parse().unwrap();
        assert_eq!(list.parts_of(&kp).count(), 2);
    }

    #[test]
    fn what_a_chat_subscribed_to_is_watched_too_but_is_not_everything() {
        let [kp, ir] = ["country/KP", "country/IR"].map(|text| text.parse::<Entity>().unwrap());
        let list = Watchlist::new(vec![Watched {
            entity: kp.clone(),
            part_of: None,
            name: None,
            sensitivity: Sensitivity::Balanced,
        }]);
        list.set_subscribed([ir.clone(), kp.clone(), ir.clone()]);
        assert_eq!(list.entities(), [kp, ir.clone()]);
        assert!(list.contains(&ir) && !list.is_configured(&ir));
        list.set_subscribed([]);
        assert!(!list.contains(&ir));
    }
}
