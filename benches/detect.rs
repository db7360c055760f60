//! What detection alone costs: rows through `advance` and `apply` in a second, one row by itself, and memory, as series
//! grow in number. `cargo bench --bench detect -- [SERIES…]`, 100, 1,000 and 10,000 unless said.
//!
//! Series are those of countries: five signals of four sources with their steps and delays, noise, a daily rhythm, three
//! weeks of history, rows of all entities interleaved as they are published; one entity in fifty falls for hours each day.

#![allow(clippy::unwrap_used)]

use linkdown::detect::{State, advance};
use linkdown::domain::time::{DAY, HOUR};
use linkdown::domain::{Batch, Observation, Series, Timestamp};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const START: i64 = 1_748_736_000;
/// A full history.
const HISTORY: i64 = 21 * DAY;
/// Rows that are timed: a number of whole days.
const ROWS: usize = 1_000_000;
/// Rows that are timed one by one.
const SINGLE: usize = 200_000;

struct Signal {
    source: &'static str,
    name: &'static str,
    step: i64,
    lag: i64,
    normal: f64,
    noise: f64,
}

const SIGNALS: [Signal; 5] = [
    Signal { source: "ioda", name: "bgp", step: 300, lag: 900, normal: 900.0, noise: 0.002 },
    Signal {
        source: "ioda",
        name: "ping-slash24",
        step: 600,
        lag: 1500,
        normal: 450.0,
        noise: 0.01,
    },
    Signal { source: "ioda", name: "merit-nt", step: 300, lag: 600, normal: 74.0, noise: 0.3 },
    Signal {
        source: "ripestat",
        name: "visibility",
        step: 900,
        lag: 600,
        normal: 0.985,
        noise: 0.004,
    },
    Signal { source: "radar", name: "netflow", step: 900, lag: 1800, normal: 800.0, noise: 0.06 },
];

fn main() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let asked = if asked.is_empty() { vec![100, 1_000, 10_000] } else { asked };
    println!(
        "{:>8} {:>12} {:>12} {:>10} {:>10} {:>12}",
        "series", "rows", "rows/s", "p50 µs", "p99 µs", "KiB/series"
    );
    for series in asked {
        measure(series);
    }
}

fn measure(series: usize) {
    let before = resident();
    let mut world = World::new(series);
    let mut state = State::default();
    while world.now < START + HISTORY {
        take(&mut state, &world.next_batch());
    }
    let kib = resident().saturating_sub(before) as f64 / series as f64;

    let (mut rows, mut spent) = (0, Duration::ZERO);
    while rows < ROWS {
        // What the rows are made of is not what is measured.
        let batches: Vec<Batch> = (0..2_000).map(|_| world.next_batch()).collect();
        let began = Instant::now();
        for batch in &batches {
            take(&mut state, batch);
        }
        spent += began.elapsed();
        rows += batches.iter().map(|batch| batch.observations.len()).sum::<usize>();
    }

    let mut single = Vec::with_capacity(SINGLE);
    while single.len() < SINGLE {
        let batch = world.next_batch();
        for observation in &batch.observations {
            let alone =
                Batch { observations: vec![observation.clone()], ..Batch::live(batch.received_at) };
            let began = Instant::now();
            take(&mut state, &alone);
            single.push(began.elapsed());
        }
    }
    single.sort_unstable();
    let micros =
        |share: f64| single[(single.len() as f64 * share) as usize].as_nanos() as f64 / 1000.0;
    println!(
        "{series:>8} {rows:>12} {:>12.0} {:>10.2} {:>10.2} {kib:>12.1}",
        rows as f64 / spent.as_secs_f64(),
        micros(0.5),
        micros(0.99),
    );
}

fn take(state: &mut State, batch: &Batch) {
    let (change, transitions) = advance(state, batch);
    black_box(transitions);
    state.apply(change);
}

/// Entities measured by all signals; rows come second by second.
struct World {
    series: Vec<Vec<Arc<Series>>>,
    now: i64,
    random: fastrand::Rng,
}

impl World {
    fn new(series: usize) -> Self {
        let entities = (series / SIGNALS.len()).max(1);
        let named = |at: usize| {
            let name = format!("asn/{}", at + 1);
            let of = |signal: &Signal| Series {
                entity: name.parse().unwrap(),
                source: signal.source.into(),
                signal: signal.name.into(),
            };
            SIGNALS.iter().map(|signal| Arc::new(of(signal))).collect()
        };
        Self {
            series: (0..entities).map(named).collect(),
            now: START,
            random: fastrand::Rng::with_seed(7),
        }
    }

    /// What is published in the next second in which anything is.
    fn next_batch(&mut self) -> Batch {
        loop {
            self.now += 1;
            let mut batch = Batch::live(Timestamp::from_unix(self.now));
            for (at, entity) in self.series.iter().enumerate() {
                // Each entity is published up to two minutes after the first.
                let late = (at * 37 % 120) as i64;
                for (signal, series) in SIGNALS.iter().zip(entity) {
                    let since = self.now - START - late - signal.step - signal.lag;
                    if since < 0 || since % signal.step != 0 {
                        continue;
                    }
                    let start = START + since;
                    let is_down = (since / DAY + at as i64) % 50 == 0
                        && (6..10).contains(&(since % DAY / HOUR));
                    let hour = (start % DAY) as f64 / HOUR as f64;
                    let rhythm = 1.0
                        - signal.noise
                            * (1.0 + ((hour - 4.0) / 24.0 * std::f64::consts::TAU).cos());
                    let noise = 1.0 + signal.noise * (self.random.f64() + self.random.f64() - 1.0);
                    let value = if is_down { 0.0 } else { signal.normal * rhythm * noise };
                    batch.observations.push(Observation {
                        series: Arc::clone(series),
                        observed_at: Timestamp::from_unix(start),
                        value: Some(value),
                    });
                }
            }
            if !batch.observations.is_empty() {
                return batch;
            }
        }
    }
}

/// `VmRSS` in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
