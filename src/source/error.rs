//! The reasons why a source gave no data. An error never holds a secret, an address with a query,
//! or the unedited text of a library.
//!
//! Each text completes a sentence that begins with the source's name (`ioda: …`). It does not say
//! what happens next: the caller knows that and reports it.

use crate::domain::Seconds;

/// The reason why one request to a source gave no data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The connection could not be made, or broke off before the end of the reply.
    #[error("cannot be reached: {what}")]
    Unreachable {
        /// The cause, without the address that was called.
        what: String,
    },
    /// One of the deadlines of [`Timeouts`](super::http::Timeouts) has passed.
    #[error("did not answer in time")]
    TimedOut,
    /// HTTP 429.
    #[error("asks us to slow down (429){}", after(*.retry_after))]
    RateLimited {
        /// The pause in the header `Retry-After`, in seconds.
        retry_after: Option<Seconds>,
    },
    /// HTTP 5xx.
    #[error("has a fault of its own (HTTP {status}){}", after(*.retry_after))]
    ServerFault {
        /// The HTTP status, 500 to 599.
        status: u16,
        /// The pause in the header `Retry-After`, in seconds.
        retry_after: Option<Seconds>,
    },
    /// The source rejected the request itself: sending it again does not help.
    #[error("refused the question (HTTP {status}): {said}")]
    Refused {
        /// The HTTP status; 200 for an error inside a reply with status 200.
        status: u16,
        /// The reason in the reply, shortened.
        said: String,
    },
    /// The token is missing, malformed, invalid or has too few rights.
    #[error(
        "refused the token ({said}): put a valid one into {variable} and start again; until then this source rests"
    )]
    TokenRefused {
        /// The reason in the reply, shortened and without the token.
        said: String,
        /// The environment variable that holds the token.
        variable: &'static str,
    },
    /// The reply has status 200, but not a content type of JSON.
    #[error(
        "answered with {content_type} where JSON was due: probably an error page of its front end"
    )]
    NotJson {
        /// The content type of the reply, shortened.
        content_type: String,
    },
    /// The body is longer than [`BODY_CAP`](super::http::BODY_CAP).
    #[error("sent more than {} MiB, which is more than we take", limit >> 20)]
    TooLarge {
        /// The longest body that is read, in bytes.
        limit: usize,
    },
    /// The body is not JSON, or not of the documented shape.
    #[error("sent an answer that we cannot read: {why}")]
    Malformed {
        /// The part that could not be read.
        why: String,
    },
    /// A well-formed reply without data: the value is unknown, never zero.
    #[error("sent no data: {why}")]
    Empty {
        /// The likely reason for the missing data.
        why: String,
    },
    /// A redirect leads to another scheme, host or port.
    #[error(
        "pointed us to {host}, another host: not followed, since neither questions nor tokens go to strangers"
    )]
    OffsiteRedirect {
        /// The host that the redirect leads to.
        host: String,
    },
    /// The configured base address is not valid.
    #[error("has a base address that cannot be used: {why}")]
    BadAddress {
        /// The rule that the address breaks, and the environment variable to change.
        why: String,
    },
    /// The queue for this source is so long that the reply would come too late.
    #[error("was not asked: too many questions wait for it; ask again in a minute")]
    Crowded,
    /// The HTTP client could not be built, or is being shut down.
    #[error("the HTTP client cannot be set up: {why}")]
    NoClient {
        /// The cause.
        why: String,
    },
}

impl SourceError {
    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed { why: why.into() }
    }

    pub(crate) fn empty(why: impl Into<String>) -> Self {
        Self::Empty { why: why.into() }
    }

    /// Returns whether the same request may succeed a few seconds later, within the same tick.
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

    /// Returns whether the failure may concern only the entities of the request and not the health
    /// of the source.
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

    /// Returns whether only the operator can repair this: the caller stops polling and reports it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::TokenRefused { .. } | Self::BadAddress { .. } | Self::NoClient { .. })
    }

    /// Returns the pause that the source asks for, in seconds, if it asks for one.
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
