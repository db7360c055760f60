//! Tests the guard against the registries and this machine.

use super::*;
use proptest::prelude::*;

/// Returns a guard that takes no address for this machine's own, so that only the tables count.
fn tables(allowed: Vec<IpNet>) -> Guard {
    Guard { is_own: |_| false, ..Guard::new(allowed) }
}

fn why(address: &str) -> Option<&'static str> {
    tables(Vec::new()).refuses(address.parse().unwrap())
}

/// IANA IPv4 Special-Purpose Address Registry, last updated 2025-10-09. Each row has the block, its
/// column "Globally Reachable" (`?` stands for N/A), and the addresses before and after the block
/// where these are public. The last row is 224.0.0.0/4 of the multicast registry.
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>
const REGISTRY_V4: &str = "
    0.0.0.0/8           false -            1.0.0.0
    0.0.0.0/32          false -            -
    10.0.0.0/8          false 9.255.255.255 11.0.0.0
    100.64.0.0/10       false 100.63.255.255 100.128.0.0
    127.0.0.0/8         false 126.255.255.255 128.0.0.0
    169.254.0.0/16      false 169.253.255.255 169.255.0.0
    172.16.0.0/12       false 172.15.255.255 172.32.0.0
    192.0.0.0/24        false 191.255.255.255 192.0.1.0
    192.0.0.0/29        false 191.255.255.255 -
    192.0.0.8/32        false -            -
    192.0.0.9/32        true  -            -
    192.0.0.10/32       true  -            -
    192.0.0.170/32      false -            -
    192.0.0.171/32      false -            -
    192.0.2.0/24        false 192.0.1.255  192.0.3.0
    192.31.196.0/24     true  192.31.195.255 192.31.197.0
    192.52.193.0/24     true  192.52.192.255 192.52.194.0
    192.88.99.0/24      ?     192.88.98.255 192.88.100.0
    192.88.99.2/32      false -            -
    192.168.0.0/16      false 192.167.255.255 192.169.0.0
    192.175.48.0/24     true  192.175.47.255 192.175.49.0
    198.18.0.0/15       false 198.17.255.255 198.20.0.0
    198.51.100.0/24     false 198.51.99.255 198.51.101.0
    203.0.113.0/24      false 203.0.112.255 203.0.114.0
    240.0.0.0/4         false -            -
    255.255.255.255/32  false -            -
    224.0.0.0/4         false 223.255.255.255 -";

/// IANA IPv6 Special-Purpose Address Registry, last updated 2025-10-09, in the same form. It lacks
/// `::ffff:0:0/96` and `64:ff9b::/96`, which are judged by the IPv4 address inside. The last rows
/// are the blocks that RFC 4291 and RFC 3879 set apart, and the edges of `2000::/3`.
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
const REGISTRY_V6: &str = "
    ::1/128             false - -
    ::/128              false - -
    64:ff9b:1::/48      false - -
    100::/64            false - -
    100:0:0:1::/64      false - -
    2001::/23           false 2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2001:200::
    2001::/32           ?     2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff -
    2001:1::1/128       true  - -
    2001:1::2/128       true  - -
    2001:1::3/128       true  - -
    2001:2::/48         false - -
    2001:3::/32         true  - -
    2001:4:112::/48     true  - -
    2001:10::/28        false - -
    2001:20::/28        true  - -
    2001:30::/28        true  - -
    2001:db8::/32       false 2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9::
    2002::/16           ?     2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2003::
    2620:4f:8000::/48   true  2620:4f:7fff:ffff:ffff:ffff:ffff:ffff 2620:4f:8001::
    3fff::/20           false 3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff 3fff:1000::
    5f00::/16           false - -
    fc00::/7            false - -
    fe80::/10           false - -
    fec0::/10           false - -
    ff00::/8            false - -
    ::/3                false - 2000::
    200::/7             false - -
    4000::/2            false 3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff -
    8000::/1            false - -";

/// Returns each row: the block, its column, and the public addresses next to it.
fn rows(registry: &'static str) -> impl Iterator<Item = (IpNet, &'static str, Vec<&'static str>)> {
    registry.lines().filter(|line| !line.is_empty()).map(|line| {
        let mut words = line.split_whitespace();
        let (block, reachable) = (words.next().unwrap().parse().unwrap(), words.next().unwrap());
        (block, reachable, words.filter(|beside| *beside != "-").collect())
    })
}

#[test]
fn every_block_of_the_registries_is_refused_from_its_first_address_to_its_last() {
    let (mut blocks, mut beside_them) = (0, 0);
    for (block, reachable, beside) in rows(REGISTRY_V4).chain(rows(REGISTRY_V6)) {
        assert!(matches!(reachable, "true" | "false" | "?"), "{block}");
        let guard = tables(Vec::new());
        for address in [block.network(), block.broadcast()] {
            assert!(guard.refuses(address).is_some(), "{address} of {block}");
            blocks += 1;
        }
        for address in beside {
            assert_eq!(why(address), None, "{address}, beside {block}, is public");
            beside_them += 1;
        }
    }
    assert_eq!((blocks, beside_them), (2 * (27 + 29), 46));
}

