//! A table of which peer sees which block through which neighbour, seeded from a state and updated
//! by announcements and withdrawals. Pure.
//!
//! A peer counts for a block once it has had a route to it; peers that never have one (partial
//! tables) are in no count. A peer whose session is down leaves both numbers of "seen by 3 of 350".
//! After a gap nothing is known until the next seed.

use super::message::{Peer, Update};
use crate::domain::{Fall, Timestamp};
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A block counts as visible while more than this share of its peers see it; some routers keep a
/// withdrawn block for minutes.
const GONE: f64 = 0.05;
/// Minimum share of peers with a known state. Below it the view of the others means little: a
/// collector is down, not a country.
const ENOUGH_PEERS: f64 = 0.5;
/// From this share of seeing peers on, the blocks count as up, and the next fall is a new one.
const STANDS: f64 = 0.8;
/// The largest share of unknown peers that does not yet call for a new state. A peer that lost its
/// route while its session was down sends nothing when the session comes up again.
const UNKNOWN_AT_MOST: f64 = 0.1;
/// Maximum number of announced blocks that are followed for each watched block.
const INSIDE_AT_MOST: usize = 64;

/// The watched blocks and the peers that see them.
#[derive(Debug, Default)]
pub struct Table {
    peers: Vec<PeerState>,
    peer_numbers: HashMap<Peer, u16>,
    watched: HashMap<IpNet, Watched>,
    /// By announced block: a watched block or one inside it.
    blocks: HashMap<IpNet, Block>,
}

#[derive(Debug, Default)]
struct Watched {
    /// The announced blocks in the watched one, possibly itself.
    announced: Vec<IpNet>,
    /// Whether a state has been read since the last gap.
    is_seeded: bool,
}

#[derive(Clone, Copy, Debug)]
struct PeerState {
    is_up: bool,
    /// Time of the last change of the session, Unix seconds; 0 if none is known.
    since: u32,
}

#[derive(Debug, Default)]
struct Block {
    /// Sorted by number of the peer.
    routes: Vec<Route>,
}

/// The last report of a peer about a block. It takes 24 bytes, since there may be a third of a
/// million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    peer: u16,
    word: Word,
    /// The AS number next to the origin; 0 if unknown.
    gateway: u32,
    /// Time of the last report, Unix seconds.
    at: u32,
    /// Time since when `word` has been the same, Unix seconds.
    since: u32,
    /// The gateway before `gateway`; 0 if there was none.
    left: u32,
    /// Time of the change from `left` to `gateway`, Unix seconds.
    left_at: u32,
}

/// The state of a route by the last report of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Seen,
    Withdrawn,
    /// The session of the peer has changed since its last report.
    Unknown,
}

/// A route of a state that was read from RIPEstat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The announced block.
    pub net: IpNet,
    /// The peer that sees it.
    pub peer: Peer,
    /// The AS number next to the origin; 0 if unknown.
    pub gateway: u32,
}

/// The visibility of several blocks together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockVisibility {
    /// Number of peers with a known state that see any of the blocks.
    pub seeing: u32,
    /// Number of peers with a known state.
    pub peers: u32,
    /// Number of peers with an unknown state.
    pub unknown: u32,
    /// Number of visible blocks.
    pub blocks: u32,
    /// Number of blocks that have been announced at any time.
    pub of_blocks: u32,
    /// By AS number of the neighbour: the number of blocks visible through it, and the number of
    /// peers that see any block through it.
    pub gateways: BTreeMap<u32, (u32, u32)>,
}

impl BlockVisibility {
    /// Returns whether at least half of the peers have a known state.
    pub fn is_known(&self) -> bool {
        self.peers > 0
            && f64::from(self.peers) >= ENOUGH_PEERS * f64::from(self.peers + self.unknown)
    }

    /// Returns the number of seeing peers, scaled to all peers: a peer whose session is down has
    /// not lost the route.
    pub fn seeing_of_all(&self) -> f64 {
        if self.peers == 0 {
            return 0.0;
        }
        (f64::from(self.seeing) * f64::from(self.peers + self.unknown) / f64::from(self.peers))
            .round()
    }

