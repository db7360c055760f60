//! Tests of the time and order in which deliveries are sent.

use super::*;
use crate::domain::{HeldFor, Hold};

#[tokio::test]
async fn chats_are_told_at_the_platform_s_pace_to_the_millisecond() {
    let mut world = World::paced(Limit::per_second(10.0), Limit::NONE);
    let chats = world.chats(["a", "b", "c", "d", "e", "f", "g", "h"]).await;
    let incident = world.outages(1).await[0];
    world
        .owes_all(incident, 1, chats.iter().map(|chat| NewDelivery::now(*chat, true)).collect())
        .await;
    world.begins();
    world.until(5_000).await;
    let expected: Vec<String> = ["a", "b", "c", "d", "e", "f", "g", "h"]
        .iter()
        .enumerate()
        .map(|(n, chat)| format!("{} {chat}: message", n * 100))
        .collect();
    assert_eq!(world.seen(), expected);
}

#[tokio::test]
async fn a_chat_is_told_at_its_own_pace_and_nothing_is_marked_long_before_it_goes() {
    let mut world = World::paced(Limit::NONE, Limit::per_second(1.0));
    let [chat] = world.chats(["a"]).await;
    let mut owed = Vec::new();
    for incident in world.outages(3).await {
        owed.push(world.owes(chat, incident, 1).await);
    }
    world.begins();
    world.until(500).await;
    let states = [
        world.state_of(owed[0]).await,
        world.state_of(owed[1]).await,
        world.state_of(owed[2]).await,
    ];
    assert_eq!(states, [DeliveryState::Sent, DeliveryState::Owed, DeliveryState::Owed]);
    world.until(5_000).await;
    assert_eq!(world.seen(), ["0 a: message", "1000 a: message", "2000 a: message"]);
}

#[tokio::test]
async fn a_chat_to_which_something_is_on_its_way_is_neither_told_nor_edited_beside_it() {
    let mut world = World::new();
    let [one, other] = world.chats(["one", "other"]).await;
    let outages = world.outages(3).await;
    world.owes(one, outages[0], 1).await;
    world.begins();
    world.until(0).await;

    world.answers("one", [Answer::Hangs]);
    let hangs = world.owes(one, outages[1], 1).await;
    world.sees(2).await;
    assert_eq!(world.state_of(hangs).await, DeliveryState::Sending);
    world.changes(outages[0]).await;
    world.owes(one, outages[2], 1).await;
    world.owes(other, outages[2], 1).await;
    assert_eq!(world.sees(3).await, ["0 one: message", "0 one: message", "0 other: message"]);

    world.let_go(1);
    world.until(0).await;
    assert_eq!(world.seen()[3..], ["0 one: message", "0 one: edit of m1"]);
    assert_eq!(world.state_of(hangs).await, DeliveryState::Sent);
}

#[tokio::test]
async fn chats_that_wait_for_their_pace_are_in_nobody_s_way() {
    let mut world = World::paced(Limit::NONE, Limit { every_ms: 3_600_000.0, burst: 1 });
    let (crowd, [late]) = (crowd(&world, 200).await, world.chats(["late"]).await);
    for incident in world.outages(2).await {
        world
            .owes_all(incident, 1, crowd.iter().map(|chat| NewDelivery::now(*chat, true)).collect())
            .await;
    }
    world.begins();
    world.until(0).await;
    assert_eq!(world.seen().len(), 200, "each chat its first");
    let third = world.decided("country/KP", 3, 1, TransitionKind::Started).await;
    world.owes(late, third, 1).await;
    world.until(0).await;
    assert_eq!(world.seen()[200..], ["0 late: message"]);
}

#[tokio::test]
async fn cards_are_edited_however_many_chats_hang() {
    let mut world = World::new();
    let ([one], crowd) = (world.chats(["one"]).await, crowd(&world, 100).await);
    let outages = world.outages(2).await;
    world.owes(one, outages[0], 1).await;
    world.begins();
    world.until(0).await;
    for chat in 0..100 {
        world.answers(&format!("crowd {chat}"), [Answer::Hangs]);
    }
    world
        .owes_all(outages[1], 1, crowd.iter().map(|chat| NewDelivery::now(*chat, true)).collect())
        .await;
    world.sees(101).await;
    world.changes(outages[0]).await;
    assert_eq!(world.sees(102).await[101], "0 one: edit of m1");
    world.let_go(100);
    world.until(0).await;
}

