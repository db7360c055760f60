//! Stories: measurements, and the transitions that are reported.

use super::{State, advance};
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::*;
use proptest::prelude::*;
use std::sync::Arc;

/// Midnight, UTC.
const START: i64 = 1_748_736_000;

/// Outages begin after three days and some hours, when the normal is known.
const T: i64 = HOURS * HOUR;
const HOURS: i64 = 78;

#[derive(Clone, Copy)]
struct Signal {
    source: &'static str,
    name: &'static str,
    step: i64,
    /// Seconds from the end of a bin to its reading.
    lag: i64,
    normal: f64,
}

const BGP: Signal = Signal { source: "ioda", name: "bgp", step: 300, lag: 900, normal: 300.0 };
const PING: Signal =
    Signal { source: "ioda", name: "ping-slash24", step: 600, lag: 1500, normal: 180.0 };
const RIS: Signal =
    Signal { source: "ripestat", name: "visibility", step: 900, lag: 600, normal: 0.98 };
const FLOWS: Signal =
    Signal { source: "radar", name: "netflow", step: 900, lag: 1800, normal: 50.0 };
const DNS: Signal = Signal { source: "probe", name: "dns", step: 60, lag: 3, normal: 1.0 };
const HTTP: Signal = Signal { source: "probe", name: "http", step: 60, lag: 10, normal: 1.0 };
const CONTROL: Signal = Signal { source: "probe", name: "control", step: 60, lag: 3, normal: 1.0 };

/// A world whose sources are read as they publish.
#[derive(Default)]
struct World {
    rows: Vec<(i64, Observation)>,
    facts: Vec<Fact>,
}

fn series(entity: &str, signal: Signal) -> Arc<Series> {
    Arc::new(Series {
        entity: entity.parse().unwrap(),
        source: signal.source.into(),
        signal: signal.name.into(),
    })
}

impl World {
    /// Adds `hours` of measurements of `entities` by `signals`; `share` returns the share of normal
    /// that a bin has.
    fn measured(
        mut self,
        entities: &[&str],
        signals: &[Signal],
        hours: i64,
        share: impl Fn(&str, &str, i64) -> Option<f64>,
    ) -> Self {
        for entity in entities {
            for signal in signals {
                let series = series(entity, *signal);
                for start in (0..hours * HOUR).step_by(signal.step as usize) {
                    // A ripple of two per cent, so that no series is more regular than real ones.
                    let ripple = 1.0
                        + 0.01 * ((start / signal.step * 7 + entity.len() as i64) % 5 - 2) as f64;
                    let value = share(entity, signal.name, start)
                        .map(|share| signal.normal * share * ripple);
                    self.rows.push((
                        START + start + signal.step + signal.lag,
                        Observation {
                            series: Arc::clone(&series),
                            observed_at: Timestamp::from_unix(START + start),
                            value,
                        },
                    ));
                }
            }
        }
        self
    }

    /// Publishes the value of one bin (again) at `received`.
    fn published(
        mut self,
        received: i64,
        entity: &str,
        signal: Signal,
        start: i64,
        share: f64,
    ) -> Self {
        let observed_at = Timestamp::from_unix(START + start);
        let value = Some(signal.normal * share);
        self.rows.push((
            START + received,
            Observation { series: series(entity, signal), observed_at, value },
        ));
        self
    }

    fn part_of(mut self, part: &str, whole: &str) -> Self {
        self.facts.push(Fact {
            entity: part.parse().unwrap(),
            source: "config".into(),
            observed_at: Timestamp::from_unix(START),
            kind: FactKind::PartOf { whole: whole.parse().ok() },
        });
        self
    }

    fn batches(mut self) -> Vec<Batch> {
        self.rows.sort_by_key(|(received, _)| *received);
        let mut batches =
            vec![Batch { facts: self.facts, ..Batch::live(Timestamp::from_unix(START)) }];
        for (received, observation) in self.rows {
            let received = Timestamp::from_unix(received);
            if batches.last().unwrap().received_at != received {
                batches.push(Batch::live(received));
            }
            batches.last_mut().unwrap().observations.push(observation);
        }
        batches
    }

    fn tells(self) -> Vec<Transition> {
        watch(&mut State::default(), &self.batches())
    }
}

fn watch(state: &mut State, batches: &[Batch]) -> Vec<Transition> {
    let mut told = Vec::new();
    for batch in batches {
        let (change, transitions) = advance(state, batch);
        state.apply(change);
        told.extend(transitions);
    }
    told
}

/// Formats transitions as `KP started 30:25 (since 30:00)`, in hours and minutes since `START`.
fn lines(told: &[Transition]) -> Vec<String> {
    let clock = |at: Timestamp| {
        let minutes = (at.unix() - START) / MINUTE;
        format!("{}:{:02}", minutes / 60, minutes % 60)
    };
    told.iter()
        .map(|t| {
            let end = t.ended_at.map(|end| format!(" to {}", clock(end))).unwrap_or_default();
            format!(
                "{} {} {} (since {}{end})",
                t.incident.entity,
                t.kind,
                clock(t.at),
                clock(t.started_at)
            )
        })
        .collect()
}

