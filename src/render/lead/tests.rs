use super::*;
use crate::domain::{Confidence, Series};
use std::sync::Arc;

const FELL: i64 = 1_749_231_300;

/// The reading of a signal.
enum Is {
    Low,
    /// As usual, measured after the outage began.
    Usual,
    /// As usual, last measured before the outage began.
    Before,
    Back,
    Stale,
}
use Is::{Back, Before, Low, Stale, Usual};

fn evidence(entity: &str, verdict: Verdict, signals: &[(&str, &str, f64, Is)]) -> Evidence {
    let entity: Entity = entity.parse().unwrap();
    let assessment = |(source, signal, share, is): &(&str, &str, f64, Is)| {
        let series =
            Series { entity: entity.clone(), source: (*source).into(), signal: (*signal).into() };
        let after = Timestamp::from_unix(FELL + 1_200);
        Assessment {
            layer: series.layer(),
            series: Arc::new(series),
            reading: match is {
                Low => Reading::Low,
                Usual | Before | Back => Reading::Normal,
                Stale => Reading::Unknown { why: Unknown::Stale },
            },
            value: Some(share * 100.0),
            normal: Some(100.0),
            observed_at: if matches!(is, Before) {
                Timestamp::from_unix(FELL - 600)
            } else {
                after
            },
            step: 300,
            low_since: matches!(is, Low).then(|| Timestamp::from_unix(FELL)),
            back_since: matches!(is, Back).then_some(after),
            weight: 9.0,
        }
    };
    let mut evidence = Evidence {
        at: Timestamp::from_unix(FELL + 1_500),
        verdict,
        sureness: Confidence::High,
        witnesses: 2,
        sources: 2,
        assessments: signals.iter().map(assessment).collect(),
        facts: vec![],
        entity: entity.clone(),
        onset: None,
    };
    let began = crate::domain::onset::LayerLoss {
        layer: Layer::Routing,
        first: Timestamp::from_unix(FELL),
        last: Timestamp::from_unix(FELL),
    };
    evidence.onset = Some(crate::domain::Onset { layers: vec![began], ..Default::default() });
    evidence
}

fn said(stage: Stage, entity: &str, signals: &[(&str, &str, f64, Is)]) -> String {
    lead(&evidence(entity, Verdict::Down, signals), stage).unwrap_or_default()
}

#[test]
fn the_north_korean_morning_in_one_line() {
    let signals = [
        ("ioda", "bgp", 1.0, Before),
        ("ioda", "ping-slash24", 1.0, Before),
        ("probe", "dns", 0.0, Low),
        ("probe", "http", 0.0, Low),
        ("ripestat", "visibility", 0.0, Low),
    ];
    assert_eq!(
        said(Stage::Down, "country/KP", &signals),
        "Almost nothing in North Korea can be reached. Confirmed by RIPE routing data and own probes; not yet by IODA."
    );
}

#[test]
fn each_kind_of_entity_is_called_what_it_is() {
    let gone = || [("ripestat", "visibility", 0.0, Low), ("probe", "http", 0.0, Low)];
    let by = "Confirmed by RIPE routing data and own probes.";
    for (entity, claim) in [
        ("country/IQ", "Almost nothing in Iraq can be reached."),
        ("region/4416", "Almost nothing in region 4416 can be reached."),
        ("asn/131279", "Almost nothing in the network AS131279 can be reached."),
        (
            "prefix/175.45.176.0/22",
            "Almost nothing in the address block 175.45.176.0/22 can be reached.",
        ),
        ("site/kcna.kp", "kcna.kp cannot be reached."),
    ] {
        assert_eq!(said(Stage::Down, entity, &gone()), format!("{claim} {by}"));
    }
}

