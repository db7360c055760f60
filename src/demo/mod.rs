//! `linkdown demo`: the North Korean day of 7 June 2025, a labelled reconstruction, through the
//! real pipeline. Batches, detection, store, outbox and console are those of any other day; only
//! the clock is simulated.

pub mod reconstruction;

use crate::chat::console::{self, Console};
use crate::clock::Clock;
use crate::command::{AppContext, Asker};
use crate::detect::State;
use crate::domain::{
    Arrival, Entity, Options, Scope, Sensitivity, Subscription, Watched, Watchlist,
};
use crate::failpoints::Failpoints;
use crate::ingest::{Pipeline, Watch};
use crate::notify::outbox::Outbox;
use crate::notify::platform::Platform;
use crate::render::Card;
use crate::store::{BatchId, Store, StoreError};
use crate::supervisor::Supervisor;
use std::io;
use std::sync::{Arc, RwLock};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The label at the start of every message of the demo.
pub const LABEL: &str = "reconstructed";

/// The reason why a demo does not play to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The in-memory database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output cannot be written, because its reader has closed it or for another reason.
    #[error("the console cannot be written to: {0}")]
    Console(#[from] io::Error),
}

/// Plays the day at `speed` seconds of it per real second, or as fast as possible if `None`.
pub async fn play(console: Console, speed: Option<u32>) -> Result<(), DemoError> {
    let mut intro = Card::titled("North Korea, 7 June 2025: a reconstruction");
    intro.lead = Some(
        "When it began, that all routes, sites and mail were lost and when they came back was published; every number \
         between is made up."
            .into(),
    );
    console.print(&intro)?;

    let batches = reconstruction::batches();
    let (calm, day): (Vec<_>, Vec<_>) =
        batches.into_iter().partition(|batch| batch.arrival == Arrival::Backfilled);
    let Some(begin) = day.first().map(|batch| batch.received_at) else { return Ok(()) };

    let clock = Clock::simulated(begin);
    let store = Store::in_memory()?;
    let entity = Entity::Country(crate::domain::CountryCode::new("KP").expect("a country code"));
    let watchlist = Arc::new(Watchlist::new(vec![Watched {
        entity,
        part_of: None,
        name: None,
        sensitivity: Sensitivity::Eager,
    }]));
    let state = Arc::new(RwLock::new(State::default()));
    store
        .write(move |tx| {
            let chat = tx.chats().ensure(console::PLATFORM, console::ADDRESS)?;
            let since = begin;
            tx.subscriptions().subscribe(&Subscription {
                chat,
                scope: Scope::All,
                since,
                options: Options::default(),
            })
        })
        .await?;
    let (wake, woken) = mpsc::unbounded_channel();
    let failpoints = Failpoints::default();
    let watch = Watch {
        store: store.clone(),
        state: Arc::clone(&state),
        watchlist: Arc::clone(&watchlist),
        clock: clock.clone(),
        failpoints: failpoints.clone(),
        wake: vec![wake],
    };
    let mut pipeline = Pipeline::new(watch, BatchId::default());
    let platform: Arc<dyn Platform> = Arc::new(console.clone());
    let outbox = Outbox {
        store: store.clone(),
        platform,
        watchlist: Arc::clone(&watchlist),
        clock: clock.clone(),
        failpoints,
        told: Arc::default(),
        closing: watch::Sender::new(false).subscribe(),
        label: Some(LABEL),
    };
    let mut tasks = JoinSet::new();
    let (supervisor, mut woken) = (Supervisor::new(clock.clone()), woken);
    let busy = clock.busy();
    tasks.spawn(async move { outbox.run(&mut woken, supervisor.watchdog(), busy).await });

    pipeline.take(calm, Box::new(|_| Ok(()))).await?;
    let pace = Clock::system();
    let mut shown = begin;
    for batch in day {
        if let Some(speed) = speed {
            // The pauses are whole seconds of real time; batches between them are sent at once.
            let pause = (batch.received_at - shown) / i64::from(speed);
            if pause > 0 {
                pace.sleep(pause, pace.busy()).await;
                shown = batch.received_at;
            }
        }
        clock.advance_to(batch.received_at).await;
        pipeline.take(vec![batch], Box::new(|_| Ok(()))).await?;
    }
    clock.until_all_rest().await;

    let context = AppContext::of_questions(store, state, watchlist, Arc::new(Vec::new()), clock);
    for line in ["/status KP", "/history KP"] {
        console.print(&Card::titled(format!("> {line}")))?;
        for mut card in context.reply(line, &Asker::console()).await {
            card.title = card.title.after(&format!("[{LABEL}] "));
            console.print(&card)?;
        }
    }
    let mut outro = Card::titled(
        "To watch for real: linkdown (cargo run --release), then type /status KP or /help.",
    );
    outro.lead =
        Some("Without any token it watches config/linkdown.toml from the keyless sources.".into());
    console.print(&outro)?;
    Ok(())
}
