//! What is forgotten is overwritten, in the log as well.
//!
//! The writer deletes with `secure_delete`: what a row held becomes zeros in the pages of the database. The log still
//! holds those pages as they were. It is moved into the file and cut to nothing as soon as no reader needs it.

use super::StoreError;
use super::standing::checkpoint;
use rusqlite::Connection;
use rusqlite::hooks::Action;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Rows of this table say whose what is kept of a chat is: one that goes, or loses its owner, is forgotten.
const FORGOTTEN: &str = "chat";

/// Whether the log must be cut.
pub(super) struct Erasure {
    is_due: Arc<AtomicBool>,
}

impl Erasure {
    /// Notices from now on when this connection forgets a chat, whoever asked for it.
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

    /// Cuts the log where that is due. A reader that still needs it, such as a backup, is not waited for: the next write
    /// or look, two seconds later, tries again.
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
