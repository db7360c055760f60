//! Banner, EHLO, QUIT (RFC 5321). Never MAIL, RCPT, VRFY or AUTH: nothing is ever sent, and nobody is asked about.

use super::outcome::{Class, Outcome};
use super::{Limits, tcp};
use crate::clock::Clock;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A reply is a few lines of at most 512 bytes each; this is generous.
const REPLY_CAP: u64 = 16 << 10;
/// How we call ourselves: an address literal would need ours to be known.
const OUR_NAME: &str = "linkdown.invalid";

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
            // It was connected before.
            Outcome::Silent { detail } => Outcome::broken(Class::Protocol, detail),
            other => other,
        },
        None => Outcome::broken(
            Class::Protocol,
            format!("takes the connection and says nothing for {} s", left.as_secs()),
        ),
    }
}

async fn talk(stream: TcpStream) -> io::Result<Outcome> {
    let mut stream = BufReader::new(stream);
    let banner = reply(&mut stream).await?;
    if banner != 220 {
        // 421, 450, 554: alive, but it does not want us, often for our address's repute.
        return Ok(Outcome::broken(Class::Protocol, format!("greets with {banner}")));
    }
    stream.write_all(format!("EHLO {OUR_NAME}\r\n").as_bytes()).await?;
    let mut answer = reply(&mut stream).await?;
    if (500..600).contains(&answer) {
        stream.write_all(format!("HELO {OUR_NAME}\r\n").as_bytes()).await?;
        answer = reply(&mut stream).await?;
    }
    // Whether it says goodbye is nobody's concern.
    let _ = stream.write_all(b"QUIT\r\n").await;
    if answer == 250 {
        Ok(Outcome::works())
    } else {
        Ok(Outcome::broken(Class::Protocol, format!("answers EHLO with {answer}")))
    }
}

/// The code of one reply, over however many lines.
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
