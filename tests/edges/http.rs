//! The HTTP layer: every way in which a server fails has a name of its own, and no failure tells a secret.

use super::{Asker, at, wanted};
use crate::doubles::{Fault, IodaDouble, RadarDouble};
use linkdown::clock::Clock;
use linkdown::source::http::{BODY_CAP, Base, Http, Timeouts};
use linkdown::source::ioda::Ioda;
use linkdown::source::radar::Radar;
use linkdown::source::{Polled, SourceError};

const TOKEN: &str = "s3cret-t0ken";

/// What the first question to an IODA with this fault comes to.
async fn meets(fault: Fault) -> SourceError {
    let clock = Clock::simulated(at("2025-06-06 18:00"));
    let double = IodaDouble::start(clock.clone()).await;
    double.set("country/KP", "bgp", |_| Some(4.0));
    let hasty = matches!(fault, Fault::Silent | Fault::SlowDrip);
    double.fault(fault);
    let new = if hasty { Asker::hasty } else { Asker::new };
    let asker = new(Ioda, &double.url(), None, &clock);
    asker
        .asks(&wanted(&["country/KP"], "2025-06-06 16:00", "2025-06-06 18:00"), 1)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_server_that_says_nothing_or_too_slowly_is_given_up() {
    assert_eq!(meets(Fault::Silent).await, SourceError::TimedOut);
    assert_eq!(meets(Fault::SlowDrip).await, SourceError::TimedOut);
}

#[tokio::test]
async fn a_broken_connection_is_told_as_one() {
    assert_eq!(
        meets(Fault::Reset).await.to_string(),
        "cannot be reached: the connection broke off before an answer came"
    );
    assert_eq!(
        meets(Fault::HalfBody).await.to_string(),
        "cannot be reached: the connection broke off in the middle of the answer"
    );
}

#[tokio::test]
async fn nobody_at_the_address_is_told_as_that() {
    let clock = Clock::simulated(at("2025-06-06 18:00"));
    let gone = IodaDouble::start(clock.clone()).await.url();
    let asker = Asker::new(Ioda, &gone, None, &clock);
    let w = wanted(&["country/KP"], "2025-06-06 16:00", "2025-06-06 18:00");
    // The double is gone as soon as its listener's task is; until then connections are reset.
    let error = asker.asks(&w, 1).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    assert!(error.is_worth_retrying() && !error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_page_with_200_is_no_answer() {
    let error = meets(Fault::Html).await;
    assert_eq!(
        error.to_string(),
        "answered with text/html; charset=utf-8 where JSON was due: probably an error page of its front end"
    );
}

#[tokio::test]
async fn a_servers_own_fault_and_a_busy_server_are_left_alone_for_a_while() {
    assert_eq!(
        meets(Fault::Status(500)).await,
        SourceError::ServerFault { status: 500, retry_after: None }
    );
    assert_eq!(meets(Fault::RateLimited("120")).await.retry_after(), Some(120));
    let by_date = meets(Fault::RateLimited("Fri, 06 Jun 2025 18:05:00 GMT")).await;
    assert_eq!(by_date.to_string(), "asks us to slow down (429), and to come back in 300 s");
    assert_eq!(
        meets(Fault::Status(404)).await,
        SourceError::Refused { status: 404, said: "no reason given".to_owned() }
    );
}

#[tokio::test]
async fn no_body_is_taken_beyond_the_cap_packed_or_not() {
    assert_eq!(meets(Fault::Huge).await, SourceError::TooLarge { limit: BODY_CAP });
    assert_eq!(meets(Fault::GzipBomb).await, SourceError::TooLarge { limit: BODY_CAP });
}

#[tokio::test]
async fn json_that_cannot_be_read_says_where() {
    let cut = meets(Fault::CutJson).await.to_string();
    assert_eq!(
        cut,
        "sent an answer that we cannot read: the JSON ends in the middle (line 1, column 20)"
    );
    assert_eq!(
        meets(Fault::WrongJson).await.to_string(),
        "sent no data: IODA's answer has no data at all"
    );
}

#[tokio::test]
async fn a_redirect_to_a_stranger_is_not_followed_and_one_in_circles_not_for_ever() {
    assert_eq!(
        meets(Fault::OffsiteRedirect).await,
        SourceError::OffsiteRedirect { host: "elsewhere.invalid".to_owned() }
    );
    assert_eq!(
        meets(Fault::RedirectLoop).await.to_string(),
        "cannot be reached: it redirects us in circles"
    );
}

#[tokio::test]
async fn no_failure_tells_the_token() {
    let clock = Clock::simulated(at("2025-06-06 18:00"));
    let double = RadarDouble::start(clock.clone(), "another").await;
    let faults = [
        None,
        Some(Fault::Silent),
        Some(Fault::Reset),
        Some(Fault::HalfBody),
        Some(Fault::Html),
        Some(Fault::Status(500)),
        Some(Fault::Status(403)),
        Some(Fault::OffsiteRedirect),
        Some(Fault::WrongJson),
    ];
    let asker = Asker::hasty(Radar, &double.url(), Some(TOKEN), &clock);
    let w = wanted(&["country/IR"], "2025-06-06 16:00", "2025-06-06 18:00");
    for fault in faults {
        double.heal();
        if let Some(fault) = fault.clone() {
            double.fault(fault);
        }
        let error = asker.asks(&w, 1).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{fault:?}: {error:?}");
    }
    assert!(!format!("{:?} {:?}", asker.base, asker.http).contains(TOKEN));
    assert!(
        double
            .requests()
            .iter()
            .any(|asked| asked.headers["authorization"] == format!("Bearer {TOKEN}"))
    );
}

#[tokio::test]
async fn we_say_who_we_are_and_keep_two_seconds_apart() {
    let clock = Clock::simulated(at("2025-06-06 18:00"));
    let double = IodaDouble::start(clock.clone()).await;
    double.set("country/KP", "bgp", |_| Some(4.0));
    let base = Base::new(Ioda.about(), Some(&double.url()), None).unwrap();
    let http =
        Http::new("https://example.org/linkdown", Timeouts::default(), clock.clone()).unwrap();
    let w = wanted(&["country/KP"], "2025-06-06 16:00", "2025-06-06 18:00");
    let plan = Ioda.plan(&w, clock.now(), 3);
    let asking = plan.into_iter().map(|request| {
        let (base, http, mut busy) = (base.clone(), http.clone(), clock.busy());
        tokio::spawn(async move { http.get(&base, &request, &mut busy).await.is_ok() })
    });
    let asking: Vec<_> = asking.collect();
    clock.advance_to(at("2025-06-06 18:01")).await;
    for asked in asking {
        asked.await.unwrap();
    }
    let seen = double.requests();
    let times: Vec<i64> = seen.iter().map(|asked| asked.at - at("2025-06-06 18:00")).collect();
    assert_eq!(times, [0, 2, 4]);
    let agent = format!("linkdown/{} (+https://example.org/linkdown)", env!("CARGO_PKG_VERSION"));
    assert!(
        seen.iter().all(|asked| asked.headers["user-agent"] == agent
            && asked.headers["accept-encoding"] == "gzip")
    );
}

#[test]
fn a_base_address_that_cannot_be_used_is_refused_with_its_variable() {
    let why = |url: &str| Base::new(Ioda.about(), Some(url), None).unwrap_err().to_string();
    assert_eq!(
        why("ftp://example.org"),
        "has a base address that cannot be used: it must begin with http:// or https:// and a host (see LINKDOWN_IODA_URL)"
    );
    for url in ["", "example.org", "http://user:pass@example.org", "http://example.org/?a=b"] {
        assert!(!why(url).contains("pass@"), "{url}");
    }
}
