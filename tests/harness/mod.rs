//! The world of all stories: doubles of the sources on real sockets, a bot on a simulated clock,
//! and a person at its console.

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

/// North Korea with its network, on two sources that never poll in the same minute, so that stories
/// are reproducible.
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

/// The entities of IODA and their number of /24s on a calm day.
const CALM: [(&str, f64); 5] = [
    ("country/KP", 4.0),
    ("asn/131279", 4.0),
    ("country/US", 6e6),
    ("country/DE", 5e5),
    ("country/JP", 7e5),
];

/// A bot in its world. Time stops unless a story moves it.
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
    /// The folder of the database, removed with the world; `None` if the database outlives it.
    #[allow(dead_code)]
    folder: Option<tempfile::TempDir>,
}

/// The text that the console shows.
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

/// Returns the first line of each message.
pub fn titles(shown: &str) -> Vec<&str> {
    shown.split("\n\n").filter_map(|message| message.lines().next()).collect()
}

impl World {
    /// Returns a world at the time `now`, calm everywhere, whose bot has not been started yet.
    pub async fn new(now: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self::on(&folder.path().join("linkdown.db"), at(now), config).await;
        world.folder = Some(folder);
        world
    }

    /// Returns such a world with a database that outlives it.
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
        world.set_calm();
        world
    }

    /// Returns such a world with a Discord and a Telegram, for which the bot has the tokens.
    pub async fn with_chats(now: &str, config: &str) -> Self {
        let mut world = Self::new(now, config).await;
        world.has_chats().await;
        world
    }

    pub async fn has_chats(&mut self) {
        self.discord = Some(DiscordDouble::start(self.clock.clone()).await);
        self.telegram = Some(TelegramDouble::start(self.clock.clone()).await);
    }

    /// Replaces the configuration; it is used from the next start on.
    pub fn configure(&mut self, config: &str) {
        config.clone_into(&mut self.config);
    }

    pub fn discord(&self) -> &DiscordDouble {
        self.discord.as_ref().unwrap()
    }

    pub fn telegram(&self) -> &TelegramDouble {
        self.telegram.as_ref().unwrap()
    }

    /// Sets every entity of the configuration to its values of a calm day.
    fn set_calm(&self) {
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

    /// Takes North Korea's routes, and everything behind them, down between the two times.
    pub fn north_korea_vanishes(&self, from: &str, until: &str) {
        let (from, until) = (at(from), at(until));
        for entity in ["country/KP", "asn/131279"] {
            self.ioda.outage(entity, 4.0, from, until);
        }
        self.ripestat.set("country/KP", "prefixes", gone_between(4.0, from, until));
        self.ripestat.set("asn/131279", "visibility", gone_between(349.0, from, until));
    }

    /// Makes IODA report zero for the entity between the two times, and its normal value otherwise.
    pub fn is_gone_by_ioda(&self, entity: &str, from: &str, until: &str) {
        let normal =
            CALM.iter().find(|(calm, _)| *calm == entity).map_or(4.0, |(_, blocks)| *blocks);
        self.ioda.outage(entity, normal, at(from), at(until));
    }

    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Lets the console write to `out`, so that its output outlives the process.
    pub fn prints_to(&mut self, out: impl Write + Send + 'static) {
        self.console = Console::new(out);
    }

    /// Starts the bot, and waits until it has done everything that it does at once.
    pub async fn start(&mut self) {
        let mut config = Config::parse(&self.config, "linkdown.toml").unwrap();
        // This world has no double of the stream, and the real one must not be used.
        config.ris_live.enabled = false;
        // Many worlds run at the same time, so none may take the port.
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

    /// Starts the bot again on its database, which Discord's client releases a moment after the
    /// previous run has ended.
    pub async fn start_again(&mut self) {
        let is_free = || Store::open(&self.database, Access::Own).is_ok();
        stage::until("the database is free", std::time::Duration::from_secs(20), is_free).await;
        self.start().await;
    }

    pub async fn stop(&mut self) {
        self.bot.take().unwrap().stop().await.unwrap();
    }

    /// Drops the bot without a stop, so that it writes nothing more.
    pub fn kill(&mut self) {
        self.bot.take().unwrap();
    }

    /// Lets time pass until `time`, and waits until the bot has done everything due by then.
    pub async fn until(&mut self, time: &str) {
        self.clock.advance_to(at(time)).await;
        self.clock.until_all_rest().await;
    }

    /// Gives IODA a clock of its own from now on, as real servers have.
    pub async fn ioda_goes_by(&mut self, truth: &Clock) {
        self.ioda = IodaDouble::start(truth.clone()).await;
        self.set_calm();
    }

    /// Gives Discord a clock of its own from now on.
    pub async fn discord_goes_by(&mut self, truth: &Clock) {
        self.discord = Some(DiscordDouble::start(truth.clone()).await);
    }

    /// Lets time pass until `time` for that clock as well.
    pub async fn until_with(&self, truth: &Clock, time: &str) {
        while self.clock.millis() < at(time).unix() * 1000 {
            let next = self.clock.millis() + 60_000;
            truth.advance_to_millis(next).await;
            self.clock.advance_to_millis(next).await;
            self.clock.until_all_rest().await;
        }
    }

    /// Lets time pass while no bot runs.
    pub async fn advance_to(&self, time: &str) {
        assert!(self.bot.is_none(), "stop the bot first");
        self.clock.advance_to(at(time)).await;
    }

    pub async fn types(&mut self, line: &str) {
        self.bot.as_ref().unwrap().typed(line).await;
    }

    /// Returns the text that the console has shown since the last call.
    pub fn sees(&self) -> String {
        let shown = std::mem::take(&mut *self.screen.0.lock().unwrap());
        String::from_utf8(shown).unwrap().trim_end().to_owned()
    }
}
