//! Plays a plan: the true clock, and one process of the bot ("a life") after the other.

use super::disk::Disk;
use super::earlier;
use super::life::{CONFIG, Ended, Life, Places, was_killed};
use super::outside::Outside;
use super::plan::Plan;
use linkdown::clock::{Clock, Millis};
use linkdown::domain::{Seconds, Timestamp};
use linkdown::store::{Access, Db, Delivery, Store};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The seconds after which a service manager repeats a start that failed.
const NEXT_TRY: Seconds = 30;
/// The time within which messages that were sent while nothing could be written are marked, once
/// writing is possible again.
const IS_MARKED_WITHIN: Millis = 60_000;
/// The time after which a delivery has been sent. A delivery due within a tenth of a second is
/// marked at once and sleeps until then.
const HAS_GONE_AFTER: Millis = 1_000;
/// The time within which an answer is written down, as long as nothing hinders it.
const IS_WRITTEN_WITHIN: Millis = 100;

pub struct World {
    pub plan: Plan,
    pub clock: Clock,
    pub outside: Outside,
    /// The errors of the bot or the harness that the plan did not cause.
    pub faults: Vec<String>,
    pub counts: Counts,
    pub restored: Option<Restored>,
    pub kills: Vec<Killed>,
    pub(super) places: Places,
    pub(super) disk: Disk,
    pub(super) life: Option<Life>,
    /// The time at which the next life begins, while there is none.
    pub(super) starts_at: Millis,
    /// The seconds without a bot after the next kill.
    pub(super) away: Seconds,
    /// The time after the begin of the next work, or of the next start, at which the process is
    /// killed.
    pub(super) kill_after: Option<Duration>,
    pub(super) kill_start_after: Option<Duration>,
    /// The time that the process missed because it was suspended with its machine.
    pub(super) unnoticed: Millis,
    pub(super) wrong: Seconds,
    /// The reasons for which a start or a stop may fail.
    pub(super) hindered: Hindered,
    /// The time since which nothing has hindered the bot.
    pub(super) free_since: Millis,
    /// The time since which something has hindered the bot, if anything does.
    pub(super) hindered_since: Millis,
    folder: tempfile::TempDir,
}

/// The conditions that keep the bot from writing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hindered {
    pub full: bool,
    pub read_only: bool,
    pub locked: bool,
}

impl Hindered {
    pub fn at_all(self) -> bool {
        self.full || self.read_only || self.locked
    }
}

/// A kill, and the time since which new data may not have been written by then.
#[derive(Clone, Copy, Debug)]
pub struct Killed {
    pub at: Millis,
    pub unwritten_since: Millis,
}

/// The event in which an older copy replaced the database.
#[derive(Clone, Copy, Debug)]
pub struct Restored {
    pub at: Millis,
    /// The newest incident in the copy.
    pub newest: i64,
}

#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub kills: usize,
    pub power_cuts: usize,
    pub stops: usize,
    pub reloads: usize,
    pub starts: usize,
    pub failed_starts: usize,
    pub upgrades: usize,
    pub most_kib: u64,
    pub most_files: usize,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.power_cuts += other.power_cuts;
        self.stops += other.stops;
        self.reloads += other.reloads;
        self.starts += other.starts;
        self.failed_starts += other.failed_starts;
        self.upgrades += other.upgrades;
        self.most_kib = self.most_kib.max(other.most_kib);
        self.most_files = self.most_files.max(other.most_files);
    }
}

