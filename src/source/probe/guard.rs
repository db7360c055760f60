//! Decides which addresses may be probed: a name that a stranger controls must not lead Linkdown
//! into the operator's own network. Every kind of probe asks after each resolution and at each
//! redirect, about the very address that it then dials.
//!
//! An address is dialled only if it is known to be public, or allowed by the operator:
//!
//! - of IPv4, all but the blocks of IANA's special-purpose registry, multicast and class E;
//! - of IPv6, `2000::/3` without the blocks of its special-purpose registry (RFC 4291, section 2.4:
//!   the rest is not assigned). One exception: an address in `64:ff9b::/96` stands for an IPv4
//!   address, which IPv6-only hosts reach through it, and is judged as that one is.
//!
//! An address of this machine is refused even if it is public, unless the operator allows it: a
//! service that listens there trusts local clients.
//!
//! A block of the registries is refused even if its column "Globally Reachable" says true: these
//! are anycast relays and sinks, not hosts of any site.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The rules that decide which addresses may be probed.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Networks that the operator allows by name, even if they are private.
    allowed: Vec<IpNet>,
    /// Networks that the operator refuses by name, such as the public address of the router in
    /// front of this machine.
    refused: Vec<IpNet>,
    /// Returns whether an address belongs to this machine.
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

/// Refused blocks. The first one that contains an address gives the reason.
const REFUSED_V4: [(Ipv4Net, &str); 22] = [
    // These stand before the blocks that contain them: clouds hand out secrets there.
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

/// All public IPv6 addresses lie in this block.
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// Blocks of [`PUBLIC_V6`] that are not public, and names for some blocks outside of it. The first
/// one that contains an address gives the reason.
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

/// The well-known prefix for translation to IPv4, the same everywhere (RFC 6052).
const TRANSLATED: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
/// The 6to4 prefix (RFC 3056); its anycast relay is deprecated by RFC 7526.
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 16);

impl Guard {
    /// Creates a guard that allows public addresses and the given networks.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed, refused: Vec::new(), is_own: is_of_this_machine }
    }

    /// Refuses these networks too, even inside an allowed one.
    #[must_use]
    pub fn refusing(self, refused: Vec<IpNet>) -> Self {
        Self { refused, ..self }
    }

    /// Returns why the address may not be probed, such as `loopback`, or `None` if it may.
    pub fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        // The system dials a mapped address as the IPv4 address that it contains.
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
            // An address under the translation prefix is allowed if its IPv4 address is; only the
            // local network knows whether a translator leads there.
            (IpAddr::V6(outer), Some(inner)) if TRANSLATED.contains(&outer) => self.refuses(inner),
            _ => special(address),
        }
    }
}

/// Returns the kind of the address, such as `private`, or `None` if it is public.
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

/// Returns the IPv4 address that an IPv6 address leads to: compatible or mapped (RFC 4291),
/// translated (RFC 6052, RFC 2765), 6to4 (RFC 3056), ISATAP under any prefix (RFC 5214, section
/// 6.1).
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

/// Returns whether packets to the address stay on this machine by its present routing table: the
/// system then picks the address itself as their source. Sends no packet. Returns `false` for an
/// address without a route.
pub fn is_of_this_machine(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // The port is a placeholder: connecting a datagram socket sends nothing.
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests;
