//! What Discord refuses concerns no more than it says: an edit, a thread, a person.

use super::first_lines;
use crate::doubles::discord::{self, Fault};
use crate::harness::{NORTH_KOREA, World};
use serde_json::json;

/// A channel and a thread of it, both of which want to hear of North Korea. At 17:35 it vanishes, until 19:00.
struct Cast {
    world: World,
    channel: u64,
    thread: u64,
    ann: discord::User,
}

async fn subscribed() -> Cast {
    let mut world = World::with_chats("2025-06-06 16:00", NORTH_KOREA).await;
    world.start().await;
    let guild = world.discord().guild("Newsroom");
    let channel = world.discord().channel(guild, "general");
    let thread = world.discord().thread(channel, "outages");
    let ann = world.discord().member(guild, "Ann", "Manage Server");
    for place in [channel, thread] {
        world.discord().slash(&ann, place, "subscribe", json!({ "what": "KP" })).await;
    }
    world.until("2025-06-06 17:30").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 19:00");
    Cast { world, channel, thread, ann }
}

/// Counts the calls that edit a message of that channel.
fn edits(world: &World, channel: u64) -> usize {
    let path = format!("/channels/{channel}/messages/");
    world
        .discord()
        .calls()
        .iter()
        .filter(|call| call.method == "PATCH" && call.path.contains(&path))
        .count()
}

#[tokio::test]
async fn a_thread_that_discord_archived_hears_the_rest_and_its_card_is_right_in_the_end() {
    let Cast { mut world, thread, .. } = subscribed().await;
    world.until("2025-06-06 18:00").await;
    world.discord().archives(thread);
    world.until("2025-06-06 21:00").await;
    let shown = first_lines(&world.discord().sees(thread));
    assert!(shown.contains("🟢 North Korea is back"), "{shown}");
    assert!(!world.discord().is_archived(thread), "the message woke it");
    let card = &world.discord().bot_messages(thread)[0];
    assert!(
        card.text().contains("North Korea is back"),
        "the card was edited afterwards: {}",
        card.text()
    );
    assert!(edits(&world, thread) < 30, "{} edits", edits(&world, thread));
    world.stop().await;
}

#[tokio::test]
async fn a_thread_that_was_locked_is_told_when_it_is_unlocked_and_its_owner_hears_why() {
    let Cast { mut world, channel, thread, ann } = subscribed().await;
    world.until("2025-06-06 18:00").await;
    world.discord().locks(thread);
    world.until("2025-06-06 21:00").await;
    let told = first_lines(&world.discord().sees(thread));
    assert!(!told.contains("is back"), "{told}");
    let dm = world.discord().dm(&ann);
    let shown = world.discord().sees(dm);
    assert!(shown.contains("locked"), "{shown}");
    assert!(
        first_lines(&world.discord().sees(channel)).contains("🟢 North Korea is back"),
        "others hear as ever"
    );
    world.discord().unlocks(thread);
    world.until("2025-06-06 21:10").await;
    let told = world.discord().sees(thread);
    assert!(told.contains("North Korea"), "{told}");
    world.stop().await;
}

#[tokio::test]
async fn a_card_that_is_too_old_to_be_edited_rests_and_nobody_else_waits() {
    let Cast { mut world, channel, thread, .. } = subscribed().await;
    world.discord().refuses_old_edits(channel, true);
    world.until("2025-06-06 18:40").await;
    let before = edits(&world, channel);
    world.until("2025-06-07 03:00").await;
    let tried = edits(&world, channel) - before;
    assert!((1..=9).contains(&tried), "in eight hours it was tried {tried} times");
    let first = |world: &World, place| world.discord().bot_messages(place)[0].text();
    assert!(first(&world, channel).contains("North Korea is down"), "{}", first(&world, channel));
    assert!(first(&world, thread).contains("North Korea is back"), "{}", first(&world, thread));
    let shown = first_lines(&world.discord().sees(channel));
    assert!(shown.contains("🟢 North Korea is back"), "new messages go as ever: {shown}");
    world.discord().refuses_old_edits(channel, false);
    world.until("2025-06-07 04:30").await;
    assert!(first(&world, channel).contains("North Korea is back"), "{}", first(&world, channel));
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_with_a_code_that_is_not_known_is_final_and_the_owner_hears_of_it() {
    let Cast { mut world, channel, ann, .. } = subscribed().await;
    world.discord().fault_in(channel, Fault::Forbidden(50_009));
    world.until("2025-06-06 18:30").await;
    let posts = world.discord().calls();
    let path = format!("/channels/{channel}/messages");
    assert_eq!(
        posts.iter().filter(|call| call.path.ends_with(&path)).count(),
        1,
        "it is not tried again"
    );
    let dm = world.discord().dm(&ann);
    let shown = world.discord().sees(dm);
    assert!(shown.contains("50009"), "{shown}");
    world.stop().await;
}
