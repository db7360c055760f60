//! What reaches the bot besides a well-formed command of somebody who may give it: webhooks, captions, updates that are newer
//! than the bot, words of others, floods, channels of other servers; and the taps on [Details].

use crate::doubles::discord::Unchecked;
use crate::harness::log::Log;
use crate::harness::{NORTH_KOREA, World};
use serde_json::json;

async fn calm() -> World {
    let mut world = World::with_chats("2025-06-06 16:00", NORTH_KOREA).await;
    world.start().await;
    world.until("2025-06-06 16:20").await;
    world
}

const WEBHOOK: &str = "https://hooks.example.org/123456789:secret-path";

#[tokio::test]
async fn a_webhook_on_the_token_is_told_once_and_left_alone() {
    let (log, _guard) = Log::listens();
    let mut world = World::with_chats("2025-06-06 16:00", NORTH_KOREA).await;
    world.telegram().sets_webhook(WEBHOOK);
    let dan = world.telegram().person("Dan");
    world.start().await;
    world.until("2025-06-06 16:30").await;
    let told = log.lines("webhook");
    assert_eq!(told.len(), 1, "{told:?}");
    for words in [
        "the webhook at hooks[.]example[.]org takes them",
        "deleteWebhook",
        "[telegram] remove_webhook = true",
    ] {
        assert!(told[0].contains(words), "{words}: {}", told[0]);
    }
    assert!(!log.text().contains("secret-path"), "the path of a webhook is often a secret");
    assert!(!log.text().contains("another program uses the same token"));
    let polls = world.telegram().calls_of("getUpdates").len();
    assert!(polls <= 32, "{polls} polls in half an hour");
    assert!(
        world.telegram().calls_of("deleteWebhook").is_empty()
            && world.telegram().webhook().is_some()
    );
    world.types("sources").await;
    assert!(world.sees().contains(
        "commands do not arrive, because the webhook at hooks[.]example[.]org takes them"
    ));
    // Somebody removes it by hand.
    world.telegram().removes_webhook();
    world.until("2025-06-06 16:32").await;
    assert!(!world.telegram().says(&dan, dan.id, "/about").await.is_empty());
    assert_eq!(log.lines("Telegram: connected again").len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_webhook_is_removed_where_the_operator_allows_it_and_never_fought_over() {
    let (log, _guard) = Log::listens();
    let config = format!("{NORTH_KOREA}\n[telegram]\nremove_webhook = true\n");
    let mut world = World::with_chats("2025-06-06 16:00", &config).await;
    world.telegram().sets_webhook(WEBHOOK);
    let dan = world.telegram().person("Dan");
    world.telegram().puts(&dan, dan.id, "/about");
    world.start().await;
    assert_eq!(
        world.telegram().until_messages(dan.id, 1).await.len(),
        1,
        "what waited is answered"
    );
    assert_eq!(world.telegram().webhook(), None);
    assert_eq!(log.lines("took this bot's commands and was removed").len(), 1, "{}", log.text());
    // Another program sets it again and again.
    world.telegram().sets_webhook(WEBHOOK);
    world.until("2025-06-06 16:08").await;
    assert_eq!(world.telegram().calls_of("deleteWebhook").len(), 1);
    assert_eq!(log.lines("it was set again soon after").len(), 1, "{}", log.text());
    world.stop().await;
}

#[tokio::test]
async fn the_caption_of_a_photo_is_a_question_as_any_text_is() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let (group, bob) = (telegram.supergroup("Ops"), telegram.person("Bob"));
    telegram.admin(group, &bob);
    for chat in [bob.id, group] {
        let answers = telegram.sends_photo(&bob, chat, "/status KP").await;
        assert!(answers[0].text.contains("North Korea is up"), "{}", answers[0].text);
    }
    world.clock.advance_to(world.clock.now() + 5).await;
    let answers = world.telegram().sends_photo(&bob, bob.id, "/subscribe KP").await;
    assert!(answers[0].text.starts_with("🔔 This chat will be told"), "{}", answers[0].text);
    world.stop().await;
}

#[tokio::test]
async fn what_is_newer_than_the_bot_is_read_and_what_cannot_be_read_is_logged_without_its_words() {
    let (log, _guard) = Log::listens();
    let mut world = calm().await;
    let telegram = world.telegram();
    let bob = telegram.person("Bob");
    telegram.says(&bob, bob.id, "/about").await;
    let message = |more: serde_json::Value| {
        let mut message = json!({ "message_id": 9001, "date": 1_749_225_600, "text": "/status KP tomorrow",
            "chat": { "id": bob.id, "type": "private", "first_name": "Bob" },
            "from": { "id": bob.id, "is_bot": false, "first_name": "Bob" } });
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        json!({ "message": message })
    };
    let newer = json!({ "text": "/status KP", "a_new_field": [1, { "of": "any shape" }],
        "entities": [{ "type": "bot_command", "offset": 0, "length": 7 },
            { "type": "date_time", "offset": 8, "length": 2, "unix_time": 1_749_225_600, "date_time_format": "r" }] });
    let before = telegram.messages(bob.id).len();
    telegram.update(message(
        json!({ "text": ["Secretname says hidden words"], "from": { "id": "Secretname" } }),
    ));
    telegram.update(message(newer));
    for _ in 0..50 {
        telegram.update(message(json!({ "chat": "Secretname", "caption": "hidden words" })));
    }
    telegram.update(json!({ "message": "hidden words" }));
    telegram.update(json!({ "secretname": "hidden words" }));
    telegram.quiet().await;
    let answers = world.telegram().until_messages(bob.id, before + 1).await;
    assert!(answers[before].text.contains("North Korea is up"), "{}", answers[before].text);
    let skipped = |log: &Log| log.lines("an update cannot be read and is skipped");
    assert_eq!(skipped(&log).len(), 1, "{}", log.text());
    world.until("2025-06-06 16:22").await;
    world.telegram().update(json!({ "message": "hidden words" }));
    world.telegram().quiet().await;
    let said = skipped(&log);
    assert!(said.len() == 2 && said[1].contains("skipped=53"), "{said:?}");
    assert!(said[0].contains("kind=\"message\"") && said[0].contains("update=5000000"), "{said:?}");
    for words in ["hidden", "ecretname"] {
        assert!(!log.text().contains(words), "{}", log.text());
    }
    world.stop().await;
}

#[tokio::test]
async fn words_of_others_are_not_obeyed_on_older_servers_either() {
    for is_old in [false, true] {
        let mut world = World::with_chats("2025-06-06 16:00", NORTH_KOREA).await;
        if is_old {
            world.telegram().is_an_older_server();
        }
        world.start().await;
        let telegram = world.telegram();
        let bob = telegram.person("Bob");
        assert!(!telegram.says(&bob, bob.id, "/about").await.is_empty());
        assert!(
            telegram.forwards(&bob, bob.id, "/subscribe KP").await.is_empty(),
            "forwarded, old: {is_old}"
        );
        assert!(telegram.quotes(&bob, bob.id, "/subscribe KP").await.is_empty(), "quoted");
        let answers = telegram.says(&bob, bob.id, "/subscriptions").await;
        assert!(
            answers[0].text.starts_with("This chat has no subscriptions"),
            "{}",
            answers[0].text
        );
        world.stop().await;
    }
}

/// The minute in which a message says that it was made.
fn as_of(text: &str) -> &str {
    let at = text.find("As of ").unwrap_or_else(|| panic!("{text}"));
    &text[at + 6..at + 11]
}

#[tokio::test]
async fn details_are_the_newest_and_for_the_one_who_taps_where_telegram_lets_the_bot_write() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let (group, bob, carol) =
        (telegram.supergroup("Ops"), telegram.person("Bob"), telegram.person("Carol"));
    telegram.admin(group, &bob);
    telegram.member(group, &carol);
    telegram.says(&bob, group, "/subscribe KP").await;
    telegram.says(&bob, bob.id, "/about").await;
    world.until("2025-06-06 17:00").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 23:00");
    world.until("2025-06-06 19:07").await;
    let telegram = world.telegram();
    let card =
        telegram.messages(group).into_iter().find(|message| !message.buttons.is_empty()).unwrap();
    assert!(!card.edits.is_empty() && as_of(&card.text) < "19:07", "{}", card.text);
    let public = telegram.messages(group).len();
    // Bob has started the bot: it is sent to him alone.
    let toast = telegram.taps(&bob, group, card.id, "outage 1").await;
    assert_eq!(toast.text, "Sent to you in our private chat.");
    let alone = telegram.last(bob.id);
    assert!(
        alone.text.starts_with("🔴 North Korea is down") && alone.buttons.is_empty(),
        "{}",
        alone.text
    );
    assert_eq!(as_of(&alone.text), "19:07");
    assert_eq!(telegram.messages(group).len(), public, "nobody else is told");
    // Carol has not: the group is told once, whoever taps how often.
    telegram.taps(&carol, group, card.id, "outage 1").await;
    let told = telegram.until_messages(group, public + 1).await;
    assert_eq!(
        (told.len(), as_of(&told[public].text)),
        (public + 1, "19:07"),
        "{}",
        told[public].text
    );
    for _ in 0..3 {
        world.clock.advance_to(world.clock.now() + 5).await;
        let gist = world.telegram().taps(&carol, group, card.id, "outage 1").await;
        assert!(gist.alert && gist.text.starts_with("🔴 North Korea is down"), "{gist:?}");
        assert!(gist.text.ends_with(
            "In full: press Start in a private chat with @LinkdownBot, then tap again."
        ));
    }
    assert_eq!(world.telegram().messages(group).len(), public + 1);
    world.until("2025-06-06 19:18").await;
    world.telegram().taps(&carol, group, card.id, "outage 1").await;
    let told = world.telegram().until_messages(group, public + 2).await;
    assert_eq!(as_of(&told.last().unwrap().text), "19:18");
    world.stop().await;
}

