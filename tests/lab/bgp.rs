//! As much of BGP-4 as a route collector needs (RFC 4271, 4-byte AS numbers of RFC 6793): it listens, and announces nothing.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;
/// Our own number: that of RIPE's collectors.
const ASN: u16 = 12654;
const HOLD: u16 = 180;

/// What a peer says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Update {
    pub path: Vec<u32>,
    pub announced: Vec<String>,
    pub withdrawn: Vec<String>,
}

/// A session that is established.
pub struct Session {
    stream: TcpStream,
    buffer: Vec<u8>,
    said: Instant,
}

impl Session {
    /// Answers the peer's OPEN.
    pub fn establish(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut session = Self { stream, buffer: Vec::new(), said: Instant::now() };
        let mut open = vec![4];
        open.extend(ASN.to_be_bytes());
        open.extend(HOLD.to_be_bytes());
        open.extend([10, 255, 0, 1]);
        // One optional parameter: capabilities, of which 1 is IPv4 unicast and 65 is 4-byte AS numbers.
        open.extend([14, 2, 12, 1, 4, 0, 1, 0, 1, 65, 4]);
        open.extend(u32::from(ASN).to_be_bytes());
        session.say(OPEN, &open)?;
        session.say(KEEPALIVE, &[])?;
        Ok(session)
    }

    /// The next update; nothing when a second has passed without one.
    pub fn next(&mut self) -> io::Result<Option<Update>> {
        if self.said.elapsed() > Duration::from_secs(u64::from(HOLD) / 3) {
            self.say(KEEPALIVE, &[])?;
        }
        loop {
            if let Some((kind, body)) = self.whole()? {
                match kind {
                    UPDATE => return read(&body).map(Some),
                    NOTIFICATION => return Err(io::ErrorKind::ConnectionAborted.into()),
                    _ => continue,
                }
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.buffer.extend_from_slice(&bytes[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn whole(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        if self.buffer.len() < 19 {
            return Ok(None);
        }
        let length = usize::from(u16::from_be_bytes([self.buffer[16], self.buffer[17]]));
        if !(19..=4096).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let message: Vec<u8> = self.buffer.drain(..length).collect();
        Ok(Some((message[18], message[19..].to_vec())))
    }

    fn say(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let mut message = vec![0xff; 16];
        message.extend((body.len() as u16 + 19).to_be_bytes());
        message.push(kind);
        message.extend(body);
        self.said = Instant::now();
        self.stream.write_all(&message)
    }
}

fn read(body: &[u8]) -> io::Result<Update> {
    let short = || io::Error::from(io::ErrorKind::InvalidData);
    let length_at = |at: usize| -> io::Result<usize> {
        let bytes = body.get(at..at + 2).ok_or_else(short)?;
        Ok(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    };
    let withdrawn = length_at(0)?;
    let attributes = length_at(2 + withdrawn)?;
    let from = 4 + withdrawn;
    Ok(Update {
        withdrawn: blocks(body.get(2..2 + withdrawn).ok_or_else(short)?)?,
        path: path(body.get(from..from + attributes).ok_or_else(short)?)?,
        announced: blocks(body.get(from + attributes..).ok_or_else(short)?)?,
    })
}

fn blocks(mut bytes: &[u8]) -> io::Result<Vec<String>> {
    let mut blocks = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let taken = usize::from(length.div_ceil(8));
        if *length > 32 || rest.len() < taken {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut address = [0; 4];
        address[..taken].copy_from_slice(&rest[..taken]);
        blocks.push(format!("{}/{length}", Ipv4Addr::from(address)));
        bytes = &rest[taken..];
    }
    Ok(blocks)
}

/// The AS path among the attributes.
fn path(mut bytes: &[u8]) -> io::Result<Vec<u32>> {
    const AS_PATH: u8 = 2;
    const EXTENDED: u8 = 0x10;
    while bytes.len() >= 3 {
        let (flags, kind) = (bytes[0], bytes[1]);
        let (length, head) = if flags & EXTENDED == 0 {
            (usize::from(bytes[2]), 3)
        } else {
            (usize::from(u16::from_be_bytes([bytes[2], *bytes.get(3).unwrap_or(&0)])), 4)
        };
        let value = bytes.get(head..head + length).ok_or(io::ErrorKind::InvalidData)?;
        if kind == AS_PATH {
            let mut path = Vec::new();
            let mut segments = value;
            while let [_, count, rest @ ..] = segments {
                let taken = usize::from(*count) * 4;
                let numbers = rest.get(..taken).ok_or(io::ErrorKind::InvalidData)?;
                path.extend(
                    numbers.chunks_exact(4).map(|n| u32::from_be_bytes([n[0], n[1], n[2], n[3]])),
                );
                segments = &rest[taken..];
            }
            return Ok(path);
        }
        bytes = &bytes[head + length..];
    }
    Ok(Vec::new())
}
