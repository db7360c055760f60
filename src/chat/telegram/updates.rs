//! What happens on Telegram, by long polling: commands, taps on buttons, groups entered and left.

use super::details::Details;
use super::poll::{Failed, Limit as AtOnce};
use super::refusal::Refusal;
use super::update::{self, ChatKind, Membership, Message, Update};
use super::{Me, PLATFORM, Telegram, ask, menu};
use crate::chat::flood::{Bounds, Flood, Rarely};
use crate::chat::queues::ChatQueues;
use crate::clock::{ActivityGuard, Millis};
use crate::command::AppContext;
use crate::notify::pace::Limit;
use crate::store::StoreError;
use serde_json::value::RawValue;
use std::sync::{Arc, Mutex, PoisonError};

/// After the first failure; doubled up to the longest.
const PAUSE_MS: Millis = 1_000;
const LONGEST_PAUSE_MS: Millis = 60_000;
/// Before a token that was refused is tried again.
const LONG_PAUSE_MS: Millis = 300_000;

/// Before what could not be stored is asked for again.
const NOT_STORED_PAUSE_MS: Millis = 10_000;

/// A webhook that is set again so soon after it was removed belongs to another program at work: it is left alone.
const REMOVED_AGAIN_AFTER_MS: Millis = 600_000;

/// Answers to one chat: Telegram takes some at once, then one a second.
const ANSWERS: Limit = Limit { every_ms: 1050.0, burst: 3 };

/// How much is answered. Telegram takes 20 messages a minute in a group.
const BOUNDS: Bounds = Bounds {
    person: Limit { every_ms: 2000.0, burst: 20 },
    chat: Limit { every_ms: 3000.0, burst: 20 },
};

/// One bot with all that it shares.
#[derive(Debug)]
pub(super) struct Listener {
    pub telegram: Arc<Telegram>,
    pub context: AppContext,
    pub me: Me,
    pub lines: ChatQueues,
    pub flood: Flood,
    pub details: Details,
    unreadable: Mutex<Rarely>,
}

/// What went wrong in a row, for the log and for the length of the pause.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    /// What was said last, without the length of the pause.
    said: String,
    /// Whether the webhook was told of.
    told_of_webhook: bool,
    webhook_removed_at: Option<Millis>,
}

impl Telegram {
    /// Listens until it is dropped.
    pub async fn serve(self: Arc<Self>, context: AppContext) {
        let mut failures = Failures::default();
        let me = loop {
            match self.me().await {
                Ok(me) => break me,
                Err(refusal) => self.pause_after(&context, &refusal, &mut failures).await,
            }
        };
        context.said.say(PLATFORM, format!("connected as @{}", me.username));
        tracing::info!("Telegram: connected as @{}", me.username);
        menu::show(&self.bot, me.id, &context).await;
        let listener = Arc::new(Listener {
            telegram: Arc::clone(&self),
            me,
            lines: ChatQueues::new(context.clock.clone(), ANSWERS),
            flood: Flood::new(PLATFORM, context.clock.clone(), BOUNDS),
            details: Details::default(),
            unreadable: Mutex::default(),
            context,
        });
        tokio::join!(listener.look_again(), self.poll(&listener, failures));
    }

    /// Takes what happens, one update after the other.
    async fn poll(&self, listener: &Arc<Listener>, mut failures: Failures) {
        let (context, mut offset, mut at_once) = (&listener.context, None, AtOnce::AsUsual);
        loop {
            match self.poller.updates(offset, at_once).await {
                Ok(updates) => {
                    if std::mem::take(&mut failures.count) > 0 {
                        failures.told_of_webhook = false;
                        failures.said.clear();
                        context
                            .said
                            .say(PLATFORM, format!("connected as @{}", listener.me.username));
                        tracing::info!("Telegram: connected again");
                    }
                    at_once = AtOnce::AsUsual;
                    let is_empty = updates.is_empty();
                    match listener.take_all(&updates).await {
                        Some(next) => offset = Some(next),
                        None if is_empty => {}
                        None => {
                            let refusal = Refusal::in_doubt("no update has a number");
                            self.pause_after(context, &refusal, &mut failures).await;
                        }
                    }
                }
                Err(Failed::TooLong) if at_once == AtOnce::AsUsual => at_once = AtOnce::One,
                Err(Failed::TooLong) => {
                    let refusal = Refusal::in_doubt("an update is too long to be read");
                    self.pause_after(context, &refusal, &mut failures).await;
                }
                Err(Failed::Refused(refusal)) => {
                    self.pause_after(context, &refusal, &mut failures).await
                }
            }
        }
    }

    /// Says what is wrong, and waits.
    async fn pause_after(&self, context: &AppContext, refusal: &Refusal, failures: &mut Failures) {
        let (said, pause) = match refusal {
            _ if is_webhook(refusal) => {
                failures.count += 1;
                return self.pause_for_the_webhook(context, failures).await;
            }
            Refusal::Said { status: 401 | 404, .. } => (
                "the token is refused: it is wrong or was revoked. @BotFather gives a new one (/token); put it into \
                 LINKDOWN_TELEGRAM_TOKEN and start again"
                    .to_owned(),
                LONG_PAUSE_MS,
            ),
            Refusal::Said { status: 409, .. } => (
                "another program uses the same token: stop one of the two, since each takes the other's commands"
                    .to_owned(),
                LONGEST_PAUSE_MS,
            ),
            Refusal::RetryAfter { seconds } => ("asked to wait".to_owned(), seconds * 1000),
            other => (
                format!("commands are not heard: {}", other.words()),
                (PAUSE_MS << failures.count.min(6)).min(LONGEST_PAUSE_MS),
            ),
        };
        failures.count += 1;
        let is_new = failures.said != said;
        failures.said.clone_from(&said);
        let said = format!("{said}; trying again in {} s", pause / 1000);
        // What goes on is said ever more rarely: a night is not a thousand lines.
        if is_new || failures.count.is_power_of_two() {
            tracing::error!("Telegram: {said}");
        }
        context.said.say(PLATFORM, said);
        let _busy = context
            .clock
            .sleep_until_millis(context.clock.millis() + pause, ActivityGuard::default())
            .await;
    }

