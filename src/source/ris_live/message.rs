//! The messages of RIS Live, one for each JSON text frame. Facts and traps:
//! docs/sources/ris-live.md

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::net::IpAddr;

/// A peer of one route collector. Both together identify it, since one router may peer with several
/// collectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The number of the collector: 21 for `rrc21.ripe.net`.
    pub collector: u16,
    /// The address of the peer's router.
    pub address: IpAddr,
}

/// A message, reduced to the parts that are used.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Routes that a peer announces or withdraws.
    Update(Update),
    /// A session with a peer came up or went down. Routes that are missing while it is down were
    /// not withdrawn.
    Session {
        /// The peer of the session.
        peer: Peer,
        /// Whether the session is up; false for an unknown state.
        up: bool,
        /// Time by the collector's clock, Unix seconds.
        at: f64,
    },
    /// The reply to a ping.
    Pong,
    /// An error message of the service. The one about a client that is too slow is its last
    /// message.
    Complaint(String),
    /// Any other message; it is ignored.
    Other,
}

/// A BGP update of one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The peer that sent the update to the collector.
    pub peer: Peer,
    /// Time by the collector's clock, Unix seconds.
    pub at: f64,
    /// The AS numbers on the path, origin last; 0 for a set. Empty for a pure withdrawal.
    pub path: Vec<u32>,
    /// Blocks that the peer reaches by this path.
    pub announced: Vec<IpNet>,
    /// Blocks that the peer no longer reaches.
    pub withdrawn: Vec<IpNet>,
}

/// The reason why a frame is not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message that cannot be read: {0}")]
pub struct Malformed(pub String);

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    data: Option<Data<'a>>,
}

/// The content of a message. Each member may be missing or of any type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Data<'a> {
    #[serde(borrow)]
    timestamp: Word<'a>,
    #[serde(borrow)]
    peer: Word<'a>,
    #[serde(borrow)]
    host: Word<'a>,
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    path: Listed<Hop>,
    #[serde(borrow)]
    announcements: Listed<Announcement<'a>>,
    #[serde(borrow)]
    withdrawals: Listed<Word<'a>>,
    #[serde(borrow)]
    state: Word<'a>,
    #[serde(borrow)]
    message: Word<'a>,
}

/// The blocks of an announcement; empty if it is not an object.
#[derive(Default)]
struct Announcement<'a>(Listed<Word<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Announcement<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Members<'a> {
            #[serde(borrow)]
            prefixes: Listed<Word<'a>>,
        }
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str::<Members<'a>>(raw.get()).unwrap_or_default().prefixes))
    }
}

/// The items of a list; empty if the value is not a list.
struct Listed<T>(Vec<T>);

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).unwrap_or_default()))
    }
}

/// A text, or the digits of a number; `None` for every other value.
#[derive(Default)]
struct Word<'a>(Option<Cow<'a, str>>);

impl Word<'_> {
    fn as_str(&self) -> Option<&str> {
        self.0.as_deref().map(str::trim)
    }

    fn number(&self) -> Option<f64> {
        self.as_str()?.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        Ok(Self(match raw.as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<&'de str>(raw) {
                Ok(text) => Some(Cow::Borrowed(text)),
                // A text with escapes cannot be borrowed.
                Err(_) => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
            },
            Some(b'-' | b'0'..=b'9') => Some(Cow::Borrowed(raw)),
            _ => None,
        }))
    }
}

/// One AS number of a path; 0 for a set, which aggregation leaves, and for an unreadable value.
struct Hop(u32);

impl<'de> Deserialize<'de> for Hop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Word::deserialize(deserializer)?;
        Ok(Self(word.as_str().and_then(|digits| digits.parse().ok()).unwrap_or(0)))
    }
}

/// Reads one frame. Skips a malformed block of an update; fails if no block of the update can be
/// read.
pub fn read(text: &str) -> Result<Message, Malformed> {
    let frame: Frame<'_> =
        serde_json::from_str(text).map_err(|error| Malformed(error.to_string()))?;
    let data = frame.data.unwrap_or_default();
    match &*frame.kind {
        "ris_message" => message(&data),
        "ris_error" => Ok(Message::Complaint(data.message.as_str().unwrap_or_default().to_owned())),
        "pong" => Ok(Message::Pong),
        _ => Ok(Message::Other),
    }
}

/// The kind of a message of the stream.
enum Kind {
    Update,
    Session,
    Other,
}

impl Kind {
    /// Returns the kind for a type in any case. The type of a session message is `STATE` in
    /// captures of 2026, and `RIS_PEER_STATE` in the documentation and in captures of 2019; both,
    /// and the forms between them, mean the same.
    fn of(word: &str) -> Self {
        let word = word.to_ascii_uppercase();
        let bare = word.strip_prefix("RIS_").unwrap_or(&word);
        match bare.strip_prefix("PEER_").unwrap_or(bare) {
            "UPDATE" => Self::Update,
            "STATE" => Self::Session,
            _ => Self::Other,
        }
    }
}

