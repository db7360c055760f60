//! Named steps of a tick and of a delivery. In the product they do nothing; a test kills the
//! process at each of them.

use std::fmt;
use std::sync::Arc;

/// A watcher of the named steps; by default there is none.
#[derive(Clone, Default)]
pub struct Failpoints(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl Failpoints {
    /// Calls `watcher` with the name of each step that is reached.
    pub fn watched_by(watcher: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watcher)))
    }

    /// Reports that a step is reached.
    pub fn hit(&self, step: &'static str) {
        if let Some(watcher) = &self.0 {
            watcher(step);
        }
    }
}

impl fmt::Debug for Failpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failpoints")
    }
}
