//! `linkdown status ENTITY`: prints the answer of `/status`, from the database of a bot that may be
//! running.

use super::{Common, Failure, config, environment};
use crate::app::feeds;
use crate::clock::Clock;
use crate::command::{AppContext, Asker, Command};
use crate::domain::{Entity, Watchlist, lookup};
use crate::ingest::restore;
use crate::render::console::text;
use crate::source::http::Timeouts;
use crate::store::{Access, Store};
use std::io::{self, Write};
use std::sync::{Arc, RwLock};

pub(super) async fn run(
    common: &Common,
    what: &[String],
    now: bool,
    json: bool,
) -> Result<(), Failure> {
    let config = config(common)?;
    let environment = environment()?;
    let said = what.join(" ");
    let Command::Status(entities) =
        crate::command::parse(&format!("/status {said}")).map_err(Failure::asked)?
    else {
        return Err(Failure::Asked(format!("`{said}` is no entity")));
    };
    let clock = Clock::system();
    let has_run = common.database().exists();
    let is_watched = |entity: &Entity| config.watch.iter().any(|watched| watched.entity == *entity);
    if !has_run && !now && !json && entities.iter().any(is_watched) {
        return Err(Failure::Work(format!(
            "no bot has run here: there is no database {}. `linkdown` starts one, `linkdown status {said} --now` asks the \
             sources once, and --database names another file",
            common.database().display()
        )));
    }
    let store = if has_run && !now {
        Store::open(common.database(), Access::Beside).map_err(Failure::work)?
    } else {
        Store::in_memory().map_err(Failure::work)?
    };
    let mut feeds =
        feeds(&config, &environment.secrets, &environment.addresses, &clock, Timeouts::default())
            .map_err(Failure::work)?;
    if !has_run || now {
        // A single lookup needs neither controls nor the past values that a running bot still has
        // to read.
        for feed in &mut feeds {
            feed.controls.clear();
        }
    }
    let (state, _) = restore::state(&store).await.map_err(Failure::work)?;
    // Without a bot's data everything is looked up on demand.
    let watchlist =
        Arc::new(Watchlist::new(if has_run && !now { config.watch } else { Vec::new() }));
    let context = AppContext::of_questions(
        store,
        Arc::new(RwLock::new(state)),
        watchlist,
        Arc::new(feeds),
        clock,
    );
    let mut out = io::stdout().lock();
    let answer = if json {
        let mut found = Vec::new();
        for entity in &entities {
            let evidence = context.evidence_or_look_up(entity).await.evidence;
            found.push(serde_json::json!({
                "entity": entity, "name": lookup::display_name(entity), "evidence": evidence,
            }));
        }
        serde_json::to_string_pretty(&found).map_err(Failure::work)?
    } else {
        let cards = context
            .answer(&Command::Status(entities), &Asker::console())
            .await
            .map_err(Failure::work)?;
        cards.iter().map(text).collect::<Vec<_>>().join("\n\n")
    };
    writeln!(out, "{answer}").map_err(Failure::unwritten)
}
