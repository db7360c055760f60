//! The platforms of this bot: the console always, Discord and Telegram if there is a token. Each
//! has an outbox of its own, so that one failure does not affect the others.

use crate::chat::console::Console;
use crate::chat::discord::{self, Discord};
use crate::chat::telegram::{self, Telegram};
use crate::clock::{ActivityGuard, Clock};
use crate::command::{self, AppContext};
use crate::config::{Addresses, Secrets, TelegramSettings};
use crate::failpoints::Failpoints;
use crate::notify::outbox::Outbox;
use crate::notify::platform::Platform;
use crate::supervisor::Supervisor;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;

#[derive(Debug)]
pub(super) struct Platforms {
    outboxes: Vec<(Arc<dyn Platform>, UnboundedReceiver<ActivityGuard>)>,
    wake: Vec<UnboundedSender<ActivityGuard>>,
    discord: Option<Arc<Discord>>,
    telegram: Option<Arc<Telegram>>,
    pub(super) said: command::StatusBoard,
}

impl Platforms {
    pub(super) fn new(
        console: &Console,
        settings: TelegramSettings,
        secrets: &Secrets,
        addresses: &Addresses,
        deadline: Option<Duration>,
        clock: &Clock,
    ) -> Self {
        let said = command::StatusBoard::default();
        let mut platforms =
            Self { outboxes: Vec::new(), wake: Vec::new(), discord: None, telegram: None, said };
        platforms.add(Arc::new(console.clone()));
        if let Some(token) = &secrets.discord_token {
            let discord = Discord::new(token, addresses.discord_api.as_ref(), deadline);
            let discord = discord.map(|discord| discord.with_clock(clock.clone()));
            platforms.discord = platforms.added(discord::PLATFORM, discord);
        }
        if let Some(token) = &secrets.telegram_token {
            let telegram = Telegram::new(token, addresses.telegram_api.as_ref(), deadline);
            let telegram =
                telegram.map(|telegram| telegram.removing_webhooks(settings.remove_webhook));
            platforms.telegram = platforms.added(telegram::PLATFORM, telegram);
        }
        platforms
    }

    /// Adds a platform if it could be created, and returns it. An error is logged and shown on the
    /// status board; the other platforms are not affected.
    fn added<P: Platform + 'static>(
        &mut self,
        name: &'static str,
        made: Result<P, String>,
    ) -> Option<Arc<P>> {
        match made {
            Ok(platform) => {
                let platform = Arc::new(platform);
                self.said.say(name, "connecting");
                self.add(Arc::clone(&platform) as Arc<dyn Platform>);
                Some(platform)
            }
            Err(why) => {
                tracing::error!("{name}: {why}; the other platforms go on");
                self.said.say(name, why);
                None
            }
        }
    }

    fn add(&mut self, platform: Arc<dyn Platform>) {
        let (wake, woken) = mpsc::unbounded_channel();
        self.wake.push(wake);
        self.outboxes.push((platform, woken));
    }

    /// Returns the platform of that name, as long as the outboxes have not been started.
    pub(super) fn named(&self, name: &str) -> Option<Arc<dyn Platform>> {
        self.outboxes
            .iter()
            .map(|(platform, _)| platform)
            .find(|platform| platform.name() == name)
            .cloned()
    }

    /// Returns the channels that wake each outbox to look for deliveries.
    pub(super) fn wake(&self) -> Vec<UnboundedSender<ActivityGuard>> {
        self.wake.clone()
    }

    /// Starts the outboxes. They start no new send once `closing` is `true`.
    pub(super) fn tell(
        &mut self,
        tasks: &mut JoinSet<()>,
        supervisor: &Supervisor,
        context: &AppContext,
        failpoints: &Failpoints,
        closing: &watch::Sender<bool>,
    ) {
        for (platform, woken) in self.outboxes.drain(..) {
            let outbox = Outbox {
                store: context.store.clone(),
                platform,
                watchlist: Arc::clone(&context.watchlist),
                clock: context.clock.clone(),
                failpoints: failpoints.clone(),
                told: Arc::clone(&context.told),
                closing: closing.subscribe(),
                label: None,
            };
            // A restarted outbox keeps the same wake-up channel.
            let woken = Arc::new(Mutex::new(woken));
            let name = task_of(outbox.platform.name());
            supervisor.keep_in(tasks, name, context.clock.busy(), move |watchdog, busy| {
                let (outbox, woken) = (outbox.clone(), Arc::clone(&woken));
                async move { outbox.run(&mut *woken.lock().await, watchdog, busy).await }
            });
        }
    }

    /// Starts the listeners; `stop` ends them, and they close their connections.
    pub(super) fn listen(
        &mut self,
        tasks: &mut JoinSet<()>,
        supervisor: &Supervisor,
        context: &AppContext,
        stop: &Arc<Notify>,
    ) {
        if let Some(discord) = self.discord.take() {
            let (context, stop) = (context.clone(), Arc::clone(stop));
            supervisor.keep_in(
                tasks,
                "discord's listener",
                ActivityGuard::default(),
                move |_, _| Arc::clone(&discord).serve(context.clone(), Arc::clone(&stop)),
            );
        }
        if let Some(telegram) = self.telegram.take() {
            let context = context.clone();
            supervisor.keep_in(
                tasks,
                "telegram's listener",
                ActivityGuard::default(),
                move |_, _| Arc::clone(&telegram).serve(context.clone()),
            );
        }
    }
}

/// Returns the task name of a platform's outbox.
fn task_of(platform: &str) -> &'static str {
    match platform {
        discord::PLATFORM => "discord's outbox",
        telegram::PLATFORM => "telegram's outbox",
        _ => "the console's outbox",
    }
}
