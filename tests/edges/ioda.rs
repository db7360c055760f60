//! IODA against its double.

use super::{Asker, at, lines, reports, wanted};
use crate::doubles::{Fault, IodaDouble};
use linkdown::clock::Clock;
use linkdown::domain::{FactKind, Timestamp};
use linkdown::source::ioda::Ioda;
use linkdown::source::{Query, SourceError};
use serde_json::json;

async fn at_six() -> (IodaDouble, Asker) {
    let clock = Clock::simulated(at("2025-06-06 18:10"));
    let double = IodaDouble::start(clock.clone()).await;
    let asker = Asker::new(Ioda, &double.url(), None, &clock);
    (double, asker)
}

fn last_hour(entities: &[&str]) -> Query {
    wanted(entities, "2025-06-06 17:10", "2025-06-06 18:10")
}

#[tokio::test]
async fn an_outage_is_read_as_far_as_it_is_published() {
    let (double, asker) = at_six().await;
    double.outage("country/KP", 4.0, at("2025-06-06 17:35"), at("2025-06-07 02:30"));
    double.set("asn/131279", "bgp", |at| {
        (at != Timestamp::parse("2025-06-06 17:30").unwrap()).then_some(4.0)
    });
    let readings = asker.asks(&last_hour(&["country/KP", "asn/131279"]), 2).await.unwrap();
    assert_eq!(
        lines(&readings),
        [
            "country/KP bgp 17:10 4",
            "country/KP bgp 17:15 4",
            "country/KP bgp 17:20 4",
            "country/KP bgp 17:25 4",
            "country/KP bgp 17:30 4",
            "country/KP bgp 17:35 0",
            "country/KP bgp 17:40 0",
            "asn/131279 bgp 17:10 4",
            "asn/131279 bgp 17:15 4",
            "asn/131279 bgp 17:20 4",
            "asn/131279 bgp 17:25 4",
            "asn/131279 bgp 17:30 unknown",
            "asn/131279 bgp 17:35 4",
            "asn/131279 bgp 17:40 4",
        ]
    );
}

#[tokio::test]
async fn a_bin_is_read_again_when_it_is_revised() {
    let (double, asker) = at_six().await;
    let settled = at("2025-06-06 18:30");
    double.set_revised("country/KP", "bgp", move |_, now| {
        Some(if now < settled { 3.0 } else { 4.0 })
    });
    let first = asker.asks(&last_hour(&["country/KP"]), 1).await.unwrap();
    asker.clock.advance_to(settled).await;
    let second = asker.asks(&last_hour(&["country/KP"]), 1).await.unwrap();
    assert_eq!(first.observations[0].observed_at, second.observations[0].observed_at);
    assert_eq!((first.observations[0].value, second.observations[0].value), (Some(3.0), Some(4.0)));
}

#[tokio::test]
async fn an_unknown_code_among_others_is_named_and_alone_it_is_refused() {
    let (double, asker) = at_six().await;
    double.set("country/KP", "bgp", |_| Some(4.0));
    let readings = asker.asks(&last_hour(&["country/ZZ", "country/KP"]), 1).await.unwrap();
    assert_eq!(readings.observations.len(), 7);
    assert_eq!(readings.facts[0].entity.to_string(), "country/ZZ");
    assert!(matches!(readings.facts[0].kind, FactKind::PollFailed { .. }));

    let alone = asker.asks(&last_hour(&["country/ZZ"]), 1).await.unwrap_err();
    assert_eq!(
        alone.to_string(),
        "refused the question (HTTP 400): cannot find corresponding metadata entity"
    );
    let network = asker.asks(&last_hour(&["asn/64500"]), 1).await.unwrap_err();
    assert_eq!(network.to_string(), "sent no data: IODA has no bgp series for what was asked");
}

