//! Follows the stream: connects, subscribes, seeds the table from RIPEstat, and reports the
//! visibility of the watched routes every minute. A connection that breaks off leaves a gap in
//! which nothing is known. A table that is not seeded reports unknown values.

use super::NAME;
use super::message::{Message, Update};
use super::stream::{Stream, StreamError};
use super::table::{BlockVisibility, Falling, Table};
use crate::clock::{ActivityGuard, Clock};
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{Batch, Entity, Fact, FactKind, Observation, Seconds, Series, Timestamp};
use crate::source::backoff::Backoff;
use crate::source::feed::Feed;
use crate::source::json::excerpt;
use crate::source::probe::Tls;
use crate::source::ripestat;
use ipnet::IpNet;
use reqwest::Url;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// The interval between reports of the routes, and the width of their bins.
const STEP: Seconds = MINUTE;
/// The wait after the end of a step for messages that are still on their way from the collectors.
const SETTLES: Seconds = 4;
/// The interval between checks whether all routes of an entity are gone, which is reported before
/// the step ends.
const GLANCE_EVERY: Seconds = 10;
/// The time for which routes must be gone, within a step too, to be reported early. Convergence and
/// flaps take some seconds.
const GONE_FOR: Seconds = 20;
/// The time after a loss of all routes in which steps are reported early.
const HURRY: Seconds = 5 * MINUTE;
/// The interval between pings.
const PING_EVERY: Seconds = 30;
/// Number of pings in a row that may stay unanswered.
const MISSED: u32 = 2;
/// The wait before the state is read again if it is older than the subscription. RIPEstat's state
/// may be some minutes old, and changes between it and the subscription are only in the next state.
const SEED_AGAIN: Seconds = 15 * MINUTE;
/// Minimum time between two states that are read for peers whose sessions were lost: at most four a
/// day.
const SEED_ANEW: Seconds = 6 * HOUR;
/// The farthest time ahead of our clock at which a message is still accepted. Collectors keep time
/// by NTP, but our own clock may be behind.
const AHEAD_AT_MOST: Seconds = HOUR;
/// The wait after a failed attempt to read the state.
const SEED_LATER: Seconds = 2 * MINUTE;
/// Number of unreadable frames in a row that ends the connection.
const GIBBERISH: u32 = 100;
/// The pauses before a new connection. RIPE's own clients wait from a second up to five minutes.
const RECONNECT: Backoff = Backoff { first: 1, cap: 5 * MINUTE };
/// A gateway is reported again if the number of peers that see through it has changed by more than
/// this share of all peers.
const NEWS: f64 = 0.1;

/// An entity and the blocks whose routes are followed for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// The entity that observations and facts are about.
    pub entity: Entity,
    /// The blocks; blocks announced inside them are followed too.
    pub nets: Vec<IpNet>,
    /// Names of neighbours for readers, by AS number.
    pub names: BTreeMap<u32, String>,
}

/// An event that a follower reports.
#[derive(Debug)]
pub enum FollowerEvent {
    /// The observations and facts of one step.
    Batch(Batch),
    /// Number of calls to RIPEstat since the last such event.
    Called(u32),
    /// The state of the connection, in words for the operator.
    State(String),
}

/// A follower of the stream: its address, its clients and the entities to follow.
#[derive(Clone)]
pub struct Follower {
    /// The address of RIS Live, `ws` or `wss`.
    pub url: Url,
    /// Our name for RIS Live (`client`) and RIPEstat (`sourceapp`).
    pub client: String,
    /// The clock for steps, pauses and deadlines.
    pub clock: Clock,
    /// The TLS settings for `wss`.
    pub tls: Tls,
    /// The feed of RIPEstat, which gives the initial state.
    pub ripestat: Feed,
    /// Returns the entities to follow now; chats may change them at any time.
    pub watched: Arc<dyn Fn() -> Vec<Watched> + Send + Sync>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// The table and the last reported values; they are kept across connections.
#[derive(Default)]
struct Memory {
    table: Table,
    falling: BTreeMap<Entity, Falling>,
    gateways: BTreeMap<(Entity, u32), (u32, u32)>,
    peers: BTreeMap<Entity, u32>,
    falls: BTreeMap<Entity, FactKind>,
}

type Tell = UnboundedSender<(FollowerEvent, ActivityGuard)>;

impl Follower {
    /// Follows the stream until the receiver of `tell` is dropped, or the future itself. Connects
    /// again after each failure.
    pub async fn run(self, tell: Tell, mut busy: ActivityGuard) {
        let mut memory = Memory::default();
        let mut failures = 0;
        while !tell.is_closed() {
            let watched = (self.watched)();
            if watched.is_empty() {
                busy = self.clock.sleep(STEP, busy).await;
                continue;
            }
            let began = self.clock.now();
            let error = match self.once(&watched, &mut memory, &tell, &mut busy).await {
                Ok(()) => continue,
                Err(error) => error,
            };
            memory.table.gap();
            failures = if self.clock.now() - began > 10 * MINUTE { 1 } else { failures + 1 };
            let pause = RECONNECT.pause(failures, fastrand::f64(), None);
            tracing::warn!(
                "{NAME}: {error}. Connecting again in {pause} s; until then its routes are unknown"
            );
            self.tell(&tell, FollowerEvent::State(format!("{error}; connecting again")));
            busy = self.clock.sleep(pause, busy).await;
        }
    }

