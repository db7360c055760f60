//! What a chat is shown: what the operator watches and its own subscriptions, never the interests of other chats; and of the
//! sources' troubles what concerns its question.

use crate::harness::{NORTH_KOREA, World};
use serde_json::json;

/// A Telegram group hears of Iran, which goes down; a Discord channel hears of North Korea alone; Olga runs the bot.
struct Cast {
    ops: u64,
    ann: crate::doubles::discord::User,
    group: i64,
    bob: crate::doubles::telegram::Person,
    olga: crate::doubles::telegram::Person,
}

async fn with_a_secret() -> (World, Cast) {
    let mut world = World::with_chats("2025-06-06 12:00", NORTH_KOREA).await;
    for datasource in ["bgp", "ping-slash24"] {
        world.ioda.set("country/IR", datasource, |_| Some(4000.0));
    }
    world.ripestat.set("country/IR", "prefixes", |_| Some(4000.0));
    let (discord, telegram) = (world.discord(), world.telegram());
    let guild = discord.guild("Newsroom");
    let ops = discord.channel(guild, "ops");
    let ann = discord.member(guild, "Ann", "Manage Server");
    let (group, bob, olga) =
        (telegram.supergroup("Iran desk"), telegram.person("Bob"), telegram.person("Olga"));
    telegram.admin(group, &bob);
    world.configure(&format!("{NORTH_KOREA}\n[operator]\nchat = \"telegram:{}\"\n", olga.id));
    world.start().await;
    world.telegram().says(&bob, group, "/subscribe IR AS64511").await;
    world.until("2025-06-06 17:30").await;
    let (from, until) =
        (crate::harness::at("2025-06-06 17:35"), crate::harness::at("2025-06-06 22:00"));
    world.ioda.outage("country/IR", 4000.0, from, until);
    world.ripestat.set("country/IR", "prefixes", crate::doubles::gone_between(4000.0, from, until));
    world.until("2025-06-06 18:15").await;
    (world, Cast { ops, ann, group, bob, olga })
}

impl Cast {
    async fn slash(&self, world: &World, word: &str, options: serde_json::Value) -> String {
        world.clock.advance_to(world.clock.now() + 5).await;
        world.discord().slash(&self.ann, self.ops, word, options).await.text.trim().to_owned()
    }

    async fn group(&self, world: &World, line: &str) -> String {
        world.clock.advance_to(world.clock.now() + 5).await;
        world.telegram().says(&self.bob, self.group, line).await[0].text.clone()
    }

    async fn operator(&self, world: &World, line: &str) -> String {
        world.clock.advance_to(world.clock.now() + 5).await;
        world.telegram().says(&self.olga, self.olga.id, line).await[0].text.clone()
    }
}

/// What would betray the other chat's interest.
fn tells_of_iran(said: &str) -> bool {
    said.contains("Iran")
        || said.contains("country/IR")
        || said.contains("64511")
        || said.contains("3 entities")
        || said.contains("4 entities")
}

