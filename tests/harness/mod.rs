//! One world for all stories: the sources' doubles on real sockets, a bot on a moved clock, and a person at its console.

use crate::doubles::{IodaDouble, RadarDouble, RipestatDouble};
use linkdown::app::{Parts, Running};
use linkdown::chat::console::Console;
use linkdown::clock::Clock;
use linkdown::config::{Addresses, Config, Secrets};
use linkdown::domain::Timestamp;
use linkdown::steps::Steps;
use linkdown::store::{Access, Store};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// A bot in its world. Time stands still unless it is moved.
#[derive(Debug)]
pub struct World {
    pub clock: Clock,
    pub ioda: IodaDouble,
    pub ripestat: RipestatDouble,
    pub radar: RadarDouble,
    screen: Screen,
    config: String,
    folder: tempfile::TempDir,
    bot: Option<Running>,
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

impl World {
    /// A world in which it is `now`, nothing is wrong anywhere, and the bot has not been started yet.
    pub async fn new(now: &str, config: &str) -> Self {
        let clock = Clock::moved(at(now));
        Self {
            ioda: IodaDouble::start(clock.clone()).await,
            ripestat: RipestatDouble::start(clock.clone()).await,
            radar: RadarDouble::start(clock.clone()).await,
            clock,
            screen: Screen::default(),
            config: config.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            bot: None,
        }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("linkdown.db")
    }

    /// Starts the bot, and lets it do all that it does at once.
    pub async fn start(&mut self) {
        let parts = Parts {
            config: Config::parse(&self.config, "linkdown.toml").unwrap(),
            secrets: Secrets::default(),
            addresses: Addresses {
                ioda: Some(self.ioda.url().parse().unwrap()),
                ripestat: Some(self.ripestat.url().parse().unwrap()),
                radar: Some(self.radar.url().parse().unwrap()),
                ..Addresses::default()
            },
            store: Store::open(&self.database(), Access::Own).unwrap(),
            clock: self.clock.clone(),
            console: Console::new(self.screen.clone()),
            steps: Steps::default(),
        };
        self.bot = Some(Running::start(parts).await.unwrap());
        self.clock.until_all_rest().await;
    }

    pub async fn stop(&mut self) {
        self.bot.take().unwrap().stop().await.unwrap();
    }

    /// Lets time pass, with all that happens in it.
    pub async fn until(&mut self, time: &str) {
        self.clock.advance_to(at(time)).await;
        self.clock.until_all_rest().await;
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