    /// Returns the share of the known peers that see any of the blocks, from 0 to 1.
    pub fn share(&self) -> f64 {
        if self.peers == 0 { 0.0 } else { f64::from(self.seeing) / f64::from(self.peers) }
    }
}

impl Table {
    /// Follows the block and the blocks that are announced inside it.
    pub fn watch(&mut self, net: IpNet) {
        self.watched.entry(net).or_default();
    }

    /// Follows only these blocks from now on. Drops the data of all others, since chats may come
    /// and go with ever new blocks.
    pub fn watch_only(&mut self, nets: impl IntoIterator<Item = IpNet>) {
        let nets: HashSet<IpNet> = nets.into_iter().collect();
        self.watched.retain(|net, _| nets.contains(net));
        let announced: HashSet<IpNet> =
            self.watched.values().flat_map(|watched| watched.announced.clone()).collect();
        self.blocks.retain(|net, _| announced.contains(net));
        for net in nets {
            self.watch(net);
        }
    }

    /// Returns the watched blocks, in no particular order.
    pub fn watched(&self) -> impl Iterator<Item = IpNet> {
        self.watched.keys().copied()
    }

    /// Replaces all older data about `net` with a state of the time `at`. Does nothing if `net` is
    /// not watched.
    pub fn seed(&mut self, net: IpNet, routes: &[Seed], at: Timestamp) {
        let at = u32::try_from(at.unix()).unwrap_or(0);
        let Some(watched) = self.watched.get_mut(&net) else { return };
        watched.is_seeded = true;
        let known = watched.announced.clone();
        // A peer that is missing from the state has lost its earlier route.
        for net in known {
            if let Some(block) = self.blocks.get_mut(&net) {
                block.forget_before(at);
            }
        }
        for seed in routes.iter().filter(|seed| net.contains(&seed.net)) {
            let Some(peer) = self.number(seed.peer) else { continue };
            if let Some(block) = self.block(net, seed.net) {
                block.hears(peer, Word::Seen, seed.gateway, at);
            }
        }
    }

    /// Applies an update. Ignores blocks that are not watched.
    pub fn take(&mut self, update: &Update) {
        let inside: Vec<(IpNet, IpNet)> =
            update.announced.iter().filter_map(|net| Some((self.home(net)?, *net))).collect();
        if inside.is_empty() && !update.withdrawn.iter().any(|net| self.blocks.contains_key(net)) {
            return;
        }
        let Some(peer) = self.number(update.peer) else { return };
        let at = update.at as u32;
        let state = &mut self.peers[usize::from(peer)];
        // A report from before the last change of the session is void.
        if at < state.since {
            return;
        }
        state.is_up = true;
        // An update may withdraw and announce the same block; the announcement wins.
        for net in &update.withdrawn {
            if let Some(block) = self.blocks.get_mut(net) {
                block.hears(peer, Word::Withdrawn, 0, at);
            }
        }
        for (home, net) in inside {
            if let Some(block) = self.block(home, net) {
                block.hears(peer, Word::Seen, update.gateway(), at);
            }
        }
    }

    /// Returns `net` itself if it is watched, otherwise the smallest watched block that contains
    /// it.
    fn home(&self, net: &IpNet) -> Option<IpNet> {
        std::iter::successors(Some(*net), IpNet::supernet)
            .find(|net| self.watched.contains_key(net))
    }

    /// Returns the announced block inside a watched one. Adds it if it is new, or returns `None` if
    /// there are too many already.
    fn block(&mut self, home: IpNet, net: IpNet) -> Option<&mut Block> {
        let watched = self.watched.get_mut(&home)?;
        if !self.blocks.contains_key(&net) {
            if watched.announced.len() >= INSIDE_AT_MOST {
                return None;
            }
            watched.announced.push(net);
        }
        Some(self.blocks.entry(net).or_default())
    }

