//! `kill -9` at random moments of fan-outs to many chats, while incidents begin and end. In the end
//! every chat must have got everything that it was owed. The bot is a process of its own; the
//! doubles of the platforms, with raised limits, outlive it.

mod oracle;

use super::stage::{self, Kind, Life, STEP};
use crate::doubles::{DiscordDouble, TelegramDouble};
use linkdown::clock::Clock;
use linkdown::domain::Entity;
use linkdown::store::{Access, Store};
use oracle::{Heard, Wrong, heard, judge};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The number of entities; each is down for six ticks of twenty-four.
const ENTITIES: usize = 4;
const DOWN: i64 = 6;
const ROUND: i64 = 24;
/// The next tick waits while more deliveries than this are pending.
const BACKLOG: u32 = 300;

const DATABASE: &str = "LINKDOWN_KILLS_DATABASE";
const DISCORD: &str = "LINKDOWN_KILLS_DISCORD";
const TELEGRAM: &str = "LINKDOWN_KILLS_TELEGRAM";
/// If this variable is set, no further outage begins and the open ones end.
const WIND_DOWN: &str = "LINKDOWN_KILLS_WIND_DOWN";

/// Returns whether this process is a bot that is to be killed.
pub fn is_child() -> bool {
    std::env::var_os(DATABASE).is_some()
}

fn entities() -> Vec<Entity> {
    (1..=ENTITIES).map(|n| format!("asn/{n}").parse().unwrap()).collect()
}

/// Returns whether an entity is down at a tick: one after the other, round after round.
fn is_down(entity: usize, number: i64) -> bool {
    let place = (number + entity as i64 * (ROUND / ENTITIES as i64)).rem_euclid(ROUND);
    number > 2 && place < DOWN
}

/// Runs the bot that is killed. It continues the made-up world at the tick where the previous
/// process stopped.
pub async fn live() {
    let text = |name: &str| std::env::var(name).unwrap();
    let database = PathBuf::from(text(DATABASE));
    let entities = entities();
    let bot =
        stage::start(&database, &stage::config(&entities), &text(DISCORD), &text(TELEGRAM)).await;
    let marker = database.with_extension("tick");
    let mut number: i64 =
        std::fs::read_to_string(&marker).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let winds_down = std::env::var_os(WIND_DOWN).is_some();
    loop {
        let owed: u32 = owed(&bot.context.store).await;
        if owed > BACKLOG {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        let down = |entity: usize| !winds_down && is_down(entity, number);
        stage::take(&bot, vec![stage::tick(&entities, number, &down)]).await;
        number += 1;
        // A tick that is taken again after a kill changes nothing.
        std::fs::write(&marker, number.to_string()).unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn owed(store: &Store) -> u32 {
    let chats = store.read(|db| db.deliveries().overview(None)).await.unwrap();
    chats.iter().map(|chat| chat.tally.owed).sum()
}

/// A run: the number of kills, and the number of chats.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub kills: usize,
    pub chats: usize,
    /// The longest time before a kill, in milliseconds.
    pub longest_life: u64,
    /// The arguments with which this program calls [`live`].
    pub arguments: &'static [&'static str],
}

/// The result of a run.
#[allow(dead_code)] // Only the bench shows every field.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub incidents: usize,
    /// The number of calls that send a message.
    pub calls: usize,
    pub discord: Tally,
    pub telegram: Tally,
}

/// The errors in the messages of a platform's chats.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub wrong: Wrong,
    /// Messages that were sent again because it was unknown whether they had arrived.
    pub doubts: usize,
}

impl Run {
    pub async fn play(self) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("kills.db");
        let (discord, telegram) = (
            DiscordDouble::start(Clock::system()).await,
            TelegramDouble::start(Clock::system()).await,
        );
        discord.unlimited();
        telegram.unlimited();
        let chats =
            stage::subscribe(&database, &discord, &telegram, self.chats, Kind::People).await;
        let entities = entities();
        let bot =
            stage::start(&database, &stage::config(&entities), &discord.url(), &telegram.url())
                .await;
        stage::take(&bot, stage::calm(&entities, 3, STEP)).await;
        // A connection can be closed only once it is established.
        discord.ready().await;
        bot.stop().await.unwrap();
        // Discord's client releases the database a moment later.
        let is_free = || Store::open(&database, Access::Own).is_ok();
        stage::until("the database is free", Duration::from_secs(20), is_free).await;

