//! Asks name servers over UDP and then TCP, with EDNS and then without, and judges the answers of
//! authoritative servers.
//!
//! A server that does not know EDNS answers FORMERR (RFC 6891, section 7), NOTIMP, SERVFAIL without
//! an OPT record of its own, BADVERS, something unreadable, or nothing at all. It is asked again
//! without EDNS. BIND and Unbound do so for the first two, and resolvers before the DNS flag day of
//! 2019 did so for all of them: a server that serves its users in some way is not down.

use super::outcome::{Class, Outcome};
use super::tcp;
use crate::clock::Clock;
use crate::domain::hostname;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

/// How long the answer to a datagram is awaited. After that, the datagram or its answer counts as
/// lost.
const DATAGRAM: Duration = Duration::from_secs(2);
/// The largest datagram, in bytes, that is not fragmented on its way (DNS flag day 2020).
const PAYLOAD: u16 = 1232;
/// The most answers with another question or id that are ignored. More of them are a sign of
/// an attempt to forge the answer.
const STRAY_AT_MOST: usize = 16;
/// Code 16 is BADVERS, or BADSIG in signed messages (RFC 6895, section 2.3). The library reads it
/// as BADSIG; nothing is signed here.
const BAD_VERSION: ResponseCode = ResponseCode::BADSIG;
/// The length of a message's header in bytes (RFC 1035, section 4.1.1).
const HEADER: usize = 12;

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// No answer came in time.
    Silent {
        /// How long the answer was awaited.
        after: Duration,
    },
    /// The socket failed, for example because the connection was refused.
    Socket(std::io::Error),
    /// The answer is unreadable, or the name of the question is not valid. Holds the reason.
    Malformed(String),
}

/// A question to a server.
#[derive(Clone, Debug)]
pub struct Question {
    /// The fully qualified name that is asked for.
    pub name: Name,
    /// The type of the records that are asked for.
    pub record: RecordType,
    /// Whether the server is asked to look further: `true` for a resolver, `false` for an
    /// authoritative server.
    pub recursion: bool,
}

/// The transport by which an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over UDP, whole.
    Udp,
    /// Over TCP, since the answer did not fit into a datagram.
    Tcp,
    /// Over TCP, since the datagrams were lost: UDP is filtered on the way.
    TcpAlone,
    /// Over UDP and truncated, since TCP brought no answer.
    CutShort,
}

/// Whether a question announces that larger datagrams are accepted (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    WithEdns,
    Plain,
}

impl Question {
    /// Creates a question. Returns [`AskError::Malformed`] if `name` is not a valid name.
    pub fn new(name: &str, record: RecordType, recursion: bool) -> Result<Self, AskError> {
        let mut name =
            Name::from_str(name).map_err(|error| AskError::Malformed(error.to_string()))?;
        name.set_fqdn(true);
        Ok(Self { name, record, recursion })
    }

    /// Returns the question as a message, and as the bytes of it.
    fn message(&self, form: Form) -> Result<(Message, Vec<u8>), AskError> {
        // The id is random, and so is the port that the system picks: an answer must match both.
        let mut message = Message::query();
        message.metadata.recursion_desired = self.recursion;
        message.add_query(Query::query(self.name.clone(), self.record));
        if form == Form::WithEdns {
            let mut edns = Edns::new();
            edns.set_max_payload(PAYLOAD);
            message.set_edns(edns);
        }
        let bytes = message.to_vec().map_err(|error| AskError::Malformed(error.to_string()))?;
        Ok((message, bytes))
    }

    /// Returns whether `answer` is a response to `asked`: it has the same id and, if it repeats a
    /// question, the same question. Names are compared without regard to case (RFC 4343).
    fn is_answered_by(&self, asked: &Message, answer: &Message) -> bool {
        let repeats = |query: &Query| {
            query.name() == &self.name
                && query.query_type() == self.record
                && query.query_class() == DNSClass::IN
        };
        answer.metadata.id == asked.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && (answer.queries.iter().all(repeats))
    }

