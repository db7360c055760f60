//! What a monitor asks: `/health`, `/health/live`, `/health/ready`, `/metrics`. Answers questions only, and only a few at a time.

mod health;
mod metrics;

use crate::command::Desk;
use crate::domain::Timestamp;
use crate::vitals::Vitals;
use health::Health;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at one time: a scraper, a health check, and some room.
const AT_ONCE: usize = 16;
/// From a connection to the end of its question.
const PATIENCE: Duration = Duration::from_secs(10);
const HEAD_CAP: usize = 8 << 10;

/// All that is told of.
#[derive(Clone, Debug)]
pub struct Web {
    pub listen: SocketAddr,
    pub desk: Desk,
    pub vitals: Vitals,
    /// When this life began.
    pub since: Timestamp,
}

impl Web {
    /// Serves until it is dropped. An address that cannot be had is said once, and left alone: the watch goes on without it.
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
        let (web, slots) = (Arc::new(self), Arc::new(Semaphore::new(AT_ONCE)));
        let mut open = JoinSet::new();
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            while open.try_join_next().is_some() {}
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file handles, most likely: not in a tight circle.
                tokio::task::yield_now().await;
                continue;
            };
            let web = Arc::clone(&web);
            open.spawn(async move {
                let _slot = slot;
                let service = service_fn(|request| web.answer(request));
                let mut connection = http1::Builder::new();
                connection.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEAD_CAP);
                connection.keep_alive(false);
                // Whoever goes away in the middle needs no answer.
                let served = connection.serve_connection(TokioIo::new(stream), service);
                let _ = web.desk.clock.within(2 * PATIENCE, served).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n"));
        }
        Ok(match request.uri().path() {
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
            "/" => text(StatusCode::OK, "Linkdown: /health, /health/live, /health/ready, /metrics\n"),
            _ => text(StatusCode::NOT_FOUND, "nothing here; / lists what there is\n"),
        })
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
