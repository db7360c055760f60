//! `/health`: the tasks by name, the current problems, and the state of the sources and platforms.

use super::Web;
use crate::domain::{OperatorAlert, Timestamp};
use crate::store::{SourceHealth, StoreError};
use crate::supervisor::{Report, State, WorkReport};
use serde_json::{Value, json};

/// The content of one answer.
#[derive(Debug)]
pub(super) struct Health {
    now: Timestamp,
    since: Timestamp,
    /// Whether every source that answers has read the past that it missed.
    pub(super) is_ready: bool,
    tasks: Vec<Report>,
    works: Vec<WorkReport>,
    troubles: Vec<OperatorAlert>,
    sources: Vec<(&'static str, Option<String>, Option<SourceHealth>)>,
    said: Vec<(&'static str, String)>,
}

impl Health {
    /// Gathers the content from the database and the process.
    pub(super) async fn look(web: &Web) -> Result<Self, StoreError> {
        let (health, troubles) =
            web.context.store.read(|db| Ok((db.sources().health()?, db.troubles().all()?))).await?;
        let of = |name: &str| health.iter().find(|health| health.source == name).cloned();
        let tasks = web.supervisor.report();
        let on = web.context.feeds.iter().filter(|feed| feed.off.is_none());
        // A source ticks once the past of all sources has been read together.
        let ticks = |name: &str| tasks.iter().any(|task| task.name == name);
        let is_ready = on.clone().count() == 0 || on.clone().any(|feed| ticks(feed.name()));
        Ok(Self {
            now: web.context.clock.now(),
            since: web.since,
            is_ready,
            troubles,
            sources: web
                .context
                .feeds
                .iter()
                .map(|feed| (feed.name(), feed.off.clone(), of(feed.name())))
                .collect(),
            said: web.context.said.all(),
            works: web.supervisor.works(),
            tasks,
        })
    }

    /// Returns whether nothing is known to be wrong: no alert about the bot itself, no crashed
    /// task, and no work that is late.
    fn is_well(&self) -> bool {
        let (fell, late) =
            (|task: &Report| task.state == State::Crashed, |work: &WorkReport| work.late.is_some());
        self.troubles.is_empty() && !self.tasks.iter().any(fell) && !self.works.iter().any(late)
    }

    /// Formats the content as indented JSON.
    pub(super) fn to_json(&self) -> String {
        let works = self.works.iter().map(|work| {
            json!({ "name": work.name, "last_round_at": work.last_done.map(|at| at.to_string()),
                "nothing_for_seconds": work.late })
        });
        let tasks = self.tasks.iter().map(|task| {
            let state = match task.state {
                State::Runs => "runs",
                State::Crashed => "fell",
                State::Ended => "ended",
            };
            let fall = task.last_fall.as_ref();
            json!({ "name": task.name, "state": state, "restarts": task.restarts,
                "last_fall_at": fall.map(|(at, _)| at.to_string()), "last_fall": fall.map(|(_, why)| why) })
        });
        let troubles = self
            .troubles
            .iter()
            .map(|trouble| json!({ "what": trouble.what, "since": trouble.since.to_string(), "said": trouble.said }));
        let sources = self.sources.iter().map(|(name, off, health)| {
            let health = health.as_ref();
            json!({ "name": name, "off": off, "failures": health.map_or(0, |health| health.failures),
                "last_success": health.and_then(|health| health.last_success).map(|at| at.to_string()),
                "error": health.filter(|health| health.failures > 0).and_then(|health| health.last_error.clone()) })
        });
        let whole = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "now": self.now.to_string(),
            "since": self.since.to_string(),
            "status": if self.is_well() { "ok" } else { "trouble" },
            "ready": self.is_ready,
            "troubles": troubles.collect::<Value>(),
            "tasks": tasks.collect::<Value>(),
            "rounds": works.collect::<Value>(),
            "sources": sources.collect::<Value>(),
            "platforms": self.said.iter().map(|(name, said)| json!({ "name": name, "said": said })).collect::<Value>(),
        });
        format!("{whole:#}\n")
    }
}
