//! Whole ways through the program: the demo, and from a source's past to events.

use super::Place;
use crate::doubles::RipestatDouble;
use linkdown::clock::Clock;
use linkdown::domain::time::{DAY, HOUR};

#[test]
fn the_demo_shows_the_life_of_an_alert_each_message_labelled() {
    let place = Place::new();
    let shown = place.runs("demo").well();
    let messages: Vec<&str> =
        shown.split("\n\n").map(str::trim).filter(|message| !message.is_empty()).collect();
    let (first, rest) = messages.split_first().unwrap();
    let (last, rest) = rest.split_last().unwrap();
    assert!(first.contains("a reconstruction") && last.contains("To watch for real"), "{shown}");
    for message in rest.iter().filter(|message| !message.starts_with("> /")) {
        assert!(message.starts_with("[reconstructed] "), "{message}");
    }
    let mut after = 0;
    for words in DEMO_WORDS {
        let at =
            shown[after..].find(words).unwrap_or_else(|| panic!("`{words}` is missing: {shown}"));
        after += at;
    }
    assert!(place.files().is_empty());
}

const DEMO_WORDS: [&str; 8] = [
    "is down",
    "is partly back",
    "is gone again",
    "is partly back",
    "is back · it was down",
    "> /status KP",
    "> /history KP",
    "incident 1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_is_replayed_to_events() {
    let clock = Clock::system();
    let from = clock.now().floor_to(DAY) - 4 * DAY;
    let gone = from + 2 * DAY + 6 * HOUR;
    let ripestat = RipestatDouble::start(clock).await;
    ripestat.set("country/KP", "prefixes", move |at| {
        Some(if (gone..gone + 6 * HOUR).contains(&at) { 0.0 } else { 4.0 })
    });
    let config = "[sources.ioda]\nenabled = false\n";
    let place = Place::new().watching(config).with("LINKDOWN_RIPESTAT_URL", ripestat.url());
    let day = |seconds| (from + seconds).to_string()[..10].to_owned();
    let record = format!(
        "record --entity country/KP --from {} --until {} --out kp.csv",
        day(0),
        day(3 * DAY)
    );
    place.runs(&record).well();
    place.runs("replay --observations kp.csv --events out.jsonl").well();
    assert_eq!(place.files(), ["config", "kp.csv", "out.jsonl"]);
    let events = std::fs::read_to_string(place.path("out.jsonl")).unwrap();
    let kinds: Vec<String> = events
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    // One witness alone, however far it falls, is suspected and no more.
    assert_eq!(kinds, ["suspected", "retracted"], "{events}");
}

#[test]
fn a_record_of_which_nothing_came_leaves_no_file() {
    let place = Place::new().watching("[sources.ioda]\nenabled = false\n");
    let why = place
        .runs("record --entity KP --from 2025-06-06 --until 2025-06-07 --out kp.csv")
        .refused(1);
    assert!(why.starts_with("ripestat: cannot be reached"), "{why}");
    assert_eq!(place.files(), ["config"]);
}
