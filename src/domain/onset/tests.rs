use super::*;
use crate::domain::{
    Assessment, Confidence, Entity, Evidence, Fact, FactKind, Reading, Series, Verdict,
};
use std::sync::Arc;

/// 6 June 2025, 17:35 UTC: 7 June in Pyongyang.
const FELL: i64 = 1_749_231_300;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_unix(FELL + 60 * minutes)
}

/// The state of a signal: low since a minute, back since a minute, or as usual.
enum Is {
    Low(i64),
    Back(i64),
    Usual,
}

/// Builds the evidence `minutes` after the fall from signals and gateways. Each gateway has the
/// number of prefixes seen through it, and the minute in which they were seen.
fn known(minutes: i64, signals: &[(&str, &str, Is)], gateways: &[(u32, u32, i64)]) -> Evidence {
    let entity: Entity = "country/KP".parse().unwrap();
    let assessment = |(source, signal, is): &(&str, &str, Is)| {
        let series = Series {
            entity: entity.clone(),
            source: (*source).to_owned(),
            signal: (*signal).to_owned(),
        };
        let is_low = matches!(is, Is::Low(_));
        Assessment {
            layer: series.layer(),
            series: Arc::new(series),
            reading: if is_low { Reading::Low } else { Reading::Normal },
            value: Some(if is_low { 0.0 } else { 4.0 }),
            normal: Some(4.0),
            observed_at: at(minutes),
            step: 300,
            low_since: if let Is::Low(since) = is { Some(at(*since)) } else { None },
            back_since: if let Is::Back(since) = is { Some(at(*since)) } else { None },
            weight: 9.0,
        }
    };
    let fact = |(asn, prefixes_seen, seen): &(u32, u32, i64)| Fact {
        entity: entity.clone(),
        source: "ripestat".to_owned(),
        observed_at: at(*seen),
        kind: FactKind::Gateway {
            asn: *asn,
            name: None,
            prefixes_seen: *prefixes_seen,
            peers_seeing: 0,
        },
    };
    Evidence {
        at: at(minutes),
        verdict: Verdict::Down,
        sureness: Confidence::High,
        witnesses: 2,
        sources: 2,
        assessments: signals.iter().map(assessment).collect(),
        facts: gateways.iter().map(fact).collect(),
        entity: entity.clone(),
        onset: None,
    }
}

fn routes(since: i64) -> [(&'static str, &'static str, Is); 1] {
    [("ripestat", "visibility", Is::Low(since))]
}

fn taken(evidence: &[Evidence]) -> Onset {
    let mut onset = Onset::default();
    for (number, evidence) in evidence.iter().enumerate() {
        onset.take(evidence, at(0), number > 0);
    }
    onset
}

const AT_ONCE_THROUGH_ALL: Judgement = Judgement::AllGateways(Timing::AtOnce);

#[test]
fn a_short_return_through_one_gateway_does_not_change_how_it_fell() {
    let mut days = vec![
        known(-5, &[], &[(4837, 4, -5), (20485, 2, -5)]),
        known(10, &routes(0), &[(4837, 0, 0), (20485, 0, 0)]),
    ];
    assert_eq!(taken(&days).judgement, AT_ONCE_THROUGH_ALL);
    // Back through one gateway after three hours; lost again; back through both.
    days.push(known(185, &routes(0), &[(4837, 1, 185), (20485, 0, 185)]));
    assert_eq!(taken(&days).judgement, AT_ONCE_THROUGH_ALL);
    days.push(known(205, &routes(0), &[(4837, 0, 205), (20485, 0, 205)]));
    days.push(known(
        520,
        &[("ripestat", "visibility", Is::Back(515))],
        &[(4837, 4, 520), (20485, 2, 520)],
    ));
    let onset = taken(&days);
    assert_eq!((onset.judgement, &onset.corrections[..]), (AT_ONCE_THROUGH_ALL, &[][..]));
    assert_eq!(onset.returned_at, Some(at(185)));
    assert_eq!(
        onset.gateways.iter().map(|g| g.gone_at).collect::<Vec<_>>(),
        [Some(at(0)), Some(at(0))]
    );
}

