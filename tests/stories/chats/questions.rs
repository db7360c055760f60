//! People ask in plain words, and paste what they were shown: both is understood, on each platform in its own syntax.

use crate::harness::{NORTH_KOREA, World};
use serde_json::json;

/// Half an hour into an outage, with a Discord channel, a Telegram group and a person alone with the bot.
async fn during_an_outage() -> (World, Cast) {
    let mut world = World::with_chats("2025-06-06 12:00", NORTH_KOREA).await;
    let (discord, telegram) = (world.discord(), world.telegram());
    let guild = discord.guild("Newsroom");
    let ops = discord.channel(guild, "ops");
    let ann = discord.member(guild, "Ann", "Manage Server");
    let (group, bob, dan) =
        (telegram.supergroup("Outages"), telegram.person("Bob"), telegram.person("Dan"));
    telegram.admin(group, &bob);
    world.start().await;
    world.until("2025-06-06 17:30").await;
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 22:00");
    world.until("2025-06-06 18:05").await;
    (world, Cast { ops, ann, group, bob, dan })
}

struct Cast {
    ops: u64,
    ann: crate::doubles::discord::User,
    group: i64,
    bob: crate::doubles::telegram::Person,
    dan: crate::doubles::telegram::Person,
}

impl Cast {
    /// The first line that a person alone with the bot is answered.
    async fn asks(&self, world: &World, line: &str) -> String {
        world.clock.advance_to(world.clock.now() + 5).await;
        let answers = world.telegram().says(&self.dan, self.dan.id, line).await;
        answers[0].first_line().to_owned()
    }

    async fn slash(&self, world: &World, word: &str, options: serde_json::Value) -> String {
        world.clock.advance_to(world.clock.now() + 5).await;
        world.discord().slash(&self.ann, self.ops, word, options).await.text.trim().to_owned()
    }
}

#[tokio::test]
async fn a_plain_question_is_answered_where_the_bot_is_addressed() {
    let (mut world, cast) = during_an_outage().await;
    for question in [
        "is north korea down?",
        "status KP",
        "🇰🇵",
        "🇰🇵 North Korea (KP)",
        "How is North Korea doing?",
    ] {
        let answer = cast.asks(&world, question).await;
        assert!(answer.starts_with("🔴 North Korea is down · 3"), "{question}: {answer}");
    }
    let why = cast.asks(&world, "why is north korea down?").await;
    assert!(why.starts_with("🔴 Why North Korea is told as down"), "{why}");
    let what = cast.asks(&world, "what is down?").await;
    assert_eq!(what, "2 entities watched");
    let not = cast.asks(&world, "what is the weather in paris?").await;
    assert!(not.starts_with("I did not understand `what is the weather in paris?`."), "{not}");
    // In a group people talk to each other.
    let none = world.telegram().sends_nothing(&cast.bob, cast.group, "is north korea down?").await;
    assert!(none.is_empty(), "{none:?}");
    // What answers the bot reaches it: a question is one to it, a remark is none.
    let about = world.telegram().says(&cast.bob, cast.group, "/about").await[0].id;
    world.clock.advance_to(world.clock.now() + 5).await;
    let answers =
        world.telegram().replies(&cast.bob, cast.group, about, "is north korea down?").await;
    assert!(answers[0].text.starts_with("🔴 North Korea is down"), "{}", answers[0].text);
    // The console.
    world.sees();
    world.types("is north korea down?").await;
    assert!(world.sees().starts_with("🔴 North Korea is down"));
    world.stop().await;
}