fn message(data: &Data<'_>) -> Result<Message, Malformed> {
    let missing = |what: &str| Malformed(format!("no {what}"));
    let kind = Kind::of(data.kind.as_str().ok_or_else(|| missing("type"))?);
    if matches!(kind, Kind::Other) {
        return Ok(Message::Other);
    }
    let at = data.timestamp.number().filter(|at| *at > 0.0).ok_or_else(|| missing("time"))?;
    let address =
        data.peer.as_str().and_then(|peer| peer.parse().ok()).ok_or_else(|| missing("peer"))?;
    let collector = data.host.as_str().and_then(collector).ok_or_else(|| missing("collector"))?;
    let peer = Peer { collector, address };
    if matches!(kind, Kind::Session) {
        // Any other state, or an unreadable one, counts as down: the peer's routes are unknown.
        let state = data.state.as_str().unwrap_or_default().to_ascii_lowercase();
        let up = matches!(state.as_str(), "connected" | "up" | "established");
        return Ok(Message::Session { peer, up, at });
    }
    let mut malformed = None;
    let mut blocks = |words: &[Word<'_>]| -> Vec<IpNet> {
        let mut read = Vec::new();
        for word in words {
            match word.as_str().and_then(|text| text.parse::<IpNet>().ok()) {
                Some(net) => read.push(net.trunc()),
                None => {
                    malformed = Some(
                        word.as_str().unwrap_or_default().chars().take(60).collect::<String>(),
                    );
                }
            }
        }
        read
    };
    let announced: Vec<IpNet> =
        data.announcements.0.iter().flat_map(|one| blocks(&one.0.0)).collect();
    let withdrawn = blocks(&data.withdrawals.0);
    match malformed {
        Some(block) if announced.is_empty() && withdrawn.is_empty() => {
            Err(Malformed(format!("no block: {block}")))
        }
        _ => {
            let path = data.path.0.iter().map(|Hop(number)| *number).collect();
            Ok(Message::Update(Update { peer, at, path, announced, withdrawn }))
        }
    }
}

/// Returns the number of a collector: 21 for `rrc21` and for `rrc21.ripe.net`, which both occur.
pub fn collector(host: &str) -> Option<u16> {
    let name = host.split('.').next()?.to_ascii_lowercase();
    name.strip_prefix("rrc").unwrap_or(&name).parse().ok()
}

impl Update {
    /// Returns the AS number next to the origin. An origin that is repeated (prepending) counts
    /// once. Returns 0 if the peer is itself the origin, or if a set stands next to the origin.
    pub fn gateway(&self) -> u32 {
        gateway(&self.path)
    }
}

