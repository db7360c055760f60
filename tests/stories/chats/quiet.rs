//! Muted and at night: what happened is summed up when that ends, with the true state.

use super::first_lines;
use crate::harness::{NORTH_KOREA, World};
use serde_json::json;

async fn subscribed(options: serde_json::Value) -> (World, u64, crate::doubles::discord::User) {
    let mut world = World::with_chats("2025-06-06 12:00", NORTH_KOREA).await;
    let guild = world.discord().guild("Newsroom");
    let ops = world.discord().channel(guild, "ops");
    let ann = world.discord().member(guild, "Ann", "Manage Server");
    world.start().await;
    world.until("2025-06-06 17:00").await;
    world.discord().slash(&ann, ops, "subscribe", options).await;
    (world, ops, ann)
}

#[tokio::test]
async fn an_outage_that_came_and_went_at_night_is_one_line_in_the_morning() {
    let (mut world, ops, _) = subscribed(json!({ "what": "KP", "quiet": "17-23" })).await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 20:00");
    world.until("2025-06-06 22:59").await;
    assert_eq!(world.discord().sees(ops), "", "nobody is woken");
    world.until("2025-06-06 23:10").await;
    insta::assert_snapshot!(world.discord().sees(ops), @"
    [23:00] In the quiet hours: 🟢 North Korea was down 2 h 26 min from Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC) · /outage id: 1
    ");
    world.stop().await;
}

#[tokio::test]
async fn what_still_goes_on_in_the_morning_is_told_as_it_is_then() {
    let (mut world, ops, _) = subscribed(json!({ "what": "KP", "quiet": "17-20" })).await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 22:00");
    world.until("2025-06-06 23:59").await;
    insta::assert_snapshot!(first_lines(&world.discord().sees(ops)), @"
    [20:00] 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [20:10] (edited) 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [21:10] (edited) 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:02] (edited) 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:12] ↳ (reply to “🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)”) 🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:12] (edited) 🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:22] (edited) 🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:30] ↳ (reply to “🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)”) 🟢 North Korea is back · it was down 4 h 26 min
    [22:30] (edited) 🟢 North Korea is back · it was down 4 h 26 min
    ");
    world.stop().await;
}

#[tokio::test]
async fn a_mute_that_is_ended_tells_at_once() {
    let (mut world, ops, ann) = subscribed(json!({ "what": "KP" })).await;
    world.discord().slash(&ann, ops, "mute", json!({ "what": "all", "for": "1 day" })).await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 22:00");
    world.until("2025-06-06 18:30").await;
    assert_eq!(world.discord().sees(ops), "");
    let answer = world.discord().slash(&ann, ops, "subscriptions", json!({})).await;
    assert!(
        answer.text.contains("1 held back") && answer.text.contains("all that is watched, for"),
        "{}",
        answer.text
    );
    world.discord().slash(&ann, ops, "unmute", json!({})).await;
    world.until("2025-06-06 18:31").await;
    let shown = world.discord().sees(ops);
    assert!(
        shown.starts_with("[18:30] 🔴 North Korea is down · since Sat 7 Jun 02:34 KST"),
        "{shown}"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_came_and_went_while_the_bot_was_away_at_night_is_told_in_the_morning() {
    let (mut world, ops, _) = subscribed(json!({ "what": "KP", "quiet": "17-23" })).await;
    world.until("2025-06-06 17:20").await;
    world.stop().await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 19:00");
    world.advance_to("2025-06-06 21:00").await;
    world.start_again().await;
    world.until("2025-06-06 22:50").await;
    assert_eq!(world.discord().sees(ops), "");
    world.until("2025-06-06 23:10").await;
    let shown = world.discord().sees(ops);
    assert!(shown.contains("While Linkdown was away North Korea was down 1 h 26 min"), "{shown}");
    world.stop().await;
}

#[tokio::test]
async fn an_unsubscribed_chat_is_not_told_what_was_held_back_for_it() {
    let (mut world, ops, ann) = subscribed(json!({ "what": "KP", "quiet": "17-20" })).await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 22:00");
    world.until("2025-06-06 18:30").await;
    world.discord().slash(&ann, ops, "unsubscribe", json!({})).await;
    world.until("2025-06-06 23:30").await;
    assert_eq!(world.discord().sees(ops), "");
    world.stop().await;
}
