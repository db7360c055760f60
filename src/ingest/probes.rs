//! Takes rounds of our own probes, each as one batch, and reports the state of our own uplink.

use super::pipeline::Pipeline;
use crate::clock::ActivityGuard;
use crate::command::StatusBoard;
use crate::domain::{Timestamp, UplinkState};
use crate::render::words::{duration, plural, utc_time};
use crate::source::probe::NAME;
use crate::source::probe::tally::{Round, Tally};
use crate::source::probe::uplink::Uplink;
use crate::supervisor::Progress;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::Instrument;

/// The name of our uplink where the sources are listed.
const OUR_LINE: &str = "our own line";
/// The name of the sites that only chats watch, in the same list.
const SITES: &str = "sites of chats";

/// Takes rounds until the channel closes. Each stored round is reported to `progress`.
pub async fn run(
    rounds: &mut UnboundedReceiver<(Round, ActivityGuard)>,
    pipeline: Arc<Mutex<Pipeline>>,
    said: StatusBoard,
    progress: Progress,
) {
    let mut tally = Tally::default();
    let mut line: Option<(UplinkState, Timestamp)> = None;
    while let Some((round, busy)) = rounds.recv().await {
        let mut pipeline = pipeline.lock().await;
        let now = pipeline.watch().clock.now();
        line = Some(spoken_of(&round.uplink, line, now, &said));
        say_what_works(&round, &said);
        let batch = tally.take(&round, now);
        let span = tracing::info_span!("tick", source = NAME);
        match pipeline.take(vec![batch], Box::new(|_| Ok(()))).instrument(span).await {
            Ok(_) => progress.done(),
            Err(error) => {
                tracing::error!(source = NAME, "what was found could not be stored: {error}");
            }
        }
        drop(busy);
    }
}

/// Shows in `/sources` how many targets work, those of the operator and the sites of chats
/// separately.
fn say_what_works(round: &Round, said: &StatusBoard) {
    let when = utc_time(round.start);
    let works = |at: usize| {
        round.found.iter().any(|(number, found)| *number == at && found.outcome().does_work())
    };
    let working = (0..round.operator).filter(|number| works(*number)).count();
    let asked = plural(round.operator as u64, "target", "targets");
    said.say(NAME, format!("{working} of {asked} work, asked in the round of {when}"));
    let sites: BTreeSet<_> =
        round.targets[round.operator..].iter().map(|target| &target.entity).collect();
    if sites.is_empty() {
        return said.say_no_more(SITES);
    }
    let had_no_turn = |number: &&usize| **number >= round.operator;
    let unreached: BTreeSet<_> = round
        .unreached
        .iter()
        .filter(had_no_turn)
        .map(|number| &round.targets[*number].entity)
        .collect();
    let (all, left) = (sites.len(), unreached.len());
    let those = if left == 0 {
        String::new()
    } else {
        format!("; {left} had no turn and are asked first in the next")
    };
    said.say(SITES, format!("{} of {all} asked in the round of {when}{those}", all - left));
}

/// Logs each change of our uplink and shows its state in `/sources`. Returns the state and since
/// when it holds.
fn spoken_of(
    uplink: &Uplink,
    before: Option<(UplinkState, Timestamp)>,
    now: Timestamp,
    said: &StatusBoard,
) -> (UplinkState, Timestamp) {
    let since = before.filter(|(line, _)| *line == uplink.line).map_or(now, |(_, since)| since);
    if since == now && before.is_some_and(|(line, _)| line != uplink.line) {
        let lasted = before.map(|(_, since)| duration(now - since)).unwrap_or_default();
        match uplink.line {
            UplinkState::Good => {
                tracing::info!("our own line is good again after {lasted}: {}", uplink.why);
            }
            UplinkState::Doubtful | UplinkState::Gone => tracing::warn!(
                "our own line is {}: {}. What our probes find is unknown, and nothing is told on their word, until it is good",
                uplink.line,
                uplink.why
            ),
        }
    }
    said.say(OUR_LINE, format!("{} for {}: {}", uplink.line, duration(now - since), uplink.why));
    (uplink.line, since)
}
