//! The entities that are watched, and what they are part of.

use super::Entity;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub entity: Entity,
    pub part_of: Option<Entity>,
    /// What people call it, where that is not its usual name.
    pub name: Option<String>,
}

/// In the order of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watchlist(Vec<Watched>);

impl Watchlist {
    pub fn new(watched: Vec<Watched>) -> Self {
        Self(watched)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Watched> {
        self.0.iter()
    }

    pub fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.0.iter().map(|watched| &watched.entity)
    }

    pub fn contains(&self, entity: &Entity) -> bool {
        self.0.iter().any(|watched| watched.entity == *entity)
    }

    pub fn whole_of(&self, entity: &Entity) -> Option<&Entity> {
        self.0.iter().find(|watched| watched.entity == *entity)?.part_of.as_ref()
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
    fn a_prefix_is_part_of_its_network_and_so_of_the_country() {
        let watched = |entity: &str, whole: Option<&str>| Watched {
            entity: entity.parse().unwrap(),
            part_of: whole.map(|whole| whole.parse().unwrap()),
            name: None,
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
    }
}
