//! Sends one request over an open connection and reads its response.

use super::chunks::Chunks;
use super::head::{self, Framing, Head, HeadError};
use std::io::{self, ErrorKind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The most bytes of a body that are read, whatever length the server claims.
pub(super) const BODY_CAP: usize = 1 << 20;
/// The expected text must occur in the first bytes of the page; no more are kept.
pub(super) const SEARCHED: usize = 256 << 10;
/// The most bytes of all header lines together, interim responses included.
const HEADER_CAP: usize = 128 << 10;
const HEADERS: usize = 512;
const BUFFER: usize = 16 << 10;

/// A response, with the first [`SEARCHED`] bytes of its body.
#[derive(Debug)]
pub(super) struct Response {
    /// The status line and the header fields.
    pub head: Head,
    /// The body without its framing, still in its content codings.
    pub body: Vec<u8>,
    /// Whether `body` is everything that the server sent.
    pub is_whole: bool,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("no HTTP: the answer does not begin with HTTP")]
    NotHttp,
    #[error("no HTTP: a chunk of the page has no size")]
    BadChunk,
    #[error("its headers are too large")]
    HeadersTooLarge,
    #[error("hangs up before the page is whole")]
    Cut,
    #[error("breaks off: {0}")]
    Socket(io::Error),
}

impl From<HeadError> for Fault {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::NotHttp => Self::NotHttp,
            HeadError::TooMany => Self::HeadersTooLarge,
        }
    }
}

/// Sends the request and reads the response. The caller sets the time limit.
pub(super) async fn exchange<S>(stream: &mut S, request: &[u8]) -> Result<Response, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // A server may answer and hang up before it has read the request: only its answer counts.
    let _ = async {
        stream.write_all(request).await?;
        stream.flush().await
    }
    .await;
    let (head, rest) = read_head(stream).await?;
    read_body(stream, head, &rest).await
}

/// Returns the head of the final response and the bytes that arrived after it. Interim responses
/// (1xx, RFC 9110 section 15.2) are skipped. Status 101 is final, since no other response follows
/// it.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(Head, Vec<u8>), Fault> {
    let (mut bytes, mut scanned, mut passed) = (Vec::with_capacity(BUFFER), 0, 0);
    loop {
        if let Some(length) = head::length(&bytes, scanned) {
            if passed + length > HEADER_CAP {
                return Err(Fault::HeadersTooLarge);
            }
            let rest = bytes.split_off(length);
            let head = Head::parse(&bytes, HEADERS)?;
            if head.status == 101 || !(100..200).contains(&head.status) {
                return Ok((head, rest));
            }
            (bytes, scanned, passed) = (rest, 0, passed + length);
            continue;
        }
        if !head::may_be_http(&bytes) {
            return Err(Fault::NotHttp);
        }
        if passed + bytes.len() > HEADER_CAP {
            return Err(Fault::HeadersTooLarge);
        }
        scanned = bytes.len();
        bytes.reserve(BUFFER);
        match stream.read_buf(&mut bytes).await {
            Ok(0) => {
                return Err(if head::begins_otherwise(&bytes) {
                    Fault::NotHttp
                } else {
                    Fault::Cut
                });
            }
            Ok(_) => {}
            Err(error) if is_an_end(&error) => return Err(Fault::Cut),
            Err(error) => return Err(Fault::Socket(error)),
        }
    }
}

/// The kept part of a body.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// The bytes of the body so far, kept or not.
    seen: u64,
}

impl Kept {
    fn take(&mut self, data: &[u8]) {
        let room = SEARCHED - self.bytes.len();
        self.bytes.extend_from_slice(&data[..data.len().min(room)]);
        self.seen += data.len() as u64;
    }
}

