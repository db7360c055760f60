//! How much strangers may add to what the bot watches: bounds of a server, a person, all chats together, and an hour.

use crate::doubles::telegram::Person;
use crate::harness::World;
use linkdown::store::{Access, Store};
use serde_json::json;

const CONFIG: &str = "[watch]\nentities = ['KP', 'IR']\n[sources.ioda]\nenabled = false\n[sources.ripestat]\nenabled = false\n\
                      [sources.radar]\nenabled = false\n[probe]\nenabled = false\n[limits]\n";

async fn world(limits: &str) -> World {
    let mut world = World::with_chats("2025-06-06 16:00", &format!("{CONFIG}{limits}")).await;
    world.telegram().unlimited();
    world.start().await;
    world
}

/// So many sites that nobody else names.
fn sites(what: &str, count: usize) -> String {
    (0..count).map(|n| format!("{what}{n}.example")).collect::<Vec<_>>().join(" ")
}

/// What the bot answers, some seconds later: answers have a pace of their own.
async fn hears(world: &World, who: &Person, chat: i64, line: &str) -> String {
    world.clock.advance_to(world.clock.now() + 5).await;
    world.telegram().says(who, chat, line).await[0].text.clone()
}

/// How many subscriptions to sites there are, by the database.
async fn sites_in(world: &World) -> usize {
    let store = Store::open(world.database(), Access::Beside).unwrap();
    let all = store.read(|db| db.subscriptions().all()).await.unwrap();
    all.iter().filter(|wish| format!("{:?}", wish.scope).contains("Site")).count()
}

#[tokio::test]
async fn a_server_is_bound_in_all_its_channels_threads_and_forums_together() {
    let mut world = world("per_server = 10\nper_person = 1000").await;
    let discord = world.discord();
    let (guild, other) = (discord.guild("Newsroom"), discord.guild("Elsewhere"));
    let general = discord.channel(guild, "general");
    let (ops, thread, forum) = (
        discord.channel(guild, "ops"),
        discord.thread(general, "outages"),
        discord.forum(guild, "log"),
    );
    let (ann, ben) = (
        discord.member(guild, "Ann", "Manage Server"),
        discord.member(guild, "Ben", "Manage Server"),
    );
    for (n, place) in [general, ops, thread].into_iter().enumerate() {
        let answer = discord
            .slash(&ann, place, "subscribe", json!({ "what": sites(&format!("a{n}-"), 3) }))
            .await;
        assert!(answer.text.starts_with("🔔"), "{}", answer.text);
    }
    let full = "this server has added 9 of the 10 subscriptions it may add to what the operator watches; this would add 2. End \
                some with /unsubscribe (all channels and threads count), or ask the operator to raise [limits] per\\_server";
    let another_thread = discord.thread(general, "more outages");
    for place in [general, another_thread] {
        let answer =
            discord.slash(&ben, place, "subscribe", json!({ "what": sites("b", 2) })).await;
        assert_eq!(answer.text.trim_end(), full);
    }
    let there = json!({ "what": sites("b", 2), "channel": forum.to_string() });
    assert_eq!(discord.slash(&ben, ops, "subscribe", there).await.text.trim_end(), full);
    // What is watched anyway costs nothing more; neither does what this chat has already, nor what replaces it.
    let answer = discord.slash(&ben, another_thread, "subscribe", json!({ "what": "KP IR" })).await;
    assert!(answer.text.starts_with("🔔"), "{}", answer.text);
    let answer = discord
        .slash(&ben, ops, "subscribe", json!({ "what": sites("a1-", 3), "quiet": "22-07" }))
        .await;
    assert!(answer.text.starts_with("🔔"), "{}", answer.text);
    discord.slash(&ann, ops, "unsubscribe", json!({ "what": sites("a1-", 3) })).await;
    let answer = discord.slash(&ben, general, "subscribe", json!({ "what": sites("b", 4) })).await;
    assert!(answer.text.starts_with("🔔"), "{}", answer.text);
    // Another server is another's.
    let (lobby, cal) =
        (discord.channel(other, "lobby"), discord.member(other, "Cal", "Manage Server"));
    let answer = discord.slash(&cal, lobby, "subscribe", json!({ "what": sites("c", 10) })).await;
    assert!(answer.text.starts_with("🔔"), "{}", answer.text);
    assert_eq!(sites_in(&world).await, 20);
    world.stop().await;
}

#[tokio::test]
async fn a_group_is_bound_in_all_its_topics_together() {
    let mut world = world("per_server = 4\nper_hour = 1000").await;
    let telegram = world.telegram();
    let (group, bob, dan) =
        (telegram.supergroup("Ops"), telegram.person("Bob"), telegram.person("Dan"));
    telegram.admin(group, &bob);
    telegram.admin(group, &dan);
    let [one, two] = ["One", "Two"].map(|name| telegram.topic(group, name));
    telegram.says_in(&bob, group, one, &format!("/subscribe {}", sites("a", 3))).await;
    let more = format!("/subscribe {}", sites("b", 2));
    world.clock.advance_to(world.clock.now() + 5).await;
    let answers = world.telegram().says_in(&dan, group, two, &more).await;
    assert!(
        answers[0].text.starts_with("this group has added 3 of the 4 subscriptions"),
        "{}",
        answers[0].text
    );
    world.telegram().anonymous_admin(group);
    world.clock.advance_to(world.clock.now() + 5).await;
    let answers = world.telegram().says_as_anonymous(group, &more).await;
    assert!(
        answers[0].text.starts_with("this group has added 3 of the 4 subscriptions"),
        "{}",
        answers[0].text
    );
    assert_eq!(sites_in(&world).await, 3);
    world.stop().await;
}

