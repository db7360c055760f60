//! Probes a mail server with banner, EHLO and QUIT (RFC 5321). It never sends MAIL, RCPT, VRFY or
//! AUTH: no mail is sent, and no mailbox is asked about.

use super::outcome::{Class, Outcome};
use super::{Limits, tcp};
use crate::clock::Clock;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The most bytes of one reply. A reply is a few lines of at most 512 bytes each.
const REPLY_CAP: u64 = 16 << 10;
/// The name that EHLO gives. An address literal would need this machine's public address.
const OUR_NAME: &str = "linkdown.invalid";

/// Connects, and judges the conversation.
pub(super) async fn knock(clock: &Clock, address: SocketAddr, limits: Limits) -> Outcome {
    let watch = clock.stopwatch();
    let stream = match tcp::connect(clock, address, limits.connect).await {
        Ok(stream) => stream,
        Err(outcome) => return outcome,
    };
    let left = watch.left_of(limits.total);
    match clock.within(left, talk(stream)).await {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Outcome::broken(Class::Protocol, "hangs up in the middle")
        }
        Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Outcome::broken(
            Class::Protocol,
            "no SMTP: a line that never ends, or one without a code",
        ),
        Some(Err(error)) => match Outcome::of_socket(&error) {
            // The connection stood before, so the host is not silent.
            Outcome::Silent { detail } => Outcome::broken(Class::Protocol, detail),
            other => other,
        },
        None => Outcome::broken(
            Class::Protocol,
            format!("takes the connection and says nothing for {} s", left.as_secs()),
        ),
    }
}

/// Speaks with the server until it has accepted or rejected EHLO, or HELO after that.
async fn talk(stream: TcpStream) -> io::Result<Outcome> {
    let mut stream = BufReader::new(stream);
    let banner = reply(&mut stream).await?;
    if banner != 220 {
        // With 421, 450 or 554 the server is alive but rejects this client, often for its address's
        // reputation.
        return Ok(Outcome::broken(Class::Protocol, format!("greets with {banner}")));
    }
    stream.write_all(format!("EHLO {OUR_NAME}\r\n").as_bytes()).await?;
    let mut answer = reply(&mut stream).await?;
    if (500..600).contains(&answer) {
        stream.write_all(format!("HELO {OUR_NAME}\r\n").as_bytes()).await?;
        answer = reply(&mut stream).await?;
    }
    // The reply to QUIT does not matter.
    let _ = stream.write_all(b"QUIT\r\n").await;
    if answer == 250 {
        Ok(Outcome::works())
    } else {
        Ok(Outcome::broken(Class::Protocol, format!("answers EHLO with {answer}")))
    }
}

/// Returns the code of one reply, which may have several lines.
async fn reply(stream: &mut BufReader<TcpStream>) -> io::Result<u16> {
    let mut left = REPLY_CAP;
    loop {
        let mut line = Vec::new();
        let read = (&mut *stream).take(left).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(read as u64);
        let code =
            line.get(..3).and_then(|code| std::str::from_utf8(code).ok()?.parse::<u16>().ok());
        let code =
            code.filter(|code| (200..600).contains(code)).ok_or(io::ErrorKind::InvalidData)?;
        if left == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if line.get(3) != Some(&b'-') {
            return Ok(code);
        }
    }
}
