//! A country in a box: real packets, real daemons, the bot as it is. Each scene breaks something, and looks at what is told.
//!
//! - `LINKDOWN_LAB=must cargo test --test lab`: every scene once, at twenty times the pace;
//! - `cargo test --test lab -- cables --runs 20`: those whose name holds `cables`, twenty times;
//! - `cargo test --test lab -- --rate 1 --runs 3`: at the default pace of one round a minute, and says how long each took.
//!
//! It takes some minutes, so a plain `cargo test` leaves it out, and says so: `LINKDOWN_LAB=must` runs it, and fails where
//! namespaces are not permitted or a daemon is missing.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod bgp;
mod collector;
mod country;
#[allow(dead_code)]
#[path = "../doubles/ris_live.rs"]
mod ris_live;
mod scenes;
#[allow(dead_code)]
#[path = "../doubles/server.rs"]
mod server;

use country::Country;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Boxes that stand side by side.
const AT_ONCE: usize = 4;
/// A minute in three seconds: deadlines shrink with it, and two busy cores must still keep them.
const RATE: u32 = 20;

struct Wish {
    names: Vec<String>,
    runs: usize,
    rate: u32,
    shows: bool,
    at_once: usize,
}

impl Wish {
    fn read() -> Result<Self, String> {
        let mut wish =
            Self { names: Vec::new(), runs: 1, rate: RATE, shows: false, at_once: AT_ONCE };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || {
                words.next().and_then(|n| n.parse().ok()).ok_or(format!("{word} needs a number"))
            };
            match word.as_str() {
                "--runs" => wish.runs = number()?,
                "--rate" => wish.rate = number()? as u32,
                "--at-once" => wish.at_once = number()?,
                "--show" => wish.shows = true,
                // What cargo hands to every test binary.
                flag if flag.starts_with('-') => {}
                name => wish.names.push(name.to_owned()),
            }
        }
        Ok(wish)
    }
}

/// How one run went.
struct Run {
    scene: &'static str,
    went: Result<Option<Duration>, String>,
}

fn main() -> ExitCode {
    let wish = match Wish::read() {
        Ok(wish) => wish,
        Err(why) => {
            eprintln!("lab: {why}");
            return ExitCode::from(2);
        }
    };
    let must = std::env::var_os("LINKDOWN_LAB").is_some_and(|value| value == "must");
    if !must && std::env::args().len() == 1 {
        eprintln!(
            "lab: left out, it takes some minutes. To have it: sudo tests/lab/install.sh, then as root LINKDOWN_LAB=must cargo test --test lab"
        );
        return ExitCode::SUCCESS;
    }
    if let Err(why) = country::may_run() {
        eprintln!(
            "lab: skipped, {why}. To have it: sudo tests/lab/install.sh, and run the tests as root"
        );
        return if must { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    // RUST_LOG=linkdown=debug shows what the bot logs.
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_default_env() {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let scenes: Vec<scenes::Scene> = scenes::all()
        .into_iter()
        .filter(|scene| {
            wish.names.is_empty()
                || wish.names.iter().any(|name| scene.name.contains(name.as_str()))
        })
        .collect();
    let todo: Vec<scenes::Scene> = (0..wish.runs).flat_map(|_| scenes.clone()).collect();
    eprintln!("lab: {} runs, {} times the pace", todo.len(), wish.rate);
    let todo = Arc::new(Mutex::new(todo.into_iter().rev().collect::<Vec<_>>()));
    let done: Arc<Mutex<Vec<Run>>> = Arc::default();
    let workers = (0..wish.at_once.max(1)).map(|number| {
        let (todo, done, rate, shows) =
            (Arc::clone(&todo), Arc::clone(&done), wish.rate, wish.shows);
        std::thread::spawn(move || {
            loop {
                let next = todo.lock().unwrap().pop();
                let Some(scene) = next else { return };
                let began = Instant::now();
                let (went, told) =
                    Country::run(&format!("l{}{number}", std::process::id() % 1000), rate, &scene);
                let shown = match &went {
                    Ok(Some(after)) => format!("ok, told after {after:.1?}"),
                    Ok(None) => "ok".to_owned(),
                    Err(why) => format!("FAILED: {why}"),
                };
                eprintln!("lab: {} {shown} ({:.0?})", scene.name, began.elapsed());
                if shows || went.is_err() {
                    eprintln!("{told}\n");
                }
                done.lock().unwrap().push(Run { scene: scene.name, went });
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.join().unwrap();
    }
    let done = done.lock().unwrap();
    summary(&scenes, &done);
    if done.iter().any(|run| run.went.is_err()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn summary(scenes: &[scenes::Scene], done: &[Run]) {
    eprintln!(
        "\n{:<24} {:>5} {:>6}   from the cut to the alert, by the bot's clock",
        "scene", "runs", "right"
    );
    for scene in scenes {
        let of_it: Vec<&Run> = done.iter().filter(|run| run.scene == scene.name).collect();
        let right = of_it.iter().filter(|run| run.went.is_ok()).count();
        let mut after: Vec<u64> =
            of_it.iter().filter_map(|run| run.went.as_ref().ok()?.map(|d| d.as_secs())).collect();
        after.sort_unstable();
        let shown = match (after.first(), after.last()) {
            (Some(least), Some(most)) => {
                format!("{least} to {most} s, median {} s", after[after.len() / 2])
            }
            _ => "-".to_owned(),
        };
        eprintln!("{:<24} {:>5} {:>6}   {shown}", scene.name, of_it.len(), right);
    }
}
