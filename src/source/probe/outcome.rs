//! The result of a probe. Its class is the step that failed first: a later step is never reported
//! where an earlier one failed.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::time::Duration;

/// The result of one attempt or of a whole probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The service does its work.
    Works {
        /// An oddity of the service, such as a certificate that has expired.
        note: Option<String>,
    },
    /// The service answers like one that works, but Linkdown cannot judge it further.
    Answers {
        /// The reason why Linkdown cannot judge it, in words.
        limit: String,
    },
    /// Packets came back, but the service does not do its work. That differs from "gone".
    Broken {
        /// The step that failed.
        class: Class,
        /// The failure in words, such as `http 503`.
        detail: String,
    },
    /// Nothing came back.
    Silent {
        /// The observation in words, such as `no answer in 5 s`.
        detail: String,
    },
    /// Nothing was learned about the target: the fault is Linkdown's own, or no address is known.
    Unknown {
        /// The reason in words.
        why: String,
    },
}

/// The step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The question to a name server.
    Dns,
    /// The TCP connection.
    Connect,
    /// The TLS handshake or the certificate.
    Tls,
    /// The conversation in the protocol of the service.
    Protocol,
    /// The HTTP status.
    Http,
    /// The text of the page or the destination of its redirect.
    Content,
}

impl Outcome {
    /// Returns [`Self::Works`] without a note.
    pub const fn works() -> Self {
        Self::Works { note: None }
    }

    /// Returns [`Self::Answers`] with the limit in words.
    pub fn answers(limit: impl Into<String>) -> Self {
        Self::Answers { limit: limit.into() }
    }

    /// Returns [`Self::Broken`] at the given step, with the details in words.
    pub fn broken(class: Class, detail: impl Into<String>) -> Self {
        Self::Broken { class, detail: detail.into() }
    }

    /// Returns [`Self::Silent`] with the details in words.
    pub fn silent(detail: impl Into<String>) -> Self {
        Self::Silent { detail: detail.into() }
    }

    /// Returns [`Self::Unknown`] with the reason in words.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }

    /// Returns whether the service counts as working. One that Linkdown cannot judge does, since a
    /// limit of Linkdown is not an outage of the service.
    pub fn does_work(&self) -> bool {
        matches!(self, Self::Works { .. } | Self::Answers { .. })
    }

    /// Returns whether anything came back from the host, or `None` if nothing was learned.
    pub fn reached(&self) -> Option<bool> {
        match self {
            Self::Works { .. } | Self::Answers { .. } | Self::Broken { .. } => Some(true),
            Self::Silent { .. } => Some(false),
            Self::Unknown { .. } => None,
        }
    }

    /// Returns the better result of two attempts, and of equal ones the first.
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

    /// Returns the meaning of a socket's error: a refusal is an answer, an unreachable host is
    /// silent, and some errors are Linkdown's own.
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

    /// Returns [`Self::Silent`], with the wait in whole seconds.
    pub fn timed_out(after: Duration) -> Self {
        Self::silent(format!("no answer in {} s", after.as_secs()))
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
