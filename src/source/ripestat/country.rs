//! Reads `country-routing-stats`: the number of a country's prefixes in the routing tables, as a
//! series.

use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{Observation, Seconds, Series, Timestamp};
use crate::source::json::{Items, Loose, Member, excerpt, sane};
use crate::source::{Oddity, Query, Readings, Request, SourceError};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The data of `country-routing-stats`.
#[derive(Deserialize)]
pub struct Data {
    resolution: Loose,
    #[serde(default)]
    stats: Items<Entry>,
    #[serde(default)]
    latest_time: Loose,
    #[serde(default)]
    hd_latest_time: Loose,
}

/// A value and all intervals in which it held. Each member may be missing or of any type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    timeline: Member<Timeline>,
    v4_prefixes_ris: Loose,
}

/// The intervals of an entry. Older replies hold one interval, newer ones a list.
struct Timeline(Items<Interval>);

impl<'de> Deserialize<'de> for Timeline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let is_one = raw.starts_with('{');
        let read = if is_one {
            serde_json::from_str(raw).map(|one| Items { read: vec![one], odd: 0 })
        } else {
            serde_json::from_str(raw)
        };
        read.map(Self).map_err(D::Error::custom)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Interval {
    starttime: Loose,
    endtime: Loose,
}

/// Spreads the run-length coded values over bins of the reply's own resolution. An entry or
/// interval that cannot be read is counted among the oddities and its bins are missing; the others
/// stay valid.
pub fn read(request: &Request, data: &Data) -> Result<Readings, SourceError> {
    let Some(entity) = request.wanted.entities.first() else { return Ok(Readings::default()) };
    if data.stats.read.is_empty() && data.stats.odd == 0 {
        return Err(SourceError::empty(format!(
            "RIPEstat has no routing numbers for {entity} in this window"
        )));
    }
    let resolution = data.resolution.text().unwrap_or_default();
    // Bins of a week are too wide to be of use.
    let step = width(resolution).filter(|step| *step <= DAY).ok_or_else(|| {
        SourceError::malformed(format!(
            "a resolution of `{}` where 5m or 1h was asked",
            excerpt(resolution)
        ))
    })?;
    let series = Arc::new(Series {
        entity: entity.clone(),
        source: super::ABOUT.name.to_owned(),
        signal: "prefixes".to_owned(),
    });
    let latest = data.hd_latest_time.time().or_else(|| data.latest_time.time());
    let (runs, odd) = runs(&data.stats, step);
    let observations = bins(runs, step, &request.wanted)
        .into_iter()
        .filter(|(at, _)| latest.is_none_or(|latest| *at <= latest))
        .map(|(observed_at, value)| Observation {
            series: Arc::clone(&series),
            observed_at,
            value,
        });
    let odd = (odd > 0).then(|| Oddity {
        entity: Some(entity.clone()),
        why: format!("{odd} entries of RIPEstat's routing numbers of {entity} could not be read"),
    });
    Readings {
        observations: observations.collect(),
        odd: odd.into_iter().collect(),
        ..Readings::default()
    }
    .unless_all_odd()
}

/// Returns the seconds of a resolution such as `5m`, `1h`, `8h`, `1d` or `1w`.
fn width(resolution: &str) -> Option<Seconds> {
    let resolution = resolution.trim().to_ascii_lowercase();
    let unit_at = resolution.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = resolution.split_at(unit_at);
    let unit = match unit {
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "w" => 7 * DAY,
        _ => return None,
    };
    let count: Seconds = count.parse().ok().filter(|count| (1..=1440).contains(count))?;
    Some(count * unit)
}

/// A value that held from the bin that starts at `first` to the bin that starts at `last`.
struct Run {
    first: Timestamp,
    last: Timestamp,
    value: Option<f64>,
}

/// Returns the runs of all readable entries, and the number of unreadable entries and intervals.
fn runs(stats: &Items<Entry>, step: Seconds) -> (Vec<Run>, usize) {
    let (mut runs, mut odd) = (Vec::new(), stats.odd);
    for entry in &stats.read {
        let Member(Some(Timeline(intervals))) = &entry.timeline else {
            odd += 1;
            continue;
        };
        odd += intervals.odd;
        let value = entry.v4_prefixes_ris.number().and_then(sane);
        for interval in &intervals.read {
            match (interval.starttime.time(), interval.endtime.time()) {
                (Some(start), Some(end)) if start <= end => {
                    runs.push(Run { first: start.floor_to(step), last: end.floor_to(step), value });
                }
                _ => odd += 1,
            }
        }
    }
    (runs, odd)
}