#[tokio::test]
async fn a_person_is_bound_in_all_servers_groups_and_conversations_together() {
    let mut world = world("per_person = 5").await;
    let telegram = world.telegram();
    let (bob, dan) = (telegram.person("Bob"), telegram.person("Dan"));
    for name in ["One", "Two"] {
        let group = world.telegram().supergroup(name);
        world.telegram().admin(group, &bob);
        hears(&world, &bob, group, &format!("/subscribe {}", sites(&format!("g{}-", -group), 2)))
            .await;
    }
    assert_eq!(
        hears(&world, &bob, bob.id, &format!("/subscribe {}", sites("own", 2))).await,
        "you have added 4 of the 5 subscriptions one person may add to what the operator watches; this would add 2. End some \
         with /unsubscribe (all servers and groups count), or ask the operator to raise [limits] per_person"
    );
    let answer = hears(&world, &dan, dan.id, &format!("/subscribe {}", sites("dan", 5))).await;
    assert!(answer.starts_with("🔔"), "{answer}");
    let discord = world.discord();
    let guild = discord.guild("One");
    let (channel, ann) =
        (discord.channel(guild, "general"), discord.member(guild, "Ann", "Manage Server"));
    discord.slash(&ann, channel, "subscribe", json!({ "what": sites("d", 5) })).await;
    let answer = discord.slash(&ann, channel, "subscribe", json!({ "what": sites("e", 1) })).await;
    assert!(answer.text.starts_with("you have added 5 of the 5 subscriptions"), "{}", answer.text);
    world.stop().await;
}

#[tokio::test]
async fn all_chats_together_are_bound_and_an_entity_that_several_want_counts_once() {
    let mut world = world("in_all = 6").await;
    let people = ["A", "B", "C"].map(|name| world.telegram().person(name));
    for (person, what) in people.iter().zip(["shared", "shared", "other"]) {
        let answer =
            hears(&world, person, person.id, &format!("/subscribe {}", sites(what, 3))).await;
        assert!(answer.starts_with("🔔"), "{answer}");
    }
    assert_eq!(
        hears(&world, &people[0], people[0].id, "/subscribe DE shared0.example").await,
        "all chats have added 6 of the 6 entities they may add to what the operator watches; this would add 1. Take what is \
         watched already (/watchlist), or ask the operator to raise [limits] in_all"
    );
    let answer = hears(&world, &people[2], people[2].id, "/subscribe shared0.example KP").await;
    assert!(answer.starts_with("🔔"), "what another chat watches is watched anyway: {answer}");
    world.stop().await;
}

#[tokio::test]
async fn ending_and_forgetting_does_not_begin_the_hour_anew() {
    let mut world = world("per_hour = 4").await;
    let dan = world.telegram().person("Dan");
    let answer = hears(&world, &dan, dan.id, &format!("/subscribe {}", sites("dan", 4))).await;
    assert!(answer.starts_with("🔔"), "{answer}");
    hears(&world, &dan, dan.id, "/unsubscribe everything").await;
    hears(&world, &dan, dan.id, "/forget yes").await;
    world.until("2025-06-06 16:10").await;
    assert_eq!(
        hears(&world, &dan, dan.id, "/subscribe new.example").await,
        "you have added 4 of the 4 subscriptions one person may add in an hour; this would add 1. Add the others in 51 min, or \
         ask the operator to raise [limits] per_hour"
    );
    world.until("2025-06-06 17:02").await;
    let answer = hears(&world, &dan, dan.id, "/subscribe new.example").await;
    assert!(answer.starts_with("🔔"), "{answer}");
    world.stop().await;
}

#[tokio::test]
async fn an_owner_is_bound_by_all_alone_and_a_refused_chat_leaves_nothing_behind() {
    let limits = "per_server = 0\nper_person = 0\nper_hour = 0\nin_all = 3";
    let mut world = World::with_chats("2025-06-06 16:00", "").await;
    let telegram = world.telegram();
    telegram.unlimited();
    let (olga, dan) = (telegram.person("Olga"), telegram.person("Dan"));
    world.configure(&format!("{CONFIG}{limits}\n[access]\nowners = ['telegram:{}']\n", olga.id));
    world.start().await;
    let refused = hears(&world, &dan, dan.id, "/subscribe dan.example").await;
    assert!(
        refused.starts_with("this conversation has added 0 of the 0 subscriptions"),
        "{refused}"
    );
    let answer = hears(&world, &olga, olga.id, &format!("/subscribe {}", sites("o", 3))).await;
    assert!(answer.starts_with("🔔"), "{answer}");
    let refused = hears(&world, &olga, olga.id, "/subscribe more.example").await;
    assert!(refused.starts_with("all chats have added 3 of the 3 entities"), "{refused}");
    let (id, store) = (dan.id.to_string(), Store::open(world.database(), Access::Beside).unwrap());
    assert_eq!(store.read(move |db| db.chats().at("telegram", &id)).await.unwrap(), None);
    world.stop().await;
}
