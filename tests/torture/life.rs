//! One life of the bot, a process of its own: what it is told on its standard input, and what it does. Its clock is moved
//! from outside; all else is as in the product.

use crate::doubles::{discord, telegram};
use linkdown::app::{Parts, Running};
use linkdown::chat::console::Console;
use linkdown::clock::{Clock, Millis};
use linkdown::config::{Addresses, Config, Secrets};
use linkdown::domain::{Seconds, Timestamp};
use linkdown::steps::Steps;
use linkdown::store::{Access, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

pub const CONFIG: &str = r#"
[watch]
entities = ["country/KP", "asn/131279 in country/KP", "country/ER", "country/BT"]
[sources.ioda]
schedule = "*/5 * * * *"
jitter_seconds = 30
controls = ["country/US", "country/DE", "country/JP"]
[sources.ripestat]
schedule = "*/5 * * * *"
jitter_seconds = 30
controls = ["country/NL", "country/JP"]
[probe]
enabled = false
[ris-live]
enabled = false
[web]
enabled = false
"#;

const DATABASE: &str = "LINKDOWN_TORTURE_DATABASE";
const PLACES: &str = "LINKDOWN_TORTURE_PLACES";
const CLOCK: &str = "LINKDOWN_TORTURE_CLOCK";

/// One call may take so long, in real time: what hangs is given up sooner than in the product.
const DEADLINE: Duration = Duration::from_millis(300);
/// A life that does not answer for so long hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where everything outside is found.
#[derive(Clone, Debug)]
pub struct Places {
    pub ioda: String,
    pub ripestat: String,
    pub discord: String,
    pub telegram: String,
}

pub fn is_child() -> bool {
    std::env::var_os(DATABASE).is_some()
}

/// The life itself.
pub async fn live() -> Result<(), String> {
    let text = |name: &str| std::env::var(name).unwrap();
    let (places, clock_at) = (text(PLACES), text(CLOCK));
    let places: Vec<&str> = places.split(' ').collect();
    let (now, wrong) = clock_at.split_once(' ').unwrap();
    let clock = Clock::moved(Timestamp::from_unix(0));
    clock.leap_to_millis(now.parse().unwrap());
    clock.set_wrong_by(wrong.parse().unwrap());
    // How many steps are left until the plug is pulled; below zero: none.
    let left = Arc::new(AtomicI64::new(-1));
    let counted = Arc::clone(&left);
    let parts = Parts {
        config: Config::parse(CONFIG, "torture.toml").unwrap(),
        secrets: Secrets {
            discord_token: Some(discord::TOKEN.to_owned().into()),
            telegram_token: Some(telegram::TOKEN.to_owned().into()),
            ..Secrets::default()
        },
        addresses: Addresses {
            ioda: places[0].parse().ok(),
            ripestat: places[1].parse().ok(),
            discord_api: places[2].parse().ok(),
            telegram_api: places[3].parse().ok(),
            ..Addresses::default()
        },
        store: Store::open(text(DATABASE), Access::Own).map_err(|error| error.to_string())?,
        clock: clock.clone(),
        console: Console::new(std::io::sink()),
        steps: Steps::watched_by(move |_| {
            if counted.fetch_sub(1, Ordering::SeqCst) == 1 {
                kill(Pid::this(), Signal::SIGKILL).unwrap();
            }
        }),
        deadline: Some(DEADLINE),
    };
    let bot = Running::start(parts).await.map_err(|error| error.to_string())?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        clock.until_all_rest().await;
        let next = clock.next_wake().map_or_else(|| "-".to_owned(), |at| at.to_string());
        say(&format!("rests {next}")).await;
        // Whoever drives it is gone.
        let Some(line) = lines.next_line().await.unwrap() else { return Ok(()) };
        let (word, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number: i64 = number.parse().unwrap();
        match word {
            "go" => clock.advance_to_millis(number).await,
            "leap" => {
                clock.leap_to_millis(number);
                clock.advance_to_millis(number).await;
            }
            "wrong" => clock.set_wrong_by(number),
            "arm" => left.store(number, Ordering::SeqCst),
            "stop" => {
                left.store(-1, Ordering::SeqCst);
                bot.stop().await.map_err(|error| error.to_string())?;
                say("stopped").await;
                return Ok(());
            }
            other => return Err(format!("what is {other}?")),
        }
    }
}

async fn say(line: &str) {
    let mut out = tokio::io::stdout();
    out.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    out.flush().await.unwrap();
}

/// A life as it is seen from outside.
#[derive(Debug)]
pub struct Life {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// When it next does something by itself, by its own clock.
    pub next: Option<Millis>,
}

/// How a request to a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did what it was told to, and lives.
    Lives,
    Dead,
}

impl Life {
    /// Starts one, and waits until it rests for the first time. An error is why it ended by itself.
    pub async fn start(
        database: &Path,
        places: &Places,
        now: Millis,
        wrong: Seconds,
        log: &Path,
    ) -> Result<Self, String> {
        let log_file = File::options().append(true).create(true).open(log).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(DATABASE, database)
            .env(PLACES, [&*places.ioda, &places.ripestat, &places.discord, &places.telegram].join(" "))
            .env(CLOCK, format!("{now} {wrong}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut life = Self { child, input, output, next: None };
        match life.answer().await? {
            Ended::Lives => Ok(life),
            Ended::Dead => {
                let _ = life.child.wait().await;
                Err("it did not start".to_owned())
            }
        }
    }

    /// Tells it something, and waits until it rests. An error: it hangs, or ended by itself with an error.
    pub async fn told(&mut self, what: &str) -> Result<Ended, String> {
        // One that is dead already does not read.
        let _ = self.input.write_all(format!("{what}\n").as_bytes()).await;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Ended, String> {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await;
        let line = line.map_err(|_| format!("it does not rest within {PATIENCE:?}"))?;
        match line.ok().flatten() {
            None => Ok(Ended::Dead),
            Some(line) if line == "stopped" => Ok(Ended::Dead),
            Some(line) => {
                let next = line.strip_prefix("rests ").ok_or_else(|| format!("it said: {line}"))?;
                self.next = next.parse().ok();
                Ok(Ended::Lives)
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id() as i32), signal).unwrap();
    }

    /// How it ended: `Err` unless it was killed from outside, or stopped well.
    pub async fn ended(mut self) -> Result<(), String> {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.child.wait().await.unwrap();
        if status.success() || status.signal() == Some(9) {
            Ok(())
        } else {
            Err(format!("it ended by itself: {status}"))
        }
    }

    /// Resident memory in KiB, and open files.
    pub fn size(&self) -> (u64, usize) {
        let id = self.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        (kib, std::fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count))
    }
}