    /// Applies a change of a session at `at` (Unix seconds): the peer's routes are unknown until
    /// its next report. A change that is older than the last known one has no effect.
    pub fn session(&mut self, peer: Peer, up: bool, at: f64) {
        let Some(number) = self.peer_numbers.get(&peer).copied() else { return };
        let (at, state) = (at as u32, &mut self.peers[usize::from(number)]);
        if at < state.since {
            return;
        }
        *state = PeerState { is_up: up, since: at };
        let mut of_peer = self.blocks.values_mut().flat_map(|block| &mut block.routes);
        while let Some(route) = of_peer.find(|route| route.peer == number && route.at <= at) {
            (route.word, route.at) = (Word::Unknown, at);
        }
    }

    /// Returns whether so many peers are unknown that a new seed is worth its call.
    pub fn wants_seed(&self, nets: &[IpNet]) -> bool {
        let standing = self.standing(nets);
        standing.is_some_and(|standing| {
            f64::from(standing.unknown)
                > UNKNOWN_AT_MOST * f64::from(standing.peers + standing.unknown)
        })
    }

    /// Notes that updates may have been missed: nothing is known until the next seed.
    pub fn gap(&mut self) {
        for watched in self.watched.values_mut() {
            watched.is_seeded = false;
        }
    }

    fn is_seeded(&self, nets: &[IpNet]) -> bool {
        nets.iter().all(|net| self.watched.get(net).is_some_and(|watched| watched.is_seeded))
    }

    /// Returns the visibility of the blocks together; `None` until every block is seeded after a
    /// gap.
    pub fn standing(&self, nets: &[IpNet]) -> Option<BlockVisibility> {
        if nets.is_empty() || !self.is_seeded(nets) {
            return None;
        }
        let mut standing = BlockVisibility::default();
        // A peer that sees one of the blocks counts as seeing.
        let mut by_peer: BTreeMap<u16, Word> = BTreeMap::new();
        let mut through: BTreeMap<u32, (u32, Vec<u16>)> = BTreeMap::new();
        for block in self.announced(nets) {
            standing.of_blocks += 1;
            let (mut seeing, mut known) = (0, 0);
            let mut gateways: BTreeMap<u32, u32> = BTreeMap::new();
            for route in &block.routes {
                let is_up = self.peers.get(usize::from(route.peer)).is_some_and(|peer| peer.is_up);
                let word = if is_up { route.word } else { Word::Unknown };
                let said = by_peer.entry(route.peer).or_insert(word);
                if word == Word::Seen || *said == Word::Unknown {
                    *said = word;
                }
                known += u32::from(word != Word::Unknown);
                if word == Word::Seen {
                    seeing += 1;
                    *gateways.entry(route.gateway).or_default() += 1;
                    through.entry(route.gateway).or_default().1.push(route.peer);
                }
            }
            standing.blocks += u32::from(f64::from(seeing) > GONE * f64::from(known) && seeing > 0);
            for (gateway, peers) in gateways {
                through.entry(gateway).or_default().0 +=
                    u32::from(f64::from(peers) > GONE * f64::from(known));
            }
        }
        for word in by_peer.values() {
            match word {
                Word::Seen => {
                    (standing.seeing, standing.peers) = (standing.seeing + 1, standing.peers + 1);
                }
                Word::Withdrawn => standing.peers += 1,
                Word::Unknown => standing.unknown += 1,
            }
        }
        standing.gateways = through
            .into_iter()
            .filter(|(gateway, _)| *gateway != 0)
            .map(|(gateway, (blocks, mut peers))| {
                peers.sort_unstable();
                peers.dedup();
                (gateway, (blocks, peers.len() as u32))
            })
            .collect();
        Some(standing)
    }

    /// Returns when the routes of the blocks were lost since `since`, for each neighbour. A peer
    /// that lost its route through one neighbour and then the route through another counts for
    /// both.
    pub fn falls(&self, nets: &[IpNet], since: Timestamp) -> Vec<Fall> {
        let mut falls: BTreeMap<u32, (u32, u32, Vec<u16>)> = BTreeMap::new();
        let lost = |route: &&Route| {
            route.word == Word::Withdrawn && i64::from(route.since) >= since.unix()
        };
        for route in self.announced(nets).flat_map(|block| &block.routes).filter(lost) {
            for (gateway, at) in [(route.gateway, route.since), (route.left, route.left_at)] {
                if gateway == 0 || i64::from(at) < since.unix() {
                    continue;
                }
                let (first, last, peers) = falls.entry(gateway).or_insert((at, at, Vec::new()));
                (*first, *last) = ((*first).min(at), (*last).max(at));
                peers.push(route.peer);
            }
        }
        let at = |seconds: u32| Timestamp::from_unix(seconds.into());
        let fall = |(gateway, (first, last, mut peers)): (u32, (u32, u32, Vec<u16>))| {
            peers.sort_unstable();
            peers.dedup();
            Fall {
                gateway,
                name: None,
                first: at(first),
                last: at(last),
                peers: peers.len() as u32,
            }
        };
        falls.into_iter().map(fall).collect()
    }

