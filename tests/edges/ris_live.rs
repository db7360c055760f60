//! The live route stream against its double, with RIPEstat's to seed from.

use super::at;
use crate::doubles::{RipestatDouble, RisLiveDouble};
use linkdown::clock::{ActivityGuard, Clock};
use linkdown::domain::{Batch, FactKind};
use linkdown::schedule::Schedule;
use linkdown::source::feed::Feed;
use linkdown::source::http::{Base, Http, Timeouts};
use linkdown::source::probe::Tls;
use linkdown::source::ripestat::{ABOUT, Ripestat};
use linkdown::source::ris_live::follow::{Follower, FollowerEvent, Watched};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

const NETS: [&str; 2] = ["175.45.176.0/24", "175.45.178.0/24"];

/// A follower of North Korea's two blocks, a minute of whose clock is a quarter of a second.
struct Following {
    clock: Clock,
    ris: RisLiveDouble,
    ripestat: RipestatDouble,
    told: UnboundedReceiver<(FollowerEvent, ActivityGuard)>,
    states: Vec<String>,
    task: JoinHandle<()>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Following {
    async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    async fn start_with(prepare: impl FnOnce(&RisLiveDouble)) -> Self {
        let clock = Clock::accelerated(at("2025-06-06 17:00"), 240);
        let (ris, ripestat) =
            (RisLiveDouble::start().await, RipestatDouble::start(clock.clone()).await);
        prepare(&ris);
        for net in NETS {
            ripestat.announces(&format!("prefix/{net}"), &[net], &[4837, 20485]);
            ripestat.set(&format!("prefix/{net}"), "visibility", |_| Some(40.0));
        }
        let feed = Feed {
            source: Arc::new(Ripestat::new("")),
            http: Http::new("https://example.org/", Timeouts::default(), clock.clone()).unwrap(),
            base: Some(Base::new(&ABOUT, Some(&ripestat.url()), None).unwrap()),
            off: None,
            schedule: Schedule::parse("*/5 * * * *", chrono_tz::Tz::UTC).unwrap(),
            jitter: 0,
            controls: Vec::new(),
            calls_a_day: None,
        };
        let watched = vec![Watched {
            entity: "country/KP".parse().unwrap(),
            nets: NETS.iter().map(|net| net.parse().unwrap()).collect(),
            names: BTreeMap::from([(4837, "China Unicom".to_owned())]),
        }];
        let follower = Follower {
            url: ris.url().parse().unwrap(),
            client: "linkdown-test".to_owned(),
            clock: clock.clone(),
            tls: Tls::new(),
            ripestat: feed,
            watched: std::sync::Arc::new(move || watched.clone()),
        };
        let (tell, told) = unbounded_channel();
        let task = tokio::spawn(follower.run(tell, ActivityGuard::default()));
        Self { clock, ris, ripestat, told, states: Vec::new(), task }
    }

    async fn next(&mut self) -> Batch {
        loop {
            let told = tokio::time::timeout(Duration::from_secs(20), self.told.recv()).await;
            match told.expect("something is told in time").unwrap().0 {
                FollowerEvent::Batch(batch) => return batch,
                FollowerEvent::State(state) => self.states.push(state),
                FollowerEvent::Called(_) => {}
            }
        }
    }

    /// Steps until one says that so many peers see the blocks; `None`: that it is unknown.
    async fn until(&mut self, visibility: Option<f64>) -> Batch {
        for _ in 0..40 {
            let batch = self.next().await;
            if value(&batch, "visibility") == visibility {
                return batch;
            }
        }
        panic!("never {visibility:?}: {:?}", self.states);
    }

    fn now(&self) -> f64 {
        self.clock.now().unix() as f64
    }

    /// The peers as RIPEstat's double numbers them.
    fn withdraw(&self, peers: std::ops::Range<u32>) {
        for peer in peers {
            self.ris.update(peer % 27, &address(peer), self.now(), &[], &NETS);
        }
    }
}

fn address(peer: u32) -> String {
    format!("198.51.{}.{}", peer / 250, peer % 250)
}

fn value(batch: &Batch, signal: &str) -> Option<f64> {
    batch.observations.iter().find(|o| o.series.signal == signal).unwrap().value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_begins_with_a_state_and_follows_what_changes() {
    let mut following = Following::start().await;
    let first = following.until(Some(40.0)).await;
    assert_eq!(value(&first, "prefixes"), Some(2.0));
    let gateways = first.facts.iter().filter_map(|fact| match &fact.kind {
        FactKind::Gateway { asn, name, prefixes_seen, peers_seeing } => {
            Some((*asn, name.as_deref(), *prefixes_seen, *peers_seeing))
        }
        _ => None,
    });
    assert_eq!(
        gateways.collect::<Vec<_>>(),
        [(4837, Some("China Unicom"), 2, 20), (20485, None, 2, 20)]
    );
    let asked = following.ris.subscribed();
    let types: Vec<_> = asked.iter().map(|filter| filter["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        ["UPDATE", "UPDATE", "STATE", "RIS_PEER_STATE"],
        "one for each block, and lost sessions"
    );
    assert!(
        asked.iter().all(|filter| filter.get("path").is_none()),
        "a path filter never sees a withdrawal"
    );
    assert_eq!(following.ris.clients(), ["linkdown-test"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withdrawals_are_told_with_their_order_and_their_times() {
    let mut following = Following::start().await;
    following.until(Some(40.0)).await;
    following.withdraw(0..38);
    let fallen = following.until(Some(2.0)).await;
    assert_eq!(
        value(&fallen, "prefixes"),
        Some(0.0),
        "two peers that hold on to it are no announcement"
    );
    let withdrawn = fallen.facts.iter().find_map(|fact| match &fact.kind {
        FactKind::Withdrawn { gateways } => Some(gateways),
        _ => None,
    });
    let shown: Vec<_> = withdrawn.unwrap().iter().map(|fall| (fall.gateway, fall.peers)).collect();
    assert_eq!(shown, [(4837, 19), (20485, 19)]);
    for peer in 0..38 {
        following.ris.update(
            peer % 27,
            &address(peer),
            following.now() + 1.0,
            &[64_496, 4837, 131_279],
            &NETS,
        );
    }
    following.until(Some(40.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_go_silent_have_withdrawn_nothing() {
    let mut following = Following::start().await;
    following.until(Some(40.0)).await;
    for peer in 0..15 {
        following.ris.session(peer % 27, &address(peer), following.now(), "down");
    }
    for _ in 0..3 {
        let batch = following.next().await;
        assert_eq!(value(&batch, "visibility"), Some(40.0));
    }
    for peer in 15..30 {
        following.ris.session(peer % 27, &address(peer), following.now(), "down");
    }
    following.until(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_down_during_a_fall_see_nothing_any_more() {
    for kind in ["STATE", "RIS_PEER_STATE"] {
        let mut following = Following::start().await;
        following.until(Some(40.0)).await;
        for peer in 0..3 {
            following.ris.session_as(kind, peer % 27, &address(peer), following.now(), "down");
        }
        following.withdraw(3..40);
        let fallen = following.until(Some(0.0)).await;
        assert_eq!(value(&fallen, "prefixes"), Some(0.0), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_service_refuses_costs_neither_the_connection_nor_the_other_name() {
    let mut following = Following::start_with(|ris| ris.refuses_type("RIS_PEER_STATE")).await;
    following.until(Some(40.0)).await;
    for peer in 0..3 {
        following.ris.session(peer % 27, &address(peer), following.now(), "down");
    }
    following.withdraw(3..40);
    following.until(Some(0.0)).await;
    assert_eq!(following.ris.clients().len(), 1, "{:?}", following.states);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_from_the_far_future_does_not_hold_against_the_next_one() {
    let mut following = Following::start().await;
    following.until(Some(40.0)).await;
    for peer in 0..40 {
        following.ris.update(peer % 27, &address(peer), 1e18, &[64_496, 4837, 131_279], &NETS);
        following.ris.session(peer % 27, &address(peer), 4e9, "connected");
    }
    following.withdraw(0..40);
    following.until(Some(0.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_gap_nothing_is_known_until_the_state_was_read_anew() {
    let mut following = Following::start().await;
    following.until(Some(40.0)).await;
    // What was withdrawn in the gap is only in the state.
    for net in NETS {
        following.ripestat.set(&format!("prefix/{net}"), "visibility", |_| Some(7.0));
    }
    following.ris.breaks_off();
    following.until(Some(7.0)).await;
    assert!(
        following.states.iter().any(|state| state.contains("broke off")),
        "{:?}",
        following.states
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_state_it_is_unknown_and_never_zero() {
    let mut following = Following::start().await;
    following.ripestat.set("prefix/175.45.176.0/24", "visibility", |_| Some(40.0));
    following.until(Some(40.0)).await;
    following.ripestat.fault(crate::doubles::Fault::Status(503));
    following.ris.breaks_off();
    following.until(None).await;
    following.withdraw(0..40);
    for _ in 0..3 {
        assert_eq!(value(&following.next().await, "visibility"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_answer_to_pings_is_left_for_a_new_connection() {
    let mut following = Following::start().await;
    following.until(Some(40.0)).await;
    following.ris.answers_pings(false);
    for _ in 0..20 {
        following.next().await;
        if following.ris.clients().len() > 1 {
            return;
        }
    }
    panic!("still the first connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gibberish_repeated_and_huge_messages_and_a_flood_do_no_harm() {
    let mut following = Following::start().await;
    following.until(Some(40.0)).await;
    for text in [
        "",
        "[]",
        "{\"type\":",
        "null",
        "\u{0}",
        r#"{"type":"ris_message","data":{"type":"UPDATE","path":[[[]]]}}"#,
    ] {
        following.ris.raw(text);
    }
    for _ in 0..3 {
        following.withdraw(0..1);
    }
    for n in 0..20_000_u32 {
        let peer = 100 + n % 200;
        following.ris.update(
            peer % 27,
            &address(peer),
            following.now(),
            &[64_496, 64_500],
            &["192.0.2.0/24"],
        );
        if n % 2_000 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let after = following.until(Some(39.0)).await;
    assert_eq!(value(&after, "prefixes"), Some(2.0));
    assert_eq!(following.ris.clients().len(), 1, "the connection stands: {:?}", following.states);

    following.ris.raw("x".repeat(2 << 20));
    while following.ris.clients().len() < 2 {
        following.next().await;
    }
    following.until(Some(40.0)).await;
    assert_eq!(
        following.ris.clients().len(),
        2,
        "what is beyond the cap ends the connection, and it is taken up again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_complaint_is_said_in_the_service_s_own_words() {
    let mut following = Following::start().await;
    following.until(Some(40.0)).await;
    following.ris.raw(r#"{"type":"ris_error","data":{"message":"client is too slow"}}"#);
    while following.ris.clients().len() < 2 {
        following.next().await;
    }
    following.until(Some(40.0)).await;
    assert!(
        following.states.iter().any(|state| state.contains("it complains: client is too slow")),
        "{:?}",
        following.states
    );
}