#[tokio::test]
async fn what_other_chats_subscribe_to_is_shown_to_nobody_else() {
    let (mut world, cast) = with_a_secret().await;
    // The group itself, the operator and the console see it.
    for own in [cast.group(&world, "/watchlist").await, cast.group(&world, "/status").await] {
        assert!(own.contains("🔴 Iran") && own.starts_with("4 entities"), "{own}");
    }
    let history = cast.group(&world, "/history").await;
    assert!(history.contains("Iran"), "{history}");
    let (_, after) = history.split_once("incident ").unwrap();
    let id: String = after.chars().take_while(char::is_ascii_digit).collect();
    assert!(cast.group(&world, &format!("/outage {id}")).await.contains("Iran"));
    assert!(cast.operator(&world, "/watchlist").await.contains("Iran"));
    assert!(cast.operator(&world, "/history").await.contains("Iran"));
    world.sees();
    world.types("/watchlist").await;
    assert!(world.sees().contains("Iran"));

    // Another chat does not, by no way.
    for (word, options) in [
        ("watchlist", json!({})),
        ("status", json!({})),
        ("history", json!({})),
        ("sources", json!({})),
        ("subscriptions", json!({})),
        ("outage", json!({ "id": id })),
    ] {
        let said = cast.slash(&world, word, options).await;
        assert!(!tells_of_iran(&said), "/{word}: {said}");
    }
    assert_eq!(
        cast.slash(&world, "outage", json!({ "id": id })).await,
        format!("there is no incident {id}; /history lists them")
    );
    assert_eq!(
        cast.slash(&world, "history", json!({ "what": "IR" })).await,
        "No incident of Iran is on record."
    );
    let why = cast.slash(&world, "why", json!({ "what": "IR" })).await;
    assert!(why.starts_with("⚪ Nothing was measured of Iran"), "{why}");
    // What is public is looked up, as for any country that nobody watches.
    let status = cast.slash(&world, "status", json!({ "what": "IR" })).await;
    assert!(status.contains("It is not watched: this was looked up just now."), "{status}");
    assert!(!status.contains("/outage") && !status.contains("since"), "{status}");
    let discord = world.discord();
    for (word, option) in
        [("outage", "id"), ("why", "when"), ("unsubscribe", "what"), ("unmute", "what")]
    {
        let choices = discord.completes(&cast.ann, cast.ops, word, option, "").await;
        assert!(
            !choices.iter().any(|(shown, _)| tells_of_iran(shown)),
            "/{word} {option}: {choices:?}"
        );
    }
    let choices = discord.completes(&cast.ann, cast.ops, "status", "what", "AS6").await;
    assert!(choices.is_empty(), "{choices:?}");
    let near = cast.slash(&world, "status", json!({ "what": "AS6451x" })).await;
    assert!(!near.contains("64511"), "{near}");

    // Who subscribes sees it from then on, and what was told here stays readable.
    cast.slash(&world, "subscribe", json!({ "what": "IR" })).await;
    assert!(cast.slash(&world, "watchlist", json!({})).await.contains("Iran"));
    world.until("2025-06-06 18:20").await;
    cast.slash(&world, "unsubscribe", json!({ "what": "IR" })).await;
    assert!(!tells_of_iran(&cast.slash(&world, "watchlist", json!({})).await));
    assert!(
        cast.slash(&world, "outage", json!({ "id": id })).await.contains("Iran"),
        "it was told here"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_reader_is_told_of_a_sources_trouble_only_where_it_concerns_the_question() {
    let (mut world, cast) = with_a_secret().await;
    let trouble = |until: &str| {
        let database = rusqlite::Connection::open(world.database()).unwrap();
        let changed = database.execute(
            &format!(
                "UPDATE source_health SET failures = 1, backing_off_until = {until},
                 last_error = 'HTTP 400: ZZ is not a known country code' WHERE source = 'ripestat'"
            ),
            [],
        );
        assert_eq!(changed.unwrap(), 1);
    };
    // One entity of several is refused: that is nobody's concern who asks about another.
    trouble("NULL");
    let answers = [
        cast.slash(&world, "status", json!({ "what": "KP" })).await,
        cast.group(&world, "/status KP").await,
        cast.slash(&world, "sources", json!({})).await,
        cast.group(&world, "/sources").await,
    ];
    for said in &answers {
        for operators in ["400", "ZZ", "*/5", "2-57", "LINKDOWN_", "calls today", "schedule"] {
            assert!(!said.replace('\\', "").contains(operators), "{operators}: {said}");
        }
    }
    assert!(!answers[0].contains("does not answer"), "{}", answers[0]);
    assert!(answers[2].contains("ripestat: in trouble, newest value"), "{}", answers[2]);
    // The whole source is silent.
    trouble("4000000000");
    let said = cast.slash(&world, "status", json!({ "what": "KP" })).await;
    assert!(said.contains("RIPEstat does not answer now: its newest value is "), "{said}");
    assert!(!said.contains("400"), "{said}");
    // Its operator reads what is wrong.
    let full = cast.operator(&world, "/sources").await;
    assert!(
        full.contains("HTTP 400: ZZ is not a known country code")
            && full.contains("schedule 2-57/5"),
        "{full}"
    );
    world.stop().await;
}
