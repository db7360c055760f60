//! The binary as a person runs it: in an empty folder, its sources at doubles or at ports where nobody listens.

mod asked_wrongly;
mod beside;
mod care;
mod database;
mod explain;
mod files;
mod first_alert;
mod monitoring;
mod prompt;
mod stop;
mod tokens;
mod unread;
mod whole;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Nobody listens here.
const NOBODY: &str = "http://127.0.0.1:1";
/// For what has to come; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

const KP: &str = "[watch]\nentities = ['KP']\n";
const ONLY_IODA: &str = "[sources.ripestat]\nenabled = false\n";

/// An empty folder, and the environment in which the binary is run there.
struct Place {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Place {
    fn new() -> Self {
        let urls = ["LINKDOWN_IODA_URL", "LINKDOWN_RIPESTAT_URL", "LINKDOWN_RADAR_URL"];
        let environment = urls.map(|name| (name, NOBODY.to_owned())).to_vec();
        Self { folder: tempfile::tempdir().unwrap(), environment }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.into()));
        self
    }

    /// With a file in it.
    fn holding(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn watching(self, config: &str) -> Self {
        self.holding("config/linkdown.toml", config)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names of all that lies in the folder itself.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_linkdown"));
        command.args(line.split_whitespace()).current_dir(self.folder.path());
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end.
    fn runs(&self, line: &str) -> Said {
        Said::from(self.command(line).output().unwrap())
    }

    /// Starts a bot that goes on.
    fn starts(&self, line: &str) -> Bot {
        Bot::new(self.command(line).stdin(Stdio::piped()).spawn().unwrap())
    }
}

/// What a process that has ended has said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// That it failed with this code, and why: the one line on stderr, with nothing on stdout.
    fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!((self.err.lines().count(), self.out.as_str()), (1, ""), "{self:?}");
        self.err
            .trim_end()
            .strip_prefix("linkdown: ")
            .unwrap_or_else(|| panic!("{}", self.err))
            .to_owned()
    }

    /// That all went well and nothing was complained of.
    fn well(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }
}

/// A bot that runs; killed with its test.
struct Bot {
    child: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Bot {
    fn new(mut child: Child) -> Self {
        let (send, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
        }
        Self { child, lines, seen: String::new() }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGHUP: its configuration is to be read again.
    fn hangs_up(&self) {
        kill(Pid::from_raw(self.pid() as i32), Signal::SIGHUP).unwrap();
    }

    fn types(&mut self, line: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    fn closes_its_keyboard(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Reads on, on either stream, until a line holds `words`.
    fn says(&mut self, words: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push_str(&line);
                    self.seen.push('\n');
                    if line.contains(words) {
                        return line;
                    }
                }
                Err(error) => panic!("`{words}` was not said ({error}): {}", self.seen),
            }
        }
    }

    /// Ends by `signal`, cleanly and within three seconds; all that it has said.
    fn stops_by(mut self, signal: Signal) -> String {
        let told = Instant::now();
        kill(Pid::from_raw(self.pid() as i32), signal).unwrap();
        // Its streams end when it does.
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push_str(&line);
                    self.seen.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it goes on after {signal}: {}", self.seen)
                }
            }
        }
        let status = self.child.wait().unwrap();
        let took = told.elapsed();
        assert!(
            status.success() && took < Duration::from_secs(3),
            "{status} after {took:?}: {}",
            self.seen
        );
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
