//! One start told to 10,000 chats, half on each platform, with faults mixed in; one chat of each platform hangs for good.

use crate::doubles::{DiscordDouble, TelegramDouble, discord, telegram};
use crate::harness::stage::{self, Kind, STEP};
use linkdown::clock::Clock;
use linkdown::domain::{Entity, TransitionKind};
use std::time::{Duration, Instant};

const CHATS: usize = 10_000;
const FAULTS: f64 = 0.05;
/// What the platforms allow, in messages a second.
const DISCORD: f64 = 50.0;
const TELEGRAM: f64 = 30.0;
/// Owed: no more than this times what they allow.
const OWED: f64 = 1.15;

pub async fn run() {
    println!("\nfan-out of one start to {CHATS} chats, {} % of the calls failing", FAULTS * 100.0);
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("fanout.db");
    let (discord, telegram) =
        (DiscordDouble::start(Clock::system()).await, TelegramDouble::start(Clock::system()).await);
    let chats = stage::subscribe(&database, &discord, &telegram, CHATS, Kind::Groups).await;
    let entities: Vec<Entity> = vec!["country/KP".parse().unwrap()];
    let bot =
        stage::start(&database, &stage::config(&entities), &discord.url(), &telegram.url()).await;
    discord.ready().await;
    stage::take(&bot, stage::calm(&entities, 3, STEP)).await;

    discord.fault_share(FAULTS, 1);
    telegram.fault_share(FAULTS, 2);
    let (hangs_there, hangs_here) = (chats.discord[100], chats.telegram[100]);
    discord.fault_in(hangs_there, discord::Fault::Hang);
    telegram.fault_in(hangs_here, telegram::Fault::Hang);
    let mut number = 1;
    let began = loop {
        let begun = Instant::now();
        let told = stage::take(&bot, vec![stage::tick(&entities, number, &|_| true)]).await;
        if told.iter().any(|transition| transition.kind == TransitionKind::Started) {
            println!(
                "  written for all chats in one transaction    {:>8.0} ms",
                begun.elapsed().as_secs_f64() * 1e3
            );
            break begun;
        }
        number += 1;
    };
    let began_ms = Clock::system().millis() - began.elapsed().as_millis() as i64;
    let has_discord = |id: &u64| discord.messages(*id).len();
    let has_telegram = |id: &i64| telegram.messages(*id).len();
    let discord_done =
        || chats.discord.iter().filter(|id| **id != hangs_there).all(|id| has_discord(id) > 0);
    let telegram_done =
        || chats.telegram.iter().filter(|id| **id != hangs_here).all(|id| has_telegram(id) > 0);
    let longest = Duration::from_secs(400);
    let (mut first, mut second) = (None, None);
    while first.is_none() || second.is_none() {
        assert!(began.elapsed() < longest, "not done");
        tokio::time::sleep(Duration::from_millis(250)).await;
        first = first.or_else(|| discord_done().then(|| began.elapsed().as_secs_f64()));
        second = second.or_else(|| telegram_done().then(|| began.elapsed().as_secs_f64()));
    }
    let half = CHATS as f64 / 2.0;
    show("Discord", first.unwrap(), half / DISCORD);
    show("Telegram", second.unwrap(), half / TELEGRAM);
    let sent = |calls: Vec<(i64, u16)>| {
        calls.into_iter().filter(|(_, status)| *status == 200).map(|(at, _)| at).collect()
    };
    let on_discord: Vec<i64> = sent(
        discord
            .calls()
            .iter()
            .filter(|c| c.path.ends_with("/messages"))
            .map(|c| (c.at_millis, c.status))
            .collect(),
    );
    let on_telegram: Vec<i64> =
        sent(telegram.calls_of("sendMessage").iter().map(|c| (c.at_millis, c.status)).collect());
    println!(
        "  longest pause between two arrivals (1000 owed) {:>6} ms on Discord, {} ms on Telegram, while one chat hangs",
        longest_pause(began_ms, &on_discord, chats.discord.len() * 9 / 10),
        longest_pause(began_ms, &on_telegram, chats.telegram.len() * 9 / 10),
    );
    discord.heal();
    telegram.heal();
    stage::until("the chats that hung", Duration::from_mins(8), || {
        has_discord(&hangs_there) > 0 && has_telegram(&hangs_here) > 0
    })
    .await;
    let counts =
        chats.discord.iter().map(has_discord).chain(chats.telegram.iter().map(has_telegram));
    let (mut lost, mut doubled) = (0, 0);
    for count in counts {
        lost += usize::from(count == 0);
        doubled += count.saturating_sub(1);
    }
    println!("  lost {lost}, told twice {doubled} (0 and 0 owed)");
    println!(
        "  calls made while asked to wait: {} on Discord, {} on Telegram",
        discord.disobedience(),
        telegram.disobedience()
    );
    println!("  answered with 429, the faults among them: {} on Discord", discord.refused());
    bot.stop().await.unwrap();
}

fn show(platform: &str, took: f64, allowed: f64) {
    println!(
        "  {platform:<9} {took:>7.1} s, where its limits allow {allowed:>6.1} s: {:.3} times (owed {OWED})",
        took / allowed
    );
}

/// Among the first `count` arrivals: the last ones wait for retries by themselves.
fn longest_pause(began: i64, arrivals: &[i64], count: usize) -> i64 {
    let mut arrivals: Vec<i64> = arrivals.iter().copied().filter(|at| *at >= began).collect();
    arrivals.sort_unstable();
    arrivals.truncate(count);
    arrivals.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}
