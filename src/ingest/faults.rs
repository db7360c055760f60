//! Faults of single entities: a source does not answer about them while it answers about others.
//! Such an entity is named to the operator and asked about rarely; the source is not in trouble.
//! Pure.

use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{Entity, FactKind, Seconds, Timestamp};
use crate::source::SourceError;
use crate::source::backoff::Backoff;
use crate::source::cadence::Share;
use crate::source::feed::{Answer, Failure};
use crate::store::{EntityFault, StoreError, Tx};

/// An entity that is refused today is as a rule refused tomorrow: it is asked about again after an
/// hour, then ever more rarely, at least once a day.
const RESTS: Backoff = Backoff { first: HOUR, cap: DAY };

/// Seconds that a chat's entity waits when nothing was learned about it for another reason: three
/// ticks of most sources.
const NEXT_TURN: Seconds = 15 * MINUTE;

/// The faults that change after an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Faults that are new or go on.
    pub(super) set: Vec<EntityFault>,
    /// Entities that are answered about again.
    pub(super) cleared: Vec<Entity>,
}

/// Returns the failure that concerns the source itself, if there is one.
///
/// A refusal of, or a malformed answer to, a request about a single entity concerns that entity
/// alone, where others are answered; so does another failure while most requests are answered. In
/// the chats' share only a failure that holds for all requests is the source's own trouble: no chat
/// can put a source into trouble by a subscription.
pub(super) fn of_source(answer: &Answer, share: Share) -> Option<&Failure> {
    let most_answered = answer.answered * 2 > answer.sent;
    answer.failures.iter().find(|failure| {
        let error = &failure.error;
        let is_of_all =
            matches!(error, SourceError::Unreachable { .. } | SourceError::RateLimited { .. })
                || error.is_final()
                || error.retry_after().is_some();
        let is_of_one = failure.entities.len() == 1;
        // It was the only request this time: the source did answer it, so it works.
        let is_alone = answer.sent == 1
            && matches!(error, SourceError::Refused { .. } | SourceError::TooLarge { .. });
        let is_of_some = is_of_one
            && (is_alone || error.is_about_the_question() && answer.answered > 0 || most_answered)
            || share == Share::Chats;
        is_of_all || !is_of_some
    })
}

/// Returns the changed faults of the entities that were asked about. `known` are the earlier ones
/// of this source.
pub(super) fn after(
    source: &str,
    known: &[EntityFault],
    asked: &[Entity],
    answer: &Answer,
    share: Share,
    now: Timestamp,
) -> Faults {
    let mut faults = Faults::default();
    if of_source(answer, share).is_some() {
        return faults;
    }
    for entity in asked {
        let earlier = known.iter().find(|fault| fault.entity == *entity);
        let Some((why, is_alone)) = why(answer, entity) else {
            faults.cleared.extend(earlier.map(|fault| fault.entity.clone()));
            continue;
        };
        let is_heard = answer.readings.observations.iter().any(|o| o.series.entity == *entity);
        let failures = earlier.map_or(0, |fault| fault.failures).saturating_add(1);
        let rest = match (is_heard, is_alone, share) {
            (true, ..) | (false, false, Share::Operator) => None,
            (false, true, _) => Some(RESTS.pause(failures, 1.0, None)),
            // The next entity of the chats gets its turn.
            (false, false, Share::Chats) => Some(NEXT_TURN),
        };
        faults.set.push(EntityFault {
            source: source.to_owned(),
            entity: entity.clone(),
            why,
            since: earlier.map_or(now, |fault| fault.since),
            failures,
            rests_until: rest.map(|rest| now + rest),
        });
    }
    faults
}

/// Returns why nothing, or not everything, was learned about the entity, and whether it alone was
/// refused.
fn why(answer: &Answer, entity: &Entity) -> Option<(String, bool)> {
    let failed = answer.failures.iter().find(|failure| failure.entities.contains(entity));
    if let Some(Failure { entities, error }) = failed {
        let is_alone = entities.len() == 1
            && !matches!(error, SourceError::Empty { .. } | SourceError::Malformed { .. });
        return Some((error.to_string(), is_alone));
    }
    let odd = answer.readings.odd.iter().find(|odd| odd.entity.as_ref() == Some(entity));
    let told = answer.readings.facts.iter().find_map(|fact| match &fact.kind {
        FactKind::PollFailed { error } if fact.entity == *entity => Some(error.clone()),
        _ => None,
    });
    Some((odd.map(|odd| odd.why.clone()).or(told)?, false))
}

/// Returns whether the source is not to be asked about the entity for now. A rest that is longer
/// than the longest one was written by a clock that has since been set back.
pub(super) fn rests(faults: &[EntityFault], entity: &Entity, now: Timestamp) -> bool {
    let until =
        faults.iter().find(|fault| fault.entity == *entity).and_then(|fault| fault.rests_until);
    until.is_some_and(|until| until > now && until - now <= RESTS.cap)
}

impl Faults {
    /// Writes the changes in the given transaction.
    pub(super) fn write(&self, source: &str, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.set.iter().try_for_each(|fault| tx.sources().set_fault(fault))?;
        self.cleared.iter().try_for_each(|entity| tx.sources().clear_fault(source, entity))
    }

