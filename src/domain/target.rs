//! Targets of the bot's own probes: a service on a host, and the answer that it must give.
//!
//! A target is written as an address: `dns://ns1.kptc.kp/kp`, `tcp://host:443`, `tls://host`,
//! `http://kcna.kp/`, `https://…`, `smtp://smtp.star-co.net.kp`, `icmp://host`.

use super::hostname::{self, NameError};
use super::{Entity, Layer};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A service on a host that is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The entity whose state the answer shows.
    pub entity: Entity,
    /// The kind of probe, with its parameters.
    pub knock: ProbeKind,
    /// The host that is probed.
    pub host: Host,
    /// The port; 0 for ICMP.
    pub port: u16,
    /// The host's address when it was last known to work. It is used until its name has been
    /// resolved once.
    pub address: Option<IpAddr>,
    /// The name of a network on the way to the entity, if the host belongs to that network and not
    /// to the entity. While such hosts answer and the entity does not, the fault is not on the way
    /// from here to there.
    pub outside: Option<String>,
    /// The reason why it is worth probing.
    pub why: Option<String>,
    /// The day, month or year in which it was last known to work, such as `2025-06-07`.
    pub known: Option<String>,
}

/// The host of a target: a name or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// The name in the form that DNS carries. [`Host::shown`] returns the form for people.
    Name(String),
    /// An address, which needs no resolving.
    Address(IpAddr),
}

/// The kind of probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// Asks a name server for the SOA of a zone for which it is authoritative.
    Dns {
        /// The zone in the form that DNS carries; `.` for the root.
        zone: String,
    },
    /// Opens a TCP connection.
    Tcp,
    /// Performs a TLS handshake. The end of the certificate's validity becomes a fact.
    Tls {
        /// The rule for an invalid certificate.
        certificate: Certificate,
    },
    /// Sends a GET request.
    Http {
        /// The path and query as they are sent, percent-encoded.
        path: String,
        /// A text that must be in the first 256 KiB of the body, or `None` if any body will do.
        text: Option<String>,
        /// The rule for an invalid certificate; `None` for HTTP without TLS.
        tls: Option<Certificate>,
    },
    /// Reads the banner, sends EHLO and QUIT.
    Smtp,
    /// Sends an echo request.
    Icmp,
}

/// The rule for a TLS certificate that is not valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// The site counts as answering, but broken.
    #[default]
    MustHold,
    /// Any certificate is accepted: for some sites a self-signed one is usual.
    Any,
}

/// The reason why a text is not a target. Text before an `@` may be a password and is never
/// repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Holds the text without `://`.
    #[error(
        "`{0}` is no target: write it as KIND://HOST, such as https://kcna.kp/ or dns://ns1.kptc.kp/kp"
    )]
    Shape(String),
    /// Holds the word before `://`.
    #[error(
        "unknown kind of probe `{0}`: it must be one of dns, tcp, tls, http, https, smtp, icmp"
    )]
    Kind(String),
    /// Holds the part before the path, and the reason.
    #[error("`{0}` is no host: {1}")]
    Host(String, HostError),
    /// Holds the text of the port, and a hint that ends the message.
    #[error("`{0}` is no port: a number from 1 to 65535{1}")]
    Port(String, &'static str),
    /// Holds the host of the TCP target.
    #[error("tcp:// needs a port, such as tcp://{0}:443")]
    NoPort(String),
    /// Holds the host of the DNS target.
    #[error("dns:// needs a zone that the server answers for, such as dns://{0}/kp")]
    NoZone(String),
    /// Holds the text of the zone, and the reason.
    #[error("`{0}` is no zone: a domain such as kp or com.kp; {1}")]
    Zone(String, NameError),
    /// Holds the kind of probe.
    #[error("{0}:// takes no path")]
    Path(&'static str),
    /// The text contains a character that is not allowed there.
    #[error("`{text}` holds {what} as its character {at}: {instead}")]
    Character {
        /// The whole text, with control characters replaced.
        text: String,
        /// The character, in words.
        what: String,
        /// Its position in characters, counted from 1.
        at: usize,
        /// The advice that ends the message.
        instead: &'static str,
    },
}

/// The reason why the part between `://` and the path is not a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The part is not a valid host name. Holds the reason.
    #[error("{0}")]
    Name(#[from] NameError),
    /// The part contains an `@`.
    #[error(
        "a probe has no user and no password; leave out what stands before the `@`, and write %40 in a path"
    )]
    User,
    /// An opening bracket has no closing one.
    #[error("its `[` has no `]`; write an IPv6 address as [2001:db8::1]")]
    Unclosed,
    /// An IPv6 address has no brackets.
    #[error("an IPv6 address stands between brackets, as in [2001:db8::1]:443")]
    Bare,
    /// The text between the brackets is not an IPv6 address.
    #[error("between brackets stands an IPv6 address and nothing else, such as [2001:db8::1]")]
    NotInside,
    /// Holds the text after the closing bracket, which does not start with a colon.
    #[error("`{0}` follows the `]`; write a colon before the port, as in [2001:db8::1]:80")]
    AfterBracket(String),
    /// More than one colon stands outside brackets.
    #[error(
        "it holds more than one colon; one stands before the port, and an IPv6 address between brackets"
    )]
    Colons,
}