    /// Returns whether an instant (Unix seconds) is too far ahead to be explained by a wrong clock.
    fn is_ahead(&self, at: f64) -> bool {
        at > (self.clock.now() + AHEAD_AT_MOST).unix() as f64
    }

    fn tell(&self, tell: &Tell, told: FollowerEvent) {
        // Sending fails only while the bot stops and the receiver is gone.
        let _ = tell.send((told, self.clock.busy()));
    }

    /// Runs one connection. Fails when it breaks off; returns `Ok` when the watched entities have
    /// changed.
    async fn once(
        &self,
        watched: &[Watched],
        memory: &mut Memory,
        tell: &Tell,
        busy: &mut ActivityGuard,
    ) -> Result<(), StreamError> {
        let mut stream = Stream::connect(&self.url, &self.client, &self.tls, &self.clock).await?;
        memory.follow_only(watched);
        stream.subscribe(memory.table.watched()).await?;
        let connected_at = self.clock.now();
        self.tell(
            tell,
            FollowerEvent::State("connected, reading the state of the routes".to_owned()),
        );
        let (seeds, mut seeded) = tokio::sync::mpsc::unbounded_channel();
        let mut seeding = tokio::task::JoinSet::new();
        self.seed(&mut seeding, watched, &seeds);
        let (mut seed_due, mut seeded_at): (Option<Timestamp>, _) = (None, connected_at);
        let mut step = connected_at.floor_to(STEP) + STEP;
        let (mut ping, mut missed, mut gibberish) = (connected_at + PING_EVERY, 0, 0);
        let mut glance = connected_at + GLANCE_EVERY;
        // The time since when all routes of an entity are gone, and the step reported early.
        let (mut gone_since, mut hurried): (Option<Timestamp>, Option<Timestamp>) = (None, None);
        loop {
            let due = (step + SETTLES).min(ping).min(glance).min(seed_due.unwrap_or(ping));
            tokio::select! {
                message = stream.next() => match message? {
                    Ok(Message::Update(Update { at, .. }) | Message::Session { at, .. }) if self.is_ahead(at) => {
                        tracing::debug!(source = NAME, at, "a message is dated far ahead, passing it over");
                    }
                    Ok(Message::Update(update)) => { gibberish = 0; memory.table.take(&update); }
                    Ok(Message::Session { peer, up, at }) => { gibberish = 0; memory.table.session(peer, up, at); }
                    Ok(Message::Pong) => { gibberish = 0; missed = 0; }
                    Ok(Message::Complaint(why)) if is_about_a_filter(&why) => {
                        gibberish = 0;
                        tracing::warn!(source = NAME, why = excerpt(&why), "a subscription was refused, going on without it");
                    }
                    Ok(Message::Complaint(why)) => return Err(StreamError::Complaint(why.chars().take(200).collect())),
                    Ok(Message::Other) => gibberish = 0,
                    Err(malformed) => {
                        gibberish += 1;
                        tracing::debug!("{NAME}: {malformed}");
                        if gibberish >= GIBBERISH { return Err(StreamError::Gibberish(malformed)); }
                    }
                },
                Some(seed) = seeded.recv() => match seed {
                    Seeded::Routes { state, .. } if self.is_ahead(state.at.unix() as f64) => {
                        tracing::warn!(source = NAME, at = %state.at, "the state to begin with is dated far ahead, asking again");
                        seed_due = Some(self.clock.now() + SEED_LATER);
                    }
                    Seeded::Routes { nets, state } => {
                        seeded_at = self.clock.now();
                        for net in nets { memory.table.seed(net, &state.of(net), state.at); }
                        if state.at < connected_at { seed_due = Some(self.clock.now() + SEED_AGAIN); }
                    }
                    Seeded::Calls(calls) => self.tell(tell, FollowerEvent::Called(calls)),
                    Seeded::Failed(why) => {
                        tracing::warn!("{NAME}: the state to begin with could not be read: {why}. Trying again in 2 min");
                        self.tell(tell, FollowerEvent::State(format!("connected, but the state of the routes could not be read: {why}")));
                        seed_due = Some(self.clock.now() + SEED_LATER);
                    }
                },
                awake = self.clock.sleep_until(due, std::mem::take(busy)) => {
                    *busy = awake;
                    let now = self.clock.now();
                    if now >= step + SETTLES {
                        let batch = memory.say(watched, step - STEP, now);
                        let known = batch.observations.iter().filter(|o| o.value.is_some()).count() / 2;
                        self.tell(tell, FollowerEvent::State(format!("connected; the routes of {known} of {} are known", watched.len())));
                        self.tell(tell, FollowerEvent::Batch(batch));
                        if seed_due.is_none() && now - seeded_at >= SEED_ANEW && memory.wants_seed(watched) {
                            seed_due = Some(now);
                        }
                        // Steps are skipped if the clock was set forward.
                        step = (step + STEP).max(now.floor_to(STEP));
                        if (self.watched)() != watched { return Ok(()); }
                    }
                    if now >= glance {
                        glance = now + GLANCE_EVERY;
                        gone_since = if memory.anybody_is_gone(watched) { gone_since.or(Some(now)) } else { None };
                        let under_way = now.floor_to(STEP);
                        let is_due = |since: Timestamp| {
                            now - since >= GONE_FOR && now - since < HURRY && now - under_way >= GONE_FOR
                        };
                        if gone_since.is_some_and(is_due) && hurried != Some(under_way) {
                            hurried = Some(under_way);
                            self.tell(tell, FollowerEvent::Batch(memory.say(watched, under_way, now)));
                        }
                    }
                    if now >= ping {
                        if missed >= MISSED { return Err(StreamError::Silent); }
                        missed += 1;
                        stream.ping().await?;
                        ping = now + PING_EVERY;
                    }
                    if seed_due.is_some_and(|due| now >= due) {
                        seed_due = None;
                        self.seed(&mut seeding, watched, &seeds);
                    }
                }
            }
        }
    }

