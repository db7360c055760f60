//! Sends ICMP echoes over the unprivileged socket of Linux (`net.ipv4.ping_group_range`). The
//! kernel draws a new id for each socket and so for each attempt, since some firewalls are known to
//! hold on to an old id.

use super::outcome::Outcome;
use crate::clock::Clock;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;

/// Echoes of one attempt. One lost echo proves nothing: ICMP is the first traffic to be dropped.
const ECHOES: u16 = 3;

/// The ICMP types of an echo request, for IPv4 and IPv6.
const REQUEST: (u8, u8) = (8, 128);
/// The ICMP types of an echo reply, for IPv4 and IPv6.
const REPLY: (u8, u8) = (0, 129);

/// This process may not open such a socket. The caller asks over TCP instead.
#[derive(Debug)]
pub(super) struct NotAllowed;

/// Sends up to [`ECHOES`] echoes within `limit`, until one is answered.
pub(super) async fn knock(
    clock: &Clock,
    address: IpAddr,
    limit: Duration,
) -> Result<Outcome, NotAllowed> {
    let socket = match open(address) {
        Ok(socket) => socket,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(NotAllowed),
        Err(error) => return Ok(Outcome::of_socket(&error)),
    };
    let nonce = fastrand::u64(..).to_be_bytes();
    let each = limit / u32::from(ECHOES);
    for sequence in 1..=ECHOES {
        match clock.within(each, echo(&socket, address, sequence, nonce)).await {
            Some(Ok(())) => return Ok(Outcome::works()),
            Some(Err(error)) => return Ok(Outcome::of_socket(&error)),
            None => {}
        }
    }
    Ok(Outcome::timed_out(limit))
}

/// Returns whether this process may send echoes at all.
pub fn is_allowed() -> bool {
    Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4)).is_ok()
}

fn open(address: IpAddr) -> io::Result<UdpSocket> {
    let socket = match address {
        IpAddr::V4(_) => Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?,
        IpAddr::V6(_) => Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::ICMPV6))?,
    };
    socket.set_nonblocking(true)?;
    // The socket is connected, so it receives only the answers of this host and the errors that
    // routers report about it.
    socket.connect(&SocketAddr::new(address, 0).into())?;
    UdpSocket::from_std(socket.into())
}

/// Sends one echo and waits for its reply, which must repeat the nonce.
async fn echo(
    socket: &UdpSocket,
    address: IpAddr,
    sequence: u16,
    nonce: [u8; 8],
) -> io::Result<()> {
    let of = |pair: (u8, u8)| if address.is_ipv4() { pair.0 } else { pair.1 };
    // Type, code, checksum and id. The kernel fills in the last two.
    let mut packet = vec![of(REQUEST), 0, 0, 0, 0, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend(nonce);
    socket.send(&packet).await?;
    let mut buffer = [0; 128];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = &buffer[..length];
        if answer.first() == Some(&of(REPLY)) && answer.get(8..16) == Some(&nonce) {
            return Ok(());
        }
    }
}
