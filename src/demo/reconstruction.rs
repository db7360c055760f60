//! The North Korean day of 7 June 2025 as observations: a labelled reconstruction, expanded from
//! the table beside this file.

use crate::domain::{
    Arrival, Batch, Entity, Fact, FactKind, Observation, Seconds, Series, Timestamp,
    observation::CONTROL,
    time::{DAY, MINUTE},
};
use std::collections::BTreeMap;
use std::sync::Arc;

const TABLE: &str = include_str!("north_korea_2025.csv");

/// The number of columns of the table after the time.
const COLUMNS: usize = 8;
const CN: usize = 3;
const RU: usize = 4;

/// A column of the table as a series, with the arrival times of the reconstruction.
struct Column {
    index: usize,
    source: &'static str,
    signal: &'static str,
    step: Seconds,
    /// Seconds from the end of a bin to its arrival.
    delay: Seconds,
}

const SERIES: [Column; 6] = [
    Column { index: 0, source: "ioda", signal: "bgp", step: 300, delay: 25 * MINUTE },
    Column { index: 1, source: "ioda", signal: "ping-slash24", step: 600, delay: 20 * MINUTE },
    Column { index: 2, source: "ripestat", signal: "visibility", step: 300, delay: 10 * MINUTE },
    Column { index: 5, source: "probe", signal: "dns", step: 60, delay: 0 },
    Column { index: 6, source: "probe", signal: "http", step: 60, delay: 0 },
    Column { index: 7, source: "probe", signal: "mail", step: 300, delay: 0 },
];

/// The gateways of the reconstruction: column, AS number and name.
const GATEWAYS: [(usize, u32, &str); 2] = [(CN, 4837, "China Unicom"), (RU, 20485, "TransTelecom")];
/// The number of full-table peers in the reconstruction.
const RIS_PEERS: u32 = 352;
/// The calm days before the table, from which the detector learns the normal values.
const CALM_DAYS: i64 = 3;

struct Row {
    at: Timestamp,
    values: [f64; COLUMNS],
}

fn rows(table: &str) -> Vec<Row> {
    let lines = table.lines().filter(|line| line.starts_with("20"));
    lines
        .filter_map(|line| {
            let (time, rest) = line.split_once(',')?;
            let mut values = [0.0; COLUMNS];
            for (slot, text) in values.iter_mut().zip(rest.split(',')) {
                *slot = text.parse().ok()?;
            }
            Some(Row { at: Timestamp::parse(time)?, values })
        })
        .collect()
}

/// Returns the value of a column at an instant; before the begin of the table it is that of the
/// first row.
fn value(rows: &[Row], column: usize, at: Timestamp) -> f64 {
    let row = rows.iter().rev().find(|row| row.at <= at).or(rows.first());
    row.map_or(0.0, |row| row.values[column])
}

/// Returns the batches of the day in the order of their arrival. Those before the table are marked
/// as backfilled.
pub fn batches() -> Vec<Batch> {
    batches_of(TABLE)
}

fn batches_of(table: &str) -> Vec<Batch> {
    let rows = rows(table);
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let (begin, told_from, end) = (first.at - CALM_DAYS * DAY, first.at, last.at);
    let entity: Entity = "country/KP".parse().expect("a country code");
    let mut arrivals = Arrivals { told_from, batches: BTreeMap::new() };
    for column in &SERIES {
        let series = series(&entity, column.source, column.signal);
        for bin in bins(begin, end, column.step) {
            let observation = Observation {
                series: Arc::clone(&series),
                observed_at: bin,
                value: Some(value(&rows, column.index, bin)),
            };
            arrivals.at(bin + column.step + column.delay).observations.push(observation);
            if column.signal == "visibility" {
                arrivals
                    .at(bin + column.step + column.delay)
                    .facts
                    .extend(facts(&entity, &rows, bin));
            }
        }
    }
    // The bot's own connection works all day: two sites elsewhere answer every minute.
    for site in ["control-1", "control-2"] {
        let series = series(&Entity::Name(site.to_owned()), "probe", CONTROL);
        for bin in bins(begin, end, MINUTE) {
            let observation =
                Observation { series: Arc::clone(&series), observed_at: bin, value: Some(1.0) };
            arrivals.at(bin + MINUTE).observations.push(observation);
        }
    }
    // The day ends with the table, so the later data of the slower sources is left out.
    arrivals.batches.into_values().take_while(|batch| batch.received_at <= end).collect()
}

struct Arrivals {
    told_from: Timestamp,
    batches: BTreeMap<Timestamp, Batch>,
}

impl Arrivals {
    fn at(&mut self, at: Timestamp) -> &mut Batch {
        let arrival = if at < self.told_from { Arrival::Backfilled } else { Arrival::Live };
        self.batches.entry(at).or_insert(Batch { arrival, ..Batch::live(at) })
    }
}

fn series(entity: &Entity, source: &str, signal: &str) -> Arc<Series> {
    Arc::new(Series {
        entity: entity.clone(),
        source: source.to_owned(),
        signal: signal.to_owned(),
    })
}

fn bins(from: Timestamp, until: Timestamp, step: Seconds) -> impl Iterator<Item = Timestamp> {
    (from.floor_to(step).unix()..until.unix()).step_by(step as usize).map(Timestamp::from_unix)
}

