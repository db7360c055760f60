//! How soon the real binary is connected to both platforms, and how much memory it takes then.

use crate::doubles::{DiscordDouble, TelegramDouble};
use crate::harness::stage;
use linkdown::clock::Clock;
use linkdown::domain::{Options, Scope, Subscription, Timestamp};
use linkdown::store::{Access, Store};
use std::process::Child;
use std::time::{Duration, Instant};

const STARTS: usize = 5;
const SUBSCRIPTIONS: u32 = 100;

pub async fn run() {
    println!(
        "\n{STARTS} starts with both platforms, {SUBSCRIPTIONS} subscriptions and an empty history"
    );
    let (mut connected, mut resident, mut peak) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let folder = tempfile::tempdir().unwrap();
        let (discord, telegram) = (
            DiscordDouble::start(Clock::system()).await,
            TelegramDouble::start(Clock::system()).await,
        );
        let guild = discord.guild("Bench");
        let channel = discord.channel(guild, "ops");
        let database = folder.path().join("linkdown.db");
        let store = Store::open(&database, Access::Own).unwrap();
        store
            .write(move |tx| {
                let chat = tx.chats().ensure("discord", &channel.to_string())?;
                for n in 0..SUBSCRIPTIONS {
                    let scope = Scope::One(format!("asn/{}", 64_512 + n).parse().unwrap());
                    let (chat, since) = (chat.clone(), Timestamp::from_unix(0));
                    let options = Options::default();
                    tx.subscriptions().subscribe(&Subscription { chat, scope, since, options })?;
                }
                Ok(())
            })
            .await
            .unwrap();
        drop(store);
        std::fs::write(
            folder.path().join("bench.toml"),
            stage::config(&["country/KP".parse().unwrap()]),
        )
        .unwrap();
        let began = Instant::now();
        let mut bot = stage::binary(folder.path(), &discord, &telegram);
        // Connected: identified at Discord's gateway, and polling Telegram.
        let is_connected = || {
            discord.gateway().identifies().iter().any(|one| one.token_ok)
                && !telegram.calls_of("getMe").is_empty()
        };
        while !is_connected() {
            assert!(began.elapsed() < Duration::from_secs(30), "not connected");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        connected.push(began.elapsed().as_secs_f64() * 1e3);
        discord.ready().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        resident.push(memory(&mut bot.0, "VmRSS"));
        peak.push(memory(&mut bot.0, "VmHWM"));
    }
    show("from exec to both connected (500 owed)", "ms", connected);
    show("resident three seconds later (24 owed)", "MiB", resident);
    show("its peak (VmHWM)", "MiB", peak);
}

/// A line of /proc/PID/status, in MiB.
fn memory(bot: &mut Child, key: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bot.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

pub fn show(title: &str, unit: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let (least, middle, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    println!(
        "  {title:<42} {least:>9.1} {middle:>9.1} {most:>9.1}  {unit} (minimum, median, maximum)"
    );
}