    /// Reads an answer to `asked`. An answer with a readable header but unreadable records is
    /// accepted if its header says enough: an error, or that the answer was truncated.
    fn read(&self, asked: &Message, bytes: &[u8]) -> Result<Message, Unread> {
        let error = match Message::from_vec(bytes) {
            Ok(answer) if self.is_answered_by(asked, &answer) => return Ok(answer),
            Ok(_) => return Err(Unread::Stray("of another question".to_owned())),
            Err(error) => error.to_string(),
        };
        // RFC 1035, section 4.1.1: number, QR, opcode, AA, TC, RD, RA, Z, RCODE.
        let [high, low, flags, code, ..] = *bytes else { return Err(Unread::Stray(error)) };
        if u16::from_be_bytes([high, low]) != asked.metadata.id
            || flags & 0x80 == 0
            || bytes.len() < HEADER
        {
            return Err(Unread::Stray(error));
        }
        let code = ResponseCode::from(0, code & 0x0f);
        let mut answer = Message::error_msg(asked.metadata.id, OpCode::Query, code);
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.authoritative = flags & 0x04 != 0;
        answer.metadata.truncation = flags & 0x02 != 0;
        if code == ResponseCode::NoError && !answer.metadata.truncation {
            return Err(Unread::Garbled(error));
        }
        Ok(answer)
    }
}

/// Why bytes are not an answer.
enum Unread {
    /// They do not answer this question. The true answer may still come.
    Stray(String),
    /// They are the answer, but unreadable.
    Garbled(String),
}

/// Returns whether the same question without EDNS may get a better answer. A server that knows EDNS
/// puts an OPT record into every answer to a question that has one (RFC 6891, section 6.1.1).
fn is_of_edns(answer: &Message) -> bool {
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => false,
        // Some servers repeat the question with its OPT record under these codes.
        ResponseCode::FormErr | ResponseCode::NotImp | BAD_VERSION | ResponseCode::BADVERS => true,
        _ => answer.edns.is_none(),
    }
}

/// Asks a server until it has answered or `limit` has passed: over UDP; over TCP if the answer was
/// truncated or none came; and without EDNS if the answer suggests that EDNS is the obstacle.
/// Returns the answer and its transport.
pub async fn ask(
    clock: &Clock,
    server: SocketAddr,
    question: &Question,
    limit: Duration,
) -> Result<(Message, Way), AskError> {
    let watch = clock.stopwatch();
    // Boxed: the resolver runs two of these at once, and each holds the state of several sockets.
    let first = Box::pin(exchange(clock, server, question, Form::WithEdns, limit)).await;
    let again = match &first {
        Ok((answer, _)) => is_of_edns(answer),
        Err(AskError::Malformed(_)) => true,
        Err(AskError::Silent { .. } | AskError::Socket(_)) => false,
    };
    let left = watch.left_of(limit);
    if !again || left.is_zero() {
        return first;
    }
    // The first answer stands if the second question fails.
    Box::pin(exchange(clock, server, question, Form::Plain, left)).await.or(first)
}

/// Asks over UDP; over TCP if the answer was truncated or none came. In the latter case asks over
/// UDP without EDNS at the same time, since some filters and servers drop EDNS. `limit` is for all
/// of it.
async fn exchange(
    clock: &Clock,
    server: SocketAddr,
    question: &Question,
    form: Form,
    limit: Duration,
) -> Result<(Message, Way), AskError> {
    let watch = clock.stopwatch();
    // TCP gets at least half of a short limit.
    match by_datagram(clock, server, question, form, DATAGRAM.min(limit / 2)).await {
        Ok(answer) if !answer.metadata.truncation => return Ok((answer, Way::Udp)),
        Ok(cut) => {
            let whole = by_stream(clock, server, question, form, watch.left_of(limit)).await;
            // The server has answered, even if TCP to it fails.
            return Ok(whole.map_or((cut, Way::CutShort), |answer| (answer, Way::Tcp)));
        }
        Err(AskError::Silent { .. }) => {}
        Err(error) => return Err(error),
    }
    let left = watch.left_of(limit);
    let mut over_tcp = std::pin::pin!(by_stream(clock, server, question, form, left));
    let mut plainly = std::pin::pin!(by_datagram(clock, server, question, Form::Plain, left));
    let (mut of_tcp, mut of_plain) =
        (None, (form == Form::Plain).then_some(AskError::Silent { after: limit }));
    let cut = loop {
        tokio::select! {
            biased;
            said = &mut over_tcp, if of_tcp.is_none() => match said {
                Ok(answer) => return Ok((answer, Way::TcpAlone)),
                Err(error) => of_tcp = Some(error),
            },
            said = &mut plainly, if of_plain.is_none() => match said {
                Ok(answer) if answer.metadata.truncation => break answer,
                Ok(answer) => return Ok((answer, Way::Udp)),
                Err(error) => of_plain = Some(error),
            },
            else => {
                let is_told = |error: &AskError| !matches!(error, AskError::Silent { .. });
                let told = of_tcp.into_iter().chain(of_plain).find(is_told);
                return Err(told.unwrap_or(AskError::Silent { after: limit }));
            }
        }
    };
    let whole = by_stream(clock, server, question, Form::Plain, watch.left_of(limit)).await;
    Ok(whole.map_or((cut, Way::CutShort), |answer| (answer, Way::Tcp)))
}

