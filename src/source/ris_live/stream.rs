//! The connection: a WebSocket with one subscription for each block, and pings. It does not
//! interpret the messages.

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

/// The longest message that is read, in bytes: a BGP message is 4 KiB, and comes here as text.
const MESSAGE_CAP: usize = 1 << 20;
/// The deadline for connection and both handshakes.
const CONNECT: Duration = Duration::from_secs(20);
/// The pause between two subscriptions, the same as other clients use.
const APART: Duration = Duration::from_millis(200);
/// The deadline for sending a frame; after it the connection counts as lost.
const WRITE: Duration = Duration::from_secs(10);

/// The names of a message about a session: the one in the frames of 2026, and the one in the
/// documentation.
const SESSIONS: [&str; 2] = ["STATE", "RIS_PEER_STATE"];

/// The reason for the end of a connection.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The connection could not be made; holds the cause.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The connection was closed or lost; holds the cause.
    #[error("the connection broke off: {0}")]
    Broken(String),
    /// The service sent an error that ends the connection; holds its first 200 characters.
    #[error("it complains: {0}")]
    Complaint(String),
    /// Pings stayed unanswered, or a frame could not be sent within 10 s.
    #[error("it has not answered to pings for a minute")]
    Silent,
    /// A hundred frames in a row could not be read; holds the last fault.
    #[error("it sends what cannot be read, again and again: {0}")]
    Gibberish(Malformed),
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// An open connection.
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
    /// Connects to `url` (`ws` or `wss`) with `client` as our name. Fails after 20 s.
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

    /// Subscribes to all updates about the blocks and the blocks inside them, and to sessions that
    /// come up or go down, under both names of that message. Does not filter by path: a withdrawal
    /// has no path and would be filtered out.
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

    /// Sends a ping as a message of the service, which replies with [`Message::Pong`].
    pub async fn ping(&mut self) -> Result<(), StreamError> {
        self.say(&json!({"type": "ping", "data": null})).await
    }

    async fn say(&mut self, what: &serde_json::Value) -> Result<(), StreamError> {
        let sent = self.clock.within(WRITE, self.socket.send(Frame::Text(what.to_string()))).await;
        sent.ok_or(StreamError::Silent)?.map_err(|error| StreamError::Broken(error.to_string()))
    }

    /// Waits for the next message. Returns a frame that is not a message as `Malformed`, for the
    /// caller to count. Fails when the connection has ended.
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
                // No BGP update exceeds the cap.
                Some(Err(Error::Capacity(error))) => {
                    return Err(StreamError::Broken(error.to_string()));
                }
                Some(Err(error)) => return Err(StreamError::Broken(error.to_string())),
                None => return Err(StreamError::Broken("closed".to_owned())),
            }
        }
    }
}
