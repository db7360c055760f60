//! The entities that are watched, those of the config and those that a chat subscribed to, and what they are part of.

use super::{Entity, Scope, Sensitivity, country};
use std::sync::{PoisonError, RwLock};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub entity: Entity,
    pub part_of: Option<Entity>,
    /// What people call it, where that is not its usual name.
    pub name: Option<String>,
    /// For chats that do not say themselves how sure it must be.
    pub sensitivity: Sensitivity,
}

#[derive(Debug, Default)]
pub struct Watchlist {
    /// In the order of the config.
    configured: Vec<Watched>,
    /// What chats want to hear of besides; changes while the bot runs.
    subscribed: RwLock<Vec<Entity>>,
}

impl Watchlist {
    pub fn new(configured: Vec<Watched>) -> Self {
        Self { configured, subscribed: RwLock::default() }
    }

    /// What the config watches: that is what "everything" means to a subscription.
    pub fn configured(&self) -> impl Iterator<Item = &Watched> {
        self.configured.iter()
    }

    pub fn is_configured(&self, entity: &Entity) -> bool {
        self.configured.iter().any(|watched| watched.entity == *entity)
    }

    /// Returns what the configuration calls so; case, diacritics and punctuation do not count.
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

    /// Returns the name that the configuration gives to an entity.
    pub fn name_of(&self, entity: &Entity) -> Option<&str> {
        self.configured.iter().find(|watched| watched.entity == *entity)?.name.as_deref()
    }

    /// How sure it must be before chats hear of the entity that do not say so themselves.
    pub fn sensitivity(&self, entity: &Entity) -> Sensitivity {
        let configured = self.configured.iter().find(|watched| watched.entity == *entity);
        configured.map_or(Sensitivity::default(), |watched| watched.sensitivity)
    }

    /// The same of all that the scopes hold, if it is one.
    pub fn usual_sensitivity(&self, scopes: &[Scope]) -> Option<Sensitivity> {
        let of = |scope: &Scope| match scope {
            Scope::One(entity) => vec![self.sensitivity(entity)],
            Scope::All => self.configured.iter().map(|watched| watched.sensitivity).collect(),
        };
        let mut words = scopes.iter().flat_map(of);
        let first = words.next().unwrap_or_default();
        words.all(|word| word == first).then_some(first)
    }

    /// Takes what is subscribed to, in place of what was.
    pub fn set_subscribed(&self, entities: impl IntoIterator<Item = Entity>) {
        let mut only: Vec<Entity> =
            entities.into_iter().filter(|entity| !self.is_configured(entity)).collect();
        only.sort();
        only.dedup();
        *self.subscribed.write().unwrap_or_else(PoisonError::into_inner) = only;
    }

    /// What is watched for subscriptions alone.
    pub fn subscribed(&self) -> Vec<Entity> {
        self.subscribed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that is watched.
    pub fn entities(&self) -> Vec<Entity> {
        let mut all: Vec<Entity> =
            self.configured.iter().map(|watched| watched.entity.clone()).collect();
        all.extend(self.subscribed());
        all
    }

    pub fn contains(&self, entity: &Entity) -> bool {
        self.is_configured(entity)
            || self
                .subscribed
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .binary_search(entity)
                .is_ok()
    }

    pub fn whole_of(&self, entity: &Entity) -> Option<&Entity> {
        self.configured.iter().find(|watched| watched.entity == *entity)?.part_of.as_ref()
    }

    /// What is part of the entity, near or far, in the order of the config.
    pub fn parts_of<'a>(&'a self, entity: &'a Entity) -> impl Iterator<Item = &'a Entity> {
        let parts = self.configured.iter().map(|watched| &watched.entity);
        parts.filter(move |part| self.wholes_of(part).contains(&entity))
    }

    /// What the entity is part of, nearest first. Ends even if the config goes round in a circle.
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
