//! `kill -9` at the steps of a tick and of a delivery: started again, it knows and tells the same as if it had never died.

use crate::harness::{World, at};
use linkdown::domain::Timestamp;
use linkdown::failpoints::Failpoints;
use linkdown::store::{Access, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One source, so that a start in between asks nobody at another minute than the life without a kill did.
const ONE_SOURCE: &str = r#"
[watch]
entities = ["country/KP", "asn/131279 in country/KP"]
[sources.ioda]
schedule = "*/5 * * * *"
jitter_seconds = 0
controls = ["country/US", "country/DE", "country/JP"]
[sources.ripestat]
enabled = false
"#;
const BEGIN: &str = "2025-06-06 17:30";
const END: &str = "2025-06-06 20:00";
/// Kills that are tried at least.
const POINTS: usize = 60;

const FOLDER: &str = "LINKDOWN_TEST_FOLDER";
/// `outage`: a running bot sees it come and go. `first start`: a new one comes while it goes on.
const STORY: &str = "LINKDOWN_TEST_STORY";
const KILL_AT: &str = "LINKDOWN_TEST_KILL_AT";
const BEGIN_AT: &str = "LINKDOWN_TEST_BEGIN_AT";
const REPEAT: &str = "   Perhaps a repeat: the program was stopped while it told this.\n";

/// The life that is killed: a process of its own, told by its environment where and when. Does nothing otherwise.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<i64>().unwrap();
    let (begin, kill_at) = (Timestamp::from_unix(number(BEGIN_AT)), number(KILL_AT) as usize);
    let mut world = World::on(&folder.join("linkdown.db"), begin, ONE_SOURCE).await;
    let end = if std::env::var(STORY).unwrap() == "outage" {
        world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 18:45");
        END
    } else {
        world.north_korea_vanishes("2025-06-06 08:00", "2025-06-07 18:45");
        "2025-06-06 18:00"
    };
    let append =
        |name: &str| OpenOptions::new().append(true).create(true).open(folder.join(name)).unwrap();
    world.prints_to(append("console"));
    let (steps, clock, reached) =
        (Mutex::new(append("steps")), world.clock.clone(), AtomicUsize::new(0));
    world.failpoints = Failpoints::watched_by(move |step| {
        if reached.fetch_add(1, Ordering::SeqCst) + 1 == kill_at {
            fs::write(folder.join("killed"), format!("{} {step}", clock.now().unix())).unwrap();
            kill(Pid::this(), Signal::SIGKILL).unwrap();
        }
        writeln!(steps.lock().unwrap(), "{step}").unwrap();
    });
    world.start().await;
    world.until(end).await;
    world.stop().await;
}

/// Lives from `begin` on in `folder`; says whether it was killed.
fn live(story: &str, folder: &Path, begin: Timestamp, kill_at: usize) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stories::killed::child", "--quiet"])
        .env(STORY, story)
        .env(FOLDER, folder)
        .env(BEGIN_AT, begin.unix().to_string())
        .env(KILL_AT, kill_at.to_string())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success() || status.signal() == Some(9), "{status}");
    status.signal() == Some(9)
}

/// What is known and what was told at the end.
#[derive(Debug, PartialEq)]
struct Outcome {
    incidents: Vec<String>,
    messages: Vec<String>,
}

async fn outcome(folder: &Path) -> Outcome {
    let store = Store::open(folder.join("linkdown.db"), Access::Beside).unwrap();
    let transitions = store
        .read(|db| {
            let incidents = db.incidents().recent(100)?;
            incidents
                .iter()
                .map(|incident| db.incidents().transitions(incident.id))
                .collect::<Result<Vec<_>, _>>()
        })
        .await
        .unwrap();
    let said = |t: &linkdown::domain::Transition| {
        format!(
            "{} {} {} at {} since {} until {:?}",
            t.incident.entity, t.number, t.kind, t.at, t.started_at, t.ended_at
        )
    };
    let incidents = transitions.iter().flatten().map(said).collect();
    let console = fs::read_to_string(folder.join("console")).unwrap_or_default();
    let messages =
        console.split("\n\n").filter(|m| !m.is_empty()).map(|m| format!("{m}\n")).collect();
    Outcome { incidents, messages }
}

/// A folder with the database of a bot that has read its fourteen days and was stopped before the outage.
fn copy_of(base: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(base, folder.path().join("linkdown.db")).unwrap();
    folder
}

