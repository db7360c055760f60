//! Decides which health signals are reported to the operator. Pure. A reported problem is over only
//! when it is clearly over, so that it is not reported many times.

use super::signs::{File, HealthSnapshot};
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{OperatorAlert, Seconds, Timestamp};
use crate::render::words::{duration, plural};
use crate::supervisor::WorkReport;

/// A source that has not answered for this many seconds is failing for long: most that fail are
/// back within the hour.
const ILL: Seconds = 2 * HOUR;
/// An entity about which a source has refused to answer for this many seconds is reported.
const REFUSED: Seconds = HOUR;
/// Deliveries that are owed for this many seconds pile up.
const PILED_UP: Seconds = 30 * MINUTE;
/// With fewer free bytes than this, the database may soon be full: more than any migration or
/// nightly pruning takes.
pub const LITTLE: u64 = 256 << 20;
/// With this many free bytes, the space is enough again.
const ENOUGH: u64 = 384 << 20;
/// A clock that is off by more seconds than this dates outages wrongly, and certificates may fail.
pub const OFF: Seconds = 90;
/// A clock that is off by at most this many seconds is right again.
const RIGHT: Seconds = 30;
/// A task that crashed within this many seconds is reported.
const FELL: Seconds = HOUR;

/// A deletion of the database is reported for this many seconds: it is repaired, but somebody must
/// find out who did it.
const DELETED: Seconds = HOUR;

/// The subject of the alert about a damaged file.
pub(super) const DATABASE: &str = "database";

/// Formats by how much a clock is off: `2 h behind`, `3 min ahead of`.
pub fn off_by(ahead: Seconds) -> String {
    format!("{} {}", duration(ahead.abs()), if ahead > 0 { "ahead of" } else { "behind" })
}

/// Returns the alerts that hold now: new ones, and known ones that are not clearly over.
pub(super) fn troubles(signs: &HealthSnapshot) -> Vec<OperatorAlert> {
    let mut found = Vec::new();
    let mut say = |what: String, since: Timestamp, said: String| {
        // A clock that was ahead and is set right may have recorded instants in the future.
        found.push(OperatorAlert { what, since: since.min(signs.now), said });
    };
    failing(signs, &mut say);
    refused(signs, &mut say);
    for owed in signs.waiting.iter().filter(|owed| signs.now - owed.oldest >= PILED_UP) {
        let why =
            owed.error.as_ref().map(|error| format!(" Last error: {error}.")).unwrap_or_default();
        say(
            format!("deliveries {}", owed.platform),
            owed.oldest,
            format!(
                "{} wait on {}, the oldest for {}.{why} Nothing is lost: it goes on by itself; `linkdown deliveries` \
                 lists it",
                plural(u64::from(owed.count), "message", "messages"),
                owed.platform,
                duration(signs.now - owed.oldest)
            ),
        );
    }
    machine(signs, &mut say);
    for task in &signs.tasks {
        let Some((fell_at, why)) = &task.last_fall else { continue };
        if signs.now - *fell_at < FELL {
            say(
                format!("task {}", task.name),
                *fell_at,
                format!(
                    "a part of the bot failed and was begun again: {} ({why}; {} so far). Please report it, with the log around it",
                    task.name,
                    plural(u64::from(task.restarts), "time", "times")
                ),
            );
        }
    }
    if let Some(at) = signs.rewritten.filter(|at| signs.now - *at < DELETED) {
        say(
            "database file".to_owned(),
            at,
            "the database was deleted while the bot ran on it. It was still open and was written anew, and nothing is \
             lost. Find out what deletes it: to begin with an empty one, stop the bot first"
                .to_owned(),
        );
    }
    match &signs.file {
        File::Damaged(damage) => say(
            DATABASE.to_owned(),
            signs.since,
            format!(
                "the database is damaged ({damage}). Stop the bot, and put a backup in its place: `linkdown restore FILE`"
            ),
        ),
        // A start repairs nothing.
        File::Unknown => {
            found.extend(signs.known.iter().filter(|trouble| trouble.what == DATABASE).cloned());
        }
        File::Whole => {}
    }
    found.extend(signs.works.iter().filter_map(|work| late(work, signs.now)));
    found
}

/// Reports each source that has failed for long.
fn failing(signs: &HealthSnapshot, say: &mut impl FnMut(String, Timestamp, String)) {
    for source in &signs.sources {
        let last = source.last_success.unwrap_or(signs.since);
        let Some(error) = &source.error else { continue };
        let what = format!("source {}", source.name);
        // After an absence of ours it is given the same time.
        if signs.is_known(&what) || signs.now - last.max(signs.since) >= ILL {
            say(
                what,
                last,
                format!(
                    "{} has given nothing since {last}: {error}. It is asked again by itself; outages are found without it \
                     meanwhile, later or less surely",
                    source.name
                ),
            );
        }
    }
}

