//! The outbox alone: before it a platform that answers as it was told to, behind it a database in memory, and a clock that is moved.

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
/// One on which a person has an address at which they are told alone.
const PLATFORM: &str = "telegram";

/// What came to the platform, and when: milliseconds since the beginning.
#[derive(Clone, Debug)]
enum Seen {
    Message(Millis, Outgoing),
    Edit(Millis, Edit),
}

/// How the platform takes what comes next for a chat.
#[derive(Debug)]
enum Answer {
    /// Takes it, and is to be left alone so long.
    Rest(Millis),
    Refuses(SendError),
    /// Until it is let go.
    Hangs,
    /// The same, and then falls.
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

/// Makes so many chats: `crowd 0` and on.
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

    /// The chats at these addresses. The first row of the table is nobody's: a number that happens to be right proves nothing.
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

    /// A change in the course of the `ordinal`th outage of `entity`, decided now. Nobody is owed it yet.
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

    /// So many outages, each told as one that begins.
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

    /// What is known of the outage has changed: its cards are to show it.
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

    /// Ends the outbox in the middle of whatever it does.
    async fn kill(&mut self) {
        let runs = self.runs.take().unwrap();
        runs.abort();
        assert!(runs.await.unwrap_err().is_cancelled());
        self.wake = None;
    }

    /// The outbox hears that something may be owed.
    fn looks(&self) {
        if let Some(wake) = &self.wake {
            wake.send(self.clock.busy()).unwrap();
        }
    }

    /// Goes on until so many milliseconds after the beginning, and until all that is to be done by then is done.
    async fn until(&self, millis: Millis) {
        self.clock.advance_to_millis(BEGIN.unix() * 1000 + millis).await;
        self.clock.until_all_rest().await;
        assert!(
            self.runs.as_ref().is_none_or(|runs| !runs.is_finished()),
            "the outbox has come to its end"
        );
    }

    /// Waits until the platform has seen so much: for where something hangs there, and the clock waits for it.
    async fn sees(&self, count: usize) -> Vec<String> {
        for spared in [0, 50] {
            let mut looks = 0;
            // After that whoever would send more has had the time for it.
            while self.platform.seen.lock().unwrap().len() < count || looks < spared {
                self.looks();
                self.store.read(|_| Ok(())).await.unwrap();
                looks += 1;
                assert!(looks < 10_000, "the platform has seen only {:?}", self.seen());
            }
        }
        self.seen()
    }

    /// Waits until the outbox has looked at all that it was woken for, whatever is still on its way.
    async fn rests(&self) {
        loop {
            self.store.read(|_| Ok(())).await.unwrap();
            if format!("{:?}", self.watchdog) == format!("Pulse({})", Millis::MAX) {
                return;
            }
        }
    }

    /// When the outbox looks again by itself: milliseconds since the beginning.
    fn next_look(&self) -> Option<Millis> {
        self.clock.next_wake().map(|at| at - BEGIN.unix() * 1000)
    }

    fn let_go(&self, count: usize) {
        self.platform.let_go.add_permits(count);
    }

    /// `0 one: message`, `30000 one: edit`: when, to which chat, what.
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
