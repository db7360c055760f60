//! `kill -9` at random moments of telling: no chat misses a start or a return, or hears one twice but on Telegram, where
//! that is counted. `cargo bench --bench chats -- kills` does the same two hundred times.

use crate::harness::kills::{Run, is_child, live};

/// The life that is killed: a process of its own. Does nothing otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    if is_child() {
        live().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_no_chat_misses_anything() {
    let arguments = &["--exact", "stories::chats::killed::child", "--quiet"];
    let outcome = Run { kills: 8, chats: 40, longest_life: 1_500, arguments }.play().await;
    let (discord, telegram) = (outcome.discord.wrong, outcome.telegram.wrong);
    assert!(outcome.incidents >= 2, "{outcome:?}");
    assert_eq!(
        (discord.lost, discord.doubled, discord.out_of_order, discord.stale_cards),
        (0, 0, 0, 0),
        "{outcome:?}"
    );
    assert_eq!(
        (telegram.lost, telegram.out_of_order, telegram.stale_cards),
        (0, 0, 0),
        "{outcome:?}"
    );
    assert!(telegram.doubled <= outcome.telegram.doubts, "{outcome:?}");
}