#[test]
fn of_ipv6_nothing_is_dialled_beyond_what_is_assigned() {
    // Every /8 outside 2000::/3.
    for first in (0u16..=0xff).filter(|first| !(0x20..0x40).contains(first)) {
        let address = Ipv6Addr::new(first << 8 | 0x12, 0x3456, 0, 0, 0, 0, 0, 1);
        assert!(tables(Vec::new()).refuses(address.into()).is_some(), "{address}");
    }
    for (address, class) in [
        ("::ffff:0:10.0.0.1", "private"),
        ("::ffff:0:1.1.1.1", "not a public address"),
        ("::1.1.1.1", "not a public address"),
        ("192.88.99.1", "a relay for tunnels (6to4)"),
        ("2001:2::1", "reserved for measurements within a network"),
        ("2001:10::1", "an identifier and no address (ORCHID)"),
        ("100:0:0:1::1", "not a public address"),
        ("5f00::1", "not a public address"),
        ("200::1", "not a public address"),
        ("4000::1", "not a public address"),
        ("64:ff9b:1::101:101", "private (translation)"),
        ("64:ff9b::192.168.1.1", "private"),
        ("2002:a00:1::1", "private"),
        ("2002:101:101::1", "a tunnel (6to4)"),
        ("2001:0:101:101::1", "a Teredo tunnel"),
        ("2a00:1450::5efe:10.0.0.1", "private"),
        ("2a00:1450::200:5efe:192.168.0.1", "private"),
        ("2a00:1450:0:0:0:5efe:127.0.0.1", "loopback"),
        ("fe80::5efe:1.1.1.1", "link-local"),
    ] {
        assert_eq!(why(address), Some(class), "{address}");
    }
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
    for address in [
        "175.45.176.71",
        "1.1.1.1",
        "::ffff:1.1.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700:4700::1111",
        "2a00:1450::5efe:1.1.1.1",
        "64:ff9b::101:101",
    ] {
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

#[test]
fn the_operator_may_refuse_a_network_by_name_however_it_is_reached() {
    let guard = tables(vec!["10.0.0.0/8".parse().unwrap()])
        .refusing(vec!["10.1.0.0/16".parse().unwrap(), { "1.1.1.0/24".parse().unwrap() }]);
    for address in
        ["1.1.1.1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2a00:1450::5efe:1.1.1.1", "10.1.2.3"]
    {
        let why = guard.refuses(address.parse().unwrap());
        assert_eq!(why, Some("a network that the configuration refuses"), "{address}");
    }
    assert_eq!(guard.refuses("10.2.0.1".parse().unwrap()), None);
    assert_eq!(guard.refuses("1.1.2.1".parse().unwrap()), None);
}

#[test]
fn a_public_address_of_this_machine_is_refused_however_it_is_written() {
    let own = |address: IpAddr| {
        address == IpAddr::from([1, 1, 1, 1])
            || address == "2a00:1450::7".parse::<IpAddr>().unwrap()
    };
    let guard = Guard { is_own: own, ..Guard::default() };
    for address in
        ["1.1.1.1", "::ffff:1.1.1.1", "64:ff9b::101:101", "2a00:1450::5efe:1.1.1.1", "2a00:1450::7"]
    {
        assert_eq!(
            guard.refuses(address.parse().unwrap()),
            Some("this machine itself"),
            "{address}"
        );
    }
    assert_eq!(guard.refuses("1.1.1.2".parse().unwrap()), None);
    let allowed = Guard { is_own: own, ..Guard::new(vec!["1.1.1.1/32".parse().unwrap()]) };
    assert_eq!(
        allowed.refuses("1.1.1.1".parse().unwrap()),
        None,
        "unless the operator allows it by name"
    );
}

/// Returns the addresses of this machine's interfaces, from the tables of the kernel.
fn addresses_of_interfaces() -> Vec<IpAddr> {
    let mut found = Vec::new();
    let v4 = std::fs::read_to_string("/proc/net/fib_trie").unwrap();
    let mut last = None;
    for line in v4.lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line.contains("/32 host LOCAL") {
            found.extend(last.map(IpAddr::V4));
        }
    }
    // A machine may have no IPv6 at all.
    for line in std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (is_global, is_tentative) = (matches!(words[3], "00" | "10"), words[4] == "40");
        if is_global && !is_tentative {
            found.push(Ipv6Addr::from(u128::from_str_radix(words[0], 16).unwrap()).into());
        }
    }
    found
}

#[test]
fn the_addresses_of_this_machines_interfaces_are_known_as_its_own() {
    let own = addresses_of_interfaces();
    assert!(own.contains(&IpAddr::from([127, 0, 0, 1])), "{own:?}");
    for address in own {
        assert!(is_of_this_machine(address), "{address}");
        assert!(Guard::default().refuses(address).is_some(), "{address}");
    }
    for other in
        ["192.0.2.1", "1.1.1.1", "2606:4700:4700::1111", "224.0.0.1", "255.255.255.255", "fe80::1"]
    {
        assert!(!is_of_this_machine(other.parse().unwrap()), "{other}");
    }
}

proptest! {
    #[test]
    fn what_the_library_calls_inward_is_refused_however_it_is_written(bits: u32) {
        let inner = Ipv4Addr::from(bits);
        let inward = inner.is_private() || inner.is_loopback() || inner.is_link_local() || inner.is_multicast()
            || inner.is_unspecified() || inner.is_broadcast() || inner.is_documentation();
        let guard = tables(Vec::new());
        prop_assert!(!inward || guard.refuses(inner.into()).is_some());
        prop_assert_eq!(guard.refuses(inner.into()), guard.refuses(inner.to_ipv6_mapped().into()));
        // Any prefix may precede an ISATAP address.
        let [a, b, c, d] = inner.octets().map(u16::from);
        let tunnelled = Ipv6Addr::new(0x2a00, 0x1450, 0, 0, 0x200, 0x5efe, a << 8 | b, c << 8 | d);
        prop_assert_eq!(guard.refuses(inner.into()), guard.refuses(tunnelled.into()));
    }
}
