//! The round: every target once, spread evenly over it, with a look at our own line in each quarter. A round is told of once
//! its last probe has ended and our line was seen whole after that.
//!
//! The sites that only chats watch are probed beside it, in slots of their own: nothing waits for them. What of them has ended
//! when the round ends is told with it; those that had no turn are unknown, and are the first of the next round.

use super::ProbeContext;
use super::attempt::{Found, probe};
use super::lane::{Lane, Span, UnderWay};
use super::look::look;
use super::sites::{Ended, Sites};
use super::tally::Round;
use super::uplink::{ControlAnswer, Looks, Uplink};
use crate::clock::{ActivityGuard, Millis};
use crate::domain::time::MINUTE;
use crate::domain::{Control, Seconds, Target, Timestamp, UplinkState};
use crate::supervisor::{Progress, Watchdog};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;

/// Looks in a round, the last of them after its last probe.
const LOOKS: usize = 4;
/// Judgements that are remembered: those of all rounds in which a probe of a site may have been begun that ends now.
const JUDGED: usize = 8 * LOOKS;

/// What is asked, how often, and what for.
#[derive(Clone)]
pub struct Prober {
    pub kit: Arc<ProbeContext>,
    /// What is to be probed now: chats may add to it at any time.
    pub targets: Arc<dyn Fn() -> Targets + Send + Sync>,
    pub controls: Vec<Control>,
    /// From one probe of a target to the next.
    pub every: Seconds,
    /// Probes of the operator's targets under way at one time.
    pub in_flight: usize,
    /// Sites of chats that are probed at one time.
    pub sites_in_flight: usize,
    /// Told when a round is owed.
    pub progress: Progress,
}

/// What is to be probed, by who wants it.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// What the configuration names.
    pub operator: Vec<Target>,
    /// The pages of sites that only chats watch.
    pub chats: Vec<Target>,
}

/// A round that was begun.
struct Plan {
    start: Timestamp,
    began: Millis,
    /// The operator's, and from that number on the chats'.
    targets: Arc<Vec<Target>>,
    operator: usize,
}

/// The operator's probes of a round and its looks: those under way, and what the others have found. A task keeps its memory until
/// it is joined, so each is as soon as it has ended.
#[derive(Default)]
struct Probes {
    under_way: JoinSet<(usize, Found)>,
    looks: JoinSet<()>,
    found: Vec<(usize, Found)>,
    unreached: BTreeSet<usize>,
}

impl Probes {
    fn join(&mut self) {
        while let Some(ended) = self.under_way.try_join_next() {
            self.take(ended);
        }
    }

    fn take(&mut self, ended: Result<(usize, Found), tokio::task::JoinError>) {
        match ended {
            Ok(found) => self.found.push(found),
            Err(error) => tracing::error!("a probe ended badly: {error}"),
        }
    }
}