    fn announced<'a>(&'a self, nets: &'a [IpNet]) -> impl Iterator<Item = &'a Block> {
        let inside = nets
            .iter()
            .filter_map(|net| self.watched.get(net))
            .flat_map(|watched| &watched.announced);
        inside.filter_map(|net| self.blocks.get(net))
    }

    fn number(&mut self, peer: Peer) -> Option<u16> {
        if let Some(number) = self.peer_numbers.get(&peer) {
            return Some(*number);
        }
        // RIPE has some 1,500 peers; more than 65,000 cannot be real.
        let number = u16::try_from(self.peers.len()).ok()?;
        self.peers.push(PeerState { is_up: true, since: 0 });
        self.peer_numbers.insert(peer, number);
        Some(number)
    }
}

impl Route {
    fn says(&mut self, word: Word, at: u32) {
        if self.word != word {
            (self.word, self.since) = (word, at);
        }
        self.at = at;
    }
}

impl Block {
    /// Marks every route with a report before `at` as withdrawn.
    fn forget_before(&mut self, at: u32) {
        for route in self.routes.iter_mut().filter(|route| route.at < at) {
            route.says(Word::Withdrawn, at);
        }
    }

    /// Applies a report of a peer, unless a newer one is known.
    fn hears(&mut self, peer: u16, word: Word, gateway: u32, at: u32) {
        match self.routes.binary_search_by_key(&peer, |route| route.peer) {
            Ok(place) => {
                let known = &mut self.routes[place];
                if at < known.at {
                    return;
                }
                // A withdrawal has no path, so the last gateway stays: it is the one that was lost.
                if word != Word::Withdrawn {
                    if known.gateway != gateway && known.word == Word::Seen {
                        (known.left, known.left_at) = (known.gateway, at);
                    }
                    known.gateway = gateway;
                }
                known.says(word, at);
            }
            // A peer that withdraws a block it never had is not counted.
            Err(_) if word == Word::Withdrawn => {}
            Err(place) => self
                .routes
                .insert(place, Route { peer, word, gateway, at, since: at, left: 0, left_at: 0 }),
        }
    }
}

/// The time since when the routes have been falling; it stays until they are up again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Falling(Option<Timestamp>);

