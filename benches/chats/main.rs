//! What the chats' promises cost: `cargo bench --bench chats -- fanout | kills | commands | memory`; all where none is named.

#![allow(clippy::unwrap_used)]

mod commands;
#[path = "../../tests/doubles/mod.rs"]
mod doubles;
mod fanout;
mod kills;
mod memory;
mod oracle;
mod stage;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if kills::is_child() {
        runtime().block_on(kills::live());
        return;
    }
    println!("{}", stage::machine());
    if wants("memory") {
        runtime().block_on(memory::run());
    }
    if wants("commands") {
        runtime().block_on(commands::run());
    }
    if wants("fanout") {
        runtime().block_on(fanout::run());
    }
    if wants("kills") {
        let number = asked.iter().find_map(|word| word.parse().ok());
        runtime().block_on(kills::run(number.unwrap_or(200)));
    }
}

/// As many threads as the bot itself has.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