/// What the rounds share.
struct Shared {
    kit: Arc<ProbeContext>,
    controls: Vec<Control>,
    line: Mutex<LineSoFar>,
    /// Targets of which the last probe still goes on: the next is left out, not queued.
    under_way: UnderWay,
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
    pub async fn run(
        self,
        rounds: mpsc::UnboundedSender<(Round, ActivityGuard)>,
        watchdog: Watchdog,
        mut busy: ActivityGuard,
    ) {
        let Self { kit, targets, controls, every, in_flight, sites_in_flight, progress } = self;
        let shared = Arc::new(Shared {
            kit,
            controls,
            line: Mutex::default(),
            under_way: UnderWay::default(),
        });
        let (mut lane, mut sites) =
            (Lane::new(in_flight), Sites::new(Arc::clone(&shared.kit), sites_in_flight));
        let clock = shared.kit.clock.clone();
        let mut closing = JoinSet::new();
        let mut start = clock.now().floor_to(every) + every;
        while !rounds.is_closed() {
            watchdog.within((start - clock.now()).max(0) + 3 * every + MINUTE);
            busy = clock.sleep_until(start, busy).await;
            let Targets { operator: own, chats } = targets();
            if own.is_empty() && chats.is_empty() {
                progress.rests();
            } else {
                progress.owes(overdue_after(every));
                let (operator, mut all) = (own.len(), in_order(own));
                all.extend(sites.take_list(chats));
                let plan = Plan { start, began: clock.millis(), targets: Arc::new(all), operator };
                let probes;
                (probes, busy) = shared.spread(&plan, (&mut lane, &mut sites), every, busy).await;
                let ended = sites.ended();
                let (shared, rounds, mark) = (Arc::clone(&shared), rounds.clone(), clock.busy());
                closing.spawn(async move {
                    let round = shared.close(plan, probes, ended).await;
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

/// Seconds after which a round that was begun and has not been stored is told of as a trouble: two rounds that may be lost, and
/// the time in which the last probes of one end.
const fn overdue_after(every: Seconds) -> Seconds {
    2 * every + 3 * MINUTE
}

/// The same order at every start, in which neighbours of a profile stand apart.
fn in_order(mut targets: Vec<Target>) -> Vec<Target> {
    targets.sort_by_cached_key(|target| order_of(target.to_string()));
    targets
}

/// Where something stands in the order of a round.
pub(super) fn order_of(text: String) -> (u64, String) {
    // FNV-1a: the same in every version of the program, which the library's own hash is not.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash, text)
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, LineSoFar> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts every probe at its own moment of the round, and looks at our line meanwhile. Ends with the round, whatever goes on
    /// then.
    async fn spread(
        self: &Arc<Self>,
        plan: &Plan,
        (lane, sites): (&mut Lane, &mut Sites),
        every: Seconds,
        busy: ActivityGuard,
    ) -> (Probes, ActivityGuard) {
        let clock = &self.kit.clock;
        let span = Span { began: plan.began, whole: every * 1000 };
        let mut probes = Probes::default();
        let names: Vec<String> =
            plan.targets[..plan.operator].iter().map(ToString::to_string).collect();
        let mut looks = std::mem::take(&mut probes.looks);
        let own = lane.run(
            clock,
            &names,
            span,
            |number| self.under_way.holds(&names[number]),
            |number, slot| self.start(&mut probes, &plan.targets, number, slot),
            clock.busy(),
        );
        let (unreached, (), ()) =
            tokio::join!(own, sites.run(span, clock.busy()), self.looks(&mut looks, span, busy));
        (probes.unreached, probes.looks) = (unreached, looks);
        (probes, clock.sleep_until_millis(span.began + span.whole - 1, clock.busy()).await)
    }

    /// Begins a look in each quarter of the round but the first: the look at its end is the last one of the round before.
    async fn looks(self: &Arc<Self>, looks: &mut JoinSet<()>, span: Span, mut busy: ActivityGuard) {
        for look in 1..LOOKS {
            let due = span.began + span.whole * look as Millis / LOOKS as Millis;
            busy = self.kit.clock.sleep_until_millis(due, busy).await;
            let (shared, mark) = (Arc::clone(self), self.kit.clock.busy());
            looks.spawn(async move {
                shared.look().await;
                drop(mark);
            });
        }
    }

    fn start(
        self: &Arc<Self>,
        probes: &mut Probes,
        targets: &Arc<Vec<Target>>,
        number: usize,
        slot: OwnedSemaphorePermit,
    ) {
        probes.join();
        let (shared, targets, mark) =
            (Arc::clone(self), Arc::clone(targets), self.kit.clock.busy());
        // One address that speaks of two entities is asked for one of them at a time.
        let Some(under_way) = self.under_way.begin(&targets[number].to_string()) else { return };
        probes.under_way.spawn(async move {
            let found = bounded(&shared.kit, &targets[number]).await;
            drop((under_way, slot, mark));
            (number, found)
        });
    }

    /// Asks the next controls of the list; where most of these do not answer, all others as well, at once.
    async fn look(&self) -> Uplink {
        // Its beginning is what it tells of: one that waits in vain may end in the next round, when the line is back.
        let at = self.kit.clock.millis();
        let first = self.next_controls();
        let mut seen = look(&self.kit, &self.controls, &first).await;
        let right =
            seen.answers.iter().filter(|answer| answer.said == ControlAnswer::Right).count();
        if right * 2 < seen.answers.len() {
            let others: Vec<usize> =
                (0..self.controls.len()).filter(|control| !first.contains(control)).collect();
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

    /// Waits for the last of the operator's probes, looks once more, and says what the round found.
    async fn close(&self, plan: Plan, mut probes: Probes, sites: Vec<Ended>) -> Round {
        while let Some(ended) = probes.under_way.join_next().await {
            probes.take(ended);
        }
        while probes.looks.join_next().await.is_some() {}
        let Probes { mut found, mut unreached, .. } = probes;
        let last = self.look().await;
        // The worst of the round: what was asked before a cut that nobody saw, or during one, says nothing.
        let line = self.line();
        let of_this_round =
            line.judged.iter().filter(|(at, _)| *at >= plan.began).map(|(_, uplink)| uplink);
        let uplink = of_this_round.max_by_key(|uplink| uplink.line).cloned().unwrap_or(last);
        for (place, ended) in sites.into_iter().enumerate() {
            let number = plan.operator + place;
            match ended {
                // A probe that was begun in the round before may have met a cut that was over before this one.
                Ended::Found { since, .. } if line.was_bad_since(since) => {
                    drop(unreached.insert(number))
                }
                Ended::Found { found: what, .. } => found.push((number, what)),
                Ended::UnderWay => {}
                Ended::Unreached => drop(unreached.insert(number)),
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Round {
            start: plan.start,
            targets: plan.targets,
            operator: plan.operator,
            found,
            unreached,
            uplink,
        }
    }
}

impl LineSoFar {
    /// Whether any look since then found our line bad.
    fn was_bad_since(&self, since: Millis) -> bool {
        self.judged.iter().any(|(at, uplink)| *at >= since && uplink.line != UplinkState::Good)
    }
}

/// One probe, which is given up where it takes much longer than its attempts and its names may: a slot is never lost.
pub(super) async fn bounded(kit: &ProbeContext, target: &Target) -> Found {
    let longest = 4 * kit.timeout + Duration::from_secs(30);
    let found = Box::pin(kit.clock.within(longest, probe(kit, target))).await;
    found.unwrap_or_else(|| Found {
        seen: Vec::new(),
        name_trouble: Some("the probe was given up".to_owned()),
        certificate: None,
    })
}
