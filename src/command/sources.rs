//! `/sources`: the state of the sources, and the source problems that concern one entity.

use super::{AppContext, Asker, CommandError, Sight};
use crate::domain::lookup::display_name;
use crate::domain::{Entity, Evidence, Reading, Unknown};
use crate::render::Card;
use crate::render::lists::{SourceLine, own_line, source_line_for_readers, sources};
use crate::render::words::duration;

pub(super) async fn answer(context: &AppContext, asker: &Asker) -> Result<Vec<Card>, CommandError> {
    let sight = context.sight(asker).await?;
    let (lines, now) = (lines(context, &sight).await?, context.clock.now());
    let mut card =
        if sight.is_everything() { sources(&lines, now) } else { Card::titled("Sources") };
    if !sight.is_everything() {
        for line in &lines {
            card.note(&line.name, source_line_for_readers(line, now));
        }
    }
    if sight.is_everything() {
        for fault in context.store.read(|db| db.sources().faults()).await? {
            let again = fault
                .rests_until
                .map_or(String::new(), |at| format!(", asked again in {}", duration(at - now)));
            card.note(
                &format!("{} about {}", fault.source, fault.entity),
                format!("{}{again}", fault.why),
            );
        }
    }
    for (part, said) in context.said.all() {
        if sight.is_everything() {
            card.note(part, said);
        } else if !PLATFORMS.contains(&part) {
            card.note(part, own_line(&said));
        }
    }
    Ok(vec![card])
}

/// Status entries of chat platforms. Only a reader who sees everything is shown them: they are not
/// data sources.
const PLATFORMS: [&str; 3] = ["console", "discord", "telegram"];

/// Returns a sentence for each source that has a problem with this entity, or has not read its past
/// yet. Other problems of a source are shown to the operator only.
pub(super) async fn concerning(
    context: &AppContext,
    entity: &Entity,
    evidence: Option<&Evidence>,
) -> Result<Vec<String>, CommandError> {
    let now = context.clock.now();
    let mut said = Vec::new();
    let feeds =
        context.feeds.iter().filter(|feed| feed.off.is_none() && feed.source.covers(entity));
    for feed in feeds {
        let (name, title) = (feed.name(), feed.source.about().title);
        let (health, progress) = context
            .store
            .read(move |db| Ok((db.sources().health()?, db.sources().progress(name)?)))
            .await?;
        if progress.iter().any(|progress| progress.entity == *entity && !progress.done) {
            said.push(format!(
                "{title}: the last 14 days of {} are still being read.",
                display_name(entity)
            ));
            continue;
        }
        let Some(health) = health.into_iter().find(|health| health.source == name) else {
            continue;
        };
        // A source whose last requests all failed is not asked for a while.
        let is_silent = health.failures > 0 && health.backing_off_until.is_some();
        if !is_silent && !evidence.is_some_and(|evidence| has_failed(evidence, entity, name)) {
            continue;
        }
        let newest = evidence.and_then(|evidence| {
            let own = evidence
                .assessments
                .iter()
                .filter(|a| a.series.source == name && a.series.entity == *entity);
            own.map(|a| a.observed_at).filter(|at| at.unix() > 0).max()
        });
        said.push(match newest {
            Some(at) => format!(
                "{title} does not answer now: its newest value is {} old.",
                duration(now - at)
            ),
            None => format!("{title} does not answer now."),
        });
    }
    Ok(said)
}

/// Returns whether the source's last request about the entity failed.
fn has_failed(evidence: &Evidence, entity: &Entity, source: &str) -> bool {
    let own =
        |a: &&crate::domain::Assessment| a.series.source == source && a.series.entity == *entity;
    let failed = Reading::Unknown { why: Unknown::SourceFault };
    evidence.assessments.iter().filter(own).any(|assessment| assessment.reading == failed)
}

async fn lines(context: &AppContext, sight: &Sight) -> Result<Vec<SourceLine>, CommandError> {
    let now = context.clock.now();
    let mut lines = Vec::new();
    for feed in context.feeds.iter() {
        let name = feed.name();
        let (health, used, progress) = context
            .store
            .read(move |db| {
                Ok((
                    db.sources().health()?,
                    db.sources().used(name, now)?,
                    db.sources().progress(name)?,
                ))
            })
            .await?;
        let health = health.into_iter().find(|health| health.source == name);
        let mut covered = feed.covered(context.watchlist.entities().iter());
        covered.retain(|entity| sight.sees(entity));
        let done = progress
            .iter()
            .filter(|progress| progress.done && covered.contains(&progress.entity))
            .count();
        lines.push(SourceLine {
            name: name.to_owned(),
            off: feed.off.clone(),
            schedule: feed.schedule.to_string(),
            last_success: health.as_ref().and_then(|health| health.last_success),
            newest_bin: health.as_ref().and_then(|health| health.newest_bin),
            error: health
                .as_ref()
                .filter(|health| health.failures > 0)
                .and_then(|health| health.last_error.clone()),
            backing_off_until: health.as_ref().and_then(|health| health.backing_off_until),
            calls: feed.calls_a_day.map(|most| (used, most)),
            reading_past: (done < covered.len()).then_some((done, covered.len())),
        });
    }
    Ok(lines)
}