/// Kills at step `number`, starts again at the minute of the tick in which that was, and lives on to the end.
async fn killed_at(
    story: &'static str,
    folder: tempfile::TempDir,
    number: usize,
) -> (String, Outcome) {
    let path = folder.path().to_owned();
    let step = tokio::task::spawn_blocking(move || {
        assert!(live(story, &path, at(BEGIN), number), "there is no step {number}");
        let killed = fs::read_to_string(path.join("killed")).unwrap();
        let (time, step) = killed.split_once(' ').unwrap();
        let tick = Timestamp::from_unix(time.parse().unwrap()).floor_to(60);
        assert!(!live(story, &path, tick, 0));
        step.to_owned()
    })
    .await
    .unwrap();
    (step, outcome(folder.path()).await)
}

/// Steps worth a kill: of each name its first and its last, all from the first message on as far as there is room, and
/// the rest spread evenly.
fn points(steps: &[String]) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, name) in steps.iter().enumerate() {
        by_name.entry(name).or_default().push(at + 1);
    }
    chosen
        .extend(by_name.values().flat_map(|all| [all[0], all[all.len() / 2], all[all.len() - 1]]));
    for (at, _) in steps.iter().enumerate().filter(|(_, name)| *name == "transition written") {
        chosen.extend(
            (at.saturating_sub(3)..at + 9).map(|near| near + 1).filter(|near| *near <= steps.len()),
        );
    }
    let missing = POINTS.saturating_sub(chosen.len()).max(8);
    chosen.extend((0..missing).map(|i| 1 + i * (steps.len() - 1) / missing));
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

#[tokio::test]
async fn killed_anywhere_it_knows_and_tells_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("linkdown.db");
    let mut world = World::on(&base, at("2025-06-06 16:00"), ONE_SOURCE).await;
    world.start().await;
    world.until(BEGIN).await;
    world.stop().await;
    drop(world);

    let whole = copy_of(&base);
    let path = whole.path().to_owned();
    tokio::task::spawn_blocking(move || assert!(!live("outage", &path, at(BEGIN), 0)))
        .await
        .unwrap();
    let expected = outcome(whole.path()).await;
    assert_eq!(
        expected.messages.len(),
        3,
        "started, partly back, recovered: {:#?}",
        expected.messages
    );
    let steps = fs::read_to_string(whole.path().join("steps")).unwrap();
    let steps: Vec<String> = steps.lines().map(str::to_owned).collect();

    let points = Arc::new(points(&steps));
    assert!(points.len() >= 50, "{} points", points.len());
    let next = Arc::new(AtomicUsize::new(0));
    let workers = (0..2).map(|_| {
        let (points, next, base, expected) =
            (Arc::clone(&points), Arc::clone(&next), base.clone(), &expected);
        async move {
            while let Some(number) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                let (step, mut outcome) = killed_at("outage", copy_of(&base), *number).await;
                // A console cannot be asked what it has shown: the one message on its way says that it may be a repeat.
                if matches!(step.as_str(), "sending is marked" | "sent") {
                    let marked: Vec<usize> = (0..outcome.messages.len())
                        .filter(|i| outcome.messages[*i].ends_with(REPEAT))
                        .collect();
                    assert_eq!(marked.len(), 1, "killed at step {number}, {step}");
                    let plain = outcome.messages[marked[0]].replace(REPEAT, "");
                    if step == "sent" {
                        outcome.messages.remove(marked[0]);
                        assert!(
                            outcome.messages.contains(&plain),
                            "killed at step {number}, {step}"
                        );
                    } else {
                        outcome.messages[marked[0]] = plain;
                    }
                }
                assert_eq!(&outcome, expected, "killed at step {number}, {step}");
            }
        }
    });
    futures_util::future::join_all(workers).await;
}

#[tokio::test]
async fn killed_on_its_first_day_it_still_tells_what_goes_on() {
    let whole = tempfile::tempdir().unwrap();
    let path = whole.path().to_owned();
    tokio::task::spawn_blocking(move || assert!(!live("first start", &path, at(BEGIN), 0)))
        .await
        .unwrap();
    let steps = fs::read_to_string(whole.path().join("steps")).unwrap();
    let telling = [
        "a step of the past read",
        "before settling",
        "settled",
        "before sending is marked",
        "marked as sent",
    ];
    let points: Vec<usize> = steps
        .lines()
        .enumerate()
        .filter(|(_, step)| telling.contains(step))
        .map(|(at, _)| at + 1)
        .take(12)
        .collect();
    assert!(points.len() >= 8, "{steps}");
    for number in points {
        let (step, outcome) = killed_at("first start", tempfile::tempdir().unwrap(), number).await;
        assert_eq!(
            outcome.messages.len(),
            1,
            "killed at step {number}, {step}: {:#?}",
            outcome.messages
        );
        assert!(
            outcome.messages[0].starts_with("🔴 North Korea is already down"),
            "{:#?}",
            outcome.messages
        );
    }
}
