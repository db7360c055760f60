//! What running for years costs: `cargo bench --bench care -- restart | month`; both where none is named.

#![allow(clippy::unwrap_used)]

#[path = "../../tests/doubles/mod.rs"]
mod doubles;
#[allow(dead_code, unused_imports)]
#[path = "../../tests/harness/mod.rs"]
mod harness;
mod month;
mod restart;

fn main() {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if wants("restart") {
        runtime.block_on(restart::run());
    }
    if wants("month") {
        runtime.block_on(month::run());
    }
}
