//! RIPEstat against its double.

use super::{Asker, at, lines, wanted};
use crate::doubles::{Fault, RipestatDouble};
use linkdown::clock::Clock;
use linkdown::domain::FactKind;
use linkdown::source::ripestat::Ripestat;
use linkdown::source::{Purpose, Query, SourceError};

async fn at_six() -> (RipestatDouble, Asker) {
    let clock = Clock::simulated(at("2025-06-06 18:10"));
    let double = RipestatDouble::start(clock.clone()).await;
    let asker = Asker::new(Ripestat::new("tests"), &double.url(), None, &clock);
    double.announces("asn/131279", &["175.45.176.0/24", "175.45.177.0/24"], &[4837, 20485, 4837]);
    double.set("asn/131279", "visibility", |_| Some(349.0));
    double.set("country/KP", "prefixes", |_| Some(4.0));
    (double, asker)
}

fn last_hour(entities: &[&str]) -> Query {
    wanted(entities, "2025-06-06 17:40", "2025-06-06 18:10")
}

#[tokio::test]
async fn a_country_is_read_by_its_prefixes() {
    let (double, asker) = at_six().await;
    let gone = at("2025-06-06 17:50")..at("2025-06-06 18:00");
    double
        .set("country/KP", "prefixes", move |at| Some(if gone.contains(&at) { 0.0 } else { 4.0 }));
    let readings = asker.asks(&last_hour(&["country/KP"]), 1).await.unwrap();
    assert_eq!(
        lines(&readings),
        [
            "country/KP prefixes 17:40 4",
            "country/KP prefixes 17:45 4",
            "country/KP prefixes 17:50 0",
            "country/KP prefixes 17:55 0",
            "country/KP prefixes 18:00 4",
            "country/KP prefixes 18:05 4",
        ]
    );
}

#[tokio::test]
async fn a_network_is_read_by_the_peers_that_see_it_and_their_gateways() {
    let (_double, asker) = at_six().await;
    let readings = asker.asks(&last_hour(&["asn/131279"]), 9).await.unwrap();
    assert_eq!(lines(&readings), ["asn/131279 visibility 18:10 349"]);
    let facts: Vec<_> = readings.facts.iter().map(|fact| fact.kind.clone()).collect();
    let gateway =
        |asn, peers_seeing| FactKind::Gateway { asn, name: None, prefixes_seen: 2, peers_seeing };
    assert_eq!(facts, [gateway(4837, 233), gateway(20485, 116), FactKind::Peers { total: 352 }]);
}

#[tokio::test]
async fn seen_by_nobody_is_a_zero_when_fresh_and_nothing_when_old() {
    let (double, asker) = at_six().await;
    double.set("asn/131279", "visibility", |_| Some(0.0));
    assert_eq!(
        lines(&asker.asks(&last_hour(&["asn/131279"]), 1).await.unwrap()),
        ["asn/131279 visibility 18:10 0"]
    );
    double.lags(2 * 3600);
    let error = asker.asks(&last_hour(&["asn/131279"]), 1).await.unwrap_err();
    assert!(matches!(error, SourceError::Empty { .. }), "{error}");
}

#[tokio::test]
async fn a_backfill_learns_what_is_normal() {
    let (double, asker) = at_six().await;
    let entities = ["country/KP", "asn/131279"];
    let two_weeks = Query {
        purpose: Purpose::Backfill,
        ..wanted(&entities, "2025-05-23 18:10", "2025-06-06 18:10")
    };
    let readings = asker.asks(&two_weeks, 999).await.unwrap();
    let of =
        |signal: &str| readings.observations.iter().filter(|o| o.series.signal == signal).count();
    assert_eq!((of("prefixes"), of("visibility")), (14 * 24, 6));
    assert_eq!(double.requests().len(), 8);
}

#[tokio::test]
async fn faults_inside_an_answer_are_no_outage() {
    let (double, asker) = at_six().await;
    double.fault(Fault::ErrorInside);
    let error = asker.asks(&last_hour(&["country/KP"]), 1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "sent no data: RIPEstat reports an error: the request took too long"
    );

    double.fault(Fault::EmptyData);
    assert!(matches!(
        asker.asks(&last_hour(&["country/KP"]), 1).await,
        Err(SourceError::Empty { .. })
    ));

    double.fault(Fault::Negative);
    let readings = asker.asks(&last_hour(&["country/KP"]), 1).await.unwrap();
    assert!(
        !readings.observations.is_empty()
            && readings.observations.iter().all(|o| o.value.is_none())
    );

    double.fault(Fault::WrongJson);
    assert!(asker.asks(&last_hour(&["country/KP"]), 1).await.is_err());
}

#[tokio::test]
async fn the_double_refuses_what_the_real_one_refuses() {
    let (double, _) = at_six().await;
    let status = |path: &str| {
        let url = format!("{}{path}", double.url());
        async move { reqwest::get(url).await.unwrap().status().as_u16() }
    };
    assert_eq!(status("/data/bgp-state/data.json?resource=AS131279&sourceapp=linkdown").await, 200);
    assert_eq!(status("/data/bgp-state/data.json?resource=AS131279&sourceapp=a%20b").await, 400);
    assert_eq!(status("/data/bgp-state/data.json?resource=nonsense&sourceapp=linkdown").await, 400);
    let fractional = "resource=AS131279&sourceapp=linkdown&timestamp=2025-06-06T17:00:00.5Z";
    assert_eq!(status(&format!("/data/bgp-state/data.json?{fractional}")).await, 400);
    assert_eq!(status("/data/nothing-such/data.json?sourceapp=linkdown").await, 400);

    double.fault_for(8, Fault::Silent);
    let url =
        format!("{}/data/bgp-state/data.json?resource=AS131279&sourceapp=linkdown", double.url());
    let before = double.requests().len();
    let hanging: Vec<_> = (0..8).map(|_| tokio::spawn(reqwest::get(url.clone()))).collect();
    while double.requests().len() < before + 8 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        status("/data/bgp-state/data.json?resource=AS131279&sourceapp=linkdown").await,
        429,
        "a ninth at once"
    );
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}
