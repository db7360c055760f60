//! The connection: a WebSocket, one subscription for each block, pings. It knows nothing of what the messages mean.

use super::message::{self, Malformed, Message};
use crate::clock::Clock;
use crate::source::probe::Tls;
use futures_util::{SinkExt, StreamExt};
use ipnet::IpNet;
use reqwest::Url;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

/// The longest message that is taken: a BGP message is 4 KiB, here as text.
const MESSAGE_CAP: usize = 1 << 20;
const CONNECT: Duration = Duration::from_secs(20);
/// Between two subscriptions, as others keep to.
const APART: Duration = Duration::from_millis(200);
/// A client that writes into a void for longer has lost its line.
const WRITE: Duration = Duration::from_secs(10);

/// The names of a message about a session: that of the frames of 2026, and that of the documentation.
const SESSIONS: [&str; 2] = ["STATE", "RIS_PEER_STATE"];

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("the connection broke off: {0}")]
    Broken(String),
    #[error("it complains: {0}")]
    Complaint(String),
    #[error("it has not answered to pings for a minute")]
    Silent,
    #[error("it sends what cannot be read, again and again: {0}")]
    Gibberish(Malformed),
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// A connection that stands.
pub struct Stream {
    socket: WebSocketStream<Box<dyn Both>>,
    clock: Clock,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl Stream {
    /// Connects to `url` (`ws` or `wss`), naming ourselves as `client`.
    pub async fn connect(
        url: &Url,
        client: &str,
        tls: &Tls,
        clock: &Clock,
    ) -> Result<Self, StreamError> {
        let unreachable = |why: &dyn std::fmt::Display| StreamError::Unreachable(why.to_string());
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("client", client);
        let connecting = async {
            let host = url.host_str().ok_or_else(|| unreachable(&"no host"))?.to_owned();
            let port = url.port_or_known_default().unwrap_or(443);
            let stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
                .await
                .map_err(|e| unreachable(&e))?;
            stream.set_nodelay(true).map_err(|e| unreachable(&e))?;
            let stream: Box<dyn Both> = if url.scheme() == "wss" {
                Box::new(tls.vouched(stream, &host).await.map_err(|e| unreachable(&e))?)
            } else {
                Box::new(stream)
            };
            let config = WebSocketConfig {
                max_message_size: Some(MESSAGE_CAP),
                max_frame_size: Some(MESSAGE_CAP),
                ..WebSocketConfig::default()
            };
            let (socket, _) =
                tokio_tungstenite::client_async_with_config(url.as_str(), stream, Some(config))
                    .await
                    .map_err(|e| unreachable(&e))?;
            Ok(Self { socket, clock: clock.clone() })
        };
        clock
            .within(CONNECT, connecting)
            .await
            .unwrap_or_else(|| Err(unreachable(&"no answer in 20 s")))
    }

    /// Subscribes to all updates about the blocks and what is inside them, and to sessions that come up or go down, under
    /// both of their names. Never by path: a withdrawal has none, and would not come.
    pub async fn subscribe(
        &mut self,
        nets: impl Iterator<Item = IpNet>,
    ) -> Result<(), StreamError> {
        let options = json!({"includeRaw": false, "acknowledge": true});
        for net in nets {
            let what = json!({"prefix": net.to_string(), "moreSpecific": true, "type": "UPDATE", "socketOptions": options});
            self.say(&json!({"type": "ris_subscribe", "data": what})).await?;
            self.clock.breathe(APART).await;
        }
        for kind in SESSIONS {
            let sessions = json!({"type": kind, "socketOptions": options});
            self.say(&json!({"type": "ris_subscribe", "data": sessions})).await?;
            self.clock.breathe(APART).await;
        }
        Ok(())
    }

    pub async fn ping(&mut self) -> Result<(), StreamError> {
        self.say(&json!({"type": "ping", "data": null})).await
    }

    async fn say(&mut self, what: &serde_json::Value) -> Result<(), StreamError> {
        let sent = self.clock.within(WRITE, self.socket.send(Frame::Text(what.to_string()))).await;
        sent.ok_or(StreamError::Silent)?.map_err(|error| StreamError::Broken(error.to_string()))
    }

    /// The next message; what is no message is handed out as such, for the caller to count.
    pub async fn next(&mut self) -> Result<Result<Message, Malformed>, StreamError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Frame::Text(text))) => return Ok(message::read(&text)),
                Some(Ok(Frame::Binary(_))) => return Ok(Err(Malformed("binary".to_owned()))),
                Some(Ok(Frame::Close(frame))) => {
                    let why = frame.map_or_else(
                        || "closed without a reason".to_owned(),
                        |frame| frame.to_string(),
                    );
                    return Err(StreamError::Broken(why));
                }
                Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => {}
                // A message beyond the cap is nobody's update.
                Some(Err(Error::Capacity(error))) => {
                    return Err(StreamError::Broken(error.to_string()));
                }
                Some(Err(error)) => return Err(StreamError::Broken(error.to_string())),
                None => return Err(StreamError::Broken("closed".to_owned())),
            }
        }
    }
}
