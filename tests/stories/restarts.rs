//! What was missed while the bot was away, and what was going on when it first came.

use crate::doubles::Fault;
use crate::harness::{NORTH_KOREA, World, at, titles};
use linkdown::clock::Clock;
use linkdown::domain::time::DAY;

async fn north_korea(now: &str) -> World {
    World::new(now, NORTH_KOREA).await
}

/// The bot was stopped at 16:00, North Korea vanished at 16:30, and it is 21:00.
async fn away_while_it_vanishes_until(until: &str) -> World {
    let mut world = north_korea("2025-06-06 12:00").await;
    world.start().await;
    world.until("2025-06-06 16:00").await;
    world.stop().await;
    world.north_korea_vanishes("2025-06-06 16:30", until);
    world.advance_to("2025-06-06 21:00").await;
    world
}

#[tokio::test]
async fn an_outage_that_came_and_went_in_our_absence_is_one_line() {
    let mut world = away_while_it_vanishes_until("2025-06-06 18:00").await;

    world.start().await;
    world.until("2025-06-06 22:00").await;

    let seen = world.sees();
    let [line] = titles(&seen)[..] else { panic!("{seen}") };
    assert_eq!(
        line,
        "🟢 While Linkdown was away North Korea was down 1 h 31 min: from Sat 7 Jun 01:29 KST (Fri 6 Jun 16:29 UTC) \
          until Sat 7 Jun 03:00 KST (Fri 6 Jun 18:00 UTC)"
    );
    world.types("/history KP").await;
    assert!(world.sees().contains("North Korea · down 1 h 31 min"));
}

#[tokio::test]
async fn an_outage_that_began_in_our_absence_and_goes_on_is_told_as_such() {
    let mut world = away_while_it_vanishes_until("2025-06-06 23:00").await;

    world.start().await;
    world.until("2025-06-06 22:00").await;

    let seen = world.sees();
    assert_eq!(titles(&seen).len(), 1, "{seen}");
    assert!(seen.starts_with("🔴 North Korea is already down"), "{seen}");
    world.until("2025-06-07 01:00").await;
    assert!(world.sees().contains("🟢 North Korea is back"));
}

#[tokio::test]
async fn a_first_start_tells_only_what_still_goes_on() {
    let mut world = north_korea("2025-06-06 12:00").await;
    world.north_korea_vanishes("2025-06-06 06:00", "2025-06-06 23:00");
    world.start().await;
    world.until("2025-06-06 13:00").await;
    let seen = world.sees();
    assert_eq!(titles(&seen).len(), 1, "{seen}");
    assert!(seen.starts_with("🔴 North Korea is already down"), "{seen}");
    assert!(seen.contains("since Fri 6 Jun 14:59 KST (Fri 6 Jun 05:59 UTC)"), "{seen}");
}

#[tokio::test]
async fn what_was_over_before_the_first_start_is_history_and_no_news() {
    let mut world = north_korea("2025-06-06 12:00").await;
    world.north_korea_vanishes("2025-06-04 06:00", "2025-06-04 09:00");
    world.start().await;
    world.until("2025-06-06 14:00").await;
    assert_eq!(world.sees(), "");
    world.types("/history KP").await;
    let history = world.sees();
    assert!(history.contains("North Korea · down 3 h"), "{history}");
}

#[tokio::test]
async fn a_source_that_fails_is_said_to_and_is_nobodys_outage() {
    for fault in [Fault::Html, Fault::RateLimited("600"), Fault::EmptyData, Fault::Reset] {
        let mut world = north_korea("2025-06-06 12:00").await;
        world.start().await;
        world.until("2025-06-06 13:00").await;
        let shown = format!("{fault:?}");
        world.ioda.fault(fault);
        world.until("2025-06-06 15:00").await;
        assert_eq!(world.sees(), "", "{shown}");
        world.types("/sources").await;
        let sources = world.sees();
        assert!(sources.contains("ioda        in trouble"), "{shown}: {sources}");
        world.types("/status KP").await;
        let status = world.sees();
        assert!(status.starts_with("🟢 North Korea is up"), "{shown}: {status}");
        assert!(status.contains("Unknown     routing (IODA BGP)"), "{shown}: {status}");
        world.ioda.heal();
        world.until("2025-06-06 17:00").await;
        world.types("/sources").await;
        let sources = world.sees();
        assert!(sources.contains("ioda        fine"), "{shown}: {sources}");
    }
}