impl World {
    pub async fn new(plan: Plan) -> Self {
        let clock = Clock::simulated(plan.begin);
        let outside = Outside::start(&clock, &plan).await;
        let (disk, folder) = (Disk::new(), tempfile::tempdir().unwrap());
        let at = |name: &str| folder.path().join(name);
        let places = Places {
            database: disk.path().join("linkdown.db"),
            config: at("linkdown.toml"),
            log: at("log"),
            folder: folder.path().to_owned(),
            ioda: outside.ioda.url(),
            ripestat: outside.ripestat.url(),
            discord: outside.discord.url(),
            telegram: outside.telegram.url(),
        };
        fs::write(&places.config, CONFIG).unwrap();
        let starts_at = clock.millis();
        let mut world = Self {
            plan,
            clock,
            outside,
            faults: Vec::new(),
            counts: Counts::default(),
            restored: None,
            kills: Vec::new(),
            places,
            disk,
            life: None,
            starts_at,
            away: 0,
            kill_after: None,
            kill_start_after: None,
            unnoticed: 0,
            wrong: 0,
            hindered: Hindered::default(),
            free_since: starts_at,
            hindered_since: starts_at,
            folder,
        };
        world.upgrade().await;
        assert!(world.faults.is_empty(), "seed {}: {}", world.plan.seed, world.faults.join("; "));
        world.outside.subscribe(&world.places.database).await;
        world
    }

    /// Lets the bot upgrade the database of an earlier version, if the plan begins with one. That
    /// may take more than one start.
    async fn upgrade(&mut self) {
        let Some(schema) = self.plan.schema else { return };
        earlier::unpack(schema.number, &self.places.database);
        self.counts.upgrades += 1;
        self.kill_start_after = Some(schema.kill_after);
        while self.life.is_none() && self.faults.is_empty() {
            self.start().await;
        }
        if let Some(life) = self.life.take() {
            self.stop(life).await;
        }
        self.starts_at = self.clock.millis();
    }

    /// Plays the whole plan. At its end everything has been in order for hours.
    pub async fn play(&mut self) {
        let events = std::mem::take(&mut self.plan.events);
        for event in &events {
            self.until(event.at.unix() * 1000).await;
            self.all_is_marked().await;
            self.happens(event).await;
        }
        self.plan.events = events;
        self.until(self.plan.end.unix() * 1000).await;
        if let Some(life) = self.life.take() {
            self.stop(life).await;
        }
    }

    /// Checks that no delivery stays marked as being sent when it should have gone: it would stay
    /// so forever, and its chat would get nothing more.
    async fn all_is_marked(&mut self) {
        if self.hindered.at_all() {
            self.free_since = self.clock.millis();
        }
        if self.life.is_none() || self.clock.millis() - self.free_since < IS_MARKED_WITHIN {
            return;
        }
        let before = self.being_sent().await;
        if before.is_empty() {
            return;
        }
        let starts = self.counts.starts;
        self.until(self.clock.millis() + HAS_GONE_AFTER).await;
        // A new life would have taken them over.
        if self.life.is_none() || self.counts.starts > starts {
            return;
        }
        for one in self.being_sent().await {
            if before.iter().any(|was| was.id == one.id && was.attempts == one.attempts) {
                let (chat, since) = (&one.chat, one.sending_at);
                let stuck = format!(
                    "{} {}: {} is being sent for good",
                    chat.platform, chat.address, one.id
                );
                self.fault(&format!("{stuck}, since {since:?}"));
            }
        }
    }