#[expect(clippy::unnecessary_wraps, reason = "one form for every world")]
fn all_up(_: &str, _: &str, _: i64) -> Option<f64> {
    Some(1.0)
}

fn gone_between(
    entity: &'static str,
    from: i64,
    until: i64,
) -> impl Fn(&str, &str, i64) -> Option<f64> {
    move |who, _, start| {
        Some(if who == entity && (from..until).contains(&start) { 0.0 } else { 1.0 })
    }
}

const FOUR: [&str; 4] = ["XA", "XBB", "XCCC", "XDDDD"];

#[test]
fn a_blackout_is_told_with_when_it_began_and_when_it_ended() {
    let told = World::default()
        .measured(&FOUR, &[BGP, PING, RIS], HOURS + 10, gone_between("XA", T, T + 4 * HOUR))
        .tells();
    let expected = [
        "XA started 78:25 (since 77:59)",
        "XA partly_back 82:30 (since 77:59)",
        "XA recovered 82:35 (since 77:59 to 82:00)",
    ];
    assert_eq!(lines(&told), expected);
}

/// Each source reads the past on its own, so a reading of one may be older than the newest of
/// another.
#[test]
fn a_start_that_an_older_reading_confirms_is_not_dated_back_to_that_reading() {
    let share = |entity: &str, signal: &str, start: i64| {
        Some(if entity == "country/KP" && signal == BGP.name && start >= T { 0.0 } else { 1.0 })
    };
    let mut batches = World::default()
        .measured(&["country/KP", "country/US", "country/DE"], &[BGP, RIS], HOURS + 1, share)
        .batches();
    // Its routes are gone from the other source's view as well. That is read late, as of two hours
    // ago.
    let hours_ago = Timestamp::from_unix(START + T - 2 * HOUR);
    for bin in 0..4 {
        let observed_at = Timestamp::from_unix(START + T + 15 * MINUTE * bin);
        let value = Some(0.0);
        let observation = Observation { series: series("country/KP", RIS), observed_at, value };
        batches.push(Batch { observations: vec![observation], ..Batch::live(hours_ago) });
    }
    let told = watch(&mut State::default(), &batches);
    let kinds: Vec<_> = told.iter().map(|t| t.kind).collect();
    assert_eq!(kinds, [TransitionKind::Suspected, TransitionKind::Started]);
    assert_eq!(told[1].started_at, told[0].started_at);
}

/// The same without an earlier suspicion: the older reading completes the proof.
#[test]
fn a_start_that_an_older_reading_proves_is_not_decided_before_it_happened() {
    let hours_ago = Timestamp::from_unix(START + T - 2 * HOUR);
    let share = |entity: &str, _: &str, start: i64| {
        Some(if entity == "country/KP" && start >= T { 0.0 } else { 1.0 })
    };
    let batches = World::default()
        .measured(&["country/KP", "country/US", "country/DE"], &[BGP, RIS], HOURS + 1, share)
        .batches();
    let fallen = |batch: &Batch| batch.received_at.unix() > START + T;
    let (before, after): (Vec<Batch>, Vec<Batch>) = batches.into_iter().partition(|b| !fallen(b));
    let mut state = State::default();
    assert_eq!(watch(&mut state, &before), []);
    // Every reading that shows the fall is read late, as of two hours before it.
    let late: Vec<Batch> = after
        .into_iter()
        .map(|batch| Batch { received_at: hours_ago, arrival: Arrival::CaughtUp, ..batch })
        .collect();
    let told = watch(&mut state, &late);
    let fell = Timestamp::from_unix(START + T);
    assert!(!told.is_empty());
    for transition in &told {
        assert!((transition.started_at - fell).abs() <= BGP.step, "{:?}", lines(&told));
        assert!(transition.at >= transition.started_at, "{:?}", lines(&told));
    }
}

#[test]
fn a_quiet_week_tells_nothing() {
    let told = World::default().measured(&FOUR, &[BGP, PING, RIS, FLOWS], 7 * 24, all_up).tells();
    assert!(told.is_empty(), "{:?}", lines(&told));
}

#[test]
fn ten_days_of_outage_are_never_learned() {
    let (from, until) = (T, T + 10 * DAY);
    let told = World::default()
        .measured(&FOUR, &[BGP, RIS], 14 * 24, gone_between("XA", from, until))
        .tells();
    let kinds: Vec<_> = told.iter().map(|t| t.kind).collect();
    assert_eq!(kinds, [TransitionKind::Started, TransitionKind::Recovered]);
    assert!(told[1].at.unix() - START >= until, "{:?}", lines(&told));
}

