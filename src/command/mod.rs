//! The commands that a person types in a chat: one set for every platform, a file each.

mod about;
#[cfg(test)]
mod accepted;
mod asker;
mod bounds;
mod complete;
mod details;
mod forget;
mod help;
mod history;
mod mute;
mod on_demand;
mod open;
mod outage;
mod parse;
mod sight;
mod sources;
mod status;
mod status_board;
mod subscribe;
mod subscriptions;
mod test;
mod watchlist;
mod why;

pub use asker::{Asker, Denied, Rank};
pub use bounds::{Additions, Full};
pub use help::LINES as HELP;
pub use on_demand::Found;
pub use parse::{
    CHANGING, Command, Meant, Mistake, Unsubscribe, WORDS, When, Wish, is_question, line, parse,
    parse_in,
};
pub use sight::Sight;
pub use status_board::StatusBoard;
pub use why::explain;

use crate::clock::{ActivityGuard, Clock};
use crate::config::{Access, Limits};
use crate::detect::State;
use crate::domain::{Entity, Evidence, Timestamp, Watchlist};
use crate::render::words::duration;
use crate::render::{Card, Syntax};
use crate::source::feed::Feed;
use crate::store::{Store, StoreError};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

/// Where questions are answered: all that a command may look at.
#[derive(Clone, Debug)]
pub struct AppContext {
    pub store: Store,
    /// The detector's state, as the watch keeps it.
    pub state: Arc<RwLock<State>>,
    pub watchlist: Arc<Watchlist>,
    /// Every source, with how it is asked; also those that are off.
    pub feeds: Arc<Vec<Feed>>,
    pub clock: Clock,
    pub access: Access,
    pub limits: Limits,
    /// What people subscribed to within the last hour.
    pub additions: Additions,
    /// Tells each platform's outbox that something may be owed.
    pub wake: Vec<UnboundedSender<ActivityGuard>>,
    /// Told whenever the end of a delivery is known.
    pub told: Arc<Notify>,
    pub said: StatusBoard,
    /// The operator's chat by the configuration: platform and address.
    pub operator: Option<(String, String)>,
}

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Mistake(#[from] Mistake),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(
        "that is too much at once: ask for ten at most, and for three at most that are not watched; /watchlist lists what is"
    )]
    TooManyAsked,
    #[error("{0} is still to come")]
    StillToCome(Timestamp),
    #[error("there is no incident {0}; /history lists them")]
    NoIncident(i64),
    #[error(transparent)]
    Full(#[from] Full),
    #[error(
        "{watched} entities are watched, and the sources' daily calls reach for no more: end other subscriptions, or ask \
         the operator to raise calls_a_day"
    )]
    WatchlistFull { watched: usize },
}

impl CommandError {
    /// Says why to somebody who gives commands in that syntax.
    pub fn said(&self, syntax: Syntax) -> String {
        match self {
            Self::Mistake(mistake) => mistake.said(syntax),
            Self::Full(Full::Chat { has, most }) => format!(
                "this chat has {has} subscriptions and may have {most}: end some with /unsubscribe, or take all that is \
                 watched with {}",
                syntax.call("subscribe", &[("what", "all")])
            ),
            other => other.to_string(),
        }
    }
}

impl AppContext {
    /// A context that only answers questions: nothing is sent from it.
    pub fn of_questions(
        store: Store,
        state: Arc<RwLock<State>>,
        watchlist: Arc<Watchlist>,
        feeds: Arc<Vec<Feed>>,
        clock: Clock,
    ) -> Self {
        let (access, limits, said) = (Access::default(), Limits::default(), StatusBoard::default());
        let (additions, wake, told, operator) =
            (Additions::default(), Vec::new(), Arc::default(), None);
        Self {
            store,
            state,
            watchlist,
            feeds,
            clock,
            access,
            limits,
            additions,
            wake,
            told,
            said,
            operator,
        }
    }

    /// What the watch knows of an entity.
    pub fn evidence(&self, entity: &Entity, now: Timestamp) -> Option<Evidence> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).evidence(entity, now)
    }

    /// The same; where nothing is known the sources are asked. For a reader who may see all.
    pub async fn evidence_or_look_up(&self, entity: &Entity) -> Found {
        match self.evidence(entity, self.clock.now()) {
            None if !self.watchlist.contains(entity) => on_demand::look_up(self, entity).await,
            evidence => Found { evidence, unanswered: Vec::new() },
        }
    }

    /// The same for a reader who may not see what other chats want to know: what only these watch is looked up, as if
    /// nobody watched it.
    async fn evidence_for(&self, sight: &Sight, entity: &Entity) -> Found {
        if sight.sees(entity) {
            self.evidence_or_look_up(entity).await
        } else {
            on_demand::look_up(self, entity).await
        }
    }

    /// Answers a typed line, in words in any case.
    pub async fn reply(&self, line: &str, asker: &Asker) -> Vec<Card> {
        let answer = match (asker.is_admitted(&self.access), parse_in(line, &self.watchlist)) {
            (Err(denied), _) => Err(denied.into()),
            (_, Ok(command)) => self.answer(&command, asker).await,
            (_, Err(mistake)) => Err(mistake.into()),
        };
        answer.unwrap_or_else(|error| {
            if let CommandError::Store(error) = &error {
                tracing::error!("a command could not be answered: {error}");
            }
            vec![Card::titled(error.said(asker.syntax()))]
        })
    }

    pub async fn answer(
        &self,
        command: &Command,
        asker: &Asker,
    ) -> Result<Vec<Card>, CommandError> {
        match command {
            Command::Status(entities) => status::answer(self, asker, entities).await,
            Command::Why { entity, when } => why::answer(self, asker, entity, *when).await,
            Command::Subscribe(wish) => subscribe::answer(self, asker, wish).await,
            Command::Unsubscribe(what) => subscribe::unsubscribe(self, asker, what).await,
            Command::Subscriptions => subscriptions::answer(self, asker).await,
            Command::Mute { scopes, length } => mute::answer(self, asker, scopes, *length).await,
            Command::Unmute(scopes) => mute::unmute(self, asker, scopes).await,
            Command::Watchlist => watchlist::answer(self, asker).await,
            Command::History(entity) => history::answer(self, asker, entity.as_ref()).await,
            Command::Outage(id) => outage::answer(self, asker, *id).await,
            Command::Sources => sources::answer(self, asker).await,
            Command::Test => test::answer(self, asker).await,
            Command::Forget(meant) => forget::answer(self, asker, *meant).await,
            Command::Start(entity) => about::start(self, asker, entity.as_ref()).await,
            Command::About => Ok(vec![about::answer()]),
            Command::Help(about) => Ok(vec![help::answer(about.as_deref(), asker.syntax())]),
        }
    }

    /// Something may be owed: each platform's outbox looks.
    pub fn wake_outboxes(&self) {
        for outbox in &self.wake {
            // An outbox that has stopped finds what is owed at its next start.
            let _ = outbox.send(self.clock.busy());
        }
    }
}
