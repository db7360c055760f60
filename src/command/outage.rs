//! `/outage ID`: the changes of an incident, each with the evidence that was frozen with it.

use super::{AppContext, Asker, CommandError};
use crate::domain::lookup;
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::render::Card;
use crate::render::alert::{Alert, AsOf, alert};
use crate::render::timeline::{Course, add_timeline, implicated};
use crate::source;
use crate::store::IncidentId;

/// The longest time after the start that the timeline covers.
const COURSE: i64 = 14 * DAY;

pub(super) async fn answer(
    context: &AppContext,
    asker: &Asker,
    id: i64,
) -> Result<Vec<Card>, CommandError> {
    let sight = context.sight(asker).await?;
    let (incident, transitions) = context
        .store
        .read(move |db| {
            let mut incident = db.incidents().by_id(IncidentId(id))?;
            if let Some(found) = &incident
                && !sight.sees_incident(db, found)?
            {
                // For this reader the incident does not exist.
                incident = None;
            }
            Ok((incident, db.incidents().transitions(IncidentId(id))?))
        })
        .await?;
    let incident = incident.ok_or(CommandError::NoIncident(id))?;
    let entity = &incident.key.entity;
    let zone = lookup::zone_of(entity, context.watchlist.wholes_of(entity));
    let about = incident.clone();
    let earlier = context.store.read(move |db| db.incidents().in_the_week_before(&about)).await?;
    let signals = implicated(&transitions);
    let from = incident.started_at - 15 * MINUTE;
    let last = incident
        .recovered_at
        .map_or(context.clock.now(), |ended| ended.max(incident.last.at) + 3 * HOUR);
    let until = last.min(from + COURSE);
    let courses = context
        .store
        .read(move |db| {
            let course = |assessment: crate::domain::Assessment| {
                let values = db.observations().series_values(&assessment.series, from, until)?;
                Ok(Course { assessment, values })
            };
            signals.into_iter().map(course).collect::<Result<Vec<_>, crate::store::StoreError>>()
        })
        .await?;
    let cards = transitions.iter().enumerate().map(|(i, transition)| {
        alert(&Alert {
            incident: id,
            transition,
            history: &transitions[..=i],
            zone,
            // Each card reads as at the moment of the decision.
            now: transition.at,
            links: if i + 1 == transitions.len() {
                source::links(entity, incident.started_at, transition.at)
            } else {
                Vec::new()
            },
            credits: source::credits(&transition.evidence),
            newer: None,
            as_of_now: AsOf::Decision,
            late: 0,
            parts_down: &[],
            earlier: &earlier,
            label: None,
            syntax: asker.syntax(),
        })
    });
    let mut cards: Vec<Card> = cards.collect();
    if let Some(newest) = cards.last_mut() {
        add_timeline(newest, &transitions, &courses);
    }
    Ok(cards)
}
