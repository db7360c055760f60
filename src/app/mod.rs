//! The running bot: connects all parts, and stops on a signal.

mod chores;
mod feeds;
mod platforms;
mod probing;

pub use chores::HEARTBEAT;
pub use feeds::feeds;
pub use probing::{kit, targets};

use crate::chat::console::{self, Console, Typed};
use crate::clock::{ActivityGuard, Clock};
use crate::command::{Additions, AppContext, Asker};
use crate::config::{Addresses, Config, Secrets};
use crate::detect::State;
use crate::domain::{
    Batch, Entity, Fact, FactKind, Options, Scope, Sensitivity, Subscription, Timestamp, Watchlist,
};
use crate::failpoints::Failpoints;
use crate::ingest::{Pipeline, Watch, catch_up, restore, tick::Ticker};
use crate::monitoring::{self, Heartbeat, HeartbeatError, SelfMonitor};
use crate::page::Web;
use crate::source::SourceError;
use crate::source::feed::Feed;
use crate::source::http::Timeouts;
use crate::store::{FileState, Store, StoreError};
use crate::supervisor::Supervisor;
use platforms::Platforms;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::signal::unix::SignalKind;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;

/// The parts that a bot is started with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The checked configuration.
    pub config: Config,
    /// The tokens of the platforms and sources.
    pub secrets: Secrets,
    /// The base addresses that replace the usual ones.
    pub addresses: Addresses,
    /// The open database, owned by this process.
    pub store: Store,
    /// The console: stdout, or the writer of a test.
    pub console: Console,
    /// The clock, failpoints and deadline.
    pub runtime_options: RuntimeOptions,
}

/// The environment of a bot. The default is that of the product; a test moves the clock, watches
/// the failpoints or shortens the deadline.
#[derive(Clone, Debug, Default)]
pub struct RuntimeOptions {
    /// The clock by which the bot works, sleeps and dates.
    pub clock: Clock,
    /// The named steps that a test may interrupt.
    pub failpoints: Failpoints,
    /// The limit for one call to a source or a chat platform; `None` means the usual limits.
    pub deadline: Option<Duration>,
}

/// The time that a stop waits for the platforms' connections to close.
const GOODBYE: Duration = Duration::from_millis(500);
/// The time within which the original database file may be put back before the process ends.
const PUT_BACK: Duration = Duration::from_secs(10);
/// The time that a stop waits for messages in flight.
const LAST_WORDS: Duration = Duration::from_millis(2_100);

/// The reason why a bot does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The heartbeat URL is not valid.
    #[error("LINKDOWN_HEARTBEAT_URL: {0}")]
    Heartbeat(#[from] HeartbeatError),
    /// A source cannot be set up.
    #[error("{name}: {error}")]
    Source {
        /// The source, or `http` for the client that all sources share.
        name: &'static str,
        /// The error of its setup.
        error: SourceError,
    },
}

/// A running bot. Dropping it stops it at once: the work in progress is either committed or has no
/// effect.
#[derive(Debug)]
pub struct Running {
    /// The state that commands and the status page share.
    pub context: AppContext,
    /// The pipeline that takes batches of observations.
    pub pipeline: Arc<Mutex<Pipeline>>,
    console: Console,
    tasks: JoinSet<()>,
    outboxes: JoinSet<()>,
    /// Set to `true` to end the outboxes.
    closing: watch::Sender<bool>,
    /// The tasks that hold a connection to a platform.
    listeners: JoinSet<()>,
    /// Notified so that the listeners close their connections.
    stop: Arc<Notify>,
}

impl Running {
    /// Restores the state, subscribes the console, and starts every source and outbox.
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        let Parts { config, secrets, addresses, store, console, runtime_options } = parts;
        let RuntimeOptions { clock, failpoints, deadline } = runtime_options;
        // A clean stop removes the last heartbeat, so one that is left means that the bot was
        // killed.
        let was_killed = store.read(|db| db.heartbeat().last()).await?.is_some();
        chores::alive(&store, clock.now()).await?;
        let watchlist = Arc::new(Watchlist::new(config.watch.clone()));
        watchlist.set_subscribed(store.read(|db| db.subscriptions().entities()).await?);
        console.completes(&watchlist);
        let timeouts = deadline.map_or_else(Timeouts::default, Timeouts::all);
        let feeds = Arc::new(feeds(&config, &secrets, &addresses, &clock, timeouts)?);
        let (state, newest) = restore::state(&store).await?;
        subscribe_console(&store, config.console.sensitivity, clock.now()).await?;
        let state = Arc::new(RwLock::new(state));
        let told = Arc::new(Notify::new());
        let mut platforms =
            Platforms::new(&console, config.telegram, &secrets, &addresses, deadline, &clock);
        let context = AppContext {
            store: store.clone(),
            state: Arc::clone(&state),
            watchlist: Arc::clone(&watchlist),
            feeds: Arc::clone(&feeds),
            clock: clock.clone(),
            access: config.access.clone(),
            limits: config.limits,
            additions: Additions::default(),
            wake: platforms.wake(),
            told,
            said: platforms.said.clone(),
            operator: config.operator.clone(),
        };
        let watch = Watch {
            store: store.clone(),
            state: Arc::clone(&state),
            watchlist: Arc::clone(&watchlist),
            clock: clock.clone(),
            failpoints: failpoints.clone(),
            wake: context.wake.clone(),
        };
        let mut pipeline = Pipeline::new(watch.clone(), newest);
        pipeline
            .take(vec![relations(&state, &watchlist, clock.now())], Box::new(|_| Ok(())))
            .await?;
        let pipeline = Arc::new(Mutex::new(pipeline));

