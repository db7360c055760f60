//! Turns a round into a batch: per entity, the number of services that work and of blocks that
//! answer, with the facts behind these numbers. Does no I/O; its only state is the memory of
//! earlier rounds.

use super::attempt::Found;
use super::outcome::Outcome;
use super::{NAME, uplink::Uplink};
use crate::domain::observation::{BLOCKS, CONTROL};
use crate::domain::{
    Batch, Block, Entity, Fact, FactKind, Observation, Series, Target, Timestamp, UplinkState,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The most failures that one fact lists: enough to show a pattern.
const TROUBLES: usize = 6;
/// The entity of the facts and values about Linkdown's own uplink.
const UPLINK: &str = "uplink";

/// One round: its start, its results, and the state of the uplink meanwhile.
#[derive(Clone, Debug)]
pub struct Round {
    /// When the round began, by the wall clock.
    pub start: Timestamp,
    /// The operator's targets first, then those of sites that only chats watch.
    pub targets: Arc<Vec<Target>>,
    /// The number of the operator's targets, and so the index of the first chat target.
    pub operator: usize,
    /// Results by index of the target. A target that was not asked, or is still being asked, is
    /// missing.
    pub found: Vec<(usize, Found)>,
    /// Indexes of the targets that had no turn before the round ended. An entity without any target
    /// that had a turn is unknown in this round.
    pub unreached: BTreeSet<usize>,
    /// The worst state of the uplink during the round.
    pub uplink: Uplink,
}

/// The results of all rounds so far.
#[derive(Debug, Default)]
pub struct Tally {
    targets: Arc<Vec<Target>>,
    /// The last result of each target. A round without a result for a target leaves its entry as it
    /// is.
    last: Vec<Option<Last>>,
    /// The indexes of each entity's targets.
    of_entity: BTreeMap<Entity, Vec<usize>>,
    told: HashMap<Entity, FactKind>,
    certificates: HashMap<String, Timestamp>,
    uplink: Option<(UplinkState, String)>,
    series: HashMap<(Entity, &'static str), Arc<Series>>,
}

#[derive(Clone, Debug)]
struct Last {
    outcome: Outcome,
    /// Each address that was tried, and whether anything came back from it.
    reached: Vec<(IpAddr, bool)>,
    name_trouble: Option<String>,
}

impl Tally {
    /// Switches to another list of targets. Keeps the last results of targets that are in both
    /// lists.
    fn ask_of(&mut self, targets: &Arc<Vec<Target>>) {
        if self.targets == *targets {
            return;
        }
        let known: HashMap<String, Last> = self
            .targets
            .iter()
            .zip(&self.last)
            .filter_map(|(target, last)| Some((target.key(), last.clone()?)))
            .collect();
        self.last = targets.iter().map(|target| known.get(&target.key()).cloned()).collect();
        self.targets = Arc::clone(targets);
        self.of_entity.clear();
        for (number, target) in targets.iter().enumerate() {
            self.of_entity.entry(target.entity.clone()).or_default().push(number);
        }
        self.forget_others();
    }

    /// Drops the memory of entities and hosts that are no longer probed. Chats can subscribe to new
    /// sites without end, so it would grow for ever.
    fn forget_others(&mut self) {
        let Self { of_entity, targets, told, series, certificates, .. } = self;
        told.retain(|entity, _| of_entity.contains_key(entity));
        series.retain(|(entity, _), _| of_entity.contains_key(entity));
        let hosts: HashSet<String> = targets.iter().map(|target| target.host.to_string()).collect();
        certificates.retain(|host, _| hosts.contains(host));
    }

    /// Returns the batch of the round, received at `now`. While the uplink is not good, the values
    /// of all entities are unknown and no facts about hosts are sent.
    pub fn take(&mut self, round: &Round, now: Timestamp) -> Batch {
        self.ask_of(&round.targets);
        let mut batch = Batch::live(now);
        let is_good = round.uplink.line == UplinkState::Good;
        let control = self.series(&Entity::Name(UPLINK.to_owned()), CONTROL);
        let value = Some(f64::from(u8::from(is_good)));
        batch.observations.push(Observation { series: control, observed_at: round.start, value });
        batch.facts.extend(self.line(&round.uplink, now));
        if is_good {
            self.learn(round, &mut batch);
        }
        let entities: Vec<Entity> = self.of_entity.keys().cloned().collect();
        for entity in &entities {
            let (blocks, outside) = (self.blocks(entity), self.outside(entity));
            let is_known =
                is_good && self.had_a_turn(entity, &round.unreached) && !is_cut_off(&outside);
            for (signal, value) in self.values(entity, &blocks) {
                let series = self.series(entity, signal);
                let value = is_known.then_some(value);
                batch.observations.push(Observation { series, observed_at: round.start, value });
            }
            if is_good {
                batch.facts.extend(self.hosts(entity, blocks, outside, round.start));
            }
        }
        batch
    }

    fn learn(&mut self, round: &Round, batch: &mut Batch) {
        for (number, found) in &round.found {
            let (Some(target), Some(last)) =
                (self.targets.get(*number), self.last.get_mut(*number))
            else {
                continue;
            };
            let is_told = |address: &IpAddr| address.is_ipv4() || round.uplink.v6;
            let seen = || found.seen.iter().filter(|seen| is_told(&seen.address));
            let outcome = seen()
                .fold(Outcome::unknown(""), |best, seen| best.or_better(seen.outcome.clone()));
            let reached: Vec<_> =
                seen().filter_map(|seen| Some((seen.address, seen.outcome.reached()?))).collect();
            if !matches!(outcome, Outcome::Unknown { .. }) {
                *last = Some(Last { outcome, reached, name_trouble: found.name_trouble.clone() });
            } else if let Some(last) = last {
                last.name_trouble.clone_from(&found.name_trouble);
            }
            let Some(ends_at) = found.certificate.as_ref().and_then(|seen| seen.ends_at) else {
                continue;
            };
            let host = target.host.to_string();
            if self.certificates.insert(host.clone(), ends_at) != Some(ends_at) {
                let kind = FactKind::Certificate { host, ends_at };
                batch.facts.push(fact(target.entity.clone(), round.start, kind));
            }
        }
    }

    /// Returns all targets of the entity that have a result, with that result.
    fn all_of(&self, entity: &Entity) -> impl Iterator<Item = (&Target, &Last)> {
        let numbers = self.of_entity.get(entity).into_iter().flatten();
        numbers.filter_map(|number| Some((&self.targets[*number], self.last[*number].as_ref()?)))
    }

    /// Returns whether any target of the entity had a turn in the round or is still being asked.
    fn had_a_turn(&self, entity: &Entity, unreached: &BTreeSet<usize>) -> bool {
        self.of_entity.get(entity).into_iter().flatten().any(|number| !unreached.contains(number))
    }

    /// Returns the targets that lie inside the entity, with their last results.
    fn of(&self, entity: &Entity) -> impl Iterator<Item = (&Target, &Last)> {
        self.all_of(entity).filter(|(target, _)| target.outside.is_none())
    }

    /// Returns the networks on the way into the entity, and whether any probed host there answers.
    fn outside(&self, entity: &Entity) -> Vec<(String, bool)> {
        let mut outside: BTreeMap<String, bool> = BTreeMap::new();
        for (target, last) in self.all_of(entity) {
            if let Some(name) = &target.outside {
                *outside.entry(name.clone()).or_default() |=
                    last.reached.iter().any(|(_, reached)| *reached);
            }
        }
        outside.into_iter().collect()
    }

    /// Returns the values of an entity by signal. A signal without any result so far is left out.
    fn values(&self, entity: &Entity, blocks: &[Block]) -> Vec<(&'static str, f64)> {
        let mut working: BTreeMap<&'static str, u32> = BTreeMap::new();
        for (target, last) in self.of(entity) {
            if let Some(signal) = target.signal() {
                *working.entry(signal).or_default() += u32::from(last.outcome.does_work());
            }
        }
        let mut values: Vec<_> =
            working.into_iter().map(|(signal, count)| (signal, f64::from(count))).collect();
        if !blocks.is_empty() {
            let answering = blocks.iter().filter(|block| block.answering > 0).count();
            values.push((BLOCKS, answering as f64));
        }
        values
    }

    /// Returns the blocks in which the entity's hosts lie, with the number of hosts that answer.
    fn blocks(&self, entity: &Entity) -> Vec<Block> {
        let mut hosts: BTreeMap<IpAddr, bool> = BTreeMap::new();
        for (address, reached) in self.of(entity).flat_map(|(_, last)| last.reached.iter().copied())
        {
            *hosts.entry(address).or_default() |= reached;
        }
        let mut blocks: BTreeMap<IpNet, (u32, u32)> = BTreeMap::new();
        for (address, reached) in hosts {
            let (all, answering) = blocks.entry(block_of(address)).or_default();
            *all += 1;
            *answering += u32::from(reached);
        }
        blocks
            .into_iter()
            .map(|(net, (hosts, answering))| Block { net, hosts, answering })
            .collect()
    }

    /// Returns the fact behind the numbers (blocks, failures, networks on the way in) if it
    /// changed.
    fn hosts(
        &mut self,
        entity: &Entity,
        blocks: Vec<Block>,
        outside: Vec<(String, bool)>,
        at: Timestamp,
    ) -> Option<Fact> {
        if blocks.is_empty() {
            return None;
        }
        let mut troubles: Vec<String> =
            self.of(entity).filter_map(|(target, last)| trouble(target, last)).collect();
        let more = troubles.len().saturating_sub(TROUBLES);
        troubles.truncate(TROUBLES);
        if more > 0 {
            troubles.push(format!("and {more} more"));
        }
        let kind = FactKind::Hosts { blocks, troubles, outside };
        if self.told.get(entity) == Some(&kind) {
            return None;
        }
        self.told.insert(entity.clone(), kind.clone());
        Some(fact(entity.clone(), at, kind))
    }

    /// Returns the state of the uplink as a fact if it changed. A change of the reason alone counts
    /// only while the uplink is not good.
    fn line(&mut self, uplink: &Uplink, now: Timestamp) -> Option<Fact> {
        let news = (uplink.line, uplink.why.clone());
        let is_known = self.uplink.as_ref().is_some_and(|known| {
            known.0 == news.0 && (news.0 == UplinkState::Good || known.1 == news.1)
        });
        if is_known {
            return None;
        }
        self.uplink = Some(news);
        let kind = FactKind::Uplink { line: uplink.line, why: uplink.why.clone() };
        Some(fact(Entity::Name(UPLINK.to_owned()), now, kind))
    }

    fn series(&mut self, entity: &Entity, signal: &'static str) -> Arc<Series> {
        let new = || Series {
            entity: entity.clone(),
            source: NAME.to_owned(),
            signal: signal.to_owned(),
        };
        Arc::clone(self.series.entry((entity.clone(), signal)).or_insert_with(|| Arc::new(new())))
    }
}

/// Returns whether no network on the way in is reached any more. The cause may then be the way from
/// here, so the state of the entity behind it is unknown.
fn is_cut_off(outside: &[(String, bool)]) -> bool {
    outside.len() > 1 && outside.iter().all(|(_, answers)| !answers)
}

fn fact(entity: Entity, observed_at: Timestamp, kind: FactKind) -> Fact {
    Fact { entity, source: NAME.to_owned(), observed_at, kind }
}

/// Returns the failure in words, such as `http://kcna.kp/: http 503`, and whether the site fails or
/// only its name.
fn trouble(target: &Target, last: &Last) -> Option<String> {
    let of_name = last.name_trouble.as_ref().map(|why| format!("its name is not found ({why})"));
    match (&last.outcome, of_name) {
        (Outcome::Works { .. } | Outcome::Answers { .. }, None) => None,
        (Outcome::Works { .. } | Outcome::Answers { .. }, Some(name)) => {
            Some(format!("{target}: {name}, the site answers at its last address"))
        }
        (outcome, None) => Some(format!("{target}: {outcome}")),
        (outcome, Some(name)) => Some(format!("{target}: {outcome}; {name}")),
    }
}

/// Returns the block of an address, a /24 or an IPv6 /48. The hosts of a block can only be wrong
/// together, so a block is the unit that is counted.
fn block_of(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(address) => Ipv4Net::new_assert(address, 24).trunc().into(),
        IpAddr::V6(address) => Ipv6Net::new_assert(address, 48).trunc().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::probe::{attempt::Seen, outcome::Class, tls};

    fn targets(texts: &[&str]) -> Arc<Vec<Target>> {
        let target = |text: &&str| Target::parse(text, "country/KP".parse().unwrap()).unwrap();
        Arc::new(texts.iter().map(target).collect())
    }

    fn found(address: &str, outcome: Outcome) -> Found {
        let seen = vec![Seen { address: address.parse().unwrap(), outcome }];
        Found { seen, name_trouble: None, certificate: None }
    }

    fn round(minute: i64, line: UplinkState, found: Vec<Found>) -> Round {
        let uplink = Uplink { line, why: "as said".to_owned(), v6: false };
        Round {
            start: Timestamp::from_unix(minute * 60),
            targets: Arc::default(),
            operator: 0,
            found: found.into_iter().enumerate().collect(),
            unreached: BTreeSet::new(),
            uplink,
        }
    }

    fn take(
        (tally, targets): (&mut Tally, &Arc<Vec<Target>>),
        round: Round,
    ) -> (Vec<String>, Vec<FactKind>) {
        let round = Round { targets: Arc::clone(targets), ..round };
        let batch = tally.take(&round, round.start + 70);
        let line = |o: &Observation| {
            let value = o.value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
            format!("{} {value}", o.series.signal)
        };
        (
            batch.observations.iter().map(line).collect(),
            batch.facts.into_iter().map(|fact| fact.kind).collect(),
        )
    }

    #[test]
    fn an_error_page_is_a_site_that_does_not_work_in_a_block_that_answers() {
        let (mut tally, targets) = (
            Tally::default(),
            targets(&["http://kcna.kp/", "dns://ns1.kptc.kp/kp", "smtp://mail.star.edu.kp"]),
        );
        let error = Outcome::broken(Class::Http, "http 503");
        let (values, facts) = take(
            (&mut tally, &targets),
            round(
                0,
                UplinkState::Good,
                vec![
                    found("175.45.176.71", error),
                    found("175.45.176.15", Outcome::works()),
                    found("175.45.179.69", Outcome::timed_out(std::time::Duration::from_secs(5))),
                ],
            ),
        );
        assert_eq!(values, ["control 1", "dns 1", "http 0", "mail 0", "blocks 1"]);
        let FactKind::Hosts { blocks, troubles, .. } = &facts[1] else { panic!("{facts:?}") };
        let shown: Vec<_> =
            blocks.iter().map(|b| (b.net.to_string(), b.hosts, b.answering)).collect();
        assert_eq!(
            shown,
            [("175.45.176.0/24".to_owned(), 2, 2), ("175.45.179.0/24".to_owned(), 1, 0)]
        );
        assert_eq!(
            troubles,
            &[
                "http://kcna.kp/: answers, but broken: http 503",
                "smtp://mail.star.edu.kp: no answer in 5 s"
            ]
        );
    }

    #[test]
    fn names_on_one_address_are_one_host() {
        let (mut tally, targets) =
            (Tally::default(), targets(&["http://cooks.org.kp/", "http://friend.com.kp/"]));
        let both = vec![
            found("175.45.176.81", Outcome::works()),
            found("175.45.176.81", Outcome::works()),
        ];
        let (values, facts) = take((&mut tally, &targets), round(0, UplinkState::Good, both));
        assert_eq!(values, ["control 1", "http 2", "blocks 1"]);
        assert!(matches!(&facts[1], FactKind::Hosts { blocks, .. } if blocks[0].hosts == 1));
    }

    #[test]
    fn of_what_chats_no_longer_ask_nothing_is_remembered() {
        let mut tally = Tally::default();
        for number in 0..500 {
            let entity = format!("site/n{number}.example").parse().unwrap();
            let target = Target::parse(&format!("https://n{number}.example/"), entity).unwrap();
            let seen = tls::Seen {
                ends_at: Some(Timestamp::from_unix(1_800_000_000)),
                ..tls::Seen::default()
            };
            let found =
                Found { certificate: Some(seen), ..found("175.45.176.71", Outcome::works()) };
            let (_, facts) = take(
                (&mut tally, &Arc::new(vec![target])),
                round(number, UplinkState::Good, vec![found]),
            );
            assert_eq!(facts.len(), if number == 0 { 3 } else { 2 }, "{facts:?}");
        }
        // The last entity, its two series, and the series of the uplink remain.
        assert_eq!((tally.told.len(), tally.certificates.len(), tally.last.len()), (1, 1, 1));
        assert!(tally.series.len() <= 3, "{:?}", tally.series.keys());
    }

    #[test]
    fn a_round_on_a_bad_line_is_unknown_and_changes_nothing() {
        let (mut tally, targets) = (Tally::default(), targets(&["http://kcna.kp/"]));
        take(
            (&mut tally, &targets),
            round(0, UplinkState::Good, vec![found("175.45.176.71", Outcome::works())]),
        );
        let (values, facts) = take(
            (&mut tally, &targets),
            round(1, UplinkState::Gone, vec![found("175.45.176.71", Outcome::silent("no answer"))]),
        );
        assert_eq!(values, ["control 0", "http unknown", "blocks unknown"]);
        assert_eq!(
            facts,
            [FactKind::Uplink { line: UplinkState::Gone, why: "as said".to_owned() }]
        );
        let (values, _) = take((&mut tally, &targets), round(2, UplinkState::Good, vec![]));
        assert_eq!(values, ["control 1", "http 1", "blocks 1"], "what was learned before stands");
    }

    #[test]
    fn a_target_that_taught_nothing_is_not_counted_as_gone() {
        let (mut tally, targets) =
            (Tally::default(), targets(&["http://kcna.kp/", "http://nowhere.kp/"]));
        let nothing =
            Found { seen: vec![], name_trouble: Some("NXDOMAIN".into()), certificate: None };
        let (values, _) = take(
            (&mut tally, &targets),
            round(0, UplinkState::Good, vec![found("175.45.176.71", Outcome::works()), nothing]),
        );
        assert_eq!(values, ["control 1", "http 1", "blocks 1"]);
    }

    #[test]
    fn a_name_that_is_not_found_is_told_apart_from_a_site_that_is_gone() {
        let (mut tally, targets) = (Tally::default(), targets(&["http://kcna.kp/"]));
        let mut by_last_address = found("175.45.176.71", Outcome::works());
        by_last_address.name_trouble = Some("the resolver does not answer".to_owned());
        let (values, facts) =
            take((&mut tally, &targets), round(0, UplinkState::Good, vec![by_last_address]));
        assert_eq!(values[1], "http 1");
        let FactKind::Hosts { troubles, .. } = &facts[1] else { panic!("{facts:?}") };
        assert_eq!(
            troubles,
            &[
                "http://kcna.kp/: its name is not found (the resolver does not answer), the site answers at its last address"
            ]
        );
    }

    #[test]
    fn where_no_network_on_the_way_in_answers_it_may_be_the_way_from_here() {
        let texts = ["http://kcna.kp/", "icmp://202.97.0.1", "icmp://188.43.0.1"];
        let mut of_texts = Arc::unwrap_or_clone(targets(&texts));
        of_texts[1].outside = Some("China Unicom AS4837".to_owned());
        of_texts[2].outside = Some("TransTelecom AS20485".to_owned());
        let (mut tally, targets) = (Tally::default(), Arc::new(of_texts));
        let silent = || Outcome::silent("no answer");
        let seen = |first: Outcome, second: Outcome| {
            vec![
                found("175.45.176.71", silent()),
                found("202.97.0.1", first),
                found("188.43.0.1", second),
            ]
        };
        let (values, facts) = take(
            (&mut tally, &targets),
            round(0, UplinkState::Good, seen(Outcome::works(), silent())),
        );
        assert_eq!(values, ["control 1", "http 0", "blocks 0"], "one of the two still leads there");
        let FactKind::Hosts { outside, .. } = &facts[1] else { panic!("{facts:?}") };
        assert_eq!(
            outside,
            &[("China Unicom AS4837".to_owned(), true), ("TransTelecom AS20485".to_owned(), false)]
        );
        let (values, _) =
            take((&mut tally, &targets), round(1, UplinkState::Good, seen(silent(), silent())));
        assert_eq!(values, ["control 1", "http unknown", "blocks unknown"]);
    }

    #[test]
    fn over_ipv6_nothing_is_told_while_there_is_none() {
        let (mut tally, targets) = (Tally::default(), targets(&["http://kcna.kp/"]));
        let mut both = found("175.45.176.71", Outcome::works());
        both.seen.push(Seen {
            address: "2001:200::1".parse().unwrap(),
            outcome: Outcome::silent("no answer"),
        });
        let (values, _) = take((&mut tally, &targets), round(0, UplinkState::Good, vec![both]));
        assert_eq!(values, ["control 1", "http 1", "blocks 1"]);
    }

    #[test]
    fn a_site_that_had_no_turn_is_unknown_in_that_round_and_neither_up_nor_down() {
        let target = |site: &str| {
            Target::parse(&format!("http://{site}/"), format!("site/{site}").parse().unwrap())
                .unwrap()
        };
        let all = Arc::new(vec![target("one.example"), target("two.example")]);
        let mut tally = Tally::default();
        let both =
            vec![found("192.0.2.1", Outcome::works()), found("198.51.100.1", Outcome::works())];
        take((&mut tally, &all), round(0, UplinkState::Good, both));
        let mut second =
            round(1, UplinkState::Good, vec![found("192.0.2.1", Outcome::silent("no answer"))]);
        second.unreached = BTreeSet::from([1]);
        let (values, facts) = take((&mut tally, &all), second);
        assert_eq!(values, ["control 1", "http 0", "blocks 0", "http unknown", "blocks unknown"]);
        assert_eq!(facts.len(), 1, "nothing new is told of the second: {facts:?}");
        // A target that is still being asked keeps its last result.
        let (values, _) = take((&mut tally, &all), round(2, UplinkState::Good, vec![]));
        assert_eq!(values, ["control 1", "http 0", "blocks 0", "http 1", "blocks 1"]);
    }
}
