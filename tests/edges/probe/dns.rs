//! Name servers, and what their answers are worth.

use super::server::{Habit, NameServer, Old, TTL, nobody};
use super::{found, kit, said, target};
use hickory_proto::op::ResponseCode;
use linkdown::clock::Clock;
use linkdown::domain::Host;
use linkdown::source::probe::Outcome;
use linkdown::source::probe::attempt::probe;
use linkdown::source::probe::resolver::Resolved;
use linkdown::source::probe::{Guard, ProbeContext, Resolver};
use std::time::Duration;

#[tokio::test]
async fn every_answer_of_a_name_server_is_told_apart() {
    let server = NameServer::start(Habit::Proper).await;
    let kit = kit(None);
    let asked = format!("dns://{}/kp", server.address);
    for (habit, expected) in [
        (Habit::Proper, "works"),
        (Habit::Lame, "works (lame: no authority for kp)"),
        (Habit::Truncates, "works"),
        (Habit::LosesDatagrams, "works (by TCP alone, UDP is lost)"),
        (Habit::Code(ResponseCode::Refused), "answers, but broken: REFUSED"),
        (Habit::Code(ResponseCode::ServFail), "answers, but broken: SERVFAIL"),
        (
            Habit::Code(ResponseCode::NXDomain),
            "answers, but broken: says that kp does not exist (NXDOMAIN)",
        ),
        (Habit::WrongNumber, "answers, but broken: no DNS answer: of another question"),
        (Habit::WrongQuestion, "no answer in 2 s"),
        (Habit::Silent, "no answer in 2 s"),
    ] {
        server.behaves(habit);
        let outcome = said(&kit, &asked).await;
        if habit == Habit::WrongQuestion {
            // By TCP there is no waiting for a better one.
            assert!(outcome.contains("of another question"), "{outcome}");
        } else {
            assert_eq!(outcome, expected, "{habit:?}");
        }
    }
    server.behaves(Habit::Garbage);
    let outcome = said(&kit, &asked).await;
    assert!(outcome.starts_with("answers, but broken: no DNS answer"), "{outcome}");
}

#[tokio::test]
async fn a_host_without_a_name_server_is_there_all_the_same() {
    let outcome = found(&kit(None), &format!("dns://{}/kp", nobody().await)).await.outcome();
    assert_eq!(outcome.reached(), Some(true), "{outcome}");
    assert!(!outcome.does_work());
}

#[tokio::test]
async fn a_name_is_followed_when_it_moves_and_kept_when_its_name_server_dies() {
    let server = NameServer::start(Habit::Proper).await;
    server.leads("kcna.kp", &["127.0.0.1", "::1"]);
    let kit = kit(Some(server.address));
    let first = kit.resolver.resolve("kcna.kp", None).await;
    assert_eq!(first, Resolved::Fresh(vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]));

    server.behaves(Habit::Code(ResponseCode::ServFail));
    kit.clock.sleep(i64::from(TTL) + 1, kit.clock.busy()).await;
    let last = kit.resolver.resolve("kcna.kp", None).await;
    assert!(
        matches!(&last, Resolved::LastGood { addresses, why } if addresses.len() == 2 && why == "the resolver says SERVFAIL"),
        "{last:?}"
    );

    server.behaves(Habit::Proper);
    server.leads("kcna.kp", &["127.0.0.2"]);
    assert_eq!(
        kit.resolver.resolve("kcna.kp", None).await,
        Resolved::Fresh(vec!["127.0.0.2".parse().unwrap()])
    );
}

#[tokio::test]
async fn a_dead_name_server_does_not_look_like_a_dead_site() {
    let server = NameServer::start(Habit::Silent).await;
    let site = super::server::page(super::server::answer("200 OK", "", "hello")).await;
    let kit = kit(Some(server.address));
    let mut asked = target(&format!("http://kcna.kp:{}/", site.port()));

    let unknown = probe(&kit, &asked).await.outcome();
    assert_eq!(
        unknown.to_string(),
        "unknown: its name leads nowhere: the resolver does not answer"
    );

    asked.address = Some("127.0.0.1".parse().unwrap());
    let found = probe(&kit, &asked).await;
    assert_eq!(
        found.outcome(),
        Outcome::works(),
        "it is asked at the address that somebody wrote down"
    );
    assert_eq!(found.name_trouble.as_deref(), Some("the resolver does not answer"));
}

/// A kit that waits long enough for a datagram to be lost and the next to be answered.
fn patient_kit(server: &NameServer) -> ProbeContext {
    let clock = Clock::accelerated(crate::edges::at("2025-06-06 17:00"), 4);
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let resolver = Resolver::with(clock.clone(), vec![server.address]);
    ProbeContext::new(
        clock,
        guard,
        resolver,
        "https://example.org/linkdown",
        Duration::from_secs(8),
    )
}

/// What an old server may make of EDNS, and how it is asked: with it, and then without.
const OLD: [Old; 9] = [
    Old::Code(ResponseCode::FormErr),
    Old::Code(ResponseCode::NotImp),
    Old::Code(ResponseCode::ServFail),
    Old::Code(ResponseCode::Refused),
    Old::Code(ResponseCode::BADVERS),
    Old::EchoesFormErr,
    Old::HeaderAlone,
    Old::Garbles,
    Old::FormErrAndTruncates,
];