        let (mut tasks, mut outboxes, mut listeners) =
            (JoinSet::new(), JoinSet::new(), JoinSet::new());
        let (stop, closing) = (Arc::new(Notify::new()), watch::Sender::new(false));
        let supervisor = Supervisor::new(clock.clone());
        let of_operator = config.operator.as_ref().and_then(|(name, _)| platforms.named(name));
        platforms.tell(&mut outboxes, &supervisor, &context, &failpoints, &closing);
        platforms.listen(&mut listeners, &supervisor, &context, &stop);
        let ticker = |feed: &Feed| Ticker {
            feed: Arc::new(feed.clone()),
            pipeline: Arc::clone(&pipeline),
            watch: watch.clone(),
        };
        let (tickers, kept): (Vec<Ticker>, _) =
            (feeds.iter().map(ticker).collect(), supervisor.clone());
        supervisor.keep_in(&mut tasks, "the sources", clock.busy(), move |watchdog, busy| {
            catch_up::run(tickers.clone(), kept.clone(), watchdog, busy)
        });
        probing::open(&mut tasks, &supervisor, &config, &context, &pipeline);
        probing::follow(&mut tasks, &supervisor, &config, &addresses, &context, &pipeline);
        let chores = chores::Chores { context: context.clone(), storage: config.storage.clone() };
        chores.begin(&mut tasks, &supervisor);
        let heartbeat =
            secrets.heartbeat_url.as_ref().map(|url| Heartbeat::new(url, clock.clone()));
        let watchman = SelfMonitor {
            context: context.clone(),
            supervisor: supervisor.clone(),
            operator: config.operator.clone(),
            platform: of_operator,
            heartbeat: heartbeat.transpose()?,
            was_killed,
        };
        supervisor.keep_in(&mut tasks, "the watchman", clock.busy(), move |watchdog, busy| {
            watchman.clone().run(watchdog, busy)
        });
        if let Some(listen) = config.web {
            let web = Web {
                listen,
                context: context.clone(),
                supervisor: supervisor.clone(),
                since: clock.now(),
            };
            supervisor.keep_in(
                &mut tasks,
                "health and metrics",
                ActivityGuard::default(),
                move |_, _| web.clone().run(),
            );
        }
        Ok(Self { context, pipeline, console, tasks, outboxes, closing, listeners, stop })
    }

    /// Runs a line that was typed, and prints the reply on the console.
    pub async fn typed(&self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        for card in self.context.reply(line, &Asker::console()).await {
            if let Err(error) = self.console.print(&card) {
                tracing::warn!("the console cannot be written to: {error}");
            }
        }
    }

    /// Stops cleanly: starts nothing new, and writes the state down for a quick start.
    pub async fn stop(mut self) -> Result<(), StoreError> {
        self.stop.notify_one();
        self.tasks.shutdown().await;
        // The outboxes start no new send. The stop waits a little for those in flight, so that no
        // message has to be sent twice.
        self.closing.send_replace(true);
        let _ = tokio::time::timeout(LAST_WORDS, async {
            while self.outboxes.join_next().await.is_some() {}
        })
        .await;
        self.outboxes.shutdown().await;
        // Each listener closes its connection; the stop waits only a moment for them.
        let _ = tokio::time::timeout(GOODBYE, async {
            while self.listeners.join_next().await.is_some() {}
        })
        .await;
        self.listeners.shutdown().await;
        let mut pipeline = self.pipeline.lock().await;
        pipeline.checkpoint().await?;
        self.context.store.write(move |tx| tx.heartbeat().stopped()).await
    }
}

/// Reads configuration and environment again when a running bot gets SIGHUP. An error is the reason
/// why they are not valid.
pub type Reread = Box<dyn Fn() -> Result<Reading, String> + Send + Sync>;
type Reading = (Config, Secrets, Addresses);

