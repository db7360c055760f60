//! Everything outside the bot: sources that report the outages, two platforms with their chats, and
//! the faults of each.

use super::plan::{COUNTRIES, Illness, Outage, Plan, Platform, Source};
use crate::doubles::{
    DiscordDouble, Disobeyed, Fault, IodaDouble, RipestatDouble, TelegramDouble, discord, telegram,
};
use linkdown::clock::{Clock, Millis};
use linkdown::domain::{Entity, Options, Scope, Seconds, Subscription, Timestamp};
use linkdown::store::{Access, Store};
use std::path::Path;
use std::sync::Arc;

/// A number of calls far larger than those during any fault.
const ALL: usize = 20_000;

/// A chat and the entities that it subscribes to.
#[derive(Debug)]
pub struct Listener {
    pub name: &'static str,
    pub wants: &'static [&'static str],
}

/// Everything that is watched.
const EVERYTHING: &[&str] = &[];
pub const LISTENERS: [Listener; 7] = [
    Listener { name: "discord #ops", wants: EVERYTHING },
    Listener { name: "discord #korea", wants: &["country/KP"] },
    Listener { name: "telegram person", wants: &["country/ER", "country/BT"] },
    Listener { name: "telegram crew", wants: EVERYTHING },
    Listener { name: "telegram group", wants: &["country/KP", "country/BT"] },
    Listener { name: "telegram silent group", wants: &["country/ER"] },
    Listener { name: "discord thread", wants: EVERYTHING },
];

pub struct Outside {
    pub discord: DiscordDouble,
    pub telegram: TelegramDouble,
    pub ioda: IodaDouble,
    pub ripestat: RipestatDouble,
    pub chats: Chats,
    clock: Clock,
    seed: u64,
    is_gone: [bool; 2],
    /// The time at which each group became a supergroup.
    moved: [Option<Millis>; 2],
}

#[derive(Debug)]
pub struct Chats {
    guild: u64,
    pub ops: u64,
    pub korea: u64,
    /// A thread of #ops.
    pub thread: u64,
    pub person: telegram::Person,
    pub crew: i64,
    /// Two basic groups, each with the supergroup that it became.
    pub groups: [Vec<i64>; 2],
}

impl Outside {
    pub async fn start(clock: &Clock, plan: &Plan) -> Self {
        let ioda = IodaDouble::start(clock.clone()).await;
        let ripestat = RipestatDouble::start(clock.clone()).await;
        script(&ioda, &ripestat, &plan.outages);
        let discord = DiscordDouble::start(clock.clone()).await;
        let telegram = TelegramDouble::start(clock.clone()).await;
        let chats = settle(&discord, &telegram);
        let (clock, seed) = (clock.clone(), plan.seed);
        Self {
            discord,
            telegram,
            ioda,
            ripestat,
            chats,
            clock,
            seed,
            is_gone: [false; 2],
            moved: [None; 2],
        }
    }

