//! What the chats' promises cost: `cargo bench --bench chats -- fanout | backlog [N…] | busy | kills [N] | commands | memory`;
//! all where none is named.

#![allow(clippy::unwrap_used)]

mod backlog;
mod busy;
mod commands;
#[path = "../../tests/doubles/mod.rs"]
mod doubles;
mod fanout;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/harness/mod.rs"]
mod harness;
mod kills;
mod memory;

fn main() {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if harness::kills::is_child() {
        runtime().block_on(harness::kills::live());
        return;
    }
    println!("{}", machine());
    if wants("memory") {
        runtime().block_on(memory::run());
    }
    if wants("commands") {
        runtime().block_on(commands::run());
    }
    if wants("fanout") {
        runtime().block_on(fanout::run());
    }
    let numbers = || asked.iter().filter_map(|word| word.parse::<usize>().ok());
    let mut kept = true;
    if wants("backlog") {
        let sizes: Vec<usize> = numbers().collect();
        let sizes = if sizes.is_empty() { vec![100, 2_000, 10_000] } else { sizes };
        for chats in sizes {
            kept &= runtime().block_on(backlog::run(chats));
        }
    }
    if wants("busy") {
        kept &= runtime().block_on(busy::run());
    }
    if wants("kills") {
        runtime().block_on(kills::run(numbers().next().unwrap_or(200)));
    }
    if !kept {
        println!("\na promise was not kept");
        std::process::exit(1);
    }
}

/// As many threads as the bot itself has.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn machine() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} cores, load {}", load.join(" "))
}