#[test]
fn routes_that_are_back_with_something_that_answers_end_it_before_active_probing_is_read() {
    let told = World::default()
        .measured(&FOUR, &[BGP, PING], HOURS + 6, gone_between("XA", T, T + 3 * HOUR))
        .measured(&["XA"], &[DNS], HOURS + 6, gone_between("XA", T, T + 3 * HOUR))
        .tells();
    let last = told.last().unwrap();
    assert_eq!(last.kind, TransitionKind::Recovered);
    let after = (last.at.unix() - START - T - 3 * HOUR) / MINUTE;
    assert!(
        (15..35).contains(&after),
        "{after} min after the end: active probing is read after 35"
    );
}

#[test]
fn hosts_that_do_not_answer_keep_it_open_when_traffic_is_back_for_days() {
    let told = World::default()
        .measured(&FOUR, &[BGP, PING, FLOWS], HOURS + 60, |who, signal, start| {
            let until = T + if signal == "ping-slash24" { 50 * HOUR } else { 20 * HOUR };
            Some(if who == "XA" && signal != "bgp" && (T..until).contains(&start) {
                0.05
            } else {
                1.0
            })
        })
        .tells();
    let last = told.last().unwrap();
    assert_eq!(last.kind, TransitionKind::Recovered, "{:?}", lines(&told));
    assert!(last.at.unix() - START > T + 50 * HOUR, "{:?}", lines(&told));
}

#[test]
fn a_fall_that_takes_an_hour_is_dated_by_where_it_left_the_usual() {
    let told = World::default()
        .measured(&FOUR, &[BGP, PING, RIS], HOURS + 4, |who, _, start| {
            let gone = ((start - T) as f64 / HOUR as f64).clamp(0.0, 1.0);
            Some(if who == "XA" { 1.0 - gone } else { 1.0 })
        })
        .tells();
    let started = told.iter().find(|t| t.kind == TransitionKind::Started).unwrap();
    let off = (started.started_at.unix() - START - T) / MINUTE;
    assert!((-3..=3).contains(&off), "{off} min off: {:?}", lines(&told));
}

#[test]
fn each_night_of_a_curfew_is_told_as_soon_as_the_first() {
    let told = World::default()
        .measured(&FOUR, &[BGP, PING, FLOWS], 9 * 24, |who, signal, start| {
            let night = start >= 3 * DAY && (0..7 * HOUR).contains(&(start % DAY));
            Some(if who == "XA" && signal != "bgp" && night { 0.2 } else { 1.0 })
        })
        .tells();
    let starts: Vec<_> = told.iter().filter(|t| t.kind == TransitionKind::Started).collect();
    let after = |t: &Transition| (t.at.unix() - START) % DAY / MINUTE;
    assert_eq!(starts.len(), 6, "{:?}", lines(&told));
    assert!(starts.iter().all(|start| after(start) <= after(starts[0])), "{:?}", lines(&told));
}

#[test]
fn a_fall_is_told_when_the_word_of_the_others_arrives_though_nothing_new_is_read_of_it() {
    // All others are published six minutes after the first.
    let late = |signal: Signal| Signal { lag: signal.lag + 6 * MINUTE, ..signal };
    let told = World::default()
        .measured(&["XA"], &[BGP, RIS], HOURS + 1, gone_between("XA", T, T + HOUR))
        .measured(&FOUR[1..], &[late(BGP), late(RIS)], HOURS + 1, all_up)
        .tells();
    let started = told.iter().find(|t| t.kind == TransitionKind::Started).unwrap();
    assert_eq!((started.at.unix() - START - T) / MINUTE, 15 + 10 + 6, "{:?}", lines(&told));
}

#[test]
fn a_source_that_counts_half_from_now_on_is_believed_again_after_some_days() {
    let halved = |who: &str, signal: &str, start: i64| {
        let scale = if signal == "bgp" && start >= T { 0.45 } else { 1.0 };
        let is_gone = who == "XA" && (T + 8 * DAY..T + 8 * DAY + 4 * HOUR).contains(&start);
        Some(if is_gone { 0.0 } else { scale })
    };
    let mut state = State::default();
    let (mut told, mut adopted) = (Vec::new(), Vec::new());
    for batch in World::default().measured(&FOUR, &[BGP, PING], HOURS + 9 * 24, halved).batches() {
        let (change, transitions) = advance(&state, &batch);
        adopted.extend(state.apply(change));
        told.extend(transitions);
    }
    assert!(adopted.iter().all(|of| of.series.signal == "bgp" && of.now.is_none()), "{adopted:?}");
    assert_eq!(adopted.len(), 4);
    let low = told[0].evidence.assessments.iter().find(|a| a.is_low()).unwrap();
    assert_eq!(low.series.signal, "bgp");
    assert!(low.normal.is_some_and(|normal| (130.0..140.0).contains(&normal)), "{low:?}");
    assert_eq!(told[0].at.unix() - START - T - 8 * DAY, 25 * MINUTE, "{:?}", lines(&told));
    assert_eq!(told[1].kind, TransitionKind::Started);
}

