//! Applies the events of the plan to the bot from outside, each at its time.

use super::life::{CONFIG, was_killed};
use super::plan::{Event, What};
use super::world::{Restored, World};
use linkdown::domain::Seconds;
use linkdown::store::{Access, Store};
use nix::sys::signal::Signal;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The real time that a message in flight gets to arrive.
const A_MOMENT: Duration = Duration::from_millis(60);
/// The simulated milliseconds during which a fault holds the bot up.
const MEANWHILE: i64 = 300_000;

impl World {
    pub(super) async fn happens(&mut self, event: &Event) {
        let was_free = !self.hindered.at_all();
        self.befalls(event).await;
        if was_free && self.hindered.at_all() {
            self.hindered_since = self.clock.millis();
        }
    }

    async fn befalls(&mut self, event: &Event) {
        match event.what {
            What::Kill { steps, away } => {
                self.away = away;
                self.tell(&format!("arm {steps}")).await;
            }
            What::KillAfter { micros, away } => {
                self.away = away;
                self.kill_after = Some(Duration::from_micros(micros));
            }
            What::KillAtStart { micros, away } => {
                self.away = away;
                self.kill_start_after = Some(Duration::from_micros(micros));
                self.kill().await;
                self.starts_again(0);
            }
            What::Stop { away } => {
                if let Some(life) = self.life.take() {
                    self.stop(life).await;
                    self.starts_again(away);
                }
            }
            What::Reload { is_good } => self.reload(is_good).await,
            What::HeldUp(seconds) => self.held_up(seconds, false).await,
            What::Suspended(seconds) => self.held_up(seconds, true).await,
            What::ClockWrong(by) => self.clock_is_wrong(by).await,
            What::ClockRight => self.clock_is_wrong(0).await,
            What::DiskFull => {
                self.hindered.full = true;
                self.disk.fill();
            }
            What::DiskFree => {
                self.hindered.full = false;
                self.disk.free();
            }
            What::DiskSlow { millis } => self.disk_is_slow(millis).await,
            What::DiskBreaks => {
                self.hindered.read_only = true;
                self.disk.breaks();
            }
            What::DiskMended => {
                if let Some(life) = self.life.take() {
                    self.stop(life).await;
                }
                self.mend_disk();
                self.starts_again(0);
            }
            What::PowerCut { away } => {
                self.disk.breaks();
                if self.kill().await {
                    self.counts.power_cuts += 1;
                }
                self.mend_disk();
                self.starts_again(away);
            }
            What::Locked { millis } => self.locked(millis).await,
            What::BackupTaken => self.take_backup().await,
            What::BackupRestored => self.restore_backup().await,
            What::Ill(source, illness) => self.outside.source_falls_ill(source, illness),
            What::Well(source) => self.outside.source_is_well(source),
            What::PlatformIll(platform, illness) => {
                self.outside.platform_falls_ill(platform, illness);
            }
            What::PlatformWell(platform) => self.outside.platform_is_well(platform),
            What::TokenRevoked(platform) => self.outside.token_is(platform, false),
            What::TokenGood(platform) => self.outside.token_is(platform, true),
            What::GatewayDrops => self.outside.discord.gateway().drops(),
            What::ShutOut(platform) => {
                let is_news = self.outside.shuts_out(platform);
                self.hear_if(is_news).await;
            }
            What::LetIn(platform) => {
                let is_news = self.outside.lets_in(platform);
                self.hear_if(is_news).await;
            }
            What::Migrates => {
                let is_news = self.outside.migrates();
                self.hear_if(is_news).await;
            }
            What::LineLost => self.outside.line_is_lost(),
            What::LineBack => self.outside.line_is_back(),
            What::ThreadArchived => self.outside.archives_the_thread(),
            What::OldEditsRefused => self.outside.refuses_old_edits(true),
            What::OldEditsTaken => self.outside.refuses_old_edits(false),
            What::DatabaseReplaced => self.replace_database().await,
            What::ToldToWait { platform, seconds, everywhere } => {
                self.outside.asks_to_wait(platform, seconds, everywhere);
            }
        }
    }

    /// Gives the bot the real time to receive the event, if it is one.
    async fn hear_if(&mut self, is_news: bool) {
        if is_news {
            tokio::time::sleep(A_MOMENT).await;
            self.tell("rest").await;
        }
    }

    /// Kills the bot, and returns whether there was one.
    async fn kill(&mut self) -> bool {
        let Some(life) = self.life.take() else { return false };
        life.signal(Signal::SIGKILL);
        match life.ended().await {
            Ok(status) if was_killed(status) => self.was_killed(),
            other => self.fault(&format!("it was killed, and: {other:?}")),
        }
        true
    }

