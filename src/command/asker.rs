//! Who asks, where, and what they may.

use crate::config::Access;
use crate::render::Syntax;

/// A person in a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    pub platform: &'static str,
    /// The chat's address on the platform.
    pub address: String,
    /// What the chat is called, for answers: `#ops`, `this chat`.
    pub place: String,
    /// The server or group that the chat belongs to.
    pub home: String,
    /// The platform's number of the person, where there is one: a channel speaks for itself.
    pub person: Option<String>,
    pub rank: Rank,
    /// What the bot may not do in that chat and must, by the platform's own names: `Send Messages`.
    pub lacks: Vec<String>,
    /// The platform's number of the request: what is owed because of it is owed once.
    pub request: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// May ask.
    Member,
    /// May change what the chat is told: who manages the server, an admin of the group, a person alone with the bot.
    Admin,
}

/// Why somebody gets no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error(
        "this bot serves only the servers and chats that its operator has listed ([access] in its configuration)"
    )]
    NotListed,
    #[error(
        "only {who} may use /{word} in {place}; anybody may ask /status, /history, /outage and /watchlist"
    )]
    NotAdmin { who: &'static str, word: &'static str, place: String },
    #[error(
        "in {place} I lack {}: give {} to my role or to me, then say this again",
        crate::render::words::listed(.lacks), if .lacks.len() == 1 { "it" } else { "them" }
    )]
    Lacks { place: String, lacks: Vec<String> },
}

impl Asker {
    /// Whoever sits at the machine.
    pub fn console() -> Self {
        Self {
            platform: "console",
            address: "local".to_owned(),
            place: "the console".to_owned(),
            home: "local".to_owned(),
            person: None,
            rank: Rank::Admin,
            lacks: Vec::new(),
            request: String::new(),
        }
    }

    /// How commands are given where this is asked.
    pub fn syntax(&self) -> Syntax {
        Syntax::of(self.platform)
    }

    pub(super) fn is_admitted(&self, access: &Access) -> Result<(), Denied> {
        if access.admits(self.platform, &self.home, self.person.as_deref()) {
            Ok(())
        } else {
            Err(Denied::NotListed)
        }
    }

    /// Whether this person may change what the chat is told.
    pub(super) fn may_change(&self, word: &'static str, access: &Access) -> Result<(), Denied> {
        if self.rank == Rank::Admin || access.is_owner(self.platform, self.person.as_deref()) {
            return Ok(());
        }
        let who = if self.platform == "discord" { "who has Manage Server" } else { "an admin" };
        Err(Denied::NotAdmin { who, word, place: self.place.clone() })
    }

    /// Whether the bot can tell this chat anything.
    pub(super) fn can_be_told(&self) -> Result<(), Denied> {
        if self.lacks.is_empty() {
            return Ok(());
        }
        Err(Denied::Lacks { place: self.place.clone(), lacks: self.lacks.clone() })
    }
}
