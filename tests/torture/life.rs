//! One life of the bot: a process of `linkdown run`, with its arguments, its environment, its
//! signals and its exit code. Only its clock is moved from outside, and it can be killed at one of
//! its steps.

use crate::doubles::{discord, telegram};
use clap::Parser as _;
use linkdown::app::RuntimeOptions;
use linkdown::cli::{self, Cli};
use linkdown::clock::{Clock, Millis};
use linkdown::domain::{Seconds, Timestamp};
use linkdown::failpoints::Failpoints;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixDatagram, UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

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

/// The variable with the socket that drives the clock of a life.
const DRIVER: &str = "LINKDOWN_TORTURE_DRIVER";
const CLOCK: &str = "LINKDOWN_TORTURE_CLOCK";

/// The limit for one call in real time, shorter than in the product.
const DEADLINE: Duration = Duration::from_millis(300);
/// A life that does not answer for this long hangs.
const PATIENCE: Duration = Duration::from_secs(90);

pub fn is_child() -> bool {
    std::env::var_os(DRIVER).is_some()
}

/// Runs the life itself, in the child process.
pub fn live() -> ExitCode {
    let text = |name: &str| std::env::var(name).unwrap();
    let clock = Clock::simulated(Timestamp::from_unix(0));
    let clock_at = text(CLOCK);
    let (now, wrong) = clock_at.split_once(' ').unwrap();
    clock.leap_to_millis(now.parse().unwrap());
    clock.set_wall_offset(wrong.parse().unwrap());
    // The number of steps until the process is killed; below zero it is not.
    let left = Arc::new(AtomicI64::new(-1));
    let counted = Arc::clone(&left);
    let failpoints = Failpoints::watched_by(move |_| {
        if counted.fetch_sub(1, Ordering::SeqCst) == 1 {
            kill(Pid::this(), Signal::SIGKILL).unwrap();
        }
    });
    let (driver, moved) = (text(DRIVER), clock.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(is_driven(&driver, &moved, &left));
    });
    match cli::run_on(RuntimeOptions { clock, failpoints, deadline: Some(DEADLINE) }, Cli::parse())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("linkdown: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// Follows the commands for the clock, and answers once all tasks rest. A life ends when its driver
/// is gone.
async fn is_driven(driver: &str, clock: &Clock, left: &AtomicI64) {
    let (input, mut output) = UnixStream::connect(driver).await.unwrap().into_split();
    let mut lines = BufReader::new(input).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let (word, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number: i64 = number.parse().unwrap();
        match word {
            "rest" => {}
            "go" => clock.advance_to_millis(number).await,
            "leap" => {
                clock.leap_to_millis(number);
                clock.advance_to_millis(number).await;
            }
            "wrong" => clock.set_wall_offset(number),
            "arm" => left.store(number, Ordering::SeqCst),
            other => panic!("what is {other}?"),
        }
        clock.until_all_rest().await;
        let next = clock.next_wake().map_or_else(|| "-".to_owned(), |at| at.to_string());
        if output.write_all(format!("{next}\n").as_bytes()).await.is_err() {
            break;
        }
    }
    let _ = kill(Pid::this(), Signal::SIGKILL);
}

/// The paths and addresses that a life gets.
#[derive(Clone, Debug)]
pub struct Places {
    pub database: PathBuf,
    pub config: PathBuf,
    pub log: PathBuf,
    /// The folder of its sockets.
    pub folder: PathBuf,
    pub ioda: String,
    pub ripestat: String,
    pub discord: String,
    pub telegram: String,
}

/// A life as seen by the parent process.
#[derive(Debug)]
pub struct Life {
    child: Child,
    input: OwnedWriteHalf,
    output: Lines<BufReader<OwnedReadHalf>>,
    /// The messages that it sends to the service manager.
    stages: mpsc::UnboundedReceiver<String>,
    /// The time of its next own action, by its own clock.
    pub next: Option<Millis>,
}

/// The state of a life after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It carried out the request, and still runs.
    Lives,
    Dead,
}

