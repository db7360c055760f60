//! The gateway: receives Discord's events through serenity's client, which resumes, reconnects and
//! identifies by itself. An error that ends it is reported, and the connection is tried again.

use super::interactions::{self, Bounded};
use super::{Discord, PLATFORM, commands, error_text};
use crate::chat::flood::{Bounds, Flood};
use crate::chat::queues::ChatQueues;
use crate::clock::ActivityGuard;
use crate::command::AppContext;
use crate::notify::pace::Limit;
use crate::render::words::plural;
use crate::store::StoreError;
use secrecy::ExposeSecret as _;
use serenity::all::{
    Client, Context, EventHandler, GatewayIntents, Guild, GuildChannel, GuildId, Interaction,
    Ready, ResumedEvent, Role, UnavailableGuild,
};
use serenity::async_trait;
use serenity::gateway::{GatewayError, ShardManager};
use serenity::http::{HttpBuilder, HttpError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

/// The pause after the first failure; it doubles up to [`LONGEST_PAUSE_MS`].
const PAUSE_MS: i64 = 2_000;
const LONGEST_PAUSE_MS: i64 = 300_000;

/// The pace of answers in one channel. Discord has no limit of its own for these.
const ANSWERS: Limit = Limit { every_ms: 1000.0, burst: 60 };

/// The most commands and taps that are answered: as many as people give by hand.
const BOUNDS: Bounds = Bounds { person: Limit { every_ms: 2000.0, burst: 20 }, chat: ANSWERS };
/// The most completions that are answered; one is requested with every key.
const KEYS: Bounds = Bounds {
    person: Limit { every_ms: 250.0, burst: 60 },
    chat: Limit { every_ms: 50.0, burst: 300 },
};

/// The receiver of serenity's events.
struct Listener {
    /// Failures in a row since the gateway last was ready.
    failures: Arc<AtomicU32>,
    discord: Arc<Discord>,
    context: AppContext,
    bounded: Bounded,
}

impl Discord {
    /// Receives events until it is dropped or `stop` is notified. Only `stop` closes the
    /// connections properly.
    pub async fn serve(self: Arc<Self>, context: AppContext, stop: Arc<Notify>) {
        let failures = Arc::new(AtomicU32::new(0));
        loop {
            tokio::select! {
                () = self.wait_for_pause(&context) => {}
                () = stop.notified() => return,
            }
            let outcome = Arc::clone(&self).listen(&context, &stop, &failures).await;
            let Err(error) = outcome else { return };
            let is_final = is_final(&error);
            let before = failures.fetch_add(1, Ordering::Relaxed);
            let pause = if is_final {
                LONGEST_PAUSE_MS
            } else {
                (PAUSE_MS << before.min(8)).min(LONGEST_PAUSE_MS)
            };
            let said = format!("{}; trying again in {} s", error_text::words(&error), pause / 1000);
            if is_final || before == 0 {
                tracing::error!("Discord: {said}");
            }
            context.said.say(PLATFORM, said);
            let wait = context
                .clock
                .sleep_until_millis(context.clock.millis() + pause, ActivityGuard::default());
            tokio::select! {
                _ = wait => {}
                () = stop.notified() => return,
            }
        }
    }

    /// Waits for the end of a pause in which Discord accepts no calls at all, such as one that
    /// began before a restart: a connection begins with calls.
    async fn wait_for_pause(&self, context: &AppContext) {
        let now = context.clock.now();
        match context.store.read(move |db| db.pauses().of(PLATFORM, now)).await {
            Ok(pauses) => {
                for pause in pauses.iter().filter(|pause| pause.place.is_none()) {
                    self.pace.lock().take_up(None, pause.until - now, context.clock.millis());
                }
            }
            Err(error) => {
                tracing::error!(platform = PLATFORM, %error, "the pauses that it asked for cannot be read");
            }
        }
        let until = self.pace.lock().all_rest_until();
        drop(
            context
                .clock
                .sleep_until_millis(until.max(context.clock.millis()), ActivityGuard::default())
                .await,
        );
    }

    async fn listen(
        self: Arc<Self>,
        context: &AppContext,
        stop: &Notify,
        failures: &Arc<AtomicU32>,
    ) -> Result<(), serenity::Error> {
        let me = self.http.get_current_user().await?;
        self.me.store(me.id.get(), Ordering::Relaxed);
        let application = self.http.get_current_application_info().await?.id;
        self.http.set_application_id(application);
        commands::register(&self.http, application.get(), context).await;
        // The client takes ownership of its REST connection.
        let mut http = HttpBuilder::new(self.token.expose_secret())
            .client(self.rest.client().clone())
            .application_id(application)
            .ratelimiter_disabled(true);
        if let Some(proxy) = &self.http.proxy {
            http = http.proxy(proxy.clone());
        }
        let listener = Listener {
            failures: Arc::clone(failures),
            discord: Arc::clone(&self),
            context: context.clone(),
            bounded: Bounded {
                lines: ChatQueues::new(context.clock.clone(), ANSWERS),
                flood: Flood::new(PLATFORM, context.clock.clone(), BOUNDS),
                keys: Flood::new(PLATFORM, context.clock.clone(), KEYS),
            },
        };
        // The intent covers servers and channels only: the bot never sees messages that people
        // write.
        let client =
            serenity::client::ClientBuilder::new_with_http(http.build(), GatewayIntents::GUILDS);
        let mut client: Client = client.event_handler(listener).await?;
        let shards = Shards(Arc::clone(&client.shard_manager));
        tokio::select! {
            ended = client.start_autosharded() => ended,
            () = stop.notified() => {
                shards.0.shutdown_all().await;
                Ok(())
            }
        }
    }
}

/// The connections, which serenity runs in tasks of their own. Dropping this ends them, however the
/// owner ends.
struct Shards(Arc<ShardManager>);

impl Drop for Shards {
    fn drop(&mut self) {
        let shards = Arc::clone(&self.0);
        tokio::spawn(async move { shards.shutdown_all().await });
    }
}

/// The pause before a failed write is repeated, and the most attempts: together an hour.
const NOT_STORED_PAUSE_MS: i64 = 10_000;
const NOT_STORED_TRIES: u32 = 360;

#[async_trait]
impl EventHandler for Listener {
    async fn ready(&self, _: Context, ready: Ready) {
        self.failures.store(0, Ordering::Relaxed);
        let servers = ready.guilds.len() as u64;
        let said = format!(
            "connected as {}, in {}",
            ready.user.name,
            plural(servers, "server", "servers")
        );
        tracing::info!("Discord: {said}");
        if servers == 0 {
            tracing::info!(
                "Discord: `linkdown invite` prints the address that lets it into a server"
            );
        }
        self.context.said.say(PLATFORM, said);
    }

    async fn resume(&self, _: Context, _: ResumedEvent) {
        tracing::info!("Discord: connected again");
    }

    async fn interaction_create(&self, _: Context, interaction: Interaction) {
        interactions::take(&self.discord, &self.context, &self.bounded, interaction).await;
    }

    async fn guild_create(&self, _: Context, guild: Guild, _: Option<bool>) {
        self.let_in(guild.id).await;
    }

    async fn guild_delete(&self, _: Context, incomplete: UnavailableGuild, _: Option<Guild>) {
        // An unavailable server is an outage at Discord, and comes back.
        if incomplete.unavailable {
            return;
        }
        let home = incomplete.id.get().to_string();
        self.until_stored(|| self.context.put_out(PLATFORM, &home, "I was put out of the server"))
            .await;
    }

    // A permission may have been given back.
    async fn channel_update(&self, _: Context, _: Option<GuildChannel>, new: GuildChannel) {
        self.let_in(new.guild_id).await;
    }

    // Discord reports an unlocked or unarchived thread only by this event.
    async fn thread_update(&self, _: Context, _: Option<GuildChannel>, new: GuildChannel) {
        self.let_in(new.guild_id).await;
    }

    async fn guild_role_update(&self, _: Context, _: Option<Role>, new: Role) {
        self.let_in(new.guild_id).await;
    }
}

impl Listener {
    /// Ends the suspension of the server's chats in which the bot lacks no permission any more.
    async fn let_in(&self, guild: GuildId) {
        self.until_stored(|| self.try_to_let_in(guild)).await;
    }

    async fn try_to_let_in(&self, guild: GuildId) -> Result<(), StoreError> {
        let places = self.context.suspended_in(PLATFORM, &guild.get().to_string()).await?;
        let mut able = Vec::new();
        for place in places {
            if self.discord.is_able_at(&place.chat.address).await {
                able.push(place);
            }
        }
        self.context.let_in(PLATFORM, able).await
    }

    /// Repeats a write until it succeeds, for at most an hour: Discord reports the event only once.
    /// A new connection reports all servers again.
    async fn until_stored<F: Future<Output = Result<(), StoreError>>>(
        &self,
        store: impl Fn() -> F,
    ) {
        for _ in 0..NOT_STORED_TRIES {
            let Err(error) = store().await else { return };
            tracing::error!(
                "Discord: what happened in a server could not be stored: {error}; trying again"
            );
            let again = self.context.clock.millis() + NOT_STORED_PAUSE_MS;
            let _busy =
                self.context.clock.sleep_until_millis(again, ActivityGuard::default()).await;
        }
    }
}

/// Returns whether trying again soon is useless.
fn is_final(error: &serenity::Error) -> bool {
    match error {
        serenity::Error::Gateway(
            GatewayError::InvalidAuthentication | GatewayError::DisallowedGatewayIntents,
        ) => true,
        serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)) => {
            answer.status_code.as_u16() == 401
        }
        _ => false,
    }
}
