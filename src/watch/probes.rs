//! Rounds of our own probes, each a batch; and word of how our own line stands.

use super::pipeline::Pipeline;
use crate::clock::Busy;
use crate::command::Said;
use crate::domain::{Line, Timestamp};
use crate::render::words::{duration, plural, utc_time};
use crate::source::probe::NAME;
use crate::source::probe::tally::{Round, Tally};
use crate::source::probe::uplink::Uplink;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::Instrument;

/// How our line is called where the sources are listed.
const OUR_LINE: &str = "our own line";

/// Takes rounds until no more come.
pub async fn run(rounds: &mut UnboundedReceiver<(Round, Busy)>, pipeline: Arc<Mutex<Pipeline>>, said: Said) {
    let mut tally = Tally::default();
    let mut line: Option<(Line, Timestamp)> = None;
    while let Some((round, busy)) = rounds.recv().await {
        let mut pipeline = pipeline.lock().await;
        let now = pipeline.watch().clock.now();
        line = Some(spoken_of(&round.uplink, line, now, &said));
        let working = round.found.iter().filter(|(_, found)| found.outcome().does_work()).count();
        let asked = plural(round.targets.len() as u64, "target", "targets");
        said.say(NAME, format!("{working} of {asked} work, asked in the round of {}", utc_time(round.start)));
        let batch = tally.take(&round, now);
        let span = tracing::info_span!("tick", source = NAME);
        if let Err(error) = pipeline.take(vec![batch], Box::new(|_| Ok(()))).instrument(span).await {
            tracing::error!(source = NAME, "what was found could not be stored: {error}");
        }
        drop(busy);
    }
}

/// Says in the log when our line changes, and in `/sources` how it stands; since when, in return.
fn spoken_of(uplink: &Uplink, before: Option<(Line, Timestamp)>, now: Timestamp, said: &Said) -> (Line, Timestamp) {
    let since = before.filter(|(line, _)| *line == uplink.line).map_or(now, |(_, since)| since);
    if since == now && before.is_some_and(|(line, _)| line != uplink.line) {
        let lasted = before.map(|(_, since)| duration(now - since)).unwrap_or_default();
        match uplink.line {
            Line::Good => tracing::info!("our own line is good again after {lasted}: {}", uplink.why),
            Line::Doubtful | Line::Gone => tracing::warn!(
                "our own line is {}: {}. What our probes find is unknown, and nothing is told on their word, until it is good",
                uplink.line,
                uplink.why
            ),
        }
    }
    said.say(OUR_LINE, format!("{} for {}: {}", uplink.line, duration(now - since), uplink.why));
    (uplink.line, since)
}