#[tokio::test]
async fn a_reader_of_a_channel_cannot_make_the_bot_post_there() {
    let mut world = calm().await;
    let telegram = world.telegram();
    let (news, reader) = (telegram.channel("News"), telegram.person("Reader"));
    telegram.bot_is_admin(news, true);
    telegram.member(news, &reader);
    telegram.posts(news, "/subscribe KP").await;
    world.until("2025-06-06 17:00").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 23:00");
    world.until("2025-06-06 18:00").await;
    let telegram = world.telegram();
    let posts = telegram.messages(news);
    let card = posts.iter().find(|message| !message.buttons.is_empty()).unwrap();
    let gist = telegram.taps(&reader, news, card.id, "outage 1").await;
    assert!(gist.alert && gist.text.starts_with("🔴 North Korea is down"), "{gist:?}");
    assert_eq!(telegram.messages(news).len(), posts.len());
    world.stop().await;
}

#[tokio::test]
async fn details_on_discord_are_the_newest_and_for_one_alone() {
    let mut world = calm().await;
    let guild = world.discord().guild("Newsroom");
    let ops = world.discord().channel(guild, "ops");
    let (ann, eve) = (
        world.discord().member(guild, "Ann", "Manage Server"),
        world.discord().member(guild, "Eve", 0),
    );
    world.discord().slash(&ann, ops, "subscribe", json!({ "what": "KP" })).await;
    world.until("2025-06-06 17:00").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 23:00");
    world.until("2025-06-06 19:07").await;
    let discord = world.discord();
    let card = discord.bot_messages(ops).into_iter().next().unwrap();
    let (_, id) = card.buttons().into_iter().find(|(label, _)| label == "Details").unwrap();
    let answer = discord.clicks(&eve, ops, card.id, &id).await;
    assert!(
        answer.ephemeral && answer.text.starts_with("🔴 North Korea is down"),
        "{}",
        answer.text
    );
    assert_eq!(as_of(&answer.text), "19:07");
    world.stop().await;
}

