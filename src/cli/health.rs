//! `linkdown health`: exits with 0 while a bot runs on the database and beats, else with 1 and the
//! reason.

use super::{Common, Failure};
use crate::app::HEARTBEAT;
use crate::clock::Clock;
use crate::render::words::duration;
use crate::store::{Access, Store};
use std::io::{self, Write};

/// The number of missed beats after which the bot counts as stopped.
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
    // The bot runs in spite of these problems, and a restart would not solve them, so the exit code
    // stays 0.
    troubles
        .iter()
        .try_for_each(|trouble| writeln!(out, "{}", trouble.said))
        .map_err(Failure::unwritten)
}
