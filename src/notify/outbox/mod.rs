//! The only code that sends: reads the deliveries owed to one platform, hands them over at the
//! platform's pace, and records the outcomes. Each message is sent by a task of its own, so that a
//! chat that hangs does not delay any other.

mod book;
mod compose;
#[cfg(test)]
mod tests;
mod worker;

use super::platform::Platform;
use crate::clock::{ActivityGuard, Clock, Millis};
use crate::domain::time::MINUTE;
use crate::domain::{Seconds, Watchlist};
use crate::failpoints::Failpoints;
use crate::store::{Attempt, Store, StoreError};
use crate::supervisor::Watchdog;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, watch};
use worker::DeliveryWorker;

/// The pause before the next attempt after the database failed.
const DATABASE_PAUSE_MS: Millis = 10_000;
/// The watchdog's limit for one poll, which reads and writes the database and waits for no send.
const LONGEST_TURN: Seconds = 5 * MINUTE;
/// How long a stop waits for the sends in flight. One without a known outcome by then may have to
/// be sent twice.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The delivery service of one platform.
#[derive(Clone, Debug)]
pub struct Outbox {
    /// The database that holds the deliveries and cards.
    pub store: Store,
    /// The platform to which it sends.
    pub platform: Arc<dyn Platform>,
    /// The watched entities, for the parts, the time zone and the subscriptions of an alert.
    pub watchlist: Arc<Watchlist>,
    /// The source of time, which a test can move.
    pub clock: Clock,
    /// The points at which a test can stop the program.
    pub failpoints: Failpoints,
    /// Notified whenever outcomes of deliveries are recorded.
    pub told: Arc<Notify>,
    /// Changes when nothing more is to be handed over. Sends in flight are still recorded.
    pub closing: watch::Receiver<bool>,
    /// A label in front of the title of every alert: `reconstructed`.
    pub label: Option<&'static str>,
}

impl Outbox {
    /// Delivers until it is dropped or closed. A message on `wake` means that there may be new
    /// deliveries.
    pub async fn run(
        self,
        wake: &mut UnboundedReceiver<ActivityGuard>,
        watchdog: Watchdog,
        mut busy: ActivityGuard,
    ) {
        let (clock, mut closing) = (self.clock.clone(), self.closing.clone());
        while let Err(error) = self.take_up_doubtful().await {
            tracing::error!("what was being told when the program stopped cannot be read: {error}");
            busy = clock.sleep_until_millis(clock.millis() + DATABASE_PAUSE_MS, busy).await;
        }
        let mut worker = DeliveryWorker::new(self);
        while let Err(error) = worker.take_up_pauses().await {
            tracing::error!(%error, "the pauses that a platform asked for cannot be read");
            busy = clock.sleep_until_millis(clock.millis() + DATABASE_PAUSE_MS, busy).await;
        }
        loop {
            watchdog.within(LONGEST_TURN);
            let next = match worker.poll().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(
                        "what is owed cannot be read or marked: {error}; trying again in {} s",
                        DATABASE_PAUSE_MS / 1000
                    );
                    Some(clock.millis() + DATABASE_PAUSE_MS)
                }
            };
            watchdog.rests();
            let sleep = async {
                let Some(next) = next else {
                    drop(busy);
                    return std::future::pending().await;
                };
                clock.sleep_until_millis(next, busy).await
            };
            busy = tokio::select! {
                busy = worker.landed() => busy,
                woken = wake.recv() => match woken { Some(busy) => busy, None => return },
                busy = sleep => busy,
                // Without a sender left, nobody can close the outbox; it runs until it is dropped.
                Ok(()) = closing.changed() => break,
            };
            while wake.try_recv().is_ok() {}
        }
        let _ = tokio::time::timeout(LAST_ANSWERS, worker.land()).await;
        if let Err(error) = worker.note().await {
            tracing::error!("what was told last could not be marked: {error}");
        }
    }

    /// Makes the deliveries that were being sent when the program stopped owed again. They are
    /// marked as in doubt, since they may have arrived.
    async fn take_up_doubtful(&self) -> Result<(), StoreError> {
        let (platform, now) = (self.platform.name(), self.clock.now());
        let doubtful = self
            .store
            .write(move |tx| {
                let doubtful = tx.deliveries().in_doubt(platform)?;
                for delivery in &doubtful {
                    let why = "the program was stopped while it was being sent";
                    tx.deliveries().put_off(delivery.id, now, why, Attempt::InDoubt)?;
                }
                Ok(doubtful.len())
            })
            .await?;
        if doubtful > 0 {
            tracing::warn!(
                platform,
                doubtful,
                "stopped while telling: these are told again where it cannot be found out that they arrived"
            );
        }
        Ok(())
    }
}
