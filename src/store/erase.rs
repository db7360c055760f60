//! Overwriting of forgotten data, in the write-ahead log as well.
//!
//! The writer deletes with `secure_delete`: the content of a row becomes zeros in the pages of the
//! database. The log still holds the old pages. It is moved into the file and truncated as soon as
//! no reader needs it.

use super::StoreError;
use super::standing::checkpoint;
use rusqlite::Connection;
use rusqlite::hooks::Action;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The table whose rows say to whom the data of a chat belongs. Deleting a row, or updating it to
/// remove the owner, forgets something.
const FORGOTTEN: &str = "chat";

/// Tracks whether the log must be truncated.
pub(super) struct Erasure {
    is_due: Arc<AtomicBool>,
}

impl Erasure {
    /// Starts to watch this connection for statements that forget a chat.
    pub(super) fn watch(connection: &mut Connection) -> Result<Self, StoreError> {
        let is_due = Arc::new(AtomicBool::new(false));
        let found = Arc::clone(&is_due);
        connection.update_hook(Some(move |action: Action, _: &str, table: &str, _| {
            if table == FORGOTTEN && action != Action::SQLITE_INSERT {
                found.store(true, Ordering::Relaxed);
            }
        }))?;
        Ok(Self { is_due })
    }

    /// Truncates the log if that is due. Does not wait for a reader that still needs the log, such
    /// as a backup: the next write tries again, or the check two seconds later.
    pub(super) fn finish(&self, connection: &Connection) {
        if self.is_due.load(Ordering::Relaxed) {
            let waits = connection.busy_timeout(Duration::ZERO);
            let done = waits.is_ok() && checkpoint(connection).is_ok();
            self.is_due.store(!done, Ordering::Relaxed);
            let _ = connection.busy_timeout(Duration::from_secs(super::error::BUSY_SECONDS));
        }
    }
}

impl fmt::Debug for Erasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Erasure").field("is_due", &self.is_due).finish()
    }
}
