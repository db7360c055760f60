//! The answer to a tap on [Details] under an incident's message: the incident with its newest
//! evidence.

use super::{AppContext, Asker, CommandError};
use crate::domain::{Phase, lookup};
use crate::render::Card;
use crate::render::alert::{Alert, AsOf, alert};
use crate::render::words::utc_time;
use crate::source;
use crate::store::IncidentId;

impl AppContext {
    /// Returns the incident's card in its current state, never older than a message edited a moment
    /// ago.
    pub async fn details(&self, incident: i64, asker: &Asker) -> Card {
        let answer = match asker.is_admitted(&self.access) {
            Ok(()) => newest(self, asker, incident).await,
            Err(denied) => Err(denied.into()),
        };
        answer.unwrap_or_else(|error| {
            if let CommandError::Store(error) = &error {
                tracing::error!("a tap on [Details] could not be answered: {error}");
            }
            Card::titled(error.said(asker.syntax()))
        })
    }
}

async fn newest(context: &AppContext, asker: &Asker, id: i64) -> Result<Card, CommandError> {
    let sight = context.sight(asker).await?;
    let read = context.store.read(move |db| {
        let Some(incident) = db.incidents().by_id(IncidentId(id))? else { return Ok(None) };
        if !sight.sees_incident(db, &incident)? {
            return Ok(None);
        }
        let history = db.incidents().transitions(IncidentId(id))?;
        let earlier = db.incidents().in_the_week_before(&incident)?;
        let open = db.incidents().open()?;
        Ok(Some((incident, history, earlier, open)))
    });
    let (incident, history, earlier, open) = read.await?.ok_or(CommandError::NoIncident(id))?;
    let (entity, now) = (&incident.key.entity, context.clock.now());
    let live = if incident.phase.is_over() { None } else { context.evidence(entity, now) };
    let parts: Vec<_> = context.watchlist.parts_of(entity).collect();
    let down = open.into_iter().filter(|other| other.phase == Phase::Down);
    let parts_down: Vec<_> =
        down.map(|other| other.key.entity).filter(|part| parts.contains(&part)).collect();
    let evidence = live.as_ref().or(incident.newer.as_ref());
    let mut card = alert(&Alert {
        incident: id,
        transition: &incident.last,
        newer: evidence,
        history: &history,
        zone: lookup::zone_of(entity, context.watchlist.wholes_of(entity)),
        now,
        as_of_now: AsOf::Now,
        late: 0,
        parts_down: &parts_down,
        earlier: &earlier,
        links: source::links(entity, incident.started_at, now),
        credits: source::credits(evidence.unwrap_or(incident.evidence())),
        label: None,
        syntax: asker.syntax(),
    });
    card.foot.push(format!("As of {}.", utc_time(now)));
    Ok(card)
}