#[tokio::test]
async fn trailing_bins_that_are_published_too_low_and_corrected_wake_nobody() {
    let mut world = north_korea("2025-06-06 12:00").await;
    for entity in ["country/KP", "asn/131279"] {
        // For the first twenty minutes after its publication a bin lacks most of its probers.
        world.ioda.set_revised(entity, "ping-slash24", |bin, now| {
            Some(if now - bin < 1800 + 1200 { 1.0 } else { 4.0 })
        });
    }
    world.start().await;
    world.until("2025-06-07 12:00").await;
    assert_eq!(world.sees(), "");
}

#[tokio::test]
async fn a_source_that_shows_nothing_for_everybody_is_itself_at_fault() {
    let mut world = north_korea("2025-06-06 12:00").await;
    world.start().await;
    let (from, until) = ("2025-06-06 14:00", "2025-06-06 17:00");
    for entity in ["country/KP", "asn/131279", "country/US", "country/DE", "country/JP"] {
        world.is_gone_by_ioda(entity, from, until);
    }
    world.until("2025-06-06 19:00").await;
    assert_eq!(world.sees(), "");
}

#[tokio::test]
async fn absurd_values_are_unknown_and_the_source_is_said_to_have_nothing_new() {
    let mut world = north_korea("2025-06-06 12:00").await;
    world.start().await;
    world.ioda.fault(Fault::Negative);
    world.until("2025-06-06 15:00").await;
    world.types("/sources").await;
    world.types("/status KP").await;
    let seen = world.sees();
    assert!(seen.contains("ioda        answers, but has nothing new"), "{seen}");
    assert!(seen.contains("🟢 North Korea is up"), "{seen}");
}

#[tokio::test]
async fn with_nobody_to_reach_it_starts_keeps_trying_and_catches_up_when_they_are_back() {
    let mut world = north_korea("2025-06-06 12:00").await;
    world.ioda.fault(Fault::Reset);
    world.ripestat.fault(Fault::Reset);
    world.start().await;
    world.until("2025-06-06 14:00").await;
    world.types("/sources").await;
    let sources = world.sees();
    assert_eq!(sources.matches("in trouble: cannot be reached").count(), 2, "{sources}");
    // Two hours of backing off cost a call each time, not all that were planned.
    let spent = sources.split(" of 1000 calls").next().unwrap().rsplit(' ').next().unwrap();
    assert!(spent.parse::<u32>().unwrap() < 20, "{sources}");
    world.types("/status KP").await;
    assert!(world.sees().starts_with("⚪ North Korea: unknown"));

    world.ioda.heal();
    world.ripestat.heal();
    world.north_korea_vanishes("2025-06-06 13:00", "2025-06-06 23:00");
    world.until("2025-06-06 16:00").await;
    let seen = world.sees();
    assert_eq!(titles(&seen).len(), 1, "{seen}");
    assert!(seen.starts_with("🔴 North Korea is already down"), "{seen}");
}

#[tokio::test]
async fn an_absence_is_read_whole_also_when_the_first_answers_break_off() {
    let mut world = away_while_it_vanishes_until("2025-06-06 18:00").await;
    world.ioda.fault(Fault::CutJson);
    world.ripestat.fault(Fault::CutJson);

    world.start().await;
    world.until("2025-06-06 21:20").await;
    world.ioda.heal();
    world.ripestat.heal();
    world.until("2025-06-06 23:00").await;

    let seen = world.sees();
    assert_eq!(titles(&seen).len(), 1, "{seen}");
    assert!(
        seen.starts_with("🟢 While Linkdown was away North Korea was down 1 h 31 min"),
        "{seen}"
    );
}

/// A machine whose battery is empty may start in another year.
#[tokio::test]
async fn a_clock_that_is_months_ahead_of_the_servers_removes_nothing() {
    let mut world = north_korea("2025-06-06 12:00").await;
    let truth = Clock::simulated(at("2025-06-06 12:00"));
    world.ioda_goes_by(&truth).await;
    world.start().await;
    world.until_with(&truth, "2025-06-06 16:00").await;
    world.stop().await;
    let kept = |world: &World| {
        let database = rusqlite::Connection::open(world.database()).unwrap();
        let until = at("2025-06-06 16:00").unix();
        let sql = "SELECT count(*) FROM observation WHERE observed_at < ?1";
        database.query_row(sql, [until], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = kept(&world);
    assert!(before > 100, "{before}");
    world.clock.set_wall_offset(100 * DAY);
    world.start_again().await;
    // Past half past three by that clock as well: then what is old is removed.
    world.until_with(&truth, "2025-06-07 06:00").await;
    world.stop().await;
    assert!(kept(&world) >= before);
}
