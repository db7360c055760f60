//! Checks the health of the bot once a minute.

use super::heartbeat::Heartbeat;
use super::service::{Stage, tell_service_manager};
use super::signs::{File, HealthSnapshot, gather};
use super::troubles::{DATABASE, troubles};
use crate::clock::ActivityGuard;
use crate::command::AppContext;
use crate::domain::time::MINUTE;
use crate::domain::{Chat, NewDelivery, OperatorAlert, Seconds, Timestamp};
use crate::notify::body::Body;
use crate::notify::platform::{Form, Outgoing, Platform, Volume};
use crate::render::summary::trouble;
use crate::store::{FileState, NEWEST_SCHEMA, NewNotice, Settled, Store, StoreError, Tx};
use crate::supervisor::{Supervisor, Watchdog};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Seconds between two checks.
const EVERY: Seconds = MINUTE;
/// A check that starts this many seconds late was held up together with all other tasks, so their
/// silence means nothing.
const HELD_UP: Seconds = 20;
/// The longest time that a check takes, in seconds.
const LONGEST_LOOK: Seconds = 5 * MINUTE;
/// Ticks succeed while some source has answered within this many seconds.
const ANSWERED_WITHIN: Seconds = 20 * MINUTE;

/// The longest time that a message to the operator past the outbox takes.
const LONGEST_ALARM: Duration = Duration::from_secs(30);

/// The monitor of the bot itself.
#[derive(Clone, Debug)]
pub struct SelfMonitor {
    /// The store, the feeds, the watchlist and the clock.
    pub context: AppContext,
    /// The supervisor of the tasks that are checked.
    pub supervisor: Supervisor,
    /// Platform and address of the operator's chat.
    pub operator: Option<(String, String)>,
    /// The platform of that chat, for the one case in which the outbox cannot deliver: the database
    /// is gone.
    pub platform: Option<Arc<dyn Platform>>,
    /// The heartbeat, called after each check while some source answers.
    pub heartbeat: Option<Heartbeat>,
    /// Whether the last process on this database was killed; the file is then checked.
    pub was_killed: bool,
}

impl SelfMonitor {
    /// Checks once a minute until it is dropped.
    pub async fn run(self, watchdog: Watchdog, mut busy: ActivityGuard) {
        let since = self.context.clock.now();
        if let Some(from) = self.context.store.migrated_from() {
            self.say_migrated(from).await;
        }
        // The check of the file runs in parallel: neither deliveries nor the heartbeat wait until a
        // large file is read.
        let (mut check, mut file) = (JoinSet::new(), File::Unknown);
        if self.must_look_through().await {
            check.spawn(look_through(self.context.store.clone(), self.context.clock.busy()));
        }
        let mut is_heard = true;
        let (mut standing, mut rewritten, mut is_alarmed) =
            (self.context.store.standing(), None, false);
        loop {
            watchdog.within(LONGEST_LOOK);
            if let Some(Ok(found)) = check.try_join_next() {
                file = found;
            }
            match self.look(since, file.clone(), rewritten).await {
                Ok(signs) => {
                    // The service manager restarts a process whose database does not answer.
                    tell_service_manager(Stage::Alive);
                    if let Some(heartbeat) =
                        self.heartbeat.as_ref().filter(|_| ticks_succeed(&signs))
                    {
                        is_heard = say_alive(heartbeat, is_heard).await;
                    }
                }
                Err(error) => {
                    tracing::error!("how the bot itself is doing cannot be read: {error}");
                }
            }
            let next = self.context.clock.millis() + EVERY * 1000;
            busy = tokio::select! {
                awake = self.context.clock.sleep_until_millis(next, busy) => awake,
                // The next check reports a database that was written again.
                () = changed(&mut standing) => {
                    let now = standing.borrow_and_update().clone();
                    match now.error(self.context.store.path()) {
                        None if is_alarmed => self.say_in_place(&mut is_alarmed).await,
                        None => rewritten = Some(self.context.clock.now()),
                        Some(error) => is_alarmed |= self.alarm(&error).await,
                    }
                    self.context.clock.busy()
                }
            };
            if self.context.clock.millis() - next < HELD_UP * 1000 {
                self.supervisor.give_up_overdue();
            }
        }
    }

    async fn look(
        &self,
        since: Timestamp,
        file: File,
        rewritten: Option<Timestamp>,
    ) -> Result<HealthSnapshot, StoreError> {
        let signs = gather(&self.context, &self.supervisor, since, file, rewritten).await?;
        let found = troubles(&signs);
        let is_same = found.len() == signs.known.len()
            && found.iter().all(|trouble| signs.is_known(&trouble.what));
        if !is_same {
            let (operator, now) = (self.operator.clone(), signs.now);
            let settled = self
                .context
                .store
                .write(move |tx| tell(tx, &found, operator.as_ref(), now))
                .await?;
            for trouble in &settled.begun {
                tracing::warn!("{}", trouble.said);
            }
            for trouble in &settled.over {
                tracing::info!("over: {}", trouble.said);
            }
            self.context.wake_outboxes();
        }
        Ok(signs)
    }

