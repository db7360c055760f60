//! What happens on Telegram, by long polling: commands, taps on buttons, groups entered and left.

use super::send::words;
use super::{PLATFORM, POLL, Telegram, ask, menu};
use crate::chat::lines::Lines;
use crate::clock::Busy;
use crate::command::Desk;
use crate::notify::pace::Limit;
use crate::store::StoreError;
use std::sync::Arc;
use teloxide_core::payloads::GetUpdatesSetters as _;
use teloxide_core::prelude::Requester as _;
use teloxide_core::types::{AllowedUpdate, ChatMemberUpdated, Me, Update, UpdateId, UpdateKind};
use teloxide_core::{ApiError, RequestError};

/// After the first failure; doubled up to the longest.
const PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 60_000;
/// Before a token that was refused, or that somebody else uses, is tried again.
const LONG_PAUSE_MS: i64 = 300_000;

/// Before what could not be stored is asked for again.
const NOT_STORED_PAUSE_MS: i64 = 10_000;

/// Answers to one chat: Telegram takes some at once, then one a second.
const ANSWERS: Limit = Limit { every_ms: 1050.0, burst: 3 };

/// One bot at its desk.
#[derive(Debug)]
pub(super) struct Listener {
    pub telegram: Arc<Telegram>,
    pub desk: Desk,
    pub me: Me,
    pub lines: Lines,
}

impl Telegram {
    /// Listens until it is dropped.
    pub async fn serve(self: Arc<Self>, desk: Desk) {
        let mut failures = 0_u32;
        let me = loop {
            match self.polling.get_me().await {
                Ok(me) => break me,
                Err(error) => self.rest(&desk, &error, &mut failures).await,
            }
        };
        desk.said.say(PLATFORM, format!("connected as @{}", me.username()));
        tracing::info!("Telegram: connected as @{}", me.username());
        menu::show(&self.bot, me.id.0, &desk).await;
        let lines = Lines::new(desk.clock.clone(), ANSWERS);
        let listener = Arc::new(Listener { telegram: Arc::clone(&self), desk: desk.clone(), me, lines });
        tokio::join!(listener.look_again(), self.poll(&listener, failures));
    }

    /// Hears what is said, one thing after the other.
    async fn poll(&self, listener: &Arc<Listener>, mut failures: u32) {
        let (desk, mut offset) = (&listener.desk, None);
        loop {
            let mut poll = self.polling.get_updates().timeout(POLL.as_secs() as u32).limit(100).allowed_updates([
                AllowedUpdate::Message,
                AllowedUpdate::ChannelPost,
                AllowedUpdate::CallbackQuery,
                AllowedUpdate::MyChatMember,
            ]);
            if let Some(offset) = offset {
                poll = poll.offset(offset);
            }
            match poll.await {
                Ok(updates) => {
                    if std::mem::take(&mut failures) > 0 {
                        desk.said.say(PLATFORM, format!("connected as @{}", listener.me.username()));
                        tracing::info!("Telegram: connected again");
                    }
                    for update in updates {
                        let next = after(update.id);
                        // It is not confirmed, and so told again: a disk that is full must not make it forgotten.
                        if let Err(error) = Arc::clone(listener).take(update).await {
                            tracing::error!(
                                "Telegram: what happened in a chat could not be stored: {error}; trying again"
                            );
                            let again = desk.clock.millis() + NOT_STORED_PAUSE_MS;
                            let _busy = desk.clock.sleep_until_millis(again, Busy::default()).await;
                            break;
                        }
                        offset = Some(next);
                    }
                }
                Err(error) => self.rest(desk, &error, &mut failures).await,
            }
        }
    }

    /// Says what is wrong, and waits.
    async fn rest(&self, desk: &Desk, error: &RequestError, failures: &mut u32) {
        let (said, pause) = match error {
            RequestError::Api(ApiError::InvalidToken) => (
                "the token is refused: it is wrong or was revoked. @BotFather gives a new one (/token); put it into \
                 LINKDOWN_TELEGRAM_TOKEN and start again"
                    .to_owned(),
                LONG_PAUSE_MS,
            ),
            RequestError::Api(ApiError::TerminatedByOtherGetUpdates) => (
                "another program uses the same token: stop one of the two, since each takes the other's commands"
                    .to_owned(),
                LONGEST_PAUSE_MS,
            ),
            RequestError::RetryAfter(pause) => ("asked to wait".to_owned(), i64::from(pause.seconds()) * 1000),
            other => (
                format!("commands are not heard: {}", words(other)),
                (PAUSE_MS << (*failures).min(6)).min(LONGEST_PAUSE_MS),
            ),
        };
        *failures += 1;
        let said = format!("{said}; trying again in {} s", pause / 1000);
        // Ever more rarely: a night without a line is not a thousand lines.
        if failures.is_power_of_two() {
            tracing::error!("Telegram: {said}");
        }
        desk.said.say(PLATFORM, said);
        let _busy = desk.clock.sleep_until_millis(desk.clock.millis() + pause, Busy::default()).await;
    }
}

impl Listener {
    /// Telegram tells what happened in a chat once and within a day; and an older database may have been put back.
    async fn look_again(&self) {
        let outcome = async {
            let mut able = Vec::new();
            for place in self.desk.suspended_on(PLATFORM).await? {
                if self.telegram.is_able_at(&place.chat.address).await {
                    able.push(place);
                }
            }
            self.desk.let_in(PLATFORM, able).await
        };
        if let Err(error) = outcome.await {
            tracing::error!("Telegram: whether chats let the bot in meanwhile could not be stored: {error}");
        }
    }

    /// An error: what it tells was not written down.
    async fn take(self: Arc<Self>, update: Update) -> Result<(), StoreError> {
        let id = update.id.0;
        match update.kind {
            UpdateKind::Message(message) | UpdateKind::ChannelPost(message) => {
                if let Some(to) = message.migrate_to_chat_id() {
                    let (from, to) = (message.chat.id.0.to_string(), to.0.to_string());
                    return self.desk.moved(PLATFORM, &from, &to).await;
                }
                ask::command(self, message, id);
            }
            UpdateKind::CallbackQuery(query) => ask::tap(self, query, id),
            UpdateKind::MyChatMember(change) => return self.membership(&change).await,
            UpdateKind::Error(raw) => {
                let raw: String = raw.to_string().chars().take(200).collect();
                tracing::warn!(update = id, "Telegram: an update that cannot be read was left out: {raw}");
            }
            _ => {}
        }
        Ok(())
    }

    /// The bot was let in, put out, blocked or let in again.
    async fn membership(&self, change: &ChatMemberUpdated) -> Result<(), StoreError> {
        let home = change.chat.id.0.to_string();
        if change.new_chat_member.kind.is_present() {
            let places = self.desk.suspended_in(PLATFORM, &home).await?;
            self.desk.let_in(PLATFORM, places).await
        } else {
            let why = if change.chat.is_private() { "blocked by the person" } else { "put out of the chat" };
            self.desk.put_out(PLATFORM, &home, why).await
        }
    }
}

/// The offset that confirms an update: ids are positive and fit, by the library's own word.
fn after(id: UpdateId) -> i32 {
    i32::try_from(id.0.saturating_add(1)).unwrap_or(i32::MAX)
}
