//! The round: every target once, spread evenly over it, with a look at our own line in each quarter. A round is told of once
//! its last probe has ended and our line was seen whole after that.

use super::Kit;
use super::attempt::{Found, probe};
use super::look::look;
use super::tally::Round;
use super::uplink::{Looks, Said, Uplink};
use crate::clock::{Busy, Millis};
use crate::domain::time::MINUTE;
use crate::domain::{Control, Seconds, Target, Timestamp};
use crate::vitals::Pulse;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

/// Looks in a round, the last of them after its last probe.
const LOOKS: usize = 4;
/// Judgements that are remembered: those of two rounds and more.
const JUDGED: usize = 4 * LOOKS;

/// What is asked, how often, and what for.
#[derive(Clone)]
pub struct Prober {
    pub kit: Arc<Kit>,
    /// What is to be probed now: chats may add to it at any time.
    pub targets: Arc<dyn Fn() -> Vec<Target> + Send + Sync>,
    pub controls: Vec<Control>,
    /// From one probe of a target to the next.
    pub every: Seconds,
    /// Probes under way at one time.
    pub in_flight: usize,
}

/// The probes of a round: those under way, and what the others have found. A task keeps its memory until it is joined, so
/// each is as soon as it has ended.
#[derive(Default)]
struct Probes {
    under_way: JoinSet<Option<(usize, Found)>>,
    found: Vec<(usize, Found)>,
}

impl Probes {
    fn join(&mut self) {
        while let Some(ended) = self.under_way.try_join_next() {
            self.take(ended);
        }
    }

    fn take(&mut self, ended: Result<Option<(usize, Found)>, tokio::task::JoinError>) {
        match ended {
            Ok(found) => self.found.extend(found),
            Err(error) => tracing::error!("a probe ended badly: {error}"),
        }
    }
}

/// What the rounds share.
struct Shared {
    kit: Arc<Kit>,
    controls: Vec<Control>,
    line: Mutex<LineSoFar>,
    /// Targets of which the last probe still goes on: the next is left out, not queued.
    under_way: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct LineSoFar {
    looks: Looks,
    /// When each look was begun, and what it came to.
    judged: VecDeque<(Millis, Uplink)>,
    /// Looks begun so far: each goes on where the last one stopped in the list of controls.
    begun: usize,
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").field("every", &self.every).finish_non_exhaustive()
    }
}

impl Prober {
    /// Probes round after round, until nobody takes them any more or it is dropped.
    pub async fn run(self, rounds: mpsc::UnboundedSender<(Round, Busy)>, pulse: Pulse, mut busy: Busy) {
        let Self { kit, targets, controls, every, in_flight } = self;
        let slots = Arc::new(Semaphore::new(in_flight.max(1)));
        let shared = Arc::new(Shared { kit, controls, line: Mutex::default(), under_way: Mutex::default() });
        let clock = shared.kit.clock.clone();
        let mut closing = JoinSet::new();
        let mut start = clock.now().floor_to(every) + every;
        while !rounds.is_closed() {
            pulse.within((start - clock.now()).max(0) + 3 * every + MINUTE);
            busy = clock.sleep_until(start, busy).await;
            let targets = Arc::new(in_order(targets()));
            if !targets.is_empty() {
                let began = clock.millis();
                let probes;
                (probes, busy) = shared.spread(&targets, &slots, began, every, busy).await;
                let (shared, rounds, mark) = (Arc::clone(&shared), rounds.clone(), clock.busy());
                closing.spawn(async move {
                    let round = shared.close(targets, start, began, probes).await;
                    // Nobody takes rounds any more: the bot stops.
                    let _ = rounds.send((round, mark));
                });
            }
            while closing.try_join_next().is_some() {}
            // A clock that was set forward leaves rounds out; one that was set back goes on from where it stands now.
            start = (start + every).max(clock.now().floor_to(every));
            if start - clock.now() > 2 * every {
                start = clock.now().floor_to(every) + every;
            }
        }
    }
}

