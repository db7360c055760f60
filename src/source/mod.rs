//! Who tells us. A polled source is pure: what to ask ([`Polled::plan`]) and how to read the answer ([`Polled::read`]);
//! `http` alone talks to the world, and only `source/*` knows an API's JSON.

pub mod recorded;

use crate::domain::{Entity, Fact, Observation, Seconds, Timestamp};
use std::fmt;

/// What to learn from a source in one go.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
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
    pub path: String,
    pub query: Vec<(String, String)>,
    /// What of the wanted things this request answers.
    pub wanted: Wanted,
}

/// What a reply says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    pub observations: Vec<Observation>,
    pub facts: Vec<Fact>,
}

/// A source that is asked over HTTP on a cron schedule.
pub trait Polled: Send + Sync + fmt::Debug {
    fn name(&self) -> &'static str;

    /// Whether the source knows such entities at all.
    fn covers(&self, entity: &Entity) -> bool;

    /// Pure: which requests, batched how. At most `allowance` of them; the most useful first.
    fn plan(&self, wanted: &Wanted, now: Timestamp, allowance: u32) -> Vec<Request>;

    /// Pure: what a 200 with this JSON body says.
    fn read(&self, request: &Request, body: &[u8], received_at: Timestamp) -> Result<Readings, SourceError>;

    /// How long after the end of its bin a value of the signal is usually published, and how wide the bin is.
    fn rhythm(&self, signal: &str) -> Rhythm;
}

/// The beat of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    pub step: Seconds,
    /// From the end of a bin to its publication.
    pub delay: Seconds,
}

/// Why a source did not answer. Never holds a secret, never a library's bare words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("{0}")]
    Placeholder(String),
}