#[test]
fn the_claim_is_no_larger_than_the_mildest_reading() {
    let down = |signals: &[(&str, &str, f64, Is)]| said(Stage::Down, "country/KP", signals);
    assert_eq!(
        down(&[("ripestat", "visibility", 0.0, Low), ("ioda", "ping-slash24", 0.2, Low)]),
        "Only little in North Korea can be reached. Confirmed by RIPE routing data and IODA."
    );
    assert_eq!(
        down(&[("ripestat", "visibility", 0.87, Low), ("probe", "http", 0.0, Low)]),
        "Only a part in North Korea can be reached. Confirmed by RIPE routing data and own probes."
            .replace("a part in", "a part of")
    );
    assert_eq!(
        down(&[("ripestat", "visibility", 0.0, Low), ("ioda", "bgp", 1.0, Before)]),
        "Almost all internet routes to North Korea are gone. Measured by RIPE routing data; not yet by IODA."
    );
    assert_eq!(
        down(&[("ripestat", "visibility", 0.5, Low), ("probe", "http", 1.0, Usual)]),
        "Some internet routes to North Korea are gone, but hosts there still answer. Measured by RIPE routing data; own \
         probes measure normal values."
    );
    assert_eq!(
        down(&[("ripestat", "visibility", 1.0, Usual), ("ioda", "ping-slash24", 0.0, Low)]),
        "Almost nothing of what is probed in North Korea answers, though its internet routes are still there. Measured \
         by IODA; RIPE routing data measures normal values."
    );
    assert_eq!(
        down(&[
            ("probe", "blocks", 0.0, Low),
            ("ripestat", "visibility", 1.0, Before),
            ("ioda", "bgp", 1.0, Stale)
        ]),
        "Almost nothing of what is probed in North Korea answers. Measured by own probes; not yet by RIPE routing data; \
         no data from IODA."
    );
    assert_eq!(
        down(&[("radar", "netflow", 0.12, Low), ("ripestat", "visibility", 1.0, Usual)]),
        "Internet traffic from North Korea is far below normal, at 12 % of it. Measured by Cloudflare Radar; RIPE \
         routing data measures normal values."
    );
    assert_eq!(
        down(&[
            ("probe", "dns", 0.0, Low),
            ("probe", "http", 0.2, Low),
            ("ripestat", "visibility", 1.0, Usual)
        ]),
        "Few of the name servers and web sites that are checked in North Korea work; the network itself is up. Measured \
         by own probes; RIPE routing data measures normal values."
    );
}

#[test]
fn a_suspicion_a_return_and_an_end_say_so() {
    let gone = || [("ripestat", "visibility", 0.0, Low), ("ioda", "bgp", 1.0, Before)];
    assert_eq!(
        said(Stage::Possible, "country/KP", &gone()),
        "Possible outage: almost all internet routes to North Korea are gone. Measured by RIPE routing data; not yet by \
         IODA."
    );
    assert_eq!(
        said(Stage::GoneAgain, "asn/131279", &gone()),
        "The return did not last. Almost all internet routes to the network AS131279 are gone. Measured by RIPE routing \
         data; not yet by IODA."
    );
    assert_eq!(
        said(
            Stage::Returning,
            "country/KP",
            &[("ripestat", "visibility", 1.0, Back), ("probe", "http", 0.0, Low)]
        ),
        "The internet routes to North Korea are back, but almost nothing that is probed there answers yet. Measured by \
         RIPE routing data; not yet by own probes."
    );
    assert_eq!(
        said(
            Stage::Returning,
            "country/KP",
            &[("ripestat", "visibility", 1.0, Back), ("probe", "http", 0.4, Low)]
        ),
        "A part of North Korea can be reached again. Measured by RIPE routing data; not yet by own probes."
    );
    let ended = Stage::Over(Timestamp::from_unix(FELL + 900));
    assert_eq!(
        said(
            ended,
            "country/KP",
            &[("ripestat", "visibility", 1.0, Back), ("ioda", "bgp", 1.0, Before)]
        ),
        "North Korea can be reached again. Measured by RIPE routing data; not yet by IODA."
    );
    assert_eq!(
        said(
            ended,
            "asn/131279",
            &[("ripestat", "visibility", 1.0, Back), ("probe", "mail", 0.0, Low)]
        ),
        "The network AS131279 can be reached again; mail is still below normal. Measured by RIPE routing data; not yet \
         by own probes."
    );
    assert_eq!(
        said(ended, "site/kcna.kp", &[("probe", "http", 1.0, Back)]),
        "kcna.kp works again. Measured by own probes."
    );
}

#[test]
fn where_nothing_is_known_nothing_is_claimed() {
    assert_eq!(said(Stage::Down, "country/KP", &[]), "");
    assert_eq!(said(Stage::Down, "country/KP", &[("ioda", "bgp", 1.0, Before)]), "");
}
