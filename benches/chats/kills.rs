//! `kill -9` at random moments: what `harness::kills` does, as often as is asked for.

use crate::harness::kills::{Run, Tally};
use std::time::Instant;

const CHATS: usize = 500;
const LONGEST_LIFE_MS: u64 = 4_000;

pub async fn run(kills: usize) {
    println!(
        "\nkill -9, {kills} times, of a bot that tells {CHATS} chats of outages that come and go"
    );
    let began = Instant::now();
    let run = Run { kills, chats: CHATS, longest_life: LONGEST_LIFE_MS, arguments: &["kills"] };
    let outcome = run.play().await;
    println!(
        "  {} incidents, {} calls to send, {:.0} s, seed {}",
        outcome.incidents,
        outcome.calls,
        began.elapsed().as_secs_f64(),
        outcome.seed
    );
    show("Discord", outcome.discord);
    show("Telegram", outcome.telegram);
}

fn show(platform: &str, tally: Tally) {
    let wrong = tally.wrong;
    println!(
        "  {platform:<9} lost {}, out of order {}, told twice {} (sent again in doubt {}), cards that show the past {}",
        wrong.lost, wrong.out_of_order, wrong.doubled, tally.doubts, wrong.stale_cards
    );
}
