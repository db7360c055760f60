//! How the bot itself is doing, gathered in one look.

use crate::command::AppContext;
use crate::domain::{OperatorAlert, Seconds, Timestamp};
use crate::source::feed;
use crate::store::{EntityFault, Space, StoreError, Waiting};
use crate::supervisor::{Report, Supervisor, WorkReport};

/// One look.
#[derive(Clone, Debug)]
pub(super) struct HealthSnapshot {
    pub now: Timestamp,
    /// Since when this process looks.
    pub since: Timestamp,
    pub sources: Vec<Source>,
    /// Entities of the configuration about which a source refuses to answer.
    pub refused: Vec<EntityFault>,
    pub waiting: Vec<Waiting>,
    pub space: Option<Space>,
    /// By how much our clock is ahead of those of the servers that answered.
    pub ahead: Option<Seconds>,
    pub tasks: Vec<Report>,
    /// Work that is to be completed again and again.
    pub works: Vec<WorkReport>,
    pub file: File,
    /// When the database, which had been deleted, was last written anew.
    pub rewritten: Option<Timestamp>,
    /// What is known to be wrong already.
    pub known: Vec<OperatorAlert>,
}

/// What is known of the database's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// Nobody has looked through it yet.
    Unknown,
    Whole,
    Damaged(String),
}

/// A source that is on.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub name: &'static str,
    pub last_success: Option<Timestamp>,
    /// Of the last poll, where that failed.
    pub error: Option<String>,
}

/// Looks.
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
    pub(super) fn is_known(&self, what: &str) -> bool {
        self.known.iter().any(|trouble| trouble.what == what)
    }
}
