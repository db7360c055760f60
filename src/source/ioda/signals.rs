//! Reads IODA's raw signals: converts each series to observations.

use super::{BGP, GOOGLE, Group, kind_and_code};
use crate::domain::time::{DAY, MINUTE};
use crate::domain::{Entity, Fact, FactKind, Observation, Seconds, Series, Timestamp};
use crate::source::json::{Items, Loose, Member, excerpt, sane};
use crate::source::{Oddity, Readings, Request, SourceError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Returns the request for one datasource of all entities of a group; `None` if IODA has no such
/// series.
pub fn request(datasource: &str, group: Group) -> Option<Request> {
    // IODA has Google's traffic only for countries.
    if datasource == GOOGLE && group.kind != "country" {
        return None;
    }
    let query = [
        ("from", group.wanted.from.unix().to_string()),
        ("until", group.wanted.until.unix().to_string()),
        ("datasource", datasource.to_owned()),
    ];
    Some(Request::new(format!("/signals/raw/{}/{}", group.kind, group.codes), query, group.wanted))
}

/// A series as it was sent. Each member may be missing or of any type.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RawSeries {
    entity_type: Loose,
    entity_code: Loose,
    datasource: Loose,
    subtype: Loose,
    from: Loose,
    until: Loose,
    step: Loose,
    values: Member<Vec<Loose>>,
}

/// The bin widths that are accepted, if they are whole minutes: from one minute (the telescope's
/// own) to a day (the widest bin of a longer window).
const STEPS: std::ops::RangeInclusive<Seconds> = MINUTE..=DAY;

/// Reads one reply, which holds a list of series for each entity that IODA found, in any order. A
/// series that cannot be read is named among the oddities and does not affect the others.
pub fn read(
    request: &Request,
    data: &Items<Items<RawSeries>>,
    received_at: Timestamp,
) -> Result<Readings, SourceError> {
    if data.read.is_empty() && data.odd == 0 {
        return Err(SourceError::empty("200 with empty data: IODA's back end is probably down"));
    }
    let asked = request.value_of("datasource").unwrap_or_default();
    let mut readings = Readings::default();
    let (mut found, mut odd) = (BTreeSet::new(), BTreeMap::new());
    let unreadable = data.odd + data.read.iter().map(|group| group.odd).sum::<usize>();
    readings.odd.extend(Oddity::unreadable(unreadable, "IODA series"));
    for series in
        data.read.iter().flat_map(|group| &group.read).filter(|series| may_be_of(series, asked))
    {
        // Entities are matched by code, not by position: IODA silently omits unknown codes.
        let entity = request.wanted.entities.iter().find(|entity| is_of(series, entity));
        let malformed = match (entity, observations(series, entity, asked, request)) {
            (Some(entity), Ok(observations)) => {
                found.insert(entity);
                readings.observations.extend(observations);
                continue;
            }
            // A series of an entity that was not requested.
            (None, _) if is_named(series) => continue,
            (None, _) => "its entity cannot be read".to_owned(),
            (Some(_), Err(why)) => why,
        };
        let whose = entity.map_or_else(String::new, |entity| format!(" of {entity}"));
        let why = format!("IODA's {asked} series{whose} is malformed: {malformed}");
        odd.extend(entity.map(|entity| (entity, why.clone())));
        readings.odd.push(Oddity { entity: entity.cloned(), why });
    }
    if found.is_empty() && !readings.odd.is_empty() {
        return readings.unless_all_odd();
    }
    // Every entity that IODA knows has a routing series. A missing series of another datasource is
    // not a failure: Google, the telescope and the probing do not cover small networks.
    if found.is_empty() && asked == BGP {
        return Err(SourceError::empty(format!("IODA has no {asked} series for what was asked")));
    }
    if asked == BGP {
        let missing = request.wanted.entities.iter().filter(|entity| !found.contains(entity));
        readings.facts = missing
            .map(|entity| match odd.remove(entity) {
                Some(why) => poll_failed(entity, why, received_at),
                None => not_found(entity, received_at),
            })
            .collect();
    }
    Ok(readings)
}

/// Returns whether the series may be the requested one. A series that names another datasource or
/// product is not.
fn may_be_of(series: &RawSeries, asked: &str) -> bool {
    // Only the default product is read; otherwise all products would mix into one series.
    let is_plain = matches!(series.subtype.text(), None | Some("" | "WEB_SEARCH"));
    is_plain && series.datasource.text().is_none_or(|datasource| datasource == asked)
}