    /// Sends SIGHUP, with a different valid configuration or with an unreadable one.
    async fn reload(&mut self, is_good: bool) {
        let Some(mut life) = self.life.take() else { return };
        let before = fs::read_to_string(&self.places.config).unwrap();
        let other = CONFIG.replace("jitter_seconds = 30", "jitter_seconds = 20");
        let new = match is_good {
            true if before == CONFIG => &other,
            true => CONFIG,
            false => "[watch]\nentities = [",
        };
        fs::write(&self.places.config, new).unwrap();
        let told = life.reloads().await;
        self.counts.reloads += 1;
        self.after(life, told).await;
        if !is_good {
            fs::write(&self.places.config, before).unwrap();
        }
    }

    async fn held_up(&mut self, seconds: Seconds, suspended: bool) {
        let Some(mut life) = self.life.take() else { return };
        life.signal(Signal::SIGSTOP);
        self.clock.advance_to_millis(self.clock.millis() + seconds * 1000).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        life.signal(Signal::SIGCONT);
        let now = self.clock.millis();
        let told = if suspended {
            // Sleeps and pacing do not count the time in which the machine slept; the wall clock
            // does.
            self.unnoticed += seconds * 1000;
            life.told(&format!("wrong {}", self.wrong + self.unnoticed / 1000)).await
        } else {
            life.told(&format!("leap {}", now - self.unnoticed)).await
        };
        self.after(life, told).await;
    }

    async fn clock_is_wrong(&mut self, by: Seconds) {
        self.wrong = by;
        self.tell(&format!("wrong {}", by + self.unnoticed / 1000)).await;
    }

    /// Lets another program hold a write lock on the database.
    async fn locked(&mut self, millis: u64) {
        let database = self.places.database.clone();
        let (has, had) = tokio::sync::oneshot::channel();
        if !self.hindered.at_all() {
            self.hindered_since = self.clock.millis();
        }
        let was_locked = std::mem::replace(&mut self.hindered.locked, true);
        let other = tokio::task::spawn_blocking(move || {
            let Ok(connection) = rusqlite::Connection::open(database) else { return };
            let _ = connection.busy_timeout(Duration::from_secs(1));
            let begun = connection.execute_batch("BEGIN IMMEDIATE");
            let _ = has.send(());
            if begun.is_ok() {
                std::thread::sleep(Duration::from_millis(millis));
            }
        });
        let _ = had.await;
        self.until(self.clock.millis() + MEANWHILE).await;
        let _ = other.await;
        self.hindered.locked = was_locked;
        self.free_since = self.clock.millis();
    }

    /// Makes writes to the disk wait for so long.
    async fn disk_is_slow(&mut self, millis: u64) {
        let slow = self.disk.is_slow_for(Duration::from_millis(millis));
        self.until(self.clock.millis() + MEANWHILE).await;
        slow.join().unwrap();
        self.free_since = self.clock.millis();
    }

    fn mend_disk(&mut self) {
        self.disk.mend();
        self.hindered.read_only = false;
        if !self.hindered.full {
            self.disk.free();
        }
    }

    fn backup(&self) -> PathBuf {
        self.path("backup.db")
    }

    async fn take_backup(&mut self) {
        let made = match Store::open(&self.places.database, Access::Beside) {
            Ok(store) => store.backup(&self.backup(), |_, _| ()).await,
            Err(error) => Err(error),
        };
        if let (Err(error), false) = (made, self.hindered.at_all()) {
            self.fault(&format!("no backup: {error}"));
        }
    }

    /// Replaces the database by a copy. The bot must notice it, keep nothing that would be lost,
    /// and end with 1; the next life continues with the copy.
    async fn replace_database(&mut self) {
        if self.life.is_none() || self.hindered.at_all() {
            return;
        }
        let copy = self.places.database.with_extension("copy");
        let store = Store::open(&self.places.database, Access::Beside).unwrap();
        if let Err(error) = store.backup(&copy, |_, _| ()).await {
            return self.fault(&format!("no copy: {error}"));
        }
        drop(store);
        fs::rename(&copy, &self.places.database).unwrap();
        // The bot checks the file by real time, not by the simulated clock.
        let Some(life) = self.life.take() else { return };
        match life.ended().await {
            Ok(status) if status.code() == Some(1) => self.counts.stops += 1,
            Ok(status) if was_killed(status) => self.was_killed(),
            other => self.fault(&format!("its database was replaced, and: {other:?}")),
        }
        self.starts_again(5);
    }

    async fn restore_backup(&mut self) {
        if !self.backup().exists() || self.hindered.at_all() {
            return;
        }
        if let Some(life) = self.life.take() {
            self.stop(life).await;
            self.starts_again(5);
        }
        if let Err(error) = Store::restore(&self.backup(), &self.places.database) {
            return self.fault(&format!("the backup cannot be put back: {error}"));
        }
        let store = Store::open(&self.places.database, Access::Beside).unwrap();
        let newest = store.read(|db| db.incidents().recent(1)).await.unwrap();
        let newest = newest.first().map_or(0, |incident| incident.id.0);
        self.restored = Some(Restored { at: self.clock.millis(), newest });
    }
}
