//! A clean stop within three seconds, whatever is under way; and no network at all.

use super::{KP, ONLY_IODA, Place};
use crate::doubles::{Fault, IodaDouble};
use linkdown::clock::Clock;
use nix::sys::signal::Signal;

async fn ill(fault: Fault) -> (IodaDouble, Place) {
    let ioda = IodaDouble::start(Clock::system()).await;
    ioda.fault(fault);
    let place =
        Place::new().watching(&format!("{KP}{ONLY_IODA}")).with("LINKDOWN_IODA_URL", ioda.url());
    (ioda, place)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_past_is_read_from_a_source_that_says_nothing() {
    let (_ioda, place) = ill(Fault::Silent).await;
    let mut bot = place.starts("run");
    bot.says("reading the past");
    bot.stops_by(Signal::SIGTERM);
    assert!(place.runs("health").refused(1).contains("the last one was stopped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_an_answer_drips_in() {
    let (_ioda, place) = ill(Fault::SlowDrip).await;
    let mut bot = place.starts("run");
    bot.says("reading the past");
    bot.stops_by(Signal::SIGINT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_typed_question_waits_for_its_answer() {
    let (ioda, place) = ill(Fault::Silent).await;
    let mut bot = place.starts("run");
    bot.says("reading the past");
    bot.types("/help");
    bot.says("/sources");
    bot.types("/status SE");
    // Asked already or about to be: the stop must not wait for it in either case.
    while ioda.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    bot.stops_by(Signal::SIGTERM);
}

#[test]
fn without_a_network_it_says_so_answers_and_keeps_trying() {
    let place = Place::new().watching(KP);
    let mut bot = place.starts("run");
    bot.types("/status KP");
    bot.says("North Korea: unknown");
    bot.types("/statsu KP");
    bot.says("did you mean /status?");
    bot.types("/help");
    bot.says("/watchlist");
    bot.closes_its_keyboard();
    bot.says("cannot be reached: Connection refused");
    let said = bot.stops_by(Signal::SIGINT);
    assert!(said.contains("stopping"), "the end of the keyboard is not the end of the bot: {said}");
}
