//! Tests the outbox alone, with a scripted platform, a database in memory and a simulated clock.

mod backlog;
mod composing;
mod failures;
mod pacing;

use super::Outbox;
use crate::clock::{Clock, Millis};
use crate::domain::{
    Chat, Entity, IncidentKey, NewDelivery, Timestamp, Transition, TransitionKind, Watched,
    Watchlist,
};
use crate::failpoints::Failpoints;
use crate::notify::body::Body;
use crate::notify::pace::{Limit, SharedPace};
use crate::notify::platform::{Cards, Doing, Edit, Outgoing, Platform, Sent};
use crate::notify::retry::SendError;
use crate::store::tests::transition;
use crate::store::{Delivery, DeliveryId, DeliveryState, IncidentId, NewNotice, Store};
use crate::supervisor::{Supervisor, Watchdog};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

const BEGIN: Timestamp = Timestamp::from_unix(1_749_231_000);
/// A platform on which a person has a direct chat.
const PLATFORM: &str = "telegram";

/// A message or an edit that the platform received, and when, in milliseconds since `BEGIN`.
#[derive(Clone, Debug)]
enum Seen {
    Message(Millis, Outgoing),
    Edit(Millis, Edit),
}

/// The reaction of the platform to the next send to a chat.
#[derive(Debug)]
enum Answer {
    /// Accepts it, and asks for a pause of this many milliseconds.
    Rest(Millis),
    Refuses(SendError),
    /// Hangs until the test releases it.
    Hangs,
    /// Hangs until the test releases it, and then panics.
    Panics,
}

#[derive(Debug)]
struct Played {
    clock: Clock,
    pace: SharedPace,
    limit: Limit,
    cards: Cards,
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<HashMap<String, VecDeque<Answer>>>,
    let_go: Semaphore,
}

impl Played {
    async fn takes(&self, chat: &Chat, seen: Seen) -> Result<Sent, SendError> {
        let number = {
            let mut all = self.seen.lock().unwrap();
            all.push(seen);
            all.len()
        };
        let answer =
            self.answers.lock().unwrap().get_mut(&chat.address).and_then(VecDeque::pop_front);
        let sent = |rest_ms| Sent { message: format!("m{number}"), rest_ms };
        match answer {
            None => Ok(sent(0)),
            Some(Answer::Rest(rest_ms)) => Ok(sent(rest_ms)),
            Some(Answer::Refuses(error)) => Err(error),
            Some(Answer::Hangs) => {
                self.let_go.acquire().await.unwrap().forget();
                Ok(sent(0))
            }
            Some(Answer::Panics) => {
                self.let_go.acquire().await.unwrap().forget();
                panic!("a fault of ours")
            }
        }
    }

    fn since_the_beginning(&self) -> Millis {
        self.clock.millis() - BEGIN.unix() * 1000
    }
}

impl Platform for Played {
    fn name(&self) -> &'static str {
        PLATFORM
    }

    fn cards(&self) -> Cards {
        self.cards
    }

    fn pace(&self) -> SharedPace {
        self.pace.clone()
    }

    fn pace_of(&self, _: &Chat) -> Limit {
        self.limit
    }

    fn place(&self, chat: &Chat) -> String {
        format!("the place {}", chat.address)
    }

    fn link(&self, _: &Chat, _: Option<&str>) -> Option<String> {
        None
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> Doing<'a, Sent> {
        Box::pin(
            self.takes(&message.chat, Seen::Message(self.since_the_beginning(), message.clone())),
        )
    }

    fn edit<'a>(&'a self, edit: &'a Edit) -> Doing<'a, ()> {
        let seen = Seen::Edit(self.since_the_beginning(), edit.clone());
        Box::pin(async move { self.takes(&edit.chat, seen).await.map(drop) })
    }
}

/// Creates `count` chats with the addresses `crowd 0` and up.
async fn crowd(world: &World, count: usize) -> Vec<i64> {
    let crowd = world.store.write(move |tx| {
        (0..count)
            .map(|chat| Ok(tx.chats().ensure(PLATFORM, &format!("crowd {chat}"))?.id))
            .collect::<Result<Vec<_>, _>>()
    });
    crowd.await.unwrap()
}

struct World {
    clock: Clock,
    store: Store,
    platform: Arc<Played>,
    watchlist: Arc<Watchlist>,
    failpoints: Failpoints,
    watchdog: Watchdog,
    wake: Option<mpsc::UnboundedSender<crate::clock::ActivityGuard>>,
    closing: watch::Sender<bool>,
    runs: Option<JoinHandle<()>>,
}

