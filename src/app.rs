//! The running bot: wires everything, stops on a signal.

use crate::chat::console::{self, Console, Typed};
use crate::clock::{Busy, Clock};
use crate::command::Desk;
use crate::config::{Addresses, Config, Secrets, Storage};
use crate::detect::State;
use crate::domain::{Batch, Entity, Fact, FactKind, Options, Scope, Subscription, Timestamp, Watchlist};
use crate::notify::outbox::Outbox;
use crate::notify::platform::Platform;
use crate::source::feed::Feed;
use crate::source::http::{Base, Http, Timeouts};
use crate::source::{self, Settings, SourceError};
use crate::steps::Steps;
use crate::store::{Keep, Store, StoreError};
use crate::watch::{Pipeline, Watch, catch_up, restore, tick::Ticker};
use std::sync::{Arc, RwLock};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// What a bot is made of.
#[derive(Debug)]
pub struct Parts {
    pub config: Config,
    pub secrets: Secrets,
    pub addresses: Addresses,
    pub store: Store,
    pub clock: Clock,
    pub console: Console,
    pub steps: Steps,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{name}: {error}")]
    Source { name: &'static str, error: SourceError },
}

/// A bot at work. Dropping it stops it at once: whatever was under way is either committed or never happened.
#[derive(Debug)]
pub struct Running {
    pub desk: Desk,
    pub pipeline: Arc<Mutex<Pipeline>>,
    console: Console,
    tasks: JoinSet<()>,
}

/// How often a running bot says that it is alive, and how old that may be for `health`.
pub const HEARTBEAT: i64 = 30;
/// Rows that the nightly pruning removes in one step, so that no tick waits long behind it.
const PRUNE_AT_ONCE: usize = 5_000;

impl Running {
    /// Brings the state up to date, subscribes the console and sets every source and outbox going.
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        let Parts { config, secrets, addresses, store, clock, console, steps } = parts;
        let watchlist = Arc::new(Watchlist::new(config.watch.clone()));
        let feeds = Arc::new(feeds(&config, &secrets, &addresses, &clock)?);
        let (state, newest) = restore::state(&store).await?;
        subscribe_console(&store, config.console.from_suspected, clock.now()).await?;
        let state = Arc::new(RwLock::new(state));
        let (wake, woken) = mpsc::unbounded_channel();
        let watch = Watch {
            store: store.clone(),
            state: Arc::clone(&state),
            watchlist: Arc::clone(&watchlist),
            clock: clock.clone(),
            steps: steps.clone(),
            wake: vec![wake],
        };
        let mut pipeline = Pipeline::new(watch.clone(), newest);
        pipeline.take(vec![relations(&state, &watchlist, clock.now())], Box::new(|_| Ok(()))).await?;
        let pipeline = Arc::new(Mutex::new(pipeline));

        let mut tasks = JoinSet::new();
        let platform: Arc<dyn Platform> = Arc::new(console.clone());
        let outbox = Outbox {
            store: store.clone(),
            platform,
            watchlist: Arc::clone(&watchlist),
            clock: clock.clone(),
            steps,
            told: Arc::default(),
            label: None,
        };
        tasks.spawn(outbox.run(woken, clock.busy()));
        let ticker = |feed: &Feed| Ticker {
            feed: Arc::new(feed.clone()),
            pipeline: Arc::clone(&pipeline),
            watch: watch.clone(),
        };
        tasks.spawn(catch_up::run(feeds.iter().map(ticker).collect(), clock.busy()));
        tasks.spawn(prune(store.clone(), clock.clone(), config.storage.clone(), clock.busy()));
        tasks.spawn(beat(store.clone(), clock.clone(), clock.busy()));
        let desk = Desk { store, state, watchlist, feeds, clock };
        Ok(Self { desk, pipeline, console, tasks })
    }

    /// Answers what was typed, on the console.
    pub async fn typed(&self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        for card in self.desk.reply(line).await {
            if let Err(error) = self.console.print(&card) {
                tracing::warn!("the console cannot be written to: {error}");
            }
        }
    }

    /// A clean stop: nothing new is begun, and the state is written down for a quick start.
    pub async fn stop(mut self) -> Result<(), StoreError> {
        self.tasks.shutdown().await;
        let mut pipeline = self.pipeline.lock().await;
        pipeline.checkpoint().await?;
        self.desk.store.write(move |tx| tx.heartbeat().stopped()).await
    }
}

