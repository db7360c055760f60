//! Who wants to hear of what.

use super::{Entity, Timestamp};
use serde::{Deserialize, Serialize};

/// One place on a platform where messages go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Chat {
    /// The row's number in the database.
    pub id: i64,
    /// `console`; later `discord`, `telegram`.
    pub platform: String,
    /// The platform's own address of the place.
    pub address: String,
}

/// What a subscription is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Everything that the config watches.
    All,
    One(Entity),
}

/// A chat's wish to hear of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub chat: Chat,
    pub scope: Scope,
    /// Also to be told what is only suspected.
    pub from_suspected: bool,
    pub since: Timestamp,
}

impl Scope {
    pub fn covers(&self, entity: &Entity, in_config: bool) -> bool {
        match self {
            Self::All => in_config,
            Self::One(wanted) => wanted == entity,
        }
    }
}
