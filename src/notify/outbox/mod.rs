//! The only thing that sends: takes what is owed to one platform, hands it over at the platform's pace, marks what came
//! of it. Each message goes by itself, so that a chat that hangs holds up no other.

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

/// When the database itself fails: the pause before the next look.
const DATABASE_PAUSE_MS: Millis = 10_000;
/// A turn reads and writes the database; it waits for no message.
const LONGEST_TURN: Seconds = 5 * MINUTE;
/// How long a stop waits for what is on its way: what is not known then may have to be told twice.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub struct Outbox {
    pub store: Store,
    pub platform: Arc<dyn Platform>,
    pub watchlist: Arc<Watchlist>,
    pub clock: Clock,
    pub failpoints: Failpoints,
    /// Told whenever the end of a delivery is known.
    pub told: Arc<Notify>,
    /// Set when nothing more is to be handed over; what is on its way is still marked.
    pub closing: watch::Receiver<bool>,
    /// Stands in front of every alert: `reconstructed`.
    pub label: Option<&'static str>,
}

impl Outbox {
    /// Delivers until it is dropped or closed. `wake` says that something new may be owed.
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
                // Whoever could close it is gone: then it is dropped, not closed.
                Ok(()) = closing.changed() => break,
            };
            while wake.try_recv().is_ok() {}
        }
        let _ = tokio::time::timeout(LAST_ANSWERS, worker.land()).await;
        if let Err(error) = worker.note().await {
            tracing::error!("what was told last could not be marked: {error}");
        }
    }

    /// What was being sent when the program stopped may have arrived: it is owed again, and says so.
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