    /// Starts a task that reads the routes from RIPEstat while the stream is still being read.
    fn seed(
        &self,
        tasks: &mut tokio::task::JoinSet<()>,
        watched: &[Watched],
        seeds: &UnboundedSender<Seeded>,
    ) {
        let nets: Vec<IpNet> =
            watched.iter().flat_map(|watched| watched.nets.iter().copied()).collect();
        let (feed, clock, seeds, app) =
            (self.ripestat.clone(), self.clock.clone(), seeds.clone(), self.client.clone());
        let mut busy = clock.busy();
        tasks.spawn(async move {
            for some in nets.chunks(ripestat::NETS_AT_ONCE) {
                let said = match &feed.base {
                    None => Seeded::Failed("RIPEstat is off".to_owned()),
                    Some(base) => {
                        let request = ripestat::state_of(&app, some);
                        let body = feed.http.get(base, &request, &mut busy).await;
                        let _ = seeds.send(Seeded::Calls(1));
                        match body.and_then(|body| ripestat::routes(&body)) {
                            Ok(state) => Seeded::Routes { nets: some.to_vec(), state },
                            Err(error) => Seeded::Failed(error.to_string()),
                        }
                    }
                };
                let failed = matches!(said, Seeded::Failed(_));
                let _ = seeds.send(said);
                if failed {
                    return;
                }
            }
        });
    }
}

/// Returns whether a complaint is about a subscription; the connection then stays open. After a
/// complaint about a client that is too slow, the service closes the connection.
fn is_about_a_filter(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    ["filter", "subscri", "type"].iter().any(|word| why.contains(word)) && !why.contains("slow")
}

/// A result of reading the state from RIPEstat.
enum Seeded {
    Routes { nets: Vec<IpNet>, state: ripestat::Routes },
    Calls(u32),
    Failed(String),
}

impl Memory {
    /// Drops the data of entities and blocks that are no longer followed.
    fn follow_only(&mut self, watched: &[Watched]) {
        self.table.watch_only(watched.iter().flat_map(|watched| watched.nets.iter().copied()));
        let is_followed = |entity: &Entity| watched.iter().any(|watched| watched.entity == *entity);
        self.falling.retain(|entity, _| is_followed(entity));
        self.gateways.retain(|(entity, _), _| is_followed(entity));
        self.peers.retain(|entity, _| is_followed(entity));
        self.falls.retain(|entity, _| is_followed(entity));
    }

