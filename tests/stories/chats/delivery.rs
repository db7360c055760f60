//! Platforms that are ill, and chats that shut the bot out: nothing owed is lost, and people hear why.

use super::first_lines;
use crate::doubles::{discord, telegram};
use crate::harness::{NORTH_KOREA, World, at};
use linkdown::clock::Clock;
use linkdown::domain::time::MINUTE;
use serde_json::json;

/// A Discord channel and a Telegram chat that both want to hear of North Korea; at 17:35 it vanishes.
async fn told_on_both() -> (World, Cast) {
    told_in(World::with_chats("2025-06-06 16:00", NORTH_KOREA).await).await
}

async fn told_in(mut world: World) -> (World, Cast) {
    world.start().await;
    let guild = world.discord().guild("Newsroom");
    let ops = world.discord().channel(guild, "ops");
    let ann = world.discord().member(guild, "Ann", "Manage Server");
    let dan = world.telegram().person("Dan");
    world.discord().slash(&ann, ops, "subscribe", json!({ "what": "KP" })).await;
    world.telegram().says(&dan, dan.id, "/subscribe KP").await;
    world.telegram().sees(dan.id);
    world.until("2025-06-06 17:30").await;
    (world, Cast { guild, ops, ann, dan })
}

struct Cast {
    guild: u64,
    ops: u64,
    ann: discord::User,
    dan: telegram::Person,
}

fn goes_and_returns(world: &World) {
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 19:00");
}

