//! A site with pages that may depend on the request, over http and https on one port.

use super::server::on_tcp;
use super::tls::acceptor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A request as the site got it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub is_tls: bool,
    pub path: String,
    /// The value of `Cookie`, or nothing.
    pub cookie: String,
}

/// A site and what it was asked so far.
pub(super) struct Site {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Site {
    /// Answers each request as told, then closes; TLS ends without `close_notify`, as with old servers.
    pub(super) async fn start(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, keep, acceptor) =
            (Arc::new(answer), Arc::clone(&asked), acceptor("valid.pem"));
        let address = on_tcp(move |stream| {
            let (answer, keep, acceptor) =
                (Arc::clone(&answer), Arc::clone(&keep), acceptor.clone());
            async move {
                let mut first = [0];
                let is_tls = stream.peek(&mut first).await.is_ok() && first[0] == 22;
                if is_tls {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    talk(&mut stream, is_tls, &*answer, &keep).await;
                } else {
                    let mut stream = stream;
                    talk(&mut stream, is_tls, &*answer, &keep).await;
                }
            }
        })
        .await;
        Self { address, asked }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    is_tls: bool,
    answer: &(impl Fn(&Asked) -> Vec<u8> + ?Sized),
    keep: &Mutex<Vec<Asked>>,
) {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(length @ 1..) => head.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let cookie =
        head.lines().find_map(|line| line.strip_prefix("Cookie: ")).unwrap_or_default().to_owned();
    let asked = Asked { is_tls, path, cookie };
    let bytes = answer(&asked);
    keep.lock().unwrap().push(asked);
    let _ = stream.write_all(&bytes).await;
    let _ = stream.flush().await;
}
