//! Plays a plan: the true clock, the services outside as their doubles, and one life of the bot after the other.

use super::disk::Disk;
use super::life::{Ended, Life, Places};
use super::plan::{COUNTRIES, Event, Illness, Outage, Plan, Platform, Source, What};
use crate::doubles::{DiscordDouble, Fault, IodaDouble, RipestatDouble, TelegramDouble, discord, telegram};
use linkdown::clock::{Clock, Millis};
use linkdown::domain::{Entity, Options, Scope, Seconds, Subscription, Timestamp};
use linkdown::store::{Access, Store};
use nix::sys::signal::Signal;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Far more than there are calls while something lasts.
const ALL: usize = 20_000;
/// A service manager tries a start that failed again so soon.
const NEXT_TRY: Seconds = 30;

/// A chat, and what it wants to hear of.
#[derive(Debug)]
pub struct Listener {
    pub name: &'static str,
    pub wants: &'static [&'static str],
}

/// Everything that is watched.
const EVERYTHING: &[&str] = &[];
pub const LISTENERS: [Listener; 6] = [
    Listener { name: "discord #ops", wants: EVERYTHING },
    Listener { name: "discord #korea", wants: &["country/KP"] },
    Listener { name: "telegram person", wants: &["country/ER", "country/BT"] },
    Listener { name: "telegram crew", wants: EVERYTHING },
    Listener { name: "telegram group", wants: &["country/KP", "country/BT"] },
    Listener { name: "telegram silent group", wants: &["country/ER"] },
];

pub struct World {
    pub plan: Plan,
    pub clock: Clock,
    pub discord: DiscordDouble,
    pub telegram: TelegramDouble,
    pub chats: Chats,
    pub database: PathBuf,
    /// What went wrong by itself.
    pub faults: Vec<String>,
    pub counts: Counts,
    ioda: IodaDouble,
    ripestat: RipestatDouble,
    disk: Disk,
    folder: tempfile::TempDir,
    life: Option<Life>,
    /// When the next life begins, where there is none.
    starts_at: Millis,
    /// How long nobody will be there after the next kill.
    away: Seconds,
    /// Pulls the plug so long after the next piece of work has begun.
    kill_after: Option<u64>,
    /// Time that the process did not notice: it was suspended with its machine.
    unnoticed: Millis,
    wrong: Seconds,
    /// The disk is full, or somebody has the database locked: a start may fail.
    is_hindered: bool,
    is_gone: [bool; 2],
    /// When each group became a supergroup.
    moved: [Option<Millis>; 2],
    pub restored: Option<Restored>,
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
    pub stops: usize,
    pub starts: usize,
    pub failed_starts: usize,
    pub most_kib: u64,
    pub most_files: usize,
}

#[derive(Debug)]
pub struct Chats {
    guild: u64,
    pub ops: u64,
    pub korea: u64,
    pub person: telegram::Person,
    pub crew: i64,
    /// Two basic groups, with what they became.
    pub groups: [Vec<i64>; 2],
}

impl World {
    pub async fn new(plan: Plan) -> Self {
        let clock = Clock::moved(plan.begin);
        let ioda = IodaDouble::start(clock.clone()).await;
        let ripestat = RipestatDouble::start(clock.clone()).await;
        script(&ioda, &ripestat, &plan.outages);
        let discord = DiscordDouble::start(clock.clone()).await;
        let telegram = TelegramDouble::start(clock.clone()).await;
        let (disk, folder) = (Disk::new(), tempfile::tempdir().unwrap());
        let database = disk.path().join("linkdown.db");
        let chats = settle(&discord, &telegram);
        let starts_at = clock.millis();
        let world = Self {
            plan,
            clock,
            discord,
            telegram,
            chats,
            database,
            faults: Vec::new(),
            counts: Counts::default(),
            ioda,
            ripestat,
            disk,
            folder,
            life: None,
            starts_at,
            away: 0,
            kill_after: None,
            unnoticed: 0,
            wrong: 0,
            is_hindered: false,
            is_gone: [false; 2],
            moved: [None; 2],
            restored: None,
        };
        world.subscribe().await;
        world
    }

    /// All of it, to the end: then everything is well again, and has been for hours.
    pub async fn play(&mut self) {
        let events = std::mem::take(&mut self.plan.events);
        for event in &events {
            self.until(event.at.unix() * 1000).await;
            self.happens(event).await;
        }
        self.plan.events = events;
        self.until(self.plan.end.unix() * 1000).await;
        if let Some(life) = self.life.take() {
            self.stop(life).await;
        }
    }

