//! Small servers, each with one habit.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Takes connections, and does the same with each.
pub(super) async fn on_tcp<F>(talk: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    address
}

/// Reads a request's head, then says this and hangs up.
pub(super) async fn page(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = Arc::new(answer.into());
    on_tcp(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

pub(super) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// An address at which nobody listens.
pub(super) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// For how long its answers hold, in seconds: as short as they are ever taken.
pub(super) const TTL: u32 = 30;

/// How a name server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    Proper,
    Code(ResponseCode),
    /// No authority for its own zone.
    Lame,
    /// UDP answers are cut short, TCP ones are whole.
    Truncates,
    /// Only TCP.
    LosesDatagrams,
    /// Another number than was asked with, then nothing.
    WrongNumber,
    /// An answer to another question.
    WrongQuestion,
    Garbage,
    Silent,
    /// Does not know EDNS; without it, it answers as it should.
    Old(Old),
    /// As one that is proper, in other letters: `KcNa.Kp`.
    OtherCase,
    /// UDP answers are cut short, in the middle of a record, and TCP brings nothing.
    TruncatesAlone,
}

/// What a server makes of a question with EDNS that it does not know. Seen of real servers: an error
/// without and with the question's own OPT record, a bare header that claims a question (Windows
/// 2000 and home routers), nothing at all (firewalls), bytes that are no message.
/// <https://www.dnsflagday.net/2019/>, RFC 6891 section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Old {
    Code(ResponseCode),
    EchoesFormErr,
    HeaderAlone,
    Drops,
    Garbles,
    /// FORMERR; and its plain answers do not fit a datagram.
    FormErrAndTruncates,
}

/// A name server over UDP and TCP. It knows some names; how it behaves, and what they lead to, may change.
#[derive(Clone)]
pub(super) struct NameServer {
    pub address: SocketAddr,
    habit: Arc<Mutex<Habit>>,
    names: Arc<Mutex<HashMap<String, Vec<IpAddr>>>>,
    /// Whether each question so far had EDNS.
    asked: Arc<Mutex<Vec<bool>>>,
    /// The names whose addresses it was asked for, in order.
    named: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    pub(super) async fn start(habit: Habit) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let (address, habit) = (udp.local_addr().unwrap(), Arc::new(Mutex::new(habit)));
        let server = Self {
            address,
            habit,
            names: Arc::default(),
            asked: Arc::default(),
            named: Arc::default(),
        };
        tokio::spawn(server.clone().datagrams(udp));
        tokio::spawn(server.clone().streams(tcp));
        server
    }

    pub(super) fn behaves(&self, habit: Habit) {
        *self.habit.lock().unwrap() = habit;
    }

    pub(super) fn leads(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.names.lock().unwrap().insert(name.to_owned(), addresses);
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.named.lock().unwrap().clone()
    }

    /// The questions since it was last asked this: whether each had EDNS.
    pub(super) fn asked_with_edns(&self) -> Vec<bool> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// Its answer, where it does not treat datagrams or streams in a way of their own.
    fn reply(&self, asked: &Message, habit: Habit) -> Option<Vec<u8>> {
        self.asked.lock().unwrap().push(asked.edns.is_some());
        let Habit::Old(old) = habit else {
            return Some(self.answer(asked, habit).to_vec().unwrap());
        };
        if asked.edns.is_none() {
            return Some(self.answer(asked, Habit::Proper).to_vec().unwrap());
        }
        let mut answer = asked.clone().into_response();
        answer.metadata.response_code = match old {
            Old::Code(code) => code,
            _ => ResponseCode::FormErr,
        };
        // The high bits of BADVERS stand in the OPT record.
        let keeps = matches!(old, Old::EchoesFormErr | Old::Code(ResponseCode::BADVERS));
        answer.edns = answer.edns.filter(|_| keeps);
        let bytes = answer.to_vec().unwrap();
        match old {
            Old::Drops => None,
            // The header still counts one question.
            Old::HeaderAlone => Some(bytes[..12].to_vec()),
            Old::Garbles => {
                Some([&bytes[..3], &[0, 0xff, 0xff, 0, 9, 0, 9, 0, 9], b"\xff\xffgarbage"].concat())
            }
            _ => Some(bytes),
        }
    }

    async fn datagrams(self, socket: UdpSocket) {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let habit = *self.habit.lock().unwrap();
            if matches!(habit, Habit::Silent | Habit::LosesDatagrams) {
                continue;
            }
            let Ok(asked) = Message::from_vec(&buffer[..length]) else { continue };
            let Some(mut bytes) = self.reply(&asked, habit) else { continue };
            let is_plain = asked.edns.is_none();
            match habit {
                Habit::Garbage => bytes = b"not DNS at all".to_vec(),
                Habit::TruncatesAlone => bytes.truncate(bytes.len() - 15),
                _ => {}
            }
            if matches!(habit, Habit::Truncates | Habit::TruncatesAlone)
                || (habit == Habit::Old(Old::FormErrAndTruncates) && is_plain)
            {
                bytes[2] |= 0x02;
            }
            for _ in 0..if matches!(habit, Habit::WrongNumber | Habit::Garbage) { 20 } else { 1 } {
                let _ = socket.send_to(&bytes, from).await;
            }
        }
    }

    async fn streams(self, listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let habit = *self.habit.lock().unwrap();
            if matches!(habit, Habit::Silent | Habit::TruncatesAlone) {
                std::mem::forget(stream);
                continue;
            }
            let Ok(length) = stream.read_u16().await else { continue };
            let mut asked = vec![0; length.into()];
            let _ = stream.read_exact(&mut asked).await;
            let Ok(asked) = Message::from_vec(&asked) else { continue };
            let Some(bytes) = self.reply(&asked, habit) else {
                std::mem::forget(stream);
                continue;
            };
            let _ =
                stream.write_all(&[&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()).await;
        }
    }

    fn answer(&self, asked: &Message, habit: Habit) -> Message {
        let mut answer = asked.clone().into_response();
        answer.metadata.authoritative = habit != Habit::Lame;
        if habit == Habit::WrongNumber {
            answer.metadata.id = asked.metadata.id.wrapping_add(1);
        }
        if let Habit::Code(code) = habit {
            answer.metadata.response_code = code;
            return answer;
        }
        let query = &asked.queries[0];
        if habit == Habit::OtherCase {
            answer.queries[0]
                .set_name(Name::from_ascii(in_other_case(&query.name().to_ascii())).unwrap());
        }
        if habit == Habit::WrongQuestion {
            answer.queries[0].set_name(Name::from_ascii("other.example.").unwrap());
        }
        if query.query_type() == RecordType::SOA {
            let name = query.name().clone();
            let soa = SOA::new(name.clone(), name.clone(), 1, 1, 1, 1, 1);
            answer.add_answer(Record::from_rdata(name, 60, RData::SOA(soa)));
            return answer;
        }
        let name = query.name().to_ascii().trim_end_matches('.').to_owned();
        self.named.lock().unwrap().push(name.clone());
        let names = self.names.lock().unwrap();
        let Some(addresses) = names.get(&name) else {
            answer.metadata.response_code = ResponseCode::NXDomain;
            return answer;
        };
        for address in addresses {
            let data = match (address, query.query_type()) {
                (IpAddr::V4(address), RecordType::A) => RData::A(A(*address)),
                (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(AAAA(*address)),
                _ => continue,
            };
            answer.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
        }
        answer
    }
}

fn in_other_case(name: &str) -> String {
    let turned = |(at, c): (usize, char)| {
        if at % 2 == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    name.chars().enumerate().map(turned).collect()
}
