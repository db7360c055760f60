//! `linkdown record`: writes the data that the sources have about an entity to a file that `replay`
//! reads.

use super::{Common, Failure, config, environment};
use crate::app::feeds;
use crate::clock::Clock;
use crate::domain::{Arrival, Timestamp, lookup, time::DAY};
use crate::source::http::Timeouts;
use crate::source::recorded::Writer;
use crate::source::{Purpose, past};
use crate::store::replace_private;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

pub(super) async fn run(
    common: &Common,
    entity: &str,
    from: &str,
    until: &str,
    out: &Path,
) -> Result<(), Failure> {
    let config = config(common)?;
    let environment = environment()?;
    let entity = lookup::parse_what(entity).map_err(Failure::asked)?;
    let (from, until) = (time("--from", from)?, time("--until", until)?);
    if from >= until {
        return Err(Failure::Asked(format!("--from {from} is not before --until {until}")));
    }
    let clock = Clock::system();
    let feeds =
        feeds(&config, &environment.secrets, &environment.addresses, &clock, Timeouts::default())
            .map_err(Failure::work)?;
    let asked: Vec<_> =
        feeds.iter().filter(|feed| feed.off.is_none() && feed.source.covers(&entity)).collect();
    if asked.is_empty() {
        return Err(Failure::Work(format!("no source that is on knows {entity}")));
    }
    let (mut busy, now) = (clock.busy(), clock.now());
    let (mut batches, mut failures, mut answered) = (Vec::new(), Vec::new(), 0);
    for feed in asked {
        let mut day = from;
        while day < until {
            let end = (day + DAY).min(until);
            progress(&format!("{}: {day}", feed.name()));
            let wanted = feed.wanted(vec![entity.clone()], day, end, Purpose::Backfill);
            let requests = feed.source.plan(&wanted, now, u32::MAX);
            let answer = feed.ask(&requests, &clock, &mut busy).await;
            answered += answer.answered;
            failures.extend(
                answer.failures.iter().map(|failure| format!("{}: {}", feed.name(), failure.error)),
            );
            batches.extend(past::batches(answer.readings, Arrival::Backfilled, now, |signal| {
                feed.source.rhythm(signal)
            }));
            day = end;
        }
    }
    if answered == 0 {
        return Err(Failure::Work(
            failures.into_iter().next().unwrap_or_else(|| "nothing could be asked".to_owned()),
        ));
    }
    for failure in &failures {
        tracing::warn!("{failure}; its values are missing in the file");
    }
    batches.sort_by_key(|batch| batch.received_at);
    save(&batches, out)
        .map_err(|error| Failure::Work(format!("{}: cannot be written: {error}", out.display())))
}

/// Writes a file of mode 0600 under another name, and renames it when it is complete.
fn save(batches: &[crate::domain::Batch], out: &Path) -> io::Result<()> {
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = replace_private(&partial).and_then(|file| {
        let mut writer = Writer::new(BufWriter::new(file))?;
        batches.iter().try_for_each(|batch| writer.write(batch))?;
        writer.finish()?;
        std::fs::rename(&partial, out)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

fn time(flag: &str, text: &str) -> Result<Timestamp, Failure> {
    Timestamp::parse(text).ok_or_else(|| {
        Failure::Asked(format!(
            "{flag} {text}: no such day or time; write 2025-06-06 or 2025-06-06T17:30 (UTC)"
        ))
    })
}

/// Writes a line to stderr, if that is a terminal.
fn progress(line: &str) {
    let mut err = io::stderr().lock();
    if err.is_terminal() {
        // A closed terminal is not an error here.
        let _ = writeln!(err, "{line}");
    }
}
