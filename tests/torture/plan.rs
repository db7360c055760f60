//! The events of one run, all derived from the seed: the outages of countries, and the faults
//! meanwhile.

use super::disk::Abilities;
use super::earlier;
use linkdown::domain::time::{DAY, HOUR, MINUTE};
use linkdown::domain::{Seconds, Timestamp};
use std::fmt;
use std::time::Duration;

/// The begin of the days; the bot has read the weeks before.
const BEGIN: &str = "2025-06-01 00:00";
/// The begin on the database of an earlier version, a quarter of an hour after that version was
/// stopped.
const UPGRADED: &str = "2025-06-06 18:20";
/// The outages in such a database: begin and end of one that is over, and the begin of the other.
const KNOWN: (&str, &str, &str) = ("2025-06-05 02:00", "2025-06-05 04:00", "2025-06-06 17:35");
const KNOWN_COUNTRY: &str = "country/KP";
/// An odd number that separates events that were added later from those of the seed itself.
const LATER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Another such number, for the events that were added after those.
const LAST: u64 = 0xd1b5_4a32_d192_ed03;
/// The countries with outages: name, the number of /24s that IODA sees, and the number of prefixes
/// that RIPEstat sees.
pub const COUNTRIES: [(&str, f64, f64); 3] =
    [("country/KP", 4.0, 4.0), ("country/ER", 16.0, 18.0), ("country/BT", 60.0, 80.0)];

/// The quiet time before the first event; `LAST_QUIET` is the one after the last.
const QUIET: Seconds = 2 * HOUR;
const LAST_QUIET: Seconds = 10 * HOUR;
const SHORTEST_OUTAGE: Seconds = HOUR;
const LONGEST_OUTAGE: Seconds = 7 * HOUR;
/// The least time between two outages of one country.
const BETWEEN: Seconds = 5 * HOUR;

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// The database of an earlier version, if the run begins with one.
    pub schema: Option<Schema>,
    pub begin: Timestamp,
    pub end: Timestamp,
    pub outages: Vec<Outage>,
    /// The events in order of time.
    pub events: Vec<Event>,
}

#[derive(Clone, Copy, Debug)]
pub struct Schema {
    pub number: u32,
    /// The time after which its first start is killed.
    pub kill_after: Duration,
}

#[derive(Clone, Debug)]
pub struct Outage {
    pub country: &'static str,
    pub from: Timestamp,
    pub until: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub at: Timestamp,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Ioda,
    Ripestat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Discord,
    Telegram,
}

/// The fault of a source or a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Illness {
    Error,
    Busy,
    Hangs,
    Resets,
    Nonsense,
    /// Some calls fail, each in another way.
    Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// `kill -9` after so many of the program's steps from here, and a restart after so many
    /// seconds.
    Kill {
        steps: u32,
        away: Seconds,
    },
    /// `kill -9` after so many microseconds of work.
    KillAfter {
        micros: u64,
        away: Seconds,
    },
    /// `kill -9` so many microseconds after the next exec.
    KillAtStart {
        micros: u64,
        away: Seconds,
    },
    /// SIGTERM.
    Stop {
        away: Seconds,
    },
    /// SIGHUP, with a valid or an invalid configuration.
    Reload {
        is_good: bool,
    },
    /// SIGSTOP and, later, SIGCONT.
    HeldUp(Seconds),
    Suspended(Seconds),
    ClockWrong(Seconds),
    ClockRight,
    DiskFull,
    DiskFree,
    /// Every write waits for so many milliseconds.
    DiskSlow {
        millis: u64,
    },
    /// The disk is read-only until it is repaired.
    DiskBreaks,
    DiskMended,
    /// `kill -9`, and data that was not synced is lost.
    PowerCut {
        away: Seconds,
    },
    /// Another program locks the database for so many milliseconds.
    Locked {
        millis: u64,
    },
    BackupTaken,
    BackupRestored,
    Ill(Source, Illness),
    Well(Source),
    PlatformIll(Platform, Illness),
    PlatformWell(Platform),
    TokenRevoked(Platform),
    TokenGood(Platform),
    GatewayDrops,
    ShutOut(Platform),
    LetIn(Platform),
    Migrates,
    LineLost,
    LineBack,
    /// Discord archives the thread because nobody has written in it.
    ThreadArchived,
    /// Discord refuses edits of messages that are older than an hour.
    OldEditsRefused,
    OldEditsTaken,
    /// A copy of the database replaces it under the running bot.
    DatabaseReplaced,
    /// The platform asks once for a pause of so many seconds, in one chat or everywhere.
    ToldToWait {
        platform: Platform,
        seconds: Seconds,
        everywhere: bool,
    },
}