/// Runs until it is told to stop: by a signal, or by the person at the prompt.
pub async fn run(parts: Parts, mut typed: mpsc::UnboundedReceiver<Typed>) -> Result<(), StartError> {
    let mut terminate = signal();
    let running = tokio::select! {
        running = Running::start(parts) => running?,
        // Nothing was begun that a stop could break off.
        () = terminate.recv() => return Ok(()),
    };
    loop {
        tokio::select! {
            () = terminate.recv() => break,
            line = typed.recv() => match line {
                // A question may wait for its sources: the stop does not wait for the answer.
                Some(Typed::Line(line)) => tokio::select! {
                    () = terminate.recv() => break,
                    () = running.typed(&line) => {}
                },
                Some(Typed::Leave) => break,
                // The pipe has ended: the bot goes on without a keyboard.
                None => { terminate.recv().await; break }
            },
        }
    }
    tracing::info!("stopping");
    running.stop().await?;
    Ok(())
}

/// Ctrl-C and SIGTERM.
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

fn signal() -> Signals {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).expect("the runtime listens for signals");
    Signals(listen(SignalKind::interrupt()), listen(SignalKind::terminate()))
}

impl Signals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

/// Every source with its settings; one that cannot be asked is there as well, with the reason.
pub fn feeds(
    config: &Config,
    secrets: &Secrets,
    addresses: &Addresses,
    clock: &Clock,
) -> Result<Vec<Feed>, StartError> {
    let failed = |name: &'static str| move |error| StartError::Source { name, error };
    let http = Http::new(&config.contact, Timeouts::default(), clock.clone()).map_err(failed("http"))?;
    let mut feeds = Vec::new();
    for source in source::all(&Settings { operator: operator(&config.contact) }) {
        let about = source.about();
        let Some(settings) = config.source(about.name) else { continue };
        let token = secrets.of_source(about.name);
        let off = match about.token_variable {
            _ if !settings.enabled => Some("switched off in the configuration".to_owned()),
            Some(variable) if token.is_none() => Some(format!("no token; put one into {variable}")),
            _ => None,
        };
        let address = addresses.of_source(about.name);
        let base = Base::new(about, address.map(reqwest::Url::as_str), token.cloned()).map_err(failed(about.name))?;
        feeds.push(Feed {
            base: off.is_none().then_some(base),
            http: http.clone(),
            off,
            schedule: settings.schedule.clone(),
            jitter: settings.jitter,
            controls: settings.controls.clone(),
            calls_a_day: settings.calls_a_day,
            source,
        });
    }
    Ok(feeds)
}

/// The contact in the letters that RIPEstat takes as the name of an application.
fn operator(contact: &str) -> String {
    contact.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40).collect()
}

async fn subscribe_console(store: &Store, from_suspected: bool, now: Timestamp) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            let chat = tx.chats().ensure(console::PLATFORM, console::ADDRESS)?;
            tx.subscriptions().subscribe(&Subscription {
                chat,
                scope: Scope::All,
                from_suspected,
                since: now,
                options: Options::default(),
            })?;
            Ok(())
        })
        .await
}

/// What is part of what, as the config says now: facts like any other, so that a replay of the database knows them.
fn relations(state: &RwLock<State>, watchlist: &Watchlist, now: Timestamp) -> Batch {
    let state = state.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let known: Vec<_> = state.relations();
    let mut batch = Batch::live(now);
    let mut say = |entity: &Entity, whole: Option<&Entity>| {
        let kind = FactKind::PartOf { whole: whole.cloned() };
        batch.facts.push(Fact { entity: entity.clone(), source: "config".to_owned(), observed_at: now, kind });
    };
    for watched in watchlist.configured() {
        let before = known.iter().find(|(part, _)| *part == watched.entity).map(|(_, whole)| whole);
        if before != watched.part_of.as_ref() {
            say(&watched.entity, watched.part_of.as_ref());
        }
    }
    for (part, _) in &known {
        if !watchlist.is_configured(part) {
            say(part, None);
        }
    }
    batch
}

async fn prune(store: Store, clock: Clock, storage: Storage, mut busy: Busy) {
    while let Some(next) = storage.prune.next_after(clock.now()) {
        busy = clock.sleep_until(next, busy).await;
        let now = clock.now();
        let keep = Keep { raw_days: storage.raw_days, hourly_days: storage.hourly_days };
        loop {
            match store.write(move |tx| tx.retention().prune(now, keep, PRUNE_AT_ONCE)).await {
                Ok(pruned) if pruned.more => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::error!("what is older than {} days could not be removed: {error}", storage.raw_days);
                    break;
                }
            }
        }
    }
}

async fn beat(store: Store, clock: Clock, mut busy: Busy) {
    loop {
        let now = clock.now();
        if let Err(error) = store.write(move |tx| tx.heartbeat().beat(now)).await {
            tracing::error!("the database cannot be written to: {error}");
        }
        busy = clock.sleep(HEARTBEAT, busy).await;
    }
}
