//! Why a source did not answer. Never holds a secret, an address with a query, or a library's bare words.
//!
//! The words complete a sentence that begins with the source's name (`ioda: …`); what happens next is known to, and
//! said by, whoever asked.

use crate::domain::Seconds;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("cannot be reached: {what}")]
    Unreachable { what: String },
    #[error("did not answer in time")]
    TimedOut,
    #[error("asks us to slow down (429){}", after(*.retry_after))]
    RateLimited { retry_after: Option<Seconds> },
    #[error("has a fault of its own (HTTP {status}){}", after(*.retry_after))]
    ServerFault { status: u16, retry_after: Option<Seconds> },
    /// The request itself was not liked: asking the same again will not help.
    #[error("refused the question (HTTP {status}): {said}")]
    Refused { status: u16, said: String },
    #[error(
        "refused the token ({said}): put a valid one into {variable} and start again; until then this source rests"
    )]
    TokenRefused { said: String, variable: &'static str },
    #[error(
        "answered with {content_type} where JSON was due: probably an error page of its front end"
    )]
    NotJson { content_type: String },
    #[error("sent more than {} MiB, which is more than we take", limit >> 20)]
    TooLarge { limit: usize },
    #[error("sent an answer that we cannot read: {why}")]
    Malformed { why: String },
    /// A well-formed answer that says nothing: the source does not know. Never a zero.
    #[error("sent no data: {why}")]
    Empty { why: String },
    #[error(
        "pointed us to {host}, another host: not followed, since neither questions nor tokens go to strangers"
    )]
    OffsiteRedirect { host: String },
    #[error("has a base address that cannot be used: {why}")]
    BadAddress { why: String },
    /// So many questions wait for this source that one more would not be answered in time.
    #[error("was not asked: too many questions wait for it; ask again in a minute")]
    Crowded,
    #[error("the HTTP client cannot be set up: {why}")]
    NoClient { why: String },
}

impl SourceError {
    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed { why: why.into() }
    }

    pub(crate) fn empty(why: impl Into<String>) -> Self {
        Self::Empty { why: why.into() }
    }

    /// Whether the same request may succeed a little later, in the same tick.
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut
            | Self::RateLimited { .. }
            | Self::ServerFault { .. }
            | Self::NotJson { .. }
            | Self::Empty { .. } => true,
            Self::Refused { .. }
            | Self::TokenRefused { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::OffsiteRedirect { .. }
            | Self::BadAddress { .. }
            | Self::Crowded
            | Self::NoClient { .. } => false,
        }
    }

    /// Returns whether the failure may say something of the entities that were asked about, and nothing of how the
    /// source does.
    pub fn is_about_the_question(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Empty { .. } => true,
            Self::Unreachable { .. }
            | Self::TimedOut
            | Self::RateLimited { .. }
            | Self::ServerFault { .. }
            | Self::TokenRefused { .. }
            | Self::NotJson { .. }
            | Self::OffsiteRedirect { .. }
            | Self::BadAddress { .. }
            | Self::Crowded
            | Self::NoClient { .. } => false,
        }
    }

    /// Whether nothing will help until the operator changes something: stop asking and say so.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::TokenRefused { .. } | Self::BadAddress { .. } | Self::NoClient { .. })
    }

    /// The pause that the source itself asks for, in seconds.
    pub fn retry_after(&self) -> Option<Seconds> {
        match self {
            Self::RateLimited { retry_after } | Self::ServerFault { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}

fn after(seconds: Option<Seconds>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(", and to come back in {seconds} s"))
}