/// The amount of faults in a run.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    pub days: i64,
    pub kills: usize,
    pub disk: Abilities,
    pub faults: Faults,
}

/// The set of faults. A seed that once failed is played with the faults that existed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Faults {
    First,
    Second,
    All,
}

impl Plan {
    pub fn new(seed: u64, measure: Measure) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut later = fastrand::Rng::with_seed(seed ^ LATER);
        let schema = (measure.faults >= Faults::Second && later.u8(..4) == 0).then(|| Schema {
            number: later.choice(earlier::LANDED).unwrap(),
            kill_after: Duration::from_micros(later.u64(0..80_000)),
        });
        let begin = Timestamp::parse(if schema.is_some() { UPGRADED } else { BEGIN }).unwrap();
        let end = begin + measure.days * DAY;
        let (first, last) = (begin + QUIET, end - LAST_QUIET);
        let mut outages = Vec::new();
        for (country, ..) in COUNTRIES {
            let mut at = first + dice.i64(0..6 * HOUR);
            loop {
                let from = (at + dice.i64(0..8 * HOUR)).floor_to(MINUTE);
                let until =
                    from + dice.i64(SHORTEST_OUTAGE / MINUTE..LONGEST_OUTAGE / MINUTE) * MINUTE;
                if until > last {
                    break;
                }
                outages.push(Outage { country, from, until });
                at = until + BETWEEN;
            }
        }
        if schema.is_some() {
            let known = |text: &str| Timestamp::parse(text).unwrap();
            let back = first + later.i64(0..2 * HOUR);
            outages
                .retain(|outage| outage.country != KNOWN_COUNTRY || outage.from > back + BETWEEN);
            outages.extend([
                Outage { country: KNOWN_COUNTRY, from: known(KNOWN.0), until: known(KNOWN.1) },
                Outage { country: KNOWN_COUNTRY, from: known(KNOWN.2), until: back },
            ]);
        }
        let mut plan = Self { seed, schema, begin, end, outages, events: Vec::new() };
        for _ in 0..measure.kills {
            let at = first + dice.i64(0..last - first);
            // Most restarts come at once, as a service manager does it; some only after a while.
            let away = if dice.u8(..5) == 0 { dice.i64(60..40 * MINUTE) } else { dice.i64(0..20) };
            let what = match dice.u8(..6) {
                0 => What::Stop { away },
                1 => What::KillAfter { micros: dice.u64(0..20_000), away },
                _ => What::Kill { steps: dice.u32(1..60), away },
            };
            plan.happens(at, what);
        }
        plan.ills(&mut dice, measure, (first, last));
        if measure.faults >= Faults::Second {
            plan.later_ills(&mut later, measure, (first, last));
        }
        if measure.faults == Faults::All {
            plan.refusals(&mut fastrand::Rng::with_seed(seed ^ LAST), (first, last));
        }
        plan.events.sort_by_key(|event| event.at);
        plan
    }

    fn happens(&mut self, at: Timestamp, what: What) {
        self.events.push(Event { at, what });
    }

    /// Adds faults that last for a while: some of each kind, one after the other.
    fn ills(
        &mut self,
        dice: &mut fastrand::Rng,
        measure: Measure,
        (first, last): (Timestamp, Timestamp),
    ) {
        for kind in 0..9 {
            let mut at = first + dice.i64(0..8 * HOUR);
            loop {
                let lasts = dice.i64(2..90) * MINUTE;
                let until = at + lasts;
                if until > last {
                    break;
                }
                let illness = dice
                    .choice([
                        Illness::Error,
                        Illness::Busy,
                        Illness::Hangs,
                        Illness::Resets,
                        Illness::Nonsense,
                        Illness::Now,
                    ])
                    .unwrap();
                let platform = dice.choice([Platform::Discord, Platform::Telegram]).unwrap();
                let (begins, ends) = match kind {
                    0 => (What::Ill(Source::Ioda, illness), Some(What::Well(Source::Ioda))),
                    1 => (What::Ill(Source::Ripestat, illness), Some(What::Well(Source::Ripestat))),
                    2 => (What::PlatformIll(platform, illness), Some(What::PlatformWell(platform))),
                    3 => match dice.u8(..4) {
                        0 => (What::TokenRevoked(platform), Some(What::TokenGood(platform))),
                        1 => (What::GatewayDrops, None),
                        2 => (What::Migrates, None),
                        _ => (What::ShutOut(platform), Some(What::LetIn(platform))),
                    },
                    4 => (What::LineLost, Some(What::LineBack)),
                    5 => match dice.u8(..3) {
                        0 => (What::HeldUp(dice.i64(MINUTE..12 * MINUTE)), None),
                        _ => (What::Suspended(dice.i64(5 * MINUTE..3 * HOUR)), None),
                    },
                    6 => {
                        let by = dice.i64(MINUTE..2 * HOUR) * if dice.bool() { 1 } else { -1 };
                        (What::ClockWrong(by), Some(What::ClockRight))
                    }
                    7 if measure.disk >= Abilities::GetsFull => {
                        (What::DiskFull, Some(What::DiskFree))
                    }
                    7 => (What::Locked { millis: 200 }, None),
                    _ => (
                        What::Locked {
                            millis: if dice.u8(..6) == 0 { 6_500 } else { dice.u64(50..800) },
                        },
                        None,
                    ),
                };
                self.happens(at, begins);
                if let Some(ends) = ends {
                    self.happens(until, ends);
                }
                at = until + dice.i64(HOUR..10 * HOUR);
            }
        }
        // In every fourth run an older copy of the database is restored.
        if dice.u8(..4) == 0 {
            let taken = first + dice.i64(0..(last - first) / 2);
            self.happens(taken, What::BackupTaken);
            self.happens(taken + dice.i64(HOUR..8 * HOUR), What::BackupRestored);
        }
    }

    /// Adds the faults that were introduced later, so that earlier seeds keep their events.
    fn later_ills(
        &mut self,
        dice: &mut fastrand::Rng,
        measure: Measure,
        (first, last): (Timestamp, Timestamp),
    ) {
        let away =
            |dice: &mut fastrand::Rng| if dice.bool() { 0 } else { dice.i64(0..30 * MINUTE) };
        for kind in [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4] {
            let at = first + dice.i64(0..last - first);
            let what = match kind {
                0 => What::KillAtStart { micros: dice.u64(0..150_000), away: away(dice) },
                1 => What::Reload { is_good: dice.u8(..3) > 0 },
                _ if measure.disk < Abilities::Breaks => continue,
                2 => What::DiskSlow {
                    millis: if dice.u8(..6) == 0 { 6_500 } else { dice.u64(50..800) },
                },
                3 => What::PowerCut { away: away(dice) },
                _ => {
                    self.happens((at + dice.i64(2..90) * MINUTE).min(last), What::DiskMended);
                    What::DiskBreaks
                }
            };
            self.happens(at, what);
        }
    }

    /// Adds refusals of platforms, and kills during the pauses that they ask for.
    fn refusals(&mut self, dice: &mut fastrand::Rng, (first, last): (Timestamp, Timestamp)) {
        let moment = |dice: &mut fastrand::Rng| first + dice.i64(0..last - first);
        for _ in 0..4 {
            let at = moment(dice);
            self.happens(at, What::ThreadArchived);
        }
        for _ in 0..2 {
            let at = moment(dice);
            self.happens(at, What::OldEditsRefused);
            self.happens((at + dice.i64(HOUR..6 * HOUR)).min(last), What::OldEditsTaken);
        }
        let at = moment(dice);
        self.happens(at, What::DatabaseReplaced);
        for _ in 0..6 {
            let (at, seconds) = (moment(dice), dice.i64(MINUTE..40 * MINUTE));
            let platform = dice.choice([Platform::Discord, Platform::Telegram]).unwrap();
            self.happens(at, What::ToldToWait { platform, seconds, everywhere: dice.bool() });
            for _ in 0..dice.u8(1..4) {
                self.happens(
                    at + dice.i64(0..seconds),
                    What::Kill { steps: dice.u32(1..30), away: dice.i64(0..20) },
                );
            }
        }
    }

    /// Returns the largest error of the clock during an outage, or shortly before and after it: its
    /// dates may be wrong by as much.
    pub fn clock_was_wrong_by(&self, outage: &Outage) -> Seconds {
        let (mut by, mut most) = (0_i64, 0);
        for event in &self.events {
            if event.at > outage.until + 2 * HOUR {
                break;
            }
            match event.what {
                What::ClockWrong(seconds) => by = seconds.abs(),
                What::ClockRight if event.at < outage.from - HOUR => by = 0,
                _ => {}
            }
            most = if event.at < outage.from - HOUR { by } else { most.max(by) };
        }
        most
    }

    /// Returns whether the country is down at that moment.
    pub fn is_down(outages: &[Outage], country: &str, at: Timestamp) -> bool {
        outages
            .iter()
            .any(|outage| outage.country == country && outage.from <= at && at < outage.until)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(Timestamp, String)> =
            self.events.iter().map(|event| (event.at, format!("{:?}", event.what))).collect();
        for outage in &self.outages {
            lines.push((outage.from, format!("{} goes", outage.country)));
            lines.push((outage.until, format!("{} comes back", outage.country)));
        }
        lines.sort();
        lines
            .iter()
            .try_for_each(|(at, what)| writeln!(f, "{}  {what}", at.utc().format("%m-%d %H:%M:%S")))
    }
}
