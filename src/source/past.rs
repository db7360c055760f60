//! Sorts readings of the past, received in one go, into the batches in which they would have come
//! live. Pure.

use super::{PublishSchedule, Readings};
use crate::domain::{Arrival, Batch, Timestamp};
use std::collections::BTreeMap;

/// Sorts readings of the past into the batches in which they would have come live, oldest first:
/// each value arrives one usual delay after the end of its bin, each fact at its own time, and none
/// after `now`.
pub fn batches(
    readings: Readings,
    arrival: Arrival,
    now: Timestamp,
    rhythm: impl Fn(&str) -> PublishSchedule,
) -> Vec<Batch> {
    let mut by_arrival: BTreeMap<Timestamp, Batch> = BTreeMap::new();
    for observation in readings.observations {
        let PublishSchedule { step, delay } = rhythm(&observation.series.signal);
        let at = (observation.observed_at + step + delay).min(now);
        arriving(&mut by_arrival, at, arrival).observations.push(observation);
    }
    for fact in readings.facts {
        let at = fact.observed_at.min(now);
        arriving(&mut by_arrival, at, arrival).facts.push(fact);
    }
    by_arrival.into_values().collect()
}

fn arriving(
    batches: &mut BTreeMap<Timestamp, Batch>,
    at: Timestamp,
    arrival: Arrival,
) -> &mut Batch {
    batches.entry(at).or_insert(Batch { arrival, ..Batch::live(at) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Observation, Series};
    use std::sync::Arc;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_past_comes_in_the_order_in_which_it_would_have_come() {
        let series = |signal: &str| {
            Arc::new(Series {
                entity: "country/KP".parse().unwrap(),
                source: "ioda".into(),
                signal: signal.into(),
            })
        };
        let value = |signal: &str, time: &str| Observation {
            series: series(signal),
            observed_at: at(time),
            value: Some(4.0),
        };
        let readings = Readings {
            observations: vec![
                value("slow", "2025-06-01 00:00"),
                value("quick", "2025-06-01 00:05"),
            ],
            ..Readings::default()
        };
        let rhythm = |signal: &str| PublishSchedule {
            step: 300,
            delay: if signal == "slow" { 3600 } else { 60 },
        };
        let batches = batches(readings, Arrival::CaughtUp, at("2025-06-01 00:30"), rhythm);
        let signals: Vec<_> = batches
            .iter()
            .map(|b| (b.observations[0].series.signal.as_str(), b.received_at))
            .collect();
        assert_eq!(signals, [("quick", at("2025-06-01 00:11")), ("slow", at("2025-06-01 00:30"))]);
    }
}
