//! Controls: well-known hosts of different operators, each with the answer that it must give. Their
//! answers show whether the bot's own uplink works.

use std::net::{IpAddr, SocketAddr};

/// A host that is asked only to learn about the bot's own uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The organisation that runs it. Errors of one operator count once.
    pub operator: String,
    /// The host's location, or `anycast`.
    pub place: String,
    /// The request, with the expected answer.
    pub ask: Ask,
}

/// The request that is sent to a control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Asks a resolver for a name whose addresses are known. Any other answer is forged.
    Resolver {
        /// The server's address and port (53).
        server: SocketAddr,
        /// The name to resolve.
        name: String,
        /// The known addresses of `name`; never empty.
        expect: Vec<IpAddr>,
    },
    /// Asks a root server for the SOA of the root zone, which it answers with authority.
    Root {
        /// The server's address and port (53).
        server: SocketAddr,
    },
    /// Opens a TCP connection.
    Tcp {
        /// The address and port to connect to.
        address: SocketAddr,
    },
    /// Fetches a page that never changes, over plain HTTP. Any other page comes from a captive
    /// portal.
    Page {
        /// The host name, in ASCII.
        host: String,
        /// The TCP port; 80 by default.
        port: u16,
        /// The path, with its leading slash.
        path: String,
        /// The expected HTTP status; 200 by default.
        status: u16,
        /// A text that the body must contain, or `None` if the status is enough.
        text: Option<String>,
    },
}

impl Control {
    /// Returns whether the control is asked over IPv6. Always `false` for a page, which is fetched
    /// over the address that its name resolves to first.
    pub fn is_v6(&self) -> bool {
        match &self.ask {
            Ask::Resolver { server, .. } | Ask::Root { server } | Ask::Tcp { address: server } => {
                server.is_ipv6()
            }
            Ask::Page { .. } => false,
        }
    }
}
