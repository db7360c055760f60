//! How sure it must be before a chat is told, and what an alert says of the outages before it.

use super::first_lines;
use crate::harness::{NORTH_KOREA, World};
use serde_json::json;

#[tokio::test]
async fn a_careful_chat_hears_once_it_is_highly_sure_and_an_eager_one_from_the_first_sign() {
    let mut world = World::with_chats("2025-06-06 12:00", NORTH_KOREA).await;
    let guild = world.discord().guild("Newsroom");
    let channels =
        ["careful", "balanced", "eager"].map(|word| (word, world.discord().channel(guild, word)));
    let ann = world.discord().member(guild, "Ann", "Manage Server");
    world.start().await;
    world.until("2025-06-06 17:00").await;
    for (word, channel) in channels {
        let wish = json!({ "what": "KP", "sensitivity": word });
        let answer = world.discord().slash(&ann, channel, "subscribe", wish).await;
        assert!(answer.text.contains(&format!("{word}: ")), "{}", answer.text);
    }
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 22:00");
    world.until("2025-06-06 18:30").await;
    let first = channels.map(|(word, channel)| {
        let shown = first_lines(&world.discord().sees(channel));
        format!("{word}: {}", shown.lines().next().unwrap_or("nothing"))
    });
    insta::assert_snapshot!(first.join("\n"), @"
    careful: [17:55] 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    balanced: [17:47] 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    eager: [17:47] 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    ");
    world.until("2025-06-06 23:00").await;
    for (word, channel) in channels {
        assert!(
            first_lines(&world.discord().sees(channel)).contains("🟢 North Korea is back"),
            "{word}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn the_second_outage_of_a_week_names_the_first() {
    let mut world = World::with_chats("2025-06-06 12:00", NORTH_KOREA).await;
    let guild = world.discord().guild("Newsroom");
    let ops = world.discord().channel(guild, "ops");
    let ann = world.discord().member(guild, "Ann", "Manage Server");
    world.start().await;
    world.until("2025-06-06 14:00").await;
    world.discord().slash(&ann, ops, "subscribe", json!({ "what": "KP", "kinds": "starts" })).await;
    world.north_korea_vanishes("2025-06-06 14:35", "2025-06-06 16:00");
    world.until("2025-06-06 19:00").await;
    world.north_korea_vanishes("2025-06-06 20:05", "2025-06-06 23:00");
    world.until("2025-06-06 20:40").await;
    let shown = world.discord().sees(ops);
    let told =
        shown.lines().filter(|line| line.trim_start().starts_with("Before:")).collect::<Vec<_>>();
    insta::assert_snapshot!(told.join("\n"), @"
    Before: 1 outage within a week: Fri 6 Jun 23:34 KST for 1 h 26 min (/outage id: 1)
    Before: 1 outage within a week: Fri 6 Jun 23:34 KST for 1 h 26 min (/outage id: 1)
    ");
    world.stop().await;
}
