//! One world for all stories: the sources' doubles on real sockets, a bot on a moved clock, and a person at its console.

pub mod earlier;
pub mod kills;
pub mod log;
pub mod stage;

use crate::doubles::{
    DiscordDouble, IodaDouble, RadarDouble, RipestatDouble, TelegramDouble, gone_between,
};
use linkdown::app::{Parts, Running, RuntimeOptions};
use linkdown::chat::console::Console;
use linkdown::clock::Clock;
use linkdown::config::{Addresses, Config, Secrets};
use linkdown::domain::Timestamp;
use linkdown::failpoints::Failpoints;
use linkdown::store::{Access, Store};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// North Korea with its network, on two sources that never ask in the same minute: stories are the same every time.
pub const NORTH_KOREA: &str = r#"
[watch]
entities = ["country/KP", "asn/131279 in country/KP"]
[sources.ioda]
schedule = "*/5 * * * *"
jitter_seconds = 0
controls = ["country/US", "country/DE", "country/JP"]
[sources.ripestat]
schedule = "2-57/5 * * * *"
jitter_seconds = 0
controls = ["country/NL", "country/JP"]
"#;

/// IODA's entities and their /24s on a calm day.
const CALM: [(&str, f64); 5] = [
    ("country/KP", 4.0),
    ("asn/131279", 4.0),
    ("country/US", 6e6),
    ("country/DE", 5e5),
    ("country/JP", 7e5),
];

/// A bot in its world. Time stands still unless it is moved.
#[allow(missing_debug_implementations)]
pub struct World {
    pub clock: Clock,
    pub ioda: IodaDouble,
    pub ripestat: RipestatDouble,
    pub radar: RadarDouble,
    pub failpoints: Failpoints,
    discord: Option<DiscordDouble>,
    telegram: Option<TelegramDouble>,
    screen: Screen,
    console: Console,
    config: String,
    database: PathBuf,
    bot: Option<Running>,
    /// Removed with the world, where it is the world's own.
    #[allow(dead_code)]
    folder: Option<tempfile::TempDir>,
}

/// What the console shows.
#[derive(Clone, Debug, Default)]
pub struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The first line of each message.
pub fn titles(shown: &str) -> Vec<&str> {
    shown.split("\n\n").filter_map(|message| message.lines().next()).collect()
}

impl World {
    /// A world in which it is `now`, all is calm everywhere, and the bot has not been started yet.
    pub async fn new(now: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self::on(&folder.path().join("linkdown.db"), at(now), config).await;
        world.folder = Some(folder);
        world
    }

    /// The same with a database that outlives it.
    pub async fn on(database: &Path, now: Timestamp, config: &str) -> Self {
        let clock = Clock::simulated(now);
        let screen = Screen::default();
        let world = Self {
            ioda: IodaDouble::start(clock.clone()).await,
            ripestat: RipestatDouble::start(clock.clone()).await,
            radar: RadarDouble::start(clock.clone(), "a-token").await,
            failpoints: Failpoints::default(),
            discord: None,
            telegram: None,
            clock,
            console: Console::new(screen.clone()),
            screen,
            config: config.to_owned(),
            database: database.to_owned(),
            bot: None,
            folder: None,
        };
        world.is_calm();
        world
    }

    /// The same with a Discord and a Telegram to which the bot has the tokens.
    pub async fn with_chats(now: &str, config: &str) -> Self {
        let mut world = Self::new(now, config).await;
        world.has_chats().await;
        world
    }

    pub async fn has_chats(&mut self) {
        self.discord = Some(DiscordDouble::start(self.clock.clone()).await);
        self.telegram = Some(TelegramDouble::start(self.clock.clone()).await);
    }

    /// Another configuration from the next start on.
    pub fn configure(&mut self, config: &str) {
        config.clone_into(&mut self.config);
    }

    pub fn discord(&self) -> &DiscordDouble {
        self.discord.as_ref().unwrap()
    }

    pub fn telegram(&self) -> &TelegramDouble {
        self.telegram.as_ref().unwrap()
    }

    /// Every entity of the config is as on any other day.
    fn is_calm(&self) {
        for (datasource, seconds) in
            [("bgp", 900), ("ping-slash24", 1200), ("merit-nt", 600), ("gtr", 7200)]
        {
            self.ioda.delay(datasource, seconds);
        }
        for (entity, blocks) in CALM {
            for datasource in ["bgp", "ping-slash24"] {
                self.ioda.set(entity, datasource, move |_| Some(blocks));
            }
        }
        for (entity, prefixes) in
            [("country/KP", 4.0), ("country/NL", 9000.0), ("country/JP", 8000.0)]
        {
            self.ripestat.set(entity, "prefixes", move |_| Some(prefixes));
        }
        self.ripestat.announces(
            "asn/131279",
            &["175.45.176.0/24", "175.45.178.0/24"],
            &[4837, 20485],
        );
        self.ripestat.set("asn/131279", "visibility", |_| Some(349.0));
    }