#[tokio::test]
async fn a_day_in_words_leads_to_the_moment_of_its_outage() {
    let (mut world, cast) = during_an_outage().await;
    world.until("2025-06-07 09:00").await;
    for when in ["yesterday", "last night", "6 june", "friday", "Fri 6 Jun"] {
        let typed = cast.asks(&world, &format!("/why KP {when}")).await;
        let on_discord =
            cast.slash(&world, "why", json!({ "what": "North Korea", "when": when })).await;
        for answer in [typed.as_str(), on_discord.lines().next().unwrap()] {
            let title = "🔴 Why North Korea is told as down · Sat 7 Jun 02:";
            // Of the night only its end is left: the outage was reported a little before it.
            assert!(answer.starts_with(title) || when == "last night", "{when}: {answer}");
            assert!(answer.contains("North Korea"), "{when}: {answer}");
        }
    }
    for (when, title) in [
        (
            "at 17:30 yesterday",
            "🟢 Why there is no alert of North Korea · Sat 7 Jun 02:30 KST (Fri 6 Jun 17:30 UTC)",
        ),
        (
            "Sat 7 Jun 02:30 KST",
            "🟢 Why there is no alert of North Korea · Sat 7 Jun 02:30 KST (Fri 6 Jun 17:30 UTC)",
        ),
        (
            "17:30 UTC",
            "🟢 Why there is no alert of North Korea · Sat 7 Jun 02:30 KST (Fri 6 Jun 17:30 UTC)",
        ),
        ("an hour ago", "🟢 Why there is no alert of North Korea · Sat 7 Jun 17:0"),
    ] {
        let typed = cast.asks(&world, &format!("/why North Korea {when}")).await;
        assert!(typed.starts_with(title), "{when}: {typed}");
        let on_discord =
            cast.slash(&world, "why", json!({ "what": "🇰🇵 North Korea (KP)", "when": when })).await;
        assert!(on_discord.starts_with(title), "{when}: {on_discord}");
    }
    assert!(cast.asks(&world, "/why KP tomorrow").await.contains("is still to come"));
    world.stop().await;
}

#[tokio::test]
async fn what_was_shown_is_taken_as_an_option_on_both_platforms() {
    let (mut world, cast) = during_an_outage().await;
    let cases = [
        (
            "status",
            json!({ "what": "🇰🇵 North Korea (KP)" }),
            "/status 🇰🇵 North Korea (KP)",
            "🔴 North Korea is down",
        ),
        ("status", json!({ "what": "🇰🇵" }), "/status 🇰🇵", "🔴 North Korea is down"),
        (
            "status",
            json!({ "what": "AS131279 (Star JV)" }),
            "/status AS131279 (Star JV)",
            "🔴 AS131279 is down",
        ),
        ("outage", json!({ "id": "Incident 1" }), "/outage Incident 1", "🔴 North Korea is down"),
        ("outage", json!({ "id": "#1" }), "/outage #1", "🔴 North Korea is down"),
        (
            "subscribe",
            json!({ "what": "🇰🇵 North Korea (KP)", "sensitivity": "eager: from the first suspicion",
                "kinds": "starts and recoveries", "layers": "routing or web", "quiet": "22:00–07:00", "zone": "KST" }),
            "/subscribe 🇰🇵 North Korea (KP) sensitivity: eager: from the first suspicion kinds: starts and recoveries \
             layers: routing or web quiet: 22:00–07:00 zone: KST",
            "🔔",
        ),
        (
            "mute",
            json!({ "what": "🇰🇵 North Korea (KP)", "for": "4 h 33 min" }),
            "/mute North Korea for 4 h 33 min",
            "🔇",
        ),
        ("unmute", json!({ "what": "North Korea" }), "/unmute North Korea", "🔔"),
    ];
    for (word, options, line, begins) in cases {
        let on_discord = cast.slash(&world, word, options).await;
        assert!(on_discord.starts_with(begins), "{word}: {on_discord}");
        world.clock.advance_to(world.clock.now() + 5).await;
        let answers = world.telegram().says(&cast.bob, cast.group, line).await;
        let answer = answers.iter().find(|answer| answer.reply_to.is_some()).unwrap();
        assert!(answer.text.starts_with(begins), "{line}: {}", answer.text);
        if word == "subscribe" {
            for said in [&on_discord, &answer.text] {
                assert!(said.contains("KST is read as Asia/Pyongyang"), "{said}");
                assert!(
                    said.contains(
                        "only where routing or web is lost · not from 22:00–07:00 Asia/Pyongyang"
                    ),
                    "{said}"
                );
            }
        }
    }
    let ambiguous = cast.slash(&world, "subscribe", json!({ "what": "AS1", "zone": "IST" })).await;
    assert!(
        ambiguous.contains("IST is read as Asia/Kolkata") && ambiguous.contains("Jerusalem"),
        "{ambiguous}"
    );
    let there = cast.slash(&world, "subscribe", json!({ "what": "IL", "zone": "IST" })).await;
    assert!(there.contains("IST is read as Asia/Jerusalem"), "{there}");
    let city = cast.slash(&world, "subscribe", json!({ "what": "KP", "zone": "Moscow" })).await;
    assert_eq!(city, "`Moscow` is no time zone; did you mean `Europe/Moscow`?");
    let city = cast.asks(&world, "/subscribe KP zone: Moscow").await;
    assert_eq!(city, "`Moscow` is no time zone; did you mean `Europe/Moscow`?");
    world.stop().await;
}