    /// Removes the webhook where the operator allows that; else says once that it is there, and waits.
    async fn pause_for_the_webhook(&self, context: &AppContext, failures: &mut Failures) {
        let now = context.clock.millis();
        let is_set_again =
            failures.webhook_removed_at.is_some_and(|at| now - at < REMOVED_AGAIN_AFTER_MS);
        let place = match self.webhook().await {
            Ok(Some(webhook)) => format!("the webhook at {}", webhook.host),
            _ => "a webhook".to_owned(),
        };
        let advice = if !self.removes_webhooks {
            "remove it by calling deleteWebhook, or let the bot do so by [telegram] remove_webhook = true".to_owned()
        } else if is_set_again {
            "it was set again soon after the bot had removed it: stop the program that sets it"
                .to_owned()
        } else {
            match self.remove_webhook().await {
                Ok(()) => {
                    failures.webhook_removed_at = Some(now);
                    tracing::warn!(
                        "Telegram: {place} took this bot's commands and was removed ([telegram] remove_webhook)"
                    );
                    return;
                }
                Err(refusal) => format!("removing it failed: {}", refusal.words()),
            }
        };
        let said = format!(
            "commands do not arrive, because {place} takes them; alerts are sent all the same. To get commands here, \
             {advice}"
        );
        if !std::mem::replace(&mut failures.told_of_webhook, true) {
            tracing::error!(
                "Telegram: {said}; the bot looks again every {} s",
                LONGEST_PAUSE_MS / 1000
            );
        }
        context.said.say(PLATFORM, said);
        let _busy = context
            .clock
            .sleep_until_millis(now + LONGEST_PAUSE_MS, ActivityGuard::default())
            .await;
    }
}

/// Returns whether a poll was refused because of a webhook. Both forms are known from the source of the Bot API server
/// (`Client.cpp`, `fail_query_conflict` and `abort_long_poll`).
fn is_webhook(refusal: &Refusal) -> bool {
    refusal.says("webhook is active") || refusal.says("terminated by setWebhook")
}

impl Listener {
    /// Takes updates in their order. Returns the offset that confirms those that were taken: one that could not be stored,
    /// and those after it, arrive again.
    async fn take_all(self: &Arc<Self>, updates: &[Box<RawValue>]) -> Option<i64> {
        let mut offset = None;
        for raw in updates {
            let number = update::number(raw.get());
            let outcome = match update::read(raw.get()) {
                Ok(update) => Arc::clone(self).take(update, number.unwrap_or_default()).await,
                Err(unreadable) => {
                    self.skip(number, unreadable);
                    Ok(())
                }
            };
            if let Err(error) = outcome {
                // A full disk must not make it forgotten.
                tracing::error!(
                    "Telegram: what happened in a chat could not be stored: {error}; trying again"
                );
                let again = self.context.clock.millis() + NOT_STORED_PAUSE_MS;
                let _busy =
                    self.context.clock.sleep_until_millis(again, ActivityGuard::default()).await;
                // Asked for again from here on, also where nothing was taken before it.
                return offset.or(number);
            }
            offset = number.map(|number| number.saturating_add(1)).or(offset);
        }
        offset
    }

    fn skip(&self, number: Option<i64>, unreadable: update::Unreadable) {
        let now = self.context.clock.millis();
        let mut rarely = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(skipped) = rarely.count(now) {
            let update::Unreadable { kind, why } = unreadable;
            tracing::warn!(
                update = number,
                kind,
                why,
                skipped,
                "Telegram: an update cannot be read and is skipped"
            );
        }
    }

    /// Telegram tells what happened in a chat once and within a day; and an older database may have been put back.
    async fn look_again(&self) {
        let outcome = async {
            let mut able = Vec::new();
            for place in self.context.suspended_on(PLATFORM).await? {
                if self.telegram.is_able_at(&place.chat.address).await {
                    able.push(place);
                }
            }
            self.context.let_in(PLATFORM, able).await
        };
        if let Err(error) = outcome.await {
            tracing::error!(
                "Telegram: whether chats let the bot in meanwhile could not be stored: {error}"
            );
        }
    }

    /// An error: what it tells was not written down.
    async fn take(self: Arc<Self>, update: Update, number: i64) -> Result<(), StoreError> {
        match update {
            Update::Message(Message { migrates_to: Some(to), at, .. }) => {
                return self
                    .context
                    .moved(PLATFORM, &at.chat.0.to_string(), &to.0.to_string())
                    .await;
            }
            Update::Message(message) => ask::command(self, message, number),
            Update::Tap(tap) => ask::tap(self, tap, number),
            Update::Membership(change) => return self.membership(change).await,
            Update::Other => {}
        }
        Ok(())
    }

    /// The bot was let in, put out, blocked or let in again.
    async fn membership(&self, change: Membership) -> Result<(), StoreError> {
        let home = change.chat.0.to_string();
        if change.is_inside {
            let places = self.context.suspended_in(PLATFORM, &home).await?;
            self.context.let_in(PLATFORM, places).await
        } else {
            let is_private = change.kind == ChatKind::Private;
            let why = if is_private { "blocked by the person" } else { "put out of the chat" };
            self.context.put_out(PLATFORM, &home, why).await
        }
    }
}