/// Reads the body until its end or [`BODY_CAP`]. `rest` is the part that arrived with the head.
async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    head: Head,
    rest: &[u8],
) -> Result<Response, Fault> {
    let framing = head.framing();
    let (mut kept, mut chunks) = (Kept::default(), Chunks::new());
    let mut take = |data: &[u8], kept: &mut Kept| match framing {
        Framing::Chunked => {
            let fed = chunks.feed(data, |data| kept.take(data));
            fed.map(|()| chunks.is_done()).map_err(|_| Fault::BadChunk)
        }
        Framing::Length(length) => {
            kept.take(data);
            Ok(kept.seen >= length)
        }
        Framing::UntilClose => {
            kept.take(data);
            Ok(false)
        }
        Framing::Empty => Ok(true),
    };
    let (mut read, mut buffer) = (rest.len(), vec![0; BUFFER]);
    let mut is_done = take(rest, &mut kept)?;
    while !is_done && read < BODY_CAP {
        is_done = match stream.read(&mut buffer).await {
            Ok(length @ 1..) => {
                read += length;
                take(&buffer[..length], &mut kept)?
            }
            // Old servers close without TLS's close_notify, or reset a connection with unread data.
            // Either is a valid end of a body that only the end of the connection delimits.
            Ok(_) if framing == Framing::UntilClose => true,
            Err(error) if framing == Framing::UntilClose && is_an_end(&error) => true,
            Ok(_) => return Err(Fault::Cut),
            Err(error) if is_an_end(&error) => return Err(Fault::Cut),
            Err(error) => return Err(Fault::Socket(error)),
        };
    }
    let mut body = kept.bytes;
    if let Framing::Length(length) = framing {
        body.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    }
    let is_whole = is_done && kept.seen <= SEARCHED as u64;
    Ok(Response { head, body, is_whole })
}

/// Returns whether the error means that the other side ended the connection in any way.
fn is_an_end(error: &io::Error) -> bool {
    let is_alert = || {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        matches!(inner, Some(rustls::Error::AlertReceived(_)))
    };
    match error.kind() {
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected => true,
        _ => is_alert(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::ReadBuf;

    /// Hands out the bytes, then ends with the error.
    struct Server(Vec<u8>, Option<io::Error>);

    impl AsyncRead for Server {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                return Poll::Ready(self.1.take().map_or(Ok(()), Err));
            }
            let length = self.0.len().min(buffer.remaining());
            let rest = self.0.split_off(length);
            buffer.put_slice(&self.0);
            self.0 = rest;
            Poll::Ready(Ok(()))
        }
    }

    async fn read(bytes: &[u8], end: Option<io::Error>) -> Result<Response, Fault> {
        let server = Server(bytes.to_vec(), end);
        exchange(&mut tokio::io::join(server, tokio::io::sink()), b"GET / HTTP/1.1\r\n\r\n").await
    }

    fn ends() -> [Option<io::Error>; 4] {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::InternalError);
        [
            None,
            Some(ErrorKind::UnexpectedEof.into()),
            Some(ErrorKind::ConnectionReset.into()),
            Some(io::Error::new(ErrorKind::InvalidData, alert)),
        ]
    }

    #[tokio::test]
    async fn every_way_to_end_a_connection_ends_a_page_without_a_length() {
        for end in ends() {
            let response = read(b"HTTP/1.0 200 OK\r\n\r\nfront page", end).await.unwrap();
            assert_eq!((response.body.as_slice(), response.is_whole), (&b"front page"[..], true));
        }
        for end in ends() {
            let cut = read(b"HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\nfront page", end).await;
            assert!(matches!(cut, Err(Fault::Cut)), "{cut:?}");
        }
        let forged = io::Error::new(ErrorKind::InvalidData, rustls::Error::DecryptError);
        let spoilt = read(b"HTTP/1.0 200 OK\r\n\r\nfront page", Some(forged)).await;
        assert!(matches!(spoilt, Err(Fault::Socket(_))), "{spoilt:?}");
    }

    #[tokio::test]
    async fn no_more_of_a_page_is_kept_than_is_searched_and_none_is_read_behind_it() {
        let long = [&b"HTTP/1.0 200 OK\r\n\r\n"[..], &vec![b'x'; BODY_CAP + BUFFER]].concat();
        let response = read(&long, None).await.unwrap();
        assert_eq!((response.body.len(), response.is_whole), (SEARCHED, false));
        let response =
            read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfront page", None).await.unwrap();
        assert_eq!(response.body, b"front");
    }

    #[tokio::test]
    async fn a_line_that_is_no_http_is_told_before_the_server_hangs_up() {
        let waits = io::Error::from(ErrorKind::WouldBlock);
        let smtp = read(b"220 mail.example ESMTP\r\n", Some(waits)).await;
        assert!(matches!(smtp, Err(Fault::NotHttp)), "{smtp:?}");
        assert!(matches!(read(b"hi", None).await, Err(Fault::NotHttp)));
        assert!(matches!(read(b"HTT", None).await, Err(Fault::Cut)));
    }
}