    pub fn moved_at(&self, listener: &str) -> Option<Millis> {
        match listener {
            "telegram group" => self.moved[0],
            "telegram silent group" => self.moved[1],
            _ => None,
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Each wants what it wants, as if it had said so before.
    async fn subscribe(&self) {
        let chats = &self.chats;
        let addresses = [
            ("discord", chats.ops.to_string()),
            ("discord", chats.korea.to_string()),
            ("telegram", chats.person.id.to_string()),
            ("telegram", chats.crew.to_string()),
            ("telegram", chats.groups[0][0].to_string()),
            ("telegram", chats.groups[1][0].to_string()),
        ];
        let homes = [Some(chats.guild.to_string()), Some(chats.guild.to_string()), None, None, None, None];
        let store = Store::open(&self.database, Access::Own).unwrap();
        store
            .write(move |tx| {
                for (((platform, address), home), listener) in addresses.iter().zip(&homes).zip(&LISTENERS) {
                    let chat = tx.chats().ensure(platform, address)?;
                    let home = home.as_ref().unwrap_or(address);
                    tx.chats().belongs_to(chat.id, Some(home.as_str()), None)?;
                    let scopes: Vec<Scope> = match listener.wants {
                        [] => vec![Scope::All],
                        names => names.iter().map(|name| Scope::One(name.parse::<Entity>().unwrap())).collect(),
                    };
                    for scope in scopes {
                        let (since, options) = (Timestamp::from_unix(0), Options::default());
                        tx.subscriptions().subscribe(&Subscription { chat: chat.clone(), scope, since, options })?;
                    }
                }
                Ok(())
            })
            .await
            .unwrap();
    }

    /// Lets time pass, and whoever lives do what is to be done.
    async fn until(&mut self, to: Millis) {
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
            let killer = self.kill_after.take().map(|micros| {
                let id = life.id();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_micros(micros)).await;
                    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id as i32), Signal::SIGKILL);
                })
            });
            let told = life.told(&format!("go {}", target - self.unnoticed)).await;
            if let Some(killer) = killer {
                let _ = killer.await;
            }
            self.after(life, told).await;
            let has_more = self.life.as_ref().is_some_and(|life| life.next.is_some_and(|at| at + self.unnoticed <= to));
            if target == to && !has_more && (self.life.is_some() || self.starts_at > to) {
                return;
            }
        }
    }

    /// One that lives goes on; one that died is followed by another.
    async fn after(&mut self, life: Life, told: Result<Ended, String>) {
        match told {
            Ok(Ended::Lives) => self.life = Some(life),
            Ok(Ended::Dead) => {
                self.counts.kills += 1;
                if let Err(why) = life.ended().await {
                    self.fault(&why);
                }
                self.starts_at = self.clock.millis() + self.away * 1000;
                self.unnoticed = 0;
            }
            Err(why) => {
                self.fault(&why);
                self.starts_at = self.clock.millis();
                self.unnoticed = 0;
            }
        }
    }

    async fn start(&mut self) {
        let places = Places {
            ioda: self.ioda.url(),
            ripestat: self.ripestat.url(),
            discord: self.discord.url(),
            telegram: self.telegram.url(),
        };
        match Life::start(&self.database, &places, self.clock.millis(), self.wrong, &self.log_path()).await {
            Ok(life) => {
                self.counts.starts += 1;
                self.life = Some(life);
            }
            Err(why) => {
                self.counts.failed_starts += 1;
                if !self.is_hindered {
                    self.fault(&format!("a start failed: {why}"));
                }
                self.starts_at = self.clock.millis() + NEXT_TRY * 1000;
            }
        }
    }

    async fn stop(&mut self, mut life: Life) {
        let (kib, files) = life.size();
        self.counts.most_kib = self.counts.most_kib.max(kib);
        self.counts.most_files = self.counts.most_files.max(files);
        self.counts.stops += 1;
        if let Err(why) = life.told("stop").await {
            self.fault(&why);
        }
        // A stop that could not be written down (the disk is full) ends with 1, as it should.
        let ended = life.ended().await;
        if let (Err(why), false) = (ended, self.is_hindered) {
            self.fault(&why);
        }
        self.unnoticed = 0;
    }

    fn fault(&mut self, why: &str) {
        self.faults.push(format!("{} {why}", Timestamp::from_unix(self.clock.millis() / 1000)));
    }

    async fn tell(&mut self, what: &str) {
        if let Some(mut life) = self.life.take() {
            let told = life.told(what).await;
            self.after(life, told).await;
        }
    }

    async fn happens(&mut self, event: &Event) {
        match event.what {
            What::Kill { steps, away } => {
                self.away = away;
                self.tell(&format!("arm {steps}")).await;
            }
            What::KillAfter { micros, away } => {
                self.away = away;
                self.kill_after = Some(micros);
            }
            What::Stop { away } => {
                if let Some(life) = self.life.take() {
                    self.stop(life).await;
                    self.starts_at = self.clock.millis() + away * 1000;
                }
            }
            What::HeldUp(seconds) => self.held_up(seconds, false).await,
            What::Suspended(seconds) => self.held_up(seconds, true).await,
            What::ClockWrong(by) => self.clock_is_wrong(by).await,
            What::ClockRight => self.clock_is_wrong(0).await,
            What::DiskFull => {
                self.is_hindered = true;
                self.disk.fill();
            }
            What::DiskFree => {
                self.is_hindered = false;
                self.disk.free();
            }
            What::Locked { millis } => self.locked(millis).await,
            What::BackupTaken => self.take_backup().await,
            What::BackupRestored => self.restore_backup().await,
            What::Ill(Source::Ioda, illness) => falls_ill(illness, |fault| self.ioda.fault(fault)),
            What::Ill(Source::Ripestat, illness) => falls_ill(illness, |fault| self.ripestat.fault(fault)),
            What::Well(Source::Ioda) => self.ioda.heal(),
            What::Well(Source::Ripestat) => self.ripestat.heal(),
            What::PlatformIll(Platform::Discord, illness) => self.discord_falls_ill(illness),
            What::PlatformIll(Platform::Telegram, illness) => self.telegram_falls_ill(illness),
            What::PlatformWell(Platform::Discord) => self.discord.heal(),
            What::PlatformWell(Platform::Telegram) => self.telegram.heal(),
            What::TokenRevoked(Platform::Discord) => self.discord.revokes_token(),
            What::TokenRevoked(Platform::Telegram) => self.telegram.revokes_token(),
            What::TokenGood(Platform::Discord) => self.discord.restores_token(),
            What::TokenGood(Platform::Telegram) => self.telegram.restores_token(),
            What::GatewayDrops => self.discord.gateway().drops(),
            What::ShutOut(platform) => self.shuts_out(platform).await,
            What::LetIn(platform) => self.lets_in(platform).await,
            What::Migrates => {
                if let Some(at) = self.moved.iter().position(Option::is_none) {
                    let group = &mut self.chats.groups[at];
                    group.push(self.telegram.migrates(group[0]));
                    self.moved[at] = Some(self.clock.millis());
                    self.hear().await;
                }
            }
            What::LineLost => {
                self.ioda.fault(Fault::Reset);
                self.ripestat.fault(Fault::Reset);
                self.discord.fault(discord::Fault::Reset, ALL);
                self.discord.gateway().goes_down();
                self.telegram.fault(telegram::Fault::Reset, ALL);
                self.telegram.fault_polling(telegram::Fault::Reset, ALL);
            }
            What::LineBack => {
                self.ioda.heal();
                self.ripestat.heal();
                self.discord.heal();
                self.discord.gateway().comes_back();
                self.telegram.heal();
            }
        }
    }

    /// The bot is given the time, in reality, to hear of what happened in a chat.
    async fn hear(&mut self) {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let now = self.clock.millis() - self.unnoticed;
        self.tell(&format!("go {now}")).await;
    }

    async fn held_up(&mut self, seconds: Seconds, suspended: bool) {
        let Some(mut life) = self.life.take() else { return };
        life.signal(Signal::SIGSTOP);
        self.clock.advance_to_millis(self.clock.millis() + seconds * 1000).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        life.signal(Signal::SIGCONT);
        let now = self.clock.millis();
        let told = if suspended {
            // Sleep and pace do not count the time in which the machine slept; the wall's clock does.
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

    /// Another program writes to the database, slowly.
    async fn locked(&mut self, millis: u64) {
        let database = self.database.clone();
        let (has, had) = tokio::sync::oneshot::channel();
        // A start waits for it for five seconds; one on a copy that was just put back does not.
        let was_hindered = std::mem::replace(&mut self.is_hindered, true);
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
        let now = self.clock.millis();
        self.until(now + 300_000).await;
        let _ = other.await;
        self.is_hindered = was_hindered;
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }

    async fn take_backup(&mut self) {
        let store = Store::open(&self.database, Access::Beside);
        let made = match store {
            Ok(store) => store.backup(&self.backup(), |_, _| ()).await,
            Err(error) => Err(error),
        };
        if let (Err(error), false) = (made, self.is_hindered) {
            self.fault(&format!("no backup: {error}"));
        }
    }

    async fn restore_backup(&mut self) {
        if !self.backup().exists() || self.is_hindered {
            return;
        }
        if let Some(life) = self.life.take() {
            self.stop(life).await;
            self.starts_at = self.clock.millis() + 5_000;
        }
        for ending in ["db-wal", "db-shm"] {
            let _ = fs::remove_file(self.database.with_extension(ending));
        }
        fs::copy(self.backup(), &self.database).unwrap();
        let store = Store::open(&self.database, Access::Beside).unwrap();
        let newest = store.read(|db| db.incidents().recent(1)).await.unwrap();
        let newest = newest.first().map_or(0, |incident| incident.id.0);
        self.restored = Some(Restored { at: self.clock.millis(), newest });
    }

    fn discord_falls_ill(&self, illness: Illness) {
        use discord::Fault;
        match illness {
            Illness::Error => self.discord.fault(Fault::Status(502), ALL),
            Illness::Busy => self.discord.fault(Fault::RateLimited { after_ms: 30_000, global: true }, 3),
            Illness::Hangs => self.discord.fault(Fault::Hang, 6),
            Illness::Resets => self.discord.fault(Fault::AcceptThenReset, 4),
            Illness::Nonsense => self.discord.fault(Fault::HtmlPage, 6),
            Illness::Now => self.discord.fault_share(0.3, self.plan.seed),
        }
    }

    fn telegram_falls_ill(&self, illness: Illness) {
        use telegram::Fault;
        match illness {
            Illness::Error => self.telegram.fault(Fault::Status(502), ALL),
            Illness::Busy => self.telegram.fault(Fault::RateLimited(30), 3),
            Illness::Hangs => self.telegram.fault(Fault::Hang, 6),
            Illness::Resets => self.telegram.fault(Fault::AcceptThenReset, 2),
            Illness::Nonsense => self.telegram.fault(Fault::NotJson, 6),
            Illness::Now => self.telegram.fault_share(0.3, self.plan.seed),
        }
    }

    async fn shuts_out(&mut self, platform: Platform) {
        let gone = &mut self.is_gone[platform as usize];
        if std::mem::replace(gone, true) {
            return;
        }
        match platform {
            Platform::Discord => self.discord.may_not(self.chats.korea, "Send Messages"),
            Platform::Telegram => self.telegram.kicks(self.chats.crew),
        }
        self.hear().await;
    }

    async fn lets_in(&mut self, platform: Platform) {
        let gone = &mut self.is_gone[platform as usize];
        if !std::mem::replace(gone, false) {
            return;
        }
        match platform {
            Platform::Discord => self.discord.may_again(self.chats.korea, "Send Messages"),
            Platform::Telegram => self.telegram.invites_back(self.chats.crew),
        }
        self.hear().await;
    }
}

fn falls_ill(illness: Illness, fault: impl Fn(Fault)) {
    fault(match illness {
        Illness::Error => Fault::Status(502),
        Illness::Busy => Fault::RateLimited("120"),
        Illness::Hangs => Fault::Silent,
        Illness::Resets => Fault::Reset,
        Illness::Nonsense => Fault::CutJson,
        Illness::Now => Fault::EmptyData,
    });
}

/// What the sources say of each country at each moment.
fn script(ioda: &IodaDouble, ripestat: &RipestatDouble, outages: &[Outage]) {
    for (datasource, seconds) in [("bgp", 900), ("ping-slash24", 1200), ("merit-nt", 600), ("gtr", 7200)] {
        ioda.delay(datasource, seconds);
    }
    let outages: Arc<[Outage]> = outages.into();
    let left = |normal: f64, country: &'static str| {
        let outages = Arc::clone(&outages);
        move |at: Timestamp| Some(if Plan::is_down(&outages, country, at) { 0.0 } else { normal })
    };
    for (country, blocks, prefixes) in COUNTRIES {
        for datasource in ["bgp", "ping-slash24"] {
            ioda.set(country, datasource, left(blocks, country));
        }
        ripestat.set(country, "prefixes", left(prefixes, country));
    }
    for datasource in ["bgp", "ping-slash24"] {
        ioda.set("asn/131279", datasource, left(4.0, "country/KP"));
        for (country, blocks) in [("country/US", 6e6), ("country/DE", 5e5), ("country/JP", 7e5)] {
            ioda.set(country, datasource, move |_| Some(blocks));
        }
    }
    for (country, prefixes) in [("country/NL", 9000.0), ("country/JP", 8000.0)] {
        ripestat.set(country, "prefixes", move |_| Some(prefixes));
    }
    ripestat.announces("asn/131279", &["175.45.176.0/24", "175.45.178.0/24"], &[4837, 20485]);
    ripestat.set("asn/131279", "visibility", left(349.0, "country/KP"));
}

fn settle(discord: &DiscordDouble, telegram: &TelegramDouble) -> Chats {
    let guild = discord.guild("Newsroom");
    let person = telegram.person("Dan");
    telegram.puts(&person, person.id, "/start");
    Chats {
        guild,
        ops: discord.channel(guild, "ops"),
        korea: discord.channel(guild, "korea"),
        crew: telegram.supergroup("Crew"),
        groups: [vec![telegram.group("Group")], vec![telegram.group("Silent group")]],
        person,
    }
}
