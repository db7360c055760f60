//! The commands that a person types in a chat: one set for every platform, a file each.

mod help;
mod history;
mod on_demand;
mod outage;
mod parse;
mod sources;
mod status;
mod watchlist;

pub use on_demand::Found;
pub use parse::{Command, Mistake, parse};

use crate::clock::Clock;
use crate::detect::State;
use crate::domain::{Entity, Evidence, Timestamp, Watchlist};
use crate::render::Card;
use crate::source::feed::Feed;
use crate::store::{Store, StoreError};
use std::sync::{Arc, PoisonError, RwLock};

/// Where questions are answered: all that a command may look at.
#[derive(Clone, Debug)]
pub struct Desk {
    pub store: Store,
    /// The detector's state, as the watch keeps it.
    pub state: Arc<RwLock<State>>,
    pub watchlist: Arc<Watchlist>,
    /// Every source, with how it is asked; also those that are off.
    pub feeds: Arc<Vec<Feed>>,
    pub clock: Clock,
}

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Mistake(#[from] Mistake),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no incident {0}; /history lists them")]
    NoIncident(i64),
}

impl Desk {
    /// What the watch knows of an entity.
    pub fn evidence(&self, entity: &Entity, now: Timestamp) -> Option<Evidence> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).evidence(entity, now)
    }

    /// The same; where nothing is known the sources are asked.
    pub async fn evidence_or_look_up(&self, entity: &Entity) -> Found {
        match self.evidence(entity, self.clock.now()) {
            None if !self.watchlist.contains(entity) => on_demand::look_up(self, entity).await,
            evidence => Found { evidence, unanswered: Vec::new() },
        }
    }

    /// Answers a typed line, in words in any case.
    pub async fn reply(&self, line: &str) -> Vec<Card> {
        let answer = match parse(line) {
            Ok(command) => self.answer(&command).await,
            Err(mistake) => Err(mistake.into()),
        };
        answer.unwrap_or_else(|error| vec![Card::titled(error.to_string())])
    }

    pub async fn answer(&self, command: &Command) -> Result<Vec<Card>, CommandError> {
        match command {
            Command::Status(entities) => status::answer(self, entities).await,
            Command::Watchlist => watchlist::answer(self).await,
            Command::History(entity) => history::answer(self, entity.as_ref()).await,
            Command::Outage(id) => outage::answer(self, *id).await,
            Command::Sources => sources::answer(self).await,
            Command::Help(about) => Ok(vec![help::answer(about.as_deref())]),
        }
    }
}
