//! What people in Discord and Telegram chats type and see.

mod asking;
mod bounds;
mod commands;
mod delivery;
mod killed;
mod north_korea;
mod operator;
mod places;
mod questions;
mod quiet;
mod refused;
mod sensitivity;
mod sight;

/// The first line of each thing that a chat shows, without the times that say when it began.
fn first_lines(shown: &str) -> String {
    shown.lines().filter(|line| line.starts_with('[')).collect::<Vec<_>>().join("\n")
}

/// The n-th thing that a chat shows, from 1.
fn whole_of(shown: &str, number: usize) -> String {
    let mut things: Vec<String> = Vec::new();
    for line in shown.lines() {
        match things.last_mut().filter(|_| !line.starts_with('[')) {
            Some(last) => last.extend(["\n", line.trim_start()]),
            None => things.push(line.to_owned()),
        }
    }
    things[number - 1].clone()
}