/// Returns the value of each wanted bin. The end of an interval is inclusive: it is the start of
/// its last bin (docs/sources/ripestat.md). If two intervals claim a bin, the one that begins later
/// wins; of two that begin together, the shorter one wins.
fn bins(mut runs: Vec<Run>, step: Seconds, wanted: &Query) -> BTreeMap<Timestamp, Option<f64>> {
    runs.sort_by_key(|run| (run.first, Reverse(run.last)));
    let mut spread = BTreeMap::new();
    for run in runs {
        // Only the part inside the window is spread: an interval may be years long.
        let (mut at, last) =
            (run.first.max(wanted.from.floor_to(step)), run.last.min(wanted.until));
        while at <= last {
            if wanted.holds(at) {
                spread.insert(at, run.value);
            }
            at = at + step;
        }
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::super::{ABOUT, COUNTRY, Ripestat};
    use super::*;
    use crate::source::{Polled, Purpose, Query};

    fn prefixes(data: &str) -> Result<Vec<(String, Option<f64>)>, SourceError> {
        let wanted = Query {
            entities: vec!["country/KP".parse().unwrap()],
            from: Timestamp::parse("2025-06-06 17:00").unwrap(),
            until: Timestamp::parse("2025-06-06 18:00").unwrap(),
            purpose: Purpose::Live,
        };
        let source = Ripestat::new("");
        let request = source.plan(&wanted, wanted.until, 1).remove(0);
        let body = format!(
            r#"{{"messages":[],"status":"ok","status_code":200,"data_call_name":"{COUNTRY}","data":{data}}}"#
        );
        let readings = source.read(&request, body.as_bytes(), wanted.until)?;
        assert!(
            readings
                .observations
                .iter()
                .all(|o| o.series.signal == "prefixes" && o.series.source == ABOUT.name)
        );
        Ok(readings
            .observations
            .iter()
            .map(|o| (o.observed_at.to_string()[11..16].to_owned(), o.value))
            .collect())
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
    fn the_end_of_an_interval_is_its_last_bin() {
        let hours = |data: &str| -> Vec<(String, Option<f64>)> {
            let wanted = Query {
                entities: vec!["country/UZ".parse().unwrap()],
                from: Timestamp::parse("2026-08-01 00:00").unwrap(),
                until: Timestamp::parse("2026-08-05 00:00").unwrap(),
                purpose: Purpose::Backfill,
            };
            let request = Ripestat::new("").plan(&wanted, wanted.until, 1).remove(0);
            let data: Data = serde_json::from_str(data).unwrap();
            let readings = super::read(&request, &data).unwrap();
            readings
                .observations
                .iter()
                .map(|o| (o.observed_at.to_string()[8..16].to_owned(), o.value))
                .collect()
        };
        let one = r#"{"resolution":"1h","stats":[{"timeline":[
            {"starttime":"2026-08-01T00:00:00","endtime":"2026-08-01T01:00:00"}],"v4_prefixes_ris":9601,"v6_prefixes_ris":1204}]}"#;
        assert_eq!(hours(one), [bin("01T00:00", 9601.0), bin("01T01:00", 9601.0)]);
        // The last bin before a gap has its value, and the gap has no bins.
        let gap = r#"{"resolution":"1h","stats":[{"timeline":[
            {"starttime":"2026-08-01T00:00:00","endtime":"2026-08-01T01:00:00"},
            {"starttime":"2026-08-01T04:00:00","endtime":"2026-08-01T04:00:00"}],"v4_prefixes_ris":9601},
            {"timeline":[{"starttime":"2026-08-01T05:00:00","endtime":"2026-08-01T06:00:00"}],"v4_prefixes_ris":"9000"}]}"#;
        assert_eq!(
            hours(gap),
            [
                bin("01T00:00", 9601.0),
                bin("01T01:00", 9601.0),
                bin("01T04:00", 9601.0),
                bin("01T05:00", 9000.0),
                bin("01T06:00", 9000.0)
            ]
        );
        for (resolution, bins) in [("8h", 4), ("1d", 2), ("15m", 97), ("5m", 289), ("1H", 25)] {
            let data = gap
                .replace("1h", resolution)
                .replace(
                    "T05:00:00\",\"endtime\":\"2026-08-01T06",
                    "T23:00:00\",\"endtime\":\"2026-08-02T00",
                )
                .replace(
                    "2026-08-01T04:00:00\",\"endtime\":\"2026-08-01T04",
                    "2026-08-01T01:00:00\",\"endtime\":\"2026-08-01T23",
                );
            assert_eq!(hours(&data).len(), bins, "{resolution}");
        }
    }

    #[test]
    fn where_intervals_overlap_the_later_one_holds() {
        let data = format!(
            r#"{{"resolution":"5m","stats":[{},{},{}]}}"#,
            entry(0, &format!("[{}]", interval("17:10", "17:15"))),
            entry(4, &interval("17:00", "17:20")),
            entry(3, &interval("17:00", "17:00"))
        );
        let expected =
            [("17:00", 3.0), ("17:05", 4.0), ("17:10", 0.0), ("17:15", 0.0), ("17:20", 4.0)];
        assert_eq!(prefixes(&data).unwrap(), expected.map(|(at, value)| bin(at, value)));
    }

    #[test]
    fn a_negative_number_is_unknown() {
        let data = format!(
            r#"{{"resolution":"5m","stats":[{}]}}"#,
            entry(-1, &interval("17:00", "17:05"))
        );
        assert_eq!(
            prefixes(&data).unwrap(),
            [("17:00".to_owned(), None), ("17:05".to_owned(), None)]
        );
    }

    #[test]
    fn no_entries_are_no_zero() {
        let error = prefixes(r#"{"resolution":"5m","stats":[]}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sent no data: RIPEstat has no routing numbers for country/KP in this window"
        );
        assert!(prefixes(r#"{"resolution":"1w","stats":[{"timeline":[]}]}"#).is_err());
    }
}
