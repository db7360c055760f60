//! A small HTTP/1.1 server that answers as it is told, or fails in every way that servers fail.

use flate2::Compression;
use flate2::write::GzEncoder;
use linkdown::clock::Clock;
use linkdown::domain::Timestamp;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Accepts, and says nothing.
    Silent,
    /// Closes the connection in the face of the question.
    Reset,
    /// Promises more than it sends.
    HalfBody,
    /// A page of the front end, with 200.
    Html,
    Status(u16),
    /// 429; the text stands in `Retry-After`.
    RateLimited(&'static str),
    /// A well-formed answer without data.
    EmptyData,
    /// JSON of some other shape.
    WrongJson,
    /// JSON that ends in the middle.
    CutJson,
    /// An error inside an answer with 200.
    ErrorInside,
    /// Every value below zero.
    Negative,
    /// 17 MiB, of no announced length.
    Huge,
    /// One byte at a time, without end.
    SlowDrip,
    OffsiteRedirect,
    /// A redirect to the same host, for ever.
    RedirectLoop,
    /// 64 MiB in 64 KiB.
    GzipBomb,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Timestamp,
    /// Decoded.
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Asked {
    pub fn value(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(String::as_str)
    }
}

pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    pub fn json(status: u16, body: &impl ToString) -> Self {
        Self { status, body: body.to_string() }
    }
}

type Handler = dyn Fn(&Asked, Option<&Fault>) -> Answer + Send + Sync;

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<Asked>>,
    /// The fault, and how many requests it still hits; `None`: all.
    fault: Mutex<Option<(Fault, Option<usize>)>>,
    in_flight: AtomicUsize,
}

pub struct Server {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a free port; more than `at_once` requests under way are answered 429, as a strict service does.
    pub async fn start(clock: Clock, at_once: usize, handler: Arc<Handler>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                // Dropped with this task, and every open connection with it.
                let mut open = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let (shared, clock, handler) =
                        (Arc::clone(&shared), clock.clone(), Arc::clone(&handler));
                    open.spawn(async move {
                        let before = shared.in_flight.fetch_add(1, Ordering::SeqCst);
                        let _ = serve(stream, &shared, &clock, &*handler, before >= at_once).await;
                        shared.in_flight.fetch_sub(1, Ordering::SeqCst);
                    });
                    while open.try_join_next().is_some() {}
                }
            }
        });
        Self { address, shared, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn fault(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = Some((fault, None));
    }

    /// The fault hits the next `times` requests, then all is well again.
    pub fn fault_for(&self, times: usize, fault: Fault) {
        *self.shared.fault.lock().unwrap() = Some((fault, Some(times)));
    }

    pub fn heal(&self) {
        *self.shared.fault.lock().unwrap() = None;
    }

    pub fn requests(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn take_fault(&self) -> Option<Fault> {
        let mut slot = self.fault.lock().unwrap();
        let (fault, left) = slot.take()?;
        match left {
            None => *slot = Some((fault.clone(), None)),
            Some(0) => return None,
            Some(left) => *slot = (left > 1).then(|| (fault.clone(), Some(left - 1))),
        }
        Some(fault)
    }
}

async fn serve(
    mut stream: TcpStream,
    shared: &Shared,
    clock: &Clock,
    handler: &Handler,
    too_many: bool,
) -> std::io::Result<()> {
    stream.readable().await?;
    let fault = shared.take_fault();
    if fault == Some(Fault::Reset) {
        // Closed with the question unread, which the kernel tells the other side with a reset.
        return Ok(());
    }
    let Some(asked) = head(&mut stream, clock.now()).await? else { return Ok(()) };
    shared.asked.lock().unwrap().push(asked.clone());
    let date = asked.at.utc().format("%a, %d %b %Y %H:%M:%S GMT");
    let json = &*format!("Date: {date}\r\nContent-Type: application/json\r\n");
    match &fault {
        _ if too_many => send(&mut stream, 429, json, br#"{"status":"error"}"#).await,
        Some(Fault::Silent) => std::future::pending().await,
        Some(Fault::HalfBody) => {
            stream
                .write_all(
                    format!("HTTP/1.1 200 OK\r\n{json}Content-Length: 5000\r\n\r\n{{\"da")
                        .as_bytes(),
                )
                .await
        }
        Some(Fault::Html) => {
            let page = b"<!doctype html><title>Just a moment</title>";
            send(&mut stream, 200, "Content-Type: text/html; charset=utf-8\r\n", page).await
        }
        Some(Fault::Status(status)) => {
            send(&mut stream, *status, "Content-Type: text/html\r\n", b"<h1>error</h1>").await
        }
        Some(Fault::RateLimited(after)) => {
            send(
                &mut stream,
                429,
                &format!("{json}Retry-After: {after}\r\n"),
                br#"{"status":"error"}"#,
            )
            .await
        }
        Some(Fault::WrongJson) => send(&mut stream, 200, json, br#"{"hello":["world"]}"#).await,
        Some(Fault::CutJson) => send(&mut stream, 200, json, br#"{"data":[[{"entityTy"#).await,
        Some(Fault::Huge) => {
            stream
                .write_all(
                    format!("HTTP/1.1 200 OK\r\n{json}Connection: close\r\n\r\n[").as_bytes(),
                )
                .await?;
            let blanks = vec![b' '; 1 << 16];
            for _ in 0..17 * 16 {
                stream.write_all(&blanks).await?;
            }
            Ok(())
        }
        Some(Fault::SlowDrip) => {
            stream
                .write_all(
                    format!("HTTP/1.1 200 OK\r\n{json}Content-Length: 100000\r\n\r\n").as_bytes(),
                )
                .await?;
            loop {
                stream.write_all(b" ").await?;
                // The drip is the point: real time, since the client's deadlines are.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Some(Fault::OffsiteRedirect) => {
            send(&mut stream, 302, "Location: http://elsewhere.invalid/steal?x=1\r\n", b"").await
        }
        Some(Fault::RedirectLoop) => send(&mut stream, 302, "Location: /again\r\n", b"").await,
        Some(Fault::GzipBomb) => {
            let bomb = gzip(&vec![b' '; 64 << 20]);
            send(&mut stream, 200, &format!("{json}Content-Encoding: gzip\r\n"), &bomb).await
        }
        Some(Fault::EmptyData | Fault::ErrorInside | Fault::Negative) | None => {
            let answer = handler(&asked, fault.as_ref());
            if asked
                .headers
                .get("accept-encoding")
                .is_some_and(|encodings| encodings.contains("gzip"))
            {
                let packed = gzip(answer.body.as_bytes());
                send(
                    &mut stream,
                    answer.status,
                    &format!("{json}Content-Encoding: gzip\r\n"),
                    &packed,
                )
                .await
            } else {
                send(&mut stream, answer.status, json, answer.body.as_bytes()).await
            }
        }
        Some(Fault::Reset) => Ok(()),
    }
}

async fn send(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.shutdown().await
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(body).unwrap();
    packer.finish().unwrap()
}

/// Reads the head of a GET; none where the other side left.
async fn head(stream: &mut TcpStream, at: Timestamp) -> std::io::Result<Option<Asked>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key), decoded(value))
    };
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    let header = |line: &str| {
        line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
    };
    Ok(Some(Asked { at, path: decoded(path), query, headers: lines.filter_map(header).collect() }))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        rest = match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                &after[2..]
            }
            (first, _) => {
                bytes.push(if first == b'+' { b' ' } else { first });
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
