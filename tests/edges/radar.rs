//! Cloudflare Radar against its double.

use super::{Asker, at, lines, reports, wanted};
use crate::doubles::{Fault, RadarDouble};
use linkdown::clock::Clock;
use linkdown::domain::{FactKind, Timestamp};
use linkdown::source::radar::Radar;
use linkdown::source::{Query, SourceError};
use serde_json::json;

const TOKEN: &str = "s3cret-t0ken";

async fn at_six() -> (RadarDouble, Asker) {
    let clock = Clock::simulated(at("2025-06-06 18:00"));
    let double = RadarDouble::start(clock.clone(), TOKEN).await;
    let asker = Asker::new(Radar, &double.url(), Some(TOKEN), &clock);
    (double, asker)
}

fn two_hours() -> Query {
    wanted(&["country/IR"], "2025-06-06 16:00", "2025-06-06 18:00")
}

fn cut(normal: f64, from: Timestamp) -> impl Fn(Timestamp) -> Option<f64> {
    move |at| Some(if at < from { normal } else { normal / 10.0 })
}

#[tokio::test]
async fn traffic_is_read_as_a_multiple_of_its_usual_whatever_the_scale() {
    let (double, asker) = at_six().await;
    let expected = [
        "country/IR netflow 16:00 1",
        "country/IR netflow 16:15 1",
        "country/IR netflow 16:30 1",
        "country/IR netflow 16:45 1",
        "country/IR netflow 17:00 0.1",
        "country/IR netflow 17:15 0.1",
    ];
    double.set("country/IR", cut(2e9, at("2025-06-06 17:00")));
    assert_eq!(lines(&asker.asks(&two_hours(), 1).await.unwrap()), expected);

    // One peak, days ago, changes the scale of the whole reply, and nothing for us.
    let (base, peak) = (cut(2e9, at("2025-06-06 17:00")), at("2025-06-03 12:00"));
    double.set("country/IR", move |at| if at == peak { Some(8e9) } else { base(at) });
    assert_eq!(lines(&asker.asks(&two_hours(), 1).await.unwrap()), expected);
}

#[tokio::test]
async fn a_country_that_radar_hardly_sees_has_no_signal() {
    let (double, asker) = at_six().await;
    double.set("country/IR", |_| Some(1.0));
    double.confidence("country/IR", 2);
    let readings = asker.asks(&two_hours(), 1).await.unwrap();
    assert!(readings.observations.is_empty());
    assert!(
        matches!(&readings.facts[0].kind, FactKind::PollFailed { error } if error.contains("confidence"))
    );
}

#[tokio::test]
async fn annotations_and_anomalies_are_reports() {
    let (double, asker) = at_six().await;
    double.set("country/IR", |_| Some(1.0));
    double.annotation(json!({"id": "9001", "startDate": "2025-06-06T17:00:00Z", "endDate": null, "locations": ["IR"],
        "asns": [], "outage": {"outageCause": "GOVERNMENT_DIRECTED", "outageType": "NATIONWIDE"}}));
    double.anomaly(json!({"uuid": "u1", "type": "LOCATION", "status": "VERIFIED", "startDate": "2025-06-06T17:15:00Z",
        "locationDetails": {"code": "IR", "name": "Iran"}}));
    let readings = asker.asks(&two_hours(), 9).await.unwrap();
    assert_eq!(
        reports(&readings),
        [
            "country/IR: Cloudflare Radar: NATIONWIDE, 17:00 to open",
            "country/IR: Cloudflare Radar: traffic anomaly (VERIFIED), 17:15 to open",
        ]
    );
}

#[tokio::test]
async fn a_bad_token_stops_the_source_without_repeating_the_token() {
    let (double, _) = at_six().await;
    let clock = Clock::simulated(at("2025-06-06 18:00"));
    for token in [None, Some("wr0ng-t0ken")] {
        let asker = Asker::new(Radar, &double.url(), token, &clock);
        let error = asker.asks(&two_hours(), 1).await.unwrap_err();
        assert!(error.is_final() && matches!(error, SourceError::TokenRefused { .. }), "{error:?}");
        assert!(error.to_string().contains("put a valid one into LINKDOWN_RADAR_TOKEN"), "{error}");
        assert!(
            !error.to_string().contains("wr0ng"),
            "the service repeats the token, we do not: {error}"
        );
    }
}

#[tokio::test]
async fn faults_inside_an_answer_are_no_outage() {
    let (double, asker) = at_six().await;
    double.set("country/IR", |_| Some(1.0));
    double.fault(Fault::ErrorInside);
    let error = asker.asks(&two_hours(), 1).await.unwrap_err();
    assert_eq!(error.to_string(), "refused the question (HTTP 200): internal, code 2000");
    double.fault(Fault::EmptyData);
    assert!(matches!(asker.asks(&two_hours(), 1).await, Err(SourceError::Empty { .. })));
    double.fault(Fault::Negative);
    assert!(asker.asks(&two_hours(), 1).await.unwrap().observations.is_empty());
    double.fault(Fault::WrongJson);
    assert!(matches!(asker.asks(&two_hours(), 1).await, Err(SourceError::Malformed { .. })));
}