#[test]
fn a_lost_link_is_corrected_when_the_other_gateway_goes_as_well() {
    let mut days = vec![
        known(-5, &[], &[(4837, 4, -5), (20485, 2, -5)]),
        known(10, &routes(0), &[(4837, 0, 0), (20485, 2, 5)]),
    ];
    assert_eq!(taken(&days).judgement, Judgement::SomeGateways);
    days.push(known(45, &routes(0), &[(4837, 0, 0), (20485, 0, 40)]));
    let onset = taken(&days);
    assert_eq!(onset.judgement, Judgement::AllGateways(Timing::Apart(2_400)));
    let because = Reason::GatewayLost { asn: 20485, at: at(40) };
    assert_eq!(
        onset.corrections,
        [Correction { at: at(45), was: Judgement::SomeGateways, because }]
    );
}

#[test]
fn a_gateway_that_goes_after_the_first_return_belongs_to_another_fall() {
    let onset = taken(&[
        known(-5, &[], &[(4837, 4, -5), (20485, 2, -5)]),
        known(10, &routes(0), &[(4837, 0, 0), (20485, 2, 5)]),
        known(60, &routes(0), &[(4837, 4, 60), (20485, 2, 60)]),
        known(90, &routes(0), &[(4837, 0, 90), (20485, 0, 90)]),
    ]);
    assert_eq!((onset.judgement, onset.corrections.len()), (Judgement::SomeGateways, 0));
}

#[test]
fn a_gateway_that_was_not_read_since_the_fall_decides_nothing() {
    let days = [known(10, &routes(0), &[(4837, 0, 0), (20485, 2, -5)])];
    assert_eq!(taken(&days).judgement, Judgement::Unclear);
    // A gateway that was lost a day before is not part of the fall.
    let days = [known(10, &routes(0), &[(4837, 0, 0), (20485, 2, 5), (174, 0, -1440)])];
    assert_eq!(taken(&days).judgement, Judgement::SomeGateways);
}

#[test]
fn services_alone_is_corrected_when_the_routes_follow() {
    let onset = taken(&[
        known(5, &[("probe", "http", Is::Low(0)), ("ripestat", "visibility", Is::Usual)], &[]),
        known(20, &[("probe", "http", Is::Low(0)), ("ripestat", "visibility", Is::Low(15))], &[]),
    ]);
    assert_eq!(onset.judgement, Judgement::RoutesAndReach);
    let because = Reason::LayerLost { layer: Layer::Routing, at: at(15) };
    assert_eq!(
        onset.corrections,
        [Correction { at: at(20), was: Judgement::ServicesAlone, because }]
    );
    assert_eq!(onset.stood, []);
}

#[test]
fn what_later_data_take_back_did_not_fall() {
    let onset = taken(&[
        known(5, &[("ioda", "bgp", Is::Low(0)), ("ioda", "ping-slash24", Is::Low(0))], &[]),
        known(40, &[("ioda", "bgp", Is::Usual), ("ioda", "ping-slash24", Is::Low(0))], &[]),
    ]);
    assert_eq!(onset.judgement, Judgement::ReachBehindRoutes);
    assert_eq!(onset.corrections[0].because, Reason::LayerStood { layer: Layer::Routing });
}

#[test]
fn the_judgement_is_frozen_an_hour_after_the_last_loss() {
    let falls = || [("radar", "netflow", Is::Low(0)), ("ripestat", "visibility", Is::Usual)];
    let mut onset = taken(&[known(5, &falls(), &[])]);
    assert_eq!((onset.judgement, onset.over_at), (Judgement::TrafficAlone, None));
    onset.take(&known(60, &falls(), &[]), at(0), true);
    assert_eq!(onset.over_at, Some(at(60)));
    // A usual reading, or a value that wavers, is not news about the fall.
    let before = onset.judgement;
    onset.take(&known(90, &[("radar", "netflow", Is::Back(80))], &[]), at(0), true);
    assert_eq!((onset.judgement, onset.over_at), (before, Some(at(60))));
}

#[test]
fn the_onset_survives_a_checkpoint_and_the_database() {
    let onset = taken(&[
        known(10, &routes(0), &[(4837, 0, 0), (20485, 2, 5)]),
        known(45, &routes(0), &[(4837, 0, 0), (20485, 0, 40)]),
    ]);
    let bytes = postcard::to_stdvec(&onset).unwrap();
    assert_eq!(postcard::from_bytes::<Onset>(&bytes).unwrap(), onset);
    let json = serde_json::to_string(&onset).unwrap();
    assert_eq!(serde_json::from_str::<Onset>(&json).unwrap(), onset);
}