#[tokio::test]
async fn each_choice_that_discord_offers_is_taken_whichever_half_arrives() {
    let (mut world, cast) = during_an_outage().await;
    cast.slash(&world, "subscribe", json!({ "what": "KP IR" })).await;
    cast.slash(&world, "mute", json!({ "what": "IR", "for": "2h" })).await;
    let discord = world.discord();
    let choices = async |word, option, typed| {
        discord.completes(&cast.ann, cast.ops, word, option, typed).await
    };
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(shown, typed)| ((*shown).to_owned(), (*typed).to_owned())).collect()
    };
    assert_eq!(
        choices("unsubscribe", "what", "").await,
        owned(&[
            ("🇮🇷 Iran (IR)", "IR"),
            ("🇰🇵 North Korea (KP)", "KP"),
            ("everything", "everything")
        ])
    );
    assert_eq!(choices("unmute", "what", "").await, owned(&[("🇮🇷 Iran (IR)", "IR")]));
    let outages = choices("outage", "id", "").await;
    assert!(
        outages.iter().any(|(shown, id)| shown
            .starts_with("Incident 1 · North Korea, since Fri 6 Jun 17:34 UTC")
            && id == "1"),
        "{outages:?}"
    );
    assert_eq!(choices("outage", "id", "nor").await.len(), 1);
    assert_eq!(
        choices("mute", "for", "2").await,
        owned(&[("2 min", "2 min"), ("2 h", "2 h"), ("2 d", "2 d")])
    );
    assert_eq!(
        choices("subscribe", "layers", "routing, w").await,
        owned(&[("routing, web", "routing, web")])
    );
    let cases = [
        ("status", "what", "iran", json!({})),
        ("status", "what", "", json!({})),
        ("unmute", "what", "", json!({})),
        ("outage", "id", "", json!({})),
        ("mute", "for", "", json!({ "what": "KP" })),
        ("why", "when", "", json!({ "what": "KP" })),
        ("subscribe", "zone", "seo", json!({ "what": "KP" })),
        ("subscribe", "kinds", "", json!({ "what": "KP" })),
        ("subscribe", "sensitivity", "", json!({ "what": "KP" })),
        ("subscribe", "quiet", "", json!({ "what": "KP" })),
        ("unsubscribe", "what", "", json!({})),
    ];
    for (word, option, typed, mut options) in cases {
        for (shown, value) in choices(word, option, typed).await.into_iter().take(4) {
            for half in [shown, value] {
                options[option] = json!(half);
                let answer = cast.slash(&world, word, options.clone()).await;
                // Answers begin with a mark or a capital letter, mistakes do not.
                let is_refused = answer.starts_with(|c: char| c.is_lowercase() || c == '`');
                assert!(!is_refused, "/{word} {option}: {half}: {answer}");
            }
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn each_platform_is_told_its_own_syntax() {
    let (mut world, cast) = during_an_outage().await;
    let help = cast.slash(&world, "help", json!({})).await;
    let mut all = vec![help.clone()];
    for (word, options) in [
        ("forget", json!({})),
        ("mute", json!({ "what": "KP", "for": "ever" })),
        ("outage", json!({ "id": "three" })),
        ("subscriptions", json!({})),
        ("status", json!({ "what": "KP" })),
        ("outage", json!({ "id": "1" })),
    ] {
        all.push(cast.slash(&world, word, options).await);
    }
    cast.slash(&world, "subscribe", json!({ "what": "KP" })).await;
    world.until("2025-06-06 18:07").await;
    all.push(world.discord().sees(cast.ops));
    for said in &all {
        for typed in [
            "/forget yes",
            "what for 2h",
            "KP for 2h",
            "/outage 1",
            "/outage 3",
            "/subscribe KP",
            "/unsubscribe KP",
        ] {
            assert!(!said.contains(typed), "{typed}: {said}");
        }
    }
    let all = all.join("\n");
    for own in [
        "/mute what: for:",
        "/forget sure: True",
        "/mute what: KP for: 2h",
        "/outage id: 1",
        "/subscribe what: KP",
    ] {
        assert!(all.contains(own), "{own}: {all}");
    }
    let help = world.telegram().says(&cast.bob, cast.group, "/help").await[0].text.clone();
    assert!(
        help.contains("/mute what for 2h")
            && help.contains("/forget yes")
            && !help.contains("what:"),
        "{help}"
    );
    world.stop().await;
}
