//! The binary as a person runs it: what it says, to whom, and how it ends.

use crate::doubles::{Fault, IodaDouble, RadarDouble};
use linkdown::clock::Clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";
const HEADER: &str = "received_at,observed_at,entity,source,signal,value";

/// The binary in an empty folder, without a network.
fn linkdown(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkdown"));
    command.current_dir(folder).stdin(Stdio::null()).env_remove("RUST_LOG");
    for name in ["LINKDOWN_IODA_URL", "LINKDOWN_RIPESTAT_URL", "LINKDOWN_RADAR_URL"] {
        command.env(name, NOWHERE);
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Exit code and stderr.
fn end(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), text(&output.stderr))
}

fn says(command: &mut Command) -> (i32, String) {
    end(&command.output().unwrap())
}

#[test]
fn a_bad_file_of_observations_is_refused_with_its_line_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let (file, events) = (folder.path().join("kp.csv"), folder.path().join("events.jsonl"));
    let good = "10,0,XA,s,x,1";
    for (body, complaint) in [
        (
            "a,b\n1,2".to_owned(),
            "line 1: the header must begin with received_at,observed_at,entity,source,signal,value",
        ),
        (format!("{HEADER}\n{good}\n20,0,XA,s,x"), "line 3: 5 fields instead of at least 6"),
        (format!("{HEADER}\n{good}\n20,0,XA,s,x,abc"), "line 3: `abc` is no number"),
        (format!("{HEADER}\n10,0,XA,s,x,NaN"), "line 2: `NaN` is no number"),
        (format!("{HEADER}\n{good}\n5,0,XA,s,x,1"), "line 3: received_at 5 is before 10 of the line above"),
        (format!("{HEADER}\n10,0,,s,x,1"), "line 2: an empty entity"),
        (format!("{HEADER}\n10,0,planet/KP,s,x,1"), "line 2: unknown kind of entity `planet`"),
    ] {
        fs::write(&file, body).unwrap();
        let mut replay = linkdown(folder.path());
        let (code, said) = says(replay.args(["replay", "--observations", "kp.csv", "--events", "events.jsonl"]));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(complaint) && said.lines().count() == 1, "{said}");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kp.csv"], "{complaint}");
    }
    fs::write(&file, format!("{HEADER}\n{good}\n")).unwrap();
    let mut replay = linkdown(folder.path());
    let (code, said) = says(replay.args(["replay", "--observations", "kp.csv", "--events", "events.jsonl"]));
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(events.exists());
}

