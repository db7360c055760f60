//! Which addresses may be probed: a name that somebody else controls must not lead us into the
//! operator's own network. Asked after every resolution and at every redirect, of the very address
//! that is then dialled, whatever the kind of probe.
//!
//! An address is dialled only where it is known to be public:
//!
//! - of IPv4, all but the blocks of IANA's special-purpose registry, multicast and class E;
//! - of IPv6, `2000::/3` without the blocks of its special-purpose registry (RFC 4291, section 2.4:
//!   the rest is not assigned). One exception: `64:ff9b::/96` stands for an address of IPv4, through
//!   which hosts that have IPv6 alone reach it, and is judged as that one is;
//! - and never one of this machine itself: a service that listens there trusts who comes from it.
//!
//! A block of the registries is refused also where its column "Globally Reachable" says true: those
//! are anycast relays and sinks, no hosts of anybody.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// What may be probed.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Networks that the operator allows by name, private as they may be.
    allowed: Vec<IpNet>,
    /// Networks that the operator refuses by name, such as the public address of a router before us.
    refused: Vec<IpNet>,
    /// Whether an address is one of this machine.
    is_own: fn(IpAddr) -> bool,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, c: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

/// The first that holds an address names it.
const REFUSED_V4: [(Ipv4Net, &str); 22] = [
    // Before the blocks that they lie in: clouds hand out secrets there.
    (Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 169, 254), 32), "a cloud's metadata service"),
    (Ipv4Net::new_assert(Ipv4Addr::new(100, 100, 100, 200), 32), "a cloud's metadata service"),
    (Ipv4Net::new_assert(Ipv4Addr::new(168, 63, 129, 16), 32), "a cloud's metadata service"),
    (Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32), "broadcast"),
    (v4(0, 0, 0, 8), "this very network"),
    (v4(10, 0, 0, 8), "private"),
    (v4(100, 64, 0, 10), "a provider's own (shared address space)"),
    (v4(127, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 16), "link-local"),
    (v4(172, 16, 0, 12), "private"),
    (v4(192, 0, 0, 24), "reserved for protocols"),
    (v4(192, 0, 2, 24), "reserved for examples"),
    (v4(192, 31, 196, 24), "a sink for queries (AS112)"),
    (v4(192, 52, 193, 24), "a relay for multicast (AMT)"),
    (v4(192, 88, 99, 24), "a relay for tunnels (6to4)"),
    (v4(192, 168, 0, 16), "private"),
    (v4(192, 175, 48, 24), "a sink for queries (AS112)"),
    (v4(198, 18, 0, 15), "reserved for measurements within a network"),
    (v4(198, 51, 100, 24), "reserved for examples"),
    (v4(203, 0, 113, 24), "reserved for examples"),
    (v4(224, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 4), "reserved"),
];

/// All that is public of IPv6 lies in here.
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// Blocks of [`PUBLIC_V6`] that are not public, and names for some beside it. The first that holds
/// an address names it.
const REFUSED_V6: [(Ipv6Net, &str); 17] = [
    (
        Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128),
        "a cloud's metadata service",
    ),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "no address"),
    (v6(0x64, 0xff9b, 1, 48), "private (translation)"),
    (v6(0x100, 0, 0, 64), "the black hole"),
    (v6(0x2001, 0, 0, 32), "a Teredo tunnel"),
    (v6(0x2001, 0x2, 0, 48), "reserved for measurements within a network"),
    (v6(0x2001, 0x10, 0, 28), "an identifier and no address (ORCHID)"),
    (v6(0x2001, 0x20, 0, 28), "an identifier and no address (ORCHID)"),
    (v6(0x2001, 0, 0, 23), "reserved for protocols"),
    (v6(0x2001, 0xdb8, 0, 32), "reserved for examples"),
    (v6(0x2620, 0x4f, 0x8000, 48), "a sink for queries (AS112)"),
    (v6(0x3fff, 0, 0, 20), "reserved for examples"),
    (v6(0xfc00, 0, 0, 7), "private"),
    (v6(0xfe80, 0, 0, 10), "link-local"),
    (v6(0xfec0, 0, 0, 10), "private (site-local)"),
    (v6(0xff00, 0, 0, 8), "multicast"),
];

/// The prefix for translation to IPv4 that is the same everywhere (RFC 6052).
const TRANSLATED: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
/// RFC 3056; deprecated as anycast by RFC 7526.
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 16);

impl Guard {
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed, refused: Vec::new(), is_own: is_of_this_machine }
    }

    /// Refuses these networks too, also where they lie in one that is allowed.
    #[must_use]
    pub fn refusing(self, refused: Vec<IpNet>) -> Self {
        Self { refused, ..self }
    }

    /// Returns why the address is not probed, such as `loopback`; nothing where it may be.
    pub fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        // The system dials a mapped address as the one of IPv4 that it holds.
        let address = address.to_canonical();
        let inner = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => inner_v4(address).map(IpAddr::V4),
        };
        let is_in = |nets: &[IpNet]| {
            nets.iter().any(|net| {
                net.contains(&address) || inner.is_some_and(|inner| net.contains(&inner))
            })
        };
        if is_in(&self.refused) {
            return Some("a network that the configuration refuses");
        }
        if self.allowed.iter().any(|net| net.contains(&address)) {
            return None;
        }
        if (self.is_own)(address) || inner.is_some_and(self.is_own) {
            return special(address).or(Some("this machine itself"));
        }
        match (address, inner) {
            // Whether its translator leads there is for the network to say; that it may, is allowed.
            (IpAddr::V6(outer), Some(inner)) if TRANSLATED.contains(&outer) => self.refuses(inner),
            _ => special(address),
        }
    }
}

/// Returns what the address is, where it is not a public one.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            REFUSED_V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, why)| *why)
        }
        IpAddr::V6(address) => {
            let own =
                REFUSED_V6.iter().find(|(net, _)| net.contains(&address)).map(|(_, why)| *why);
            let of_inner = || inner_v4(address).and_then(|inner| special(inner.into()));
            let otherwise = || {
                let is_tunnel = SIX_TO_FOUR.contains(&address);
                let is_public = PUBLIC_V6.contains(&address) || TRANSLATED.contains(&address);
                is_tunnel
                    .then_some("a tunnel (6to4)")
                    .or((!is_public).then_some("not a public address"))
            };
            own.or_else(of_inner).or_else(otherwise)
        }
    }
}

/// Returns the address of IPv4 that one of IPv6 leads to: compatible or mapped (RFC 4291), translated
/// (RFC 6052, RFC 2765), 6to4 (RFC 3056), ISATAP under any prefix (RFC 5214, section 6.1).
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

/// Decides whether packets to the address would stay on this machine, as its table of routes stands
/// now: then the system takes the address itself for their source. No packet is sent. Where an
/// address is not reached at all, it is nobody's.
pub fn is_of_this_machine(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // The port only stands for one: a datagram socket is connected without asking anybody.
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests;
