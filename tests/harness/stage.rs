//! A bot without sources, to which made-up observations are handed; and chats by the thousand.

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

/// The bins of the made-up observations.
pub const STEP: i64 = 300;
/// When the made-up world begins to be watched live.
pub const BEGIN: &str = "2025-06-06";
/// Calm all the time: what a source's own fault would be seen by.
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

/// Each entity's two signals in the bin that ends at `at`: `down` says which of them are gone.
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

/// The days before, in which all was calm.
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

/// The n-th tick of the live world.
pub fn tick(entities: &[Entity], number: i64, down: &dyn Fn(usize) -> bool) -> Batch {
    let at = Timestamp::parse(BEGIN).unwrap() + number * STEP;
    Batch { observations: observations(entities, at, down), ..Batch::live(at) }
}

pub async fn take(bot: &Running, batches: Vec<Batch>) -> Vec<Transition> {
    bot.pipeline.lock().await.take(batches, Box::new(|_| Ok(()))).await.unwrap()
}

/// Half of so many chats on each platform.
pub struct Chats {
    pub discord: Vec<u64>,
    pub telegram: Vec<i64>,
}

/// What the chats on Telegram are.
#[allow(dead_code)] // Each user of the stage wants one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Groups,
    /// Told faster than groups, once they have said something.
    People,
}

/// Makes the chats, each subscribed to all that is watched.
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

/// Waits, looking now and then.
pub async fn until(what: &str, longest: Duration, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < longest, "in vain for {longest:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A process that does not outlive a test or a bench which fails.
#[derive(Debug)]
pub struct Life(pub Child);

impl Drop for Life {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The real binary in a folder that holds `bench.toml`, with both platforms.
#[allow(dead_code)] // Benches alone.
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
