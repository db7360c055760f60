//! A route collector: real BGP sessions in, RIS Live's messages and RIPEstat's states out.

use crate::bgp::Session;
use crate::country::enter;
use crate::ris_live::RisLiveDouble;
use crate::server::{Answer, Asked, Server};
use linkdown::clock::Clock;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Its number: `rrc21`.
const COLLECTOR: u32 = 21;

/// What the peers see, by block and peer: the path.
type Table = BTreeMap<(String, Ipv4Addr), Vec<u32>>;

#[derive(Clone)]
pub struct Collector {
    table: Arc<Mutex<Table>>,
    ris: RisLiveDouble,
    clock: Clock,
    stop: Arc<AtomicBool>,
}

impl Collector {
    /// Listens for BGP in the namespace `world`.
    pub fn start(world: String, ris: RisLiveDouble, clock: Clock) -> Self {
        let collector = Self { table: Arc::default(), ris, clock, stop: Arc::default() };
        let listening = collector.clone();
        std::thread::spawn(move || {
            enter(&world);
            let listener = TcpListener::bind("10.255.0.1:179").unwrap();
            listener.set_nonblocking(true).unwrap();
            while !listening.stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let listening = listening.clone();
                        std::thread::spawn(move || listening.serve(stream));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        });
        collector
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Blocks that peers see, and how many peers.
    pub fn sees(&self) -> (usize, usize) {
        let table = self.table.lock().unwrap();
        let mut blocks: Vec<&String> = table.keys().map(|(block, _)| block).collect();
        let mut peers: Vec<&Ipv4Addr> = table.keys().map(|(_, peer)| peer).collect();
        blocks.sort_unstable();
        blocks.dedup();
        peers.sort_unstable();
        peers.dedup();
        (blocks.len(), peers.len())
    }

    fn now(&self) -> f64 {
        self.clock.now().unix() as f64
    }

    fn serve(&self, stream: TcpStream) {
        stream.set_nonblocking(false).unwrap();
        let Ok(std::net::SocketAddr::V4(peer)) = stream.peer_addr() else { return };
        let peer = *peer.ip();
        let Ok(mut session) = Session::establish(stream) else { return };
        self.ris.session(COLLECTOR, &peer.to_string(), self.now(), "connected");
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(update) = session.next() else { break };
            let Some(update) = update else { continue };
            let mut table = self.table.lock().unwrap();
            for block in &update.withdrawn {
                table.remove(&(block.clone(), peer));
            }
            for block in &update.announced {
                table.insert((block.clone(), peer), update.path.clone());
            }
            drop(table);
            for (path, blocks) in
                [(&[][..], &update.withdrawn), (&update.path[..], &update.announced)]
            {
                if !blocks.is_empty() {
                    let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
                    self.ris.update(COLLECTOR, &peer.to_string(), self.now(), path, &blocks);
                }
            }
        }
        self.table.lock().unwrap().retain(|(_, of), _| *of != peer);
        self.ris.session(COLLECTOR, &peer.to_string(), self.now(), "down");
    }

    /// RIPEstat's word on the same peers; of anything else it knows nothing.
    pub async fn ripestat(&self) -> Server {
        let collector = self.clone();
        let handler = move |asked: &Asked, _: Option<&crate::server::Fault>| {
            if !asked.path.starts_with("/data/bgp-state/") {
                return Answer::json(503, &json!({"status": "error"}));
            }
            let wanted: Vec<&str> =
                asked.value("resource").unwrap_or_default().split(',').collect();
            let table = collector.table.lock().unwrap();
            let of_wanted = table.iter().filter(|((block, _), _)| wanted.contains(&block.as_str()));
            let routes: Vec<_> = of_wanted
                .map(|((block, peer), path)| {
                    json!({"target_prefix": block, "path": path, "community": [], "source_id": format!("{COLLECTOR:02}-{peer}")})
                })
                .collect();
            let at = collector.clock.now().to_string().trim_end_matches('Z').to_owned();
            Answer::json(
                200,
                &json!({"messages": [], "status": "ok", "status_code": 200, "data_call_name": "bgp-state",
                    "data": {"resource": wanted.join(","), "timestamp": at, "nr_routes": routes.len(), "bgp_state": routes}}),
            )
        };
        Server::start(self.clock.clone(), 8, Arc::new(handler)).await
    }
}
