//! What came of a probe. Its class is the step that broke: a later step is never reported where an earlier one failed.

use super::dns::AskError;
use std::fmt;
use std::io::{Error, ErrorKind};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The service does what it is there for; the note says what is odd about it.
    Works { note: Option<String> },
    /// The service answers as one that works would, but Linkdown cannot judge it further, by `limit`.
    Answers { limit: String },
    /// Packets came back, but the service does not do what it is there for. That is not "gone".
    Broken { class: Class, detail: String },
    /// Nothing came back.
    Silent { detail: String },
    /// Says nothing of the target: it was our own fault, or nothing was known to ask.
    Unknown { why: String },
}

/// The step that broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Dns,
    Connect,
    Tls,
    Protocol,
    Http,
    Content,
}

impl Outcome {
    pub const fn works() -> Self {
        Self::Works { note: None }
    }

    pub fn answers(limit: impl Into<String>) -> Self {
        Self::Answers { limit: limit.into() }
    }

    pub fn broken(class: Class, detail: impl Into<String>) -> Self {
        Self::Broken { class, detail: detail.into() }
    }

    pub fn silent(detail: impl Into<String>) -> Self {
        Self::Silent { detail: detail.into() }
    }

    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }

    /// Returns whether the service counts as working. One that Linkdown cannot judge does: a limit
    /// of ours is nobody's outage.
    pub fn does_work(&self) -> bool {
        matches!(self, Self::Works { .. } | Self::Answers { .. })
    }

    /// Whether anything came back from the host; `None` where nothing was learned.
    pub fn reached(&self) -> Option<bool> {
        match self {
            Self::Works { .. } | Self::Answers { .. } | Self::Broken { .. } => Some(true),
            Self::Silent { .. } => Some(false),
            Self::Unknown { .. } => None,
        }
    }

    /// Of two attempts the one that found more stands.
    #[must_use]
    pub fn or_better(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Unknown { .. } => 0,
            Self::Silent { .. } => 1,
            Self::Broken { .. } => 2,
            Self::Answers { .. } => 3,
            Self::Works { .. } => 4,
        }
    }

    /// What an error of a socket means: a refusal is an answer, silence is none, and some errors are ours alone.
    pub fn of_socket(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::broken(Class::Connect, "refuses the connection"),
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                Self::broken(Class::Connect, "cuts the connection off")
            }
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                Self::silent("unreachable, says a router")
            }
            ErrorKind::TimedOut => Self::silent("no answer"),
            _ => Self::unknown(format!("our own socket failed: {error}")),
        }
    }

    pub fn timed_out(after: Duration) -> Self {
        Self::silent(format!("no answer in {} s", after.as_secs()))
    }
}

impl From<AskError> for Outcome {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Silent { after } => Self::timed_out(after),
            AskError::Socket(error) => Self::of_socket(&error),
            AskError::Malformed(why) => {
                Self::broken(Class::Protocol, format!("no DNS answer: {why}"))
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works { note: None } => f.write_str("works"),
            Self::Works { note: Some(note) } => write!(f, "works ({note})"),
            Self::Answers { limit } => write!(f, "answers, {limit}"),
            Self::Broken { detail, .. } => write!(f, "answers, but broken: {detail}"),
            Self::Silent { detail } => f.write_str(detail),
            Self::Unknown { why } => write!(f, "unknown: {why}"),
        }
    }
}
