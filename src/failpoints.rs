//! The named steps of a tick and of a delivery. In the product they do nothing; a test pulls the plug at each of them.

use std::fmt;
use std::sync::Arc;

#[derive(Clone, Default)]
pub struct Failpoints(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl Failpoints {
    pub fn watched_by(watcher: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watcher)))
    }

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
