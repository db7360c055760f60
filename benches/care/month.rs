//! Thirty days of a thousand entities on a moved clock, with outages every day and the nightly pruning: memory stays flat, and
//! the database within the formula of docs/operating.md. Three weeks go before them, in which the detector's memory fills.

use crate::harness::stage::{self, STEP};
use linkdown::app::{Parts, Running, RuntimeOptions};
use linkdown::chat::console::Console;
use linkdown::clock::Clock;
use linkdown::config::{Addresses, Config, Secrets};
use linkdown::domain::time::DAY;
use linkdown::domain::{Entity, Timestamp};
use linkdown::store::{Access, Store};
use std::time::Instant;

const ENTITIES: usize = 1_000;
/// Kept by the detector: what is measured begins once that much is there.
const FILLING: i64 = 21;
const DAYS: i64 = 30;
/// The shortest that the configuration takes, so that pruning is at work.
const RAW_DAYS: i64 = 15;
const TICKS: i64 = DAY / STEP;

/// docs/operating.md: bytes of an observation, of an hour of a series, and what an incident leaves.
const OBSERVATION: f64 = 50.0;
const HOUR: f64 = 60.0;
const INCIDENT: f64 = 24.0 * 1024.0;

pub async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("month.db");
    let entities: Vec<Entity> =
        (1..=ENTITIES).map(|n| format!("asn/{n}").parse().unwrap()).collect();
    let begin = Timestamp::parse(stage::BEGIN).unwrap();
    let clock = Clock::simulated(begin);
    let config = format!(
        "{}[storage]\nraw_days = {RAW_DAYS}\n[probe]\nenabled = false\n",
        stage::config(&entities)
    );
    let parts = Parts {
        config: Config::parse(&config, "bench.toml").unwrap(),
        secrets: Secrets::default(),
        addresses: Addresses::default(),
        store: Store::open(&database, Access::Own).unwrap(),
        console: Console::new(std::io::sink()),
        runtime_options: RuntimeOptions { clock: clock.clone(), ..RuntimeOptions::default() },
    };
    let bot = Running::start(parts).await.unwrap();
    println!(
        "\n{DAYS} days of {ENTITIES} entities with two signals each, after {FILLING} that fill the detector's memory"
    );
    println!("{:>4} {:>12} {:>14} {:>12}", "day", "resident MiB", "database MiB", "incidents");
    let (began, mut resident) = (Instant::now(), Vec::new());
    for day in 0..FILLING + DAYS {
        for tick in 0..TICKS {
            let number = day * TICKS + tick;
            // Ten others every day, for two hours.
            let down = |entity: usize| {
                entity as i64 / 10 == day % (ENTITIES as i64 / 10) && (120..144).contains(&tick)
            };
            clock.advance_to(begin + number * STEP).await;
            stage::take(&bot, vec![stage::tick(&entities, number, &down)]).await;
        }
        clock.until_all_rest().await;
        if day < FILLING {
            continue;
        }
        resident.push(memory());
        if day % 5 == 0 || day == FILLING + DAYS - 1 {
            let incidents =
                bot.context.store.read(|db| db.incidents().recent(100_000)).await.unwrap().len();
            let size = bot.context.store.space().unwrap().used;
            println!(
                "{:>4} {:>12.1} {:>14.1} {incidents:>12}",
                day - FILLING + 1,
                memory(),
                size as f64 / 1_048_576.0
            );
        }
    }
    let mean = |days: &[f64]| days.iter().sum::<f64>() / days.len() as f64;
    let (first, last) = (mean(&resident[..10]), mean(&resident[resident.len() - 10..]));
    println!(
        "resident, mean of the first 10 days {first:.1} MiB, of the last 10 {last:.1} MiB: {:+.1} % (within 5 % owed)",
        (last / first - 1.0) * 100.0
    );
    let series = (ENTITIES + 3) as f64 * 2.0;
    let hours = ((FILLING + DAYS - RAW_DAYS) * 24) as f64;
    let incidents = ((FILLING + DAYS) * 10) as f64;
    let most = series * ((RAW_DAYS + 1) as f64 * TICKS as f64 * OBSERVATION + hours * HOUR)
        + incidents * INCIDENT;
    let size = bot.context.store.space().unwrap().used as f64;
    println!(
        "database {:.0} MiB, by the formula at most {:.0} MiB; {:.0} s in all",
        size / 1_048_576.0,
        most / 1_048_576.0,
        began.elapsed().as_secs_f64()
    );
    bot.stop().await.unwrap();
}

/// Resident, in MiB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}
