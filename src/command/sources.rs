//! `/sources`: how the sources are doing; and what of it belongs at the foot of every answer.

use super::{CommandError, Desk};
use crate::render::Card;
use crate::render::lists::{SourceLine, source_line, sources};

pub(super) async fn answer(desk: &Desk) -> Result<Vec<Card>, CommandError> {
    let lines = lines(desk).await?;
    Ok(vec![sources(&lines, desk.clock.now())])
}

/// One sentence for each source that is in trouble.
pub(super) async fn trouble(desk: &Desk) -> Result<Vec<String>, CommandError> {
    let now = desk.clock.now();
    let ill = lines(desk).await?.into_iter().filter(|line| line.off.is_none() && line.error.is_some());
    Ok(ill.map(|line| format!("Source {}: {}", line.name, source_line(&line, now))).collect())
}

async fn lines(desk: &Desk) -> Result<Vec<SourceLine>, CommandError> {
    let now = desk.clock.now();
    let (health, used) = desk
        .store
        .read(move |db| {
            let health = db.sources().health()?;
            let used: Result<Vec<_>, _> = health.iter().map(|source| db.sources().used(&source.source, now)).collect();
            Ok((health, used?))
        })
        .await?;
    let lines = desk.feeds.iter().map(|feed| {
        let known = health.iter().zip(&used).find(|(source, _)| source.source == feed.name());
        SourceLine {
            name: feed.name().to_owned(),
            off: feed.off.clone(),
            schedule: feed.schedule.to_string(),
            last_success: known.and_then(|(source, _)| source.last_success),
            newest_bin: known.and_then(|(source, _)| source.newest_bin),
            error: known.and_then(|(source, _)| source.last_error.clone()),
            backing_off_until: known.and_then(|(source, _)| source.backing_off_until),
            calls: feed.calls_a_day.map(|most| (known.map_or(0, |(_, used)| *used), most)),
        }
    });
    Ok(lines.collect())
}
