//! Opens TCP connections, and judges why one cannot be opened.

use super::outcome::Outcome;
use crate::clock::Clock;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};

/// Dials one address. The caller decides which of a name's addresses that is.
pub async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns a connection within `limit`, or the outcome of the probe without one.
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

/// Returns whether this machine's routing table has a route to the address. Sends no packet.
pub async fn has_route(address: SocketAddr) -> bool {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    match UdpSocket::bind(any).await {
        Ok(socket) => socket.connect(address).await.is_ok(),
        Err(_) => false,
    }
}

/// Connects, and closes the connection again.
pub(super) async fn knock(clock: &Clock, address: SocketAddr, limit: Duration) -> Outcome {
    match connect(clock, address, limit).await {
        Ok(_) => Outcome::works(),
        Err(outcome) => outcome,
    }
}
