//! RIS Live: how many messages are read and filtered in a second, and what the table of 1,000 full-table blocks weighs.

use crate::usage;
use ipnet::IpNet;
use linkdown::domain::Timestamp;
use linkdown::source::ris_live::message::{Message, Peer, read};
use linkdown::source::ris_live::table::{Seed, Table};
use std::time::Instant;

const BLOCKS: u32 = 1000;
/// As many full-table peers as RIPE has.
const PEERS: u32 = 380;
const MESSAGES: u32 = 400_000;

fn block(number: u32) -> IpNet {
    format!("{}.{}.{}.0/24", 100 + number / 65_536, number / 256 % 256, number % 256)
        .parse()
        .unwrap()
}

fn peer(number: u32) -> Peer {
    Peer {
        collector: (number % 27) as u16,
        address: format!("198.51.{}.{}", number / 250, number % 250).parse().unwrap(),
    }
}

pub fn run() {
    let (before, _) = usage::memory("self");
    let mut table = Table::default();
    for number in 0..BLOCKS {
        let net = block(number);
        table.watch(net);
        let seeds: Vec<Seed> =
            (0..PEERS).map(|n| Seed { net, peer: peer(n), gateway: 4837 + n % 3 }).collect();
        table.seed(net, &seeds, Timestamp::from_unix(1_749_168_000));
    }
    let (after, _) = usage::memory("self");
    println!(
        "\nA table of {BLOCKS} blocks seen by {PEERS} peers: {:.1} MiB (owed 24)",
        after - before
    );

    // One message in ten is about a block that is watched; half of these withdraw it.
    let messages: Vec<String> = (0..MESSAGES.min(20_000))
        .map(|n| {
            let net = if n % 10 == 0 { block(n / 10 % BLOCKS) } else { block(500_000 + n) };
            let (announced, withdrawn) = if n % 20 == 0 {
                ("[]".to_owned(), format!("[\"{net}\"]"))
            } else {
                (format!(r#"[{{"next_hop":"192.0.2.9","prefixes":["{net}","{}"]}}]"#, block(600_000 + n)), "[]".to_owned())
            };
            let peer = peer(n % PEERS);
            format!(
                r#"{{"type":"ris_message","data":{{"timestamp":1749231238.41,"peer":"{}","peer_asn":"64496","id":"{n}","host":"rrc{:02}.ripe.net","type":"UPDATE","path":[64496,64500,3356,4837,131279],"community":[[64496,100],[64496,200],[64500,666]],"origin":"igp","med":0,"announcements":{announced},"withdrawals":{withdrawn}}}}}"#,
                peer.address, peer.collector
            )
        })
        .collect();
    let (began, used) = (Instant::now(), usage::cpu("self"));
    let mut updates = 0;
    for n in 0..MESSAGES as usize {
        if let Ok(Message::Update(update)) = read(&messages[n % messages.len()]) {
            table.take(&update);
            updates += 1;
        }
    }
    let (took, used) = (began.elapsed(), usage::cpu("self") - used);
    assert_eq!(updates, MESSAGES);
    println!(
        "{:.0} messages a second read and filtered on one core (owed 20,000); {:.1} µs of processor time each",
        f64::from(MESSAGES) / took.as_secs_f64(),
        used * 1e6 / f64::from(MESSAGES)
    );
}
