//! `linkdown explain ENTITY`: prints the answer of `/why`, from the database of a bot that may be
//! running or from a file.

use super::{Common, Failure, config};
use crate::clock::Clock;
use crate::command::{AppContext, When, explain};
use crate::detect::State;
use crate::domain::{Entity, Explanation, Timestamp, Watchlist, lookup};
use crate::ingest::restore;
use crate::render::console::text;
use crate::render::why::why;
use crate::source::recorded::Reader;
use crate::store::{Access, Store};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, RwLock};

pub(super) async fn run(
    common: &Common,
    what: &[String],
    at: Option<&str>,
    observations: Option<&Path>,
    json: bool,
) -> Result<(), Failure> {
    let what = what.join(" ");
    let when = at.map_or(Some(When::Now), When::parse).ok_or_else(|| {
        Failure::Asked(format!(
            "--at {}: no such time; write 2025-06-06T17:50 (UTC), 17:50 or 2h ago",
            at.unwrap_or("")
        ))
    })?;
    let clock = Clock::system();
    let now = clock.now();
    let until = when.instant(now);
    if until > now {
        return Err(Failure::Asked(format!("{until} is still to come")));
    }
    let watchlist = Arc::new(Watchlist::new(config(common)?.watch));
    let (entity, explained) = if let Some(file) = observations {
        // A file may hold entities that the lookup does not know.
        let entity =
            lookup::parse_what(&what).or_else(|error| what.parse::<Entity>().map_err(|_| error));
        let entity = entity.map_err(Failure::asked)?;
        let explained = from_file(file, &entity, (when != When::Now).then_some(until))?;
        (entity, explained)
    } else {
        let entity = lookup::parse_what(&what).map_err(Failure::asked)?;
        let explained = from_database(common, &entity, when, Arc::clone(&watchlist), clock).await?;
        (entity, explained)
    };
    let Some(explanation) = explained else {
        return Err(Failure::Work(format!(
            "nothing was measured of {} by {until}",
            lookup::display_name(&entity)
        )));
    };
    let answer = if json {
        serde_json::to_string_pretty(&explanation).map_err(Failure::work)?
    } else {
        text(&why(&explanation, lookup::zone_of(&entity, watchlist.wholes_of(&entity)), now))
    };
    writeln!(io::stdout().lock(), "{answer}").map_err(Failure::unwritten)
}

async fn from_database(
    common: &Common,
    entity: &Entity,
    when: When,
    watchlist: Arc<Watchlist>,
    clock: Clock,
) -> Result<Option<Explanation>, Failure> {
    let database = common.database();
    if !database.exists() {
        return Err(Failure::Work(format!(
            "there is no database {}: nothing was watched yet; name another with --database, or a file with --observations",
            database.display()
        )));
    }
    let store = Store::open(database, Access::Beside).map_err(Failure::work)?;
    let (state, _) = restore::state(&store).await.map_err(Failure::work)?;
    let context = AppContext::of_questions(
        store,
        Arc::new(RwLock::new(state)),
        watchlist,
        Arc::default(),
        clock,
    );
    explain(&context, entity, when).await.map_err(Failure::work)
}

/// Returns the detector's explanation from the file's observations up to `until`.
fn from_file(
    file: &Path,
    entity: &Entity,
    until: Option<Timestamp>,
) -> Result<Option<Explanation>, Failure> {
    let asked =
        |error: &dyn std::fmt::Display| Failure::Asked(format!("{}: {error}", file.display()));
    let input = File::open(file).map_err(|error| asked(&error))?;
    let mut reader = Reader::new(BufReader::new(input)).map_err(|error| asked(&error))?;
    let (mut state, mut newest) = (State::default(), None);
    while let Some(batch) = reader.next_batch().map_err(|error| asked(&error))? {
        if until.is_some_and(|until| batch.received_at > until) {
            break;
        }
        newest = Some(batch.received_at);
        state.take(&batch);
    }
    Ok(newest.and_then(|newest| state.explain(entity, until.unwrap_or(newest))))
}
