//! `linkdown deliveries`: shows the pending deliveries of each chat, the last one sent and the last
//! error.

use super::{Common, Failure};
use crate::clock::Clock;
use crate::render::lists::delivery_line;
use crate::render::outside::visible_within;
use crate::render::words::{day_and_time, plural};
use crate::store::{Access, Store};
use std::io::{self, Write};

pub(super) async fn run(common: &Common) -> Result<(), Failure> {
    let store = Store::open(common.database(), Access::Beside).map_err(Failure::work)?;
    let chats = store.read(|db| db.deliveries().overview(None)).await.map_err(Failure::work)?;
    let now = Clock::system().now();
    let mut out = io::stdout().lock();
    let owed: u64 = chats.iter().map(|chat| u64::from(chat.tally.owed)).sum();
    let mut say = |line: String| writeln!(out, "{line}").map_err(Failure::unwritten);
    say(format!("{}, {} owed", plural(chats.len() as u64, "chat", "chats"), owed))?;
    for chat in &chats {
        say(format!("{} {}", chat.place.chat.platform, chat.place.chat.address))?;
        say(format!("   {}", delivery_line(&chat.tally, now)))?;
        if let Some((since, why)) = &chat.place.suspended {
            say(format!(
                "   suspended since {}: {}",
                day_and_time(*since, chrono_tz::Tz::UTC, now),
                visible_within(why, 200)
            ))?;
        }
    }
    Ok(())
}
