//! Asks name servers: the words on the wire, over UDP and then TCP, and what an authoritative server's answer is worth.

use super::outcome::{Class, Outcome};
use super::tcp;
use crate::clock::Clock;
use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

/// How long a datagram is waited for; then it, or its answer, is taken for lost.
const DATAGRAM: Duration = Duration::from_secs(2);
/// The most that a datagram may hold without being cut to pieces on its way (DNS flag day 2020).
const PAYLOAD: u16 = 1232;
/// More answers than this with another question or number, and somebody is guessing at ours.
const STRAY_AT_MOST: usize = 16;

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    Silent { after: Duration },
    Socket(std::io::Error),
    Malformed(String),
}

/// What is asked of a server.
#[derive(Clone, Debug)]
pub struct Question {
    pub name: Name,
    pub record: RecordType,
    /// A resolver is asked to look further, an authoritative server is not.
    pub recursion: bool,
}

/// How an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Udp,
    /// Over TCP, since the answer did not fit a datagram.
    Tcp,
    /// Over TCP, since the datagrams were lost: something filters.
    TcpAlone,
}

impl Question {
    pub fn new(name: &str, record: RecordType, recursion: bool) -> Result<Self, AskError> {
        let mut name = Name::from_str(name).map_err(|error| AskError::Malformed(error.to_string()))?;
        name.set_fqdn(true);
        Ok(Self { name, record, recursion })
    }

    /// The question as a message, and as the bytes of it.
    fn message(&self) -> Result<(Message, Vec<u8>), AskError> {
        // A number drawn afresh, and below a port that the system draws: an answer must match both.
        let mut message = Message::query();
        message.metadata.recursion_desired = self.recursion;
        message.add_query(Query::query(self.name.clone(), self.record));
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        message.set_edns(edns);
        let bytes = message.to_vec().map_err(|error| AskError::Malformed(error.to_string()))?;
        Ok((message, bytes))
    }

    /// Whether `answer` is one to `asked`: the same number, and the same question where it repeats one.
    fn is_answered_by(&self, asked: &Message, answer: &Message) -> bool {
        let repeats = |query: &Query| {
            query.name() == &self.name && query.query_type() == self.record && query.query_class() == DNSClass::IN
        };
        answer.metadata.id == asked.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && (answer.queries.iter().all(repeats))
    }
}

/// Asks once over UDP; over TCP where the answer was cut short or none came. `limit` is for both together.
pub async fn ask(
    clock: &Clock,
    server: SocketAddr,
    question: &Question,
    limit: Duration,
) -> Result<(Message, Way), AskError> {
    let watch = clock.stopwatch();
    // TCP has half of a short time at least.
    let way = match by_datagram(clock, server, question, DATAGRAM.min(limit / 2)).await {
        Ok(answer) if !answer.metadata.truncation => return Ok((answer, Way::Udp)),
        Ok(_) => Way::Tcp,
        Err(AskError::Silent { .. }) => Way::TcpAlone,
        Err(error) => return Err(error),
    };
    let left = watch.left_of(limit);
    let over_tcp = by_stream(clock, server, question, left).await;
    match over_tcp {
        Ok(answer) => Ok((answer, way)),
        // Neither way: what the name server did not say by datagram it did not say at all.
        Err(AskError::Silent { .. }) => Err(AskError::Silent { after: limit }),
        Err(error) => Err(error),
    }
}

async fn by_datagram(
    clock: &Clock,
    server: SocketAddr,
    question: &Question,
    limit: Duration,
) -> Result<Message, AskError> {
    let (asked, bytes) = question.message()?;
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let answer = async {
        // A port of its own for each question; connected, so that only the server's own answers come in.
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        socket.send(&bytes).await?;
        let mut buffer = vec![0; 4096];
        let mut stray = 0;
        loop {
            let length = socket.recv(&mut buffer).await?;
            match Message::from_vec(&buffer[..length]) {
                Ok(answer) if question.is_answered_by(&asked, &answer) => return Ok(Ok(answer)),
                // Not an answer to this: somebody else's guess, or a late one. The true one may still come.
                other => {
                    stray += 1;
                    if stray >= STRAY_AT_MOST {
                        let why = other.err().map_or_else(|| "of another question".to_owned(), |e| e.to_string());
                        return Ok(Err(AskError::Malformed(why)));
                    }
                }
            }
        }
    };
    match clock.within(limit, answer).await {
        Some(Ok(answer)) => answer,
        Some(Err(error)) => Err(AskError::Socket(error)),
        None => Err(AskError::Silent { after: limit }),
    }
}

async fn by_stream(
    clock: &Clock,
    server: SocketAddr,
    question: &Question,
    limit: Duration,
) -> Result<Message, AskError> {
    let (asked, bytes) = question.message()?;
    let answer = async {
        let mut stream = tcp::open(server).await?;
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
        stream.write_all(&[&length[..], &bytes].concat()).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let bytes = match clock.within(limit, answer).await {
        None => return Err(AskError::Silent { after: limit }),
        Some(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(AskError::Malformed("cut off in the middle".to_owned()));
        }
        Some(Err(error)) => return Err(AskError::Socket(error)),
        Some(Ok(bytes)) => bytes,
    };
    let answer = Message::from_vec(&bytes).map_err(|error| AskError::Malformed(error.to_string()))?;
    if question.is_answered_by(&asked, &answer) {
        Ok(answer)
    } else {
        Err(AskError::Malformed("of another question".to_owned()))
    }
}

/// The addresses that an answer gives, whatever aliases lead to them, and how long they hold.
pub fn addresses(answer: &Message) -> (Vec<IpAddr>, u32) {
    let mut ttl = u32::MAX;
    let found = answer.answers.iter().filter_map(|record| {
        let address = match &record.data {
            RData::A(address) => IpAddr::V4(address.0),
            RData::AAAA(address) => IpAddr::V6(address.0),
            _ => return None,
        };
        ttl = ttl.min(record.ttl);
        Some(address)
    });
    let found = found.collect();
    (found, ttl)
}

/// Asks a name server for the SOA of its own zone.
pub(super) async fn knock(clock: &Clock, server: SocketAddr, zone: &str, limit: Duration) -> Outcome {
    let question = match Question::new(zone, RecordType::SOA, false) {
        Ok(question) => question,
        Err(error) => return Outcome::from(error),
    };
    match ask(clock, server, &question, limit).await {
        Ok((answer, way)) => judge(zone, &answer, way),
        Err(error) => Outcome::from(error),
    }
}

/// Any answer shows that the host is there; one without authority is lame, and told as such.
fn judge(zone: &str, answer: &Message, way: Way) -> Outcome {
    let code = answer.metadata.response_code;
    if code == ResponseCode::NXDomain {
        return Outcome::broken(Class::Dns, format!("says that {zone} does not exist (NXDOMAIN)"));
    }
    if code != ResponseCode::NoError {
        return Outcome::broken(Class::Dns, word(code));
    }
    let lame = (!answer.metadata.authoritative).then(|| format!("lame: no authority for {zone}"));
    let filtered = (way == Way::TcpAlone).then(|| "by TCP alone, UDP is lost".to_owned());
    let notes: Vec<String> = lame.into_iter().chain(filtered).collect();
    Outcome::Works { note: (!notes.is_empty()).then(|| notes.join("; ")) }
}

/// The code as people know it.
pub fn word(code: ResponseCode) -> String {
    match code {
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        other => other.to_string(),
    }
}
