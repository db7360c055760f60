//! Runs the rounds. A round probes every target once, spread evenly over its time, and checks the
//! uplink in each quarter. It is reported once its last probe has ended and the uplink was checked
//! after that.
//!
//! The sites that only chats watch are probed in parallel, in slots of their own, and no round
//! waits for them. Results of theirs that are in when the round ends are reported with it. Sites
//! that had no turn are unknown, and come first in the next round.

use super::ProbeContext;
use super::attempt::{Found, bounded};
use super::lane::{Lane, Span, UnderWay, order_of};
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
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;

/// Uplink checks in a round, the last of them after its last probe.
const LOOKS: usize = 4;
/// Judgements that are remembered: those of all rounds in which a site probe that ends now may have
/// begun.
const JUDGED: usize = 8 * LOOKS;

/// The settings of the prober.
#[derive(Clone)]
pub struct Prober {
    /// Everything that a probe needs besides its target.
    pub kit: Arc<ProbeContext>,
    /// Returns the targets to probe now. Chats may add to them at any time.
    pub targets: Arc<dyn Fn() -> Targets + Send + Sync>,
    /// The hosts that are asked to check the uplink.
    pub controls: Vec<Control>,
    /// The seconds from one probe of a target to the next, which is the length of a round.
    pub every: Seconds,
    /// The most probes of the operator's targets at one time.
    pub in_flight: usize,
    /// The most chat-watched sites that are probed at one time.
    pub sites_in_flight: usize,
    /// Is notified when a round begins, with the time by which it must be stored.
    pub progress: Progress,
}

/// The targets to probe, by the party that asked for them.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// The targets of the configuration.
    pub operator: Vec<Target>,
    /// The pages of sites that only chats watch.
    pub chats: Vec<Target>,
}

/// A round that has begun.
struct Plan {
    start: Timestamp,
    began: Millis,
    /// The operator's targets, and from index `operator` on those of chats.
    targets: Arc<Vec<Target>>,
    operator: usize,
}

/// The operator's probes and the uplink checks of one round: those that are running, and the
/// results of the others. A finished task occupies memory until it is joined, so tasks are joined
/// as soon as possible.
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

/// The state that all rounds share.
struct Shared {
    kit: Arc<ProbeContext>,
    controls: Vec<Control>,
    line: Mutex<LineSoFar>,
    /// Targets whose last probe is still running. Their next probe is skipped, not queued.
    under_way: UnderWay,
}

#[derive(Default)]
struct LineSoFar {
    looks: Looks,
    /// The start of each check, and the judgement after it.
    judged: VecDeque<(Millis, Uplink)>,
    /// Checks begun so far. Each continues in the list of controls where the last one stopped.
    begun: usize,
}

impl fmt::Debug for Prober {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prober").field("every", &self.every).finish_non_exhaustive()
    }
}

impl Prober {
    /// Runs rounds until their receiver is closed or the future is dropped.
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
                    // Sending fails only while the bot stops, when rounds are no longer received.
                    let _ = rounds.send((round, mark));
                });
            }
            while closing.try_join_next().is_some() {}
            // After the clock was set forward, rounds are skipped. After it was set back, rounds
            // continue from the new time.
            start = (start + every).max(clock.now().floor_to(every));
            if start - clock.now() > 2 * every {
                start = clock.now().floor_to(every) + every;
            }
        }
    }
}

/// Returns the seconds after which a round that has begun but is not stored is reported as a fault:
/// two rounds that may be lost, and the time that the last probes of one take to end.
const fn overdue_after(every: Seconds) -> Seconds {
    2 * every + 3 * MINUTE
}

/// Orders targets by hash: the order is the same at every start, and separates targets that are
/// neighbours in a profile.
fn in_order(mut targets: Vec<Target>) -> Vec<Target> {
    targets.sort_by_cached_key(|target| order_of(target.to_string()));
    targets
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, LineSoFar> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts every probe at its own moment of the round, and checks the uplink meanwhile. Returns
    /// at the end of the round, also while probes are still running.
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

    /// Starts a check in each quarter of the round but the first. The check at its very start is
    /// the last one of the round before.
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

    /// Starts the probe of one target, unless a probe of the same address is still running.
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
        // An address that belongs to two entities is probed for one of them at a time.
        let Some(under_way) = self.under_way.begin(&targets[number].to_string()) else { return };
        probes.under_way.spawn(async move {
            let found = bounded(&shared.kit, &targets[number]).await;
            drop((under_way, slot, mark));
            (number, found)
        });
    }

    /// Asks the next controls of the list. If most of these do not answer, asks all others too, at
    /// once.
    async fn look(&self) -> Uplink {
        // The check counts for the moment it began. One that times out may end in the next round,
        // when the uplink works again.
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

    /// Returns every fourth control of the list, beginning one further each time, so that each
    /// check mixes operators and layers.
    fn next_controls(&self) -> Vec<usize> {
        let mut line = self.line();
        let first = line.begun % LOOKS;
        line.begun += 1;
        (first..self.controls.len()).step_by(LOOKS).collect()
    }

    /// Waits for the last of the operator's probes, checks the uplink once more, and returns the
    /// round.
    async fn close(&self, plan: Plan, mut probes: Probes, sites: Vec<Ended>) -> Round {
        while let Some(ended) = probes.under_way.join_next().await {
            probes.take(ended);
        }
        while probes.looks.join_next().await.is_some() {}
        let Probes { mut found, mut unreached, .. } = probes;
        let last = self.look().await;
        // The worst judgement of the round counts. Results from before an unnoticed outage, or from
        // during one, prove nothing.
        let line = self.line();
        let of_this_round =
            line.judged.iter().filter(|(at, _)| *at >= plan.began).map(|(_, uplink)| uplink);
        let uplink = of_this_round.max_by_key(|uplink| uplink.line).cloned().unwrap_or(last);
        for (place, ended) in sites.into_iter().enumerate() {
            let number = plan.operator + place;
            match ended {
                // A probe that began in an earlier round may have met an uplink outage that was
                // over before this round.
                Ended::Found { since, .. } if line.was_bad_since(since) => {
                    unreached.insert(number);
                }
                Ended::Found { found: what, .. } => found.push((number, what)),
                Ended::UnderWay => {}
                Ended::Unreached => {
                    unreached.insert(number);
                }
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
    /// Returns whether any check since then found the uplink bad.
    fn was_bad_since(&self, since: Millis) -> bool {
        self.judged.iter().any(|(at, uplink)| *at >= since && uplink.line != UplinkState::Good)
    }
}