    /// Tells the operator at once that nothing can be stored. No delivery can be owed then, so this
    /// is sent once and not through the outbox. Returns whether there is an operator.
    async fn alarm(&self, error: &StoreError) -> bool {
        let (Some((name, address)), Some(platform)) = (&self.operator, &self.platform) else {
            return false;
        };
        let message = Outgoing {
            chat: Chat { id: 0, platform: name.clone(), address: address.clone() },
            card: trouble(&error.to_string()),
            // No delivery has a negative key.
            key: -self.context.clock.now().unix(),
            in_doubt: None,
            answers: None,
            mention: None,
            volume: Volume::Loud,
            form: Form::Rich,
        };
        match self.context.clock.within(LONGEST_ALARM, platform.send(&message)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::error!("the operator could not be told of the database: {error}");
            }
            None => tracing::error!("the operator could not be told of the database: no answer"),
        }
        true
    }

    /// Tells the operator that the alarm is over.
    async fn say_in_place(&self, is_alarmed: &mut bool) {
        let (operator, now) = (self.operator.clone(), self.context.clock.now());
        let said = "The database is in its place again, and everything is stored".to_owned();
        let notice = NewNotice::operator(format!("in place {now}"), Body::Word { said }.to_json());
        match self.context.store.write(move |tx| owe(tx, &notice, operator.as_ref(), now)).await {
            Ok(()) => {
                *is_alarmed = false;
                self.context.wake_outboxes();
            }
            Err(error) => tracing::error!("that the database is back could not be told: {error}"),
        }
    }

    async fn say_migrated(&self, from: u32) {
        let said = format!(
            "Linkdown {} has brought the database from schema {from} to {NEWEST_SCHEMA}: an older version cannot open it any more",
            env!("CARGO_PKG_VERSION")
        );
        tracing::info!("{said}");
        let (operator, now) = (self.operator.clone(), self.context.clock.now());
        // The file stays open over a reload, but it was migrated only once.
        let once = format!("migrated {from} {NEWEST_SCHEMA}");
        let told = self.context.store.write(move |tx| {
            let notice = NewNotice::operator(once, Body::Word { said }.to_json());
            owe(tx, &notice, operator.as_ref(), now)
        });
        match told.await {
            Ok(()) => self.context.wake_outboxes(),
            Err(error) => {
                tracing::error!("that the database was migrated could not be told: {error}");
            }
        }
    }

    /// Returns whether the file must be checked: after a kill or a power cut, and while it is known
    /// to be damaged.
    async fn must_look_through(&self) -> bool {
        let known = self.context.store.read(|db| db.troubles().all()).await;
        self.was_killed
            || known.is_ok_and(|known| known.iter().any(|trouble| trouble.what == DATABASE))
    }
}

/// Waits for the next change; never returns once the store is closed.
async fn changed(standing: &mut watch::Receiver<FileState>) {
    if standing.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn look_through(store: Store, _busy: ActivityGuard) -> File {
    match store.look_through().await {
        Ok(None) => {
            tracing::info!("the database was looked through and is whole");
            File::Whole
        }
        Ok(Some(damage)) => {
            tracing::error!("the database is damaged: {damage}");
            File::Damaged(damage)
        }
        Err(error) => {
            tracing::error!("the database cannot be looked through: {error}");
            File::Damaged(error.to_string())
        }
    }
}

/// Stores the current alerts, and owes the operator a delivery for each that is new or over.
fn tell(
    tx: &Tx<'_>,
    found: &[OperatorAlert],
    operator: Option<&(String, String)>,
    now: Timestamp,
) -> Result<Settled, StoreError> {
    let settled = tx.troubles().settle(found)?;
    let notice = |kind: &str, trouble: &OperatorAlert, body: Body| {
        NewNotice::operator(format!("{kind} {} {}", trouble.what, now), body.to_json())
    };
    for trouble in &settled.begun {
        let body = Body::OperatorAlert { said: trouble.said.clone() };
        owe(tx, &notice("trouble", trouble, body), operator, now)?;
    }
    for trouble in &settled.over {
        let body = Body::TroubleOver { said: trouble.said.clone(), since: trouble.since };
        owe(tx, &notice("over", trouble, body), operator, now)?;
    }
    Ok(settled)
}

fn owe(
    tx: &Tx<'_>,
    notice: &NewNotice,
    operator: Option<&(String, String)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some((platform, address)) = operator else { return Ok(()) };
    let chat = tx.chats().ensure(platform, address)?;
    tx.deliveries().owe(notice, &[NewDelivery::now(chat.id, false)], now, 0)
}

/// Returns whether some source has answered recently, or none is on.
fn ticks_succeed(signs: &HealthSnapshot) -> bool {
    let answered = |at: Option<Timestamp>| at.is_some_and(|at| signs.now - at < ANSWERED_WITHIN);
    signs.sources.is_empty() || signs.sources.iter().any(|source| answered(source.last_success))
}

/// Calls the heartbeat address and logs a change. Returns whether the call succeeded.
async fn say_alive(heartbeat: &Heartbeat, was_heard: bool) -> bool {
    match (heartbeat.call().await, was_heard) {
        (Ok(()), false) => {
            tracing::info!("the heartbeat is heard again");
            true
        }
        (Ok(()), true) => true,
        (Err(error), true) => {
            tracing::warn!(
                "the heartbeat is not heard ({error}); it is called again every minute (LINKDOWN_HEARTBEAT_URL)"
            );
            false
        }
        (Err(_), false) => false,
    }
}
