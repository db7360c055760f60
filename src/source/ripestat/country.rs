//! `country-routing-stats`: how many prefixes of a country are in the routing tables, as a series.

use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{Observation, Seconds, Series, Timestamp};
use crate::source::json::{Loose, sane};
use crate::source::{Readings, Request, SourceError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Deserialize)]
pub struct Data {
    resolution: String,
    #[serde(default)]
    stats: Vec<Entry>,
    #[serde(default)]
    latest_time: Loose,
    #[serde(default)]
    hd_latest_time: Loose,
}

/// A value and all the times at which it held.
#[derive(Deserialize)]
struct Entry {
    timeline: Timeline,
    #[serde(default)]
    v4_prefixes_ris: Loose,
}

/// Older replies have one interval where newer ones have a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Timeline {
    Many(Vec<Interval>),
    One(Interval),
}

#[derive(Deserialize)]
struct Interval {
    starttime: Loose,
    endtime: Loose,
}

/// Spreads the run-length coded values over bins of the reply's own resolution.
pub fn read(request: &Request, data: &Data) -> Result<Readings, SourceError> {
    let Some(entity) = request.wanted.entities.first() else { return Ok(Readings::default()) };
    if data.stats.is_empty() {
        return Err(SourceError::empty(format!("RIPEstat has no routing numbers for {entity} in this window")));
    }
    let step = match data.resolution.as_str() {
        "5m" => 5 * MINUTE,
        "1h" => HOUR,
        "1d" => DAY,
        // Weekly values tell nothing that we could use.
        other => return Err(SourceError::malformed(format!("a resolution of `{other}` where 5m or 1h was asked"))),
    };
    let series = Arc::new(Series {
        entity: entity.clone(),
        source: super::ABOUT.name.to_owned(),
        signal: "prefixes".to_owned(),
    });
    let latest = data.hd_latest_time.time().or_else(|| data.latest_time.time());
    let observations = bins(&data.stats, step)?
        .into_iter()
        .filter(|(at, _)| request.wanted.holds(*at) && latest.is_none_or(|latest| *at <= latest))
        .map(|(observed_at, value)| Observation { series: Arc::clone(&series), observed_at, value });
    Ok(Readings { observations: observations.collect(), facts: Vec::new() })
}

/// Intervals are taken as `[start, end)`. RIPEstat does not say whether the end belongs to one; so its last bin counts
/// where the next interval begins one step later, which shows that it does, and where start and end are the same.
fn bins(stats: &[Entry], step: Seconds) -> Result<BTreeMap<Timestamp, Option<f64>>, SourceError> {
    let mut runs = Vec::new();
    for entry in stats {
        let value = entry.v4_prefixes_ris.number().and_then(sane);
        let intervals = match &entry.timeline {
            Timeline::Many(many) => many.as_slice(),
            Timeline::One(one) => std::slice::from_ref(one),
        };
        for interval in intervals {
            let (Some(start), Some(end)) = (interval.starttime.time(), interval.endtime.time()) else {
                return Err(SourceError::malformed("an interval without a readable start and end"));
            };
            let (start, end) = (start.floor_to(step), end.floor_to(step));
            if end < start || (end - start) / step > LONGEST_RUN {
                return Err(SourceError::malformed(format!("an interval from {start} to {end}")));
            }
            runs.push((start, end, value));
        }
    }
    runs.sort_by_key(|(start, end, _)| (*start, *end));
    let begun: BTreeSet<Timestamp> = runs.iter().map(|(start, ..)| *start).collect();
    let mut spread = BTreeMap::new();
    for (start, end, value) in runs {
        let end_is_its_own = start == end || (!begun.contains(&end) && begun.contains(&(end + step)));
        let count = (end - start) / step + i64::from(end_is_its_own);
        spread.extend((0..count).map(|index| (start + index * step, value)));
    }
    Ok(spread)
}

/// Bins in one interval: a year of five minutes. No window that we ask for has more.
const LONGEST_RUN: i64 = 105_120;

#[cfg(test)]
mod tests {
    use super::super::{ABOUT, COUNTRY, Ripestat};
    use super::*;
    use crate::source::{Polled, Purpose, Wanted};

    fn prefixes(data: &str) -> Result<Vec<(String, Option<f64>)>, SourceError> {
        let wanted = Wanted {
            entities: vec!["country/KP".parse().unwrap()],
            from: Timestamp::parse("2025-06-06 17:00").unwrap(),
            until: Timestamp::parse("2025-06-06 18:00").unwrap(),
            purpose: Purpose::Live,
        };
        let source = Ripestat::new("");
        let request = source.plan(&wanted, wanted.until, 1).remove(0);
        let body =
            format!(r#"{{"messages":[],"status":"ok","status_code":200,"data_call_name":"{COUNTRY}","data":{data}}}"#);
        let readings = source.read(&request, body.as_bytes(), wanted.until)?;
        assert!(readings.observations.iter().all(|o| o.series.signal == "prefixes" && o.series.source == ABOUT.name));
        Ok(readings.observations.iter().map(|o| (o.observed_at.to_string()[11..16].to_owned(), o.value)).collect())
    }

    fn entry(value: i64, timeline: &str) -> String {
        format!(r#"{{"timeline":{timeline},"v4_prefixes_ris":{value},"v4_prefixes_stats":-1}}"#)
    }

    fn interval(from: &str, to: &str) -> String {
        format!(r#"{{"starttime":"2025-06-06T{from}:00","endtime":"2025-06-06T{to}:00"}}"#)
    }

    fn bin(at: &str, value: f64) -> (String, Option<f64>) {
        (at.to_owned(), Some(value))
    }

    #[test]
    fn runs_become_bins_in_order_whatever_order_they_come_in() {
        let data = format!(
            r#"{{"resolution":"5m","stats":[{},{}],"latest_time":"2025-06-06T17:30:00"}}"#,
            entry(0, &format!("[{}]", interval("17:15", "17:25"))),
            entry(4, &format!("[{},{}]", interval("16:50", "17:15"), interval("17:25", "17:35")))
        );
        assert_eq!(
            prefixes(&data).unwrap(),
            [
                bin("17:00", 4.0),
                bin("17:05", 4.0),
                bin("17:10", 4.0),
                bin("17:15", 0.0),
                bin("17:20", 0.0),
                bin("17:25", 4.0),
                bin("17:30", 4.0)
            ]
        );
    }

    #[test]
    fn an_end_that_belongs_to_its_interval_is_recognised() {
        let data = format!(
            r#"{{"resolution":"5m","stats":[{},{}]}}"#,
            entry(4, &interval("17:00", "17:05")),
            entry(3, &format!("[{}]", interval("17:10", "17:10")))
        );
        assert_eq!(prefixes(&data).unwrap(), [bin("17:00", 4.0), bin("17:05", 4.0), bin("17:10", 3.0)]);
    }

    #[test]
    fn a_negative_number_is_unknown() {
        let data = format!(r#"{{"resolution":"5m","stats":[{}]}}"#, entry(-1, &interval("17:00", "17:05")));
        assert_eq!(prefixes(&data).unwrap(), [("17:00".to_owned(), None)]);
    }

    #[test]
    fn no_entries_are_no_zero() {
        let error = prefixes(r#"{"resolution":"5m","stats":[]}"#).unwrap_err();
        assert_eq!(error.to_string(), "sent no data: RIPEstat has no routing numbers for country/KP in this window");
        assert!(prefixes(r#"{"resolution":"1w","stats":[{"timeline":[]}]}"#).is_err());
    }
}