    /// Logs each new fault, and each whose reason has changed.
    pub(super) fn log(&self, known: &[EntityFault]) {
        for fault in &self.set {
            let EntityFault { source, entity, why, rests_until, .. } = fault;
            let is_known =
                known.iter().any(|earlier| earlier.entity == *entity && earlier.why == *why);
            let again = rests_until.map(tracing::field::display);
            if !is_known {
                tracing::warn!(source, %entity, why, again, "one entity is not answered, the others are");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Observation, Series};
    use crate::source::{Oddity, Readings};
    use std::sync::Arc;

    fn entity(text: &str) -> Entity {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn refused() -> SourceError {
        SourceError::Refused { status: 400, said: "not a known country code".to_owned() }
    }

    /// Returns an answer about KP, with the given failures about other entities.
    fn answer(failures: &[(&[&str], SourceError)]) -> Answer {
        let series = Series {
            entity: entity("country/KP"),
            source: "ripestat".into(),
            signal: "prefixes".into(),
        };
        let observation = Observation {
            series: Arc::new(series),
            observed_at: at("2026-09-01"),
            value: Some(4.0),
        };
        let failure = |(entities, error): &(&[&str], SourceError)| Failure {
            entities: entities.iter().map(|text| entity(text)).collect(),
            error: error.clone(),
        };
        Answer {
            readings: Readings { observations: vec![observation], ..Readings::default() },
            answered: 3,
            sent: 3 + failures.len(),
            failures: failures.iter().map(failure).collect(),
        }
    }

    #[test]
    fn one_entity_that_is_refused_is_named_and_asked_ever_more_rarely() {
        let asked = [entity("country/KP"), entity("country/XK")];
        let answer = answer(&[(&["country/XK"], refused())]);
        assert!(of_source(&answer, Share::Operator).is_none(), "the source is well");
        let (mut known, mut now, mut pauses) = (Vec::new(), at("2026-09-01"), Vec::new());
        for _ in 0..7 {
            let faults = after("ripestat", &known, &asked, &answer, Share::Operator, now);
            assert_eq!((faults.set.len(), faults.cleared.len()), (1, 0));
            known = faults.set;
            assert_eq!(known[0].why, "refused the question (HTTP 400): not a known country code");
            let until = known[0].rests_until.unwrap();
            assert!(rests(&known, &asked[1], until - 1) && !rests(&known, &asked[1], until));
            assert!(!rests(&known, &asked[0], now));
            pauses.push((until - now) / HOUR);
            now = until;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 24, 24]);
        assert_eq!((known[0].failures, known[0].since), (7, at("2026-09-01")));
        assert!(
            !rests(&known, &asked[1], at("2026-08-01")),
            "by a clock that was set back nobody rests for a month"
        );
        let well =
            after("ripestat", &known, &asked, &super::tests::answer(&[]), Share::Operator, now);
        assert_eq!((well.set, well.cleared), (vec![], vec![entity("country/XK")]));
    }

    #[test]
    fn what_the_source_says_to_all_is_its_own_trouble() {
        let limited = SourceError::RateLimited { retry_after: None };
        for share in [Share::Operator, Share::Chats] {
            let answer = answer(&[(&["country/XK"], limited.clone())]);
            assert!(of_source(&answer, share).is_some());
            assert_eq!(
                after("ripestat", &[], &[entity("country/XK")], &answer, share, at("2026-09-01")),
                Faults::default()
            );
        }
        let both: &[&str] = &["country/XK", "country/XA"];
        assert!(
            of_source(&answer(&[(both, SourceError::empty("no data"))]), Share::Operator).is_some()
        );
        let down = SourceError::ServerFault { status: 502, retry_after: None };
        assert!(of_source(&answer(&[(both, down.clone())]), Share::Operator).is_some());
        assert!(
            of_source(&answer(&[(&["country/XK"], down)]), Share::Operator).is_none(),
            "most others are answered"
        );
        let alone = Answer { answered: 0, sent: 1, ..answer(&[(&["country/XK"], refused())]) };
        assert!(of_source(&alone, Share::Operator).is_none(), "nobody else was asked about");
        let silent = Answer { answered: 0, sent: 2, ..alone };
        assert!(of_source(&silent, Share::Operator).is_some(), "nothing at all was answered");
        assert!(
            of_source(&silent, Share::Chats).is_none(),
            "a chat's wish puts no source into trouble"
        );
    }

    #[test]
    fn an_odd_item_and_a_failed_poll_are_named_but_asked_as_usual() {
        let mut answer = answer(&[]);
        let why = "IODA's bgp series of country/IR is malformed: its step is 0".to_owned();
        answer.readings.odd.push(Oddity { entity: Some(entity("country/IR")), why: why.clone() });
        let faults =
            after("ioda", &[], &[entity("country/IR")], &answer, Share::Operator, at("2026-09-01"));
        assert_eq!((faults.set[0].why.as_str(), faults.set[0].rests_until), (why.as_str(), None));
    }
}
