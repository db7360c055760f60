//! Which addresses are never probed: a name that somebody else controls must not lead us into the operator's own network.
//! Asked after every resolution and at every redirect, of the very address that is then dialled.
//!
//! The blocks are those of IANA's special-purpose registries (RFC 6890 and its updates).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What may be probed.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Networks that the operator allows by name, private as they may be.
    allowed: Vec<IpNet>,
}

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, c: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

const REFUSED_V4: [(Ipv4Net, &str); 16] = [
    // Before the blocks that they lie in: clouds hand out secrets there.
    (Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 169, 254), 32), "a cloud's metadata service"),
    (Ipv4Net::new_assert(Ipv4Addr::new(100, 100, 100, 200), 32), "a cloud's metadata service"),
    (Ipv4Net::new_assert(Ipv4Addr::new(168, 63, 129, 16), 32), "a cloud's metadata service"),
    (v4(0, 0, 0, 8), "this very network"),
    (v4(10, 0, 0, 8), "private"),
    (v4(100, 64, 0, 10), "a provider's own (shared address space)"),
    (v4(127, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 16), "link-local"),
    (v4(172, 16, 0, 12), "private"),
    (v4(192, 0, 0, 24), "reserved for protocols"),
    (v4(192, 0, 2, 24), "reserved for examples"),
    (v4(192, 168, 0, 16), "private"),
    (v4(198, 18, 0, 15), "reserved for measurements within a network"),
    (v4(198, 51, 100, 24), "reserved for examples"),
    (v4(203, 0, 113, 24), "reserved for examples"),
    (v4(240, 0, 0, 4), "reserved"),
];

const REFUSED_V6: [(Ipv6Net, &str); 12] = [
    (Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128), "a cloud's metadata service"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "no address"),
    (v6(0x64, 0xff9b, 1, 48), "private (translation)"),
    (v6(0x100, 0, 0, 64), "the black hole"),
    (v6(0x2001, 0, 0, 32), "a Teredo tunnel"),
    (v6(0x2001, 0xdb8, 0, 32), "reserved for examples"),
    (v6(0x3fff, 0, 0, 20), "reserved for examples"),
    (v6(0xfc00, 0, 0, 7), "private"),
    (v6(0xfe80, 0, 0, 10), "link-local"),
    (v6(0xfec0, 0, 0, 10), "private (site-local)"),
    (v6(0xff00, 0, 0, 8), "multicast"),
];

impl Guard {
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Why the address is not probed, such as `loopback`; nothing where it may be.
    pub fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        if self.allowed.iter().any(|net| net.contains(&address)) {
            return None;
        }
        match address {
            IpAddr::V4(address) => refuses_v4(address),
            IpAddr::V6(address) => {
                let inner = inner_v4(address).map(|inner| self.refuses(IpAddr::V4(inner)));
                let own = REFUSED_V6.iter().find(|(net, _)| net.contains(&address)).map(|(_, why)| *why);
                own.or(inner.flatten())
            }
        }
    }
}

fn refuses_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_broadcast() {
        return Some("broadcast");
    }
    if address.is_multicast() {
        return Some("multicast");
    }
    REFUSED_V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, why)| *why)
}

/// The address of version 4 that one of version 6 stands for: mapped, compatible, translated (NAT64), 6to4.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn why(address: &str) -> Option<&'static str> {
        Guard::default().refuses(address.parse().unwrap())
    }

    #[test]
    fn every_class_that_leads_inside_is_refused_by_its_name() {
        for (address, class) in [
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("10.1.2.3", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("100.64.0.1", "a provider's own (shared address space)"),
            ("169.254.1.1", "link-local"),
            ("169.254.169.254", "a cloud's metadata service"),
            ("100.100.100.200", "a cloud's metadata service"),
            ("168.63.129.16", "a cloud's metadata service"),
            ("0.0.0.0", "this very network"),
            ("224.0.0.251", "multicast"),
            ("239.255.255.250", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("240.0.0.1", "reserved"),
            ("192.0.0.192", "reserved for protocols"),
            ("198.18.0.1", "reserved for measurements within a network"),
            ("203.0.113.9", "reserved for examples"),
            ("::1", "loopback"),
            ("::", "no address"),
            ("fe80::1", "link-local"),
            ("fec0::1", "private (site-local)"),
            ("fd12:3456::1", "private"),
            ("fd00:ec2::254", "a cloud's metadata service"),
            ("ff02::1", "multicast"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "a cloud's metadata service"),
            ("::10.0.0.1", "private"),
            ("64:ff9b::10.0.0.1", "private"),
            ("2002:7f00:1::", "loopback"),
            ("2001::1", "a Teredo tunnel"),
            ("2001:db8::1", "reserved for examples"),
        ] {
            assert_eq!(why(address), Some(class), "{address}");
        }
    }

    #[test]
    fn what_is_public_is_not() {
        for address in
            ["175.45.176.71", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "64:ff9b::101:101"]
        {
            assert_eq!(why(address), None, "{address}");
        }
    }

    #[test]
    fn the_operator_may_allow_a_network_by_name_and_only_that() {
        let guard = Guard::new(vec!["10.20.0.0/16".parse().unwrap()]);
        assert_eq!(guard.refuses("10.20.3.4".parse().unwrap()), None);
        assert_eq!(guard.refuses("::ffff:10.20.3.4".parse().unwrap()), None);
        assert_eq!(guard.refuses("10.21.3.4".parse().unwrap()), Some("private"));
    }

    proptest! {
        #[test]
        fn what_the_library_calls_inward_is_refused_however_it_is_written(bits: u32) {
            let inner = Ipv4Addr::from(bits);
            let inward = inner.is_private() || inner.is_loopback() || inner.is_link_local() || inner.is_multicast()
                || inner.is_unspecified() || inner.is_broadcast() || inner.is_documentation();
            let guard = Guard::default();
            prop_assert!(!inward || guard.refuses(inner.into()).is_some());
            prop_assert_eq!(guard.refuses(inner.into()), guard.refuses(inner.to_ipv6_mapped().into()));
        }
    }
}