        let seed = fastrand::u64(..);
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..self.kills {
            let mut life = self.spawn(&database, &discord.url(), &telegram.url(), Stage::Comes);
            tokio::time::sleep(Duration::from_millis(rng.u64(50..self.longest_life))).await;
            assert!(life.0.try_wait().unwrap().is_none(), "it ended by itself");
            life.0.kill().unwrap();
            life.0.wait().unwrap();
        }
        let life = self.spawn(&database, &discord.url(), &telegram.url(), Stage::WindsDown);
        settled(&database).await;
        drop(life);

        let store = Store::open(&database, Access::Beside).unwrap();
        let incidents = store.read(|db| db.incidents().recent(1000)).await.unwrap();
        let overview = store.read(|db| db.deliveries().overview(None)).await.unwrap();
        let doubts = |platform: &str| -> usize {
            let chats = overview.iter().filter(|chat| chat.place.chat.platform == platform);
            chats.map(|chat| chat.tally.doubts as usize).sum()
        };
        let ids: Vec<i64> = incidents.iter().map(|incident| incident.id.0).collect();
        // A card begins as a start; no other message is ever edited.
        let first =
            |is_edited: bool, text: String| if is_edited { "🔴".to_owned() } else { text };
        let on_discord = chats.discord.iter().map(|chat| {
            let messages = discord.messages(*chat);
            heard(
                &messages
                    .iter()
                    .map(|m| (first(!m.edits.is_empty(), m.text()), m.text()))
                    .collect::<Vec<_>>(),
            )
        });
        let on_telegram = chats.telegram.iter().map(|chat| {
            let messages = telegram.messages(*chat);
            let both = messages
                .iter()
                .map(|m| (first(!m.edits.is_empty(), m.text.clone()), m.text.clone()));
            heard(&both.collect::<Vec<_>>())
        });
        let calls = discord
            .calls()
            .iter()
            .filter(|c| c.path.ends_with("/messages") && c.method == "POST")
            .count()
            + telegram.calls_of("sendMessage").len();
        Outcome {
            seed,
            incidents: incidents.len(),
            calls,
            discord: Tally { wrong: all(&ids, on_discord), doubts: doubts("discord") },
            telegram: Tally { wrong: all(&ids, on_telegram), doubts: doubts("telegram") },
        }
    }

    fn spawn(self, database: &Path, discord: &str, telegram: &str, stage: Stage) -> Life {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(self.arguments)
            .env(DATABASE, database)
            .env(DISCORD, discord)
            .env(TELEGRAM, telegram);
        if stage == Stage::WindsDown {
            command.env(WIND_DOWN, "1");
        }
        Life(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Outages begin and end.
    Comes,
    WindsDown,
}

fn all(incidents: &[i64], chats: impl Iterator<Item = BTreeMap<i64, Heard>>) -> Wrong {
    chats.fold(Wrong::default(), |sum, heard| {
        incidents.iter().fold(sum, |sum, incident| sum.and(judge(heard.get(incident))))
    })
}

/// Waits until no incident is open, nothing is pending and every card is up to date.
async fn settled(database: &Path) {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_mins(5), "it does not come to rest");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let Ok(store) = Store::open(database, Access::Beside) else { continue };
        let rests = store.read(|db| {
            let is_behind =
                db.cards().next_edit("discord")?.or(db.cards().next_edit("telegram")?).is_some();
            let owed: u32 = db
                .deliveries()
                .overview(None)?
                .iter()
                .map(|chat| chat.tally.owed + chat.tally.held)
                .sum();
            Ok(db.incidents().open()?.is_empty() && owed == 0 && !is_behind)
        });
        if rests.await.unwrap_or(false) {
            return;
        }
    }
}
