//! Who is owed which alert. Pure.

use crate::domain::{Arrival, Entity, Subscription, Transition, TransitionKind};
use std::collections::BTreeSet;

/// What the decision rests on besides the transition itself.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    pub subscriptions: &'a [Subscription],
    /// Chats that were told, or are still owed, the beginning of this incident.
    pub heard: &'a BTreeSet<i64>,
    /// Whether the config watches the entity: that is what "everything" means to a subscription.
    pub in_config: bool,
    /// Whether something that the entity is part of is down as well: then it is counted there.
    pub whole_is_down: bool,
}

/// What becomes of a transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owed {
    /// To these chats, by their numbers; possibly none.
    To(Vec<i64>),
    /// To nobody yet: the batch was read after the fact, and only what is still true when all of it is read is told.
    Held,
}

/// Decides who is owed the alert of a transition.
pub fn owed(transition: &Transition, audience: &Audience<'_>) -> Owed {
    if transition.arrival != Arrival::Live && audience.heard.is_empty() {
        return Owed::Held;
    }
    let entity = &transition.incident.entity;
    let chats: BTreeSet<i64> = if is_a_beginning(transition.kind) {
        if audience.whole_is_down {
            return Owed::To(Vec::new());
        }
        wants(entity, audience)
            .filter(|subscription| subscription.from_suspected || transition.kind == TransitionKind::Started)
            .map(|subscription| subscription.chat.id)
            .collect()
    } else {
        audience.heard.clone()
    };
    Owed::To(chats.into_iter().collect())
}

/// Who is owed the news of an incident that was held back and is still going on.
pub fn owed_after_all(entity: &Entity, audience: &Audience<'_>) -> Vec<i64> {
    if audience.whole_is_down {
        return Vec::new();
    }
    let chats: BTreeSet<i64> = wants(entity, audience).map(|subscription| subscription.chat.id).collect();
    chats.into_iter().collect()
}

fn is_a_beginning(kind: TransitionKind) -> bool {
    matches!(kind, TransitionKind::Suspected | TransitionKind::Started)
}

fn wants<'a>(entity: &'a Entity, audience: &Audience<'a>) -> impl Iterator<Item = &'a Subscription> {
    let in_config = audience.in_config;
    audience.subscriptions.iter().filter(move |subscription| subscription.scope.covers(entity, in_config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Chat, Evidence, IncidentKey, Scope, Sureness, Timestamp, Verdict};

    fn transition(kind: TransitionKind, arrival: Arrival) -> Transition {
        let entity: Entity = "asn/131279".parse().unwrap();
        let at = Timestamp::from_unix(1_000);
        Transition {
            incident: IncidentKey { entity: entity.clone(), ordinal: 1 },
            number: 1,
            kind,
            at,
            arrival,
            started_at: at,
            ended_at: None,
            evidence: Evidence {
                entity,
                at,
                verdict: Verdict::Down,
                sureness: Sureness::High,
                witnesses: 2,
                sources: 2,
                assessments: Vec::new(),
                facts: Vec::new(),
            },
        }
    }

    fn subscription(id: i64, scope: Scope, from_suspected: bool) -> Subscription {
        let chat = Chat { id, platform: "console".into(), address: id.to_string() };
        Subscription { chat, scope, from_suspected, since: Timestamp::from_unix(0) }
    }

    fn to(kind: TransitionKind, heard: &[i64], in_config: bool, whole_is_down: bool) -> Vec<i64> {
        let subscriptions = [
            subscription(1, Scope::All, false),
            subscription(2, Scope::One("asn/131279".parse().unwrap()), true),
            subscription(3, Scope::One("country/IR".parse().unwrap()), true),
        ];
        let heard = heard.iter().copied().collect();
        let audience = Audience { subscriptions: &subscriptions, heard: &heard, in_config, whole_is_down };
        match owed(&transition(kind, Arrival::Live), &audience) {
            Owed::To(chats) => chats,
            Owed::Held => panic!("a live transition is never held back"),
        }
    }

    #[test]
    fn a_start_goes_to_all_who_want_it_and_a_suspicion_to_those_who_asked() {
        assert_eq!(to(TransitionKind::Started, &[], true, false), [1, 2]);
        assert_eq!(to(TransitionKind::Suspected, &[], true, false), [2]);
    }

    #[test]
    fn everything_means_what_the_config_watches() {
        assert_eq!(to(TransitionKind::Started, &[], false, false), [2]);
    }

    #[test]
    fn a_recovery_goes_only_to_those_who_heard_the_start() {
        assert_eq!(to(TransitionKind::Recovered, &[2], true, false), [2]);
        assert_eq!(to(TransitionKind::Recovered, &[], true, false), Vec::<i64>::new());
    }

    #[test]
    fn a_network_whose_country_is_down_is_counted_there() {
        assert_eq!(to(TransitionKind::Started, &[], true, true), Vec::<i64>::new());
        assert_eq!(to(TransitionKind::Recovered, &[1], true, true), [1]);
    }

    #[test]
    fn what_was_read_after_the_fact_waits_until_all_of_it_is_read() {
        let heard = BTreeSet::new();
        let audience = Audience { subscriptions: &[], heard: &heard, in_config: true, whole_is_down: false };
        assert_eq!(owed(&transition(TransitionKind::Started, Arrival::Backfilled), &audience), Owed::Held);
    }
}
