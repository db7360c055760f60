//! `linkdown health`: 0 while a bot runs on the database and says so, else 1 with the reason.

use super::{Common, Failure};
use crate::app::HEARTBEAT;
use crate::clock::Clock;
use crate::render::words::duration;
use crate::store::{Access, Store};
use std::io::{self, Write};

/// Missed beats after which it counts as gone.
const MISSED: i64 = 4;

pub(super) async fn run(common: &Common) -> Result<(), Failure> {
    let store = Store::open(common.database(), Access::Beside).map_err(Failure::work)?;
    let (beat, sources, troubles) = store
        .read(|db| Ok((db.heartbeat().last()?, db.sources().health()?, db.troubles().all()?)))
        .await
        .map_err(Failure::work)?;
    let now = Clock::system().now();
    let shown = common.database();
    let shown = shown.display();
    let Some(beat) = beat else {
        return Err(Failure::Work(format!(
            "no bot has run on {shown} yet, or the last one was stopped"
        )));
    };
    if now - beat > MISSED * HEARTBEAT {
        let age = duration(now - beat);
        return Err(Failure::Work(format!(
            "the bot on {shown} gave its last sign of life {age} ago"
        )));
    }
    let answering = sources.iter().filter(|source| source.last_error.is_none()).count();
    let mut out = io::stdout().lock();
    writeln!(out, "running; {answering} of {} sources answer", sources.len())
        .map_err(Failure::work)?;
    // It runs all the same: who begins it again helps nobody.
    troubles
        .iter()
        .try_for_each(|trouble| writeln!(out, "{}", trouble.said))
        .map_err(Failure::unwritten)
}