#[tokio::test]
async fn a_malformed_series_is_named_and_the_others_are_read() {
    let (double, asker) = at_six().await;
    for entity in ["country/KP", "country/CU", "country/IR"] {
        double.set(entity, "bgp", |_| Some(4.0));
    }
    for step in [json!(0), json!(-300), json!(1e15), json!(null), json!("soon"), json!([300])] {
        let spoilt = step.clone();
        double.spoils("country/IR", move |series| series["step"] = spoilt.clone());
        let readings =
            asker.asks(&last_hour(&["country/KP", "country/CU", "country/IR"]), 1).await.unwrap();
        let of =
            |entity: &str| lines(&readings).iter().filter(|line| line.starts_with(entity)).count();
        assert_eq!((of("country/KP"), of("country/CU"), of("country/IR")), (7, 7, 0), "{step}");
        assert_eq!(readings.odd.len(), 1);
        assert_eq!(readings.odd[0].entity.as_ref().unwrap().to_string(), "country/IR");
        assert!(
            readings.odd[0]
                .why
                .starts_with("IODA's bgp series of country/IR is malformed: its step is")
        );
        assert_eq!(readings.facts.len(), 1, "its poll has failed: {:?}", readings.facts);
        assert_eq!(readings.facts[0].entity.to_string(), "country/IR");
    }
    double.spoils("country/IR", |series| series["step"] = json!("300"));
    let readings =
        asker.asks(&last_hour(&["country/KP", "country/CU", "country/IR"]), 1).await.unwrap();
    assert_eq!(
        (readings.observations.len(), readings.odd.len()),
        (21, 0),
        "a number as text is one"
    );
}

#[tokio::test]
async fn its_own_events_are_reports_and_an_open_one_stays_open() {
    let (double, asker) = at_six().await;
    for datasource in ["bgp", "ping-slash24", "merit-nt", "gtr"] {
        double.set("country/KP", datasource, |_| Some(4.0));
    }
    double.event("country/KP", "bgp", at("2025-06-06 17:35"), None);
    double.event(
        "country/KP",
        "ping-slash24",
        at("2025-06-06 17:20"),
        Some(at("2025-06-06 17:50")),
    );
    let readings = asker.asks(&last_hour(&["country/KP"]), 99).await.unwrap();
    assert_eq!(
        reports(&readings),
        [
            "country/KP: IODA outage event in bgp (score 4500), 17:35 to open",
            "country/KP: IODA outage event in ping-slash24 (score 4500), 17:20 to 17:50",
            "country/KP: IODA alert: ping-slash24 critical (value 0, before 4), 17:20 to 17:50",
            "country/KP: IODA alert: bgp critical (value 0, before 4), 17:35 to open",
        ]
    );
}

#[tokio::test]
async fn a_source_that_knows_nothing_is_no_outage() {
    let (double, asker) = at_six().await;
    double.set("country/KP", "bgp", |_| Some(4.0));
    double.fault(Fault::EmptyData);
    let error = asker.asks(&last_hour(&["country/KP"]), 1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "sent no data: 200 with empty data: IODA's back end is probably down"
    );

    double.fault(Fault::ErrorInside);
    let error = asker.asks(&last_hour(&["country/KP"]), 1).await.unwrap_err();
    assert_eq!(error, SourceError::Refused { status: 200, said: "Backend failure".to_owned() });

    double.fault(Fault::Negative);
    let readings = asker.asks(&last_hour(&["country/KP"]), 1).await.unwrap();
    assert!(readings.observations.iter().all(|o| o.value.is_none()));

    double.heal();
    assert!(
        asker
            .asks(&last_hour(&["country/KP"]), 1)
            .await
            .unwrap()
            .observations
            .iter()
            .all(|o| o.value.is_some())
    );
}

#[tokio::test]
async fn the_double_refuses_what_the_real_one_refuses() {
    let (double, _) = at_six().await;
    double.set("country/KP", "bgp", |_| Some(4.0));
    let status = |path: &str| {
        let url = format!("{}{path}", double.url());
        async move { reqwest::get(url).await.unwrap().status().as_u16() }
    };
    let window = "from=1749225600&until=1749232800";
    assert_eq!(status(&format!("/signals/raw/country/KP?{window}&datasource=bgp")).await, 200);
    assert_eq!(status(&format!("/signals/raw/country/KP?{window}&datasource=bgp,gtr")).await, 400);
    assert_eq!(status("/signals/raw/country/KP?from=0&until=8640001&datasource=bgp").await, 400);
    assert_eq!(status("/signals/raw/country/KP?until=1749232800&datasource=bgp").await, 400);
    assert_eq!(
        status("/signals/raw/country/KP?from=2025-06-06&until=1749232800&datasource=bgp").await,
        400
    );
    assert_eq!(status(&format!("/signals/raw/country/ZZ?{window}&datasource=bgp")).await, 400);
    assert_eq!(status(&format!("/signals/raw/asn/64500?{window}&datasource=bgp")).await, 200);
}
