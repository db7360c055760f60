//! Plays a plan: the true clock, and one life of the bot after the other.

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

/// A service manager tries a start that failed again so soon.
const NEXT_TRY: Seconds = 30;
/// What was sent while nothing could be written is marked within this of when it can be.
const IS_MARKED_WITHIN: Millis = 60_000;
/// What is to go within a tenth of a second is marked already, and sleeps until then: after this it has gone.
const HAS_GONE_AFTER: Millis = 1_000;
/// An answer is written down in the moment in which it comes, as long as nothing hinders it.
const IS_WRITTEN_WITHIN: Millis = 100;

pub struct World {
    pub plan: Plan,
    pub clock: Clock,
    pub outside: Outside,
    /// What went wrong by itself.
    pub faults: Vec<String>,
    pub counts: Counts,
    pub restored: Option<Restored>,
    pub kills: Vec<Killed>,
    pub(super) places: Places,
    pub(super) disk: Disk,
    pub(super) life: Option<Life>,
    /// When the next life begins, where there is none.
    pub(super) starts_at: Millis,
    /// How long nobody will be there after the next kill.
    pub(super) away: Seconds,
    /// Pulls the plug so long after the next piece of work has begun, or the next start.
    pub(super) kill_after: Option<Duration>,
    pub(super) kill_start_after: Option<Duration>,
    /// Time that the process did not notice: it was suspended with its machine.
    pub(super) unnoticed: Millis,
    pub(super) wrong: Seconds,
    /// Why a start or a stop may fail.
    pub(super) hindered: Hindered,
    /// Since when nothing has hindered it.
    pub(super) free_since: Millis,
    /// Since when something hinders it, where that is so.
    pub(super) hindered_since: Millis,
    folder: tempfile::TempDir,
}

/// What keeps the bot from writing.
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

/// A kill, and since when what the bot learned may not have been written down by then.
#[derive(Clone, Copy, Debug)]
pub struct Killed {
    pub at: Millis,
    pub unwritten_since: Millis,
}

/// An older copy was put in the place of the database.
#[derive(Clone, Copy, Debug)]
pub struct Restored {
    pub at: Millis,
    /// The copy knows incidents up to this one.
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

    /// Where it begins on what an earlier version left: that is brought up to date by a start, perhaps not by the first.
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

    /// All of it, to the end: then everything is well again, and has been for hours.
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

    /// Time waits for what is on its way: whatever is marked as being sent now and still is when it should have gone would stay
    /// so for good, and its chat would hear nothing more.
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
        // Another life would have taken them up.
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

    /// Lets time pass, and whoever lives do what is to be done.
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

    /// One that lives goes on; one that died is followed by another.
    pub(super) async fn after(&mut self, life: Life, told: Result<Ended, String>) {
        match told {
            Ok(Ended::Lives) => self.life = Some(life),
            Ok(Ended::Dead) => {
                match life.ended().await {
                    Ok(status) if was_killed(status) => self.was_killed(),
                    // A reload that began before the disk was found full ends as a start on it does.
                    Ok(status) if status.code() == Some(1) && self.hindered.at_all() => {
                        self.counts.stops += 1
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

    /// Counts a kill. What a life learned since then may not have been written down.
    pub(super) fn was_killed(&mut self) {
        self.counts.kills += 1;
        let now = self.clock.millis();
        let since =
            if self.hindered.at_all() { self.hindered_since } else { now - IS_WRITTEN_WITHIN };
        self.kills.push(Killed { at: now, unwritten_since: since });
    }

    /// As a service manager does it.
    pub(super) async fn stop(&mut self, life: Life) {
        let (kib, files) = life.size();
        self.counts.most_kib = self.counts.most_kib.max(kib);
        self.counts.most_files = self.counts.most_files.max(files);
        life.signal(Signal::SIGTERM);
        match life.ended().await {
            Ok(status) if status.success() => self.counts.stops += 1,
            // The plug that was to be pulled at one of its next steps.
            Ok(status) if was_killed(status) => self.was_killed(),
            // A stop that could not be written down (the disk is full) ends with 1, as it should.
            Ok(status) if status.code() == Some(1) && self.hindered.at_all() => {
                self.counts.stops += 1
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