    /// North Korea's routes, and all that they led to, are gone in between.
    pub fn north_korea_vanishes(&self, from: &str, until: &str) {
        let (from, until) = (at(from), at(until));
        for entity in ["country/KP", "asn/131279"] {
            self.ioda.outage(entity, 4.0, from, until);
        }
        self.ripestat.set("country/KP", "prefixes", gone_between(4.0, from, until));
        self.ripestat.set("asn/131279", "visibility", gone_between(349.0, from, until));
    }

    /// IODA sees nothing of the entity in between, whatever it was before.
    pub fn is_gone_by_ioda(&self, entity: &str, from: &str, until: &str) {
        let normal =
            CALM.iter().find(|(calm, _)| *calm == entity).map_or(4.0, |(_, blocks)| *blocks);
        self.ioda.outage(entity, normal, at(from), at(until));
    }

    pub fn database(&self) -> &Path {
        &self.database
    }

    /// The console writes there, and what it writes outlives the process.
    pub fn prints_to(&mut self, out: impl Write + Send + 'static) {
        self.console = Console::new(out);
    }

    /// Starts the bot, and lets it do all that it does at once.
    pub async fn start(&mut self) {
        let mut config = Config::parse(&self.config, "linkdown.toml").unwrap();
        // The real one is not here.
        config.ris_live.enabled = false;
        // Many worlds stand side by side.
        config.web = None;
        let parts = Parts {
            config,
            secrets: Secrets {
                discord_token: self
                    .discord
                    .as_ref()
                    .map(|discord| discord.token().to_owned().into()),
                telegram_token: self
                    .telegram
                    .as_ref()
                    .map(|telegram| telegram.token().to_owned().into()),
                ..Secrets::default()
            },
            addresses: Addresses {
                ioda: Some(
                    format!("{}/v2", self.ioda.url().trim_end_matches("/v2")).parse().unwrap(),
                ),
                ripestat: Some(self.ripestat.url().parse().unwrap()),
                radar: Some(self.radar.url().parse().unwrap()),
                ris_live: None,
                discord_api: self.discord.as_ref().map(|discord| discord.url().parse().unwrap()),
                telegram_api: self
                    .telegram
                    .as_ref()
                    .map(|telegram| telegram.url().parse().unwrap()),
            },
            store: Store::open(&self.database, Access::Own).unwrap(),
            console: self.console.clone(),
            runtime_options: RuntimeOptions {
                clock: self.clock.clone(),
                failpoints: self.failpoints.clone(),
                deadline: Some(std::time::Duration::from_secs(2)),
            },
        };
        self.bot = Some(Running::start(parts).await.unwrap());
        self.clock.until_all_rest().await;
        if let Some(discord) = &self.discord {
            discord.ready().await;
        }
        if let Some(telegram) = &self.telegram {
            telegram.quiet().await;
        }
    }

    /// Starts it on the database of the life before, which Discord's client lets go of a moment after that has ended.
    pub async fn start_again(&mut self) {
        let is_free = || Store::open(&self.database, Access::Own).is_ok();
        stage::until("the database is free", std::time::Duration::from_secs(20), is_free).await;
        self.start().await;
    }

    pub async fn stop(&mut self) {
        self.bot.take().unwrap().stop().await.unwrap();
    }

    /// Nothing is written down any more.
    pub fn is_killed(&mut self) {
        self.bot.take().unwrap();
    }

    /// Lets time pass, with all that happens in it.
    pub async fn until(&mut self, time: &str) {
        self.clock.advance_to(at(time)).await;
        self.clock.until_all_rest().await;
    }

    /// IODA goes by a clock of its own from now on, as servers do.
    pub async fn ioda_goes_by(&mut self, truth: &Clock) {
        self.ioda = IodaDouble::start(truth.clone()).await;
        self.is_calm();
    }

    /// The same of Discord.
    pub async fn discord_goes_by(&mut self, truth: &Clock) {
        self.discord = Some(DiscordDouble::start(truth.clone()).await);
    }

    /// Lets time pass for that clock as well.
    pub async fn until_with(&self, truth: &Clock, time: &str) {
        while self.clock.millis() < at(time).unix() * 1000 {
            let next = self.clock.millis() + 60_000;
            truth.advance_to_millis(next).await;
            self.clock.advance_to_millis(next).await;
            self.clock.until_all_rest().await;
        }
    }

    /// Time passes while no bot is there.
    pub async fn is_now(&self, time: &str) {
        assert!(self.bot.is_none(), "stop the bot first");
        self.clock.advance_to(at(time)).await;
    }

    pub async fn types(&mut self, line: &str) {
        self.bot.as_ref().unwrap().typed(line).await;
    }

    /// What the console has shown since the last look.
    pub fn sees(&self) -> String {
        let shown = std::mem::take(&mut *self.screen.0.lock().unwrap());
        String::from_utf8(shown).unwrap().trim_end().to_owned()
    }
}
