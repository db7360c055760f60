//! How soon what is owed is on the wire after the real binary is executed: on a database as a kill left it, with a start owed to
//! chats of both platforms.

use crate::doubles::{DiscordDouble, TelegramDouble};
use crate::harness::stage::{self, Kind};
use linkdown::clock::Clock;
use linkdown::domain::Entity;
use std::path::Path;
use std::time::{Duration, Instant};

const STARTS: usize = 20;
const CHATS: usize = 40;

pub async fn run() {
    println!(
        "\n{STARTS} starts on a database of {CHATS} chats that are owed a start each, as a kill left it"
    );
    let (mut first, mut all) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let folder = tempfile::tempdir().unwrap();
        let (discord, telegram) = (
            DiscordDouble::start(Clock::system()).await,
            TelegramDouble::start(Clock::system()).await,
        );
        discord.unlimited();
        telegram.unlimited();
        let database = folder.path().join("linkdown.db");
        let entities: Vec<Entity> = (1..=20).map(|n| format!("asn/{n}").parse().unwrap()).collect();
        stage::subscribe(&database, &discord, &telegram, CHATS, Kind::People).await;
        owe(&database, &entities).await;
        std::fs::write(folder.path().join("bench.toml"), stage::config(&entities)).unwrap();

        let sent = || {
            discord
                .calls()
                .iter()
                .filter(|call| call.method == "POST" && call.path.ends_with("/messages"))
                .count()
                + telegram.calls_of("sendMessage").len()
        };
        let before = sent();
        let began = Instant::now();
        let bot = stage::binary(folder.path(), &discord, &telegram);
        let until = async |count: usize| {
            while sent() < before + count {
                assert!(
                    began.elapsed() < Duration::from_mins(1),
                    "{} of {count} sent",
                    sent() - before
                );
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            began.elapsed().as_secs_f64() * 1e3
        };
        first.push(until(1).await);
        all.push(until(CHATS).await);
        drop(bot);
    }
    println!("{:<48} {:>9} {:>9} {:>9}", "from exec", "minimum", "median", "maximum");
    show("to the first owed message on the wire (1000 owed)", first);
    show("to the last of them", all);
}

/// Three days of calm, then one goes down while nobody can be told: the bot has no platform in this life.
async fn owe(database: &Path, entities: &[Entity]) {
    let nobody = "http://127.0.0.1:1";
    let bot = stage::start(database, &stage::config(entities), nobody, nobody).await;
    stage::take(&bot, stage::calm(entities, 3, stage::STEP)).await;
    for number in 0..8 {
        stage::take(&bot, vec![stage::tick(entities, number, &|entity| entity == 0 && number > 2)])
            .await;
    }
    // Nothing is said to be stopped: as after a kill.
    drop(bot);
    let is_free = || linkdown::store::Store::open(database, linkdown::store::Access::Own).is_ok();
    stage::until("the database is free", Duration::from_secs(20), is_free).await;
    // What was tried in vain waits for its next try: as if the kill had come before the first.
    let connection = rusqlite::Connection::open(database).unwrap();
    connection
        .execute_batch("UPDATE delivery SET next_at = 0, attempts = 0 WHERE state = 'owed'")
        .unwrap();
}

fn show(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    println!(
        "{what:<48} {:>6.0} ms {:>6.0} ms {:>6.0} ms",
        times[0],
        times[times.len() / 2],
        times[times.len() - 1]
    );
}