/// Reports a disk that is nearly full and a clock that is wrong.
fn machine(signs: &HealthSnapshot, say: &mut impl FnMut(String, Timestamp, String)) {
    if let Some(space) = signs.space {
        let bound = if signs.is_known("disk") { ENOUGH } else { LITTLE };
        if space.free < bound {
            say(
                "disk".to_owned(),
                signs.now,
                format!(
                    "the disk of the database is nearly full: {} MiB of {} MiB are free. Once it is full nothing can be stored, \
                     and so nothing new told: free some space, or lower [storage] raw_days",
                    space.free >> 20,
                    space.total >> 20
                ),
            );
        }
    }
    if let Some(ahead) = signs.ahead {
        let bound = if signs.is_known("clock") { RIGHT } else { OFF };
        if ahead.abs() > bound {
            say(
                "clock".to_owned(),
                signs.now,
                format!(
                    "the clock of this machine is {} those of the servers that answer: outages would be dated wrongly. Set \
                     it right, and let NTP keep it",
                    off_by(ahead)
                ),
            );
        }
    }
}

/// Returns the alert about work whose rounds are begun and never completed.
fn late(work: &WorkReport, now: Timestamp) -> Option<OperatorAlert> {
    let late = work.late?;
    let last = work
        .last_done
        .map_or_else(|| "none since the start".to_owned(), |at| format!("the last one at {at}"));
    let said = format!(
        "{} completed no round for {} ({last}): what they watch is unknown meanwhile, and no outage is told on their word. \
         They are begun again by themselves; see the log for what holds them up",
        work.name,
        duration(late)
    );
    Some(OperatorAlert { what: format!("rounds of {}", work.name), since: now - late, said })
}

