//! What our own probes knock at: a service on a host, and what counts as an answer.
//!
//! Written as an address: `dns://ns1.kptc.kp/kp`, `tcp://host:443`, `tls://host`, `http://kcna.kp/`, `https://…`,
//! `smtp://smtp.star-co.net.kp`, `icmp://host`.

use super::{Entity, Layer, entity::site};
use std::fmt;
use std::net::IpAddr;

/// One thing that is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whom its answer speaks of.
    pub entity: Entity,
    pub knock: Knock,
    pub host: Host,
    pub port: u16,
    /// Where the host stood when it was last known to work: taken until its name has been resolved once.
    pub address: Option<IpAddr>,
    /// On the way to the entity, by the name that people know, and not in it: while these answer and it does not, it is
    /// not the way from here to there.
    pub outside: Option<String>,
    /// Why it is worth asking.
    pub why: Option<String>,
    /// When it was last known to work, as a day, and by whom.
    pub known: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

/// How to knock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knock {
    /// Asks a name server for the SOA of a zone that is its own.
    Dns {
        zone: String,
    },
    Tcp,
    /// A handshake; the certificate's end is a fact.
    Tls {
        certificate: Certificate,
    },
    /// A GET; `text` must be in the first 256 KiB.
    Http {
        path: String,
        text: Option<String>,
        tls: Option<Certificate>,
    },
    /// Banner, EHLO, QUIT.
    Smtp,
    Icmp,
}

/// What is made of a certificate that does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// The site answers, but broken.
    #[default]
    MustHold,
    /// Taken as it is: self-signed certificates are usual for some.
    Any,
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("`{0}` is no target: write it as KIND://HOST, such as https://kcna.kp/ or dns://ns1.kptc.kp/kp")]
    Shape(String),
    #[error("unknown kind of probe `{0}`: it must be one of dns, tcp, tls, http, https, smtp, icmp")]
    Kind(String),
    #[error("`{0}` is no host: a name such as kcna.kp, or an address")]
    Host(String),
    #[error("`{0}` is no port: a number from 1 to 65535")]
    Port(String),
    #[error("tcp:// needs a port, such as tcp://{0}:443")]
    NoPort(String),
    #[error("dns:// needs a zone that the server answers for, such as dns://{0}/kp")]
    NoZone(String),
    #[error("`{0}` is no zone: a domain such as kp or com.kp")]
    Zone(String),
    #[error("{0}:// takes no path")]
    Path(&'static str),
}

impl Target {
    /// Reads `KIND://HOST[:PORT][/PATH]` as a target of the entity.
    pub fn parse(text: &str, entity: Entity) -> Result<Self, TargetError> {
        let (kind, rest) = text.split_once("://").ok_or_else(|| TargetError::Shape(text.to_owned()))?;
        let (place, path) = match rest.find('/') {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, ""),
        };
        let (host, port) = split_port(place)?;
        let only = |kind| if matches!(path, "" | "/") { Ok(()) } else { Err(TargetError::Path(kind)) };
        let (knock, usual) = match kind {
            "dns" => (Knock::Dns { zone: zone(path, place)? }, 53),
            "tcp" => (only("tcp").map(|()| Knock::Tcp)?, port.ok_or_else(|| TargetError::NoPort(place.to_owned()))?),
            "tls" => (only("tls").map(|()| Knock::Tls { certificate: Certificate::default() })?, 443),
            "http" => (Knock::Http { path: path_of(path), text: None, tls: None }, 80),
            "https" => (Knock::Http { path: path_of(path), text: None, tls: Some(Certificate::default()) }, 443),
            "smtp" => (only("smtp").map(|()| Knock::Smtp)?, 25),
            "icmp" => (only("icmp").map(|()| Knock::Icmp)?, 0),
            _ => return Err(TargetError::Kind(kind.to_owned())),
        };
        let port = port.unwrap_or(usual);
        Ok(Self { entity, knock, host, port, address: None, outside: None, why: None, known: None })
    }

    /// One for each entity that it speaks of.
    pub fn key(&self) -> String {
        format!("{} {self}", self.entity)
    }

    /// The layer that its service belongs to; a bare answer (tcp, icmp) only shows that the host is reached.
    pub fn layer(&self) -> Layer {
        match self.knock {
            Knock::Dns { .. } => Layer::Dns,
            Knock::Tls { .. } | Knock::Http { .. } => Layer::Web,
            Knock::Smtp => Layer::Mail,
            Knock::Tcp | Knock::Icmp => Layer::Reach,
        }
    }

    /// The signal that counts whether its service works; none for a bare answer, which only counts for its block.
    pub fn signal(&self) -> Option<&'static str> {
        match self.layer() {
            Layer::Dns => Some("dns"),
            Layer::Web => Some("http"),
            Layer::Mail => Some("mail"),
            Layer::Routing | Layer::Reach | Layer::Traffic => None,
        }
    }
}

