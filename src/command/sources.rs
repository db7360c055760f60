//! `/sources`: how the sources are doing; and what of it belongs at the foot of every answer.

use super::{CommandError, Desk};
use crate::render::Card;
use crate::render::lists::{SourceLine, source_line, sources};

pub(super) async fn answer(desk: &Desk) -> Result<Vec<Card>, CommandError> {
    let lines = lines(desk).await?;
    let mut card = sources(&lines, desk.clock.now());
    for (platform, said) in desk.said.all() {
        card.note(platform, said);
    }
    Ok(vec![card])
}

/// One sentence for each source that is in trouble or does not know the past yet.
pub(super) async fn trouble(desk: &Desk) -> Result<Vec<String>, CommandError> {
    let now = desk.clock.now();
    let ill = lines(desk)
        .await?
        .into_iter()
        .filter(|line| line.off.is_none() && (line.error.is_some() || line.reading_past.is_some()));
    Ok(ill.map(|line| format!("Source {}: {}", line.name, source_line(&line, now))).collect())
}

async fn lines(desk: &Desk) -> Result<Vec<SourceLine>, CommandError> {
    let now = desk.clock.now();
    let mut lines = Vec::new();
    for feed in desk.feeds.iter() {
        let name = feed.name();
        let (health, used, progress) = desk
            .store
            .read(move |db| Ok((db.sources().health()?, db.sources().used(name, now)?, db.sources().progress(name)?)))
            .await?;
        let health = health.into_iter().find(|health| health.source == name);
        let covered = feed.covered(desk.watchlist.entities().iter());
        let done = progress.iter().filter(|progress| progress.done && covered.contains(&progress.entity)).count();
        lines.push(SourceLine {
            name: name.to_owned(),
            off: feed.off.clone(),
            schedule: feed.schedule.to_string(),
            last_success: health.as_ref().and_then(|health| health.last_success),
            newest_bin: health.as_ref().and_then(|health| health.newest_bin),
            error: health.as_ref().filter(|health| health.failures > 0).and_then(|health| health.last_error.clone()),
            backing_off_until: health.as_ref().and_then(|health| health.backing_off_until),
            calls: feed.calls_a_day.map(|most| (used, most)),
            reading_past: (done < covered.len()).then_some((done, covered.len())),
        });
    }
    Ok(lines)
}
