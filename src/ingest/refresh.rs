//! Refreshes the cards of open incidents between two transitions, since the measurements go on
//! changing, though not at every tick.

use super::Watch;
use super::owe::Fanout;
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{Confidence, Entity, Evidence, Seconds, Timestamp};
use crate::render::status::gist;
use crate::store::{Incident, IncidentId, StoreError};
use std::collections::HashMap;
use std::sync::PoisonError;

/// The least seconds between two changes of a card's content.
const APART: Seconds = 10 * MINUTE;

/// The greatest age of a card whose content has not changed: up to the first duration of the
/// outage, the second applies, in seconds. The card is edited all the same, so that its "As of" and
/// the times of its rows are never older: each hour, and once the outage has lasted for long, each
/// six hours. Discord refuses frequent edits of messages that are older than an hour (code 30046).
const STALE: [(Seconds, Seconds); 2] = [(6 * HOUR, HOUR), (Seconds::MAX, 6 * HOUR)];

/// Returns the greatest age, in seconds, of a card of an outage that has lasted for `lasted`
/// seconds.
fn stale_after(lasted: Seconds) -> Seconds {
    STALE.iter().find(|(up_to, _)| lasted < *up_to).map_or(6 * HOUR, |(_, after)| *after)
}

/// The content that the cards of each open incident show, and when it was last written.
#[derive(Debug, Default)]
pub(super) struct Shown(HashMap<IncidentId, (Vec<String>, Timestamp)>);

impl Shown {
    /// Writes new evidence of the open incidents whose cards need an edit. Returns whether there is
    /// any.
    pub(super) async fn refresh(
        &mut self,
        watch: &Watch,
        is_live: bool,
    ) -> Result<bool, StoreError> {
        if !is_live {
            return Ok(false);
        }
        let open = watch.store.read(|db| db.incidents().open()).await?;
        let now = watch.clock.now();
        self.0.retain(|id, _| open.iter().any(|incident| incident.id == *id));
        let (mut changed, mut shown): (Vec<(Incident, Evidence)>, Vec<_>) =
            (Vec::new(), Vec::new());
        for incident in open {
            let Some(evidence) = evidence(watch, &incident.key.entity, now) else { continue };
            let known = self
                .0
                .entry(incident.id)
                .or_insert_with(|| (gist(incident.evidence()), incident.evidence().at));
            let news = gist(&evidence);
            let becomes_sure = evidence.sureness == Confidence::High
                && incident.evidence().sureness != Confidence::High;
            let age = now - known.1.max(incident.last.at);
            let is_stale = age >= stale_after(now - incident.started_at);
            let has_news = known.0 != news && (becomes_sure || age >= APART);
            if !is_stale && !has_news {
                continue;
            }
            shown.push((incident.id, news));
            changed.push((incident, evidence));
        }
        if changed.is_empty() {
            return Ok(false);
        }
        let watching = watch.clone();
        watch
            .store
            .write(move |tx| {
                let fanout = Fanout::new(tx, &watching, now);
                for (incident, evidence) in &changed {
                    let revision = tx.incidents().refresh(incident.id, evidence)?;
                    tx.cards().want(incident.id, revision)?;
                    fanout.owe_when_sure(incident, evidence)?;
                }
                Ok(())
            })
            .await?;
        self.0.extend(shown.into_iter().map(|(id, news)| (id, (news, now))));
        Ok(true)
    }
}

fn evidence(watch: &Watch, entity: &Entity, now: Timestamp) -> Option<Evidence> {
    watch.state.read().unwrap_or_else(PoisonError::into_inner).evidence(entity, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_shows_nothing_new_is_at_most_an_hour_old_and_later_six() {
        let ages = [0, HOUR, 6 * HOUR - 1, 6 * HOUR, 100 * HOUR].map(stale_after);
        assert_eq!(ages, [HOUR, HOUR, HOUR, 6 * HOUR, 6 * HOUR]);
    }
}
