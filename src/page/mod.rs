//! Serves the endpoints for monitoring: `/health`, `/health/live`, `/health/ready`, `/metrics`. All
//! are read-only.
//!
//! A new connection is always accepted: where there are too many, the oldest one is closed. A
//! client that sends its request at once is answered within milliseconds, and so is never the
//! oldest; one that holds its connection open takes no place from it. Requests that read the
//! database are answered a few at a time, `/health/live` at once.

mod health;
mod metrics;

use crate::command::AppContext;
use crate::domain::Timestamp;
use crate::supervisor::Supervisor;
use health::Health;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

/// The most connections at one time. Each takes a file handle and some kilobytes.
const AT_ONCE: usize = 64;
/// The most answers that read the database at one time: fewer than there are readers, so that
/// commands always find one.
const READS_AT_ONCE: usize = 1;
/// The longest time from a connection to the end of its request head.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest time from a connection to the end of its answer.
const LONGEST: Duration = Duration::from_secs(20);
/// The pause between two attempts to accept a connection while there are no file handles left.
const PAUSE: Duration = Duration::from_millis(100);
/// The largest request head, in bytes.
const HEAD_CAP: usize = 8 << 10;

/// The server and the parts whose health it reports.
#[derive(Clone, Debug)]
pub struct Web {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The store, the feeds and the clock.
    pub context: AppContext,
    /// The supervisor of the tasks that are reported.
    pub supervisor: Supervisor,
    /// When this process began.
    pub since: Timestamp,
}

impl Web {
    /// Serves until it is dropped. An address that cannot be listened on is logged once; the bot
    /// goes on without the server.
    pub async fn run(self) {
        let listener = match TcpListener::bind(self.listen).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(
                    "health and metrics are not served: {} cannot be listened on ({}); give another [web] listen, or \
                     enabled = false",
                    self.listen,
                    error.kind()
                );
                return;
            }
        };
        tracing::info!("health and metrics are served on http://{}/", self.listen);
        let (web, reads) = (Arc::new(self), Arc::new(Semaphore::new(READS_AT_ONCE)));
        let mut open = Open::default();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Most likely there are no file handles left: closing the oldest connection frees
                // one.
                open.close_oldest();
                web.context.clock.breathe(PAUSE).await;
                tokio::task::yield_now().await;
                continue;
            };
            let (web, reads) = (Arc::clone(&web), Arc::clone(&reads));
            open.add(async move {
                let service = service_fn(|request| web.answer(request, &reads));
                let mut connection = http1::Builder::new();
                connection
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE)
                    .max_buf_size(HEAD_CAP);
                connection.keep_alive(false);
                // A client that disconnects early gets no reply.
                let served = connection.serve_connection(TokioIo::new(stream), service);
                let _ = web.context.clock.within(LONGEST, served).await;
            });
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        reads: &Semaphore,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n"));
        }
        let path = request.uri().path();
        // A flood of requests that read the database must not hold up the bot's own reads.
        let _turn = match path {
            "/health" | "/health/ready" | "/metrics" => reads.acquire().await.ok(),
            _ => None,
        };
        Ok(match path {
            "/health/live" => text(StatusCode::OK, "alive\n"),
            "/health/ready" => match Health::look(self).await {
                Ok(health) if health.is_ready => text(StatusCode::OK, "ready\n"),
                Ok(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the past is still being read\n"),
                Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}\n")),
            },
            "/health" => match Health::look(self).await {
                Ok(health) => whole(StatusCode::OK, "application/json", health.to_json()),
                Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}\n")),
            },
            "/metrics" => match metrics::text(self).await {
                Ok(metrics) => whole(StatusCode::OK, metrics::CONTENT_TYPE, metrics),
                Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}\n")),
            },
            "/" => {
                text(StatusCode::OK, "Linkdown: /health, /health/live, /health/ready, /metrics\n")
            }
            _ => text(StatusCode::NOT_FOUND, "nothing here; / lists what there is\n"),
        })
    }
}

/// The open connections, the oldest first.
#[derive(Debug, Default)]
struct Open {
    tasks: JoinSet<()>,
    by_age: VecDeque<AbortHandle>,
}

impl Open {
    /// Serves one more connection. Closes the oldest while the limit is reached.
    fn add(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.by_age.retain(|task| !task.is_finished());
        while self.by_age.len() >= AT_ONCE {
            self.close_oldest();
        }
        self.by_age.push_back(self.tasks.spawn(connection));
    }

    fn close_oldest(&mut self) {
        if let Some(oldest) = self.by_age.pop_front() {
            oldest.abort();
        }
    }
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    whole(status, "text/plain; charset=utf-8", body.to_owned())
}

fn whole(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, kind)
        .header(CACHE_CONTROL, "no-store")
        .header("X-Content-Type-Options", "nosniff");
    response.body(Full::new(Bytes::from(body))).expect("these are headers")
}
