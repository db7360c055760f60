//! Who tells us. A polled source is pure: what to ask ([`Polled::plan`]) and how to read the answer ([`Polled::read`]);
//! `http` alone talks to the world, and only `source/*` knows an API's JSON.

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

/// Every polled source there is. A new one is a new file and a line here.
pub fn all(settings: &Settings) -> Vec<Arc<dyn Polled>> {
    vec![
        Arc::new(ioda::Ioda),
        Arc::new(ripestat::Ripestat::new(&settings.operator)),
        Arc::new(radar::Radar),
    ]
}

/// What the sources must know of whoever runs this.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Who runs it, for the services that want their callers named; letters and digits, may be empty.
    pub operator: String,
}

/// What stands fast about a source: who it is, where it lives, what it asks of its guests.
#[derive(Clone, Copy, Debug)]
pub struct SourceInfo {
    /// The word for it in config, tables and chat.
    pub name: &'static str,
    /// The name that a reader knows.
    pub title: &'static str,
    /// Base address, without a slash at its end.
    pub url: &'static str,
    /// The environment variable that puts another base address in its place.
    pub url_variable: &'static str,
    /// The environment variable of its token. A source that needs one and has none rests: it is off, not failing.
    pub token_variable: Option<&'static str>,
    /// To be shown wherever its data is shown.
    pub attribution: &'static str,
    /// Requests under way at once.
    pub in_flight: usize,
    /// Seconds from the start of one request to that of the next.
    pub spacing: Seconds,
    /// Requests a day that it bears without being asked.
    pub calls_a_day: Option<u32>,
    /// What a 4xx with this body means, in the source's own words.
    pub refusal: fn(status: u16, body: &[u8]) -> SourceError,
}

/// What to learn from a source in one go.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// In the order of their urgency: what is suspected or down first, then what has waited longest. An allowance that
    /// is too small for all is spent from the front.
    pub entities: Vec<Entity>,
    /// Bins that start in `[from, until)`.
    pub from: Timestamp,
    pub until: Timestamp,
    pub purpose: Purpose,
}

/// Why a source is asked: it decides which calls are worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A tick.
    Live,
    /// The first 14 days of a new entity, or what was missed while we were away.
    Backfill,
    /// Somebody asked in a chat about an entity that may not be watched.
    Question,
}

/// One GET: the path and query below the source's base address.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Begins with a slash.
    pub path: String,
    pub query: Vec<(String, String)>,
    /// What of the wanted things this request answers.
    pub wanted: Query,
}

/// What a reply says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    pub observations: Vec<Observation>,
    pub facts: Vec<Fact>,
    /// Items of the reply that could not be read; the others stand.
    pub odd: Vec<Oddity>,
}

/// An item of a reply that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// The entity of the item, where that could be read.
    pub entity: Option<Entity>,
    pub why: String,
}

impl Oddity {
    /// Describes `count` items that could not even be read as items of their list; `None` where there are none.
    fn unreadable(count: usize, what: &str) -> Option<Self> {
        (count > 0).then(|| Self { entity: None, why: format!("{count} {what} could not be read") })
    }
}

impl Readings {
    /// Fails where items were malformed and none could be read: the format of the source has changed, or all of it is
    /// broken.
    fn unless_all_odd(self) -> Result<Self, SourceError> {
        match self.odd.first() {
            Some(odd) if self.observations.is_empty() && self.facts.is_empty() => {
                Err(SourceError::malformed(odd.why.clone()))
            }
            _ => Ok(self),
        }
    }

    /// Start of the newest bin with a value.
    pub fn newest(&self) -> Option<Timestamp> {
        self.observations.iter().filter(|o| o.value.is_some()).map(|o| o.observed_at).max()
    }
}

/// A source that is asked over HTTP on a cron schedule.
pub trait Polled: Send + Sync + fmt::Debug {
    fn about(&self) -> &'static SourceInfo;

    fn name(&self) -> &'static str {
        self.about().name
    }

    /// Whether the source knows such entities at all.
    fn covers(&self, entity: &Entity) -> bool;

    /// Pure: which requests, batched how. At most `allowance` of them; the most useful first.
    fn plan(&self, wanted: &Query, now: Timestamp, allowance: u32) -> Vec<Request>;

    /// Pure: what a 200 with this JSON body says.
    fn read(
        &self,
        request: &Request,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<Readings, SourceError>;

    /// How long after the end of its bin a value of the signal is usually published, and how wide the bin is.
    fn rhythm(&self, signal: &str) -> PublishSchedule;

    /// Where a person sees the entity with this source's eyes, over `[from, until)` where the page can show a window.
    fn link(&self, entity: &Entity, from: Timestamp, until: Timestamp) -> Option<String>;
}

/// The beat of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishSchedule {
    pub step: Seconds,
    /// From the end of a bin to its publication.
    pub delay: Seconds,
}

impl Query {
    /// The same wish for some of the entities.
    #[must_use]
    pub fn about(&self, entities: &[Entity]) -> Self {
        Self { entities: entities.to_vec(), ..self.clone() }
    }

    /// The same wish for another window.
    #[must_use]
    pub fn between(&self, from: Timestamp, until: Timestamp) -> Self {
        Self { from, until, ..self.clone() }
    }

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