/// Returns the gateway of a path, as [`Update::gateway`] does.
pub fn gateway(path: &[u32]) -> u32 {
    let Some(origin) = path.last() else { return 0 };
    path.iter().rev().copied().find(|hop| hop != origin).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOUNCED: &str = r#"{"type":"ris_message","data":{"timestamp":1749231238.41,"peer":"192.0.2.9","peer_asn":"64496",
        "id":"21-192-0-2-9-00a1","host":"rrc21.ripe.net","type":"UPDATE","path":[64496,64500,4837,131279,131279],
        "community":[[64496,100]],"origin":"igp","announcements":[{"next_hop":"192.0.2.9","prefixes":["175.45.176.0/24"]}],
        "withdrawals":[]}}"#;

    fn update(text: &str) -> Update {
        match read(text).unwrap() {
            Message::Update(update) => update,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_announcement_tells_peer_path_and_blocks() {
        let update = update(ANNOUNCED);
        assert_eq!(update.peer, Peer { collector: 21, address: "192.0.2.9".parse().unwrap() });
        assert_eq!(update.announced, ["175.45.176.0/24".parse().unwrap()]);
        assert_eq!(update.gateway(), 4837);
    }

    #[test]
    fn a_withdrawal_has_no_path_and_may_leave_all_else_out() {
        let update = update(
            r#"{"type":"ris_message","data":{"timestamp":1749231240,"peer":"2001:db8::9","host":"rrc00","type":"UPDATE",
            "withdrawals":["175.45.176.0/24","2001:db8:0:0:0:0:0:0/48"]}}"#,
        );
        assert_eq!(update.peer.collector, 0);
        let withdrawn: Vec<String> = update.withdrawn.iter().map(ToString::to_string).collect();
        assert_eq!(withdrawn, ["175.45.176.0/24", "2001:db8::/48"]);
        assert_eq!(update.gateway(), 0);
    }

    #[test]
    fn a_set_in_the_path_is_nobody_in_particular() {
        let text = ANNOUNCED.replace("4837,131279,131279]", "4837,[64512,64513]]");
        assert_eq!(update(&text).path, [64496, 64500, 4837, 0]);
    }

    /// A session message as captured in September 2026.
    const SESSION: &str = r#"{"type":"ris_message","data":{"timestamp":1789019601.76,"peer":"192.0.2.55","peer_asn":"64496",
        "id":"192.0.2.55-01a0","host":"rrc13.ripe.net","type":"STATE","state":"connected"}}"#;

    #[test]
    fn a_session_is_told_under_either_name() {
        let peer = Peer { collector: 13, address: "192.0.2.55".parse().unwrap() };
        let session = |up| Ok(Message::Session { peer, up, at: 1_789_019_601.76 });
        assert_eq!(read(SESSION), session(true));
        for kind in ["RIS_PEER_STATE", "PEER_STATE", "state", "Ris_Peer_State"] {
            assert_eq!(read(&SESSION.replace("STATE", kind)), session(true), "{kind}");
        }
        for (state, up) in
            [("down", false), ("DOWN", false), ("Connected", true), ("up", true), ("idle", false)]
        {
            assert_eq!(read(&SESSION.replace("connected", state)), session(up), "{state}");
        }
        for (from, to) in [
            (r#""peer_asn":"64496""#, r#""peer_asn":64496"#),
            (r#""id":"192.0.2.55-01a0","#, ""),
            (r#""id":"192.0.2.55-01a0""#, r#""id":17"#),
            ("1789019601.76", r#""1789019601.76""#),
            ("rrc13.ripe.net", "rrc13"),
            ("rrc13.ripe.net", "RRC13"),
            (r#""rrc13.ripe.net""#, "13"),
        ] {
            assert!(SESSION.contains(from));
            assert_eq!(read(&SESSION.replace(from, to)), session(true), "{to}");
        }
        for state in ["null", "7", "[]", "{}"] {
            assert_eq!(
                read(&SESSION.replace(r#""connected""#, state)),
                session(false),
                "{state}: nothing is known"
            );
        }
        for kind in ["OPEN", "NOTIFICATION", "KEEPALIVE"] {
            assert_eq!(read(&SESSION.replace("STATE", kind)), Ok(Message::Other), "{kind}");
        }
        for (from, to) in [
            ("192.0.2.55\",\"peer_asn", "nobody\",\"peer_asn"),
            ("rrc13.ripe.net", "amsterdam"),
            ("1789019601.76", "1e999"),
        ] {
            assert!(read(&SESSION.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn a_malformed_item_of_an_update_does_not_spoil_the_others() {
        for wrong in ["null", "5", "\"all\"", "[]", "{}", "\"\\ud800\"", "1e999", "true"] {
            let text = ANNOUNCED
                .replace(r#"["175.45.176.0/24"]"#, &format!(r#"[{wrong},"175.45.176.0/24"]"#))
                .replace(
                    r#""withdrawals":[]"#,
                    &format!(r#""withdrawals":["175.45.178.0/24",{wrong}]"#),
                )
                .replace("64500,", &format!("{wrong},"))
                .replace("[[64496,100]]", wrong)
                .replace(r#""announcements":["#, &format!(r#""announcements":[{wrong},"#));
            let update = update(&text);
            assert_eq!(update.announced, ["175.45.176.0/24".parse().unwrap()], "{text}");
            assert_eq!(update.withdrawn, ["175.45.178.0/24".parse().unwrap()], "{text}");
            assert_eq!((update.gateway(), update.path.len()), (4837, 5), "{text}");
        }
        for list in ["null", "5", "{}", "\"x\""] {
            let text =
                ANNOUNCED.replace(r#""withdrawals":[]"#, &format!(r#""withdrawals":{list}"#));
            assert_eq!(update(&text).announced.len(), 1, "{list}");
        }
    }

    #[test]
    fn what_is_none_is_said_to_be_none_and_what_is_new_is_passed_over() {
        for text in [
            "",
            "[]",
            "{\"type\":5}",
            r#"{"type":"ris_message","data":{"type":"UPDATE"}}"#,
            r#"{"type":"ris_message","data":{"timestamp":1,"peer":"nobody","host":"rrc21","type":"UPDATE"}}"#,
            r#"{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.9","host":"rrc21","type":"UPDATE","withdrawals":["all"]}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read(r#"{"type":"pong","data":null}"#), Ok(Message::Pong));
        assert_eq!(
            read(r#"{"type":"ris_subscribe_ok","data":{"subscription":{"prefix":"x"}}}"#),
            Ok(Message::Other)
        );
        let keepalive = ANNOUNCED.replace("UPDATE", "KEEPALIVE");
        assert_eq!(read(&keepalive), Ok(Message::Other));
        assert_eq!(
            read(r#"{"type":"ris_error","data":{"message":"too slow"}}"#),
            Ok(Message::Complaint("too slow".into()))
        );
    }
}
