//! The state that the handlers of updates share.

use super::details::Details;
use super::{Me, Telegram};
use crate::chat::flood::{Flood, Rarely};
use crate::chat::queues::ChatQueues;
use crate::command::AppContext;
use std::sync::{Arc, Mutex};

/// The state that the handlers of one bot share.
#[derive(Debug)]
pub(super) struct Listener {
    pub telegram: Arc<Telegram>,
    pub context: AppContext,
    /// The bot's own account.
    pub me: Me,
    /// Answers one chat's commands one after the other.
    pub lines: ChatQueues,
    /// Limits commands and taps.
    pub flood: Flood,
    /// Limits the public answers to taps on [Details].
    pub details: Details,
    /// Limits the log lines about updates that cannot be read.
    pub unreadable: Mutex<Rarely>,
}
