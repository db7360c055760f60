//! Each command's reply on both platforms, and what people are told who slip.

use crate::harness::{NORTH_KOREA, World};
use serde_json::json;

/// A Discord server and a Telegram group, half an hour into an outage.
async fn during_an_outage() -> (World, Cast) {
    let mut world = World::with_chats("2025-06-06 12:00", NORTH_KOREA).await;
    let (discord, telegram) = (world.discord(), world.telegram());
    let guild = discord.guild("Newsroom");
    let ops = discord.channel(guild, "ops");
    let (ann, group, bob) = (
        discord.member(guild, "Ann", "Manage Server"),
        telegram.supergroup("Outages"),
        telegram.person("Bob"),
    );
    telegram.admin(group, &bob);
    world.start().await;
    world.until("2025-06-06 17:30").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 22:00");
    world.until("2025-06-06 18:05").await;
    (world, Cast { ops, ann, group, bob })
}

struct Cast {
    ops: u64,
    ann: crate::doubles::discord::User,
    group: i64,
    bob: crate::doubles::telegram::Person,
}

#[tokio::test]
async fn every_command_answers_on_both_platforms() {
    let (mut world, cast) = during_an_outage().await;
    let (mut discord_said, mut telegram_said) = (String::new(), String::new());
    let typed = [
        ("status", json!({ "what": "KP" }), "/status KP"),
        ("why", json!({ "what": "KP" }), "/why KP"),
        ("why", json!({ "what": "KP", "when": "17:30" }), "/why KP 17:30"),
        (
            "subscribe",
            json!({ "what": "KP IR", "sensitivity": "eager", "quiet": "22-07", "zone": "Asia/Seoul" }),
            "/subscribe KP IR sensitivity: eager quiet: 22-07 zone: Asia/Seoul",
        ),
        ("subscriptions", json!({}), "/subscriptions"),
        ("mute", json!({ "what": "IR", "for": "2h" }), "/mute IR for 2h"),
        ("unmute", json!({}), "/unmute"),
        ("unsubscribe", json!({ "what": "IR" }), "/unsubscribe IR"),
        ("watchlist", json!({}), "/watchlist"),
        ("history", json!({ "what": "KP" }), "/history KP"),
        ("sources", json!({}), "/sources"),
        ("about", json!({}), "/about"),
        ("help", json!({ "command": "mute" }), "/help mute"),
        ("forget", json!({}), "/forget"),
    ];
    for (word, options, line) in typed {
        let answer = world.discord().slash(&cast.ann, cast.ops, word, options).await;
        assert!(answer.ephemeral, "{word}: only alerts are public");
        discord_said.extend(["> /", word, "\n", answer.text.trim_end(), "\n\n"]);
        // A group is told at most so much a minute, its alert included.
        world.clock.advance_to(world.clock.now() + 20).await;
        let answers = world.telegram().says(&cast.bob, cast.group, line).await;
        let answers: Vec<String> = answers
            .iter()
            .filter(|answer| answer.reply_to.is_some())
            .map(|answer| answer.text.clone())
            .collect();
        telegram_said.extend(["> ", line, "\n", answers.join("\n---\n").trim_end(), "\n\n"]);
    }
    insta::assert_snapshot!("discord", discord_said);
    insta::assert_snapshot!("telegram", telegram_said);
    world.stop().await;
}

#[tokio::test]
async fn an_outage_is_shown_in_full() {
    let (mut world, cast) = during_an_outage().await;
    let answer = world.discord().slash(&cast.ann, cast.ops, "outage", json!({ "id": 1 })).await;
    assert!(
        answer.text.starts_with("🔴 North Korea is down · since Sat 7 Jun 02:34 KST"),
        "{}",
        answer.text
    );
    assert!(
        answer.text.contains("0 of 4 prefixes announced · normal 4 · RIPEstat"),
        "{}",
        answer.text
    );
    let answers = world.telegram().says(&cast.bob, cast.group, "/outage 1").await;
    assert!(answers[0].text.contains("0 of 4 prefixes announced · normal 4 · RIPEstat"));
    let none = world.telegram().says(&cast.bob, cast.group, "/outage 77").await;
    assert_eq!(none[0].text, "there is no incident 77; /history lists them");
    world.stop().await;
}