#[test]
fn one_series_that_counts_otherwise_is_another_level_once_all_others_are_well_for_days() {
    let mut state = State::default();
    let mut adopted = Vec::new();
    let world = World::default().measured(
        &FOUR,
        &[BGP, PING, RIS],
        HOURS + 6 * 24,
        |who, signal, start| {
            Some(if who == "XA" && signal == "bgp" && start >= T { 0.4 } else { 1.0 })
        },
    );
    let mut told = Vec::new();
    for batch in world.batches() {
        let (change, transitions) = advance(&state, &batch);
        adopted.extend(state.apply(change).into_iter().map(|of| (batch.received_at, of)));
        told.extend(transitions);
    }
    let kinds: Vec<_> = told.iter().map(|t| t.kind).collect();
    let [(at, of)] = &adopted[..] else { panic!("{adopted:?}") };
    assert!(at.unix() - START - T > 2 * DAY, "not before two days");
    assert!(
        (of.before - 300.0).abs() < 10.0 && of.now.is_some_and(|now| (now - 120.0).abs() < 5.0),
        "{of:?}"
    );
    assert_eq!(kinds, [TransitionKind::Suspected, TransitionKind::Retracted]);
}

#[test]
fn a_source_that_sags_for_everyone_is_nobodys_outage() {
    for sag in [0.0, 0.45] {
        let sagging = |_: &str, signal: &str, start: i64| {
            Some(if signal != "visibility" && (T..T + 3 * HOUR).contains(&start) {
                sag
            } else {
                1.0
            })
        };
        let told = World::default().measured(&FOUR, &[BGP, PING, RIS], HOURS + 10, sagging).tells();
        assert!(told.is_empty(), "{:?}", lines(&told));
    }
}

#[test]
fn who_falls_while_a_source_is_ill_is_found_by_the_others() {
    let told = World::default()
        .measured(&FOUR, &[BGP, PING, RIS], HOURS + 10, |who, signal, start| {
            let is_ill = signal == "bgp" && (T - HOUR..T + 6 * HOUR).contains(&start);
            let is_gone = who == "XA" && (T..T + 4 * HOUR).contains(&start);
            Some(if is_ill || is_gone { 0.0 } else { 1.0 })
        })
        .tells();
    assert_eq!(told[0].kind, TransitionKind::Started);
    assert!(told.iter().all(|t| t.incident.entity.to_string() == "XA"));
    let bgp = told[0].evidence.assessments.iter().find(|a| a.series.signal == "bgp").unwrap();
    assert_eq!(bgp.reading, Reading::Unknown { why: Unknown::SourceFault });
}

#[test]
fn a_fault_of_our_own_uplink_is_nobodys_outage() {
    let at = T..T + 40 * MINUTE;
    let told = World::default()
        .measured(&["XA"], &[DNS, HTTP], HOURS + 2, |_, _, start| {
            Some(if at.contains(&start) { 0.0 } else { 1.0 })
        })
        .measured(&["control-1", "control-2"], &[CONTROL], HOURS + 2, |_, _, start| {
            Some(if at.contains(&start) { 0.0 } else { 1.0 })
        })
        .tells();
    assert!(told.is_empty(), "{:?}", lines(&told));
}

#[test]
fn probes_tell_a_blackout_within_minutes_while_the_controls_answer() {
    let told = World::default()
        .measured(&["XA"], &[DNS, HTTP], HOURS + 2, gone_between("XA", T, T + HOUR))
        .measured(&["control-1", "control-2"], &[CONTROL], HOURS + 2, all_up)
        .tells();
    assert_eq!(told[0].kind, TransitionKind::Started);
    assert!(told[0].at.unix() - START - T <= 4 * MINUTE, "{:?}", lines(&told));
    assert_eq!(told.last().unwrap().kind, TransitionKind::Recovered);
}

#[test]
fn sites_that_fall_together_hide_no_outage_that_begins_with_theirs() {
    let sites: Vec<String> = (0..30).map(|n| format!("site/s{n}.example")).collect();
    let sites: Vec<&str> = sites.iter().map(String::as_str).collect();
    let gone =
        |_: &str, _: &str, start: i64| Some(if (T..T + HOUR).contains(&start) { 0.0 } else { 1.0 });
    let told = World::default()
        .measured(&["XA"], &[DNS, HTTP], HOURS + 2, gone)
        .measured(&["XB", "XC"], &[DNS, HTTP], HOURS + 2, all_up)
        .measured(&sites, &[HTTP], HOURS + 2, gone)
        .measured(&["control-1", "control-2"], &[CONTROL], HOURS + 2, all_up)
        .tells();
    let of = |who: &str| told.iter().find(|t| t.incident.entity.to_string() == who);
    let started = of("XA").unwrap();
    assert_eq!(started.kind, TransitionKind::Started);
    assert!(started.at.unix() - START - T <= 4 * MINUTE, "{:?}", lines(&told));
    let http = started.evidence.assessments.iter().find(|a| a.series.signal == "http").unwrap();
    assert!(
        http.is_low(),
        "its sites are gone as well, and that is no fault of ours: {:?}",
        http.reading
    );
    assert!(of(sites[0]).is_some(), "{:?}", lines(&told));
}

