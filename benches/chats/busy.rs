//! A Telegram group in which people type `/status` five times a second while an outage begins: how much later its alert
//! comes than in a group in which nobody types.

use crate::doubles::{DiscordDouble, TelegramDouble};
use crate::harness::stage;
use linkdown::clock::Clock;
use linkdown::domain::{Entity, Options, Scope, Subscription, Timestamp, TransitionKind};
use linkdown::store::{Access, Store};
use std::time::{Duration, Instant};

const FOR: Duration = Duration::from_secs(90);
const EVERY: Duration = Duration::from_millis(200);
/// Promised: no more than so many seconds later.
const LATER: f64 = 2.0;

/// Returns whether the promise was kept.
pub async fn run() -> bool {
    println!("\na Telegram group under /status at 5 a second for {} s", FOR.as_secs());
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("busy.db");
    let (discord, telegram) =
        (DiscordDouble::start(Clock::system()).await, TelegramDouble::start(Clock::system()).await);
    let (busy, calm, bob) =
        (telegram.supergroup("Busy"), telegram.supergroup("Calm"), telegram.person("Bob"));
    telegram.admin(busy, &bob);
    let store = Store::open(&database, Access::Own).unwrap();
    let subscribe = store.write(move |tx| {
        for group in [busy, calm] {
            let chat = tx.chats().ensure("telegram", &group.to_string())?;
            let (scope, since) = (Scope::All, Timestamp::from_unix(0));
            tx.subscriptions().subscribe(&Subscription {
                chat,
                scope,
                since,
                options: Options::default(),
            })?;
        }
        Ok(())
    });
    subscribe.await.unwrap();
    drop(store);
    let entities: Vec<Entity> = vec!["country/KP".parse().unwrap()];
    let bot =
        stage::start(&database, &stage::config(&entities), &discord.url(), &telegram.url()).await;
    stage::take(&bot, stage::calm(&entities, 3, stage::STEP)).await;

    let began = Instant::now();
    let (mut typed, mut number, mut decided) = (0_usize, 1, None);
    while began.elapsed() < FOR {
        telegram.puts(&bob, busy, "/status KP");
        typed += 1;
        // In the middle of it the country goes.
        if decided.is_none() && began.elapsed() > FOR / 2 {
            let told = stage::take(&bot, vec![stage::tick(&entities, number, &|_| true)]).await;
            number += 1;
            if told.iter().any(|transition| transition.kind == TransitionKind::Started) {
                decided = Some(Clock::system().millis());
            }
        }
        tokio::time::sleep((EVERY * typed as u32).saturating_sub(began.elapsed())).await;
    }
    let decided = decided.unwrap();
    let alert_in = |group| {
        let messages = telegram.messages(group);
        let alert = messages
            .iter()
            .find(|message| message.text.contains("is down") && !message.buttons.is_empty());
        (alert.unwrap().at_millis - decided) as f64 / 1000.0
    };
    let answers = telegram.messages(busy).len() - 1;
    let (in_calm, in_busy) = (alert_in(calm), alert_in(busy));
    println!(
        "  the alert after {in_calm:.2} s in the calm group, {in_busy:.2} s in the busy one (promised {LATER} later)"
    );
    println!(
        "  {typed} commands, {answers} answers; calls while told to wait: {} (0 promised)",
        telegram.disobedience()
    );
    bot.stop().await.unwrap();
    in_busy - in_calm <= LATER && telegram.disobedience() == 0 && answers > 0
}