fn facts(entity: &Entity, rows: &[Row], at: Timestamp) -> Vec<Fact> {
    let peers = value(rows, 2, at) as u32;
    let fact = |kind| Fact {
        entity: entity.clone(),
        source: "ripestat".to_owned(),
        observed_at: at,
        kind,
    };
    let gateways = GATEWAYS.iter().map(|&(column, asn, name)| {
        let prefixes_seen = value(rows, column, at) as u32;
        let peers_seeing = if prefixes_seen == 0 { 0 } else { peers };
        fact(FactKind::Gateway { asn, name: Some(name.to_owned()), prefixes_seen, peers_seeing })
    });
    gateways.chain([fact(FactKind::Peers { total: RIS_PEERS })]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::State;
    use crate::domain::{Evidence, Phase, Transition};
    use crate::render::onset::corrections;
    use crate::render::reading::{gateways_line, hint};
    use crate::render::words::utc_time;

    /// A day on which the route through China is cut at 17:35 and restored at 22:00.
    const ONE_GATEWAY: &str = "
2025-06-06 16:00,4,4,349,4,2,2,5,1
2025-06-06 17:35,1,1,60,0,2,1,1,0
2025-06-06 22:00,4,4,349,4,2,2,5,1
2025-06-07 02:00,4,4,349,4,2,2,5,1
";

    /// Returns the hint at the cause after each batch of the day while an incident is open, if the
    /// hint changed; and the transitions. Each evidence is checked against its own rows.
    fn readings(table: &str) -> (Vec<String>, Vec<Transition>) {
        let entity: Entity = "country/KP".parse().unwrap();
        let (mut state, mut told, mut said) = (State::default(), Vec::new(), Vec::<String>::new());
        for batch in batches_of(table) {
            told.extend(state.take(&batch));
            let Some(evidence) =
                state.evidence(&entity, batch.received_at).filter(|e| e.onset.is_some())
            else {
                continue;
            };
            contradicts_nothing(&evidence);
            let reading = hint(&evidence).first().cloned().unwrap_or_default();
            if said
                .last()
                .is_none_or(|last| last.split_once(' ').map(|(_, last)| last) != Some(&reading))
            {
                said.push(format!("{} {reading}", utc_time(batch.received_at).replace(" UTC", "")));
            }
        }
        (said, told)
    }

    fn contradicts_nothing(evidence: &Evidence) {
        let reading = hint(evidence).join(" ");
        let gateways = gateways_line(evidence).unwrap_or_default();
        assert!(
            !reading.contains("are withdrawn") && !reading.contains("is gone"),
            "told in the present: {reading}"
        );
        let leads_in = gateways.contains("prefix");
        assert!(!leads_in || !reading.contains("still leads in"), "{reading} beside {gateways}");
    }

    #[test]
    fn the_reading_of_the_day_is_judged_by_how_it_fell_and_never_changes_its_mind() {
        let (said, told) = readings(TABLE);
        insta::assert_snapshot!(said.join("\n"), @"
        17:37 It is too early to say what this looks like: slower sources have not reported yet.
        17:50 The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.
        ");
        let last = told.last().unwrap();
        assert_eq!(last.kind.leads_to(), Phase::Recovered);
        assert_eq!(corrections(&last.evidence), None);
        let onset = last.evidence.onset.as_ref().unwrap();
        assert_eq!(onset.layers.len(), 5, "every layer that fell is kept: {onset:?}");
    }

    #[test]
    fn a_day_with_one_gateway_cut_is_a_lost_link_to_its_end() {
        let (said, told) = readings(ONE_GATEWAY);
        insta::assert_snapshot!(said.join("\n"), @"
        17:38 It is too early to say what this looks like: slower sources have not reported yet.
        17:50 China Unicom AS4837 lost its routes at 17:35 UTC while TransTelecom AS20485 still led in: more like a lost link than a fault or a switch inside.
        ");
        let last = told.last().unwrap();
        assert_eq!(last.kind.leads_to(), Phase::Recovered);
        assert_eq!(corrections(&last.evidence), None);
    }

    #[test]
    fn the_probes_see_the_fall_at_once_and_the_feeds_half_an_hour_later() {
        let first_zero = |source: &str, signal: &str| {
            batches().into_iter().find_map(|batch| {
                let zero = |o: &Observation| {
                    o.series.source == source && o.series.signal == signal && o.value == Some(0.0)
                };
                batch.observations.iter().any(zero).then_some(batch.received_at.to_string())
            })
        };
        assert_eq!(first_zero("probe", "dns").as_deref(), Some("2025-06-06T17:36:00Z"));
        assert_eq!(first_zero("ripestat", "visibility").as_deref(), Some("2025-06-06T17:55:00Z"));
        assert_eq!(first_zero("ioda", "bgp").as_deref(), Some("2025-06-06T18:05:00Z"));
    }

    #[test]
    fn batches_come_in_the_order_of_their_arrival_and_only_the_calm_days_are_backfilled() {
        let batches = batches();
        assert!(batches.windows(2).all(|pair| pair[0].received_at < pair[1].received_at));
        let told_from = Timestamp::parse("2025-06-06 16:00").unwrap();
        assert!(
            batches
                .iter()
                .all(|b| (b.arrival == Arrival::Backfilled) == (b.received_at < told_from))
        );
    }
}
