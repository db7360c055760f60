//! Name servers, and what their answers are worth.

use super::server::{Habit, NameServer, TTL, nobody};
use super::{found, kit, said, target};
use hickory_proto::op::ResponseCode;
use linkdown::source::probe::Outcome;
use linkdown::source::probe::attempt::probe;
use linkdown::source::probe::resolver::Resolved;

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
        (Habit::Code(ResponseCode::NXDomain), "answers, but broken: says that kp does not exist (NXDOMAIN)"),
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
        matches!(&last, Resolved::LastGood { addresses, why } if addresses.len() == 2 && why.starts_with("SERVFAIL")),
        "{last:?}"
    );

    server.behaves(Habit::Proper);
    server.leads("kcna.kp", &["127.0.0.2"]);
    assert_eq!(kit.resolver.resolve("kcna.kp", None).await, Resolved::Fresh(vec!["127.0.0.2".parse().unwrap()]));
}

#[tokio::test]
async fn a_dead_name_server_does_not_look_like_a_dead_site() {
    let server = NameServer::start(Habit::Silent).await;
    let site = super::server::page(super::server::answer("200 OK", "", "hello")).await;
    let kit = kit(Some(server.address));
    let mut asked = target(&format!("http://kcna.kp:{}/", site.port()));

    let unknown = probe(&kit, &asked).await.outcome();
    assert_eq!(unknown.to_string(), "unknown: its name leads nowhere: no answer from 127.0.0.1");

    asked.address = Some("127.0.0.1".parse().unwrap());
    let found = probe(&kit, &asked).await;
    assert_eq!(found.outcome(), Outcome::works(), "it is asked at the address that somebody wrote down");
    assert_eq!(found.name_trouble.as_deref(), Some("no answer from 127.0.0.1"));
}