impl Target {
    /// Parses `KIND://HOST[:PORT][/PATH]` as a target of the entity. Hosts and zones may be
    /// international. Characters that a path must not contain literally (RFC 3986), such as letters
    /// beyond ASCII, are percent-encoded. Spaces, fragments, users and passwords are refused.
    pub fn parse(text: &str, entity: Entity) -> Result<Self, TargetError> {
        Self::read(text, entity).map_err(|error| match text.rsplit_once('@') {
            Some((_, rest)) => TargetError::Host(format!("…@{rest}"), HostError::User),
            None => error,
        })
    }

    fn read(text: &str, entity: Entity) -> Result<Self, TargetError> {
        let (kind, rest) =
            text.split_once("://").ok_or_else(|| TargetError::Shape(text.to_owned()))?;
        let kind = kind.to_ascii_lowercase();
        let (place, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        if place.contains('@') {
            return Err(TargetError::Host(place.to_owned(), HostError::User));
        }
        refuse_characters(text, &kind)?;
        let (host, port) = split_port(place)?;
        let only =
            |kind| if matches!(path, "" | "/") { Ok(()) } else { Err(TargetError::Path(kind)) };
        let (knock, usual) = match kind.as_str() {
            "dns" => (ProbeKind::Dns { zone: zone(path, place)? }, 53),
            "tcp" => (
                only("tcp").map(|()| ProbeKind::Tcp)?,
                port.ok_or_else(|| TargetError::NoPort(place.to_owned()))?,
            ),
            "tls" => {
                (only("tls").map(|()| ProbeKind::Tls { certificate: Certificate::default() })?, 443)
            }
            "http" => (ProbeKind::Http { path: path_of(path), text: None, tls: None }, 80),
            "https" => (
                ProbeKind::Http {
                    path: path_of(path),
                    text: None,
                    tls: Some(Certificate::default()),
                },
                443,
            ),
            "smtp" => (only("smtp").map(|()| ProbeKind::Smtp)?, 25),
            "icmp" => (only("icmp").map(|()| ProbeKind::Icmp)?, 0),
            _ => return Err(TargetError::Kind(kind)),
        };
        if let (ProbeKind::Icmp, Some(port)) = (&knock, port) {
            return Err(TargetError::Port(
                port.to_string(),
                "; icmp:// takes none, so leave it out",
            ));
        }
        let port = port.unwrap_or(usual);
        Ok(Self { entity, knock, host, port, address: None, outside: None, why: None, known: None })
    }

    /// Returns a key that distinguishes the same probe for different entities.
    pub fn key(&self) -> String {
        format!("{} {self}", self.entity)
    }

    /// Returns the layer of the service. A bare answer (TCP, ICMP) only shows that the host is
    /// reached.
    pub fn layer(&self) -> Layer {
        match self.knock {
            ProbeKind::Dns { .. } => Layer::Dns,
            ProbeKind::Tls { .. } | ProbeKind::Http { .. } => Layer::Web,
            ProbeKind::Smtp => Layer::Mail,
            ProbeKind::Tcp | ProbeKind::Icmp => Layer::Reach,
        }
    }

    /// Returns the signal that counts whether the service works, or `None` for a bare answer, which
    /// only counts for its block.
    pub fn signal(&self) -> Option<&'static str> {
        match self.layer() {
            Layer::Dns => Some("dns"),
            Layer::Web => Some("http"),
            Layer::Mail => Some("mail"),
            Layer::Routing | Layer::Reach | Layer::Traffic => None,
        }
    }
}

