//! Reads Radar's traffic series and makes them comparable between replies.
//!
//! Radar scales each reply to the maximum of its own window, so its values are `traffic / maximum`
//! and two replies must not be compared. The maximum cancels out in `value / median of the same
//! reply`. An observation is therefore traffic as a multiple of the median of the seven days that
//! end with the requested window. Seven days hold each hour of the week once, so the median hardly
//! moves as the window slides, and an outage shorter than half of it cannot pull it down.

use super::NETFLOWS;
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{Asn, Entity, Fact, FactKind, Observation, Seconds, Series, Timestamp};
use crate::source::json::{Loose, Member, sane};
use crate::source::{Oddity, Query, Readings, Request, SourceError};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The bin width in seconds.
pub const STEP: Seconds = 15 * MINUTE;
const WEEK: Seconds = 7 * DAY;
/// Number of newest buckets in a reply that are dropped because they are still filling.
const UNFINISHED: usize = 2;
/// The age in seconds from which the newest bucket is complete and none is dropped.
const FINISHED_AFTER: Seconds = 2 * HOUR;
/// The confidence level that means "no known problem"; 1 to 3 mean too little or erratic data.
const TRUSTED: u32 = 5;
/// Minimum number of values for a median: one day of buckets.
const FEWEST: usize = 96;

/// Returns a request for each week of the window, newest first. Each request covers the whole seven
/// days that end with its part of the window, since the median needs them.
pub fn requests(entity: &Entity, wanted: &Query) -> Vec<Request> {
    let (key, code) = match entity {
        Entity::Country(country) => ("location", country.to_string()),
        Entity::Asn(Asn(number)) => ("asn", number.to_string()),
        Entity::Region(_) | Entity::Prefix(_) | Entity::Site(_) | Entity::Name(_) => {
            return Vec::new();
        }
    };
    let mut requests = Vec::new();
    let mut until = wanted.until;
    while until > wanted.from {
        let from = wanted.from.max(until - WEEK);
        // Radar rounds both dates down to 15 minutes.
        let end = (until + (STEP - 1)).floor_to(STEP);
        let query = [
            (key, code.clone()),
            ("product", "ALL".to_owned()),
            ("normalization", "MIN0_MAX".to_owned()),
            ("aggInterval", "15m".to_owned()),
            ("dateStart", (end - WEEK).to_string()),
            ("dateEnd", end.to_string()),
            ("format", "JSON".to_owned()),
        ];
        let one = wanted.about(std::slice::from_ref(entity)).between(from, until);
        requests.push(Request::new(NETFLOWS, query, one));
        until = from;
    }
    requests
}

/// The result of a traffic call.
#[derive(Deserialize)]
pub struct Data {
    meta: Meta,
    #[serde(default)]
    serie_0: Member<Serie>,
}