/// Returns `minutes` of probe rounds over a good uplink, without a day of history, as in a new
/// profile.
fn rounds(minutes: i64, value: impl Fn(&str, i64) -> f64) -> Vec<Batch> {
    let of =
        |name: &'static str, normal| Signal { source: "probe", name, step: 60, lag: 12, normal };
    let (blocks, dns, http) = (of("blocks", 4.0), of("dns", 2.0), of("http", 5.0));
    let batch = |minute: i64| {
        let mut batch = Batch::live(Timestamp::from_unix(START + minute * 60 + 72));
        let observed_at = Timestamp::from_unix(START + minute * 60);
        let mut says = |entity: &str, signal: Signal, value: f64| {
            batch.observations.push(Observation {
                series: series(entity, signal),
                observed_at,
                value: Some(value),
            });
        };
        says("uplink", CONTROL, 1.0);
        for signal in [blocks, dns, http] {
            says("country/KP", signal, value(signal.name, minute));
        }
        batch
    };
    (0..minutes).map(batch).collect()
}

fn usual(signal: &str) -> f64 {
    match signal {
        "blocks" => 4.0,
        "dns" => 2.0,
        _ => 5.0,
    }
}

#[test]
fn a_new_profile_tells_a_blackout_after_a_few_rounds_and_the_bin_that_shows_it_most() {
    let batches = rounds(30, |signal, minute| if minute < 12 { usual(signal) } else { 0.0 });
    let told = watch(&mut State::default(), &batches);
    assert_eq!(lines(&told).len(), 1, "{told:?}");
    assert_eq!(told[0].kind, TransitionKind::Started);
    assert!(
        told[0].at.unix() - (START + 12 * 60) <= 2 * 60 + 12,
        "in the second round: {}",
        told[0].at
    );
    let early = watch(
        &mut State::default(),
        &rounds(30, |signal, minute| if minute < 4 { usual(signal) } else { 0.0 }),
    );
    assert!(early.is_empty(), "four rounds teach nobody what is usual");
}

#[test]
fn all_that_falls_in_one_block_is_one_witness_and_no_blackout() {
    // Every name server and site is in the one block of four that has fallen.
    let value = |signal: &str, minute: i64| match signal {
        _ if minute < 12 => usual(signal),
        "blocks" => 3.0,
        _ => 0.0,
    };
    let told = watch(&mut State::default(), &rounds(40, value));
    let evidence = &told.last().unwrap().evidence;
    assert_eq!(evidence.witnesses, 1, "{evidence:?}");
    assert!(evidence.assessments.iter().all(|a| a.layer != Layer::Reach || a.is_normal()));
}

#[test]
fn services_that_are_gone_while_the_network_is_up_are_told_in_the_second_round() {
    let value = |signal: &str, minute: i64| {
        if signal == "dns" && minute >= 12 { 0.0 } else { usual(signal) }
    };
    let told = watch(&mut State::default(), &rounds(30, value));
    assert_eq!(told.iter().map(|t| t.kind).collect::<Vec<_>>(), [TransitionKind::Started]);
    assert!(told[0].at.unix() - (START + 12 * 60) <= 3 * 60 + 12, "{}", told[0].at);
    let low: Vec<Layer> =
        told[0].evidence.assessments.iter().filter(|a| a.is_low()).map(|a| a.layer).collect();
    assert_eq!(low, [Layer::Dns]);
}

