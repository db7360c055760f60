//! Settings of the bot's own health: the operator's chat, and the address of the health server.

use super::explain::Place;
use super::raw::{RawOperator, RawWeb};
use std::net::{Ipv4Addr, SocketAddr};

/// The default address, reachable from this machine only.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9753);

/// Parses the operator's chat, such as `discord:1234` or `telegram:-1001234`, into platform and
/// number. `None` if no chat is configured.
pub(super) fn operator(raw: &RawOperator) -> Result<Option<(String, String)>, Place> {
    let Some(chat) = &raw.chat else { return Ok(None) };
    let known = chat.get_ref().split_once(':').filter(|(platform, address)| {
        let digits =
            address.strip_prefix('-').filter(|_| *platform == "telegram").unwrap_or(address);
        matches!(*platform, "discord" | "telegram")
            && !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
    });
    let Some((platform, address)) = known else {
        let message = "the operator's chat is written \"discord:1234\" or \"telegram:-1001234\", with its number there";
        return Err(Place::new(chat.span().start, message));
    };
    Ok(Some((platform.to_owned(), address.to_owned())))
}

/// Returns the address to listen on, or `None` if the server is switched off.
pub(super) fn web(raw: &RawWeb) -> Result<Option<SocketAddr>, Place> {
    if raw.enabled == Some(false) {
        return Ok(None);
    }
    let Some(listen) = &raw.listen else { return Ok(Some(LISTEN)) };
    let parsed = listen.get_ref().parse();
    let message = || {
        format!("`{}` is no address to listen on: write it as \"127.0.0.1:9753\"", listen.get_ref())
    };
    parsed.map(Some).map_err(|_| Place::new(listen.span().start, message()))
}
