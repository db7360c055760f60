//! An HTTP/1.1 server for the platforms' doubles: whole requests in, one function answers them, connections are kept.

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A request, whole.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// As it was sent, without the query.
    pub path: String,
    /// As it was sent; empty where there is none.
    pub query: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    /// The body as JSON; `Null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What a request gets.
#[derive(Clone, Debug)]
pub enum Reply {
    Json {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Value,
    },
    /// A page of some front end.
    Html {
        status: u16,
        body: String,
    },
    Empty {
        status: u16,
    },
    /// The request is taken, and never answered.
    Hang,
    /// The connection is closed in the middle of it.
    Reset,
}

impl Reply {
    pub fn json(status: u16, body: Value) -> Self {
        Self::Json { status, headers: Vec::new(), body }
    }
}

pub type Replying = Pin<Box<dyn Future<Output = Reply> + Send>>;
pub type Handler = dyn Fn(Request) -> Replying + Send + Sync;

/// Serves until it is dropped, and every open connection with it.
pub struct Web {
    address: String,
    task: JoinHandle<()>,
}

impl Web {
    /// Listens on a free port.
    pub async fn start(handler: Arc<Handler>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let handler = Arc::clone(&handler);
                open.spawn(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&handler)));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
                while open.try_join_next().is_some() {}
            }
        });
        Self { address, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    handler: Arc<Handler>,
) -> Result<hyper::Response<Full<Bytes>>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
    let text =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body,
    };
    let (status, kind, headers, body) = match handler(request).await {
        Reply::Json { status, headers, body } => {
            (status, "application/json", headers, body.to_string())
        }
        Reply::Html { status, body } => (status, "text/html", Vec::new(), body),
        Reply::Empty { status } => (status, "text/plain", Vec::new(), String::new()),
        Reply::Hang => std::future::pending().await,
        // An error of the service closes the connection without an answer.
        Reply::Reset => return Err(std::io::Error::other("reset on purpose")),
    };
    let mut response = hyper::Response::builder().status(status).header("content-type", kind);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(body))).map_err(std::io::Error::other)
}
