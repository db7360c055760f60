//! How soon a bot is at work and how much memory it takes: the release binary, started on a database with 14 days of
//! history of the shipped watchlist, against the sources' doubles. `cargo bench --bench run`

#![allow(clippy::unwrap_used)]

#[path = "../tests/doubles/mod.rs"]
mod doubles;
#[allow(dead_code, unused_imports)]
#[path = "../tests/harness/mod.rs"]
mod harness;

use doubles::{IodaDouble, RipestatDouble};
use harness::World;
use harness::stage::Life;
use linkdown::clock::Clock;
use linkdown::config::{Config, SHIPPED};
use linkdown::domain::time::{HOUR, MINUTE};
use linkdown::domain::{Entity, Timestamp};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const STARTS: usize = 5;
/// Nothing here takes so long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let now = Clock::system().now();
    let history = folder.path().join("history.db");
    let killed = folder.path().join("killed.db");
    make_history(&history, &killed, now).await;
    println!("{} cores, load {}", cores(), load());
    println!("database with 14 days of the shipped watchlist: {:.1} MiB", mib(size(&history)));

    let outside = Outside::start().await;
    // After a kill the batches since the checkpoint are taken again: that costs time, and memory at once.
    for (title, database, until) in [
        ("after a kill", &killed, Until::FirstRequest),
        ("after a clean stop", &history, Until::Polled),
    ] {
        let mut seen = Vec::new();
        for _ in 0..STARTS {
            // Each start finds the same database.
            let copy = copied(database, folder.path());
            seen.push(outside.starts(&copy, until).await);
        }
        let when = match until {
            Until::FirstRequest => "resident at the first request",
            Until::Polled => "resident after the first ticks (40 owed)",
        };
        println!("\n{STARTS} starts {title:<33} {:>9} {:>9} {:>9}", "minimum", "median", "maximum");
        show(
            "from exec to the first request (200 owed)",
            "ms",
            seen.iter().map(|s| s.first_request).collect(),
        );
        show(when, "MiB", seen.iter().map(|s| s.resident).collect());
        show("its peak (VmHWM)", "MiB", seen.iter().map(|s| s.peak).collect());
        show("from SIGTERM to the end (3000 owed)", "ms", seen.iter().map(|s| s.stopped).collect());
    }
}

/// When a start has been watched for long enough.
#[derive(Clone, Copy)]
enum Until {
    FirstRequest,
    /// Both sources were polled once and what they said is stored.
    Polled,
}

/// So long the bot was away: no absence that it would catch up on, but every entity's turn has come.
const AWAY: i64 = 45 * MINUTE;

/// Lets a bot live through its backfill and an hour of ticks; once stopped well, once killed.
async fn make_history(stopped: &Path, killed: &Path, now: Timestamp) {
    let began = Instant::now();
    let config = Config::parse(SHIPPED, "config/linkdown.toml").unwrap();
    let mut world = World::on(stopped, now - AWAY - HOUR, SHIPPED).await;
    all_calm(&world.ioda, &world.ripestat, &config);
    world.start().await;
    world.clock.advance_to(now - AWAY).await;
    world.clock.until_all_rest().await;
    copy_all(stopped, killed);
    world.stop().await;
    println!("made in {:.1} s", began.elapsed().as_secs_f64());
}

/// Every entity that is watched or compared with, with the rhythm of a day, so that values do change.
fn all_calm(ioda: &IodaDouble, ripestat: &RipestatDouble, config: &Config) {
    let watched = config.watch.iter().map(|watched| &watched.entity);
    let controls =
        |name: &str| config.source(name).map_or(&[][..], |source| &source.controls).iter();
    for (i, entity) in watched.chain(controls("ioda")).chain(controls("ripestat")).enumerate() {
        let size = 4.0 + (i * i * 10) as f64;
        let level = move |share: f64, every: i64| {
            move |at: Timestamp| {
                let day = (at.unix() % 86_400) as f64 / 86_400.0 * std::f64::consts::TAU;
                let noise = (at.unix() / every * 7919 % 101) as f64 / 101.0 - 0.5;
                Some((size * (1.0 + share * (day.sin() + noise))).round())
            }
        };
        let name = entity.to_string();
        for (datasource, share) in
            [("bgp", 0.002), ("ping-slash24", 0.05), ("merit-nt", 0.3), ("gtr", 0.4)]
        {
            ioda.set(&name, datasource, level(share, 300));
        }
        if let Entity::Country(_) = entity {
            ripestat.set(&name, "prefixes", level(0.002, 300));
        } else {
            ripestat.set(&name, "visibility", |at| Some(345.0 + (at.unix() / 300 % 5) as f64));
            // What is announced for a block lies within it.
            let within = match entity {
                Entity::Prefix(net) => vec![net.to_string()],
                _ => vec!["175.45.176.0/24".to_owned(), "175.45.178.0/24".to_owned()],
            };
            let within: Vec<&str> = within.iter().map(String::as_str).collect();
            ripestat.announces(&name, &within, &[4837, 20485]);
        }
    }
}

