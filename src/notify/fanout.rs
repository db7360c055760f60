//! Decides which chats are owed an alert, and until when it is held back. Pure.

use crate::domain::{
    Arrival, Entity, Evidence, HeldFor, Hold, Mute, NewDelivery, Phase, Sensitivity, Subscription,
    Timestamp, Transition, TransitionKind,
};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};

/// The inputs of the decision besides the transition itself.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    /// The subscriptions of the chats that are not suspended.
    pub subscriptions: &'a [Subscription],
    /// The mutes in force at `now`.
    pub mutes: &'a [Mute],
    /// The ids of the chats that got, or are still owed, a message about this incident.
    pub heard: &'a BTreeSet<i64>,
    /// The sensitivity of subscriptions that do not set their own.
    pub usual: Sensitivity,
    /// Whether the configuration watches the entity. A subscription to everything covers only such.
    pub in_config: bool,
    /// The ids of the chats that are alerted about an outage of something that contains the entity.
    /// The entity is counted in that alert.
    pub counted_in: &'a BTreeSet<i64>,
    /// The time of the decision.
    pub now: Timestamp,
}

/// The deliveries of a transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owed {
    /// One delivery for each chat, ordered by chat id; possibly none.
    To(Vec<NewDelivery>),
    /// None yet: the batch was read after the fact. An alert is sent only if it still holds when
    /// the whole batch is read.
    Held,
}

/// Decides which chats are owed the alert of a transition.
pub fn owed(transition: &Transition, audience: &Audience<'_>) -> Owed {
    if transition.arrival != Arrival::Live && audience.heard.is_empty() {
        return Owed::Held;
    }
    let mut owings = Vec::new();
    for (chat, wishes) in wishes(&transition.incident.entity, audience) {
        let is_start = !audience.heard.contains(&chat);
        let wanting: Vec<&Subscription> = if is_start && audience.counted_in.contains(&chat) {
            Vec::new()
        } else if is_start {
            wishes.into_iter().filter(|wish| begins_with(wish, transition, audience)).collect()
        } else {
            wishes.into_iter().filter(|wish| goes_on_with(wish, transition.kind)).collect()
        };
        if !wanting.is_empty() {
            let hold = hold(&transition.incident.entity, chat, &wanting, audience);
            owings.push(NewDelivery { chat, is_start, hold });
        }
    }
    Owed::To(owings)
}

/// Decides which chats are owed an alert of an open incident whose alert was held back or counted
/// in that of a larger entity.
pub fn owed_after_all(
    entity: &Entity,
    evidence: &Evidence,
    audience: &Audience<'_>,
) -> Vec<NewDelivery> {
    let unheard =
        |chat: &i64| !audience.heard.contains(chat) && !audience.counted_in.contains(chat);
    wishes(entity, audience)
        .into_iter()
        .filter(|(chat, _)| unheard(chat))
        .map(|(chat, wishes)| {
            let wants = |wish: &&Subscription| {
                wants_layers(wish, evidence)
                    && sensitivity(wish, audience).hears_of(Phase::Down, evidence.sureness)
            };
            (chat, wishes.into_iter().filter(wants).collect::<Vec<_>>())
        })
        .filter(|(_, wishes)| !wishes.is_empty())
        .map(|(chat, wishes)| NewDelivery {
            chat,
            is_start: true,
            hold: hold(entity, chat, &wishes, audience),
        })
        .collect()
}

/// Decides which chats are owed an alert because the confidence is high now: those that waited for
/// it.
pub fn owed_when_sure(
    entity: &Entity,
    evidence: &Evidence,
    audience: &Audience<'_>,
) -> Vec<NewDelivery> {
    let careful = |wish: &&Subscription| sensitivity(wish, audience) == Sensitivity::Careful;
    let waiting: Vec<Subscription> =
        audience.subscriptions.iter().filter(careful).cloned().collect();
    owed_after_all(entity, evidence, &Audience { subscriptions: &waiting, ..*audience })
}

/// Returns whether a chat without a message about the incident wants its first at this change.
fn begins_with(wish: &Subscription, transition: &Transition, audience: &Audience<'_>) -> bool {
    let enough = match transition.kind {
        TransitionKind::Suspected
        | TransitionKind::Started
        | TransitionKind::Worsened
        | TransitionKind::GoneAgain => true,
        TransitionKind::PartlyBack | TransitionKind::Recovered | TransitionKind::Retracted => false,
    };
    enough
        && sensitivity(wish, audience)
            .hears_of(transition.kind.leads_to(), transition.evidence.sureness)
        && wants_layers(wish, &transition.evidence)
}

