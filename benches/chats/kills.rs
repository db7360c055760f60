//! `kill -9` at random moments of fan-outs to 500 chats, with incidents coming and going: in the end every chat has heard what
//! it was owed. The bot is a process of its own; the platforms' doubles, with their limits raised, outlive it.

use crate::doubles::{DiscordDouble, TelegramDouble};
use crate::oracle::{Heard, Wrong, heard, judge};
use crate::stage::{self, STEP};
use linkdown::clock::Clock;
use linkdown::domain::Entity;
use linkdown::store::{Access, Store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const CHATS: usize = 500;
/// Each is down for six ticks of twenty-four.
const ENTITIES: usize = 4;
const DOWN: i64 = 6;
const ROUND: i64 = 24;
/// A life lasts so long at most, in milliseconds.
const LONGEST_LIFE: u64 = 4_000;
/// The next tick waits while more than this is owed.
const BACKLOG: u32 = 300;

const DATABASE: &str = "LINKDOWN_BENCH_DATABASE";
const DISCORD: &str = "LINKDOWN_BENCH_DISCORD";
const TELEGRAM: &str = "LINKDOWN_BENCH_TELEGRAM";
/// No further outage begins; those that go on end.
const WIND_DOWN: &str = "LINKDOWN_BENCH_WIND_DOWN";

pub fn is_child() -> bool {
    std::env::var_os(DATABASE).is_some()
}

fn entities() -> Vec<Entity> {
    (1..=ENTITIES).map(|n| format!("asn/{n}").parse().unwrap()).collect()
}

/// Whether an entity is down at a tick: one after the other, round after round.
fn is_down(entity: usize, number: i64) -> bool {
    let place = (number + entity as i64 * (ROUND / ENTITIES as i64)).rem_euclid(ROUND);
    number > 2 && place < DOWN
}

/// The life that is killed: goes on with the made-up world where the database has it.
pub async fn live() {
    let text = |name: &str| std::env::var(name).unwrap();
    let database = PathBuf::from(text(DATABASE));
    let entities = entities();
    let bot = stage::start(&database, &stage::config(&entities), &text(DISCORD), &text(TELEGRAM)).await;
    let marker = database.with_extension("tick");
    let mut number: i64 = std::fs::read_to_string(&marker).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let winds_down = std::env::var_os(WIND_DOWN).is_some();
    loop {
        let owed: u32 = owed(&bot.desk.store).await;
        if owed > BACKLOG {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        let down = |entity: usize| !winds_down && is_down(entity, number);
        stage::take(&bot, vec![stage::tick(&entities, number, &down)]).await;
        number += 1;
        // A tick that is taken again after a kill says nothing new.
        std::fs::write(&marker, number.to_string()).unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn owed(store: &Store) -> u32 {
    let chats = store.read(|db| db.deliveries().overview(None)).await.unwrap();
    chats.iter().map(|chat| chat.owed).sum()
}

pub async fn run(kills: usize) {
    println!("\nkill -9, {kills} times, of a bot that tells {CHATS} chats of outages that come and go");
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("kills.db");
    let (discord, telegram) =
        (DiscordDouble::start(Clock::system()).await, TelegramDouble::start(Clock::system()).await);
    discord.unlimited();
    telegram.unlimited();
    let chats = stage::subscribe(&database, &discord, &telegram, CHATS).await;
    let entities = entities();
    let bot = stage::start(&database, &stage::config(&entities), &discord.url(), &telegram.url()).await;
    stage::take(&bot, stage::calm(&entities, 3, STEP)).await;
    bot.stop().await.unwrap();

    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let began = Instant::now();
    for _ in 0..kills {
        let mut life = spawn(&database, &discord.url(), &telegram.url(), false);
        tokio::time::sleep(Duration::from_millis(rng.u64(50..LONGEST_LIFE))).await;
        assert!(life.0.try_wait().unwrap().is_none(), "it ended by itself");
        life.0.kill().unwrap();
        life.0.wait().unwrap();
    }
    let life = spawn(&database, &discord.url(), &telegram.url(), true);
    settled(&database).await;
    drop(life);
    println!("  in {:.0} s, seed {seed}", began.elapsed().as_secs_f64());

    let store = Store::open(&database, Access::Beside).unwrap();
    let incidents = store.read(|db| db.incidents().recent(1000)).await.unwrap();
    let overview = store.read(|db| db.deliveries().overview(None)).await.unwrap();
    let doubts = |platform: &str| -> u32 {
        overview.iter().filter(|chat| chat.place.chat.platform == platform).map(|chat| chat.doubts).sum()
    };
    let ids: Vec<i64> = incidents.iter().map(|incident| incident.id.0).collect();
    let on_discord = chats.discord.iter().map(|chat| {
        let messages = discord.messages(*chat);
        let first = |m: &crate::doubles::discord::Message| m.edits.first().map_or_else(|| m.text(), |_| original(m));
        heard(&messages.iter().map(|m| (first(m), m.text())).collect::<Vec<_>>())
    });
    let on_telegram = chats.telegram.iter().map(|chat| {
        let messages = telegram.messages(*chat);
        // The double keeps the texts of edits, and the first as the call had it: a card begins red.
        heard(
            &messages
                .iter()
                .map(|m| (if m.edits.is_empty() { m.text.clone() } else { "🔴".to_owned() }, m.text.clone()))
                .collect::<Vec<_>>(),
        )
    });
    report("Discord", &ids, &on_discord.collect::<Vec<_>>(), doubts("discord"));
    report("Telegram", &ids, &on_telegram.collect::<Vec<_>>(), doubts("telegram"));
    let sent = discord.calls().iter().filter(|c| c.path.ends_with("/messages") && c.method == "POST").count()
        + telegram.calls_of("sendMessage").len();
    println!("  {} incidents, {sent} calls to send", incidents.len());
}

/// A card begins as a start: what is edited is never anything else.
fn original(_: &crate::doubles::discord::Message) -> String {
    "🔴".to_owned()
}

fn report(platform: &str, incidents: &[i64], chats: &[BTreeMap<i64, Heard>], doubts: u32) {
    let mut all = Wrong::default();
    for heard in chats {
        for incident in incidents {
            let wrong = judge(heard.get(incident));
            all.lost += wrong.lost;
            all.doubled += wrong.doubled;
            all.out_of_order += wrong.out_of_order;
            all.stale_cards += wrong.stale_cards;
        }
    }
    println!(
        "  {platform:<9} lost {}, out of order {}, told twice {} (sent again in doubt {doubts}), cards that show the past {}",
        all.lost, all.out_of_order, all.doubled, all.stale_cards
    );
}

fn spawn(database: &Path, discord: &str, telegram: &str, winds_down: bool) -> Life {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("kills").env(DATABASE, database).env(DISCORD, discord).env(TELEGRAM, telegram);
    if winds_down {
        command.env(WIND_DOWN, "1");
    }
    Life(command.spawn().unwrap())
}

/// Nothing is open, nothing owed, every card up to date.
async fn settled(database: &Path) {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_mins(5), "it does not come to rest");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let Ok(store) = Store::open(database, Access::Beside) else { continue };
        let rests = store.read(|db| {
            let behind = db.cards().behind("discord", 1)?.len() + db.cards().behind("telegram", 1)?.len();
            let owed: u32 = db.deliveries().overview(None)?.iter().map(|chat| chat.owed + chat.held).sum();
            Ok(db.incidents().open()?.is_empty() && owed == 0 && behind == 0)
        });
        if rests.await.unwrap_or(false) {
            return;
        }
    }
}

/// A life that does not outlive a bench which fails.
struct Life(Child);

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