#[test]
fn a_bad_configuration_is_refused_with_its_place() {
    let folder = TempDir::new().unwrap();
    for (body, complaint) in [
        (
            "[sources.ioda]\nschedul = \"* * * * *\"\n",
            "c.toml:2: unknown key `schedul` in [sources.ioda]; did you mean `schedule`?",
        ),
        ("[sources.ioda]\nschedule = \"61 * * * *\"\n", "c.toml:2: bad cron line `61 * * * *`"),
        ("[sources.ioda]\nschedule = \"0 0 31 2 *\"\n", "c.toml:2: cron line `0 0 31 2 *` can never fire"),
        ("[watch]\nentities = [\n\"country/KP\",\n\"KP\"]\n", "c.toml:4: `country/KP` is in the watchlist twice"),
        ("[watch]\nentities = [\"country/KQ\"]\n", "c.toml:2: no country has the code `KQ`"),
        ("[sources.ripestat]\ncalls_a_day = 3\n", "the budget of ripestat does not fit"),
    ] {
        fs::write(folder.path().join("c.toml"), body).unwrap();
        let (code, said) = says(linkdown(folder.path()).args(["check", "--config", "c.toml"]));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(complaint), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    fs::write(folder.path().join("c.toml"), b"\xff\xfe").unwrap();
    let (code, said) = says(linkdown(folder.path()).args(["check", "--config", "c.toml"]));
    assert_eq!((code, said.contains("not UTF-8")), (2, true), "{said}");
    let (code, said) = says(linkdown(folder.path()).args(["check", "--config", "none.toml"]));
    assert_eq!((code, said.contains("none.toml: no such file")), (2, true), "{said}");
}

#[test]
fn a_secret_is_given_once_and_never_shown() {
    let folder = TempDir::new().unwrap();
    let mut both = linkdown(folder.path());
    both.env("LINKDOWN_RADAR_TOKEN", "s3cret").env("LINKDOWN_RADAR_TOKEN_FILE", "token").arg("check");
    let (code, said) = says(&mut both);
    assert_eq!((code, said.contains("both LINKDOWN_RADAR_TOKEN and LINKDOWN_RADAR_TOKEN_FILE")), (2, true), "{said}");
    assert!(!said.contains("s3cret"));
    let (code, said) = says(linkdown(folder.path()).env("LINKDOWN_RADAR_TOKEN_FILE", "none").arg("check"));
    assert_eq!((code, said.contains("LINKDOWN_RADAR_TOKEN_FILE: cannot read none")), (2, true), "{said}");
}

#[test]
fn a_question_that_cannot_be_answered_says_why() {
    let folder = TempDir::new().unwrap();
    for (args, code, complaint) in [
        (&["frobnicate"][..], 2, "unrecognized subcommand 'frobnicate'"),
        (&["status"], 2, "<ENTITY>"),
        (&["status", "germny"], 2, "did you mean Germany (DE)?"),
        (
            &["record", "--entity", "KP", "--from", "2025-02-30", "--until", "2025-06-08", "--out", "o"],
            2,
            "--from 2025-02-30",
        ),
        (
            &["record", "--entity", "KP", "--from", "2025-06-08", "--until", "2025-06-07", "--out", "o"],
            2,
            "is not before",
        ),
        (&["health"], 1, "there is no database data/linkdown.db yet"),
        (&["backup", "b.db"], 1, "there is no database data/linkdown.db yet"),
    ] {
        let (got, said) = says(linkdown(folder.path()).args(args));
        assert_eq!((got, said.contains(complaint)), (code, true), "{args:?}: {said}");
    }
}

#[test]
fn every_sub_command_has_help_with_an_example() {
    let folder = TempDir::new().unwrap();
    for sub in ["run", "demo", "replay", "record", "check", "status", "backup", "health"] {
        let output = linkdown(folder.path()).args([sub, "--help"]).output().unwrap();
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("Example"), "{sub}");
    }
}

#[test]
fn a_file_that_is_no_database_of_ours_is_left_untouched() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("x.db"), "hello").unwrap();
    let (code, said) = says(linkdown(folder.path()).args(["run", "--database", "x.db"]));
    assert_eq!((code, said.contains("is no SQLite database and was left untouched")), (1, true), "{said}");
    assert_eq!(fs::read_to_string(folder.path().join("x.db")).unwrap(), "hello");
    let (code, said) = says(linkdown(folder.path()).args(["run", "--database", "x.db/linkdown.db"]));
    assert_eq!((code, said.contains("x.db")), (1, true), "{said}");
}

/// A running bot; killed if it is dropped.
struct Bot {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Bot {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads the log up to a line that holds the words.
    fn logs(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ended before `{words}`");
        }
        line
    }

