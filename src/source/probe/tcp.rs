//! A connection, and what it means that there is none.

use super::outcome::Outcome;
use crate::clock::Clock;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};

/// Dials one address: which of a name's addresses is for the caller to say.
pub async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection within `limit`, or what there is instead.
pub(super) async fn connect(
    clock: &Clock,
    address: SocketAddr,
    limit: Duration,
) -> Result<TcpStream, Outcome> {
    match clock.within(limit, open(address)).await {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(error))
            if error.kind() == io::ErrorKind::NetworkUnreachable && !has_route(address).await =>
        {
            Err(Outcome::unknown("no route to it from here"))
        }
        Some(Err(error)) => Err(Outcome::of_socket(&error)),
        None => Err(Outcome::timed_out(limit)),
    }
}

/// Whether our own table of routes leads there: no packet is sent.
pub async fn has_route(address: SocketAddr) -> bool {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    match UdpSocket::bind(any).await {
        Ok(socket) => socket.connect(address).await.is_ok(),
        Err(_) => false,
    }
}

pub(super) async fn knock(clock: &Clock, address: SocketAddr, limit: Duration) -> Outcome {
    match connect(clock, address, limit).await {
        Ok(_) => Outcome::works(),
        Err(outcome) => outcome,
    }
}
