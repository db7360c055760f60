//! Probes the sites that only chats watch, in a pool of slots of their own. Their probes may
//! outlast a round, take no slot of the operator's targets, and delay no round.

use super::ProbeContext;
use super::attempt::{Found, bounded};
use super::lane::{Lane, Span, UnderWay, order_of};
use crate::clock::{ActivityGuard, Millis};
use crate::domain::{Entity, Target};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

/// The state of a target since the last round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// A probe of it has ended, with this result; the probe began at `since`.
    Found { since: Millis, found: Found },
    /// Its probe is still running, so its last result remains valid.
    UnderWay,
    /// It had no turn.
    Unreached,
}

/// A site with all of its targets. They are probed in one turn and take one slot.
#[derive(Debug)]
struct Site {
    name: String,
    targets: Arc<Vec<Target>>,
}

/// The results of one turn of a site: one for each of its targets, in their order.
struct Turn {
    name: String,
    since: Millis,
    targets: Arc<Vec<Target>>,
    found: Vec<Found>,
}

/// The pool of probes of the sites that only chats watch.
pub(super) struct Sites {
    kit: Arc<ProbeContext>,
    lane: Lane,
    list: Vec<Site>,
    under_way: UnderWay,
    turns: JoinSet<Turn>,
    /// The newest turn of each site that has ended since the last round.
    ended: BTreeMap<String, Turn>,
}

impl Sites {
    /// Creates a pool in which at most `in_flight` sites are probed at one time.
    pub(super) fn new(kit: Arc<ProbeContext>, in_flight: usize) -> Self {
        let lane = Lane::new(in_flight);
        Self {
            kit,
            lane,
            list: Vec::new(),
            under_way: UnderWay::default(),
            turns: JoinSet::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Sets the list of sites. Returns all of their targets, in the order of [`Self::ended`].
    pub(super) fn take_list(&mut self, targets: Vec<Target>) -> Vec<Target> {
        let mut sites: BTreeMap<Entity, Vec<Target>> = BTreeMap::new();
        for target in targets {
            sites.entry(target.entity.clone()).or_default().push(target);
        }
        let site = |(entity, targets): (Entity, Vec<Target>)| Site {
            name: entity.to_string(),
            targets: Arc::new(targets),
        };
        self.list = sites.into_iter().map(site).collect();
        self.list.sort_by_cached_key(|site| order_of(site.name.clone()));
        self.list.iter().flat_map(|site| site.targets.iter().cloned()).collect()
    }

    /// Gives turns to the sites until the round ends.
    pub(super) async fn run(&mut self, span: Span, busy: ActivityGuard) {
        let Self { kit, lane, list, under_way, turns, ended } = self;
        let names: Vec<String> = list.iter().map(|site| site.name.clone()).collect();
        let begin = |number: usize, slot: OwnedSemaphorePermit| {
            let site: &Site = &list[number];
            join(turns, ended);
            let Some(mark) = under_way.begin(&site.name) else { return };
            let (kit, busy) = (Arc::clone(kit), kit.clock.busy());
            let (name, targets) = (site.name.clone(), Arc::clone(&site.targets));
            turns.spawn(async move {
                let since = kit.clock.millis();
                let found = join_all(targets.iter().map(|target| bounded(&kit, target))).await;
                drop((mark, slot, busy));
                Turn { name, since, targets, found }
            });
        };
        lane.run(&kit.clock, &names, span, |number| under_way.holds(&names[number]), begin, busy)
            .await;
    }

    /// Returns the state of each target since the previous call, in the order of the list.
    pub(super) fn ended(&mut self) -> Vec<Ended> {
        join(&mut self.turns, &mut self.ended);
        let mut ended = std::mem::take(&mut self.ended);
        let mut all = Vec::new();
        for site in &self.list {
            // If a site's targets have changed meanwhile, its turn did not probe the new ones.
            let turn = ended.remove(&site.name).filter(|turn| turn.targets == site.targets);
            match turn {
                Some(Turn { since, found, .. }) => {
                    all.extend(found.into_iter().map(|found| Ended::Found { since, found }));
                }
                None if self.under_way.holds(&site.name) => {
                    all.extend(site.targets.iter().map(|_| Ended::UnderWay));
                }
                None => all.extend(site.targets.iter().map(|_| Ended::Unreached)),
            }
        }
        all
    }
}

/// Collects the turns that have ended: a task occupies memory until it is joined.
fn join(turns: &mut JoinSet<Turn>, ended: &mut BTreeMap<String, Turn>) {
    while let Some(turn) = turns.try_join_next() {
        match turn {
            Ok(turn) => drop(ended.insert(turn.name.clone(), turn)),
            Err(error) => tracing::error!("a probe of a site ended badly: {error}"),
        }
    }
}
