//! Whole rounds: spread evenly, judged by the controls, and never told of while the line is not good.

use super::server::{Habit, NameServer, answer, on_tcp, page};
use super::{kit, target};
use hickory_proto::op::ResponseCode;
use linkdown::clock::ActivityGuard;
use linkdown::domain::{Ask, Control, Target, UplinkState};
use linkdown::source::probe::prober::{Prober, Targets};
use linkdown::source::probe::tally::Round;
use linkdown::supervisor::Supervisor;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

/// Controls of four operators, at servers of the tests.
pub(super) struct Controls {
    pub(super) servers: Vec<NameServer>,
    portal: Arc<Mutex<String>>,
    all: Vec<Control>,
}

impl Controls {
    pub(super) async fn start() -> Self {
        let mut servers = Vec::new();
        let mut controls = Vec::new();
        let of = |operator: &str, ask| Control {
            operator: operator.to_owned(),
            place: "here".to_owned(),
            ask,
        };
        for operator in ["one", "two", "three"] {
            let server = NameServer::start(Habit::Proper).await;
            server.leads("known.example", &["192.0.2.1"]);
            server.leads("portal.example", &["127.0.0.1"]);
            let expect = vec!["192.0.2.1".parse().unwrap()];
            controls.push(of(
                operator,
                Ask::Resolver { server: server.address, name: "known.example".to_owned(), expect },
            ));
            controls.push(of(operator, Ask::Root { server: server.address }));
            servers.push(server);
        }
        let portal = Arc::new(Mutex::new(answer("204 No Content", "", "")));
        let said = Arc::clone(&portal);
        let page = on_tcp(move |mut stream| {
            let said = said.lock().unwrap().clone();
            async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(said.as_bytes()).await;
            }
        })
        .await;
        let ask = Ask::Page {
            host: "portal.example".to_owned(),
            port: page.port(),
            path: "/".to_owned(),
            status: 204,
            text: None,
        };
        controls.push(of("four", ask));
        controls.push(of("four", Ask::Tcp { address: page }));
        Self { servers, portal, all: controls }
    }

    fn behave(&self, habit: Habit) {
        for server in &self.servers {
            server.behaves(habit);
        }
    }
}

/// A prober of rounds of 16 s, each less than a second long at twenty times the pace.
fn start(
    controls: &Controls,
    targets: Vec<Target>,
) -> (UnboundedReceiver<(Round, ActivityGuard)>, JoinHandle<()>) {
    start_with(controls, Targets { operator: targets, chats: Vec::new() }, 64)
}

/// The same with sites of chats, of which so many are asked at one time.
pub(super) fn start_with(
    controls: &Controls,
    targets: Targets,
    sites_in_flight: usize,
) -> (UnboundedReceiver<(Round, ActivityGuard)>, JoinHandle<()>) {
    let kit = Arc::new(kit(Some(controls.servers[0].address)));
    let supervisor = Supervisor::new(kit.clock.clone());
    let prober = Prober {
        kit,
        targets: std::sync::Arc::new(move || targets.clone()),
        controls: controls.all.clone(),
        every: 16,
        in_flight: 64,
        sites_in_flight,
        progress: supervisor.progress("the probes"),
    };
    let (rounds, taken) = unbounded_channel();
    let watchdog = supervisor.watchdog();
    (taken, tokio::spawn(prober.run(rounds, watchdog, ActivityGuard::default())))
}

/// The next round in which the line is, or is not, good.
async fn until(rounds: &mut UnboundedReceiver<(Round, ActivityGuard)>, is_good: bool) -> Round {
    loop {
        let round = next(rounds).await;
        if (round.uplink.line == UplinkState::Good) == is_good {
            return round;
        }
    }
}

pub(super) async fn next(rounds: &mut UnboundedReceiver<(Round, ActivityGuard)>) -> Round {
    tokio::time::timeout(std::time::Duration::from_secs(20), rounds.recv())
        .await
        .unwrap()
        .unwrap()
        .0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_is_spread_evenly_and_every_target_is_asked_once() {
    let asked: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noting = Arc::clone(&asked);
    let site = on_tcp(move |mut stream| {
        noting.lock().unwrap().push(Instant::now());
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer("200 OK", "", "").as_bytes()).await;
        }
    })
    .await;
    let controls = Controls::start().await;
    let targets: Vec<Target> = (0..100).map(|n| target(&format!("http://{site}/{n}"))).collect();
    let (mut rounds, task) = start(&controls, targets);
    let round = next(&mut rounds).await;
    task.abort();
    assert_eq!(round.found.len(), 100);
    assert!(round.found.iter().all(|(_, found)| found.outcome().does_work()));
    assert_eq!(
        (round.uplink.line, round.uplink.why.as_str()),
        (UplinkState::Good, "4 of 4 operators answer")
    );
    let asked = asked.lock().unwrap();
    let first = asked[0];
    for tenth in 0..10 {
        let begun = |at: &&Instant| (at.duration_since(first).as_millis() / 80) == tenth;
        let count = asked.iter().take(100).filter(begun).count();
        assert!((4..=16).contains(&count), "{count} of 100 in tenth {tenth}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_line_is_judged_by_its_controls_and_good_again_with_them() {
    let site = page(answer("200 OK", "", "")).await;
    let controls = Controls::start().await;
    let (mut rounds, task) = start(&controls, vec![target(&format!("http://{site}/"))]);
    until(&mut rounds, true).await;

    *controls.portal.lock().unwrap() = answer("200 OK", "", "Please log in");
    let round = until(&mut rounds, false).await;
    assert_eq!(
        (round.uplink.line, round.uplink.why.as_str()),
        (UplinkState::Doubtful, "somebody answers in place of four: http 200 at portal.example")
    );
    *controls.portal.lock().unwrap() = answer("204 No Content", "", "");
    until(&mut rounds, true).await;

    for server in &controls.servers {
        server.leads("known.example", &["10.0.0.1"]);
    }
    let round = until(&mut rounds, false).await;
    assert!(round.uplink.why.ends_with("known.example is at 10.0.0.1"), "{}", round.uplink.why);
    for server in &controls.servers {
        server.leads("known.example", &["192.0.2.1"]);
    }
    until(&mut rounds, true).await;

    // Nothing exists, says somebody in place of all of them.
    controls.behave(Habit::Code(ResponseCode::NXDomain));
    let round = until(&mut rounds, false).await;
    assert!(round.uplink.why.contains("does not exist"), "{}", round.uplink.why);
    controls.behave(Habit::Proper);
    until(&mut rounds, true).await;

    controls.behave(Habit::Silent);
    let round = until(&mut rounds, false).await;
    assert_eq!(
        round.uplink.line,
        UplinkState::Doubtful,
        "one of four operators still answers: {}",
        round.uplink.why
    );
    task.abort();
}