impl World {
    fn new() -> Self {
        Self::paced(Limit::NONE, Limit::NONE)
    }

    fn paced(overall: Limit, of_a_chat: Limit) -> Self {
        let clock = Clock::simulated(BEGIN);
        let platform = Played {
            clock: clock.clone(),
            pace: SharedPace::new(overall),
            limit: of_a_chat,
            cards: Cards::Kept,
            seen: Mutex::default(),
            answers: Mutex::default(),
            let_go: Semaphore::new(0),
        };
        let watched = |entity: &str, part_of: Option<&str>| Watched {
            entity: entity.parse().unwrap(),
            part_of: part_of.map(|whole| whole.parse().unwrap()),
            name: None,
            sensitivity: crate::domain::Sensitivity::default(),
        };
        let watchlist =
            vec![watched("country/KP", None), watched("asn/131279", Some("country/KP"))];
        Self {
            watchdog: Supervisor::new(clock.clone()).watchdog(),
            clock,
            store: Store::in_memory().unwrap(),
            platform: Arc::new(platform),
            watchlist: Arc::new(Watchlist::new(watchlist)),
            failpoints: Failpoints::default(),
            wake: None,
            closing: watch::Sender::new(false),
            runs: None,
        }
    }

    /// Creates the chats with these addresses. The first row of the table belongs to an unused
    /// chat, so that a test cannot pass because an id happens to be 1.
    async fn chats<const N: usize>(&self, addresses: [&'static str; N]) -> [i64; N] {
        let chats = self.store.write(move |tx| {
            tx.chats().ensure(PLATFORM, "nobody")?;
            addresses
                .iter()
                .map(|address| Ok(tx.chats().ensure(PLATFORM, address)?.id))
                .collect::<Result<Vec<_>, _>>()
        });
        chats.await.unwrap().try_into().unwrap()
    }

    /// Stores a transition of the `ordinal`th outage of `entity`, decided now, without deliveries.
    async fn decided(
        &self,
        entity: &str,
        ordinal: u32,
        number: u32,
        kind: TransitionKind,
    ) -> IncidentId {
        let (entity, at): (Entity, _) = (entity.parse().unwrap(), self.clock.now());
        let mut transition = transition(ordinal, number, kind);
        transition.evidence.entity = entity.clone();
        let transition = Transition {
            incident: IncidentKey { entity, ordinal },
            at,
            started_at: BEGIN - 600,
            ended_at: (kind == TransitionKind::Recovered).then_some(at),
            ..transition
        };
        self.store.write(move |tx| Ok(tx.incidents().apply(&transition)?.id)).await.unwrap()
    }

    /// Stores `count` outages with a `Started` transition each.
    async fn outages(&self, count: u32) -> Vec<IncidentId> {
        let mut outages = Vec::new();
        for ordinal in 1..=count {
            outages.push(self.decided("country/KP", ordinal, 1, TransitionKind::Started).await);
        }
        outages
    }

    async fn owes(&self, chat: i64, incident: IncidentId, number: u32) -> DeliveryId {
        self.owes_all(incident, number, vec![NewDelivery::now(chat, number == 1)]).await;
        let recent = self.store.read(|db| db.deliveries().recent(1)).await.unwrap();
        recent[0].id
    }

    async fn owes_all(&self, incident: IncidentId, number: u32, owings: Vec<NewDelivery>) {
        let at = self.clock.now();
        let notice = NewNotice::alert(incident, number);
        self.store.write(move |tx| tx.deliveries().owe(&notice, &owings, at, 0)).await.unwrap();
        self.looks();
    }

    async fn owes_word(&self, chat: i64, body: Body) {
        let at = self.clock.now();
        let write = self.store.write(move |tx| {
            let notice = NewNotice::operator(format!("{body:?}"), body.to_json());
            tx.deliveries().owe(&notice, &[NewDelivery::now(chat, false)], at, 0)
        });
        write.await.unwrap();
        self.looks();
    }

    /// Changes the evidence of the incident, so that its cards are out of date.
    async fn changes(&self, incident: IncidentId) {
        let write = self.store.write(move |tx| {
            let evidence = transition(1, 1, TransitionKind::Started).evidence;
            let revision = tx.incidents().refresh(incident, &evidence)?;
            tx.cards().want(incident, revision)
        });
        write.await.unwrap();
        self.looks();
    }

    fn answers<const N: usize>(&self, address: &str, answers: [Answer; N]) {
        self.platform
            .answers
            .lock()
            .unwrap()
            .entry(address.to_owned())
            .or_default()
            .extend(answers);
    }

    fn begins(&mut self) {
        let outbox = Outbox {
            store: self.store.clone(),
            platform: self.platform.clone(),
            watchlist: Arc::clone(&self.watchlist),
            clock: self.clock.clone(),
            failpoints: self.failpoints.clone(),
            told: Arc::default(),
            closing: self.closing.subscribe(),
            label: None,
        };
        let (wake, mut woken) = mpsc::unbounded_channel();
        let (watchdog, busy) = (self.watchdog.clone(), self.clock.busy());
        self.wake = Some(wake);
        self.runs = Some(tokio::spawn(async move { outbox.run(&mut woken, watchdog, busy).await }));
    }

    /// Aborts the outbox wherever it is.
    async fn kill(&mut self) {
        let runs = self.runs.take().unwrap();
        runs.abort();
        assert!(runs.await.unwrap_err().is_cancelled());
        self.wake = None;
    }

    /// Wakes the outbox, as if there were new deliveries.
    fn looks(&self) {
        if let Some(wake) = &self.wake {
            wake.send(self.clock.busy()).unwrap();
        }
    }

    /// Advances the clock to `millis` after `BEGIN`, and waits until all work due by then is done.
    async fn until(&self, millis: Millis) {
        self.clock.advance_to_millis(BEGIN.unix() * 1000 + millis).await;
        self.clock.until_all_rest().await;
        assert!(
            self.runs.as_ref().is_none_or(|runs| !runs.is_finished()),
            "the outbox has come to its end"
        );
    }

    /// Waits until the platform has received `count` sends. For tests in which a send hangs, so
    /// that the clock cannot be advanced.
    async fn sees(&self, count: usize) -> Vec<String> {
        for spared in [0, 50] {
            let mut looks = 0;
            // In the second round, 50 more polls give the outbox time to send more than `count`.
            while self.platform.seen.lock().unwrap().len() < count || looks < spared {
                self.looks();
                self.store.read(|_| Ok(())).await.unwrap();
                looks += 1;
                assert!(looks < 10_000, "the platform has seen only {:?}", self.seen());
            }
        }
        self.seen()
    }

    /// Waits until the outbox has finished its polls, even if sends are still in flight.
    async fn rests(&self) {
        loop {
            self.store.read(|_| Ok(())).await.unwrap();
            if format!("{:?}", self.watchdog) == format!("Watchdog({})", Millis::MAX) {
                return;
            }
        }
    }

    /// Returns when the outbox polls again by itself, in milliseconds since `BEGIN`.
    fn next_look(&self) -> Option<Millis> {
        self.clock.next_wake().map(|at| at - BEGIN.unix() * 1000)
    }

    fn let_go(&self, count: usize) {
        self.platform.let_go.add_permits(count);
    }

    /// Returns the time, chat and kind of each send: `0 one: message`, `30000 one: edit of m1`.
    fn seen(&self) -> Vec<String> {
        let seen = self.platform.seen.lock().unwrap();
        let said = |one: &Seen| match one {
            Seen::Message(at, message) => format!("{at} {}: message", message.chat.address),
            Seen::Edit(at, edit) => format!("{at} {}: edit of {}", edit.chat.address, edit.message),
        };
        seen.iter().map(said).collect()
    }

    fn last_message(&self) -> Outgoing {
        let seen = self.platform.seen.lock().unwrap();
        let message = seen.iter().rev().find_map(|one| match one {
            Seen::Message(_, message) => Some(message.clone()),
            Seen::Edit(..) => None,
        });
        message.unwrap()
    }

    fn last_edit(&self) -> Edit {
        let seen = self.platform.seen.lock().unwrap();
        let edit = seen.iter().rev().find_map(|one| match one {
            Seen::Edit(_, edit) => Some(edit.clone()),
            Seen::Message(..) => None,
        });
        edit.unwrap()
    }

    async fn delivery(&self, id: DeliveryId) -> Delivery {
        self.store.read(move |db| db.deliveries().by_id(id)).await.unwrap().unwrap()
    }

    async fn state_of(&self, id: DeliveryId) -> DeliveryState {
        self.delivery(id).await.state
    }
}