#[tokio::test]
async fn no_more_are_under_way_than_may_be() {
    let mut world = World::new();
    let crowd = crowd(&world, 520).await;
    for chat in 0..520 {
        world.answers(&format!("crowd {chat}"), [Answer::Hangs]);
    }
    let incident = world.outages(1).await[0];
    world
        .owes_all(incident, 1, crowd.iter().map(|chat| NewDelivery::now(*chat, true)).collect())
        .await;
    world.begins();
    assert_eq!(world.sees(512).await.len(), 512);
    world.looks();
    assert_eq!(world.sees(512).await.len(), 512);
    world.let_go(3);
    assert_eq!(world.sees(515).await.len(), 515);
    world.let_go(517);
    world.until(0).await;
    assert_eq!(world.seen().len(), 520);
}

#[tokio::test]
async fn what_is_to_go_later_goes_then_though_nobody_wakes_the_outbox() {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    let incident = world.outages(1).await[0];
    let write = world.store.write(move |tx| {
        let notice = NewNotice::alert(incident, 1);
        tx.deliveries().owe(&notice, &[NewDelivery::now(chat, true)], BEGIN + 7, 0)
    });
    write.await.unwrap();
    world.begins();
    world.until(0).await;
    assert_eq!(world.next_look(), Some(7_000), "and it is not looked for before");
    world.until(7_000).await;
    assert_eq!(world.seen(), ["7000 a: message"]);
}

#[tokio::test]
async fn while_something_is_on_its_way_the_next_look_is_just_before_the_next_may_go() {
    for (limit, next) in [(Limit::per_second(10.0), 50), (Limit::NONE, 1)] {
        let mut world = World::paced(limit, Limit::NONE);
        let [chat] = world.chats(["a"]).await;
        world.answers("a", [Answer::Hangs]);
        let incident = world.outages(1).await[0];
        world.owes(chat, incident, 1).await;
        world.begins();
        while world.seen().is_empty() {
            world.rests().await;
        }
        world.rests().await;
        assert_eq!(world.next_look(), Some(next), "{limit:?}");
        world.let_go(1);
        world.until(1_000).await;
    }
}

#[tokio::test]
async fn what_was_held_back_goes_when_its_hold_ends() {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    let incident = world.outages(1).await[0];
    let hold = Hold { until: BEGIN + 7, why: HeldFor::Quiet };
    world
        .owes_all(
            incident,
            1,
            vec![NewDelivery { hold: Some(hold), ..NewDelivery::now(chat, true) }],
        )
        .await;
    world.begins();
    world.until(6_999).await;
    assert!(world.seen().is_empty());
    world.until(7_000).await;
    assert_eq!(world.seen(), ["7000 a: message"]);
}

#[tokio::test]
async fn what_piled_up_is_told_in_one_and_what_follows_joins_it() {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    let outages = world.outages(3).await;
    for incident in &outages[..2] {
        world.owes(chat, *incident, 1).await;
    }
    // The platform is away for a quarter of an hour, and refuses once more when it is back.
    world.until(900_000).await;
    world.answers("a", [Answer::Refuses(SendError::later("503"))]);
    world.begins();
    world.until(901_000).await;
    let first = world.last_message().card;
    assert_eq!((world.seen().len(), first.notes.len()), (1, 2), "{first:?}");
    // The third delivery is late as well by now: it joins the same message.
    let third = outages[2];
    let owe = world.store.write(move |tx| {
        tx.deliveries().owe(&NewNotice::alert(third, 1), &[NewDelivery::now(chat, true)], BEGIN, 0)
    });
    owe.await.unwrap();
    world.looks();
    world.until(1_000_000).await;
    let second = world.last_message().card;
    assert_eq!((world.seen().len(), second.notes.len()), (2, 3), "{second:?}");
}

#[tokio::test]
async fn a_turn_gives_its_next_sign_of_life_within_five_minutes_and_a_pause_gives_none() {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    let incident = world.outages(1).await[0];
    world.owes(chat, incident, 1).await;
    let (watchdog, seen) = (world.watchdog.clone(), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&seen);
    world.failpoints = Failpoints::watched_by(move |step| {
        if step == "before sending is marked" {
            noted.lock().unwrap().push(format!("{watchdog:?}"));
        }
    });
    world.begins();
    world.until(0).await;
    let by = |millis: Millis| format!("Watchdog({millis})");
    assert_eq!(*seen.lock().unwrap(), [by((BEGIN + 300).unix() * 1000)]);
    assert_eq!(format!("{:?}", world.watchdog), by(Millis::MAX));
}

#[tokio::test]
async fn what_is_on_its_way_at_a_stop_is_waited_for_and_marked() {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    world.answers("a", [Answer::Hangs]);
    let incident = world.outages(1).await[0];
    world.begins();
    let owed = world.owes(chat, incident, 1).await;
    world.sees(1).await;
    world.rests().await;
    world.closing.send(true).unwrap();
    // The outbox notices the closing before the message arrives.
    tokio::task::yield_now().await;
    world.let_go(1);
    world.runs.take().unwrap().await.unwrap();
    assert_eq!(world.state_of(owed).await, DeliveryState::Sent);
}
