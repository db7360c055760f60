//! Threads, forums, topics, channels, groups that move: an alert goes where it was asked for.

use super::first_lines;
use crate::harness::{NORTH_KOREA, World};
use serde_json::json;

async fn calm() -> World {
    let mut world = World::with_chats("2025-06-06 16:00", NORTH_KOREA).await;
    world.start().await;
    world.until("2025-06-06 16:20").await;
    world
}

/// The country goes and comes back; what happens in between is told.
async fn lives_through_it(world: &mut World) {
    world.until("2025-06-06 17:00").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 19:00");
    world.until("2025-06-06 20:30").await;
}

#[tokio::test]
async fn a_thread_an_announcement_channel_and_a_forum_are_told_each_in_its_way() {
    let mut world = calm().await;
    let guild = world.discord().guild("Newsroom");
    let general = world.discord().channel(guild, "general");
    let thread = world.discord().thread(general, "outages");
    let (news, forum) =
        (world.discord().announcement(guild, "news"), world.discord().forum(guild, "log"));
    let ann = world.discord().member(guild, "Ann", "Manage Server");
    world.discord().slash(&ann, thread, "subscribe", json!({ "what": "KP" })).await;
    for channel in [news, forum] {
        let wish = json!({ "what": "KP", "channel": channel.to_string() });
        world.discord().slash(&ann, general, "subscribe", wish).await;
    }
    lives_through_it(&mut world).await;
    for channel in [thread, news] {
        let shown = world.discord().sees(channel);
        assert!(
            shown.contains("🔴 North Korea is down") && shown.contains("🟢 North Korea is back"),
            "{shown}"
        );
    }
    let posts = world.discord().threads(forum);
    assert_eq!(posts.len(), 1, "one outage, one post");
    assert!(posts[0].1.starts_with("🔴 North Korea is down"), "{}", posts[0].1);
    let shown = first_lines(&world.discord().sees(posts[0].0));
    assert!(shown.contains("(edited)") && shown.contains("🟢 North Korea is back"), "{shown}");
    assert_eq!(world.discord().sees(general), "");
    world.stop().await;
}

#[tokio::test]
async fn a_topic_is_told_where_it_was_asked_and_its_group_when_it_is_gone() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let (group, bob) = (telegram.supergroup("Ops"), telegram.person("Bob"));
    telegram.admin(group, &bob);
    let [closed, deleted, open] =
        ["Closed", "Deleted", "Open"].map(|name| telegram.topic(group, name));
    for topic in [closed, deleted, open] {
        telegram.says_in(&bob, group, topic, "/subscribe KP").await;
    }
    telegram.closes_topic(group, closed);
    telegram.deletes_topic(group, deleted);
    telegram.sees(group);
    world.until("2025-06-06 17:00").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 19:00");
    world.until("2025-06-06 18:00").await;
    let told: Vec<Option<i32>> = world
        .telegram()
        .messages(group)
        .iter()
        .filter(|message| message.text.contains("North Korea is down"))
        .map(|message| message.topic)
        .collect();
    let mut told = told;
    told.sort();
    assert_eq!(told, [None, None, Some(open)], "the open topic, and the group for the other two");
    world.stop().await;
}

#[tokio::test]
async fn a_channel_and_a_group_that_becomes_a_supergroup_are_followed() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let (news, old, bob) =
        (telegram.channel("News"), telegram.group("Old"), telegram.person("Bob"));
    telegram.bot_is_admin(news, true);
    telegram.admin(old, &bob);
    telegram.posts(news, "/subscribe KP").await;
    telegram.says(&bob, old, "/subscribe KP").await;
    let new = telegram.migrates(old);
    telegram.quiet().await;
    lives_through_it(&mut world).await;
    for chat in [news, new] {
        let shown = first_lines(&world.telegram().sees(chat));
        assert!(
            shown.contains("🔴 North Korea is down") && shown.contains("🟢 North Korea is back"),
            "{shown}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn only_admins_configure_a_group_and_one_may_be_anonymous() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let (group, carol) = (telegram.supergroup("Ops"), telegram.person("Carol"));
    telegram.member(group, &carol);
    let answers = telegram.says(&carol, group, "/subscribe KP").await;
    assert_eq!(
        answers[0].text,
        "only an admin may use /subscribe in this chat; anybody may ask /status, /history, /outage and /watchlist"
    );
    assert!(
        telegram.says(&carol, group, "/status@LinkdownBot KP").await[0]
            .text
            .contains("North Korea")
    );
    telegram.anonymous_admin(group);
    let answers = telegram.says_as_anonymous(group, "/subscribe KP").await;
    assert!(answers[0].text.starts_with("🔔 This chat will be told"), "{}", answers[0].text);
    world.stop().await;
}

#[tokio::test]
async fn a_link_leads_to_a_country_and_to_being_told_of_it() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let dan = telegram.person("Dan");
    let answers = telegram.says(&dan, dan.id, "/start KP").await;
    assert!(answers[0].text.starts_with("🟢 North Korea is up"), "{}", answers[0].text);
    assert_eq!(answers[0].button_texts(), ["Tell me when North Korea goes down"]);
    let done = telegram.taps(&dan, dan.id, answers[0].id, "subscribe country/KP").await;
    assert!(
        done.text.starts_with("🔔 This chat will be told when North Korea drops off"),
        "{}",
        done.text
    );
    assert!(
        telegram.says(&dan, dan.id, "/subscriptions").await[0]
            .text
            .starts_with("This chat has 1 subscription")
    );
    world.stop().await;
}