/// The doubles on the system's clock, for a bot that runs on it.
struct Outside {
    ioda: IodaDouble,
    ripestat: RipestatDouble,
}

/// What one start showed: milliseconds and MiB.
struct Start {
    first_request: f64,
    resident: f64,
    peak: f64,
    stopped: f64,
}

impl Outside {
    async fn start() -> Self {
        let outside = Self {
            ioda: IodaDouble::start(Clock::system()).await,
            ripestat: RipestatDouble::start(Clock::system()).await,
        };
        all_calm(
            &outside.ioda,
            &outside.ripestat,
            &Config::parse(SHIPPED, "config/linkdown.toml").unwrap(),
        );
        outside
    }

    fn asked(&self) -> usize {
        self.ioda.requests().len() + self.ripestat.requests().len()
    }

    /// A start of the real binary, and its end.
    async fn starts(&self, database: &Path, until: Until) -> Start {
        let asked = self.asked();
        let began = Instant::now();
        let mut running = self.bot(database);
        let bot = &mut running.0;
        let (first_polls, mut polled) = mpsc::unbounded_channel();
        let log = BufReader::new(bot.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains(" WARN ") || line.contains(" ERROR ") {
                    println!("{line}");
                }
                if line.contains("polled") {
                    let _ = first_polls.send(());
                }
            }
        });
        // The first thing that a tick does to the outside is its first request: it has read what it needs by then.
        while self.asked() == asked {
            assert!(began.elapsed() < PATIENCE, "nothing was asked");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        let first_request = millis(began);
        if matches!(until, Until::Polled) {
            // IODA's: RIPEstat may have spent its calls of the day on the backfill.
            let line = tokio::time::timeout(PATIENCE, polled.recv())
                .await
                .expect("a poll within the time");
            line.expect("a bot that runs");
            // The last answer is being stored: a commit of some rows.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let (resident, peak) = (memory(bot, "VmRSS"), memory(bot, "VmHWM"));
        let told = Instant::now();
        kill(Pid::from_raw(bot.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert!(bot.wait().unwrap().success(), "the bot did not stop well");
        Start { first_request, resident, peak, stopped: millis(told) }
    }

    fn bot(&self, database: &Path) -> Life {
        let child = Command::new(env!("CARGO_BIN_EXE_linkdown"))
            .args([
                "run",
                "--config",
                concat!(env!("CARGO_MANIFEST_DIR"), "/config/linkdown.toml"),
                "--database",
            ])
            .arg(database)
            .env("LINKDOWN_IODA_URL", self.ioda.url())
            .env("LINKDOWN_RIPESTAT_URL", self.ripestat.url())
            .env_remove("LINKDOWN_RADAR_TOKEN")
            .env_remove("LINKDOWN_RADAR_TOKEN_FILE")
            .env("RUST_LOG", "warn,linkdown::ingest=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Life(child)
    }
}

/// The database and its log of writes, which a kill leaves behind.
fn copy_all(from: &Path, to: &Path) {
    for ending in ["", "-wal"] {
        let beside = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
        if beside(from).exists() {
            std::fs::copy(beside(from), beside(to)).unwrap();
        }
    }
}

fn copied(database: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("run.db");
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", copy.display()));
    }
    copy_all(database, &copy);
    copy
}

/// A line of /proc/PID/status, in MiB.
fn memory(bot: &Child, key: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bot.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn show(title: &str, unit: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let (least, middle, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    println!("  {title:<42} {least:>9.1} {middle:>9.1} {most:>9.1}  {unit}");
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .split(' ')
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
