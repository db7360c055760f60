//! What our own eyes cost: `cargo bench --bench eyes -- minute | fast | routes | tarpits`; all where none is named.

#![allow(clippy::unwrap_used)]

mod fast;
mod minute;
mod routes;
mod serve;
mod tarpits;
mod usage;

fn main() {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if asked.first().is_some_and(|word| word == "serve") {
        return runtime().block_on(serve::run());
    }
    if asked.first().is_some_and(|word| word == "serve-tarpits") {
        return runtime().block_on(tarpits::serve());
    }
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    println!("{}", usage::machine());
    if wants("routes") {
        routes::run();
    }
    if wants("fast") {
        runtime().block_on(fast::run());
    }
    if wants("tarpits") {
        runtime().block_on(tarpits::run());
    }
    if wants("minute") {
        runtime().block_on(minute::run());
    }
}

/// As many threads as the bot itself has.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