fn sensitivity(wish: &Subscription, audience: &Audience<'_>) -> Sensitivity {
    wish.options.sensitivity.unwrap_or(audience.usual)
}

/// Returns whether one of the layers that the subscription asks for is low, or it asks for any.
pub fn wants_layers(wish: &Subscription, evidence: &Evidence) -> bool {
    let layers = &wish.options.layers;
    layers.is_empty()
        || evidence.assessments.iter().any(|a| a.is_low() && layers.contains(&a.layer))
}

/// Returns whether a chat that knows of the incident wants a separate message for this change.
fn goes_on_with(wish: &Subscription, kind: TransitionKind) -> bool {
    match kind {
        // An earlier alert must be confirmed or retracted.
        TransitionKind::Suspected | TransitionKind::Started | TransitionKind::Retracted => true,
        TransitionKind::Worsened | TransitionKind::PartlyBack | TransitionKind::GoneAgain => {
            wish.options.kinds.updates
        }
        TransitionKind::Recovered => wish.options.kinds.recoveries,
    }
}

/// Returns until when the alert is held back, and why. Quiet hours hold it only while each of the
/// subscriptions that want it has them, and until the first of these end. A mute holds it anyway.
fn hold(
    entity: &Entity,
    chat: i64,
    wanting: &[&Subscription],
    audience: &Audience<'_>,
) -> Option<Hold> {
    let now = audience.now;
    let muted = audience
        .mutes
        .iter()
        .filter(|mute| mute.chat == chat && mute.until > now && mute.covers(entity));
    let muted = muted.map(|mute| mute.until).max();
    // A mute that ends in the quiet hours is extended to their end.
    let quiet_at = |at: Timestamp| {
        let each = wanting
            .iter()
            .map(|wish| wish.options.quiet?.ends_after(at, wish.options.zone.unwrap_or(Tz::UTC)));
        each.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().min())
    };
    match (muted, quiet_at(muted.unwrap_or(now))) {
        (_, Some(until)) => Some(Hold { until, why: HeldFor::Quiet }),
        (Some(until), None) => Some(Hold { until, why: HeldFor::Mute }),
        (None, None) => None,
    }
}