/// The properties of the series. Each member may be missing or of any type.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    agg_interval: Loose,
    normalization: Loose,
    confidence_info: Member<Confidence>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Confidence {
    level: Loose,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Serie {
    timestamps: Vec<Loose>,
    values: Vec<Loose>,
}

/// Reads a reply as observations of `netflow`, multiples of the median. A series that Radar does
/// not trust, or with too little traffic, becomes a failed poll of the entity. Fails if the buckets
/// or the scale are not the requested ones.
pub fn read(
    request: &Request,
    data: Data,
    received_at: Timestamp,
) -> Result<Readings, SourceError> {
    let Some(entity) = request.wanted.entities.first() else { return Ok(Readings::default()) };
    let unusable = |why: String| {
        let kind = FactKind::PollFailed { error: why };
        let source = super::ABOUT.name.to_owned();
        let fact = Fact { entity: entity.clone(), source, observed_at: received_at, kind };
        Ok(Readings { facts: vec![fact], ..Readings::default() })
    };
    if !matches!(data.meta.agg_interval.text(), None | Some("FIFTEEN_MINUTES" | "15m")) {
        return Err(SourceError::malformed(
            "buckets of another width than the 15 minutes that were asked for",
        ));
    }
    if data.meta.normalization.text().is_some_and(|how| how != "MIN0_MAX") {
        return Err(SourceError::malformed("values scaled in another way than MIN0_MAX"));
    }
    let level = data.meta.confidence_info.0.and_then(|confidence| confidence.level.whole());
    if level != Some(TRUSTED) {
        let level = level.map_or_else(|| "unknown".to_owned(), |level| level.to_string());
        return unusable(format!(
            "Radar's confidence in its traffic for {entity} is {level}, and only {TRUSTED} is used"
        ));
    }
    let (mut buckets, odd) = buckets(data.serie_0.0, request.wanted.until)?;
    if buckets.last_key_value().is_some_and(|(at, _)| received_at - *at < FINISHED_AFTER) {
        for _ in 0..UNFINISHED {
            buckets.pop_last();
        }
    }
    let Some(median) = median(&buckets) else {
        return unusable(format!(
            "Radar has too little traffic of {entity} to know its usual amount"
        ));
    };
    let series = Arc::new(Series {
        entity: entity.clone(),
        source: super::ABOUT.name.to_owned(),
        signal: "netflow".to_owned(),
    });
    let (Some(first), Some(last)) =
        (buckets.keys().next().copied(), buckets.keys().last().copied())
    else {
        return Ok(Readings::default());
    };
    // A missing bucket between others is a gap: its value is unknown, not zero.
    let all = (0..=(last - first) / STEP).map(|index| first + index * STEP);
    let observations = all.filter(|at| request.wanted.holds(*at)).map(|observed_at| {
        let value = buckets.get(&observed_at).copied().flatten().map(|value| value / median);
        Observation { series: Arc::clone(&series), observed_at, value }
    });
    let odd = (odd > 0).then(|| Oddity {
        entity: Some(entity.clone()),
        why: format!("{odd} buckets of Radar's traffic of {entity} have no readable time"),
    });
    Ok(Readings {
        observations: observations.collect(),
        odd: odd.into_iter().collect(),
        ..Readings::default()
    })
}

/// Returns the buckets of the week that ends at `until`, and the number of unreadable times. A
/// value that is not a measurement is unknown; a bucket whose time cannot be read is a gap.
fn buckets(
    serie: Option<Serie>,
    until: Timestamp,
) -> Result<(BTreeMap<Timestamp, Option<f64>>, usize), SourceError> {
    let Serie { timestamps, values } = serie.unwrap_or_default();
    if timestamps.len() != values.len() {
        return Err(SourceError::malformed("a different number of times and values"));
    }
    if timestamps.is_empty() {
        return Err(SourceError::empty("Radar has no traffic series for this window"));
    }
    let (mut buckets, mut odd) = (BTreeMap::new(), 0);
    for (at, value) in timestamps.iter().zip(&values) {
        match at.time().map(|at| at.floor_to(STEP)) {
            // Radar rounds the start of the window down, by up to one bucket.
            Some(at) if until - WEEK - STEP <= at && at < until => {
                buckets.insert(at, value.number().and_then(sane));
            }
            // Radar may add a bucket that begins at the end of the window; it was not requested.
            Some(at) if at >= until && at < until + WEEK => {}
            _ => odd += 1,
        }
    }
    // So many unreadable times mean that the format of the reply has changed.
    if odd * 2 > timestamps.len() {
        return Err(SourceError::malformed(format!(
            "{odd} of {} times cannot be read or used",
            timestamps.len()
        )));
    }
    Ok((buckets, odd))
}

fn median(buckets: &BTreeMap<Timestamp, Option<f64>>) -> Option<f64> {
    let mut values: Vec<f64> = buckets.values().copied().flatten().collect();
    if values.len() < FEWEST {
        return None;
    }
    let middle = values.len() / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median).filter(|median| *median > 0.0)
}

#[cfg(test)]
mod tests {
    use super::super::Radar;
    use super::*;
    use crate::source::{Polled, Purpose};