    async fn being_sent(&self) -> Vec<Delivery> {
        let look = |db: &Db<'_>| {
            Ok([db.deliveries().in_doubt("discord")?, db.deliveries().in_doubt("telegram")?]
                .concat())
        };
        let store = Store::open(&self.places.database, Access::Beside).unwrap();
        store.read(look).await.unwrap()
    }

    pub fn database(&self) -> &Path {
        &self.places.database
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.places.log).unwrap_or_default()
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Lets time pass until `to`, with the work of the bot that is due by then.
    pub(super) async fn until(&mut self, to: Millis) {
        let to = to.max(self.clock.millis());
        loop {
            let now = self.clock.millis();
            let Some(mut life) = self.life.take() else {
                if self.starts_at > to {
                    self.clock.advance_to_millis(to).await;
                    return;
                }
                self.clock.advance_to_millis(self.starts_at.max(now)).await;
                self.start().await;
                continue;
            };
            let wakes = life.next.map(|at| at + self.unnoticed);
            let target = wakes.map_or(to, |at| at.clamp(now, to));
            self.clock.advance_to_millis(target).await;
            let killer = self.kill_after.take().map(|after| life.kill_after(after));
            let told = life.told(&format!("go {}", target - self.unnoticed)).await;
            if let Some(killer) = killer {
                let _ = killer.await;
            }
            self.after(life, told).await;
            let has_more = self
                .life
                .as_ref()
                .is_some_and(|life| life.next.is_some_and(|at| at + self.unnoticed <= to));
            if target == to && !has_more && (self.life.is_some() || self.starts_at > to) {
                return;
            }
        }
    }

    /// Keeps a life that still runs, and schedules the next one after a life that ended.
    pub(super) async fn after(&mut self, life: Life, told: Result<Ended, String>) {
        match told {
            Ok(Ended::Lives) => self.life = Some(life),
            Ok(Ended::Dead) => {
                match life.ended().await {
                    Ok(status) if was_killed(status) => self.was_killed(),
                    // A reload that began before the disk was found full ends like a start on a
                    // full disk.
                    Ok(status) if status.code() == Some(1) && self.hindered.at_all() => {
                        self.counts.stops += 1;
                    }
                    Ok(status) => self.fault(&format!("it ended by itself: {status}")),
                    Err(why) => self.fault(&why),
                }
                self.starts_again(self.away);
            }
            Err(why) => {
                self.fault(&why);
                self.starts_again(0);
            }
        }
    }

    pub(super) fn starts_again(&mut self, after: Seconds) {
        self.starts_at = self.clock.millis() + after * 1000;
        self.unnoticed = 0;
    }

    async fn start(&mut self) {
        let killed_after = self.kill_start_after.take();
        match Life::start(&self.places, self.clock.millis(), self.wrong, killed_after).await {
            Ok(life) => {
                self.counts.starts += 1;
                self.life = Some(life);
            }
            Err(status) if was_killed(status) && killed_after.is_some() => {
                self.was_killed();
                self.starts_again(self.away);
            }
            Err(status) => {
                self.counts.failed_starts += 1;
                if !self.hindered.at_all() {
                    self.fault(&format!("a start failed: {status}"));
                }
                self.starts_again(NEXT_TRY);
            }
        }
    }

    /// Counts a kill. Data that is newer than `unwritten_since` may not have been written.
    pub(super) fn was_killed(&mut self) {
        self.counts.kills += 1;
        let now = self.clock.millis();
        let since =
            if self.hindered.at_all() { self.hindered_since } else { now - IS_WRITTEN_WITHIN };
        self.kills.push(Killed { at: now, unwritten_since: since });
    }

    /// Stops a life as a service manager does.
    pub(super) async fn stop(&mut self, life: Life) {
        let (kib, files) = life.size();
        self.counts.most_kib = self.counts.most_kib.max(kib);
        self.counts.most_files = self.counts.most_files.max(files);
        life.signal(Signal::SIGTERM);
        match life.ended().await {
            Ok(status) if status.success() => self.counts.stops += 1,
            // The kill that was planned for one of its next steps.
            Ok(status) if was_killed(status) => self.was_killed(),
            // A stop that could not be written down (the disk is full) ends with 1, as it should.
            Ok(status) if status.code() == Some(1) && self.hindered.at_all() => {
                self.counts.stops += 1;
            }
            Ok(status) => self.fault(&format!("a stop failed: {status}")),
            Err(why) => self.fault(&why),
        }
        self.unnoticed = 0;
    }

    pub(super) fn fault(&mut self, why: &str) {
        self.faults.push(format!("{} {why}", Timestamp::from_unix(self.clock.millis() / 1000)));
    }

    pub(super) async fn tell(&mut self, what: &str) {
        if let Some(mut life) = self.life.take() {
            let told = life.told(what).await;
            self.after(life, told).await;
        }
    }
}
