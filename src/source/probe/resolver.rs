//! Linkdown's own resolver. It returns the current addresses of a name or else the last known ones,
//! since a dead name server must not look like a dead site.

use super::dns::{self, Question, Way};
use super::names::{Known, Names};
use super::resolv_conf::{self, ResolvConf};
use crate::clock::{Clock, Millis};
use crate::domain::Host;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The longest time in seconds that an answer is used, whatever its TTL: a name that moves must be
/// followed.
const HOLDS_AT_MOST: u32 = 300;
/// The shortest time in seconds that an answer is used: the targets of one host are asked within
/// one round.
const HOLDS_AT_LEAST: u32 = 30;
/// The time limit of one question to one server. After it the next server is asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// Public resolvers, asked after those of the system, which may fail on their own.
const PUBLIC: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(9, 9, 9, 9)),
    IpAddr::V4(std::net::Ipv4Addr::new(1, 1, 1, 1)),
];
/// The most servers that are asked for one name. More are not worth the wait.
const SERVERS: usize = 3;
/// The most addresses of one name that are kept.
const ADDRESSES: usize = 8;

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The current addresses.
    Fresh(Vec<IpAddr>),
    /// The last known addresses, since the name cannot be resolved now.
    LastGood {
        /// The addresses of the last answer, or else the configured one.
        addresses: Vec<IpAddr>,
        /// Why the name cannot be resolved now.
        why: String,
    },
    /// The name cannot be resolved, and no address of it is known.
    Unknown {
        /// Why the name cannot be resolved.
        why: String,
    },
}

#[derive(Debug)]
/// Resolves names over its own sockets, and remembers the answers.
pub struct Resolver {
    clock: Clock,
    servers: Servers,
    names: Mutex<Names>,
}

/// The servers that a resolver asks.
#[derive(Debug)]
enum Servers {
    Given(Vec<SocketAddr>),
    /// The servers that this machine uses, and public ones after them.
    OfTheSystem(ResolvConf),
}

impl Servers {
    fn now(&self) -> Vec<SocketAddr> {
        let mut servers = match self {
            Self::Given(servers) => return servers.clone(),
            Self::OfTheSystem(file) => file.servers(),
        };
        let public = PUBLIC.map(|address| SocketAddr::new(address, 53));
        let others =
            public.into_iter().filter(|public| !servers.contains(public)).collect::<Vec<_>>();
        servers.extend(others);
        servers.truncate(SERVERS);
        servers
    }
}

impl Resolver {
    /// Creates a resolver. It asks the given servers, at most three of them; if none is given,
    /// those of the system and two public ones, again at most three.
    pub fn new(clock: Clock, given: &[IpAddr]) -> Self {
        if given.is_empty() {
            return Self::asking(clock, Servers::OfTheSystem(ResolvConf::new(resolv_conf::FILE)));
        }
        Self::with(
            clock,
            given.iter().take(SERVERS).map(|address| SocketAddr::new(*address, 53)).collect(),
        )
    }

    /// Creates a resolver that asks exactly these servers, each at its own port.
    pub fn with(clock: Clock, servers: Vec<SocketAddr>) -> Self {
        Self::asking(clock, Servers::Given(servers))
    }

    fn asking(clock: Clock, servers: Servers) -> Self {
        Self { clock, servers, names: Mutex::default() }
    }

    /// Keeps the addresses of these hosts for ever, however many other names are resolved.
    #[must_use]
    pub fn keeping<'a>(self, hosts: impl IntoIterator<Item = &'a Host>) -> Self {
        let names = hosts.into_iter().filter_map(Host::name).map(str::to_owned);
        self.names.lock().unwrap_or_else(PoisonError::into_inner).keep(names);
        self
    }

    /// Returns how many names are remembered.
    pub fn remembered(&self) -> usize {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns the addresses of `name`. `given` is an address that was written down with the name;
    /// it serves as the last known one until the name has been resolved once.
    pub async fn resolve(&self, name: &str, given: Option<IpAddr>) -> Resolved {
        let now = self.clock.millis();
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(name);
        if let Some(known) = known.as_ref().filter(|known| known.until > now) {
            return Resolved::Fresh(known.addresses.clone());
        }
        match self.ask(name).await {
            Ok((addresses, holds)) => {
                let until = self.clock.millis() + Millis::from(holds) * 1000;
                let known = Known { addresses: addresses.clone(), until };
                self.names.lock().unwrap_or_else(PoisonError::into_inner).put(name, known);
                Resolved::Fresh(addresses)
            }
            Err(why) => {
                let last =
                    known.map(|known| known.addresses).or_else(|| given.map(|given| vec![given]));
                match last {
                    Some(addresses) => Resolved::LastGood { addresses, why },
                    None => Resolved::Unknown { why },
                }
            }
        }
    }

    /// Does the same for a host that may already be an address.
    pub async fn find(&self, host: &Host, given: Option<IpAddr>) -> Resolved {
        match host {
            Host::Address(address) => Resolved::Fresh(vec![*address]),
            Host::Name(name) => self.resolve(name, given).await,
        }
    }

    /// Asks one server after the other. Returns the addresses and how many seconds they hold. The
    /// reason of a failure is shown in chats, so it does not name a resolver of this machine.
    async fn ask(&self, name: &str) -> Result<(Vec<IpAddr>, u32), String> {
        let mut said = "there is no resolver to ask".to_owned();
        for server in self.servers.now() {
            let (v4, v6) = tokio::join!(
                self.ask_for(server, name, RecordType::A),
                self.ask_for(server, name, RecordType::AAAA)
            );
            match (v4, v6) {
                (Err(why), Err(_)) => {
                    tracing::debug!(resolver = %server, name, why, "a name was not resolved");
                    said = why;
                }
                (v4, v6) => {
                    let (mut addresses, ttl) = v4.unwrap_or((Vec::new(), u32::MAX));
                    let (more, other_ttl) = v6.unwrap_or((Vec::new(), u32::MAX));
                    addresses.extend(more);
                    addresses.truncate(ADDRESSES);
                    if addresses.is_empty() {
                        "it has no address".clone_into(&mut said);
                    } else {
                        return Ok((
                            addresses,
                            ttl.min(other_ttl).clamp(HOLDS_AT_LEAST, HOLDS_AT_MOST),
                        ));
                    }
                }
            }
        }
        Err(said)
    }

    async fn ask_for(
        &self,
        server: SocketAddr,
        name: &str,
        record: RecordType,
    ) -> Result<(Vec<IpAddr>, u32), String> {
        let question = Question::new(name, record, true).map_err(|_| "it is no name".to_owned())?;
        match dns::ask(&self.clock, server, &question, PATIENCE).await {
            Ok((answer, way)) if answer.metadata.response_code == ResponseCode::NoError => {
                let found = dns::addresses(&answer);
                if found.0.is_empty() && way == Way::CutShort {
                    return Err(
                        "the resolver's answer is cut off, and it gives none over TCP".to_owned()
                    );
                }
                Ok(found)
            }
            Ok((answer, _)) => {
                Err(format!("the resolver says {}", dns::word(answer.metadata.response_code)))
            }
            Err(dns::AskError::Silent { .. }) => Err("the resolver does not answer".to_owned()),
            Err(dns::AskError::Malformed(why)) => Err(format!("the resolver answers {why}")),
            Err(dns::AskError::Socket(error)) => {
                Err(format!("the resolver cannot be asked: {error}"))
            }
        }
    }
}