fn split_port(place: &str) -> Result<(Host, Option<u16>), TargetError> {
    let no_host = || TargetError::Host(place.to_owned());
    let (host, port) = if let Some(inner) = place.strip_prefix('[') {
        let (address, rest) = inner.split_once(']').ok_or_else(no_host)?;
        (address, rest.strip_prefix(':'))
    } else {
        match place.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            _ => (place, None),
        }
    };
    let number = |text: &str| text.parse().ok().filter(|port| *port > 0).ok_or_else(|| TargetError::Port(text.into()));
    let host = match host.parse() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(site(host).ok_or_else(no_host)?),
    };
    Ok((host, port.map(number).transpose()?))
}

fn zone(path: &str, place: &str) -> Result<String, TargetError> {
    if path == "/." {
        return Ok(".".to_owned());
    }
    let zone = path.trim_start_matches('/').trim_end_matches('.').to_ascii_lowercase();
    let label = |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if zone.is_empty() {
        return Err(TargetError::NoZone(place.to_owned()));
    }
    if zone.len() > 253 || !zone.split('.').all(label) {
        return Err(TargetError::Zone(zone));
    }
    Ok(zone)
}

fn path_of(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { path.to_owned() }
}

impl Host {
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Target {
    /// As it is written in a profile, the usual port left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, usual, path) = match &self.knock {
            Knock::Dns { zone } => ("dns", 53, format!("/{zone}")),
            Knock::Tcp => ("tcp", 0, String::new()),
            Knock::Tls { .. } => ("tls", 443, String::new()),
            Knock::Http { path, tls: None, .. } => ("http", 80, path.clone()),
            Knock::Http { path, tls: Some(_), .. } => ("https", 443, path.clone()),
            Knock::Smtp => ("smtp", 25, String::new()),
            Knock::Icmp => ("icmp", 0, String::new()),
        };
        write!(f, "{kind}://{}", self.host)?;
        if self.port != usual {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        Target::parse(text, "country/KP".parse().unwrap())
    }

    #[test]
    fn a_target_is_written_as_it_is_read() {
        for text in [
            "dns://ns1.kptc.kp/kp",
            "dns://175.45.176.15/co.kp",
            "tcp://202.97.0.1:80",
            "tls://kcna.kp",
            "http://www.mfa.gov.kp/view/a?b=c",
            "https://kcna.kp:8443/",
            "smtp://smtp.star-co.net.kp",
            "icmp://[2001:db8::1]",
            "dns://[2001:db8::1]:5353/kp",
            "dns://217.150.35.129/.",
        ] {
            assert_eq!(parse(text).map(|target| target.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(parse("http://KCNA.kp").unwrap().to_string(), "http://kcna.kp/");
    }

    #[test]
    fn a_wrong_target_says_what_is_wrong_with_it() {
        let why = |text: &str| parse(text).unwrap_err().to_string();
        assert!(why("kcna.kp").starts_with("`kcna.kp` is no target"));
        assert!(why("ftp://kcna.kp").starts_with("unknown kind of probe `ftp`"));
        assert_eq!(why("tcp://kcna.kp"), "tcp:// needs a port, such as tcp://kcna.kp:443");
        assert!(why("dns://ns1.kptc.kp").contains("needs a zone"));
        assert!(why("dns://ns1.kptc.kp/k p").contains("is no zone"));
        assert!(why("http://kcna.kp:0/").contains("is no port"));
        assert!(why("http://user@kcna.kp/").contains("is no host"));
        assert_eq!(why("smtp://kcna.kp/x"), "smtp:// takes no path");
    }
}
