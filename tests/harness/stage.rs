//! A bot without sources that takes made-up observations, and chats by the thousand.

use crate::doubles::{DiscordDouble, TelegramDouble};
use linkdown::app::{Parts, Running, RuntimeOptions};
use linkdown::chat::console::Console;
use linkdown::config::{Addresses, Config, Secrets};
use linkdown::domain::{
    Arrival, Batch, Entity, Observation, Options, Scope, Series, Subscription, Timestamp,
    Transition, time::DAY,
};
use linkdown::store::{Access, Store};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The length of a bin of the made-up observations, in seconds.
pub const STEP: i64 = 300;
/// The time at which the live part of the made-up world begins.
pub const BEGIN: &str = "2025-06-06";
/// Entities that are always calm: a fault of the source itself would show in them.
const CONTROLS: [&str; 3] = ["country/US", "country/DE", "country/JP"];

pub fn config(entities: &[Entity]) -> String {
    let names: Vec<String> = entities.iter().map(|entity| format!("\"{entity}\"")).collect();
    format!(
        "[watch]\nentities = [{}]\n[sources.ioda]\nenabled = false\n[sources.ripestat]\nenabled = false\n\
         [sources.radar]\nenabled = false\n[web]\nenabled = false\n",
        names.join(", ")
    )
}

/// Starts a bot on the system's clock, with both platforms.
pub async fn start(database: &Path, config: &str, discord: &str, telegram: &str) -> Running {
    let parts = Parts {
        config: Config::parse(config, "bench.toml").unwrap(),
        secrets: Secrets {
            discord_token: Some(crate::doubles::discord::TOKEN.to_owned().into()),
            telegram_token: Some(crate::doubles::telegram::TOKEN.to_owned().into()),
            ..Secrets::default()
        },
        addresses: Addresses {
            discord_api: Some(discord.parse().unwrap()),
            telegram_api: Some(telegram.parse().unwrap()),
            ..Addresses::default()
        },
        store: Store::open(database, Access::Own).unwrap(),
        console: Console::new(std::io::sink()),
        runtime_options: RuntimeOptions::default(),
    };
    Running::start(parts).await.unwrap()
}

/// Returns two signals of each entity in the bin that ends at `at`; `down` decides which entities
/// are down.
fn observations(
    entities: &[Entity],
    at: Timestamp,
    down: &dyn Fn(usize) -> bool,
) -> Vec<Observation> {
    let controls = CONTROLS.iter().map(|name| (name.parse().unwrap(), false));
    let watched = entities.iter().enumerate().map(|(i, entity)| (entity.clone(), down(i)));
    let mut all = Vec::new();
    for (entity, is_down) in watched.chain(controls) {
        for signal in ["bgp", "ping-slash24"] {
            let series = Series {
                entity: entity.clone(),
                source: "ioda".to_owned(),
                signal: signal.to_owned(),
            };
            let value = Some(if is_down { 0.0 } else { 40.0 });
            all.push(Observation { series: Arc::new(series), observed_at: at - STEP, value });
        }
    }
    all
}

/// Returns the batches of the calm days before the begin.
pub fn calm(entities: &[Entity], days: i64, every: i64) -> Vec<Batch> {
    let begin = Timestamp::parse(BEGIN).unwrap();
    let mut batches = Vec::new();
    let mut at = begin - days * DAY;
    while at < begin {
        at = at + every;
        let observations = observations(entities, at, &|_| false);
        batches.push(Batch {
            received_at: at,
            arrival: Arrival::Backfilled,
            observations,
            facts: Vec::new(),
        });
    }
    batches
}

/// Returns the n-th tick of the live world.
pub fn tick(entities: &[Entity], number: i64, down: &dyn Fn(usize) -> bool) -> Batch {
    let at = Timestamp::parse(BEGIN).unwrap() + number * STEP;
    Batch { observations: observations(entities, at, down), ..Batch::live(at) }
}

pub async fn take(bot: &Running, batches: Vec<Batch>) -> Vec<Transition> {
    bot.pipeline.lock().await.take(batches, Box::new(|_| Ok(()))).await.unwrap()
}

/// The chats, half of them on each platform.
pub struct Chats {
    pub discord: Vec<u64>,
    pub telegram: Vec<i64>,
}

/// The kind of the chats on Telegram.
#[allow(dead_code)] // Each user of the stage needs only one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Groups,
    /// People get messages faster than groups, once they have written to the bot.
    People,
}

/// Creates the chats, each subscribed to everything that is watched.
pub async fn subscribe(
    database: &Path,
    discord: &DiscordDouble,
    telegram: &TelegramDouble,
    count: usize,
    kind: Kind,
) -> Chats {
    let guild = discord.guild("Bench");
    let one = |n: usize| match kind {
        Kind::Groups => telegram.supergroup(&format!("g{n}")),
        Kind::People => {
            let person = telegram.person(&format!("p{n}"));
            telegram.puts(&person, person.id, "/start");
            person.id
        }
    };
    let chats = Chats {
        discord: (0..count / 2).map(|n| discord.channel(guild, &format!("c{n}"))).collect(),
        telegram: (0..count / 2).map(one).collect(),
    };
    let addresses: Vec<(&'static str, String)> = chats
        .discord
        .iter()
        .map(|id| ("discord", id.to_string()))
        .chain(chats.telegram.iter().map(|id| ("telegram", id.to_string())))
        .collect();
    let store = Store::open(database, Access::Own).unwrap();
    store
        .write(move |tx| {
            for (platform, address) in &addresses {
                let chat = tx.chats().ensure(platform, address)?;
                let since = Timestamp::from_unix(0);
                let (scope, options) = (Scope::All, Options::default());
                tx.subscriptions().subscribe(&Subscription { chat, scope, since, options })?;
            }
            Ok(())
        })
        .await
        .unwrap();
    chats
}

/// Waits until `is_so` returns `true`, and panics after `longest`.
pub async fn until(what: &str, longest: Duration, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < longest, "in vain for {longest:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A process that does not outlive a test or bench that fails.
#[derive(Debug)]
pub struct Life(pub Child);

impl Drop for Life {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the real binary in a folder that holds `bench.toml`, with both platforms.
#[allow(dead_code)] // Only benches use it.
pub fn binary(folder: &Path, discord: &DiscordDouble, telegram: &TelegramDouble) -> Life {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkdown"));
    command
        .args(["run", "--config", "bench.toml", "--database", "linkdown.db"])
        .current_dir(folder);
    command
        .env("LINKDOWN_DISCORD_TOKEN", discord.token())
        .env("LINKDOWN_DISCORD_API_URL", discord.url());
    command
        .env("LINKDOWN_TELEGRAM_TOKEN", telegram.token())
        .env("LINKDOWN_TELEGRAM_API_URL", telegram.url());
    Life(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}