impl Falling {
    /// Notes the visibility at `now`. Returns the time since when the routes have been falling, or
    /// `None` while they are up.
    pub fn note(&mut self, standing: &BlockVisibility, now: Timestamp) -> Option<Timestamp> {
        if standing.share() >= STANDS {
            // The minute before now is included, so that the next fall counts from its beginning.
            self.0 = Some(now - crate::domain::time::MINUTE);
            return None;
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NETS: [&str; 2] = ["175.45.176.0/24", "175.45.178.0/24"];

    fn nets() -> Vec<IpNet> {
        NETS.iter().map(|net| net.parse().unwrap()).collect()
    }

    fn peer(number: u8) -> Peer {
        Peer { collector: 21, address: IpAddr::from([192, 0, 2, number]) }
    }

    use std::net::IpAddr;

    /// Returns a table in which twenty peers see both blocks at 1000, alternately through each
    /// gateway.
    fn seeded() -> Table {
        let mut table = Table::default();
        for net in nets() {
            table.watch(net);
            let routes: Vec<Seed> = (0..20)
                .map(|n| Seed {
                    net,
                    peer: peer(n),
                    gateway: if n % 2 == 0 { 4837 } else { 20485 },
                })
                .collect();
            table.seed(net, &routes, Timestamp::from_unix(1000));
        }
        table
    }

    fn update(number: u8, at: f64, announced: &[IpNet], withdrawn: &[IpNet]) -> Update {
        let path = if announced.is_empty() { vec![] } else { vec![64496, 4837, 131_279] };
        Update {
            peer: peer(number),
            at,
            path,
            announced: announced.to_vec(),
            withdrawn: withdrawn.to_vec(),
        }
    }

    fn standing(table: &Table) -> BlockVisibility {
        table.standing(&nets()).unwrap()
    }

    #[test]
    fn it_stands_as_it_was_seeded_and_falls_as_it_is_withdrawn() {
        let mut table = seeded();
        let before = standing(&table);
        assert_eq!((before.seeing, before.peers, before.blocks), (20, 20, 2));
        assert_eq!(before.gateways, BTreeMap::from([(4837, (2, 10)), (20485, (2, 10))]));
        for n in 0..20 {
            table.take(&update(n, 1100.0 + f64::from(n), &[], &nets()));
        }
        let after = standing(&table);
        assert_eq!((after.seeing, after.peers, after.blocks), (0, 20, 0));
        let falls = table.falls(&nets(), Timestamp::from_unix(1060));
        let shown: Vec<_> =
            falls.iter().map(|f| (f.gateway, f.first.unix(), f.last.unix(), f.peers)).collect();
        assert_eq!(shown, [(4837, 1100, 1118, 10), (20485, 1101, 1119, 10)]);
    }

    #[test]
    fn of_blocks_that_chats_no_longer_follow_nothing_is_remembered() {
        let mut table = seeded();
        for number in 0..=255 {
            let net: IpNet = format!("198.51.{number}.0/24").parse().unwrap();
            table.watch_only(nets().into_iter().chain([net]));
            table.take(&update(1, 1100.0, &[net], &[]));
            table.take(&update(1, 1100.0, &["198.51.0.0/16".parse().unwrap()], &[]));
            assert_eq!((table.watched.len(), table.blocks.len()), (3, 3));
        }
        table.watch_only(nets());
        assert_eq!((table.watched.len(), table.blocks.len()), (2, 2));
        assert_eq!(standing(&table).seeing, 20, "what is followed still stands as it did");
    }

    #[test]
    fn one_block_of_two_is_one_block_and_still_seen_by_all() {
        let mut table = seeded();
        for n in 0..20 {
            table.take(&update(n, 1100.0, &[], &nets()[..1]));
        }
        let standing = standing(&table);
        assert_eq!((standing.seeing, standing.blocks, standing.of_blocks), (20, 1, 2));
    }

    #[test]
    fn what_is_announced_inside_a_watched_block_is_followed_with_it() {
        let mut table = Table::default();
        let whole: IpNet = "175.45.176.0/22".parse().unwrap();
        table.watch(whole);
        let seeds: Vec<Seed> =
            (0..4).map(|n| Seed { net: nets()[0], peer: peer(n), gateway: 4837 }).collect();
        table.seed(whole, &seeds, Timestamp::from_unix(1000));
        table.take(&update(1, 1100.0, &nets()[1..], &[]));
        let standing = table.standing(&[whole]).unwrap();
        assert_eq!((standing.seeing, standing.blocks, standing.of_blocks), (4, 2, 2));
        for n in 0..4 {
            table.take(&update(n, 1200.0, &[], &nets()));
        }
        assert_eq!(table.standing(&[whole]).unwrap().seeing, 0);
    }

    #[test]
    fn a_lost_session_leaves_both_sides_of_the_count() {
        let mut table = seeded();
        for n in 0..6 {
            table.session(peer(n), false, 1100.0);
        }
        let standing = standing(&table);
        assert_eq!((standing.seeing, standing.peers, standing.unknown), (14, 14, 6));
        assert!((standing.seeing_of_all() - 20.0).abs() < 0.1, "no peer has lost the route");
        assert!(standing.is_known());
        for n in 6..12 {
            table.session(peer(n), false, 1100.0);
        }
        assert!(!self::standing(&table).is_known(), "a collector is down");
    }

    #[test]
    fn peers_that_are_down_neither_withdraw_nor_still_see_it() {
        let mut table = seeded();
        for n in 0..3 {
            table.session(peer(n), false, 1100.0);
        }
        for n in 3..20 {
            table.take(&update(n, 1110.0, &[], &nets()));
        }
        let fallen = standing(&table);
        assert_eq!((fallen.seeing, fallen.peers, fallen.unknown), (0, 17, 3));
        assert!(fallen.is_known() && fallen.seeing_of_all() == 0.0);
        // A report from before the loss of the session is void, and so is an older session message.
        table.take(&update(0, 1090.0, &nets(), &[]));
        table.session(peer(0), true, 1095.0);
        assert_eq!(standing(&table), fallen);
        table.session(peer(0), true, 1200.0);
        assert_eq!(standing(&table), fallen, "it has not spoken yet");
        assert!(table.wants_seed(&nets()), "and may never");
        table.take(&update(0, 1201.0, &nets(), &[]));
        assert_eq!((standing(&table).seeing, standing(&table).unknown), (1, 2));
        for net in nets() {
            table.seed(
                net,
                &[Seed { net, peer: peer(1), gateway: 4837 }],
                Timestamp::from_unix(1300),
            );
        }
        let seeded = standing(&table);
        assert_eq!(
            (seeded.seeing, seeded.unknown),
            (0, 2),
            "a state does not speak for sessions that are down"
        );
        table.session(peer(1), true, 1400.0);
        table.session(peer(2), true, 1400.0);
        for net in nets() {
            table.seed(
                net,
                &[Seed { net, peer: peer(1), gateway: 4837 }],
                Timestamp::from_unix(1500),
            );
        }
        let seeded = standing(&table);
        assert_eq!((seeded.seeing, seeded.peers, seeded.unknown), (1, 20, 0));
        assert!(!table.wants_seed(&nets()));
    }

    #[test]
    fn after_a_gap_nothing_is_known_until_the_next_seed() {
        let mut table = seeded();
        table.gap();
        assert_eq!(table.standing(&nets()), None);
        for net in nets() {
            table.seed(
                net,
                &[Seed { net, peer: peer(1), gateway: 4837 }],
                Timestamp::from_unix(2000),
            );
        }
        assert_eq!(standing(&table).seeing, 1, "who is not in the state has it no more");
    }

    #[test]
    fn a_late_word_and_a_repeated_one_change_nothing() {
        let mut table = seeded();
        table.take(&update(3, 1100.0, &[], &nets()));
        table.take(&update(3, 1050.0, &nets(), &[]));
        assert_eq!(standing(&table).seeing, 19);
        table.take(&update(3, 1200.0, &[], &nets()));
        assert_eq!(table.falls(&nets(), Timestamp::from_unix(1000))[0].last.unix(), 1100);
    }

    #[test]
    fn who_never_had_a_block_is_in_no_count() {
        let mut table = seeded();
        table.take(&update(200, 1100.0, &[], &nets()));
        table.take(&update(201, 1100.0, &["192.0.2.0/24".parse().unwrap()], &[]));
        assert_eq!(standing(&table).peers, 20);
    }

    proptest! {
        #[test]
        fn whatever_the_order_the_newest_word_of_each_peer_stands(
            mut words in prop::collection::vec((0_u8..20, 1001_u32..2000, any::<bool>()), 0..200),
            order in any::<u64>(),
        ) {
            words.sort_by_key(|(peer, at, _)| (*peer, *at));
            words.dedup_by_key(|(peer, at, _)| (*peer, *at));
            let mut expected = [true; 20];
            for (peer, _, seen) in &words {
                expected[usize::from(*peer)] = *seen;
            }
            fastrand::Rng::with_seed(order).shuffle(&mut words);
            let mut table = seeded();
            for (peer, at, seen) in words {
                let all = nets();
                let (announced, withdrawn): (&[IpNet], &[IpNet]) = if seen { (&all, &[]) } else { (&[], &all) };
                table.take(&update(peer, f64::from(at), announced, withdrawn));
            }
            let seeing = expected.iter().filter(|seen| **seen).count() as u32;
            prop_assert_eq!(standing(&table).seeing, seeing);
        }
    }
}
