//! The current state of the platforms and of the own probes; `/sources` shows it beside the polled
//! sources.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// One sentence for each part of the bot that has a state to report.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard(Arc<RwLock<BTreeMap<&'static str, String>>>);

impl StatusBoard {
    /// Sets the sentence of a part, replacing the previous one.
    pub fn say(&self, part: &'static str, said: impl Into<String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(part, said.into());
    }

    /// Removes the sentence of a part.
    pub fn say_no_more(&self, part: &'static str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(part);
    }

    /// Returns (part, sentence) pairs in the order of the parts' names.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        let said = self.0.read().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(|(part, said)| (*part, said.clone())).collect()
    }
}
