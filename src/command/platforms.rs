//! How the platforms are doing, as `/sources` shows it beside the sources.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A sentence for each platform that has something to say.
#[derive(Clone, Debug, Default)]
pub struct Platforms(Arc<RwLock<BTreeMap<&'static str, String>>>);

impl Platforms {
    pub fn say(&self, platform: &'static str, said: impl Into<String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(platform, said.into());
    }

    pub fn all(&self) -> Vec<(&'static str, String)> {
        let said = self.0.read().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(|(platform, said)| (*platform, said.clone())).collect()
    }
}
