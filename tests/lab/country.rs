//! One box: the namespaces and daemons of `lab.sh`, a collector, and a bot that looks in from outside.

use crate::collector::Collector;
use crate::ris_live::RisLiveDouble;
use crate::scenes::Scene;
use linkdown::app::{Parts, Running, RuntimeOptions};
use linkdown::chat::console::Console;
use linkdown::clock::{ActivityGuard, Clock};
use linkdown::config::{Addresses, Config, Secrets};
use linkdown::domain::Timestamp;
use linkdown::store::{Access, Store};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The programs without which there is no box.
const NEEDED: [&str; 7] = ["ip", "nft", "bird", "named", "nginx", "exim4", "dig"];

/// Why there can be none here.
pub fn may_run() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("it needs root, for network namespaces".to_owned());
    }
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let is_there =
        |program: &str| folders.iter().any(|folder| Path::new(folder).join(program).exists());
    if let Some(missing) = NEEDED.iter().find(|program| !is_there(program)) {
        return Err(format!("`{missing}` is not installed"));
    }
    let made = Command::new("ip").args(["netns", "add", "ld-try"]).output();
    let _ = Command::new("ip").args(["netns", "del", "ld-try"]).output();
    match made {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err("network namespaces are not permitted here".to_owned()),
    }
}

/// Moves this thread, and what it starts, into a namespace.
pub fn enter(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    setns(file, CloneFlags::CLONE_NEWNET).unwrap();
}

/// What the console shows, and when by the bot's clock.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Country {
    prefix: String,
    pub clock: Clock,
    screen: Screen,
    bot: Option<Running>,
    collector: Collector,
    /// When the last scene was set, by the bot's clock.
    cut_at: Option<i64>,
    /// From there to the first message after it.
    told_after: Option<Duration>,
    /// Removed with it.
    _folder: tempfile::TempDir,
}

