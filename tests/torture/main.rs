//! Random faults of every kind: days of outages with a bot that is killed, stopped, held up and
//! suspended, while its clock, disk, sources, platforms and connection fail; and an oracle that
//! knows which messages were owed.
//!
//! - `cargo test --test torture -- --kept`: the seeds that once failed;
//! - `cargo test --release --test torture -- --seeds 50`: fresh ones, with their totals;
//! - `… -- --minutes 10`: fresh ones for this time;
//! - `… -- --seed 7 --show`: that one, with its plan and the log.
//!
//! `--days 2 --kills 20` apply to each seed. A run takes minutes, so a plain `cargo test` skips it,
//! and says so.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod disk;
#[path = "../doubles/mod.rs"]
mod doubles;
#[path = "../harness/earlier.rs"]
mod earlier;
mod faults;
mod life;
mod oracle;
mod outside;
mod plan;
mod world;

use disk::{Abilities, Disk};
use plan::{Faults, Measure, Plan};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use world::{Counts, World};

/// The number of concurrent runs: each waits for its bot, which waits for sockets.
const AT_ONCE: usize = 5;
/// Each line holds a seed, its kills, the faults that existed then, and the error that it found.
const KEPT: &str = include_str!("seeds.txt");

struct Wish {
    /// The seeds, each with the kills and faults of the time when it failed, if it is a kept one.
    seeds: Vec<Seed>,
    until: Option<Instant>,
    measure: Measure,
    shows: bool,
    at_once: usize,
}

type Seed = (u64, Option<(usize, Faults)>);

impl Wish {
    fn read() -> Result<Self, String> {
        let measure = Measure { days: 2, kills: 20, disk: Disk::abilities(), faults: Faults::All };
        let mut wish =
            Self { seeds: Vec::new(), until: None, measure, shows: false, at_once: AT_ONCE };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || {
                words.next().and_then(|n| n.parse().ok()).ok_or(format!("{word} needs a number"))
            };
            match word.as_str() {
                "--seed" => wish.seeds.push((number()?, None)),
                "--seeds" => wish.seeds.extend((0..number()?).map(|_| (fresh(), None))),
                "--minutes" => wish.until = Some(Instant::now() + Duration::from_mins(number()?)),
                "--days" => wish.measure.days = number()? as i64,
                "--kills" => wish.measure.kills = number()? as usize,
                "--at-once" => wish.at_once = number()? as usize,
                "--show" => wish.shows = true,
                "--kept" => wish.seeds.extend(kept()),
                // Arguments that cargo passes to every test binary.
                _ => {}
            }
        }
        Ok(wish)
    }
}

fn kept() -> Vec<Seed> {
    let read = |line: &str| {
        let mut words = line.split(' ');
        let (seed, kills) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let faults = match words.next()? {
            "first" => Faults::First,
            "second" => Faults::Second,
            _ => Faults::All,
        };
        Some((seed, Some((kills, faults))))
    };
    KEPT.lines().filter_map(read).collect()
}

/// Returns a random seed that is short enough to be written down.
fn fresh() -> u64 {
    fastrand::u64(..1_000_000_000)
}

#[derive(Default)]
struct Sums {
    runs: usize,
    failed: Vec<u64>,
    days: i64,
    outages: usize,
    messages: usize,
    lost: usize,
    doubled: usize,
    allowed: usize,
    out_of_order: usize,
    incidents: usize,
    disobedience: usize,
    counts: Counts,
}

