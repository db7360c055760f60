//! Whether the file at the database's path is still the open database.

use super::StoreError;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// The state of the file at the database's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The file is the open database.
    InPlace {
        /// How often it was deleted and rewritten since it was opened.
        rewritten: u32,
    },
    /// The file was deleted and cannot be rewritten yet. Nothing is stored.
    Deleted {
        /// Why the last attempt to rewrite it failed.
        why: String,
    },
    /// Another file has taken its place. Nothing is stored.
    Replaced,
    /// Nothing is stored until the file is opened again.
    MustReopen {
        /// The change to the files that makes further writes unsafe.
        why: String,
    },
}

impl FileState {
    pub(super) fn of_a_new_one() -> Arc<watch::Sender<Self>> {
        Arc::new(watch::Sender::new(Self::InPlace { rewritten: 0 }))
    }

    /// Returns the reason why nothing can be stored, or `None` if the file is in place.
    pub fn error(&self, path: &Path) -> Option<StoreError> {
        let path = path.to_owned();
        match self {
            Self::InPlace { .. } => None,
            Self::Deleted { why } => Some(StoreError::Deleted { path, why: why.clone() }),
            Self::Replaced => Some(StoreError::Replaced { path }),
            Self::MustReopen { why } => Some(StoreError::MustReopen { path, why: why.clone() }),
        }
    }
}
