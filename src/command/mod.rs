//! The commands that a person types in a chat. All platforms share them; each has a file.

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

/// Everything that a command may read or change; answers commands.
#[derive(Clone, Debug)]
pub struct AppContext {
    /// The database.
    pub store: Store,
    /// The detector's state, kept up to date by the ingest.
    pub state: Arc<RwLock<State>>,
    /// The configured and the subscribed entities.
    pub watchlist: Arc<Watchlist>,
    /// Every source with its polling settings, including the sources that are switched off.
    pub feeds: Arc<Vec<Feed>>,
    /// Supplies the time of every answer.
    pub clock: Clock,
    /// Who may use the bot and who owns it, by `[access]` of the configuration.
    pub access: Access,
    /// How many subscriptions may be added, by `[limits]` of the configuration.
    pub limits: Limits,
    /// The number of subscriptions that each person added within the last hour.
    pub additions: Additions,
    /// One channel to each platform's outbox; a message in it makes the outbox look for deliveries.
    pub wake: Vec<UnboundedSender<ActivityGuard>>,
    /// Is notified whenever the outcome of a delivery becomes known.
    pub told: Arc<Notify>,
    /// The current state of each platform and of the own probes, for `/sources`.
    pub said: StatusBoard,
    /// The operator's chat by the configuration: platform and address.
    pub operator: Option<(String, String)>,
}

/// The reason why a command was not carried out. The text is shown to the person.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The line could not be parsed.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// The database could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The person, or the bot in that chat, lacks a right.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// `/status` named more than 10 entities, or more than 3 that are not watched.
    #[error(
        "that is too much at once: ask for ten at most, and for three at most that are not watched; /watchlist lists what is"
    )]
    TooManyAsked,
    /// `/why` asked about this moment, which lies in the future.
    #[error("{0} is still to come")]
    StillToCome(Timestamp),
    /// No incident has this number, or the reader may not see it.
    #[error("there is no incident {0}; /history lists them")]
    NoIncident(i64),
    /// A limit on subscriptions is reached.
    #[error(transparent)]
    Full(#[from] Full),
    /// The sources' daily calls do not suffice for more entities.
    #[error(
        "{watched} entities are watched, and the sources' daily calls reach for no more: end other subscriptions, or ask \
         the operator to raise calls_a_day"
    )]
    WatchlistFull {
        /// The number of entities watched now.
        watched: usize,
    },
}

impl CommandError {
    /// Returns the text of the error, with example commands in the given syntax.
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
    /// Builds a context that only answers questions: nothing is sent from it.
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

    /// Returns the detector's evidence about an entity at `now`, or `None` if it has none.
    pub fn evidence(&self, entity: &Entity, now: Timestamp) -> Option<Evidence> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).evidence(entity, now)
    }

    /// Returns the detector's evidence about an entity. Asks the sources if there is none and the
    /// entity is not watched. For a reader who may see everything.
    pub async fn evidence_or_look_up(&self, entity: &Entity) -> Found {
        match self.evidence(entity, self.clock.now()) {
            None if !self.watchlist.contains(entity) => on_demand::look_up(self, entity).await,
            evidence => Found { evidence, unanswered: Vec::new() },
        }
    }

    /// Returns the evidence as far as the reader may see it. An entity that only other chats
    /// subscribed to is looked up as if nobody watched it, so that the answer does not reveal their
    /// subscriptions.
    async fn evidence_for(&self, sight: &Sight, entity: &Entity) -> Found {
        if sight.sees(entity) {
            self.evidence_or_look_up(entity).await
        } else {
            on_demand::look_up(self, entity).await
        }
    }

    /// Parses and answers a typed line. An error becomes a card with its text.
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

    /// Carries out a parsed command and returns the cards of the answer.
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

    /// Makes each platform's outbox look for deliveries.
    pub fn wake_outboxes(&self) {
        for outbox in &self.wake {
            // A send fails only if the outbox has stopped; it finds the deliveries at its next
            // start.
            let _ = outbox.send(self.clock.busy());
        }
    }
}