    /// Returns whether, for any entity, so many peers are unknown that a new state is worth its
    /// call.
    fn wants_seed(&self, watched: &[Watched]) -> bool {
        watched.iter().any(|one| self.table.wants_seed(&one.nets))
    }

    /// Returns whether any entity has lost all of its routes.
    fn anybody_is_gone(&self, watched: &[Watched]) -> bool {
        let standing =
            |one: &Watched| self.table.standing(&one.nets).filter(BlockVisibility::is_known);
        watched.iter().filter_map(standing).any(|standing| standing.blocks == 0)
    }

    /// Returns the batch of the step that began at `start`: two observations for each entity,
    /// unknown if its table is not seeded, and the changed facts.
    fn say(&mut self, watched: &[Watched], start: Timestamp, now: Timestamp) -> Batch {
        let mut batch = Batch::live(now);
        for one in watched {
            let standing = self.table.standing(&one.nets).filter(BlockVisibility::is_known);
            let series = |signal: &str| {
                Arc::new(Series {
                    entity: one.entity.clone(),
                    source: NAME.to_owned(),
                    signal: signal.to_owned(),
                })
            };
            let seeing = standing.as_ref().map(BlockVisibility::seeing_of_all);
            let blocks = standing.as_ref().map(|standing| f64::from(standing.blocks));
            for (signal, value) in [("visibility", seeing), ("prefixes", blocks)] {
                batch.observations.push(Observation {
                    series: series(signal),
                    observed_at: start,
                    value,
                });
            }
            if let Some(standing) = standing {
                self.facts(one, &standing, start, now, &mut batch.facts);
            }
        }
        batch
    }

    /// Adds the facts that have changed since the last report: the number of peers, the gateways,
    /// and the order in which the routes were lost.
    fn facts(
        &mut self,
        one: &Watched,
        standing: &BlockVisibility,
        start: Timestamp,
        now: Timestamp,
        facts: &mut Vec<Fact>,
    ) {
        let fact = |kind| Fact {
            entity: one.entity.clone(),
            source: NAME.to_owned(),
            observed_at: start,
            kind,
        };
        let total = standing.peers + standing.unknown;
        if self.peers.insert(one.entity.clone(), total) != Some(total) {
            facts.push(fact(FactKind::Peers { total }));
        }
        let known: Vec<u32> = self
            .gateways
            .keys()
            .filter(|(entity, _)| *entity == one.entity)
            .map(|(_, asn)| *asn)
            .collect();
        let gone = known
            .into_iter()
            .filter(|asn| !standing.gateways.contains_key(asn))
            .map(|asn| (asn, (0, 0)));
        for (asn, (prefixes_seen, peers_seeing)) in
            standing.gateways.clone().into_iter().chain(gone)
        {
            let told = self.gateways.entry((one.entity.clone(), asn)).or_insert((u32::MAX, 0));
            let is_news = told.0 != prefixes_seen
                || f64::from(told.1.abs_diff(peers_seeing)) > NEWS * f64::from(total)
                    && peers_seeing > 0;
            if is_news {
                *told = (prefixes_seen, peers_seeing);
                let name = one.names.get(&asn).cloned();
                facts.push(fact(FactKind::Gateway { asn, name, prefixes_seen, peers_seeing }));
            }
        }
        // Neighbours come from the paths that anybody may announce, so those that are gone are
        // dropped, or the map could grow without limit.
        self.gateways.retain(|(entity, asn), _| {
            *entity != one.entity || standing.gateways.contains_key(asn)
        });
        let falling = self.falling.entry(one.entity.clone()).or_default().note(standing, now);
        let Some(since) = falling.filter(|_| standing.share() < 0.5) else { return };
        let mut gateways = self.table.falls(&one.nets, since);
        for fall in &mut gateways {
            fall.name = one.names.get(&fall.gateway).cloned();
        }
        let kind = FactKind::Withdrawn { gateways };
        if self.falls.get(&one.entity) != Some(&kind) {
            self.falls.insert(one.entity.clone(), kind.clone());
            facts.push(fact(kind));
        }
    }
}
