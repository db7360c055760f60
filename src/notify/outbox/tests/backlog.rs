//! Tests of deliveries that piled up, and of restarts.

use super::*;
use crate::notify::retry::{EditAgain, LimitScope};

/// Creates `count` chats that are each owed the start of ten outages since a quarter of an hour
/// ago.
async fn backlog(world: &World, count: usize) {
    let chats = crowd(world, count).await;
    for incident in world.outages(10).await {
        world
            .owes_all(incident, 1, chats.iter().map(|chat| NewDelivery::now(*chat, true)).collect())
            .await;
    }
    world.until(900_000).await;
}

#[tokio::test]
async fn a_backlog_goes_out_as_one_sum_a_chat_at_the_platforms_pace() {
    let mut world = World::paced(Limit::per_second(10.0), Limit::NONE);
    backlog(&world, 30).await;
    world.begins();
    world.until(910_000).await;
    let expected: Vec<String> =
        (0..30).map(|chat| format!("{} crowd {chat}: message", 900_000 + chat * 100)).collect();
    assert_eq!(world.seen(), expected, "no place in the pace is lost to summing up");
    assert_eq!(world.last_message().card.notes.len(), 10, "all ten are in it");
}

#[tokio::test]
async fn a_fresh_start_goes_before_a_backlog() {
    let mut world = World::paced(Limit::per_second(10.0), Limit::NONE);
    let [uninvolved] = world.chats(["uninvolved"]).await;
    backlog(&world, 30).await;
    world.begins();
    world.until(901_000).await;
    let before = world.seen().len();
    let fresh = world.decided("asn/131279", 1, 1, TransitionKind::Started).await;
    world.owes(uninvolved, fresh, 1).await;
    world.until(902_000).await;
    let at = world.seen().iter().position(|seen| seen.ends_with("uninvolved: message")).unwrap();
    assert!(at <= before + 2, "it came {} messages later", at - before);
}

#[tokio::test]
async fn a_fresh_start_goes_before_what_piled_up_for_the_same_chat() {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    for incident in world.outages(3).await {
        world.owes(chat, incident, 1).await;
    }
    world.until(900_000).await;
    let fresh = world.decided("asn/131279", 1, 1, TransitionKind::Started).await;
    world.owes(chat, fresh, 1).await;
    world.begins();
    world.until(901_000).await;
    assert_eq!(world.seen().len(), 2);
    assert_eq!(world.last_message().card.notes.len(), 3, "the sum of the other three is second");
}

#[tokio::test]
async fn a_pause_that_was_asked_for_holds_over_a_kill() {
    for (scope, expected) in [
        (LimitScope::Chat, ["0 one: message", "0 other: message", "91010 one: message"]),
        (LimitScope::Platform, ["0 one: message", "91010 other: message", "91010 one: message"]),
    ] {
        let mut world = World::new();
        let [one, other] = world.chats(["one", "other"]).await;
        let outages = world.outages(2).await;
        world.answers("one", [Answer::Refuses(SendError::RateLimited { pause_ms: 90_000, scope })]);
        world.owes(one, outages[0], 1).await;
        if scope == LimitScope::Chat {
            world.owes(other, outages[0], 1).await;
        }
        world.begins();
        world.until(10).await;
        // Without a stored pause, a later delivery would be sent at once.
        world.kill().await;
        if scope == LimitScope::Platform {
            world.owes(other, outages[0], 1).await;
        }
        for _ in 0..3 {
            world.begins();
            world.until(world.platform.since_the_beginning() + 10_000).await;
            world.kill().await;
        }
        world.begins();
        world.until(95_000).await;
        let mut seen = world.seen();
        seen.sort_by_key(|line| line.split(' ').next().unwrap().parse::<Millis>().unwrap());
        seen.dedup();
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        if scope == LimitScope::Platform {
            expected[1..].sort();
            seen[1..].sort();
        }
        assert_eq!(seen, expected, "{scope:?}");
    }
}

#[tokio::test]
async fn kills_do_not_lengthen_the_pauses_and_the_first_answer_ends_them() {
    let mut world = World::new();
    let [one, other] = world.chats(["one", "other"]).await;
    let incident = world.outages(1).await[0];
    world.answers("one", std::array::from_fn::<_, 6, _>(|_| Answer::Hangs));
    let owed = world.owes(one, incident, 1).await;
    for killed in 1..=6 {
        world.begins();
        world.sees(killed).await;
        world.kill().await;
    }
    assert_eq!((world.delivery(owed).await.attempts, world.delivery(owed).await.failures), (6, 0));
    // It fails twice on the platform's side, and the outbox is killed once more while it waits.
    world.answers(
        "one",
        [Answer::Refuses(SendError::later("503")), Answer::Refuses(SendError::later("503"))],
    );
    world.begins();
    world.until(3_500).await;
    assert_eq!(world.delivery(owed).await.failures, 2);
    world.kill().await;
    world.begins();
    let waits_until = world.delivery(owed).await.next_at;
    assert!(waits_until > world.clock.now());
    world.owes(other, incident, 1).await;
    world.until(world.platform.since_the_beginning()).await;
    let seen = world.seen();
    assert_eq!(
        seen[seen.len() - 2..].iter().filter(|line| line.ends_with(" other: message")).count(),
        1,
        "{seen:?}"
    );
    assert_eq!(
        world.state_of(owed).await,
        DeliveryState::Sent,
        "the good answer to the other pulled it forward"
    );
}

#[tokio::test]
async fn a_card_that_may_not_be_edited_rests_and_holds_up_nothing_else() {
    for (until, expected) in [
        (EditAgain::Later, "3600000 a: edit of m1"),
        // A new message in the chat makes an edit possible again.
        (EditAgain::AfterAMessage, "120000 a: edit of m1"),
    ] {
        let mut world = World::new();
        let [chat] = world.chats(["a"]).await;
        let outages = world.outages(2).await;
        world.owes(chat, outages[0], 1).await;
        world.begins();
        world.until(0).await;
        world.answers("a", [Answer::Refuses(SendError::EditRefused { why: "no".into(), until })]);
        world.changes(outages[0]).await;
        world.until(120_000).await;
        assert_eq!(world.seen(), ["0 a: message", "0 a: edit of m1"], "{until:?}");
        world.owes(chat, outages[1], 1).await;
        world.until(3_610_000).await;
        assert_eq!(world.seen()[2..], ["120000 a: message", expected], "{until:?}");
    }
}