fn code(series: &RawSeries) -> Option<String> {
    match &series.entity_code {
        Loose::Text(text) => Some(text.clone()),
        Loose::Number(number) => Some(number.to_string()),
        Loose::Nothing => None,
    }
}

fn is_named(series: &RawSeries) -> bool {
    code(series).is_some() && series.entity_type.text().is_some()
}

fn is_of(series: &RawSeries, entity: &Entity) -> bool {
    let (Some(code), Some(entity_type)) = (code(series), series.entity_type.text()) else {
        return false;
    };
    kind_and_code(entity)
        .is_some_and(|(kind, own)| kind == entity_type && own.eq_ignore_ascii_case(&code))
}

/// Returns the bins of a series that start in the requested window, or a description of the fault.
///
/// A trailing null is a bin that is not published yet and gives no observation. An inner null is a
/// gap and gives an unknown value. Neither is zero.
fn observations(
    series: &RawSeries,
    entity: Option<&Entity>,
    asked: &str,
    request: &Request,
) -> Result<Vec<Observation>, String> {
    let Some(entity) = entity else { return Ok(Vec::new()) };
    if series.datasource.text().is_none() {
        return Err("its datasource cannot be read".to_owned());
    }
    let wanted = &request.wanted;
    let step = series.step.integer().filter(|step| STEPS.contains(step) && step % MINUTE == 0);
    let step = step.ok_or_else(|| format!("its step is {}", shown(&series.step)))?;
    let first =
        series.from.time().ok_or_else(|| format!("its `from` is {}", shown(&series.from)))?;
    if let Some(until) = series.until.time().filter(|until| *until < first) {
        return Err(format!("it ends at {until}, before it begins at {first}"));
    }
    let Member(Some(values)) = &series.values else {
        return Err("it has no list of values".to_owned());
    };
    if values.len() as i64 > (wanted.until - wanted.from) / step + 4 {
        return Err(format!(
            "{} values from {first} in steps of {step} s do not fit",
            values.len()
        ));
    }
    let named = Arc::new(Series {
        entity: entity.clone(),
        source: super::ABOUT.name.to_owned(),
        signal: asked.to_owned(),
    });
    let published =
        values.iter().rposition(|v| matches!(v, Loose::Number(_))).map_or(0, |last| last + 1);
    let bins = values.iter().take(published).enumerate();
    Ok(bins
        .map(|(index, value)| (first + step * index as i64, plain_number(value)))
        .filter(|(observed_at, _)| wanted.holds(*observed_at))
        .map(|(observed_at, value)| Observation { series: Arc::clone(&named), observed_at, value })
        .collect())
}

/// Returns a malformed scalar in a form for a message.
fn shown(value: &Loose) -> String {
    match value {
        Loose::Number(number) => number.to_string(),
        Loose::Text(text) => format!("`{}`", excerpt(text)),
        Loose::Nothing => "missing or not a number".to_owned(),
    }
}

/// Returns the measurement if the value is a number. Text is unknown here, even a text of digits.
fn plain_number(value: &Loose) -> Option<f64> {
    match value {
        Loose::Number(number) => sane(*number),
        Loose::Text(_) | Loose::Nothing => None,
    }
}

fn not_found(entity: &Entity, received_at: Timestamp) -> Fact {
    poll_failed(entity, format!("IODA answered without {entity}: it does not know it"), received_at)
}