/// Returns the subscriptions that cover the entity, by chat id.
fn wishes<'a>(entity: &Entity, audience: &Audience<'a>) -> BTreeMap<i64, Vec<&'a Subscription>> {
    let mut by_chat: BTreeMap<i64, Vec<&Subscription>> = BTreeMap::new();
    for wish in
        audience.subscriptions.iter().filter(|wish| wish.scope.covers(entity, audience.in_config))
    {
        by_chat.entry(wish.chat.id).or_default().push(wish);
    }
    by_chat
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Assessment, Chat, Confidence, IncidentKey, Kinds, Layer, Options, Quiet, Reading, Scope,
        Series, Verdict,
    };
    use std::sync::Arc;

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
                sureness: Confidence::High,
                witnesses: 2,
                sources: 2,
                assessments: Vec::new(),
                facts: Vec::new(),
                onset: None,
            },
        }
    }

    fn subscription(id: i64, scope: Scope, from_suspected: bool) -> Subscription {
        let chat = Chat { id, platform: "console".into(), address: id.to_string() };
        let sensitivity = from_suspected.then_some(Sensitivity::Eager);
        Subscription {
            chat,
            scope,
            since: Timestamp::from_unix(0),
            options: Options { sensitivity, ..Options::default() },
        }
    }

    /// Returns a subscription to everything, one to this network and one to another entity.
    fn three() -> Vec<Subscription> {
        vec![
            subscription(1, Scope::All, false),
            subscription(2, Scope::One("asn/131279".parse().unwrap()), true),
            subscription(3, Scope::One("country/IR".parse().unwrap()), true),
        ]
    }

    #[derive(Default)]
    struct Case {
        subscriptions: Vec<Subscription>,
        mutes: Vec<Mute>,
        heard: Vec<i64>,
        counted_in: Vec<i64>,
        not_in_config: bool,
    }

    impl Case {
        fn owed(&self, kind: TransitionKind, arrival: Arrival) -> Owed {
            self.with(|audience| owed(&transition(kind, arrival), audience))
        }

        fn with<T>(&self, decide: impl FnOnce(&Audience<'_>) -> T) -> T {
            let [heard, counted_in] =
                [&self.heard, &self.counted_in].map(|chats| chats.iter().copied().collect());
            let audience = Audience {
                usual: Sensitivity::Balanced,
                subscriptions: &self.subscriptions,
                mutes: &self.mutes,
                heard: &heard,
                in_config: !self.not_in_config,
                counted_in: &counted_in,
                now: Timestamp::parse("2025-06-06 23:00").unwrap(),
            };
            decide(&audience)
        }

        fn to(&self, kind: TransitionKind) -> Vec<NewDelivery> {
            match self.owed(kind, Arrival::Live) {
                Owed::To(owings) => owings,
                Owed::Held => panic!("a live transition is never held back"),
            }
        }

        fn chats(&self, kind: TransitionKind) -> Vec<i64> {
            self.to(kind).into_iter().map(|owing| owing.chat).collect()
        }
    }

    #[test]
    fn a_start_goes_to_all_who_want_it_and_a_suspicion_to_those_who_asked() {
        let case = Case { subscriptions: three(), ..Case::default() };
        assert_eq!(case.chats(TransitionKind::Started), [1, 2]);
        assert_eq!(case.chats(TransitionKind::Suspected), [2]);
        let surer = Case { heard: vec![2], ..case };
        let owings = surer.to(TransitionKind::Started);
        assert_eq!(
            owings,
            [NewDelivery::now(1, true), NewDelivery::now(2, false)],
            "made sure to one, new to the other"
        );
    }

    #[test]
    fn a_careful_chat_waits_until_it_is_highly_sure() {
        let mut case = Case { subscriptions: three(), ..Case::default() };
        case.subscriptions[0].options.sensitivity = Some(Sensitivity::Careful);
        let told = |sureness: Confidence| {
            let mut started = transition(TransitionKind::Started, Arrival::Live);
            started.evidence.sureness = sureness;
            match case.with(|audience| owed(&started, audience)) {
                Owed::To(owings) => owings.into_iter().map(|owing| owing.chat).collect::<Vec<_>>(),
                Owed::Held => panic!("a live transition is never held back"),
            }
        };
        assert_eq!((told(Confidence::Medium), told(Confidence::High)), (vec![2], vec![1, 2]));
        let mut sure = transition(TransitionKind::Started, Arrival::Live).evidence;
        sure.sureness = Confidence::High;
        let waited = |heard: Vec<i64>| {
            let case = Case { heard, subscriptions: case.subscriptions.clone(), ..Case::default() };
            case.with(|audience| owed_when_sure(&sure.entity, &sure, audience))
        };
        assert_eq!(
            waited(vec![2]),
            [NewDelivery::now(1, true)],
            "the one that waited, and nobody else"
        );
        assert_eq!(waited(vec![1, 2]), []);
    }

    #[test]
    fn everything_means_what_the_config_watches() {
        let case = Case { subscriptions: three(), not_in_config: true, ..Case::default() };
        assert_eq!(case.chats(TransitionKind::Started), [2]);
    }

    #[test]
    fn a_recovery_goes_only_to_those_who_heard_the_start_and_still_want_to() {
        let mut case = Case { subscriptions: three(), heard: vec![2, 9], ..Case::default() };
        assert_eq!(case.chats(TransitionKind::Recovered), [2], "9 has unsubscribed");
        case.subscriptions[1].options.kinds = Kinds { updates: true, recoveries: false };
        assert_eq!(case.chats(TransitionKind::Recovered), Vec::<i64>::new());
        case.subscriptions[1].options.kinds = Kinds { updates: false, recoveries: true };
        assert_eq!(
            case.chats(TransitionKind::GoneAgain),
            [1],
            "new to 1, an update that 2 does not want"
        );
        assert_eq!(
            case.chats(TransitionKind::Retracted),
            [2],
            "what was said is always taken back"
        );
    }

    #[test]
    fn a_network_is_counted_in_its_country_for_those_alone_who_hear_of_the_country() {
        let mut case = Case { subscriptions: three(), counted_in: vec![1], ..Case::default() };
        assert_eq!(case.chats(TransitionKind::Started), [2]);
        case.heard = vec![1];
        assert_eq!(case.chats(TransitionKind::Recovered), [1]);
    }

    #[test]
    fn who_asked_for_certain_layers_hears_when_one_of_them_is_lost() {
        let mut case = Case { subscriptions: three(), ..Case::default() };
        case.subscriptions[1].options.layers = vec![Layer::Mail];
        assert_eq!(case.chats(TransitionKind::Started), [1]);
        // The layer must be one of those asked for, and it must be low.
        let wants = |layer, reading| {
            let mut evidence = transition(TransitionKind::Started, Arrival::Live).evidence;
            evidence.assessments.push(assessment(layer, reading));
            wants_layers(&case.subscriptions[1], &evidence)
        };
        assert!(wants(Layer::Mail, Reading::Low));
        assert!(!wants(Layer::Mail, Reading::Normal) && !wants(Layer::Routing, Reading::Low));
    }

    fn assessment(layer: Layer, reading: Reading) -> Assessment {
        let entity = "asn/131279".parse().unwrap();
        let series = Series { entity, source: "probe".to_owned(), signal: "smtp".to_owned() };
        Assessment {
            series: Arc::new(series),
            layer,
            reading,
            value: None,
            normal: None,
            observed_at: Timestamp::from_unix(0),
            step: 60,
            low_since: None,
            back_since: None,
            weight: 0.0,
        }
    }

    #[test]
    fn a_mute_holds_what_it_is_of_and_until_it_ends() {
        let now = Timestamp::parse("2025-06-06 23:00").unwrap();
        let held = |chat, scope, until| {
            let case = Case {
                subscriptions: three(),
                mutes: vec![Mute { chat, scope, until }],
                ..Case::default()
            };
            case.to(TransitionKind::Started)[0].hold.is_some()
        };
        assert!(held(1, Scope::All, now + 1));
        assert!(!held(1, Scope::All, now), "it has just ended");
        assert!(!held(2, Scope::All, now + 1), "another chat's");
        assert!(!held(1, Scope::One("country/IR".parse().unwrap()), now + 1), "of something else");
    }

    #[test]
    fn what_was_held_back_goes_to_those_who_neither_heard_of_it_nor_of_its_whole() {
        let evidence = transition(TransitionKind::Started, Arrival::Live).evidence;
        let owed = |heard: Vec<i64>, counted_in: Vec<i64>| {
            let case = Case { subscriptions: three(), heard, counted_in, ..Case::default() };
            let owings =
                case.with(|audience| owed_after_all(&evidence.entity, &evidence, audience));
            owings.into_iter().map(|owing| owing.chat).collect::<Vec<_>>()
        };
        assert_eq!(owed(vec![], vec![]), [1, 2]);
        assert_eq!((owed(vec![1], vec![]), owed(vec![], vec![1])), (vec![2], vec![2]));
        // The layer must be one that the chat asks for, and the confidence as high as it asks for.
        let owes_first = |layers: Vec<Layer>, sensitivity| {
            let mut case = Case { subscriptions: three(), ..Case::default() };
            let mut evidence = evidence.clone();
            evidence.sureness = Confidence::Medium;
            evidence.assessments.push(assessment(Layer::Routing, Reading::Low));
            case.subscriptions[0].options.layers = layers;
            case.subscriptions[0].options.sensitivity = Some(sensitivity);
            let owings =
                case.with(|audience| owed_after_all(&evidence.entity, &evidence, audience));
            owings.iter().any(|owing| owing.chat == 1)
        };
        assert!(owes_first(vec![Layer::Routing], Sensitivity::Balanced));
        assert!(!owes_first(vec![Layer::Mail], Sensitivity::Balanced));
        assert!(!owes_first(vec![Layer::Routing], Sensitivity::Careful));
    }

    #[test]
    fn only_those_who_waited_for_it_are_told_when_it_is_highly_sure() {
        let mut evidence = transition(TransitionKind::Started, Arrival::Live).evidence;
        evidence.sureness = Confidence::High;
        let case = Case { subscriptions: three(), ..Case::default() };
        assert_eq!(case.with(|audience| owed_when_sure(&evidence.entity, &evidence, audience)), []);
    }

    #[test]
    fn at_night_and_while_muted_it_is_held_until_both_are_over() {
        let at = |text| Timestamp::parse(text).unwrap();
        let mut case = Case { subscriptions: three(), ..Case::default() };
        case.subscriptions[0].options.quiet = Quiet::parse("22-07");
        let hold = |case: &Case| {
            case.to(TransitionKind::Started)[0].hold.map(|hold| (hold.until, hold.why))
        };
        assert_eq!(hold(&case), Some((at("2025-06-07 07:00"), HeldFor::Quiet)));
        case.mutes = vec![Mute { chat: 1, scope: Scope::All, until: at("2025-06-07 09:00") }];
        assert_eq!(hold(&case), Some((at("2025-06-07 09:00"), HeldFor::Mute)));
        // Another subscription of the same chat has no quiet hours.
        case.mutes.clear();
        case.subscriptions.push(subscription(1, Scope::One("asn/131279".parse().unwrap()), false));
        assert_eq!(hold(&case), None);
    }

    #[test]
    fn what_was_read_after_the_fact_waits_until_all_of_it_is_read() {
        assert_eq!(Case::default().owed(TransitionKind::Started, Arrival::Backfilled), Owed::Held);
    }
}