fn main() -> ExitCode {
    if life::is_child() {
        return life::live();
    }
    let wish = match Wish::read() {
        Ok(wish) => wish,
        Err(why) => {
            eprintln!("torture: {why}");
            return ExitCode::from(2);
        }
    };
    if wish.seeds.is_empty() && wish.until.is_none() {
        eprintln!(
            "torture: left out, it takes some minutes. To have it: cargo test --test torture -- --kept (the seeds that once \
             failed), --seeds 50 or --minutes 10 (fresh ones)"
        );
        return ExitCode::SUCCESS;
    }
    match wish.measure.disk {
        Abilities::Nothing => {
            eprintln!("torture: no disk gets full, slow or broken here: mounting one needs root");
        }
        Abilities::GetsFull => {
            eprintln!(
                "torture: no disk gets slow or broken here: that needs loop devices and ext4"
            );
        }
        Abilities::Breaks => {}
    }
    let (began, sums) = (Instant::now(), Arc::new(Mutex::new(Sums::default())));
    let todo = Arc::new(Mutex::new(wish.seeds.iter().rev().copied().collect::<Vec<_>>()));
    let workers = (0..wish.at_once.max(1)).map(|_| {
        let (todo, sums, measure, shows, until) =
            (Arc::clone(&todo), Arc::clone(&sums), wish.measure, wish.shows, wish.until);
        std::thread::spawn(move || {
            loop {
                let next = todo.lock().unwrap().pop();
                let (seed, then) = match next {
                    Some(seed) => seed,
                    // The time of the kept seeds counts too.
                    None if until.is_some_and(|until| Instant::now() < until) => (fresh(), None),
                    None => return,
                };
                let (kills, faults) = then.unwrap_or((measure.kills, measure.faults));
                let measure = Measure { kills, faults, ..measure };
                let ran =
                    std::panic::catch_unwind(AssertUnwindSafe(|| run(seed, measure, shows, &sums)));
                if ran.is_err() {
                    eprintln!("torture: seed {seed} FAILED: the harness itself, see above");
                    sums.lock().unwrap_or_else(PoisonError::into_inner).failed.push(seed);
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.join().unwrap();
    }
    let sums = sums.lock().unwrap();
    summary(&sums, began.elapsed());
    if sums.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(seed: u64, measure: Measure, shows: bool, sums: &Mutex<Sums>) {
    let began = Instant::now();
    let (world, verdict) = runtime().block_on(async {
        let mut world = World::new(Plan::new(seed, measure)).await;
        world.play().await;
        let verdict = oracle::judge(&world).await;
        (world, verdict)
    });
    let (took, good) = (began.elapsed().as_secs_f64(), verdict.is_good());
    let shown = if good { "ok".to_owned() } else { format!("FAILED\n{verdict}") };
    eprintln!(
        "torture: seed {seed}, {} outages, {} kills, {} stops, {} messages, {} calls while told to wait, {took:.0} s: {shown}",
        verdict.outages,
        world.counts.kills,
        world.counts.stops,
        verdict.messages,
        verdict.disobeyed.len()
    );
    let whole = || format!("{}\n{}\n{}", world.plan, oracle::known(&world), world.log());
    if shows {
        eprintln!("{}", whole());
    }
    if !good {
        // If a seed alone does not fail again, these files are the only evidence.
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("torture-{seed}.log"));
        let log = std::fs::write(&kept, format!("{verdict}\n{}", whole()));
        match log.and_then(|()| std::fs::copy(world.database(), kept.with_extension("db"))) {
            Ok(_) => eprintln!(
                "torture: all of it is in {}, with the database beside it",
                kept.display()
            ),
            Err(error) => eprintln!("torture: {}: {error}", kept.display()),
        }
    }
    let mut sums = sums.lock().unwrap();
    sums.runs += 1;
    sums.days += measure.days;
    sums.outages += verdict.outages;
    sums.messages += verdict.messages;
    sums.lost += verdict.lost.len();
    sums.doubled += verdict.doubled.len();
    sums.allowed += verdict.allowed;
    sums.out_of_order += verdict.out_of_order.len();
    sums.incidents += verdict.incidents.len();
    sums.disobedience += verdict.disobeyed.len();
    sums.counts.add(&world.counts);
    if !good {
        sums.failed.push(seed);
    }
}

fn summary(sums: &Sums, took: Duration) {
    let counts = &sums.counts;
    eprintln!(
        "\n{} seeds, {} simulated days in {:.0} s: {} outages, {} kill -9 ({} with what was not synced), {} stops, {} reloads, \
         {} upgrades, {} starts ({} refused while disk or database were away), {} messages\nlost {}, doubled {} (and {} on Telegram that are counted as doubtful), out of \
         order {}, wrong incidents {}, calls while told to wait {}\nlargest {:.1} MiB, {} open files",
        sums.runs,
        sums.days,
        took.as_secs_f64(),
        sums.outages,
        counts.kills,
        counts.power_cuts,
        counts.stops,
        counts.reloads,
        counts.upgrades,
        counts.starts,
        counts.failed_starts,
        sums.messages,
        sums.lost,
        sums.doubled,
        sums.allowed,
        sums.out_of_order,
        sums.incidents,
        sums.disobedience,
        counts.most_kib as f64 / 1024.0,
        counts.most_files,
    );
    if !sums.failed.is_empty() {
        eprintln!("failed, to be played again with --seed: {:?}", sums.failed);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
