//! The sources of measurements. A polled source is pure: it plans requests ([`Polled::plan`]) and
//! reads replies ([`Polled::read`]). Only `http` sends these requests, and only `source/*` knows
//! the JSON of an API.

pub mod backoff;
pub mod cadence;
pub mod error;
pub mod feed;
pub mod http;
pub mod ioda;
pub mod json;
mod links;
pub mod past;
pub mod probe;
pub mod radar;
pub mod recorded;
pub mod ripestat;
pub mod ris_live;
#[cfg(test)]
mod spoiled;

pub use error::SourceError;
pub use links::{credits, links};

use crate::domain::{Entity, Fact, Observation, Seconds, Timestamp};
use std::fmt;
use std::sync::Arc;

/// Returns every polled source. A new source is a new file and a line here.
pub fn all(settings: &Settings) -> Vec<Arc<dyn Polled>> {
    vec![
        Arc::new(ioda::Ioda),
        Arc::new(ripestat::Ripestat::new(&settings.operator)),
        Arc::new(radar::Radar),
    ]
}

/// The settings of the operator that sources need.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The operator, for services that ask callers to identify themselves: letters and digits; may
    /// be empty.
    pub operator: String,
}

/// The fixed properties of a source: its names, its address and the limits that its callers keep.
#[derive(Clone, Copy, Debug)]
pub struct SourceInfo {
    /// The name in config, tables and chat, such as `ripestat`.
    pub name: &'static str,
    /// The name for readers, such as `RIPEstat`.
    pub title: &'static str,
    /// The base address, without a trailing slash.
    pub url: &'static str,
    /// The environment variable that overrides the base address.
    pub url_variable: &'static str,
    /// The environment variable of the token. A source that needs a token and has none is off, not
    /// failing.
    pub token_variable: Option<&'static str>,
    /// The attribution, shown wherever the data of the source is shown.
    pub attribution: &'static str,
    /// Maximum number of concurrent requests.
    pub in_flight: usize,
    /// Minimum seconds from the start of one request to the start of the next.
    pub spacing: Seconds,
    /// Requests a day that the source accepts without prior agreement; `None` if it sets no daily
    /// limit.
    pub calls_a_day: Option<u32>,
    /// Converts a 4xx reply to an error that quotes the reason in the body.
    pub refusal: fn(status: u16, body: &[u8]) -> SourceError,
}

/// The data to get from a source in one go.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The entities in order of urgency: suspected or down first, then those that have waited
    /// longest. An allowance that is too small for all of them is spent from the front.
    pub entities: Vec<Entity>,
    /// Start of the window: the query covers bins that start in `[from, until)`.
    pub from: Timestamp,
    /// End of the window, exclusive.
    pub until: Timestamp,
    /// Decides which calls are worth their cost.
    pub purpose: Purpose,
}

/// The reason for a query; it decides which calls are worth their cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A scheduled tick.
    Live,
    /// The first 14 days of a new entity, or the time in which the bot did not run.
    Backfill,
    /// A person asked in a chat, possibly about an entity that is not watched.
    Question,
}

/// One GET request: path and query below the source's base address.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Begins with a slash.
    pub path: String,
    /// Keys and values in the order in which they are sent, not yet percent-encoded.
    pub query: Vec<(String, String)>,
    /// The part of the planned query that this request answers.
    pub wanted: Query,
}

/// The content of a reply, or of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// Values of series, known or unknown.
    pub observations: Vec<Observation>,
    /// Statements that are not values of a series.
    pub facts: Vec<Fact>,
    /// Items of the reply that could not be read. The other items stay valid.
    pub odd: Vec<Oddity>,
}

/// An item of a reply that could not be read, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// The entity of the item, or `None` if it could not be read either.
    pub entity: Option<Entity>,
    /// The reason, in words for the log and the operator.
    pub why: String,
}

impl Oddity {
    /// Describes `count` items that do not have the shape of an item of their list. Returns `None`
    /// if `count` is 0.
    fn unreadable(count: usize, what: &str) -> Option<Self> {
        (count > 0).then(|| Self { entity: None, why: format!("{count} {what} could not be read") })
    }
}

impl Readings {
    /// Fails if items were malformed and no item could be read: the source has changed its format,
    /// or the whole reply is broken.
    fn unless_all_odd(self) -> Result<Self, SourceError> {
        match self.odd.first() {
            Some(odd) if self.observations.is_empty() && self.facts.is_empty() => {
                Err(SourceError::malformed(odd.why.clone()))
            }
            _ => Ok(self),
        }
    }

    /// Returns the start of the newest bin with a value, or `None` if no bin has one.
    pub fn newest(&self) -> Option<Timestamp> {
        self.observations.iter().filter(|o| o.value.is_some()).map(|o| o.observed_at).max()
    }
}

/// A source that is polled over HTTP on a cron schedule.
pub trait Polled: Send + Sync + fmt::Debug {
    /// Returns the fixed properties of the source.
    fn about(&self) -> &'static SourceInfo;

    /// Returns the name of the source in config, tables and chat.
    fn name(&self) -> &'static str {
        self.about().name
    }

    /// Returns whether the source has data about this kind of entity.
    fn covers(&self, entity: &Entity) -> bool;

    /// Returns the requests for a query, batched as the source allows: at most `allowance` of them,
    /// the most useful first. Pure.
    fn plan(&self, wanted: &Query, now: Timestamp, allowance: u32) -> Vec<Request>;

    /// Reads the JSON body of a 200 reply. Fails if the reply reports an error, has no data, or
    /// cannot be read as a whole. Pure.
    fn read(
        &self,
        request: &Request,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<Readings, SourceError>;

    /// Returns the bin width of the signal, and how long after the end of a bin its value is
    /// usually published.
    fn rhythm(&self, signal: &str) -> PublishSchedule;

    /// Returns the address of the source's page about the entity, over `[from, until)` if the page
    /// can show a window; `None` if there is no such page.
    fn link(&self, entity: &Entity, from: Timestamp, until: Timestamp) -> Option<String>;
}

/// The bin width and the publication delay of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishSchedule {
    /// Width of a bin, in seconds.
    pub step: Seconds,
    /// Usual number of seconds from the end of a bin to its publication.
    pub delay: Seconds,
}

impl Query {
    /// Returns the same query for only these entities.
    #[must_use]
    pub fn about(&self, entities: &[Entity]) -> Self {
        Self { entities: entities.to_vec(), ..self.clone() }
    }

    /// Returns the same query for another window.
    #[must_use]
    pub fn between(&self, from: Timestamp, until: Timestamp) -> Self {
        Self { from, until, ..self.clone() }
    }

    /// Returns whether `at` lies in `[from, until)`.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

impl Request {
    fn new<const N: usize>(
        path: impl Into<String>,
        query: [(&str, String); N],
        wanted: Query,
    ) -> Self {
        Self {
            path: path.into(),
            query: query.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            wanted,
        }
    }

    fn value_of(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}
