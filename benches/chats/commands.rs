//! How soon commands are answered while a start is told to thousands and a thousand entities are judged.

use crate::doubles::{DiscordDouble, TelegramDouble};
use crate::harness::stage;
use linkdown::clock::Clock;
use linkdown::domain::Entity;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const ENTITIES: usize = 1_000;
const CHATS: usize = 4_000;
const COMMANDS: usize = 150;
/// Ticks follow each other so fast; on any real day they are minutes apart.
const EVERY: Duration = Duration::from_secs(2);

pub async fn run() {
    println!(
        "\ncommands during a fan-out to {CHATS} chats and a tick of {ENTITIES} entities every {} s",
        EVERY.as_secs()
    );
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("commands.db");
    let (discord, telegram) =
        (DiscordDouble::start(Clock::system()).await, TelegramDouble::start(Clock::system()).await);
    stage::subscribe(&database, &discord, &telegram, CHATS, stage::Kind::Groups).await;
    let (guild, person) = (discord.guild("Asking"), telegram.person("Dan"));
    let channel = discord.channel(guild, "questions");
    let ann = discord.member(guild, "Ann", "Manage Server");
    let entities: Vec<Entity> =
        (1..=ENTITIES).map(|n| format!("asn/{n}").parse().unwrap()).collect();
    let bot =
        stage::start(&database, &stage::config(&entities), &discord.url(), &telegram.url()).await;
    discord.ready().await;
    stage::take(&bot, stage::calm(&entities, 2, 1800)).await;

    // Three of them go down, one after the other: there is something to tell all the time.
    let (stop, ticks, longest) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicU64::new(0));
    let stop = Arc::new(stop);
    let watching = async {
        let mut number = 1;
        while !stop.load(Ordering::SeqCst) {
            let begun = Instant::now();
            let down = |i: usize| i < 3 && number > (i as i64) * 6;
            stage::take(&bot, vec![stage::tick(&entities, number, &down)]).await;
            let took = begun.elapsed();
            longest.fetch_max(took.as_millis() as u64, Ordering::SeqCst);
            ticks.fetch_add(1, Ordering::SeqCst);
            number += 1;
            tokio::time::sleep(EVERY.saturating_sub(took)).await;
        }
    };
    let asking = async {
        // The fan-out is under way.
        tokio::time::sleep(Duration::from_secs(8)).await;
        let (mut on_discord, mut on_telegram) = (Vec::new(), Vec::new());
        for n in 0..COMMANDS {
            let (word, options, line) = match n % 4 {
                0 => ("status", json!({ "what": "AS1" }), "/status AS1"),
                1 => ("subscriptions", json!({}), "/subscriptions"),
                2 => ("history", json!({}), "/history"),
                _ => ("sources", json!({}), "/sources"),
            };
            let begun = Instant::now();
            let answer = discord.slash(&ann, channel, word, options).await;
            on_discord.push(begun.elapsed().as_secs_f64() * 1e3);
            assert!(!answer.text.is_empty());
            let begun = Instant::now();
            telegram.says(&person, person.id, line).await;
            on_telegram.push(begun.elapsed().as_secs_f64() * 1e3);
            // A person asks no faster than Telegram takes answers.
            tokio::time::sleep(Duration::from_millis(1_100).saturating_sub(begun.elapsed())).await;
        }
        stop.store(true, Ordering::SeqCst);
        (on_discord, on_telegram)
    };
    let ((), (on_discord, on_telegram)) = tokio::join!(watching, asking);
    let told =
        discord.calls().iter().filter(|c| c.path.ends_with("/messages") && c.status == 200).count()
            + telegram.calls_of("sendMessage").iter().filter(|c| c.status == 200).count();
    println!(
        "  {told} messages sent meanwhile, {} ticks, the longest {} ms",
        ticks.load(Ordering::SeqCst),
        longest.load(Ordering::SeqCst)
    );
    show("Discord", on_discord);
    show("Telegram", on_telegram);
    bot.stop().await.unwrap();
}

fn show(platform: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
    println!(
        "  {platform:<9} {} commands: p50 {:>5.0} ms, p99 {:>5.0} ms (300 owed), longest {:>5.0} ms",
        took.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