    /// Sends the signal; how long the process took to end, how it ended, and what stood on its stdout.
    fn stops(mut self, signal: Signal) -> (Duration, i32, String) {
        let asked = Instant::now();
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        let took = asked.elapsed();
        let mut shown = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
        (took, code, shown)
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn without_a_network_it_starts_says_what_it_cannot_reach_and_answers() {
    let folder = TempDir::new().unwrap();
    let mut bot = Bot::start(linkdown(folder.path()).arg("run"));
    let said = bot.logs("ioda: cannot be reached");
    assert!(said.contains("WARN"), "{said}");
    let mut keyboard = bot.child.stdin.take().unwrap();
    keyboard.write_all("/status KP\n/statsu\n\n/hélp\n/history KP\n/outage 9\n".as_bytes()).unwrap();
    // The end of the pipe ends the reading, not the bot: the log goes on.
    drop(keyboard);
    bot.logs("ripestat: cannot be reached");

    let (code, said) = says(linkdown(folder.path()).arg("run"));
    assert_eq!(code, 1);
    assert!(said.contains(&format!("is in use by linkdown with process id {}", bot.child.id())), "{said}");
    assert_eq!(says(linkdown(folder.path()).arg("health")).0, 0);
    assert_eq!(says(linkdown(folder.path()).args(["backup", "copy.db"])).0, 0);
    let (code, said) = says(linkdown(folder.path()).args(["backup", "copy.db"]));
    assert_eq!((code, said.contains("copy.db")), (1, true), "{said}");

    let (took, code, shown) = bot.stops(Signal::SIGINT);
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(3), "{took:?}");
    for expected in ["⚪ North Korea: unknown", "did you mean /status?", "no incident of", "there is no incident 9"] {
        assert!(shown.to_lowercase().contains(&expected.to_lowercase()), "{expected}: {shown}");
    }
    let (code, said) = says(linkdown(folder.path()).arg("health"));
    assert_eq!((code, said.contains("was stopped")), (1, true), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_while_a_source_says_nothing_or_drips_it_stops_within_three_seconds() {
    for fault in [Fault::Silent, Fault::SlowDrip] {
        let double = IodaDouble::start(Clock::system()).await;
        double.fault(fault);
        let folder = TempDir::new().unwrap();
        let url = double.url();
        let (took, code) = tokio::task::spawn_blocking(move || {
            let mut bot = Bot::start(linkdown(folder.path()).env("LINKDOWN_IODA_URL", url).arg("run"));
            bot.logs("reading the past");
            let (took, code, _) = bot.stops(Signal::SIGTERM);
            (took, code)
        })
        .await
        .unwrap();
        assert_eq!(code, 0);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_told_to_the_operator_and_stands_nowhere() {
    let double = RadarDouble::start(Clock::system(), "the-right-token").await;
    let folder = TempDir::new().unwrap();
    let url = double.url();
    let log = tokio::task::spawn_blocking(move || {
        let mut command = linkdown(folder.path());
        command.env("LINKDOWN_RADAR_URL", url).env("LINKDOWN_RADAR_TOKEN", "s3cret-t0ken").env("RUST_LOG", "trace");
        let mut bot = Bot::start(command.arg("run"));
        let mut log = String::new();
        while !log.contains("radar: refused the token") {
            assert!(bot.log.read_line(&mut log).unwrap() > 0, "{log}");
        }
        let (_, _, shown) = bot.stops(Signal::SIGTERM);
        let mut kept = String::new();
        for entry in fs::read_dir(folder.path().join("data")).unwrap() {
            kept += &String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap());
        }
        log + &shown + &kept
    })
    .await
    .unwrap();
    assert!(!log.contains("s3cret-t0ken"));
}

#[test]
fn the_demo_shows_the_life_of_an_alert() {
    let folder = TempDir::new().unwrap();
    let output = linkdown(folder.path()).arg("demo").output().unwrap();
    let shown = text(&output.stdout);
    assert_eq!(end(&output), (0, String::new()));
    let mut rest = shown.as_str();
    for step in [
        "is down",
        "more of it is gone",
        "is partly back",
        "is gone again",
        "is partly back",
        "is back ·",
        "> /status KP",
        "🟢 North Korea is up",
        "> /history KP",
        "incident 1",
    ] {
        let at = rest.find(step).unwrap_or_else(|| panic!("`{step}` is missing in its place: {shown}"));
        rest = &rest[at + step.len()..];
    }
    for title in shown.lines().filter(|line| line.contains("North Korea is") || line.contains("North Korea:")) {
        assert!(title.starts_with("[reconstructed] "), "{title}");
    }
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a demo leaves nothing behind");
}