#[tokio::test]
async fn what_is_not_meant_for_the_bot_is_left_alone() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let (group, bob) = (telegram.supergroup("Ops"), telegram.person("Bob"));
    telegram.admin(group, &bob);
    assert!(telegram.forwards(&bob, bob.id, "/subscribe KP").await.is_empty(), "forwarded");
    let asked = telegram.says(&bob, bob.id, "/about").await;
    assert!(!asked.is_empty());
    assert!(
        telegram.edits(&bob, bob.id, telegram.last_said(bob.id), "/subscribe KP").await.is_empty(),
        "edited"
    );
    let robot = serde_json::json!({ "message": {
        "message_id": 9001, "date": 1_749_225_600, "text": "/subscribe KP",
        "chat": { "id": bob.id, "type": "private", "first_name": "Bob" },
        "from": { "id": 77, "is_bot": true, "first_name": "Robot" },
    } });
    telegram.update(robot);
    telegram.update(serde_json::json!({ "message": { "some fields": "are missing" } }));
    telegram.update(serde_json::json!({ "nobody": "knows this" }));
    let huge = "x".repeat(300_000);
    telegram.update(serde_json::json!({ "message": { "text": huge } }));
    telegram.quiet().await;
    let answers = telegram.says(&bob, bob.id, "/subscriptions").await;
    assert!(answers[0].text.starts_with("This chat has no subscriptions"), "{}", answers[0].text);
    world.stop().await;
}

#[tokio::test]
async fn a_flood_from_one_chat_holds_up_no_other() {
    let mut world = calm().await;
    let telegram = world.telegram();
    telegram.unlimited();
    let (noisy, calm) = (telegram.person("Noisy"), telegram.person("Calm"));
    telegram.says(&noisy, noisy.id, "/about").await;
    for _ in 0..200 {
        telegram.puts(&noisy, noisy.id, "/about");
    }
    assert!(!telegram.says(&calm, calm.id, "/about").await.is_empty());
    telegram.quiet().await;
    world.until("2025-06-06 16:30").await;
    let answered = world.telegram().messages(noisy.id).len();
    assert!((20..100).contains(&answered), "{answered} of 201 answered");
    world.stop().await;
}

#[tokio::test]
async fn only_listed_servers_and_owners_are_served_where_the_operator_wants_that() {
    let config = format!(
        "{NORTH_KOREA}\n[access]\nwho = 'listed'\ntelegram_chats = ['-1009']\nowners = ['telegram:4242']"
    );
    let mut world = World::with_chats("2025-06-06 16:00", &config).await;
    world.start().await;
    let telegram = world.telegram();
    let dan = telegram.person("Dan");
    assert_eq!(
        telegram.says(&dan, dan.id, "/status KP").await[0].text,
        "this bot serves only the servers and chats that its operator has listed ([access] in its configuration)"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_is_kept_of_a_chat_is_forgotten_when_it_says_so() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let dan = telegram.person("Dan");
    telegram.says(&dan, dan.id, "/subscribe KP AS64500").await;
    assert!(
        telegram.says(&dan, dan.id, "/forget").await[0].text.contains("2 subscriptions, mutes")
    );
    assert_eq!(telegram.says(&dan, dan.id, "/forget yes").await[0].text, "This chat is forgotten.");
    world.clock.advance_to(world.clock.now() + 5).await;
    let telegram = world.telegram();
    assert!(
        telegram.says(&dan, dan.id, "/subscriptions").await[0]
            .text
            .starts_with("This chat has no subscriptions")
    );
    let database = world.database().to_owned();
    world.stop().await;
    let bytes = linkdown::store::Store::open(&database, linkdown::store::Access::Own).unwrap();
    let place = bytes.read(move |db| db.chats().at("telegram", &dan.id.to_string())).await.unwrap();
    assert_eq!(place, None);
}

#[tokio::test]
async fn who_reads_a_channel_cannot_mute_it() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let (news, reader) = (telegram.channel("News"), telegram.person("Reader"));
    telegram.bot_is_admin(news, true);
    telegram.member(news, &reader);
    telegram.posts(news, "/subscribe KP").await;
    world.until("2025-06-06 17:00").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 19:00");
    world.until("2025-06-06 18:00").await;
    let message =
        world.telegram().messages(news).into_iter().find(|m| !m.buttons.is_empty()).unwrap();
    let refused = world.telegram().taps(&reader, news, message.id, "mute country/KP for 2h").await;
    assert!(refused.text.starts_with("only an admin may use /mute"), "{}", refused.text);
    world.stop().await;
}

#[tokio::test]
async fn an_outage_whose_post_was_deleted_goes_on_in_a_new_one() {
    let mut world = calm().await;
    let guild = world.discord().guild("Newsroom");
    let (general, forum) =
        (world.discord().channel(guild, "general"), world.discord().forum(guild, "log"));
    let ann = world.discord().member(guild, "Ann", "Manage Server");
    let wish = json!({ "what": "KP", "channel": forum.to_string() });
    world.discord().slash(&ann, general, "subscribe", wish).await;
    world.until("2025-06-06 17:00").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 19:00");
    world.until("2025-06-06 18:00").await;
    world.discord().deletes(world.discord().threads(forum)[0].0);
    world.until("2025-06-06 20:30").await;
    let posts = world.discord().threads(forum);
    assert!(
        posts.iter().any(
            |(_, name)| name.contains("North Korea is partly back") || name.contains("is back")
        ),
        "{posts:?}"
    );
    world.stop().await;
}
