//! The person or chat that gives a command, and their rights.

use crate::config::Access;
use crate::render::Syntax;

/// The sender of a command: a person in a chat, or a channel that posts under its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The platform's name, such as `discord`.
    pub platform: &'static str,
    /// The chat's address on the platform.
    pub address: String,
    /// The chat's name in answers: `#ops`, `this chat`.
    pub place: String,
    /// The server or group that the chat belongs to; in a private chat, the person.
    pub home: String,
    /// The platform's id of the person; `None` on the console and for a channel that posts under
    /// its own name.
    pub person: Option<String>,
    /// The person's rights in this chat.
    pub rank: Rank,
    /// The permissions that the bot needs in that chat and lacks, by the platform's own names:
    /// `Send Messages`.
    pub lacks: Vec<String>,
    /// The platform's id of the request. A delivery that the request causes is created only once.
    pub request: String,
}

/// The rights of a person in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// May ask questions.
    Member,
    /// May also change the chat's subscriptions: a manager of the server, an admin of the group, or
    /// a person alone with the bot.
    Admin,
}

/// The reason why a command is refused. The text is shown to the person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The chat or person is not listed under `[access]`.
    #[error(
        "this bot serves only the servers and chats that its operator has listed ([access] in its configuration)"
    )]
    NotListed,
    /// The command changes something and the person is not an admin.
    #[error(
        "only {who} may use /{word} in {place}; anybody may ask /status, /history, /outage and /watchlist"
    )]
    NotAdmin {
        /// The people who may use the command on this platform.
        who: &'static str,
        /// The command, without its slash.
        word: &'static str,
        /// The chat's name.
        place: String,
    },
    /// The bot cannot send messages to the chat.
    #[error(
        "in {place} I lack {}: give {} to my role or to me, then say this again",
        crate::render::words::listed(.lacks), if .lacks.len() == 1 { "it" } else { "them" }
    )]
    Lacks {
        /// The chat's name.
        place: String,
        /// The missing permissions, by the platform's own names.
        lacks: Vec<String>,
    },
}

impl Asker {
    /// Returns the person at the machine, who has every right.
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

    /// Returns the form in which commands are given on this platform.
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

    /// Checks that this person may change the chat's subscriptions. `word` is the command, for the
    /// error.
    pub(super) fn may_change(&self, word: &'static str, access: &Access) -> Result<(), Denied> {
        if self.rank == Rank::Admin || access.is_owner(self.platform, self.person.as_deref()) {
            return Ok(());
        }
        let who = if self.platform == "discord" { "who has Manage Server" } else { "an admin" };
        Err(Denied::NotAdmin { who, word, place: self.place.clone() })
    }

    /// Checks that the bot has the permissions it needs to send messages to this chat.
    pub(super) fn can_be_told(&self) -> Result<(), Denied> {
        if self.lacks.is_empty() {
            return Ok(());
        }
        Err(Denied::Lacks { place: self.place.clone(), lacks: self.lacks.clone() })
    }
}
