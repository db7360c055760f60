//! Gathers the health of the bot itself in one snapshot.

use crate::command::AppContext;
use crate::domain::{OperatorAlert, Seconds, Timestamp};
use crate::source::feed;
use crate::store::{EntityFault, Space, StoreError, Waiting};
use crate::supervisor::{Report, Supervisor, WorkReport};

/// The health of the bot at one instant.
#[derive(Clone, Debug)]
pub(super) struct HealthSnapshot {
    /// When it was taken.
    pub now: Timestamp,
    /// Since when this process monitors.
    pub since: Timestamp,
    /// The sources that are on.
    pub sources: Vec<Source>,
    /// Entities of the configuration about which a source refuses to answer.
    pub refused: Vec<EntityFault>,
    /// Deliveries that wait to be sent, for each platform.
    pub waiting: Vec<Waiting>,
    /// Space on the disk of the database, if it can be read.
    pub space: Option<Space>,
    /// Seconds by which our clock is ahead of the clocks of the servers that answered.
    pub ahead: Option<Seconds>,
    /// The supervised tasks.
    pub tasks: Vec<Report>,
    /// Work that must be completed again and again.
    pub works: Vec<WorkReport>,
    /// The result of the check of the database file.
    pub file: File,
    /// When the database was last written again after it had been deleted.
    pub rewritten: Option<Timestamp>,
    /// The alerts that were known before.
    pub known: Vec<OperatorAlert>,
}

/// The result of the check of the database file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// It has not been checked yet.
    Unknown,
    /// The check found no damage.
    Whole,
    /// The damage found, or the error of the check.
    Damaged(String),
}

/// A source that is on.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Its short name, such as `ioda`.
    pub name: &'static str,
    /// When it last answered.
    pub last_success: Option<Timestamp>,
    /// The error of the last poll, if that failed.
    pub error: Option<String>,
}

/// Takes a snapshot. `file` and `rewritten` are passed through.
pub(super) async fn gather(
    context: &AppContext,
    supervisor: &Supervisor,
    since: Timestamp,
    file: File,
    rewritten: Option<Timestamp>,
) -> Result<HealthSnapshot, StoreError> {
    let looked = context.store.read(|db| {
        Ok((
            db.sources().health()?,
            db.sources().faults()?,
            db.deliveries().waiting()?,
            db.troubles().all()?,
        ))
    });
    let (health, mut refused, waiting, known) = looked.await?;
    refused.retain(|fault| context.watchlist.is_configured(&fault.entity));
    let on = context.feeds.iter().filter(|feed| feed.off.is_none());
    let sources = on.map(|feed| {
        let health = health.iter().find(|health| health.source == feed.name());
        let failing = health.filter(|health| health.failures > 0);
        Source {
            name: feed.name(),
            last_success: health.and_then(|health| health.last_success),
            error: failing.and_then(|health| health.last_error.clone()),
        }
    });
    Ok(HealthSnapshot {
        now: context.clock.now(),
        since,
        sources: sources.collect(),
        refused,
        waiting,
        space: context.store.space(),
        ahead: feed::ahead(&context.feeds),
        tasks: supervisor.report(),
        works: supervisor.works(),
        file,
        rewritten,
        known,
    })
}

impl HealthSnapshot {
    /// Returns whether an alert about this subject was known before.
    pub(super) fn is_known(&self, what: &str) -> bool {
        self.known.iter().any(|trouble| trouble.what == what)
    }
}