#[tokio::test]
async fn a_sample_takes_the_way_of_every_alert() {
    let (mut world, cast) = during_an_outage().await;
    let answer = world.discord().slash(&cast.ann, cast.ops, "test", json!({})).await;
    assert!(answer.text.starts_with("✅ The sample arrived in #ops, "), "{}", answer.text);
    let shown = world.discord().sees(cast.ops);
    assert!(shown.contains("🔔 [test] This is where outages will be told."), "{shown}");
    let answers = world.telegram().says(&cast.bob, cast.group, "/test").await;
    let all: Vec<&str> =
        answers.iter().map(crate::doubles::telegram::Message::first_line).collect();
    assert!(
        all.iter().any(|line| line.contains("[test] This is where outages will be told")),
        "{all:?}"
    );
    world.clock.advance_to(world.clock.now() + 10).await;
    let last = world.telegram().last(cast.group);
    assert!(last.text.starts_with("✅ The sample arrived in this chat, "), "{}", last.text);
    world.stop().await;
}

#[tokio::test]
async fn who_subscribes_during_an_outage_is_told_at_once_that_it_goes_on() {
    let (mut world, cast) = during_an_outage().await;
    let answer =
        world.discord().slash(&cast.ann, cast.ops, "subscribe", json!({ "what": "all" })).await;
    assert!(
        answer.text.contains("1 outage is going on: told here in a moment."),
        "{}",
        answer.text
    );
    world.until("2025-06-06 18:06").await;
    let shown = world.discord().sees(cast.ops);
    assert!(
        shown.starts_with("[18:05] 🔴 North Korea is down · since Sat 7 Jun 02:34 KST"),
        "{shown}"
    );
    assert_eq!(
        world.discord().messages(cast.ops).len(),
        1,
        "its network is counted in it: {shown}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_name_is_completed_with_its_flag() {
    let (mut world, cast) = during_an_outage().await;
    let complete =
        async |typed| world.discord().completes(&cast.ann, cast.ops, "status", "what", typed).await;
    assert_eq!(complete("north k").await, [("🇰🇵 North Korea (KP)".to_owned(), "KP".to_owned())]);
    assert!(complete("KP ira").await.contains(&("KP 🇮🇷 Iran (IR)".to_owned(), "KP IR".to_owned())));
    assert_eq!(complete("AS13").await, [("AS131279".to_owned(), "AS131279".to_owned())]);
    let zones = world.discord().completes(&cast.ann, cast.ops, "subscribe", "zone", "seo").await;
    assert_eq!(zones, [("Asia/Seoul".to_owned(), "Asia/Seoul".to_owned())]);
    world.stop().await;
}

#[tokio::test]
async fn buttons_show_the_evidence_and_mute() {
    let (mut world, cast) = during_an_outage().await;
    world.discord().slash(&cast.ann, cast.ops, "subscribe", json!({ "what": "KP" })).await;
    world.telegram().says(&cast.bob, cast.group, "/subscribe KP").await;
    world.until("2025-06-06 18:06").await;

    let message = world.discord().bot_messages(cast.ops)[0].clone();
    let details = message.buttons()[0].1.clone();
    let answer = world.discord().clicks(&cast.ann, cast.ops, message.id, &details).await;
    assert!(answer.ephemeral && answer.text.contains("IODA BGP"), "{}", answer.text);
    let mute = message.buttons()[1].1.clone();
    let answer = world.discord().clicks(&cast.ann, cast.ops, message.id, &mute).await;
    assert!(
        answer.text.starts_with("🔇 #ops will not be told of North Korea for 2 h"),
        "{}",
        answer.text
    );

    let message =
        world.telegram().messages(cast.group).into_iter().find(|m| !m.buttons.is_empty()).unwrap();
    let carol = world.telegram().person("Carol");
    world.telegram().member(cast.group, &carol);
    let refused =
        world.telegram().taps(&carol, cast.group, message.id, "mute country/KP for 2h").await;
    assert!(
        refused.text.starts_with("only an admin may use /mute in this chat"),
        "{}",
        refused.text
    );
    let done =
        world.telegram().taps(&cast.bob, cast.group, message.id, "mute country/KP for 2h").await;
    assert!(
        done.text.starts_with("🔇 This chat will not be told of North Korea for 2 h"),
        "{}",
        done.text
    );
    // A tap from before a restart: Telegram takes no answer any more, and nothing comes of that.
    world.clock.advance_to(world.clock.now() + 5).await;
    world.telegram().taps_old(&cast.bob, cast.group, message.id, "mute country/KP for 2h").await;
    assert!(!world.telegram().says(&cast.bob, cast.group, "/about").await.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_slip_is_answered_with_what_would_be_right() {
    let (mut world, cast) = during_an_outage().await;
    let private = world.telegram().person("Dan");
    let mut said = String::new();
    for line in [
        "/statsu KP",
        "/status Nort Korea",
        "/subscribe",
        "/subscribe KP quiet: all night",
        "/subscribe KP form: sure",
        "/mute KP",
        "/outage three",
        "kore",
        "/status <b>\u{202e}bold</b> & @everyone 😀",
        "/subscribe مصر",
    ] {
        world.clock.advance_to(world.clock.now() + 5).await;
        let answers = world.telegram().says(&private, private.id, line).await;
        said.extend([
            "> ",
            &line.replace('\u{202e}', "(turned) "),
            "\n",
            answers[0].first_line(),
            "\n",
        ]);
    }
    insta::assert_snapshot!(said, @"
    > /statsu KP
    there is no command `statsu`; did you mean /status?
    > /status Nort Korea
    no country, network or site is called `Nort Korea`; did you mean North Korea (KP), South Korea (KR)?
    > /subscribe
    say of what: /subscribe KP, /subscribe AS131279, /subscribe all; /help subscribe tells more
    > /subscribe KP quiet: all night
    `all night` are no quiet hours; say them as 22-07 or 22:30-06:45, with zone: Europe/Berlin where not in UTC
    > /subscribe KP form: sure
    there is no option `form`; did you mean `from`?
    > /mute KP
    say for how long: /mute KP for 2h, /mute all for 3d; 30 days at most
    > /outage three
    /outage takes an incident's number, such as /outage 3; /history lists them
    > kore
    no country, network or site is called `kore`; did you mean North Korea (KP), South Korea (KR)?
    > /status <b>(turned) bold</b> & @everyone 😀
    unknown kind of entity `<b>bold<`: it must be one of country, region, asn, prefix, site; say it as KP, AS131279, 175.45.176.0/22 or kcna.kp
    > /subscribe مصر
    🔔 This chat will be told when Egypt drops off the internet.
    ");
    let wrong = json!({ "what": "KP", "zone": "Asia/Soul" });
    let answer = world.discord().slash(&cast.ann, cast.ops, "subscribe", wrong).await;
    assert_eq!(answer.text.trim(), "`Asia/Soul` is no time zone; did you mean `Asia/Seoul`?");
    world.stop().await;
}

#[tokio::test]
async fn a_role_may_be_called_but_never_everyone() {
    let mut world = World::with_chats("2025-06-06 12:00", NORTH_KOREA).await;
    let guild = world.discord().guild("Newsroom");
    let ops = world.discord().channel(guild, "ops");
    let role = world.discord().role(guild, "duty");
    let ann = world.discord().member(guild, "Ann", "Manage Server");
    world.start().await;
    let asks = async |role: u64| {
        let wish = json!({ "what": "KP", "mention": role.to_string() });
        world.discord().slash(&ann, ops, "subscribe", wish).await.text
    };
    // The role that everyone has bears the server's number.
    let refused = asks(guild).await;
    assert!(refused.contains("@everyone") && !refused.contains('🔔'), "{refused}");
    let taken = asks(role).await;
    assert!(taken.contains("calling a role"), "{taken}");
    world.stop().await;
}

#[tokio::test]
async fn a_chat_has_at_most_so_many_subscriptions() {
    let (mut world, cast) = during_an_outage().await;
    let ask = async |from: u32, count: u32| {
        let many: Vec<String> = (from..from + count).map(|n| format!("AS{n}")).collect();
        let answers = world
            .telegram()
            .says(&cast.bob, cast.group, &format!("/subscribe {}", many.join(" ")))
            .await;
        answers[0].first_line().to_owned()
    };
    assert!(ask(1000, 60).await.starts_with("🔔 This chat will be told when AS1000, AS1001"));
    assert_eq!(
        ask(2000, 60).await,
        "this chat has 60 subscriptions and may have 100: end some with /unsubscribe, or take all that is watched with \
         /subscribe all"
    );
    world.stop().await;
}