/// Asks over UDP, and waits at most `limit` for a matching answer.
async fn by_datagram(
    clock: &Clock,
    server: SocketAddr,
    question: &Question,
    form: Form,
    limit: Duration,
) -> Result<Message, AskError> {
    let (asked, bytes) = question.message(form)?;
    let any: SocketAddr = if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let answer = async {
        // Each question has a port of its own. The socket is connected, so it receives only from
        // the server.
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        socket.send(&bytes).await?;
        let mut buffer = vec![0; 4096];
        let mut stray = 0;
        loop {
            let length = socket.recv(&mut buffer).await?;
            match question.read(&asked, &buffer[..length]) {
                Ok(answer) => return Ok(Ok(answer)),
                Err(Unread::Garbled(why)) => return Ok(Err(AskError::Malformed(why))),
                Err(Unread::Stray(why)) => {
                    stray += 1;
                    if stray >= STRAY_AT_MOST {
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

/// Asks over TCP within `limit`.
async fn by_stream(
    clock: &Clock,
    server: SocketAddr,
    question: &Question,
    form: Form,
    limit: Duration,
) -> Result<Message, AskError> {
    let (asked, bytes) = question.message(form)?;
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
    question
        .read(&asked, &bytes)
        .map_err(|(Unread::Stray(why) | Unread::Garbled(why))| AskError::Malformed(why))
}

/// Returns the addresses in an answer, behind aliases too, and their shortest TTL in seconds
/// (`u32::MAX` if there are none).
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
pub(super) async fn knock(
    clock: &Clock,
    server: SocketAddr,
    zone: &str,
    limit: Duration,
) -> Outcome {
    let question = match Question::new(zone, RecordType::SOA, false) {
        Ok(question) => question,
        Err(error) => return Outcome::from(error),
    };
    match ask(clock, server, &question, limit).await {
        Ok((answer, way)) => judge(zone, &answer, way),
        Err(error) => Outcome::from(error),
    }
}

/// Judges an answer. Any answer shows that the host is there; one without authority is lame, and
/// noted as such.
fn judge(zone: &str, answer: &Message, way: Way) -> Outcome {
    let code = answer.metadata.response_code;
    if code == ResponseCode::NXDomain {
        let zone = hostname::shown(zone);
        return Outcome::broken(Class::Dns, format!("says that {zone} does not exist (NXDOMAIN)"));
    }
    if code != ResponseCode::NoError {
        return Outcome::broken(Class::Dns, word(code));
    }
    if way == Way::CutShort {
        return Outcome::broken(Class::Dns, "its answer is cut short, and none comes over TCP");
    }
    let lame = (!answer.metadata.authoritative)
        .then(|| format!("lame: no authority for {}", hostname::shown(zone)));
    let filtered = (way == Way::TcpAlone).then(|| "by TCP alone, UDP is lost".to_owned());
    let notes: Vec<String> = lame.into_iter().chain(filtered).collect();
    Outcome::Works { note: (!notes.is_empty()).then(|| notes.join("; ")) }
}

/// Returns the name of the code as it is commonly written, such as `NXDOMAIN`.
pub fn word(code: ResponseCode) -> String {
    match code {
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        BAD_VERSION | ResponseCode::BADVERS => "BADVERS".to_owned(),
        other => other.to_string(),
    }
}
impl From<AskError> for Outcome {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Silent { after } => Self::timed_out(after),
            AskError::Socket(error) => Self::of_socket(&error),
            AskError::Malformed(why) => {
                Self::broken(Class::Protocol, format!("no DNS answer: {why}"))
            }
        }
    }
}
