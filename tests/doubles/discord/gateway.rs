//! The gateway's sockets, and what the test does to them.

use super::Inner;
use super::sessions::{self, Identify, Out};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// How long a wait of a test may take, in real time.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Gateway {
    inner: Arc<Inner>,
}

impl Gateway {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Every connection ends without a word.
    pub fn drops(&self) {
        self.inner.change(|world| world.sessions.cut_all());
    }

    /// The same, and no connection stands until [`Gateway::comes_back`].
    pub fn goes_down(&self) {
        self.inner.change(|world| {
            world.sessions.is_down = true;
            world.sessions.cut_all();
        });
    }

    pub fn comes_back(&self) {
        self.inner.change(|world| world.sessions.is_down = false);
    }

    /// Op 7.
    pub fn asks_reconnect(&self) {
        self.inner.change(|world| world.sessions.detach_all(&json!({"op": 7, "d": null}), false));
    }

    /// Op 9. What happens meanwhile is told when the bot resumes, where it may.
    pub fn invalid_session(&self, resumable: bool) {
        self.inner.change(|world| {
            world.sessions.detach_all(&json!({"op": 9, "d": resumable}), !resumable);
        });
    }

    /// Heartbeats are heard, and not answered.
    pub fn stops_acking(&self) {
        self.inner.change(|world| world.sessions.is_acking = false);
    }

    pub fn acks_again(&self) {
        self.inner.change(|world| world.sessions.is_acking = true);
    }

    /// What the next hello says.
    pub fn heartbeat_interval(&self, millis: u64) {
        self.inner.change(|world| world.sessions.interval = millis);
    }

    /// How many connections there ever were.
    pub fn connections(&self) -> usize {
        self.inner.lock().sessions.connections
    }

    /// How many stand now.
    pub fn open(&self) -> usize {
        self.inner.lock().sessions.sockets.len()
    }

    pub fn identifies(&self) -> Vec<Identify> {
        self.inner.lock().sessions.identifies.clone()
    }

    /// How many resumed.
    pub fn resumes(&self) -> usize {
        self.inner.lock().sessions.resumes
    }

    pub fn heartbeats(&self) -> usize {
        self.inner.lock().sessions.heartbeats
    }

    /// Waits until a bot has identified or resumed, and is there.
    pub async fn connected(&self) {
        assert!(
            self.inner.until(PATIENCE, |world| world.sessions.is_live()).await,
            "no bot has connected in 10 s"
        );
    }

    /// Waits until every bot that is there has got all that was told, by asking it for a heartbeat. That it has *done*
    /// something about it is not said.
    pub async fn caught_up(&self) {
        self.inner.change(|world| world.sessions.say_all(&json!({"op": 1, "d": null})));
        assert!(
            self.inner.until(PATIENCE, |world| world.sessions.has_caught_up()).await,
            "the bot has not caught up in 10 s"
        );
    }
}

pub(super) async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        open.spawn(connection(stream, Arc::clone(&inner)));
        while open.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, inner: Arc<Inner>) {
    if inner.lock().sessions.is_down {
        return;
    }
    let mut query = String::new();
    // The shape of the callback is tungstenite's.
    #[allow(clippy::result_large_err)]
    let asked = |request: &Request, response: Response| {
        request.uri().query().unwrap_or_default().clone_into(&mut query);
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, asked).await else { return };
    let (out, mut outgoing) = mpsc::unbounded_channel();
    let number = inner.change(|world| {
        world.sessions.connections += 1;
        let number = world.snowflake();
        if query.split('&').any(|pair| pair == "v=10") {
            let hello = json!({"op": 10, "s": null, "t": null, "d": {"heartbeat_interval": world.sessions.interval}});
            let _ = out.send(Out::Text(hello.to_string()));
        } else {
            let _ = out.send(Out::Close(4012, "Invalid API version."));
        }
        world.sessions.sockets.insert(number, out);
        number
    });
    let mut said_goodbye = false;
    loop {
        tokio::select! {
            out = outgoing.recv() => match out {
                Some(Out::Text(text)) => if socket.send(Message::Text(text)).await.is_err() { break },
                Some(Out::Close(code, why)) => {
                    let frame = CloseFrame { code: code.into(), reason: Cow::Borrowed(why) };
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    // The other side answers, or goes.
                    while let Ok(Some(Ok(_))) = tokio::time::timeout(Duration::from_secs(1), socket.next()).await {}
                    break;
                }
                Some(Out::Cut) | None => break,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => inner.change(|world| sessions::heard(world, number, &text)),
                Some(Ok(Message::Close(frame))) => {
                    said_goodbye = frame.is_some_and(|frame| matches!(u16::from(frame.code), 1000 | 1001));
                    let _ = socket.flush().await;
                    break;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    inner.change(|world| world.sessions.left(number, said_goodbye));
}