/// Runs until a signal or the person at the prompt stops the bot.
pub async fn run(
    mut parts: Parts,
    typed: mpsc::UnboundedReceiver<Typed>,
    reread: Reread,
) -> Result<(), StartError> {
    let (mut terminate, mut typed) = (signal(), Some(typed));
    let mut hangup = listen(SignalKind::hangup());
    let mut running = tokio::select! {
        running = Running::start(parts.clone()) => running?,
        // A stop during the start has nothing to clean up.
        () = terminate.recv() => return Ok(()),
    };
    monitoring::tell_service_manager(monitoring::Stage::Ready);
    let (store, clock) = (parts.store.clone(), parts.runtime_options.clock.clone());
    let mut ends = std::pin::pin!(must_end(&store, &clock));
    loop {
        tokio::select! {
            () = terminate.recv() => break,
            why = &mut ends => {
                monitoring::tell_service_manager(monitoring::Stage::Stopping);
                // The state to write belongs to a file that is gone, so an error does not matter.
                let _ = running.stop().await;
                return Err(why.into());
            }
            _ = hangup.recv() => {
                // The service manager waits for both messages, so they are sent even if the
                // configuration is rejected.
                monitoring::tell_service_manager(monitoring::Stage::Reloading);
                match taken(&parts, &reread).await {
                    Ok(new) => (running, parts) = begin_again(running, parts, new).await?,
                    Err(why) => tracing::error!("the configuration was not taken, and the old one stays in force: {why}"),
                }
                monitoring::tell_service_manager(monitoring::Stage::Ready);
            }
            line = next(&mut typed) => match line {
                // A command may wait for its sources; a stop does not wait for the reply.
                Some(Typed::Line(line)) => tokio::select! {
                    () = terminate.recv() => break,
                    () = running.typed(&line) => {}
                },
                Some(Typed::Leave) => break,
                // The input has ended; the bot continues without it.
                None => typed = None,
            },
        }
    }
    tracing::info!("stopping");
    monitoring::tell_service_manager(monitoring::Stage::Stopping);
    running.stop().await?;
    Ok(())
}

/// Waits until only a new start can continue with the database, and returns the reason. An operator
/// who moves files has some seconds to put the old one back.
async fn must_end(store: &Store, clock: &Clock) -> StoreError {
    let mut standing = store.standing();
    let is_over =
        |now: &FileState| matches!(now, FileState::Replaced | FileState::MustReopen { .. });
    loop {
        let Ok(now) = standing.wait_for(is_over).await.map(|now| now.clone()) else {
            std::future::pending().await
        };
        let back = clock.within(PUT_BACK, standing.wait_for(|now| !is_over(now))).await.is_some();
        if let Some(error) = now.error(store.path()).filter(|_| !back) {
            return error;
        }
    }
}

/// Reads and returns a valid configuration. It is an error if the database cannot be written to:
/// the bot keeps running, because it could not start again.
async fn taken(parts: &Parts, reread: &Reread) -> Result<Reading, String> {
    let reading = reread()?;
    chores::alive(&parts.store, parts.runtime_options.clock.now())
        .await
        .map_err(|error| error.to_string())?;
    Ok(reading)
}

/// Stops the bot and starts it with the new configuration, or with the previous one if the new one
/// cannot start.
async fn begin_again(
    running: Running,
    before: Parts,
    new: Reading,
) -> Result<(Running, Parts), StartError> {
    if let Err(error) = running.stop().await {
        tracing::error!(
            "the state could not be written down before the new configuration: {error}"
        );
    }
    let (config, secrets, addresses) = new;
    let parts = Parts { config, secrets, addresses, ..before.clone() };
    match Running::start(parts.clone()).await {
        Ok(running) => {
            tracing::info!("the configuration was read again and is in force");
            Ok((running, parts))
        }
        Err(error) => {
            tracing::error!(
                "the new configuration cannot be run with ({error}); going on with the old one"
            );
            Ok((Running::start(before.clone()).await?, before))
        }
    }
}

/// Returns the next typed line, or `None` at the end of the input. Never returns if `typed` is
/// `None`.
async fn next(typed: &mut Option<mpsc::UnboundedReceiver<Typed>>) -> Option<Typed> {
    match typed {
        Some(typed) => typed.recv().await,
        None => std::future::pending().await,
    }
}

/// The signals that stop the bot: SIGINT (Ctrl-C) and SIGTERM.
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

fn signal() -> Signals {
    Signals(listen(SignalKind::interrupt()), listen(SignalKind::terminate()))
}

fn listen(kind: SignalKind) -> tokio::signal::unix::Signal {
    tokio::signal::unix::signal(kind).expect("the runtime listens for signals")
}

impl Signals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

/// Subscribes the console to everything, with the configured sensitivity.
async fn subscribe_console(
    store: &Store,
    sensitivity: Option<Sensitivity>,
    now: Timestamp,
) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            let chat = tx.chats().ensure(console::PLATFORM, console::ADDRESS)?;
            tx.subscriptions().subscribe(&Subscription {
                chat,
                scope: Scope::All,
                since: now,
                options: Options { sensitivity, ..Options::default() },
            })?;
            Ok(())
        })
        .await
}

/// Returns a batch with the changed `part of` relations of the configuration. They are facts like
/// any other, so that a replay of the database knows them.
fn relations(state: &RwLock<State>, watchlist: &Watchlist, now: Timestamp) -> Batch {
    let state = state.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let known: Vec<_> = state.relations();
    let mut batch = Batch::live(now);
    let mut say = |entity: &Entity, whole: Option<&Entity>| {
        let kind = FactKind::PartOf { whole: whole.cloned() };
        batch.facts.push(Fact {
            entity: entity.clone(),
            source: "config".to_owned(),
            observed_at: now,
            kind,
        });
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