impl Life {
    /// Starts a life, and waits until it is ready and rests. The error is its exit status if it
    /// ended before.
    pub async fn start(
        places: &Places,
        now: Millis,
        wrong: Seconds,
        kill_after: Option<Duration>,
    ) -> Result<Self, ExitStatus> {
        let (driver, manager) = (places.folder.join("driver"), places.folder.join("manager"));
        for socket in [&driver, &manager] {
            let _ = fs::remove_file(socket);
        }
        let (listener, stages) = (UnixListener::bind(&driver).unwrap(), stages(&manager));
        let log = File::options().append(true).create(true).open(&places.log).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("run")
            .arg("--config")
            .arg(&places.config)
            .arg("--database")
            .arg(&places.database)
            .env("LINKDOWN_DISCORD_TOKEN", discord::TOKEN)
            .env("LINKDOWN_TELEGRAM_TOKEN", telegram::TOKEN)
            .env("LINKDOWN_IODA_URL", &places.ioda)
            .env("LINKDOWN_RIPESTAT_URL", &places.ripestat)
            .env("LINKDOWN_DISCORD_API_URL", &places.discord)
            .env("LINKDOWN_TELEGRAM_API_URL", &places.telegram)
            .env("NOTIFY_SOCKET", &manager)
            .env(DRIVER, &driver)
            .env(CLOCK, format!("{now} {wrong}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let id = child.id().unwrap();
        let killer = kill_after.map(|after| tokio::spawn(kills(id, after)));
        let stream = tokio::select! {
            stream = listener.accept() => Some(stream.unwrap().0),
            _ = child.wait() => None,
        };
        let Some(stream) = stream else { return Err(child.wait().await.unwrap()) };
        let (output, input) = stream.into_split();
        let mut life =
            Self { child, input, output: BufReader::new(output).lines(), stages, next: None };
        let is_ready = life.reaches("READY=1").await;
        if let Some(killer) = killer {
            let _ = killer.await;
        }
        match is_ready.and(life.told("rest").await) {
            Ok(Ended::Lives) => Ok(life),
            Ok(Ended::Dead) | Err(_) => {
                let _ = life.child.start_kill();
                Err(life.child.wait().await.unwrap())
            }
        }
    }

    /// Waits until it reports `stage` to the service manager.
    async fn reaches(&mut self, stage: &str) -> Result<Ended, String> {
        let told = async {
            while let Some(told) = self.stages.recv().await {
                if told.lines().any(|line| line == stage) {
                    return;
                }
            }
        };
        tokio::select! {
            () = told => Ok(Ended::Lives),
            _ = self.child.wait() => Ok(Ended::Dead),
            () = tokio::time::sleep(PATIENCE) => Err(format!("{stage} is not said within {PATIENCE:?}")),
        }
    }

    /// Sends it a command, and waits until it rests. The error means that it hangs.
    pub async fn told(&mut self, what: &str) -> Result<Ended, String> {
        // A life that has ended does not read.
        let _ = self.input.write_all(format!("{what}\n").as_bytes()).await;
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await;
        let line =
            line.map_err(|_| format!("it does not rest within {PATIENCE:?} after {what}"))?;
        let Some(next) = line.ok().flatten() else { return Ok(Ended::Dead) };
        self.next = next.parse().ok();
        Ok(Ended::Lives)
    }

    /// Sends SIGHUP, and waits until it has accepted or rejected its configuration and is ready
    /// again.
    pub async fn reloads(&mut self) -> Result<Ended, String> {
        while self.stages.try_recv().is_ok() {}
        self.signal(Signal::SIGHUP);
        match self.reaches("READY=1").await? {
            Ended::Lives => self.told("rest").await,
            Ended::Dead => Ok(Ended::Dead),
        }
    }

    fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        // A life that has ended gets no signal.
        if let Some(id) = self.child.id() {
            let _ = kill(Pid::from_raw(id as i32), signal);
        }
    }

    /// Kills it after this time, whatever it does then.
    pub fn kill_after(&self, after: Duration) -> JoinHandle<()> {
        tokio::spawn(kills(self.id(), after))
    }

    /// Waits for its end and returns the exit status. The error means that it did not end within a
    /// minute and a half.
    pub async fn ended(mut self) -> Result<ExitStatus, String> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.map(Result::unwrap).map_err(|_| format!("it does not end within {PATIENCE:?}"))
    }

    /// Returns its resident memory in KiB and the number of its open files.
    pub fn size(&self) -> (u64, usize) {
        let id = self.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        (kib, std::fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count))
    }
}

pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SIGKILL as i32)
}

async fn kills(id: u32, after: Duration) {
    tokio::time::sleep(after).await;
    let _ = kill(Pid::from_raw(id as i32), Signal::SIGKILL);
}

/// Receives the messages to the service manager. They are always read, because a bot must never
/// wait for a reader.
fn stages(socket: &Path) -> mpsc::UnboundedReceiver<String> {
    let socket = UnixDatagram::bind(socket).unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(length) = socket.recv(&mut buffer).await {
            if tell.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                return;
            }
        }
    });
    told
}