/// Refuses characters that no target contains, and those that would make the request differ from
/// the text.
fn refuse_characters(text: &str, kind: &str) -> Result<(), TargetError> {
    // In the zone of a DNS target, a space is reported later, as an error of the name.
    let is_refused = |c: &char| match c {
        ' ' => kind != "dns",
        '\\' | '#' => true,
        c => c.is_whitespace() || c.is_control(),
    };
    let Some((at, c)) = text.chars().enumerate().find(|(_, c)| is_refused(c)) else {
        return Ok(());
    };
    let is_page = matches!(kind, "http" | "https");
    let (what, instead) = match c {
        ' ' if is_page => ("a space".to_owned(), "write %20 in a path, or leave it out"),
        ' ' => ("a space".to_owned(), "leave it out"),
        '\t' => ("a tab".to_owned(), "leave it out"),
        '\n' | '\r' => ("a line break".to_owned(), "leave it out"),
        '\\' => ("a backslash".to_owned(), "write `/`"),
        '#' => (
            "a `#`".to_owned(),
            "a server is never sent what follows it; leave both out, or write %23",
        ),
        c => (format!("the character U+{:04X}", u32::from(c)), "leave it out"),
    };
    let text = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    Err(TargetError::Character { text, what, at: at + 1, instead })
}

fn split_port(place: &str) -> Result<(Host, Option<u16>), TargetError> {
    let wrong = |why: HostError| TargetError::Host(place.to_owned(), why);
    let (host, port) = if let Some(inner) = place.strip_prefix('[') {
        let (address, rest) = inner.split_once(']').ok_or_else(|| wrong(HostError::Unclosed))?;
        let address: Ipv6Addr = address.parse().map_err(|_| wrong(HostError::NotInside))?;
        let port = match rest.strip_prefix(':') {
            None if !rest.is_empty() => {
                return Err(wrong(HostError::AfterBracket(rest.to_owned())));
            }
            port => port,
        };
        (Host::Address(address.into()), port)
    } else if place.parse::<Ipv6Addr>().is_ok() {
        return Err(wrong(HostError::Bare));
    } else {
        let (host, port) =
            place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
        if host.contains(':') {
            return Err(wrong(HostError::Colons));
        }
        (named(host).map_err(|why| wrong(why.into()))?, port)
    };
    Ok((host, port.map(number).transpose()?))
}

/// Parses a name or an IPv4 address, in any notation (`１２７.０.０.１`).
fn named(host: &str) -> Result<Host, NameError> {
    if let Ok(address) = host.parse() {
        return Ok(Host::Address(address));
    }
    match hostname::site(host) {
        Ok(name) => Ok(Host::Name(name)),
        Err(NameError::Address) => {
            let address = hostname::to_ascii(host)?.parse().map_err(|_| NameError::Address)?;
            Ok(Host::Address(address))
        }
        Err(why) => Err(why),
    }
}

/// Parses a port from digits only. The standard library also accepts `+80`.
fn number(text: &str) -> Result<u16, TargetError> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0);
    let hint = if text.is_empty() { "; leave out the colon for the usual one" } else { "" };
    port.ok_or_else(|| TargetError::Port(text.to_owned(), hint))
}

