//! HTTP as fast as it goes: probed, stored, judged.

use crate::serve::Hosts;
use crate::usage;
use linkdown::clock::Clock;
use linkdown::detect::State;
use linkdown::domain::{Target, UplinkState, Watchlist};
use linkdown::failpoints::Failpoints;
use linkdown::ingest::{Pipeline, Watch};
use linkdown::source::probe::attempt::probe;
use linkdown::source::probe::tally::{Round, Tally};
use linkdown::source::probe::uplink::Uplink;
use linkdown::source::probe::{Guard, ProbeContext, Resolver};
use linkdown::store::{Access, BatchId, Store};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const TARGETS: usize = 1000;
const IN_FLIGHT: usize = 256;
const FOR: Duration = Duration::from_secs(15);

pub async fn run() {
    let hosts = Hosts::start();
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let resolver = Resolver::with(clock.clone(), Vec::new());
    let kit = Arc::new(ProbeContext::new(
        clock.clone(),
        guard,
        resolver,
        "https://example.org/",
        Duration::from_secs(10),
    ));
    let target = |number: usize| {
        let (entity, block) = (number % 100, number / 100);
        let text =
            format!("http://127.{block}.{entity}.{}:{}/", 1 + number % 250, hosts.ports.http);
        Target::parse(&text, format!("asn/{}", 64_512 + entity).parse().unwrap()).unwrap()
    };
    let targets: Arc<Vec<Target>> = Arc::new((0..TARGETS).map(target).collect());
    let watch = Watch {
        store: Store::open(folder.path().join("linkdown.db"), Access::Own).unwrap(),
        state: Arc::new(RwLock::new(State::default())),
        watchlist: Arc::new(Watchlist::default()),
        clock: clock.clone(),
        failpoints: Failpoints::default(),
        wake: Vec::new(),
    };
    let mut pipeline = Pipeline::new(watch, BatchId::default());
    let (mut tally, slots) = (Tally::default(), Arc::new(Semaphore::new(IN_FLIGHT)));
    let (mut probes, mut working, mut minute) = (0, 0, 0);
    let (began, before) = (Instant::now(), usage::cpu("self"));
    while began.elapsed() < FOR {
        let mut round = JoinSet::new();
        for number in 0..TARGETS {
            let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
            let (kit, targets) = (Arc::clone(&kit), Arc::clone(&targets));
            round.spawn(async move {
                let found = probe(&kit, &targets[number]).await;
                drop(slot);
                (number, found)
            });
        }
        let found = round.join_all().await;
        probes += found.len();
        working += found.iter().filter(|(_, found)| found.outcome().does_work()).count();
        // Each round as one of its own minute, so that each is stored and judged.
        minute += 1;
        let start = linkdown::domain::Timestamp::from_unix(1_749_168_000 + minute * 60);
        let uplink = Uplink { line: UplinkState::Good, why: "as told".to_owned(), v6: false };
        let unreached = std::collections::BTreeSet::new();
        let round = Round {
            start,
            targets: Arc::clone(&targets),
            operator: TARGETS,
            found,
            unreached,
            uplink,
        };
        let batch = tally.take(&round, start + 70);
        pipeline.take(vec![batch], Box::new(|_| Ok(()))).await.unwrap();
    }
    let (took, used) = (began.elapsed(), usage::cpu("self") - before);
    assert_eq!(probes, working, "every probe is answered");
    println!(
        "\nHTTP as fast as it goes, {TARGETS} targets in rounds, {IN_FLIGHT} in flight, stored and judged"
    );
    println!("  {:.0} probes a second (owed 3,000)", probes as f64 / took.as_secs_f64());
    println!("  {:.3} s of processor time for 1,000 (owed 0.35)", used * 1000.0 / probes as f64);
}
