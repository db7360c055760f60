//! The scripted world: what each series of each entity is at each moment, and when it becomes known.

use linkdown::domain::{Entity, Seconds, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The value of a bin, by its start and by the moment of the question: a revision is a value that depends on the latter.
type Values = Arc<dyn Fn(Timestamp, Timestamp) -> Option<f64> + Send + Sync>;

#[derive(Default)]
pub struct Script(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    series: BTreeMap<(Entity, String), Values>,
    delays: BTreeMap<String, Seconds>,
}

impl Script {
    pub fn set(&self, entity: &str, signal: &str, values: Values) {
        self.0.lock().unwrap().series.insert((entity.parse().unwrap(), signal.to_owned()), values);
    }

    pub fn delay(&self, signal: &str, seconds: Seconds) {
        self.0.lock().unwrap().delays.insert(signal.to_owned(), seconds);
    }

    pub fn knows(&self, entity: &Entity) -> bool {
        self.0.lock().unwrap().series.keys().any(|(known, _)| known == entity)
    }

    pub fn has(&self, entity: &Entity, signal: &str) -> bool {
        self.0.lock().unwrap().series.contains_key(&(entity.clone(), signal.to_owned()))
    }

    /// The bin of `step` seconds that starts at `bin`, as it is known at `now`: none until it is over and its delay past.
    pub fn value(
        &self,
        entity: &Entity,
        signal: &str,
        bin: Timestamp,
        step: Seconds,
        now: Timestamp,
    ) -> Option<f64> {
        let inner = self.0.lock().unwrap();
        let delay = inner.delays.get(signal).copied().unwrap_or(0);
        if bin + step + delay > now {
            return None;
        }
        let values = inner.series.get(&(entity.clone(), signal.to_owned()))?;
        values(bin, now)
    }
}

/// `normal`, and nothing at all in `[from, until)`.
pub fn gone_between(
    normal: f64,
    from: Timestamp,
    until: Timestamp,
) -> impl Fn(Timestamp) -> Option<f64> {
    move |at| Some(if from <= at && at < until { 0.0 } else { normal })
}