#[tokio::test]
async fn while_discord_is_away_telegram_is_told_and_discord_hears_one_line_later() {
    let (mut world, cast) = told_on_both().await;
    goes_and_returns(&world);
    world.discord().fault(discord::Fault::Status(502), 100_000);
    world.until("2025-06-06 20:30").await;
    let shown = first_lines(&world.telegram().sees(cast.dan.id));
    assert!(
        shown.contains("🔴 North Korea is down") && shown.contains("🟢 North Korea is back"),
        "{shown}"
    );
    assert_eq!(world.discord().sees(cast.ops), "");
    world.discord().heal();
    world.until("2025-06-06 21:00").await;
    let shown = world.discord().sees(cast.ops);
    let line = " late: 🟢 North Korea was down 1 h 26 min from Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC) · /outage id: 1";
    assert!(
        shown.contains("Told 1 h ") && shown.contains(line) && shown.lines().count() == 1,
        "{shown}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_late_start_says_how_late_it_is() {
    let (mut world, cast) = told_on_both().await;
    goes_and_returns(&world);
    world.telegram().fault(telegram::Fault::RateLimited(1200), 1);
    world.until("2025-06-06 18:20").await;
    let shown = first_lines(&world.telegram().sees(cast.dan.id));
    assert!(shown.contains("Told 20 min late: 🔴 North Korea is down · since"), "{shown}");
    assert_eq!(world.telegram().disobedience(), 0, "the pause was kept to the letter");
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_message_on_discord() {
    let (mut world, cast) = told_on_both().await;
    goes_and_returns(&world);
    world.discord().fault(discord::Fault::AcceptThenReset, 1);
    world.until("2025-06-06 18:00").await;
    let starts = world.discord().bot_messages(cast.ops);
    assert_eq!(
        starts.len(),
        1,
        "the same key, the same message: {:?}",
        first_lines(&world.discord().sees(cast.ops))
    );
    world.stop().await;
}

/// Discord dates its messages by its own clock.
#[tokio::test]
async fn a_lost_answer_makes_no_second_message_though_our_clock_was_ahead() {
    let truth = Clock::simulated(at("2025-06-06 16:00"));
    let mut world = World::with_chats("2025-06-06 16:00", NORTH_KOREA).await;
    world.discord_goes_by(&truth).await;
    let (mut world, cast) = told_in(world).await;
    goes_and_returns(&world);
    world.clock.set_wall_offset(15 * MINUTE);
    world.discord().fault(discord::Fault::AcceptThenReset, 1);
    // For longer than Discord remembers a key.
    world.discord().fault(discord::Fault::Status(502), 11);
    world.until_with(&truth, "2025-06-06 18:40").await;
    let starts = world.discord().bot_messages(cast.ops);
    assert_eq!(starts.len(), 1, "{:?}", first_lines(&world.discord().sees(cast.ops)));
    world.stop().await;
}

#[tokio::test]
async fn a_message_that_lies_deep_in_a_busy_channel_is_found() {
    let (mut world, cast) = told_on_both().await;
    goes_and_returns(&world);
    world.discord().fault(discord::Fault::AcceptThenReset, 1);
    world.discord().fault(discord::Fault::Status(502), 11);
    world.discord().may_not(cast.ops, "Read Message History");
    world.until("2025-06-06 17:48").await;
    for number in 0..180 {
        world.discord().says(&cast.ann, cast.ops, &format!("and what now? ({number})"));
    }
    world.discord().may_again(cast.ops, "Read Message History");
    world.until("2025-06-06 18:40").await;
    assert_eq!(world.discord().bot_messages(cast.ops).len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_sent_once_more_as_plain_text() {
    let (mut world, cast) = told_on_both().await;
    goes_and_returns(&world);
    world.discord().fault(discord::Fault::Malformed400, 1);
    world
        .telegram()
        .fault(telegram::Fault::BadRequest("Bad Request: can't parse entities: unsupported"), 1);
    world.until("2025-06-06 17:50").await;
    let shown = world.discord().sees(cast.ops);
    assert!(
        shown.contains("routing     0 of 4 prefixes announced"),
        "the console's table, as text: {shown}"
    );
    let shown = world.telegram().sees(cast.dan.id);
    assert!(shown.contains("routing     0 of 4 prefixes announced"), "{shown}");
    world.stop().await;
}

#[tokio::test]
async fn a_missing_permission_is_named_before_anybody_relies_on_it() {
    let (mut world, cast) = told_on_both().await;
    world.discord().may_not(cast.ops, "Send Messages");
    world.discord().may_not(cast.ops, "Embed Links");
    let answer =
        world.discord().slash(&cast.ann, cast.ops, "subscribe", json!({ "what": "IR" })).await;
    assert_eq!(
        answer.text.trim(),
        "in #ops I lack Send Messages and Embed Links: give them to my role or to me, then say this again"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_channel_that_shuts_the_bot_out_is_suspended_and_resumed_when_it_lets_it_in() {
    let (mut world, cast) = told_on_both().await;
    world.discord().may_not(cast.ops, "Send Messages");
    goes_and_returns(&world);
    world.until("2025-06-06 18:00").await;
    let direct = world.discord().dm(&cast.ann);
    insta::assert_snapshot!(world.discord().sees(direct).replace(&cast.ops.to_string(), "OPS"), @"
    [17:47] ⚠️ I can no longer tell a channel about outages.
            Why: I lack Send Messages in #ops
            Next: Let me in again, or give me back what is missing: I go on by myself, and sum up what was missed.
            Check: [the chat](https://discord.com/channels/1380576971980800032/OPS)
            You hear this because you were the last to subscribe there.
    ");
    let answer = world.discord().slash(&cast.ann, cast.ops, "subscriptions", json!({})).await;
    assert!(
        answer.text.contains("Suspended:") && answer.text.contains("I lack Send Messages in"),
        "{}",
        answer.text
    );
    let calls = world.discord().calls().len();
    world.until("2025-06-06 18:20").await;
    assert_eq!(world.discord().calls().len(), calls, "it is left alone");

    world.discord().may_again(cast.ops, "Send Messages");
    world.discord().gateway().caught_up().await;
    world.until("2025-06-06 18:30").await;
    let shown = first_lines(&world.discord().sees(cast.ops));
    assert!(shown.contains("🔴 North Korea is down · since"), "the true state: {shown}");
    world.stop().await;
}

/// The messages of a chat, those that were edited after the others.
fn edits_last(seen: &str) -> String {
    let mut messages: Vec<&str> = seen.split("\n[").collect();
    messages.sort_by_key(|message| message.contains("(edited)"));
    let opened = |message: &&str| format!("[{}", message.trim_start_matches('['));
    messages.iter().map(opened).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_server_that_the_bot_is_put_out_of_hears_what_it_missed_when_it_is_let_in_again() {
    let (mut world, cast) = told_on_both().await;
    goes_and_returns(&world);
    world.until("2025-06-06 18:00").await;
    world.discord().kicks(cast.guild);
    world.discord().gateway().caught_up().await;
    world.telegram().blocks(&cast.dan);
    world.telegram().quiet().await;
    world.until("2025-06-06 20:30").await;
    world.discord().sees(cast.ops);
    world.telegram().sees(cast.dan.id);

    world.discord().invites_back(cast.guild);
    world.discord().gateway().caught_up().await;
    world.telegram().unblocks(&cast.dan);
    world.telegram().quiet().await;
    world.until("2025-06-06 20:40").await;
    // Both go at once, each by itself: which is there first is nobody's promise.
    insta::assert_snapshot!(edits_last(&world.discord().sees(cast.ops)), @"
    [20:30] While I could not write here: 🟢 North Korea was down 1 h 26 min from Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC) · /outage id: 1
    [20:30] (edited) 🟢 North Korea is back · it was down 1 h 26 min
            North Korea can be reached again. Confirmed by RIPE routing data and IODA. It was down from <t:1749231240:f> until <t:1749236400:f>.
            routing:
            4 of 4 blocks announced · normal 4 · IODA BGP · 19:10 UTC
            4 of 4 prefixes announced · normal 4 · RIPEstat · 19:20 UTC
            seen by 349 of 352 RIS peers · normal 349 · RIPE RIS, AS131279 · 19:25 UTC
            reach: 4 of 4 blocks answer · normal 4 · IODA probing · 19:00 UTC
            Gateways: AS4837: 2 prefixes · AS20485: 2 prefixes
            Fell: routing at 17:35 UTC; reach 5 min later
            Reading: The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.
            Confidence: high (4 measurements, from RIPE and IODA)
            At worst: 100 % gone; affected during the outage: routing and reach
            Returned: routing and reach at 19:00 UTC
            Cause: unknown: the measurements do not show it.
            Check: [IODA](https://ioda.inetintel.cc.gatech.edu/country/KP?from=1749231240&until=1749241800) · [RIPEstat](https://stat.ripe.net/KP) · [Radar](https://radar.cloudflare.com/kp)
            Data: IODA, Georgia Tech · RIPE NCC (RIS, RIPEstat)
            Incident 1 · /outage id: 1
            As of 20:30 UTC.
    ");
    let shown = world.telegram().sees(cast.dan.id);
    assert!(
        shown.contains("While I could not write here: 🟢 North Korea was down 1 h 26 min"),
        "{shown}"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_was_owed_before_a_chat_shut_the_bot_out_is_summed_up_once() {
    let (mut world, cast) = told_on_both().await;
    goes_and_returns(&world);
    world.until("2025-06-06 18:30").await;
    // The return waits for Telegram to answer again; before it does, Dan blocks the bot.
    world.telegram().fault(telegram::Fault::Status(502), 100_000);
    world.until("2025-06-06 20:00").await;
    world.telegram().blocks(&cast.dan);
    world.telegram().quiet().await;
    world.telegram().heal();
    world.until("2025-06-06 20:30").await;
    world.telegram().sees(cast.dan.id);
    for (opened, heard) in [("2025-06-06 20:40", 1), ("2025-06-06 21:10", 0)] {
        world.telegram().unblocks(&cast.dan);
        world.telegram().quiet().await;
        world.until(opened).await;
        let shown = world.telegram().sees(cast.dan.id);
        let told = shown
            .matches("While I could not write here: 🟢 North Korea was down 1 h 26 min")
            .count();
        assert_eq!(told, heard, "{shown}");
        world.telegram().blocks(&cast.dan);
        world.telegram().quiet().await;
    }
    world.stop().await;
}

/// Telegram keeps for a day what happened in a chat.
#[tokio::test]
async fn a_chat_that_let_the_bot_in_while_nobody_was_there_to_hear_it_is_told_again() {
    let (mut world, cast) = told_on_both().await;
    let crew = world.telegram().supergroup("Crew");
    world.telegram().admin(crew, &cast.dan);
    world.telegram().says(&cast.dan, crew, "/subscribe KP").await;
    world.telegram().blocks(&cast.dan);
    world.telegram().kicks(crew);
    world.telegram().quiet().await;
    goes_and_returns(&world);
    world.until("2025-06-06 17:50").await;
    world.stop().await;
    world.telegram().unblocks(&cast.dan);
    world.telegram().invites_back(crew);
    world.telegram().forgets();
    let chats = [crew, cast.dan.id];
    let mut before = Vec::new();
    for chat in chats {
        before.push(world.telegram().until_messages(chat, 0).await.len());
    }
    world.start_again().await;
    world.until("2025-06-06 18:20").await;
    for (chat, before) in chats.into_iter().zip(before) {
        let told = world.telegram().until_messages(chat, before + 1).await;
        assert!(told[before].text.contains("🔴 North Korea is down"), "{:?}", told[before]);
    }
    world.stop().await;
}

#[tokio::test]
async fn chats_that_let_the_bot_in_while_nothing_can_be_stored_are_heard_all_the_same() {
    let (mut world, cast) = told_on_both().await;
    world.discord().may_not(cast.ops, "Send Messages");
    world.telegram().blocks(&cast.dan);
    world.telegram().quiet().await;
    goes_and_returns(&world);
    world.until("2025-06-06 18:00").await;
    let database = rusqlite::Connection::open(world.database()).unwrap();
    let refuses = "CREATE TRIGGER no_room BEFORE UPDATE ON chat BEGIN SELECT RAISE(ABORT, 'there is no room'); END";
    database.execute_batch(refuses).unwrap();
    world.discord().may_again(cast.ops, "Send Messages");
    world.telegram().unblocks(&cast.dan);
    world.discord().gateway().caught_up().await;
    world.until("2025-06-06 18:20").await;
    assert_eq!(world.discord().sees(cast.ops), "");
    database.execute_batch("DROP TRIGGER no_room").unwrap();
    world.until("2025-06-06 18:30").await;
    world.telegram().quiet().await;
    world.until("2025-06-06 18:40").await;
    for shown in [world.discord().sees(cast.ops), world.telegram().sees(cast.dan.id)] {
        assert!(first_lines(&shown).contains("🔴 North Korea is down"), "{shown}");
    }
    world.stop().await;
}

#[tokio::test]
async fn what_a_chat_was_to_hear_of_an_absence_waits_until_it_lets_the_bot_in() {
    let (mut world, cast) = told_on_both().await;
    world.stop().await;
    world.north_korea_vanishes("2025-06-06 18:00", "2025-06-06 19:00");
    world.advance_to("2025-06-06 21:00").await;
    // Nobody is there to hear that the channel shuts the bot out: it is found out when it is told.
    world.discord().may_not(cast.ops, "Send Messages");
    world.start_again().await;
    world.until("2025-06-06 21:30").await;
    assert_eq!(world.discord().sees(cast.ops), "");
    world.discord().may_again(cast.ops, "Send Messages");
    world.discord().gateway().caught_up().await;
    world.until("2025-06-06 21:40").await;
    let shown = world.discord().sees(cast.ops);
    assert!(
        shown.contains("While I could not write here: 🟢 North Korea was down 1 h 1 min"),
        "{shown}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_chat_that_is_found_shut_at_the_start_hears_of_an_absence_when_it_lets_the_bot_in() {
    let (mut world, cast) = told_on_both().await;
    world.stop().await;
    world.north_korea_vanishes("2025-06-06 18:00", "2025-06-06 19:00");
    // The bot hears of it at its start, before it has read what came and went meanwhile.
    world.telegram().blocks(&cast.dan);
    world.discord().kicks(cast.guild);
    world.advance_to("2025-06-06 21:00").await;
    world.start_again().await;
    world.until("2025-06-06 21:30").await;
    assert_eq!(world.discord().sees(cast.ops) + &world.telegram().sees(cast.dan.id), "");
    world.discord().invites_back(cast.guild);
    world.discord().gateway().caught_up().await;
    world.telegram().unblocks(&cast.dan);
    world.telegram().quiet().await;
    world.until("2025-06-06 21:40").await;
    for shown in [world.discord().sees(cast.ops), world.telegram().sees(cast.dan.id)] {
        assert_eq!(
            shown
                .matches("While I could not write here: 🟢 North Korea was down 1 h 1 min")
                .count(),
            1,
            "{shown}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn a_card_in_a_chat_that_shut_the_bot_out_is_right_again_when_it_lets_it_in() {
    let (mut world, cast) = told_on_both().await;
    goes_and_returns(&world);
    world.until("2025-06-06 17:50").await;
    world.discord().may_not(cast.ops, "View Channel");
    // An edit finds that out: nothing is sent there meanwhile.
    world.until("2025-06-06 18:30").await;
    world.discord().may_again(cast.ops, "View Channel");
    world.discord().gateway().caught_up().await;
    world.until("2025-06-06 20:00").await;
    let card = world.discord().bot_messages(cast.ops)[0].text();
    assert!(card.starts_with("🟢 North Korea is back"), "{card}");
    world.stop().await;
}

#[tokio::test]
async fn a_revoked_token_ends_one_platform_alone() {
    let (mut world, cast) = told_on_both().await;
    world.discord().revokes_token();
    goes_and_returns(&world);
    world.until("2025-06-06 18:00").await;
    let shown = first_lines(&world.telegram().sees(cast.dan.id));
    assert!(shown.contains("🔴 North Korea is down"), "{shown}");
    world.types("/sources").await;
    let said = world.sees();
    assert!(
        said.contains("discord") && said.contains("the token is refused: it is wrong or was reset"),
        "{said}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_second_bot_on_the_same_token_is_said() {
    let (mut world, cast) = told_on_both().await;
    world.telegram().second_instance(true);
    world.telegram().puts(&cast.dan, cast.dan.id, "/about");
    let mut said = String::new();
    for _ in 0..200 {
        world.types("/sources").await;
        said = world.sees();
        if said.contains("another program uses the same token") {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(said.contains("another program uses the same token: stop one of the two"), "{said}");
    world.stop().await;
}

#[tokio::test]
async fn a_gateway_that_drops_misses_no_command() {
    let (mut world, cast) = told_on_both().await;
    world.discord().gateway().drops();
    let answer = world.discord().slash(&cast.ann, cast.ops, "about", json!({})).await;
    assert!(answer.text.starts_with("Linkdown"), "{}", answer.text);
    world.discord().gateway().asks_reconnect();
    let answer = world.discord().slash(&cast.ann, cast.ops, "about", json!({})).await;
    assert!(answer.text.starts_with("Linkdown"), "{}", answer.text);
    assert!(world.discord().gateway().resumes() >= 1);
    world.stop().await;
}

#[tokio::test]
async fn a_chat_that_hangs_delays_no_other() {
    let (mut world, cast) = told_on_both().await;
    let second = world.discord().channel(cast.guild, "second");
    world.discord().slash(&cast.ann, second, "subscribe", json!({ "what": "KP" })).await;
    world.discord().fault_in(cast.ops, discord::Fault::Hang);
    goes_and_returns(&world);
    world.until("2025-06-06 17:50").await;
    assert!(first_lines(&world.discord().sees(second)).contains("🔴 North Korea is down"));
    assert_eq!(world.discord().sees(cast.ops), "");
    world.discord().heal();
    world.until("2025-06-06 18:30").await;
    assert!(first_lines(&world.discord().sees(cast.ops)).contains("North Korea is down"));
    world.stop().await;
}

#[tokio::test]
async fn a_chat_that_is_forgotten_while_it_is_told_stops_nobody_else() {
    let (mut world, cast) = told_on_both().await;
    let second = world.discord().channel(cast.guild, "second");
    world.discord().slash(&cast.ann, second, "subscribe", json!({ "what": "KP" })).await;
    goes_and_returns(&world);
    world.until("2025-06-06 17:50").await;
    // Its card is being edited when it is forgotten.
    world.discord().fault_in(cast.ops, discord::Fault::Hang);
    let (clock, until) = (world.clock.clone(), crate::harness::at("2025-06-06 17:58"));
    let moving = tokio::spawn(async move { clock.advance_to(until).await });
    world
        .discord()
        .until("an edit that hangs", |d| {
            d.calls().iter().any(|c| c.method == "PATCH" && c.status == 0)
        })
        .await;
    world.discord().slash(&cast.ann, cast.ops, "forget", json!({ "sure": true })).await;
    world.discord().heal();
    moving.await.unwrap();
    world.until("2025-06-06 20:30").await;
    let shown = first_lines(&world.discord().sees(second));
    assert!(shown.contains("🟢 North Korea is back"), "{shown}");
    assert!(!first_lines(&world.discord().sees(cast.ops)).contains("is back"));
    world.stop().await;
}

#[tokio::test]
async fn what_a_channel_missed_is_told_when_somebody_says_test() {
    let (mut world, cast) = told_on_both().await;
    world.discord().may_not(cast.ops, "Send Messages");
    goes_and_returns(&world);
    world.until("2025-06-06 18:00").await;
    world.discord().may_again(cast.ops, "Send Messages");
    // Two messages to one platform are some milliseconds apart: time goes on while the second one is asked for.
    let test = world.discord().slash(&cast.ann, cast.ops, "test", json!({}));
    tokio::join!(test, async {
        world.discord().until("the first message", |d| !d.bot_messages(cast.ops).is_empty()).await;
        world.clock.advance_to(world.clock.now() + 1).await;
    });
    world.until("2025-06-06 18:05").await;
    let shown = first_lines(&world.discord().sees(cast.ops));
    let told = shown
        .lines()
        .filter(|line| line.contains("🔴 North Korea is down") && !line.contains("(edited)"));
    assert_eq!(told.count(), 1, "{shown}");
    assert!(shown.contains("[test]"), "{shown}");
    world.stop().await;
}

#[tokio::test]
async fn an_outage_that_is_over_is_shown_in_full_on_discord() {
    let (mut world, cast) = told_on_both().await;
    goes_and_returns(&world);
    world.until("2025-06-06 20:30").await;
    let answer = world.discord().slash(&cast.ann, cast.ops, "outage", json!({ "id": 1 })).await;
    assert!(
        answer.text.contains("is down · since") && answer.text.contains("🟢 North Korea is back"),
        "{}",
        answer.text
    );
    world.stop().await;
}