#[test]
fn lost_services_get_worse_as_soon_as_the_network_goes_and_not_with_one_more_of_them() {
    let kinds = |first: &'static str, also: &'static str| {
        let value = move |signal: &str, minute: i64| match signal {
            _ if signal == first && minute >= 12 => 0.0,
            _ if signal == also && minute >= 22 => 0.0,
            _ => usual(signal),
        };
        watch(&mut State::default(), &rounds(34, value)).iter().map(|t| t.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds("dns", "blocks"), [TransitionKind::Started, TransitionKind::Worsened]);
    assert_eq!(kinds("http", "dns"), [TransitionKind::Started]);
}

#[test]
fn what_is_missed_while_our_line_is_gone_is_told_when_it_is_back_and_not_before() {
    let mut batches = rounds(30, |signal, minute| if minute < 14 { usual(signal) } else { 0.0 });
    for (minute, batch) in
        batches.iter_mut().enumerate().filter(|(minute, _)| (12..20).contains(minute))
    {
        let _ = minute;
        for observation in &mut batch.observations {
            observation.value = observation.series.is_control().then_some(0.0);
        }
    }
    let told = watch(&mut State::default(), &batches);
    assert_eq!(told.iter().map(|t| t.kind).collect::<Vec<_>>(), [TransitionKind::Started]);
    let after = told[0].at.unix() - (START + 20 * 60);
    assert!((0..=3 * 60 + 12).contains(&after), "{after} s after the first good round began");
}

/// Returns two hours of rounds by a clock that is ahead by `by` minutes in the half hour from
/// minute 25 on. Our uplink is doubtful in a round in which the clock jumps.
fn with_a_clock_ahead(by: i64, value: impl Fn(&str, i64) -> f64) -> Vec<Batch> {
    let mut batches = rounds(120, value);
    for at in [25, 55] {
        for observation in &mut batches[at].observations {
            observation.value = observation.series.is_control().then_some(0.0);
        }
    }
    for batch in &mut batches[25..55] {
        batch.received_at = batch.received_at + by * MINUTE;
        for observation in &mut batch.observations {
            observation.observed_at = observation.observed_at + by * MINUTE;
        }
    }
    batches
}

/// Returns the transitions of an outage over those rounds, by such a clock: its start and its end.
fn told_by_a_clock_ahead(by: i64, outage: std::ops::Range<i64>) -> Vec<Transition> {
    let fallen =
        |signal: &str, minute: i64| if outage.contains(&minute) { 0.0 } else { usual(signal) };
    let told = watch(&mut State::default(), &with_a_clock_ahead(by, fallen));
    let kinds: Vec<_> = told.iter().map(|t| t.kind).collect();
    let expected = [TransitionKind::Started, TransitionKind::Recovered];
    assert_eq!(kinds, expected, "ahead by {by} minutes: {:?}", lines(&told));
    told
}

#[test]
fn a_clock_that_was_ahead_makes_our_own_eyes_blind_for_no_longer_than_it_was() {
    for by in [0, 3, 10, 45, 120, 600] {
        let told = told_by_a_clock_ahead(by, 60..90);
        let minutes = |at: Timestamp| (at.unix() - START) / MINUTE;
        assert!((60..=63).contains(&minutes(told[0].at)), "{:?}", lines(&told));
        assert_eq!(
            (minutes(told[0].started_at), told[1].ended_at.map(minutes)),
            (59, Some(90)),
            "{:?}",
            lines(&told)
        );
    }
}

#[test]
fn what_began_while_the_clock_was_ahead_goes_on_when_it_is_right_and_is_told_to_be_over_once() {
    for by in [0, 3, 10, 45, 120, 600] {
        let told = told_by_a_clock_ahead(by, 40..90);
        // An instant that the right clock has passed by then may be of either clock, and stays as
        // it was reported.
        let off = if by < 15 { by } else { 0 };
        let lasted = (told[1].ended_at.unwrap() - told[1].started_at) / MINUTE;
        assert_eq!(lasted, 51 - off, "ahead by {by} minutes: {:?}", lines(&told));
    }
}

#[test]
fn an_outage_is_not_dated_back_to_when_one_source_fell_ill_that_says_the_same() {
    let world = |ill_for: i64| {
        World::default()
            .measured(&FOUR, &[BGP, PING], HOURS + 4, gone_between("XA", T, T + 2 * HOUR))
            .measured(
                &FOUR,
                &[Signal { step: 300, ..RIS }],
                HOURS + 4,
                gone_between("XA", T - ill_for, T + 2 * HOUR),
            )
            .tells()
    };
    for ill_for in [0, 45 * MINUTE, HOUR, 2 * HOUR] {
        let told = world(ill_for);
        let started = told.iter().find(|t| t.kind == TransitionKind::Started).unwrap();
        let off = started.started_at.unix() - START - T;
        assert!(
            off.abs() <= 10 * MINUTE,
            "ill for {} min before: {:?}",
            ill_for / MINUTE,
            lines(&told)
        );
    }
}

#[test]
fn probes_alone_wait_for_the_word_of_the_controls() {
    let world = |controls_until: i64| {
        World::default()
            .measured(&["XA"], &[DNS, HTTP], HOURS + 1, gone_between("XA", T, T + HOUR))
            .measured(&["control-1", "control-2"], &[CONTROL], controls_until, all_up)
            .tells()
    };
    assert!(world(HOURS).is_empty());
    assert_eq!(world(HOURS + 1)[0].kind, TransitionKind::Started);
}

#[test]
fn one_block_of_four_is_no_outage_and_all_four_are() {
    let four_blocks = [Signal { normal: 4.0, ..BGP }, Signal { normal: 4.0, ..PING }];
    let blocks = |left: f64| {
        let mut world = World::default();
        for signal in four_blocks {
            for start in (0..T + 2 * HOUR).step_by(signal.step as usize) {
                let share = if start < T { 1.0 } else { left / 4.0 };
                world =
                    world.published(start + signal.step + signal.lag, "XA", signal, start, share);
            }
        }
        world.tells()
    };
    assert!(blocks(3.0).is_empty());
    assert!(blocks(0.0).iter().any(|t| t.kind == TransitionKind::Started));
}

#[test]
fn a_missing_value_is_unknown_and_never_zero() {
    let told = World::default()
        .measured(&FOUR, &[BGP, PING, RIS], HOURS + 10, |who, _, start| {
            (who != "XA" || start < T).then_some(1.0)
        })
        .tells();
    assert!(told.is_empty(), "{:?}", lines(&told));
}

/// Returns the kinds of the transitions when routing falls at once and traffic `minutes` later.
fn kinds_when_traffic_goes_after(minutes: i64) -> Vec<TransitionKind> {
    let until = T + 6 * HOUR;
    let share = move |entity: &str, signal: &str, start: i64| {
        let from = if signal == FLOWS.name { T + minutes * MINUTE } else { T };
        Some(if entity == "country/KP" && (from..until).contains(&start) { 0.0 } else { 1.0 })
    };
    let told = World::default().measured(
        &["country/KP", "country/US", "country/DE"],
        &[BGP, RIS, FLOWS],
        HOURS + 4,
        share,
    );
    told.tells()
        .iter()
        .filter(|t| t.incident.entity.to_string() == "country/KP")
        .map(|t| t.kind)
        .collect()
}

#[test]
fn a_layer_that_goes_well_after_the_start_makes_it_worse_and_one_that_goes_with_it_does_not() {
    let worse =
        |minutes| kinds_when_traffic_goes_after(minutes).contains(&TransitionKind::Worsened);
    assert_eq!((worse(0), worse(15), worse(60)), (false, false, true));
}

#[test]
fn a_failed_first_return_is_not_a_recovery() {
    use TransitionKind::{GoneAgain, PartlyBack, Recovered, Started, Suspected};
    let told = World::default()
        .measured(&FOUR, &[BGP, PING], HOURS + 14, |who, signal, start| {
            let down = who == "XA" && (T..T + 6 * HOUR).contains(&start);
            let flaps = signal == "bgp" && (T + 3 * HOUR..T + 3 * HOUR + 1800).contains(&start);
            Some(if down && !flaps { 0.0 } else { 1.0 })
        })
        .tells();
    let kinds: Vec<_> = told.iter().map(|t| t.kind).collect();
    assert_eq!(
        kinds,
        [Suspected, Started, PartlyBack, GoneAgain, PartlyBack, Recovered],
        "{:?}",
        lines(&told)
    );
    assert_eq!(told.iter().map(|t| t.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_start_that_revised_data_takes_back_is_retracted() {
    let wrong = |signal: &str, start: i64| {
        (T..T + if signal == "bgp" { 1500 } else { 600 }).contains(&start)
    };
    let mut world =
        World::default().measured(&FOUR, &[BGP, PING], HOURS + 4, |who, signal, start| {
            Some(if who == "XA" && wrong(signal, start) { 0.0 } else { 1.0 })
        });
    for (signal, bins) in [(BGP, 5), (PING, 1)] {
        for bin in 0..bins {
            world = world.published(T + 2400, "XA", signal, T + bin * signal.step, 1.0);
        }
    }
    let told = world.tells();
    let kinds: Vec<_> = told.iter().map(|t| t.kind).collect();
    assert_eq!(
        kinds[1..],
        [TransitionKind::Started, TransitionKind::Retracted],
        "{:?}",
        lines(&told)
    );
}

#[test]
fn values_that_are_published_too_early_and_too_low_are_waited_out() {
    let mut world = World::default().measured(&FOUR, &[BGP, FLOWS], 60, all_up);
    for entity in FOUR {
        for bin in (0..60 * HOUR / FLOWS.step).filter(|bin| bin % 4 == 0) {
            let start = bin * FLOWS.step;
            world = world.published(start + FLOWS.step / 2 + FLOWS.lag, entity, FLOWS, start, 0.3);
        }
    }
    let told = world.tells();
    assert!(told.is_empty(), "{:?}", lines(&told));
}

#[test]
fn thirty_provinces_that_are_switched_off_within_hours_are_no_fault_of_their_lone_source() {
    let hourly =
        Signal { source: "observatory", name: "connectivity", step: HOUR, lag: 600, normal: 95.0 };
    let names: Vec<String> = (0..30).map(|n| format!("province-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let told = World::default()
        .measured(&names, &[hourly], 80, |who, _, start| {
            let n: i64 = who.trim_start_matches("province-").parse().unwrap();
            Some(if start >= (60 + n % 3) * HOUR { 0.05 } else { 1.0 })
        })
        .tells();
    assert_eq!(told.iter().filter(|t| t.kind == TransitionKind::Started).count(), 30);
}

#[test]
fn a_part_that_stands_for_the_whole_is_its_witness_and_another_is_not() {
    let verdict = |blocks: f64| {
        let of_part = Signal { normal: blocks, ..BGP };
        let mut state = State::default();
        let world = World::default()
            .measured(&["country/KP"], &[BGP], HOURS + 2, all_up)
            .measured(&["asn/131279"], &[of_part, PING], HOURS + 2, all_up)
            .part_of("asn/131279", "country/KP");
        watch(&mut state, &world.batches());
        state
            .evidence(&"country/KP".parse().unwrap(), Timestamp::from_unix(START + T + 2 * HOUR))
            .unwrap()
    };
    assert_eq!((verdict(300.0).witnesses, verdict(300.0).assessments.len()), (2, 3));
    assert_eq!((verdict(100.0).witnesses, verdict(100.0).assessments.len()), (1, 1));
}

#[test]
fn facts_are_kept_and_frozen_into_the_evidence() {
    let mut state = State::default();
    let entity: Entity = "country/KP".parse().unwrap();
    for prefixes_seen in [4, 1] {
        let kind = FactKind::Gateway { asn: 4837, name: None, prefixes_seen, peers_seeing: 300 };
        let fact = Fact {
            entity: entity.clone(),
            source: "ripestat".into(),
            observed_at: Timestamp::from_unix(1),
            kind,
        };
        watch(
            &mut state,
            &[Batch { facts: vec![fact], ..Batch::live(Timestamp::from_unix(START)) }],
        );
    }
    let evidence = state.evidence(&entity, Timestamp::from_unix(START)).unwrap();
    assert_eq!(evidence.verdict, Verdict::Unknown);
    assert!(matches!(
        evidence.facts[..],
        [Fact { kind: FactKind::Gateway { prefixes_seen: 1, .. }, .. }]
    ));
}

#[test]
fn a_checkpoint_that_is_damaged_or_of_another_format_is_not_read() {
    let mut state = State::default();
    watch(
        &mut state,
        &World::default().measured(&["XA"], &[BGP], 2, all_up).part_of("XA", "XB").batches(),
    );
    let bytes = state.encode();
    assert_eq!(State::decode(&bytes), Some(state));
    assert_eq!(State::decode(&bytes[..bytes.len() / 2]), None);
    assert_eq!(State::decode(&[&[99], &bytes[1..]].concat()), None);
    assert_eq!(State::decode(&[]), None);
}

/// Generates two and a half days of four entities, half-hourly, with outages, gaps, revisions and
/// late bins.
fn streams() -> impl Strategy<Value = Vec<Batch>> {
    let outages =
        prop::collection::vec((0..4_usize, 0..5_usize, 50..110_i64, 1..30_i64, 0.0..0.9), 0..6);
    let oddities =
        prop::collection::vec((0..4_usize, 0..2_usize, 0..120_i64, 0..40_i64, 0.0..1.5), 0..30);
    (outages, oddities).prop_map(|(outages, oddities)| {
        let half_hourly = |signal: Signal| Signal { step: 1800, lag: 600, ..signal };
        let signals = [half_hourly(BGP), half_hourly(RIS)];
        let mut world = World::default().measured(&FOUR, &signals, 60, |who, signal, start| {
            let bin = start / 1800;
            let gone = outages.iter().filter(|(entity, what, from, length, _)| {
                FOUR[*entity] == who
                    && (*from..from + length).contains(&bin)
                    && (*what < 3 || (*what == 3) == (signal == "bgp"))
            });
            // A gap now and then.
            (bin % 37 != 5).then(|| gone.map(|outage| outage.4).fold(1.0, f64::min))
        });
        for (entity, signal, bin, later, share) in oddities {
            let start = bin * 1800;
            world = world.published(
                start + 2000 + later * 977,
                FOUR[entity],
                signals[signal],
                start,
                share,
            );
        }
        world.batches()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_anywhere_changes_nothing(batches in streams(), cuts in prop::collection::vec(0.0..1.0, 1..4)) {
        let mut whole = State::default();
        let expected = watch(&mut whole, &batches);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut: &f64| (cut * batches.len() as f64) as usize).collect();
        cuts.sort_unstable();
        let (mut state, mut told, mut from) = (State::default(), Vec::new(), 0);
        for cut in cuts {
            told.extend(watch(&mut state, &batches[from..cut]));
            state = State::decode(&state.encode()).unwrap();
            from = cut;
        }
        told.extend(watch(&mut state, &batches[from..]));
        prop_assert_eq!(told, expected);
        prop_assert_eq!(state, whole);
    }

    #[test]
    fn the_first_half_gives_the_beginning_of_the_whole(batches in streams(), half in 0.0..1.0) {
        let whole = watch(&mut State::default(), &batches);
        let first = watch(&mut State::default(), &batches[..(half * batches.len() as f64) as usize]);
        prop_assert_eq!(&first[..], &whole[..first.len()]);
    }

    #[test]
    fn an_incident_is_numbered_without_gaps_and_goes_forward_in_time(batches in streams()) {
        let told = watch(&mut State::default(), &batches);
        for entity in FOUR {
            let of: Vec<_> = told.iter().filter(|t| t.incident.entity.to_string() == entity).collect();
            for pair in of.windows(2) {
                prop_assert!(pair[0].at <= pair[1].at);
                if pair[0].incident == pair[1].incident {
                    prop_assert_eq!(pair[0].number + 1, pair[1].number);
                    prop_assert!(!pair[0].kind.leads_to().is_over());
                } else {
                    prop_assert_eq!(pair[1].number, 1);
                    prop_assert!(pair[0].kind.leads_to().is_over());
                }
            }
            for t in of {
                prop_assert!(t.started_at <= t.at);
                prop_assert!(t.ended_at.is_none_or(|end| t.started_at <= end && end <= t.at));
            }
        }
    }
}