    /// Returns platform, address and home of each listener's chat, as they were when it subscribed.
    fn addresses(&self) -> [(&'static str, String, String); 7] {
        let chats = &self.chats;
        let discord = |channel: u64| ("discord", channel.to_string(), chats.guild.to_string());
        let telegram = |chat: i64| ("telegram", chat.to_string(), chat.to_string());
        [
            discord(chats.ops),
            discord(chats.korea),
            telegram(chats.person.id),
            telegram(chats.crew),
            telegram(chats.groups[0][0]),
            telegram(chats.groups[1][0]),
            discord(chats.thread),
        ]
    }

    /// Stores the subscriptions of each listener.
    pub async fn subscribe(&self, database: &Path) {
        let addresses = self.addresses();
        let store = Store::open(database, Access::Own).unwrap();
        store
            .write(move |tx| {
                for ((platform, address, home), listener) in addresses.iter().zip(&LISTENERS) {
                    let chat = tx.chats().ensure(platform, address)?;
                    tx.chats().belongs_to(chat.id, Some(home.as_str()), None)?;
                    let scopes: Vec<Scope> = match listener.wants {
                        [] => vec![Scope::All],
                        names => names
                            .iter()
                            .map(|name| Scope::One(name.parse::<Entity>().unwrap()))
                            .collect(),
                    };
                    for scope in scopes {
                        let (since, options) = (Timestamp::from_unix(0), Options::default());
                        tx.subscriptions().subscribe(&Subscription {
                            chat: chat.clone(),
                            scope,
                            since,
                            options,
                        })?;
                    }
                }
                Ok(())
            })
            .await
            .unwrap();
    }

    pub fn moved_at(&self, listener: &str) -> Option<Millis> {
        match listener {
            "telegram group" => self.moved[0],
            "telegram silent group" => self.moved[1],
            _ => None,
        }
    }

    /// Returns whether the chat is one of the listeners, and not one that only the database of an
    /// earlier version holds.
    pub fn listens(&self, platform: &str, address: &str) -> bool {
        let became = self.chats.groups.iter().flatten().any(|chat| chat.to_string() == address);
        became || self.addresses().iter().any(|(on, at, _)| *on == platform && at == address)
    }

    pub fn source_falls_ill(&self, source: Source, illness: Illness) {
        let fault = match illness {
            Illness::Error => Fault::Status(502),
            Illness::Busy => Fault::RateLimited("120"),
            Illness::Hangs => Fault::Silent,
            Illness::Resets => Fault::Reset,
            Illness::Nonsense => Fault::CutJson,
            Illness::Now => Fault::EmptyData,
        };
        match source {
            Source::Ioda => self.ioda.fault(fault),
            Source::Ripestat => self.ripestat.fault(fault),
        }
    }

    pub fn source_is_well(&self, source: Source) {
        match source {
            Source::Ioda => self.ioda.heal(),
            Source::Ripestat => self.ripestat.heal(),
        }
    }

    pub fn platform_falls_ill(&self, platform: Platform, illness: Illness) {
        match platform {
            Platform::Discord => self.discord_falls_ill(illness),
            Platform::Telegram => self.telegram_falls_ill(illness),
        }
    }

    fn discord_falls_ill(&self, illness: Illness) {
        use discord::Fault;
        match illness {
            Illness::Error => self.discord.fault(Fault::Status(502), ALL),
            Illness::Busy => {
                self.discord.fault(Fault::RateLimited { after_ms: 30_000, global: true }, 3);
            }
            Illness::Hangs => self.discord.fault(Fault::Hang, 6),
            Illness::Resets => self.discord.fault(Fault::AcceptThenReset, 4),
            Illness::Nonsense => self.discord.fault(Fault::HtmlPage, 6),
            Illness::Now => self.discord.fault_share(0.3, self.seed),
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
            Illness::Now => self.telegram.fault_share(0.3, self.seed),
        }
    }

    pub fn platform_is_well(&self, platform: Platform) {
        match platform {
            Platform::Discord => self.discord.heal(),
            Platform::Telegram => self.telegram.heal(),
        }
    }

    pub fn token_is(&self, platform: Platform, good: bool) {
        match (platform, good) {
            (Platform::Discord, false) => self.discord.revokes_token(),
            (Platform::Discord, true) => self.discord.restores_token(),
            (Platform::Telegram, false) => self.telegram.revokes_token(),
            (Platform::Telegram, true) => self.telegram.restores_token(),
        }
    }

    pub fn line_is_lost(&self) {
        self.ioda.fault(Fault::Reset);
        self.ripestat.fault(Fault::Reset);
        self.discord.fault(discord::Fault::Reset, ALL);
        self.discord.gateway().goes_down();
        self.telegram.fault(telegram::Fault::Reset, ALL);
        self.telegram.fault_polling(telegram::Fault::Reset, ALL);
    }

    pub fn line_is_back(&self) {
        self.ioda.heal();
        self.ripestat.heal();
        self.discord.heal();
        self.discord.gateway().comes_back();
        self.telegram.heal();
    }

    /// Removes the bot from a chat of the platform. Returns whether it was still in it.
    pub fn shuts_out(&mut self, platform: Platform) -> bool {
        let was_gone = std::mem::replace(&mut self.is_gone[platform as usize], true);
        match platform {
            _ if was_gone => {}
            Platform::Discord => self.discord.may_not(self.chats.korea, "Send Messages"),
            Platform::Telegram => self.telegram.kicks(self.chats.crew),
        }
        !was_gone
    }

    /// Brings the bot back into that chat. Returns whether it was outside.
    pub fn lets_in(&mut self, platform: Platform) -> bool {
        let was_gone = std::mem::replace(&mut self.is_gone[platform as usize], false);
        match platform {
            _ if !was_gone => {}
            Platform::Discord => self.discord.may_again(self.chats.korea, "Send Messages"),
            Platform::Telegram => self.telegram.invites_back(self.chats.crew),
        }
        was_gone
    }

    pub fn archives_the_thread(&self) {
        self.discord.archives(self.chats.thread);
    }

    pub fn refuses_old_edits(&self, refuses: bool) {
        self.discord.refuses_old_edits(self.chats.ops, refuses);
    }

    /// Makes the next message fail with a request to wait. Telegram has no pause for all chats.
    pub fn asks_to_wait(&self, platform: Platform, seconds: Seconds, everywhere: bool) {
        match platform {
            Platform::Discord => {
                let fault =
                    discord::Fault::RateLimited { after_ms: seconds * 1000, global: everywhere };
                self.discord.fault(fault, 1);
            }
            Platform::Telegram => {
                self.telegram.fault(telegram::Fault::RateLimited(seconds as u32), 1);
            }
        }
    }

    /// Returns the calls that were made while a platform had asked for a pause.
    pub fn disobeyed(&self) -> Vec<Disobeyed> {
        [self.discord.disobeyed(), self.telegram.disobeyed()].concat()
    }

    /// Turns a group into a supergroup, if one is left. Returns whether there was one.
    pub fn migrates(&mut self) -> bool {
        let Some(at) = self.moved.iter().position(Option::is_none) else { return false };
        let group = &mut self.chats.groups[at];
        group.push(self.telegram.migrates(group[0]));
        self.moved[at] = Some(self.clock.millis());
        true
    }
}

/// Sets the values that the sources report for each country at each moment.
fn script(ioda: &IodaDouble, ripestat: &RipestatDouble, outages: &[Outage]) {
    for (datasource, seconds) in
        [("bgp", 900), ("ping-slash24", 1200), ("merit-nt", 600), ("gtr", 7200)]
    {
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
    let ops = discord.channel(guild, "ops");
    Chats {
        guild,
        ops,
        korea: discord.channel(guild, "korea"),
        thread: discord.thread(ops, "outages"),
        crew: telegram.supergroup("Crew"),
        groups: [vec![telegram.group("Group")], vec![telegram.group("Silent group")]],
        person,
    }
}
