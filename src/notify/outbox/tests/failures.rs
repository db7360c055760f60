//! Tests of failed sends and edits.

use super::*;
use crate::notify::retry::LimitScope;
use crate::store::Attempt;
use crate::store::tests::{falls_ill, is_mended};

/// Creates two chats. The first is owed the start of two outages, the second that of one.
async fn two_chats(world: &World) -> Vec<DeliveryId> {
    let [one, other] = world.chats(["one", "other"]).await;
    let outages = world.outages(2).await;
    vec![
        world.owes(one, outages[0], 1).await,
        world.owes(one, outages[1], 1).await,
        world.owes(other, outages[1], 1).await,
    ]
}

async fn one_chat(world: &World) -> (i64, DeliveryId) {
    let [chat] = world.chats(["a"]).await;
    let incident = world.outages(1).await[0];
    (chat, world.owes(chat, incident, 1).await)
}

fn wait(scope: LimitScope) -> [Answer; 1] {
    [Answer::Refuses(SendError::RateLimited { pause_ms: 7_500, scope })]
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_that_of_whoever_was_asked() {
    for (scope, expected) in [
        // Never too early, and at most a second late.
        (
            LimitScope::Chat,
            ["0 one: message", "0 other: message", "7500 one: message", "8500 one: message"],
        ),
        (
            LimitScope::Edits,
            ["0 one: message", "0 other: message", "0 one: message", "8000 one: message"],
        ),
    ] {
        let mut world = World::new();
        two_chats(&world).await;
        world.answers("one", wait(scope));
        world.begins();
        world.until(60_000).await;
        assert_eq!(world.seen(), expected, "{scope:?}");
    }
}

#[tokio::test]
async fn a_platform_that_asks_for_a_pause_is_told_nothing_until_it_is_over() {
    let mut world = World::new();
    let [one] = world.chats(["one"]).await;
    let outages = world.outages(2).await;
    world.owes(one, outages[0], 1).await;
    world.answers("one", wait(LimitScope::Platform));
    world.begins();
    world.until(100).await;
    let [other] = world.chats(["other"]).await;
    world.owes(other, outages[1], 1).await;
    world.until(60_000).await;
    assert_eq!(world.seen(), ["0 one: message", "7500 other: message", "8500 one: message"]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_tried_again_after_a_quarter_of_an_hour() {
    let mut world = World::new();
    let (_, owed) = one_chat(&world).await;
    world.answers(
        "a",
        [Answer::Refuses(SendError::InvalidToken { why: "401 Unauthorized".into() })],
    );
    world.begins();
    world.until(100).await;
    let [other] = world.chats(["other"]).await;
    let second = world.decided("country/KP", 2, 1, TransitionKind::Started).await;
    world.owes(other, second, 1).await;
    world.until(899_999).await;
    assert_eq!(world.seen(), ["0 a: message"]);
    assert_eq!(world.delivery(owed).await.error.as_deref(), Some("401 Unauthorized"));
    world.until(900_000).await;
    let mut seen = world.seen();
    seen.sort();
    assert_eq!(seen, ["0 a: message", "900000 a: message", "900000 other: message"]);
}

#[tokio::test]
async fn a_chat_rests_as_long_as_the_answer_says() {
    let mut world = World::new();
    two_chats(&world).await;
    world.answers("one", [Answer::Rest(5_000)]);
    world.begins();
    world.until(60_000).await;
    assert_eq!(world.seen(), ["0 one: message", "0 other: message", "5000 one: message"]);
}

/// Fails the sends to `failures` chats at once, so that they wait for minutes, and lets the first
/// retry succeed. Returns the sends that the platform received.
async fn back_after(failures: usize) -> Vec<String> {
    let mut world = World::new();
    let chats = world.chats(["a", "b", "c", "d", "e", "well"]).await;
    let incident = world.outages(1).await[0];
    world.begins();
    world.owes(chats[5], incident, 1).await;
    world.until(0).await;
    for address in &["a", "b", "c", "d", "e"][..failures] {
        world.answers(address, [Answer::Refuses(SendError::later("503"))]);
    }
    // All but the first have failed often before, so their pauses last minutes.
    let owings: Vec<NewDelivery> =
        chats[..failures].iter().map(|chat| NewDelivery::now(*chat, true)).collect();
    let write = world.store.write(move |tx| {
        tx.deliveries().owe(&NewNotice::alert(incident, 1), &owings, BEGIN, 0)?;
        for delivery in tx.deliveries().recent(failures - 1)? {
            for _ in 0..8 {
                tx.deliveries().mark_sending(delivery.id, BEGIN)?;
                tx.deliveries().count_failure(delivery.id)?;
                tx.deliveries().put_off(delivery.id, BEGIN, "503", Attempt::Refused)?;
            }
        }
        Ok(())
    });
    write.await.unwrap();
    world.looks();
    world.until(20_000).await;
    world.seen().split_off(1 + failures)
}

#[tokio::test]
async fn when_a_platform_that_was_away_answers_again_all_that_waits_is_told_at_once() {
    let seen = back_after(5).await;
    assert!(seen[0].ends_with(" a: message"), "{seen:?}");
    let at = seen[0].trim_end_matches(" a: message");
    assert_eq!(seen[1..], ["b", "c", "d", "e"].map(|chat| format!("{at} {chat}: message")));
}

#[tokio::test]
async fn a_few_failures_are_the_chats_own_and_each_waits_for_its_pause() {
    let seen = back_after(4).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[tokio::test]
async fn failures_are_counted_from_the_last_that_went_well() {
    let mut world = World::new();
    let chats = world.chats(["a", "b", "c", "d", "e", "f", "g"]).await;
    let incident = world.outages(1).await[0];
    world.begins();
    world.owes(chats[6], incident, 1).await;
    world.until(0).await;
    // Three are rate limited and two fail, which is too little for an absence of the platform.
    for (chat, address) in chats.iter().zip(["a", "b", "c"]) {
        world.answers(
            address,
            [Answer::Refuses(SendError::RateLimited {
                pause_ms: 900_000,
                scope: LimitScope::Edits,
            })],
        );
        world.owes(*chat, incident, 1).await;
        world.until(0).await;
    }
    for (chat, address) in chats[3..5].iter().zip(["d", "e"]) {
        world.answers(address, [Answer::Refuses(SendError::later("503"))]);
        world.owes(*chat, incident, 1).await;
        world.until(0).await;
    }
    world.owes(chats[5], incident, 1).await;
    world.until(0).await;
    assert_eq!(world.seen().len(), 7, "what was asked to wait was no failure, and two are too few");
}

#[tokio::test]
async fn what_falls_on_its_way_may_have_arrived_and_is_tried_again_a_minute_later() {
    let mut world = World::new();
    let (_, owed) = one_chat(&world).await;
    world.answers("a", [Answer::Panics]);
    world.let_go(1);
    world.begins();
    // The clock does not wait for a task that panicked.
    while world.delivery(owed).await.error.is_none() {
        world.until(0).await;
    }
    assert_eq!(world.delivery(owed).await.error.as_deref(), Some("given up half-way"));
    world.until(59_999).await;
    assert_eq!(world.seen(), ["0 a: message"]);
    assert_eq!(world.last_message().in_doubt, None);
    world.until(60_000).await;
    assert_eq!(world.seen(), ["0 a: message", "60000 a: message"]);
    assert_eq!(world.last_message().in_doubt, Some(BEGIN));
}

#[tokio::test]
async fn what_falls_while_the_database_is_ill_is_not_forgotten() {
    let mut world = World::new();
    let (_, owed) = one_chat(&world).await;
    world.answers("a", [Answer::Panics]);
    world.begins();
    world.sees(1).await;
    falls_ill(&world.store).await;
    world.let_go(1);
    world.rests().await;
    is_mended(&world.store).await;
    world.until(10_000).await;
    assert_eq!(world.delivery(owed).await.error.as_deref(), Some("given up half-way"));
    world.until(70_000).await;
    assert_eq!(world.seen(), ["0 a: message", "70000 a: message"]);
}

#[tokio::test]
async fn what_was_being_sent_when_the_program_stopped_is_sent_at_once_and_says_so() {
    let mut world = World::new();
    let (_, owed) = one_chat(&world).await;
    world.store.write(move |tx| tx.deliveries().mark_sending(owed, BEGIN)).await.unwrap();
    world.clock.advance_to(BEGIN + 5).await;
    world.begins();
    world.until(5_000).await;
    assert_eq!(world.seen(), ["5000 a: message"]);
    assert_eq!(world.last_message().in_doubt, Some(BEGIN), "looked for since the attempt was made");
}

#[tokio::test]
async fn a_database_that_is_ill_at_the_start_is_asked_again_ten_seconds_later() {
    let mut world = World::new();
    one_chat(&world).await;
    falls_ill(&world.store).await;
    world.begins();
    world.until(5_000).await;
    is_mended(&world.store).await;
    world.until(9_999).await;
    assert!(world.seen().is_empty());
    world.until(10_000).await;
    assert_eq!(world.seen(), ["10000 a: message"]);
}

#[tokio::test]
async fn what_was_sent_while_the_database_was_ill_is_marked_when_it_is_well_and_not_sent_again() {
    let mut world = World::new();
    let (_, owed) = one_chat(&world).await;
    world.answers("a", [Answer::Hangs]);
    world.begins();
    world.sees(1).await;
    falls_ill(&world.store).await;
    world.let_go(1);
    world.until(5_000).await;
    is_mended(&world.store).await;
    world.until(9_999).await;
    assert_eq!(world.state_of(owed).await, DeliveryState::Sending);
    world.until(60_000).await;
    assert_eq!(world.seen(), ["0 a: message"]);
    let delivery = world.delivery(owed).await;
    assert_eq!((delivery.state, delivery.sent_at), (DeliveryState::Sent, Some(BEGIN + 10)));
}

#[tokio::test]
async fn a_chat_that_is_forgotten_while_it_is_told_takes_no_other_s_mark_with_it() {
    let mut world = World::new();
    let owed = two_chats(&world).await;
    world.answers("one", [Answer::Hangs]);
    world.answers("other", [Answer::Hangs]);
    world.begins();
    world.sees(2).await;
    let one = world.delivery(owed[0]).await.chat.id;
    world.store.write(move |tx| tx.chats().forget(one)).await.unwrap();
    world.let_go(2);
    world.until(60_000).await;
    assert_eq!(world.seen(), ["0 one: message", "0 other: message"]);
    assert_eq!(world.state_of(owed[2]).await, DeliveryState::Sent);
}

#[tokio::test]
async fn what_cannot_be_read_goes_once_more_as_plain_text_and_is_given_up_then() {
    use crate::notify::platform::Form;
    let mut world = World::new();
    let (_, owed) = one_chat(&world).await;
    let unreadable =
        || Answer::Refuses(SendError::Unreadable { why: "can't parse entities".into() });
    world.answers("a", [unreadable(), unreadable()]);
    world.begins();
    world.until(3_600_000).await;
    assert_eq!(world.seen().len(), 2);
    assert_eq!(world.last_message().form, Form::Plain);
    let delivery = world.delivery(owed).await;
    assert_eq!(
        (delivery.state, delivery.error.as_deref()),
        (DeliveryState::GivenUp, Some("can't parse entities"))
    );
}

#[tokio::test]
async fn a_chat_that_has_moved_is_told_at_its_new_address_at_once() {
    let mut world = World::new();
    one_chat(&world).await;
    world.answers("a", [Answer::Refuses(SendError::Moved { to: "-100a".into() })]);
    world.begins();
    world.until(1_000).await;
    let seen = world.seen();
    assert_eq!((seen.len(), seen[0].as_str()), (2, "0 a: message"));
    assert!(seen[1].ends_with(" -100a: message"), "{seen:?}");
}

#[tokio::test]
async fn a_chat_that_shuts_the_bot_out_is_suspended_and_who_subscribed_there_hears_of_it() {
    let mut world = World::new();
    let (chat, owed) = one_chat(&world).await;
    world.store.write(move |tx| tx.chats().belongs_to(chat, None, Some("7"))).await.unwrap();
    world.answers("a", [Answer::Refuses(SendError::ChatUnreachable { why: "kicked".into() })]);
    world.begins();
    world.until(10_000).await;
    assert_eq!(world.state_of(owed).await, DeliveryState::GivenUp);
    let place = world.store.read(move |db| db.chats().by_id(chat)).await.unwrap().unwrap();
    assert_eq!(place.suspended, Some((BEGIN, "kicked".to_owned())));
    let told = world.last_message();
    assert_eq!(told.chat.address, "7");
    assert_eq!(told.card.title.to_string(), "⚠️ I can no longer tell the place a about outages.");
}

/// Creates a card that was sent and is out of date.
async fn card() -> (World, IncidentId) {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    let incident = world.outages(1).await[0];
    world.owes(chat, incident, 1).await;
    world.begins();
    world.until(0).await;
    (world, incident)
}

#[tokio::test]
async fn a_card_is_edited_no_sooner_than_half_a_minute_after_it_was() {
    let (world, incident) = card().await;
    world.changes(incident).await;
    world.until(1_000).await;
    world.changes(incident).await;
    world.until(120_000).await;
    assert_eq!(world.seen()[1..], ["0 a: edit of m1", "30000 a: edit of m1"]);
}

#[tokio::test]
async fn an_edit_that_fails_is_made_later_as_long_as_it_takes() {
    for (error, again) in [
        (SendError::later("503"), 60_000),
        (SendError::RateLimited { pause_ms: 7_500, scope: LimitScope::Edits }, 8_000),
        (SendError::RateLimited { pause_ms: 90_000, scope: LimitScope::Chat }, 90_000),
    ] {
        let (world, incident) = card().await;
        world.answers("a", [Answer::Refuses(error.clone())]);
        world.changes(incident).await;
        world.until(600_000).await;
        assert_eq!(
            world.seen()[1..],
            ["0 a: edit of m1".to_owned(), format!("{again} a: edit of m1")],
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn edits_that_are_told_to_wait_hold_up_each_card_of_the_chat_but_no_message() {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    let outages = world.outages(2).await;
    world.owes(chat, outages[0], 1).await;
    world.owes(chat, outages[1], 1).await;
    world.begins();
    world.until(10_000).await;
    world.answers(
        "a",
        [Answer::Refuses(SendError::RateLimited { pause_ms: 90_000, scope: LimitScope::Edits })],
    );
    world.changes(outages[0]).await;
    world.changes(outages[1]).await;
    world.until(20_000).await;
    // The pause also holds after a kill, and a new message does not wait for it.
    world.kill().await;
    world.begins();
    let third = world.decided("country/ER", 3, 1, TransitionKind::Started).await;
    world.owes(chat, third, 1).await;
    world.until(600_000).await;
    let [.., refused, message, second, first] = &world.seen()[..] else { panic!() };
    assert_eq!([refused, message], ["10000 a: edit of m1", "20000 a: message"]);
    assert_eq!([second, first], ["101000 a: edit of m2", "101000 a: edit of m1"]);
}

#[tokio::test]
async fn a_card_whose_message_is_gone_or_cannot_be_written_is_left_alone() {
    for error in
        [SendError::MessageGone, SendError::Unreadable { why: "can't parse entities".into() }]
    {
        let (world, incident) = card().await;
        world.answers("a", [Answer::Refuses(error)]);
        world.changes(incident).await;
        world.until(600_000).await;
        world.changes(incident).await;
        world.until(1_200_000).await;
        assert_eq!(world.seen()[1..], ["0 a: edit of m1"]);
    }
}

#[tokio::test]
async fn a_card_in_a_chat_that_shuts_the_bot_out_is_edited_when_it_lets_it_in_again() {
    let (world, incident) = card().await;
    world.answers("a", [Answer::Refuses(SendError::ChatUnreachable { why: "kicked".into() })]);
    world.changes(incident).await;
    world.until(600_000).await;
    assert_eq!(world.seen()[1..], ["0 a: edit of m1"]);
    let chat = world.last_edit().chat.id;
    world.store.write(move |tx| tx.chats().resume(chat)).await.unwrap();
    world.looks();
    world.until(600_000).await;
    assert_eq!(world.seen()[2..], ["600000 a: edit of m1"]);
}

#[tokio::test]
async fn a_card_that_stayed_behind_when_its_chat_moved_is_edited_no_more() {
    let (world, incident) = card().await;
    world.answers("a", [Answer::Refuses(SendError::Moved { to: "-100a".into() })]);
    world.changes(incident).await;
    world.until(600_000).await;
    assert_eq!(world.seen()[1..], ["0 a: edit of m1"]);
    let there = world.store.read(|db| db.chats().at(PLATFORM, "-100a")).await.unwrap();
    assert!(there.is_some());
}