#[tokio::test]
async fn a_name_server_that_does_not_know_edns_is_asked_again_without() {
    let server = NameServer::start(Habit::Proper).await;
    let kit = kit(Some(server.address));
    for old in OLD {
        server.behaves(Habit::Old(old));
        server.asked_with_edns();
        assert_eq!(said(&kit, &format!("dns://{}/kp", server.address)).await, "works", "{old:?}");
        let asked = server.asked_with_edns();
        assert_eq!(asked[..2], [true, false], "{old:?}: {asked:?}");
    }
    server.behaves(Habit::Proper);
    server.asked_with_edns();
    assert_eq!(said(&kit, &format!("dns://{}/kp", server.address)).await, "works");
    assert_eq!(server.asked_with_edns(), [true], "one that knows it is asked once");
}

#[tokio::test]
async fn a_resolver_that_does_not_know_edns_resolves() {
    let server = NameServer::start(Habit::Proper).await;
    let kit = kit(Some(server.address));
    for (number, old) in OLD.into_iter().enumerate() {
        server.behaves(Habit::Old(old));
        let name = format!("n{number}.kp");
        server.leads(&name, &["127.0.0.1", "::1"]);
        let expected = Resolved::Fresh(vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(kit.resolver.resolve(&name, None).await, expected, "{old:?}");
    }
}

#[tokio::test]
async fn a_server_that_drops_questions_with_edns_is_asked_without() {
    let server = NameServer::start(Habit::Old(Old::Drops)).await;
    server.leads("kcna.kp", &["127.0.0.1"]);
    let kit = patient_kit(&server);
    assert_eq!(said(&kit, &format!("dns://{}/kp", server.address)).await, "works");
    let expected = Resolved::Fresh(vec!["127.0.0.1".parse().unwrap()]);
    assert_eq!(kit.resolver.resolve("kcna.kp", None).await, expected);
}

#[tokio::test]
async fn an_answer_in_other_letters_is_taken() {
    let server = NameServer::start(Habit::OtherCase).await;
    server.leads("kcna.kp", &["127.0.0.1"]);
    let kit = kit(Some(server.address));
    assert_eq!(said(&kit, &format!("dns://{}/com.kp", server.address)).await, "works");
    let expected = Resolved::Fresh(vec!["127.0.0.1".parse().unwrap()]);
    assert_eq!(kit.resolver.resolve("kcna.kp", None).await, expected);
}

#[tokio::test]
async fn a_cut_off_answer_without_tcp_comes_from_a_server_that_is_there() {
    let server = NameServer::start(Habit::TruncatesAlone).await;
    server.leads("kcna.kp", &["127.0.0.1"]);
    let kit = patient_kit(&server);
    let outcome = found(&kit, &format!("dns://{}/kp", server.address)).await.outcome();
    assert_eq!(
        outcome.to_string(),
        "answers, but broken: its answer is cut short, and none comes over TCP"
    );
    let resolved = kit.resolver.resolve("kcna.kp", None).await;
    let expected = Resolved::Unknown {
        why: "the resolver's answer is cut off, and it gives none over TCP".to_owned(),
    };
    assert_eq!(resolved, expected);
}

#[tokio::test]
async fn an_international_name_is_asked_for_in_the_form_that_dns_carries() {
    let server = NameServer::start(Habit::Proper).await;
    server.leads("xn--mnchen-3ya.example", &["127.0.0.1"]);
    let kit = kit(Some(server.address));
    let site = super::server::page(super::server::answer("200 OK", "", "hello")).await;
    assert_eq!(said(&kit, &format!("http://MÜNCHEN.example:{}/", site.port())).await, "works");
    server.behaves(Habit::Code(ResponseCode::NXDomain));
    assert_eq!(
        said(&kit, &format!("dns://{}/рф", server.address)).await,
        "answers, but broken: says that рф does not exist (NXDOMAIN)"
    );
}

#[tokio::test]
async fn names_of_strangers_are_forgotten_and_that_of_a_target_never_is() {
    const MANY: usize = 2_500;
    let server = NameServer::start(Habit::Proper).await;
    let clock = Clock::accelerated(crate::edges::at("2025-06-06 17:00"), 20);
    let target = Host::Name("kcna.kp".to_owned());
    let resolver = Resolver::with(clock.clone(), vec![server.address]).keeping([&target]);
    server.leads("kcna.kp", &["127.0.0.1"]);
    let kcna = vec!["127.0.0.1".parse().unwrap()];
    assert_eq!(resolver.resolve("kcna.kp", None).await, Resolved::Fresh(kcna.clone()));

    // As redirects to ever new names would have it.
    for number in 0..MANY {
        let name = format!("n{number}.example");
        server.leads(&name, &["127.0.0.2"]);
        resolver.resolve(&name, None).await;
    }
    let remembered = resolver.remembered();
    assert!((1_500..=2_049).contains(&remembered), "{remembered} of {MANY}");

    server.behaves(Habit::Code(ResponseCode::ServFail));
    clock.sleep(i64::from(TTL) + 1, clock.busy()).await;
    let known = resolver.resolve("kcna.kp", None).await;
    assert!(
        matches!(&known, Resolved::LastGood { addresses, .. } if *addresses == kcna),
        "{known:?}"
    );
    let forgotten = resolver.resolve("n0.example", None).await;
    assert!(matches!(forgotten, Resolved::Unknown { .. }), "{forgotten:?}");
}
