//! Sites that only chats watch, all of them tarpits: they take connections and never answer. The operator's targets are probed in
//! each round all the same, and each site has its turn.

use super::rounds::{Controls, next, start_with};
use super::server::{answer, on_tcp, page};
use super::target;
use linkdown::domain::{Target, UplinkState};
use linkdown::source::probe::prober::Targets;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncReadExt;

const OWN: usize = 20;
const SITES: usize = 40;
/// Far too few for so many tarpits: a turn takes a third of a round or more.
const AT_ONCE: usize = 4;

fn site(number: usize, at: std::net::SocketAddr) -> Target {
    Target::parse(
        &format!("http://{at}/{number}"),
        format!("site/s{number}.example").parse().unwrap(),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tarpits_of_chats_hold_up_no_round_and_each_has_its_turn() {
    let good = page(answer("200 OK", "", "")).await;
    let asked: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let noting = Arc::clone(&asked);
    let tarpit = on_tcp(move |mut stream| {
        let noting = Arc::clone(&noting);
        async move {
            let mut head = [0; 4096];
            let Ok(length) = stream.read(&mut head).await else { return };
            let line = String::from_utf8_lossy(&head[..length])
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            *noting.lock().unwrap().entry(line).or_default() += 1;
            // Whoever waits for an answer does so until it gives up.
            while stream.read(&mut head).await.is_ok_and(|length| length > 0) {}
        }
    })
    .await;
    let controls = Controls::start().await;
    let targets = Targets {
        operator: (0..OWN).map(|n| target(&format!("http://{good}/{n}"))).collect(),
        chats: (0..SITES).map(|n| site(n, tarpit)).collect(),
    };
    let (mut rounds, task) = start_with(&controls, targets, AT_ONCE);
    let (mut last, mut turns) = (None, BTreeMap::<usize, u32>::new());
    for _ in 0..12 {
        let round = next(&mut rounds).await;
        assert_eq!((round.operator, round.targets.len()), (OWN, OWN + SITES));
        let own: Vec<usize> =
            round.found.iter().map(|(number, _)| *number).filter(|number| *number < OWN).collect();
        assert_eq!(own, (0..OWN).collect::<Vec<_>>(), "every target of the operator's, each once");
        assert!(round.unreached.iter().all(|number| *number >= OWN), "{:?}", round.unreached);
        assert_eq!(round.uplink.line, UplinkState::Good, "{}", round.uplink.why);
        if let Some(last) = last {
            assert_eq!(round.start - last, 16, "no round is left out");
        }
        last = Some(round.start);
        let found: Vec<usize> =
            round.found.iter().map(|(number, _)| *number).filter(|number| *number >= OWN).collect();
        assert!(
            found.len() + round.unreached.len() + AT_ONCE >= SITES,
            "the others are being asked"
        );
        assert!(!round.unreached.is_empty(), "so few slots do not reach for all");
        for (number, found) in round.found.iter().filter(|(number, _)| *number >= OWN) {
            assert!(!round.unreached.contains(number));
            assert_eq!(
                found.outcome().reached(),
                Some(true),
                "a tarpit takes the connection: {}",
                found.outcome()
            );
            *turns.entry(*number).or_default() += 1;
        }
    }
    task.abort();
    assert_eq!(turns.len(), SITES, "each site had a turn: {turns:?}");
    let (least, most) = (turns.values().min().unwrap(), turns.values().max().unwrap());
    assert!(most - least <= 1, "none had more turns than another: {turns:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_of_chats_that_answer_are_all_asked_in_every_round() {
    let good = page(answer("200 OK", "", "")).await;
    let controls = Controls::start().await;
    let targets =
        Targets { operator: Vec::new(), chats: (0..SITES).map(|n| site(n, good)).collect() };
    let (mut rounds, task) = start_with(&controls, targets, AT_ONCE);
    for _ in 0..3 {
        let round = next(&mut rounds).await;
        assert_eq!((round.operator, round.unreached.len()), (0, 0));
        // One whose probe began in the last instant of the round is told of in the next.
        assert!(round.found.len() + 1 >= SITES, "{} of {SITES}", round.found.len());
    }
    task.abort();
}
