//! The handles that every part of the ingestion shares.

use crate::clock::{ActivityGuard, Clock};
use crate::detect::State;
use crate::domain::Watchlist;
use crate::failpoints::Failpoints;
use crate::store::Store;
use std::sync::{Arc, RwLock};
use tokio::sync::mpsc::UnboundedSender;

/// Handles that every part of the ingestion shares.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The database.
    pub store: Store,
    /// The detector's state after the newest committed batch.
    pub state: Arc<RwLock<State>>,
    /// The configured and the subscribed entities.
    pub watchlist: Arc<Watchlist>,
    /// The clock, which tests and replays simulate.
    pub clock: Clock,
    /// The points at which a test may end the process.
    pub failpoints: Failpoints,
    /// Wakes each platform's outbox when a delivery may be owed.
    pub wake: Vec<UnboundedSender<ActivityGuard>>,
}
