//! What RIS Live says: one JSON text frame, one message. Facts and traps: docs/sources/ris-live.md

use ipnet::IpNet;
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// A peer of one route collector. It is known by both, since one router may peer with several collectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The number of the collector: 21 of `rrc21.ripe.net`.
    pub collector: u16,
    pub address: IpAddr,
}

/// A message, as far as it concerns us.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Update(Update),
    /// A session with a peer came up or went down: what is not told while it is down was not withdrawn.
    Session {
        peer: Peer,
        up: bool,
        at: f64,
    },
    Pong,
    /// The service's own complaint; being too slow is one, and the last.
    Complaint(String),
    /// Something else that it may send.
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub peer: Peer,
    /// By the collector's clock, Unix seconds.
    pub at: f64,
    /// The networks on the way, the origin last; a set of them counts as nobody in particular (0).
    pub path: Vec<u32>,
    pub announced: Vec<IpNet>,
    pub withdrawn: Vec<IpNet>,
}

/// Why a frame is no message.
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

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data<'a> {
    timestamp: Option<f64>,
    #[serde(borrow)]
    peer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    host: Option<Cow<'a, str>>,
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    path: Option<Vec<Hop>>,
    #[serde(borrow)]
    announcements: Option<Vec<Announcement<'a>>>,
    #[serde(borrow)]
    withdrawals: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    state: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Announcement<'a> {
    #[serde(default, borrow)]
    prefixes: Vec<Cow<'a, str>>,
}

/// One network of a path; a set of them, as aggregation leaves it, is read as 0.
struct Hop(u32);

impl<'de> Deserialize<'de> for Hop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Hop;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an AS number or a set of them")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Hop, E> {
                u32::try_from(number).map(Hop).map_err(|_| E::custom("an AS number of more than 32 bits"))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Hop, E> {
                text.parse().map(Hop).map_err(|_| E::custom("an AS number that is none"))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut set: A) -> Result<Hop, A::Error> {
                while set.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Hop(0))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Reads one frame.
pub fn read(text: &str) -> Result<Message, Malformed> {
    let frame: Frame<'_> = serde_json::from_str(text).map_err(|error| Malformed(error.to_string()))?;
    let data = frame.data.unwrap_or_default();
    match &*frame.kind {
        "ris_message" => message(data),
        "ris_error" => Ok(Message::Complaint(data.message.unwrap_or_default().into_owned())),
        "pong" => Ok(Message::Pong),
        _ => Ok(Message::Other),
    }
}

fn message(data: Data<'_>) -> Result<Message, Malformed> {
    let missing = |what: &str| Malformed(format!("no {what}"));
    let kind = data.kind.as_deref().ok_or_else(|| missing("type"))?;
    if !matches!(kind, "UPDATE" | "RIS_PEER_STATE") {
        return Ok(Message::Other);
    }
    let at = data.timestamp.filter(|at| at.is_finite()).ok_or_else(|| missing("time"))?;
    let address = data.peer.as_deref().and_then(|peer| peer.parse().ok()).ok_or_else(|| missing("peer"))?;
    let collector = data.host.as_deref().and_then(collector).ok_or_else(|| missing("collector"))?;
    let peer = Peer { collector, address };
    if kind == "RIS_PEER_STATE" {
        return match data.state.as_deref() {
            Some("connected") => Ok(Message::Session { peer, up: true, at }),
            Some("down") => Ok(Message::Session { peer, up: false, at }),
            _ => Err(missing("state")),
        };
    }
    let block = |text: &Cow<'_, str>| {
        let net: IpNet =
            text.parse().map_err(|_| Malformed(format!("no block: {}", text.chars().take(60).collect::<String>())))?;
        Ok(net.trunc())
    };
    let announced = data.announcements.iter().flatten().flat_map(|announcement| &announcement.prefixes);
    Ok(Message::Update(Update {
        peer,
        at,
        path: data.path.unwrap_or_default().into_iter().map(|Hop(number)| number).collect(),
        announced: announced.map(block).collect::<Result<_, _>>()?,
        withdrawn: data.withdrawals.iter().flatten().map(block).collect::<Result<_, _>>()?,
    }))
}

/// 21 of `rrc21` or `rrc21.ripe.net`; both occur.
pub fn collector(host: &str) -> Option<u16> {
    let name = host.split('.').next()?;
    name.strip_prefix("rrc").unwrap_or(name).parse().ok()
}

impl Update {
    /// The network next to the origin; an origin that stands there several times (prepending) counts once. None where the
    /// peer is the origin itself, or where a set stands in the place.
    pub fn gateway(&self) -> u32 {
        gateway(&self.path)
    }
}

/// As above, 0 for none.
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

    #[test]
    fn a_lost_session_is_no_withdrawal() {
        let text = r#"{"type":"ris_message","data":{"timestamp":1.5,"peer":"192.0.2.9","host":"rrc21","type":"RIS_PEER_STATE","state":"down"}}"#;
        assert!(matches!(read(text), Ok(Message::Session { up: false, .. })));
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
            r#"{"type":"ris_message","data":{"timestamp":1,"peer":"192.0.2.9","host":"rrc21","type":"UPDATE","path":[99999999999]}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read(r#"{"type":"pong","data":null}"#), Ok(Message::Pong));
        assert_eq!(read(r#"{"type":"ris_subscribe_ok","data":{"subscription":{"prefix":"x"}}}"#), Ok(Message::Other));
        let keepalive = ANNOUNCED.replace("UPDATE", "KEEPALIVE");
        assert_eq!(read(&keepalive), Ok(Message::Other));
        assert_eq!(
            read(r#"{"type":"ris_error","data":{"message":"too slow"}}"#),
            Ok(Message::Complaint("too slow".into()))
        );
    }
}