/// Reports each configured entity about which a source refuses to answer.
fn refused(signs: &HealthSnapshot, say: &mut impl FnMut(String, Timestamp, String)) {
    for fault in &signs.refused {
        let what = format!("{} about {}", fault.source, fault.entity);
        // One failed answer is not a refusal.
        if signs.is_known(&what) || signs.now - fault.since >= REFUSED {
            say(
                what,
                fault.since,
                format!(
                    "{} {} when it is asked about {}. Other entities are polled as usual; this one is asked again rarely, and \
                     judged by the other sources",
                    fault.source, fault.why, fault.entity
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::signs::Source;
    use super::*;
    use crate::store::{EntityFault, Space, Waiting};
    use crate::supervisor::{Report, State};

    fn now() -> Timestamp {
        Timestamp::parse("2025-06-06 12:00").unwrap()
    }

    fn well() -> HealthSnapshot {
        HealthSnapshot {
            now: now(),
            since: now() - 10 * HOUR,
            refused: Vec::new(),
            sources: vec![Source { name: "ioda", last_success: Some(now() - 60), error: None }],
            waiting: Vec::new(),
            space: Some(Space { total: 10 << 30, free: 5 << 30, used: 1 << 20 }),
            ahead: Some(1),
            tasks: Vec::new(),
            works: Vec::new(),
            file: File::Unknown,
            rewritten: None,
            known: Vec::new(),
        }
    }

    fn told(signs: &HealthSnapshot) -> Vec<String> {
        troubles(signs).into_iter().map(|trouble| trouble.what).collect()
    }

    /// Returns the same snapshot once its alerts are known.
    fn known(signs: HealthSnapshot) -> HealthSnapshot {
        HealthSnapshot { known: troubles(&signs), ..signs }
    }

    #[test]
    fn a_damaged_file_is_told_of_until_it_was_looked_through_again() {
        let damaged =
            known(HealthSnapshot { file: File::Damaged("a page is lost".to_owned()), ..well() });
        assert_eq!(told(&damaged), [DATABASE]);
        let later = HealthSnapshot { file: File::Unknown, ..damaged };
        assert_eq!(troubles(&later), later.known, "a start mends nothing");
        assert_eq!(told(&HealthSnapshot { file: File::Whole, ..later }), Vec::<String>::new());
    }

    #[test]
    fn who_is_well_tells_nothing() {
        assert_eq!(told(&well()), Vec::<String>::new());
    }

    #[test]
    fn a_source_is_told_of_when_it_is_ill_for_long() {
        let ill = |seconds| {
            let error = Some("502".to_owned());
            HealthSnapshot {
                sources: vec![Source { name: "ioda", last_success: Some(now() - seconds), error }],
                ..well()
            }
        };
        assert!(told(&ill(ILL - 1)).is_empty());
        assert_eq!(told(&ill(ILL)), ["source ioda"]);
        // A source that never answered counts as failing since the monitor started.
        let never = |since| HealthSnapshot {
            since,
            sources: vec![Source {
                name: "ioda",
                last_success: None,
                error: Some("refused".to_owned()),
            }],
            ..well()
        };
        assert!(told(&never(now() - HOUR)).is_empty());
        assert_eq!(told(&never(now() - ILL)), ["source ioda"]);
        // A start after a long absence is not a long failure.
        let just_begun = HealthSnapshot { since: now() - 60, ..ill(ILL * 9) };
        assert!(told(&just_begun).is_empty());
    }

    #[test]
    fn deliveries_that_wait_for_long_pile_up() {
        let waiting = |seconds| {
            let error = Some("the platform answers 502".to_owned());
            let owed = Waiting {
                platform: "telegram".to_owned(),
                count: 7,
                oldest: now() - seconds,
                error,
            };
            HealthSnapshot { waiting: vec![owed], ..well() }
        };
        assert!(told(&waiting(PILED_UP - 1)).is_empty());
        let said = troubles(&waiting(PILED_UP)).remove(0).said;
        assert!(
            said.starts_with("7 messages wait on telegram, the oldest for 30 min")
                && said.contains("502"),
            "{said}"
        );
    }

    #[test]
    fn a_disk_is_told_of_once_until_there_is_room_again() {
        let free = |mib: u64| HealthSnapshot {
            space: Some(Space { total: 10 << 30, free: mib << 20, used: 0 }),
            ..well()
        };
        assert!(told(&free(256)).is_empty());
        let told_of = known(free(255));
        assert_eq!(told(&told_of), ["disk"]);
        assert_eq!(
            told(&HealthSnapshot { known: told_of.known.clone(), ..free(300) }),
            ["disk"],
            "not over at once"
        );
        assert!(told(&HealthSnapshot { known: told_of.known, ..free(400) }).is_empty());
    }

    #[test]
    fn a_clock_is_held_against_those_of_the_servers() {
        for ahead in [7200, -7200] {
            assert_eq!(told(&HealthSnapshot { ahead: Some(ahead), ..well() }), ["clock"]);
        }
        let said = troubles(&HealthSnapshot { ahead: Some(-7200), ..well() }).remove(0).said;
        assert!(said.contains("2 h behind"), "{said}");
        assert!(told(&HealthSnapshot { ahead: Some(60), ..well() }).is_empty());
        assert!(told(&HealthSnapshot { ahead: None, ..well() }).is_empty());
    }

    #[test]
    fn rounds_that_are_begun_and_never_completed_are_told_of_until_one_is() {
        let works =
            |late| vec![WorkReport { name: "the probes", last_done: Some(now() - 360), late }];
        assert!(told(&HealthSnapshot { works: works(None), ..well() }).is_empty());
        let trouble = troubles(&HealthSnapshot { works: works(Some(360)), ..well() }).remove(0);
        assert_eq!((trouble.what.as_str(), trouble.since), ("rounds of the probes", now() - 360));
        let said = "the probes completed no round for 6 min (the last one at 2025-06-06T11:54:00Z)";
        assert!(trouble.said.starts_with(said), "{}", trouble.said);
        let never = vec![WorkReport { name: "the probes", last_done: None, late: Some(360) }];
        assert!(
            troubles(&HealthSnapshot { works: never, ..well() })[0]
                .said
                .contains("(none since the start)")
        );
    }

    #[test]
    fn an_entity_that_a_source_refuses_is_named_after_an_hour_and_until_it_is_answered() {
        let refused = |ago| {
            vec![EntityFault {
                source: "ripestat".to_owned(),
                entity: "country/CU".parse().unwrap(),
                why: "refused the question (HTTP 400)".to_owned(),
                since: now() - ago,
                failures: 2,
                rests_until: None,
            }]
        };
        assert!(told(&HealthSnapshot { refused: refused(REFUSED - 1), ..well() }).is_empty());
        let trouble = troubles(&HealthSnapshot { refused: refused(REFUSED), ..well() }).remove(0);
        let said = "ripestat refused the question (HTTP 400) when it is asked about country/CU.";
        assert_eq!(trouble.what, "ripestat about country/CU");
        assert!(trouble.said.starts_with(said), "{}", trouble.said);
        assert!(told(&known(HealthSnapshot { refused: refused(REFUSED), ..well() })).len() == 1);
    }

    #[test]
    fn a_deletion_of_the_database_is_told_for_an_hour() {
        let deleted = |ago| HealthSnapshot { rewritten: Some(now() - ago), ..well() };
        assert_eq!(told(&deleted(DELETED - 1)), ["database file"]);
        assert!(told(&deleted(DELETED)).is_empty());
    }

    #[test]
    fn a_task_that_fell_is_named_for_an_hour() {
        let fell = |seconds| {
            let last_fall = Some((now() - seconds, "it panicked: no".to_owned()));
            HealthSnapshot {
                tasks: vec![Report {
                    name: "ripestat",
                    state: State::Runs,
                    restarts: 3,
                    last_fall,
                }],
                ..well()
            }
        };
        assert_eq!(told(&fell(60)), ["task ripestat"]);
        assert!(told(&fell(FELL)).is_empty());
    }
}