#[tokio::test]
async fn a_flood_on_discord_gets_a_bounded_number_of_answers_and_one_line_in_the_log() {
    let (log, _guard) = Log::listens();
    let mut world = calm().await;
    let discord = world.discord();
    let guild = discord.guild("Newsroom");
    let (ops, ann) = (discord.channel(guild, "ops"), discord.member(guild, "Ann", "Manage Server"));
    let bob = discord.member(guild, "Bob", 0);
    discord.slash(&ann, ops, "about", json!({})).await;
    for _ in 0..10_000 {
        discord.puts(&ann, ops, "about", &json!({})).await;
    }
    discord.gateway().caught_up().await;
    let answer = discord.slash(&bob, ops, "about", json!({})).await;
    assert!(answer.text.starts_with("Linkdown"), "others are answered: {}", answer.text);
    assert_eq!(discord.answered(), (22, 21), "twenty of Ann's, one notice, Bob's");
    assert_eq!(log.lines("commands ignored").len(), 1, "{}", log.text());
    world.until("2025-06-06 16:22").await;
    world.discord().slash(&ann, ops, "about", json!({})).await;
    let told = log.lines("commands ignored");
    assert!(told.len() == 2 && told[1].contains("ignored=9980"), "{told:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_flood_on_telegram_is_one_line_in_the_log() {
    let (log, _guard) = Log::listens();
    let mut world = calm().await;
    let telegram = world.telegram();
    telegram.unlimited();
    let noisy = telegram.person("Noisy");
    telegram.says(&noisy, noisy.id, "/about").await;
    for _ in 0..1_000 {
        telegram.puts(&noisy, noisy.id, "/about");
    }
    telegram.quiet().await;
    world.until("2025-06-06 16:30").await;
    let told: Vec<String> =
        world.telegram().messages(noisy.id).into_iter().map(|message| message.text).collect();
    let notices = told.iter().filter(|text| text.starts_with("Too many commands at once")).count();
    assert_eq!((notices, told.len()), (1, 21));
    assert_eq!(log.lines("commands ignored").len(), 1, "{}", log.text());
    world.stop().await;
}

#[tokio::test]
async fn whoever_is_not_listed_is_completed_nothing() {
    let mut world = World::with_chats("2025-06-06 16:00", NORTH_KOREA).await;
    let discord = world.discord();
    let (listed, other) = (discord.guild("Listed"), discord.guild("Other"));
    let config =
        format!("{NORTH_KOREA}\n[access]\nwho = 'listed'\ndiscord_servers = ['{listed}']\n");
    world.configure(&config);
    world.start().await;
    let discord = world.discord();
    for (guild, is_served) in [(listed, true), (other, false)] {
        let (ops, ann) =
            (discord.channel(guild, "ops"), discord.member(guild, "Ann", "Manage Server"));
        for (option, typed) in [("what", "north"), ("what", ""), ("zone", "Asia/Seo")] {
            let found = discord.completes(&ann, ops, "subscribe", option, typed).await;
            assert_eq!(!found.is_empty(), is_served, "{option} {typed}: {found:?}");
        }
    }
    let dan = discord.member(other, "Dan", 0);
    let alone = discord.dm(&dan);
    assert_eq!(discord.completes(&dan, alone, "status", "what", "north").await, []);
    world.stop().await;
}

#[tokio::test]
async fn a_channel_of_another_server_cannot_be_named() {
    let mut world = calm().await;
    let discord = world.discord();
    let (ours, theirs) = (discord.guild("Ours"), discord.guild("Theirs"));
    let (ops, news) = (discord.channel(ours, "ops"), discord.channel(theirs, "news"));
    let (eve, ann) = (
        discord.member(ours, "Eve", "Manage Server"),
        discord.member(theirs, "Ann", "Manage Server"),
    );
    discord.slash(&ann, news, "subscribe", json!({ "what": "KP" })).await;
    let before = discord.slash(&ann, news, "subscriptions", json!({})).await.text;
    for unchecked in [Unchecked::Resolved, Unchecked::Number] {
        discord.passes_on(unchecked);
        for (word, mut options) in [
            ("subscribe", json!({ "what": "IR" })),
            ("unsubscribe", json!({ "what": "everything" })),
            ("subscriptions", json!({})),
            ("mute", json!({ "what": "all", "for": "2h" })),
            ("unmute", json!({})),
            ("test", json!({})),
            ("forget", json!({ "sure": true })),
        ] {
            options["channel"] = json!(news.to_string());
            let refused = discord.slash(&eve, ops, word, options).await.text;
            let why =
                "That is not a channel of this server that I can see: name one of this server.";
            assert_eq!(refused.trim(), why, "{word}");
        }
    }
    assert_eq!(discord.slash(&ann, news, "subscriptions", json!({})).await.text, before);
    assert_eq!(discord.sees(news), "");
    // One of their own server that the bot may not see is told what is missing.
    discord.passes_on(Unchecked::Nothing);
    let shut = discord.channel(ours, "shut");
    discord.may_not(shut, "View Channel");
    let wish = json!({ "what": "KP", "channel": shut.to_string() });
    let refused = discord.slash(&eve, ops, "subscribe", wish).await.text;
    assert!(refused.contains("in #shut I lack View Channel"), "{refused}");
    world.stop().await;
}
