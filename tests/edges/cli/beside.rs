//! What may be asked beside a running bot, and what must never be seen.

use super::{KP, ONLY_IODA, PATIENCE, Place};
use crate::doubles::{IodaDouble, RadarDouble};
use linkdown::clock::Clock;
use nix::sys::signal::Signal;
use std::time::Instant;

#[test]
fn status_health_and_backup_work_beside_a_running_bot() {
    let place = Place::new().watching(&format!("{KP}{ONLY_IODA}"));
    assert!(place.runs("health").refused(1).contains("there is no database data/linkdown.db yet"));
    let mut bot = place.starts("run");
    bot.says("reading the past");
    let begun = Instant::now();
    while place.runs("health").code != Some(0) {
        assert!(begun.elapsed() < PATIENCE, "no sign of life");
    }
    assert!(place.runs("health").well().starts_with("running; "));
    assert!(place.runs("status KP").well().contains("North Korea: unknown"));
    assert_eq!(place.runs("backup copy.db").well(), "");
    assert_eq!(
        place.runs("backup copy.db").refused(1),
        "copy.db exists already; name a file that does not exist yet"
    );
    assert!(place.runs("status KP --database copy.db").well().contains("North Korea"));
    bot.stops_by(Signal::SIGTERM);
    assert!(place.runs("health").refused(1).contains("the last one was stopped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_watched_is_looked_up_and_said_to_be_partial() {
    let ioda = IodaDouble::start(Clock::system()).await;
    for datasource in ["bgp", "ping-slash24"] {
        ioda.set("country/SE", datasource, |_| Some(9000.0));
    }
    let place = Place::new().watching(KP).with("LINKDOWN_IODA_URL", ioda.url());
    let answer = place.runs("status SE").well();
    assert!(answer.contains("Sweden is up") && answer.contains("It is not watched"), "{answer}");
    assert!(answer.contains("RIPEstat: cannot be reached"), "{answer}");
    let json = place.runs("status KP --json").well();
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found[0]["entity"], "country/KP");
    assert_eq!(place.files(), ["config"], "a question makes no database");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_never_shown_however_much_is_logged() {
    const TOKEN: &str = "s3cret-t0ken-of-mine";
    let radar = RadarDouble::start(Clock::system(), "another-token").await;
    let place = Place::new()
        .watching(&format!("{KP}{ONLY_IODA}[sources.ioda]\nenabled = false\n"))
        .with("LINKDOWN_RADAR_URL", radar.url())
        .with("LINKDOWN_RADAR_TOKEN", TOKEN)
        .with("RUST_LOG", "trace");
    let mut bot = place.starts("run");
    bot.says("refused the token");
    bot.types("/sources");
    bot.says("radar");
    let said = bot.stops_by(Signal::SIGTERM);
    assert!(!said.contains(TOKEN), "{said}");
    let stored = std::fs::read(place.path("data/linkdown.db")).unwrap();
    assert!(!stored.windows(TOKEN.len()).any(|bytes| bytes == TOKEN.as_bytes()));
}