fn poll_failed(entity: &Entity, error: String, received_at: Timestamp) -> Fact {
    let kind = FactKind::PollFailed { error };
    Fact {
        entity: entity.clone(),
        source: super::ABOUT.name.to_owned(),
        observed_at: received_at,
        kind,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ioda;
    use super::*;
    use crate::source::{Polled, Purpose, Query};

    const RECEIVED: Timestamp = Timestamp::from_unix(1_749_234_600);

    fn read_as(entities: &[&str], data: &str) -> Result<Readings, SourceError> {
        let wanted = Query {
            entities: entities.iter().map(|e| e.parse().unwrap()).collect(),
            from: Timestamp::from_unix(1_749_231_000),
            until: Timestamp::from_unix(1_749_234_000),
            purpose: Purpose::Backfill,
        };
        let request = Ioda.plan(&wanted, wanted.until, 1).remove(0);
        Ioda.read(
            &request,
            format!(r#"{{"type":"signals","error":null,"data":{data}}}"#).as_bytes(),
            RECEIVED,
        )
    }

    fn series(code: &str, values: &str) -> String {
        format!(
            r#"[{{"entityType":"country","entityCode":"{code}","datasource":"bgp","subtype":"","from":1749231000,
               "until":1749234000,"step":300,"nativeStep":300,"values":{values}}}]"#
        )
    }

    fn values(readings: &Readings) -> Vec<(String, i64, Option<f64>)> {
        let row = |o: &Observation| {
            (o.series.entity.to_string(), o.observed_at.unix() - 1_749_231_000, o.value)
        };
        readings.observations.iter().map(row).collect()
    }

    #[test]
    fn a_trailing_null_is_not_published_yet_and_an_inner_one_a_gap() {
        let readings =
            read_as(&["country/KP"], &format!("[{}]", series("KP", "[4,0,null,4,null,null]")))
                .unwrap();
        let kp = |at, value| ("country/KP".to_owned(), at, value);
        assert_eq!(
            values(&readings),
            [kp(0, Some(4.0)), kp(300, Some(0.0)), kp(600, None), kp(900, Some(4.0))]
        );
    }

    #[test]
    fn what_is_no_measurement_is_unknown_and_never_zero() {
        let odd = series("KP", r#"[-1, "4", [{"agg_values":{"loss_pct":3}}], 1e300, 4]"#);
        let readings = read_as(&["country/KP"], &format!("[{odd}]")).unwrap();
        let seen: Vec<_> = readings.observations.iter().map(|o| o.value).collect();
        assert_eq!(seen, [None, None, None, None, Some(4.0)]);
    }

    #[test]
    fn entities_are_known_by_their_code_and_missing_ones_named() {
        let data = format!("[[],{},{}]", series("IR", "[90]"), series("KP", "[4]"));
        let readings = read_as(&["country/KP", "country/SY", "country/IR"], &data).unwrap();
        let mut seen = values(&readings);
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            seen,
            [("country/IR".to_owned(), 0, Some(90.0)), ("country/KP".to_owned(), 0, Some(4.0))]
        );
        assert_eq!(readings.facts.len(), 1);
        assert_eq!(readings.facts[0].entity.to_string(), "country/SY");
        assert!(matches!(readings.facts[0].kind, FactKind::PollFailed { .. }));
    }

    #[test]
    fn all_null_says_nothing_at_all() {
        let readings =
            read_as(&["country/KP"], &format!("[{}]", series("KP", "[null,null]"))).unwrap();
        assert_eq!(readings, Readings::default());
    }

    #[test]
    fn empty_data_is_a_failed_source_and_no_outage() {
        let why = |data: &str| read_as(&["country/KP"], data).unwrap_err().to_string();
        assert_eq!(
            why("[]"),
            "sent no data: 200 with empty data: IODA's back end is probably down"
        );
        assert_eq!(why("[[]]"), "sent no data: IODA has no bgp series for what was asked");
        assert_eq!(why("null"), "sent no data: IODA's answer has no data at all");
        assert!(why(r#"{"a":1}"#).starts_with("sent an answer that we cannot read"));
    }

    #[test]
    fn an_error_text_counts_even_with_200() {
        let body = br#"{"error":"Backend failure","data":null}"#;
        let wanted = Query {
            entities: vec!["country/KP".parse().unwrap()],
            from: Timestamp::from_unix(0),
            until: Timestamp::from_unix(3600),
            purpose: Purpose::Live,
        };
        let request = Ioda.plan(&wanted, wanted.until, 1).remove(0);
        let error = Ioda.read(&request, body, RECEIVED).unwrap_err();
        assert_eq!(error, SourceError::Refused { status: 200, said: "Backend failure".to_owned() });
    }

    #[test]
    fn a_step_of_nothing_or_more_values_than_the_window_holds_is_refused() {
        let broken = series("KP", "[4]").replace(r#""step":300"#, r#""step":0"#);
        assert!(read_as(&["country/KP"], &format!("[{broken}]")).is_err());
        let long = format!("[{}]", vec!["4"; 100].join(","));
        assert!(read_as(&["country/KP"], &format!("[{}]", series("KP", &long))).is_err());
    }
}
