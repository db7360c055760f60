//! A start with ten late alerts owed to each of many chats: how soon the first message goes, how long all of them take,
//! and how long the fresh start of an outage takes to a chat that has nothing to do with the backlog.

use crate::doubles::{DiscordDouble, TelegramDouble};
use crate::harness::stage;
use linkdown::app::Running;
use linkdown::clock::Clock;
use linkdown::domain::time::MINUTE;
use linkdown::domain::{
    Entity, NewDelivery, Options, Scope, Subscription, Timestamp, TransitionKind,
};
use linkdown::store::{Access, IncidentId, NewNotice, Store};
use std::path::Path;
use std::time::{Duration, Instant};

const ALERTS: usize = 10;
/// Fresh outages while the backlog goes out, each of interest to one chat of each platform alone.
const FRESH: usize = 10;
/// What the platforms allow, in messages a second.
const DISCORD: f64 = 50.0;
const TELEGRAM: f64 = 30.0;
/// Promised: the first message, and a fresh start, within this time.
const SOON: f64 = 1.0;
/// Promised: no more than this times what the platforms' limits allow.
const SLOWER: f64 = 1.15;
/// What a start takes that has nothing to send: the limits say nothing about it.
const START: f64 = 1.0;

/// Runs the benchmark for so many chats, half of them on each platform. Returns whether every promise was kept.
pub async fn run(chats: usize) -> bool {
    println!("\na start with {ALERTS} late alerts owed to each of {chats} chats");
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backlog.db");
    let (discord, telegram) =
        (DiscordDouble::start(Clock::system()).await, TelegramDouble::start(Clock::system()).await);
    // Most stay up: what falls for everybody at once is the source's fault, not an outage.
    let entities: Vec<Entity> =
        (1..=20 * (ALERTS + FRESH)).map(|n| format!("asn/{n}").parse().unwrap()).collect();
    let config = stage::config(&entities);
    let mut day = Day { entities, number: 1 };

    // The outages that everybody is to be told about.
    let bot = stage::start(&database, &config, &discord.url(), &telegram.url()).await;
    stage::take(&bot, stage::calm(&day.entities, 3, stage::STEP)).await;
    for down in 1..=ALERTS {
        day.goes_on_until_down(&bot, down).await;
    }
    bot.stop().await.unwrap();

    let guild = discord.guild("Bench");
    let channels: Vec<u64> =
        (0..chats / 2).map(|n| discord.channel(guild, &format!("c{n}"))).collect();
    let groups: Vec<i64> = (0..chats / 2).map(|n| telegram.supergroup(&format!("g{n}"))).collect();
    let uninvolved: Vec<(u64, i64)> = (0..FRESH)
        .map(|n| (discord.channel(guild, &format!("u{n}")), telegram.supergroup(&format!("u{n}"))))
        .collect();
    owe(&database, &channels, &groups, &uninvolved, &day.entities[ALERTS..]).await;

    let (clock, began) = (Clock::system(), Instant::now());
    let began_ms = clock.millis();
    let bot = stage::start(&database, &config, &discord.url(), &telegram.url()).await;
    let allowed = chats as f64 / 2.0 / TELEGRAM;
    let longest = Duration::from_secs_f64(60.0 + 2.0 * allowed);
    // One outage after the other begins while the backlog goes out.
    let mut fresh = Vec::new();
    for (n, (channel, group)) in uninvolved.iter().enumerate() {
        tokio::time::sleep(Duration::from_secs_f64(allowed / 12.0)).await;
        day.goes_on_until_down(&bot, ALERTS + n + 1).await;
        let decided = clock.millis();
        let is_there =
            || !discord.messages(*channel).is_empty() && !telegram.messages(*group).is_empty();
        stage::until("the fresh start", longest, is_there).await;
        let last =
            discord.messages(*channel)[0].at_millis.max(telegram.messages(*group)[0].at_millis);
        fresh.push((last - decided) as f64 / 1e3);
    }
    // Looking costs as much as sending: it is done rarely, and the doubles know when each message came.
    let are_told = || {
        channels.iter().all(|id| !discord.messages(*id).is_empty())
            && groups.iter().all(|id| !telegram.messages(*id).is_empty())
    };
    while !are_told() {
        assert!(began.elapsed() < longest, "not done");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bot.stop().await.unwrap();
    let on_discord: Vec<i64> =
        channels.iter().map(|id| discord.messages(*id)[0].at_millis - began_ms).collect();
    let on_telegram: Vec<i64> =
        groups.iter().map(|id| telegram.messages(*id)[0].at_millis - began_ms).collect();
    let mut kept = true;
    for (platform, came, rate) in
        [("Discord", on_discord, DISCORD), ("Telegram", on_telegram, TELEGRAM)]
    {
        let seconds = |millis: Option<&i64>| *millis.unwrap() as f64 / 1e3;
        let (first, all) = (seconds(came.iter().min()), seconds(came.iter().max()));
        // The fresh outages go on the same wire.
        let allowed = (chats / 2 + FRESH) as f64 / rate;
        println!("  {platform:<9} first message after {first:>5.2} s (promised {SOON})");
        println!(
            "  {platform:<9} all of them after {all:>7.1} s, where its limits allow {allowed:>6.1} s (promised {SLOWER} times)"
        );
        kept &= first <= SOON && all <= START + allowed * SLOWER;
    }
    let longest = fresh.iter().copied().fold(0.0, f64::max);
    println!(
        "  a fresh start for an uninvolved chat: {FRESH} times, the longest {longest:>5.2} s on both (promised {SOON})"
    );
    println!(
        "  calls while told to wait: {} on Discord, {} on Telegram",
        discord.disobedience(),
        telegram.disobedience()
    );
    let most = channels.iter().map(|id| discord.messages(*id).len()).max().unwrap_or_default();
    println!("  messages to one chat: {most} at most (one sum each)");
    kept && longest <= SOON && discord.disobedience() + telegram.disobedience() == 0 && most == 1
}

/// The watched entities, and how far their day has come.
struct Day {
    entities: Vec<Entity>,
    number: i64,
}

impl Day {
    /// Goes on, tick by tick, until the outages of the first `down` entities are decided.
    async fn goes_on_until_down(&mut self, bot: &Running, down: usize) {
        loop {
            let tick = stage::tick(&self.entities, self.number, &|i| i < down);
            self.number += 1;
            let told = stage::take(bot, vec![tick]).await;
            let wanted = &self.entities[down - 1];
            let is_it = |kind, entity: &Entity| kind == TransitionKind::Started && entity == wanted;
            if told.iter().any(|transition| is_it(transition.kind, &transition.incident.entity)) {
                return;
            }
            assert!(self.number < 500, "the outage of {wanted} is never decided");
        }
    }
}

/// Owes the first incidents to each chat since a quarter of an hour ago, and subscribes each uninvolved pair of chats to
/// an entity of its own.
async fn owe(
    database: &Path,
    channels: &[u64],
    groups: &[i64],
    uninvolved: &[(u64, i64)],
    entities: &[Entity],
) {
    let addresses: Vec<(&'static str, String)> = channels
        .iter()
        .map(|id| ("discord", id.to_string()))
        .chain(groups.iter().map(|id| ("telegram", id.to_string())))
        .collect();
    let wishes: Vec<(&'static str, String, Entity)> = uninvolved
        .iter()
        .zip(entities)
        .flat_map(|((channel, group), entity)| {
            [
                ("discord", channel.to_string(), entity.clone()),
                ("telegram", group.to_string(), entity.clone()),
            ]
        })
        .collect();
    let late = Clock::system().now() - 15 * MINUTE;
    let store = Store::open(database, Access::Own).unwrap();
    let write = store.write(move |tx| {
        let mut owings = Vec::new();
        for (platform, address) in &addresses {
            owings.push(NewDelivery::now(tx.chats().ensure(platform, address)?.id, true));
        }
        for incident in 1..=ALERTS as i64 {
            tx.deliveries().owe(&NewNotice::alert(IncidentId(incident), 1), &owings, late, 0)?;
        }
        for (platform, address, entity) in wishes {
            let chat = tx.chats().ensure(platform, &address)?;
            let (scope, since) = (Scope::One(entity), Timestamp::from_unix(0));
            tx.subscriptions().subscribe(&Subscription {
                chat,
                scope,
                since,
                options: Options::default(),
            })?;
        }
        Ok(())
    });
    write.await.unwrap();
}
