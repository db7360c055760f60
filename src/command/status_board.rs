//! What platforms, and our own eyes, say of themselves: `/sources` shows it beside the polled sources.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A sentence for each part of the bot that has something to say.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard(Arc<RwLock<BTreeMap<&'static str, String>>>);

impl StatusBoard {
    pub fn say(&self, part: &'static str, said: impl Into<String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(part, said.into());
    }

    /// The part has nothing to say any more.
    pub fn say_no_more(&self, part: &'static str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    pub fn all(&self) -> Vec<(&'static str, String)> {
        let said = self.0.read().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(|(part, said)| (*part, said.clone())).collect()
    }
}