fn zone(path: &str, place: &str) -> Result<String, TargetError> {
    if path == "/." {
        return Ok(".".to_owned());
    }
    let zone = path.strip_prefix('/').unwrap_or(path);
    if zone.is_empty() {
        return Err(TargetError::NoZone(place.to_owned()));
    }
    hostname::to_ascii(zone).map_err(|why| TargetError::Zone(zone.to_owned(), why))
}

/// Returns the path and query as they are sent: from the root, with characters that RFC 3986 does
/// not allow percent-encoded. Text that is already encoded stays as it is.
fn path_of(path: &str) -> String {
    use fmt::Write;
    let mut sent = String::from(if path.starts_with('/') { "" } else { "/" });
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>^`{|}".contains(&byte) {
            sent.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(sent, "%{byte:02X}");
        }
    }
    sent
}

impl Host {
    /// Returns the host name, or `None` for an address.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }

    /// Returns the host in the form for people, which parses as the same host.
    pub fn shown(&self) -> String {
        match self {
            Self::Name(name) => hostname::shown(name),
            Self::Address(_) => self.to_string(),
        }
    }
}

/// Writes the host in the form that protocols carry; an IPv6 address in brackets.
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
    /// Writes the target in the form for a profile, without the usual port.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, usual, path) = match &self.knock {
            ProbeKind::Dns { zone } => ("dns", 53, format!("/{}", hostname::shown(zone))),
            ProbeKind::Tcp => ("tcp", 0, String::new()),
            ProbeKind::Tls { .. } => ("tls", 443, String::new()),
            ProbeKind::Http { path, tls: None, .. } => ("http", 80, path.clone()),
            ProbeKind::Http { path, tls: Some(_), .. } => ("https", 443, path.clone()),
            ProbeKind::Smtp => ("smtp", 25, String::new()),
            ProbeKind::Icmp => ("icmp", 0, String::new()),
        };
        write!(f, "{kind}://{}", self.host.shown())?;
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
            "https://münchen.example/",
            "smtp://почта.правительство.рф",
            "dns://ns1.правительство.рф/рф",
            "http://kcna.kp/?a=b",
            "http://kcna.kp/a%20b/%D0%BD",
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
        assert_eq!(why("smtp://kcna.kp/x"), "smtp:// takes no path");
    }
    #[test]
    fn an_international_host_is_asked_in_the_form_that_dns_carries() {
        let host = |text: &str| parse(text).unwrap().host.to_string();
        assert_eq!(host("https://MÜNCHEN.example/"), "xn--mnchen-3ya.example");
        assert_eq!(host("smtp://почта。рф."), "xn--80a1acny.xn--p1ai");
        assert_eq!(parse("HTTPS://kcna.kp").unwrap().to_string(), "https://kcna.kp/");
        let asked = parse("dns://ns1.kptc.kp/РФ.").unwrap();
        assert_eq!(asked.knock, ProbeKind::Dns { zone: "xn--p1ai".to_owned() });
        // Full-width digits form an address, as in a browser, and the guard checks it as one.
        assert_eq!(
            parse("http://１２７.０.０.１/").unwrap().host,
            Host::Address([127, 0, 0, 1].into())
        );
    }

    #[test]
    fn a_path_is_sent_as_a_server_takes_it() {
        let path = |text: &str| match parse(text).unwrap().knock {
            ProbeKind::Http { path, .. } => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(path("http://kcna.kp"), "/");
        assert_eq!(path("http://kcna.kp?a=b/c"), "/?a=b/c");
        assert_eq!(path("http://kcna.kp/новости"), "/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8");
        assert_eq!(path("http://kcna.kp/a%20b?c={d}|e"), "/a%20b?c=%7Bd%7D%7Ce");
        assert_eq!(path("http://kcna.kp/@user/x@y"), "/@user/x@y");
    }

    #[test]
    fn what_would_be_asked_as_something_else_is_refused_with_its_place() {
        for (text, expected) in [
            (
                "http://[::1]18000/",
                "`[::1]18000` is no host: `18000` follows the `]`; write a colon before the port, as in [2001:db8::1]:80",
            ),
            (
                "http://[::1/",
                "`[::1` is no host: its `[` has no `]`; write an IPv6 address as [2001:db8::1]",
            ),
            (
                "http://::1/",
                "`::1` is no host: an IPv6 address stands between brackets, as in [2001:db8::1]:443",
            ),
            (
                "tcp://::1:443",
                "`::1:443` is no host: an IPv6 address stands between brackets, as in [2001:db8::1]:443",
            ),
            (
                "http://[kcna.kp]/",
                "`[kcna.kp]` is no host: between brackets stands an IPv6 address and nothing else, such as [2001:db8::1]",
            ),
            (
                "http://[fe80::1%eth0]/",
                "`[fe80::1%eth0]` is no host: between brackets stands an IPv6 address and nothing else, such as [2001:db8::1]",
            ),
            (
                "http://kcna.kp:80:80/",
                "`kcna.kp:80:80` is no host: it holds more than one colon; one stands before the port, and an IPv6 \
                 address between brackets",
            ),
            ("http:///a", "`` is no host: a host name is missing, such as kcna.kp"),
            ("http://:80/", "`:80` is no host: a host name is missing, such as kcna.kp"),
            (
                "http://h/a",
                "`h` is no host: a host name has a dot and at least two parts, such as kcna.kp",
            ),
            ("http://kcna.kp:0/", "`0` is no port: a number from 1 to 65535"),
            ("http://kcna.kp:70000/", "`70000` is no port: a number from 1 to 65535"),
            ("http://kcna.kp:+80/", "`+80` is no port: a number from 1 to 65535"),
            (
                "http://kcna.kp:/",
                "`` is no port: a number from 1 to 65535; leave out the colon for the usual one",
            ),
            (
                "http://[::1]:/",
                "`` is no port: a number from 1 to 65535; leave out the colon for the usual one",
            ),
            (
                "icmp://kcna.kp:80",
                "`80` is no port: a number from 1 to 65535; icmp:// takes none, so leave it out",
            ),
            (
                "http://h.kp/a b",
                "`http://h.kp/a b` holds a space as its character 14: write %20 in a path, or leave it out",
            ),
            ("tcp://h.kp :80", "`tcp://h.kp :80` holds a space as its character 11: leave it out"),
            (
                "http://h.kp/a\tb",
                "`http://h.kp/a\u{fffd}b` holds a tab as its character 14: leave it out",
            ),
            (
                "http://h.kp/\n",
                "`http://h.kp/\u{fffd}` holds a line break as its character 13: leave it out",
            ),
            (
                "http://h.kp/\u{3000}",
                "`http://h.kp/\u{3000}` holds the character U+3000 as its character 13: leave it out",
            ),
            ("http://h.kp\\a", "`http://h.kp\\a` holds a backslash as its character 12: write `/`"),
            (
                "http://h.kp/#top",
                "`http://h.kp/#top` holds a `#` as its character 13: a server is never sent what follows it; leave both \
                 out, or write %23",
            ),
            (
                "http://user:secret@kcna.kp/",
                "`…@kcna.kp/` is no host: a probe has no user and no password; leave out what stands before the \
                 `@`, and write %40 in a path",
            ),
        ] {
            assert_eq!(
                parse(text).map_err(|error| error.to_string()),
                Err(expected.to_owned()),
                "{text}"
            );
        }
        for text in [
            "http:/u:secret@kcna.kp",
            "http://u:se/cret@kcna.kp/",
            "http://u:secret#@kcna.kp",
            "u:secret@kcna.kp",
        ] {
            let why = parse(text).unwrap_err().to_string();
            assert!(why.starts_with("`…@kcna.kp") && !why.contains("cret"), "{why}");
        }
    }
}