fn lab(prefix: &str, words: &str) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab.sh");
    let output = Command::new(script)
        .args(words.split(' ').map(|word| word.replace('+', " ")))
        .env("LAB_PREFIX", prefix)
        .output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("lab.sh {words}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// What stays up is taken down, however the scene ends.
struct ReachState(String);

impl Drop for ReachState {
    fn drop(&mut self) {
        let _ = lab(&self.0, "down");
    }
}

impl Country {
    /// Plays a scene in a box of its own; what was told, and how long after the cut.
    pub fn run(
        prefix: &str,
        rate: u32,
        scene: &Scene,
    ) -> (Result<Option<Duration>, String>, String) {
        let _ = lab(prefix, "down");
        if let Err(why) = lab(prefix, "up") {
            let _ = lab(prefix, "down");
            return (Err(why), String::new());
        }
        let standing = ReachState(prefix.to_owned());
        let (prefix, scene) = (prefix.to_owned(), scene.clone());
        // Its own thread, in the namespace from which the bot looks.
        let played = std::thread::spawn(move || {
            let namespace = format!("{prefix}-watch");
            enter(&namespace);
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .on_thread_start(move || enter(&namespace))
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut country = Self::open(&prefix, rate, scene.follows_routes).await;
                let went = match country.warms_up().await {
                    Ok(()) => (scene.play)(&mut country).await,
                    Err(why) => Err(why),
                };
                country.collector.stop();
                if let Some(bot) = country.bot.take() {
                    let _ = bot.stop().await;
                }
                (went.map(|()| country.told_after), country.sees())
            })
        });
        let outcome =
            played.join().unwrap_or_else(|_| (Err("the scene panicked".to_owned()), String::new()));
        drop(standing);
        outcome
    }

    async fn open(prefix: &str, rate: u32, follows_routes: bool) -> Self {
        // Early on a working day; the same for each run.
        let clock = Clock::accelerated(Timestamp::parse("2025-06-06 16:00").unwrap(), rate);
        let ris = RisLiveDouble::start().await;
        let collector = Collector::start(format!("{prefix}-world"), ris.clone(), clock.clone());
        let ripestat = collector.ripestat().await;
        let screen = Screen::default();
        let config = format!(
            "[watch]\nentities = ['country/KP']\n[probe]\nprofiles = ['kp']\nresolvers = ['8.8.8.8', '1.1.1.1']\n\
             [[probe.target]]\nentity = 'country/KP'\nprobe = 'icmp://175.45.177.10'\n\
             [ris-live]\nenabled = {follows_routes}\ncontrols = ['prefix/193.0.0.0/21', 'prefix/198.41.0.0/24', 'prefix/202.12.27.0/24']\n\
             [sources.ripestat]\ncontrols = []\n[sources.ioda]\nenabled = false\n[sources.radar]\nenabled = false\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts {
            config: Config::parse(&config, "linkdown.toml").unwrap(),
            secrets: Secrets::default(),
            addresses: Addresses {
                ripestat: Some(ripestat.url().parse().unwrap()),
                ris_live: Some(ris.url().parse().unwrap()),
                ..Addresses::default()
            },
            store: Store::open(folder.path().join("linkdown.db"), Access::Own).unwrap(),
            console: Console::new(screen.clone()),
            runtime_options: RuntimeOptions { clock: clock.clone(), ..RuntimeOptions::default() },
        };
        std::mem::forget(ripestat);
        let prefix = prefix.to_owned();
        let mut country = Self {
            prefix,
            clock,
            screen,
            bot: None,
            collector,
            cut_at: None,
            told_after: None,
            _folder: folder,
        };
        for _ in 0..500 {
            if country.collector.sees() == (9, 4) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        country.bot = Some(Running::start(parts).await.unwrap());
        country
    }

    /// Until what is usual is known; nothing may be told meanwhile.
    async fn warms_up(&mut self) -> Result<(), String> {
        self.minutes(10).await;
        // At any moment of a round.
        self.clock.sleep(fastrand::i64(0..60), ActivityGuard::default()).await;
        if self.sees().is_empty() {
            Ok(())
        } else {
            Err("something was told before anything was wrong".to_owned())
        }
    }

    pub async fn minutes(&self, minutes: i64) {
        self.clock.sleep(minutes * 60, ActivityGuard::default()).await;
    }

    /// Breaks something.
    pub async fn scene(&mut self, name: &str) -> Result<(), String> {
        self.script(&format!("scene {name}")).await?;
        self.cut_is_now();
        Ok(())
    }

    /// How long it took is counted from here on.
    pub fn cut_is_now(&mut self) {
        self.cut_at = Some(self.clock.now().unix());
    }

    pub async fn undo(&mut self, name: &str) -> Result<(), String> {
        self.script(&format!("undo {name}")).await
    }

    pub async fn script(&mut self, words: &str) -> Result<(), String> {
        let (prefix, words) = (self.prefix.clone(), words.to_owned());
        tokio::task::spawn_blocking(move || lab(&prefix, &words)).await.unwrap()
    }

    pub fn sees(&self) -> String {
        String::from_utf8_lossy(&self.screen.0.lock().unwrap()).trim().to_owned()
    }

    /// The first lines of all messages so far.
    pub fn titles(&self) -> Vec<String> {
        let told = self.sees();
        told.lines()
            .filter(|line| line.starts_with(['🔴', '🟠', '🟡', '🟢', '⚪']))
            .map(str::to_owned)
            .collect()
    }

    /// Waits for a message with this in its title, the first after what was seen so far.
    pub async fn hears(&mut self, words: &str, within_minutes: i64) -> Result<(), String> {
        let until = self.clock.now() + within_minutes * 60;
        loop {
            if self.titles().last().is_some_and(|title| title.contains(words)) {
                if let (Some(cut), None) = (self.cut_at, self.told_after) {
                    self.told_after =
                        Some(Duration::from_secs((self.clock.now().unix() - cut).max(0) as u64));
                }
                return Ok(());
            }
            if self.clock.now() > until {
                return Err(format!(
                    "no `{words}` within {within_minutes} min, but {:?}",
                    self.titles()
                ));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The answer to a question at the prompt.
    pub async fn answers(&self, question: &str) -> String {
        let before = self.sees().len();
        self.bot.as_ref().unwrap().typed(question).await;
        self.sees().split_off(before)
    }

    /// Nothing is told for so long.
    pub async fn silence(&mut self, minutes: i64) -> Result<(), String> {
        let before = self.titles().len();
        self.minutes(minutes).await;
        let titles = self.titles();
        if titles.len() == before {
            Ok(())
        } else {
            Err(format!("told where nothing was: {:?}", &titles[before..]))
        }
    }

    pub fn holds(&self, words: &str) -> Result<(), String> {
        if self.sees().contains(words) { Ok(()) } else { Err(format!("nowhere is said `{words}`")) }
    }

    pub fn lacks(&self, words: &str) -> Result<(), String> {
        if self.sees().contains(words) { Err(format!("it is said `{words}`")) } else { Ok(()) }
    }
}