    fn wanted(hours: i64) -> Query {
        let until = Timestamp::parse("2025-06-06 18:00").unwrap();
        let entities = vec!["country/IR".parse().unwrap()];
        Query { entities, from: until - hours * HOUR, until, purpose: Purpose::Live }
    }

    /// Returns a reply of a week in which all values are `scale`, except `last` in its last
    /// buckets.
    fn reply(scale: f64, last: &[&str], level: u32) -> String {
        let wanted = wanted(2);
        let count = (WEEK / STEP) as usize;
        let times: Vec<String> =
            (0..count).map(|i| format!("\"{}\"", wanted.until - WEEK + i as i64 * STEP)).collect();
        let values: Vec<String> = (0..count)
            .map(|i| match i.checked_sub(count - last.len()) {
                Some(at_end) => format!("\"{}\"", last[at_end]),
                None => format!("\"{scale}\""),
            })
            .collect();
        format!(
            r#"{{"success":true,"errors":[],"result":{{"meta":{{"aggInterval":"FIFTEEN_MINUTES","normalization":"MIN0_MAX",
            "confidenceInfo":{{"level":{level},"annotations":[]}}}},"serie_0":{{"timestamps":[{}],"values":[{}]}}}}}}"#,
            times.join(","),
            values.join(",")
        )
    }

    fn read_as(body: &str) -> Result<Readings, SourceError> {
        let wanted = wanted(2);
        let request = Radar.plan(&wanted, wanted.until, 1).remove(0);
        Radar.read(&request, body.as_bytes(), wanted.until)
    }

    fn values(body: &str) -> Vec<Option<f64>> {
        read_as(body).unwrap().observations.iter().map(|o| o.value).collect()
    }

    #[test]
    fn traffic_is_told_as_a_multiple_of_its_own_week_whatever_the_scale() {
        let last = ["0.8", "0.8", "0.2", "0", "0.4", "0.8", "0.1", "0.1"];
        let halved = ["0.4", "0.4", "0.1", "0", "0.2", "0.4", "0.05", "0.05"];
        let expected = [Some(1.0), Some(1.0), Some(0.25), Some(0.0), Some(0.5), Some(1.0)];
        assert_eq!(
            values(&reply(0.8, &last, 5)),
            expected,
            "without the two newest, which are still filling"
        );
        assert_eq!(
            values(&reply(0.4, &halved, 5)),
            expected,
            "after a peak elsewhere in the window"
        );
    }

    #[test]
    fn a_series_that_radar_does_not_trust_is_left_alone() {
        let readings = read_as(&reply(0.8, &[], 2)).unwrap();
        assert!(readings.observations.is_empty());
        let FactKind::PollFailed { error } = &readings.facts[0].kind else {
            panic!("{readings:?}")
        };
        assert_eq!(
            error,
            "Radar's confidence in its traffic for country/IR is 2, and only 5 is used"
        );
    }

    #[test]
    fn what_is_no_measurement_is_unknown_and_a_usual_of_nothing_unusable() {
        let last = ["-1", "x", "0.8", "0.8", "0.8", "0.8"];
        assert_eq!(values(&reply(0.8, &last, 5))[2..4], [None, None]);
        assert!(read_as(&reply(0.0, &[], 5)).unwrap().observations.is_empty());
    }

    #[test]
    fn a_missing_bucket_is_a_gap() {
        let body = reply(0.8, &[], 5);
        let gap = body.replace("\"2025-06-06T16:30:00Z\"", "\"2025-06-06T16:15:00Z\"");
        assert_eq!(values(&gap)[1..4], [Some(1.0), None, Some(1.0)]);
    }

    #[test]
    fn each_week_of_a_backfill_is_asked_for_by_itself() {
        let wanted = Query { purpose: Purpose::Backfill, ..wanted(14 * 24) };
        let requests = Radar.plan(&wanted, wanted.until, 9);
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].value_of("dateStart"), Some("2025-05-30T18:00:00Z"));
        assert_eq!(requests[1].value_of("dateEnd"), Some("2025-05-30T18:00:00Z"));
    }
}