/// The same order at every start, in which neighbours of a profile stand apart.
fn in_order(mut targets: Vec<Target>) -> Vec<Target> {
    targets.sort_by_cached_key(|target| {
        let text = target.to_string();
        // FNV-1a: the same in every version of the program, which the library's own hash is not.
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        (hash, text)
    });
    targets
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, LineSoFar> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts every probe at its own moment of the round.
    async fn spread(
        self: &Arc<Self>,
        targets: &Arc<Vec<Target>>,
        slots: &Arc<Semaphore>,
        began: Millis,
        every: Seconds,
        mut busy: Busy,
    ) -> (Probes, Busy) {
        let clock = &self.kit.clock;
        let mut probes = Probes::default();
        let whole = every * 1000;
        let (mut looks, look_due) = (1, |look: usize| whole * look as Millis / LOOKS as Millis);
        for number in 0..targets.len() {
            let due = whole * number as Millis / targets.len() as Millis;
            while looks < LOOKS && look_due(looks) <= due {
                busy = self.look_at(&mut probes, began + look_due(looks), busy).await;
                looks += 1;
            }
            busy = clock.sleep_until_millis(began + due, busy).await;
            probes.join();
            if let Ok(slot) = Arc::clone(slots).acquire_owned().await {
                self.start(&mut probes, targets, number, slot);
            }
        }
        while looks < LOOKS {
            busy = self.look_at(&mut probes, began + look_due(looks), busy).await;
            looks += 1;
        }
        (probes, clock.sleep_until_millis(began + whole - 1, busy).await)
    }

    async fn look_at(self: &Arc<Self>, probes: &mut Probes, due: Millis, busy: Busy) -> Busy {
        let busy = self.kit.clock.sleep_until_millis(due, busy).await;
        let (shared, mark) = (Arc::clone(self), self.kit.clock.busy());
        probes.under_way.spawn(async move {
            shared.look().await;
            drop(mark);
            None
        });
        busy
    }

    fn start(
        self: &Arc<Self>,
        probes: &mut Probes,
        targets: &Arc<Vec<Target>>,
        number: usize,
        slot: OwnedSemaphorePermit,
    ) {
        let (shared, targets, mark) = (Arc::clone(self), Arc::clone(targets), self.kit.clock.busy());
        let name = targets[number].to_string();
        if !self.under_way().insert(name.clone()) {
            return;
        }
        probes.under_way.spawn(async move {
            let found = probe(&shared.kit, &targets[number]).await;
            shared.under_way().remove(&name);
            drop((slot, mark));
            Some((number, found))
        });
    }

    /// Asks the next controls of the list; where most of these do not answer, all others as well, at once.
    async fn look(&self) -> Uplink {
        // Its beginning is what it tells of: one that waits in vain may end in the next round, when the line is back.
        let at = self.kit.clock.millis();
        let first = self.next_controls();
        let mut seen = look(&self.kit, &self.controls, &first).await;
        let right = seen.answers.iter().filter(|answer| answer.said == Said::Right).count();
        if right * 2 < seen.answers.len() {
            let others: Vec<usize> = (0..self.controls.len()).filter(|control| !first.contains(control)).collect();
            seen.answers.extend(look(&self.kit, &self.controls, &others).await.answers);
        }
        let mut line = self.line();
        line.looks.add(seen, &self.controls);
        let uplink = line.looks.judge(&self.controls);
        line.judged.push_back((at, uplink.clone()));
        if line.judged.len() > JUDGED {
            line.judged.pop_front();
        }
        uplink
    }

    /// Every fourth of the list, so that operators and layers are mixed in each look.
    fn next_controls(&self) -> Vec<usize> {
        let mut line = self.line();
        let first = line.begun % LOOKS;
        line.begun += 1;
        (first..self.controls.len()).step_by(LOOKS).collect()
    }

    /// Waits for the last probes, looks once more, and says what the round found.
    async fn close(&self, targets: Arc<Vec<Target>>, start: Timestamp, began: Millis, mut probes: Probes) -> Round {
        while let Some(ended) = probes.under_way.join_next().await {
            probes.take(ended);
        }
        let mut found = probes.found;
        found.sort_by_key(|(number, _)| *number);
        let last = self.look().await;
        // The worst of the round: what was asked before a cut that nobody saw, or during one, says nothing.
        let line = self.line();
        let of_this_round = line.judged.iter().filter(|(at, _)| *at >= began).map(|(_, uplink)| uplink);
        let uplink = of_this_round.max_by_key(|uplink| uplink.line).cloned().unwrap_or(last);
        Round { start, targets, found, uplink }
    }
}
