//! A lying resolver, and redirects that lead inside: nothing of it is ever dialled.

use super::server::{Habit, NameServer, TTL, answer, on_tcp, page};
use super::{found, kit_that_allows, said, target};
use linkdown::source::probe::attempt::probe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An address of each class that is refused, and the class as it is told.
const REFUSED: [(&str, &str); 33] = [
    ("127.0.0.1", "loopback"),
    ("127.0.0.2", "loopback"),
    ("10.0.0.1", "private"),
    ("172.20.1.1", "private"),
    ("192.168.1.1", "private"),
    ("100.64.0.1", "a provider's own (shared address space)"),
    ("169.254.1.1", "link-local"),
    ("169.254.169.254", "a cloud's metadata service"),
    ("168.63.129.16", "a cloud's metadata service"),
    ("0.0.0.0", "this very network"),
    ("224.0.0.1", "multicast"),
    ("255.255.255.255", "broadcast"),
    ("240.0.0.1", "reserved"),
    ("::1", "loopback"),
    ("fe80::1", "link-local"),
    ("fd00::1", "private"),
    ("ff02::1", "multicast"),
    ("::ffff:127.0.0.1", "loopback"),
    ("64:ff9b::7f00:1", "loopback"),
    ("192.0.0.9", "reserved for protocols"),
    ("192.88.99.1", "a relay for tunnels (6to4)"),
    ("::ffff:0:10.0.0.1", "private"),
    ("2001:2::1", "reserved for measurements within a network"),
    ("2001:10::1", "an identifier and no address (ORCHID)"),
    ("2001:30::1", "reserved for protocols"),
    ("100:0:0:1::1", "not a public address"),
    ("5f00::1", "not a public address"),
    ("200::1", "not a public address"),
    ("4000::1", "not a public address"),
    ("2002:101:101::1", "a tunnel (6to4)"),
    ("2a00:1450::5efe:10.0.0.1", "private"),
    ("2a00:1450::200:5efe:10.0.0.1", "private"),
    ("3fff::1", "reserved for examples"),
];

#[tokio::test]
async fn a_name_that_leads_inside_is_not_asked_whatever_the_kind_of_probe() {
    let names = NameServer::start(Habit::Proper).await;
    let kit = kit_that_allows(&[], Some(names.address));
    for (number, (address, class)) in REFUSED.into_iter().enumerate() {
        let name = format!("n{number}.kp");
        names.leads(&name, &[address]);
        let expected = format!(
            "unknown: it leads to {}, which is refused: {class}",
            address.parse::<std::net::IpAddr>().unwrap()
        );
        for asked in [
            format!("http://{name}/"),
            format!("https://{name}/"),
            format!("tls://{name}"),
            format!("tcp://{name}:22"),
            format!("smtp://{name}"),
            format!("dns://{name}/kp"),
            format!("icmp://{name}"),
        ] {
            assert_eq!(said(&kit, &asked).await, expected, "{asked}");
        }
    }
}

#[tokio::test]
async fn a_redirect_that_leads_inside_is_not_followed() {
    let names = NameServer::start(Habit::Proper).await;
    names.leads("kcna.kp", &["127.0.0.1"]);
    // The site itself stands on loopback here, which is allowed by name; nothing else is.
    let kit = kit_that_allows(&["127.0.0.1/32"], Some(names.address));
    for (number, (address, class)) in REFUSED
        .into_iter()
        .enumerate()
        .filter(|(_, (address, _))| !address.contains("127.0.0.1") && *address != "64:ff9b::7f00:1")
    {
        let literal =
            if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let name = format!("r{number}.kcna.kp");
        names.leads(&name, &["127.0.0.1", address]);
        let shown = address.parse::<std::net::IpAddr>().unwrap();
        let foreign = format!(
            "a foreign site, {}",
            if shown.is_ipv6() { format!("[{shown}]") } else { shown.to_string() }
        );
        // Nobody learns what a name within the site leads to: the words are those of a name that does not exist.
        let unreachable = format!("{name}, which cannot be reached");
        for (place, expected) in [
            (format!("http://{literal}/latest/meta-data/"), foreign),
            (format!("http://{name}/"), unreachable),
        ] {
            let site = page(answer("302 Found", &format!("Location: {place}\r\n"), "")).await;
            let outcome = said(&kit, &format!("http://kcna.kp:{}/", site.port())).await;
            assert_eq!(
                outcome,
                format!("answers, but broken: redirects to {expected}"),
                "{class}: {place}"
            );
        }
    }
}

#[tokio::test]
async fn a_name_that_leads_outside_when_it_is_vetted_and_inside_when_it_is_dialled_finds_nobody() {
    let dialled = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&dialled);
    let inside = on_tcp(move |_| {
        counting.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let names = NameServer::start(Habit::Proper).await;
    names.leads("rebinding.kp", &["127.0.0.1"]);
    let kit = kit_that_allows(&[], Some(names.address));
    let mut asked = target(&format!("http://rebinding.kp:{}/", inside.port()));
    // It was known to stand outside; then it answers with another address each time it is asked.
    asked.address = Some("175.45.176.71".parse().unwrap());
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        names.leads("rebinding.kp", &[address]);
        let outcome = probe(&kit, &asked).await.outcome().to_string();
        assert!(outcome.contains("which is refused"), "{outcome}");
        kit.clock.sleep(i64::from(TTL) + 1, kit.clock.busy()).await;
    }
    assert_eq!(dialled.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_address_in_place_of_a_name_is_vetted_as_well() {
    let kit = kit_that_allows(&[], None);
    assert_eq!(
        said(&kit, "http://127.0.0.1/").await,
        "unknown: it leads to 127.0.0.1, which is refused: loopback"
    );
    assert_eq!(found(&kit, "icmp://[::1]").await.outcome().reached(), None);
}
