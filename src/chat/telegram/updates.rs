//! Receives Telegram's updates by long polling: commands, taps on buttons, groups joined and left.

use super::details::Details;
use super::listener::Listener;
use super::poll::{Failed, Limit as AtOnce};
use super::refusal::Refusal;
use super::update::{self, ChatKind, Membership, Message, Update};
use super::{PLATFORM, Telegram, ask, menu};
use crate::chat::flood::{Bounds, Flood};
use crate::chat::queues::ChatQueues;
use crate::clock::{ActivityGuard, Millis};
use crate::command::AppContext;
use crate::notify::pace::Limit;
use crate::store::StoreError;
use serde_json::value::RawValue;
use std::sync::{Arc, Mutex, PoisonError};

/// The pause after the first failure; it doubles up to [`LONGEST_PAUSE_MS`].
const PAUSE_MS: Millis = 1_000;
const LONGEST_PAUSE_MS: Millis = 60_000;
/// The pause before a refused token is tried again.
const LONG_PAUSE_MS: Millis = 300_000;

/// The pause before an update that could not be stored is requested again.
const NOT_STORED_PAUSE_MS: Millis = 10_000;

/// A webhook that is set again within this time after its removal belongs to another running
/// program and is not removed.
const REMOVED_AGAIN_AFTER_MS: Millis = 600_000;

/// The pace of answers to one chat: Telegram accepts a few at once, then one a second.
const ANSWERS: Limit = Limit { every_ms: 1050.0, burst: 3 };

/// The most commands that are answered. Telegram allows 20 messages a minute in a group.
const BOUNDS: Bounds = Bounds {
    person: Limit { every_ms: 2000.0, burst: 20 },
    chat: Limit { every_ms: 3000.0, burst: 20 },
};

/// The failures in a row, for the log and for the length of the pause.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    /// The last reported error, without the length of the pause.
    said: String,
    /// Whether the webhook was reported.
    told_of_webhook: bool,
    webhook_removed_at: Option<Millis>,
}

impl Telegram {
    /// Receives updates until it is dropped.
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

    /// Polls for updates and handles them one after the other.
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
                    self.pause_after(context, &refusal, &mut failures).await;
                }
            }
        }
    }

    /// Reports the failure, and waits.
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
        // A lasting failure is logged ever more rarely, so that a night does not fill the log.
        if is_new || failures.count.is_power_of_two() {
            tracing::error!("Telegram: {said}");
        }
        context.said.say(PLATFORM, said);
        let _busy = context
            .clock
            .sleep_until_millis(context.clock.millis() + pause, ActivityGuard::default())
            .await;
    }

    /// Removes the webhook if the operator allows that; otherwise reports it once, and waits.
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

/// Returns whether a poll was refused because of a webhook. Both texts are from the source of the
/// Bot API server (`Client.cpp`, `fail_query_conflict` and `abort_long_poll`).
fn is_webhook(refusal: &Refusal) -> bool {
    refusal.says("webhook is active") || refusal.says("terminated by setWebhook")
}

impl Listener {
    /// Handles updates in their order. Returns the offset that confirms the handled ones; an update
    /// that could not be stored, and those after it, arrive again.
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
                // A full disk must not lose the update.
                tracing::error!(
                    "Telegram: what happened in a chat could not be stored: {error}; trying again"
                );
                let again = self.context.clock.millis() + NOT_STORED_PAUSE_MS;
                let _busy =
                    self.context.clock.sleep_until_millis(again, ActivityGuard::default()).await;
                // The next poll begins at this update, even if none was handled before it.
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

    /// Checks every suspended chat once at the start: Telegram reports a change of membership only
    /// once and keeps it for a day, and an older database may have been restored.
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

    /// Handles one update. Fails if its content could not be stored.
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

    /// Records that the bot was added to a chat, removed, blocked or unblocked.
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
