//! What shows that our own line is whole: well-known hosts of different operators, each with the answer that it must give.

use std::net::{IpAddr, SocketAddr};

/// A host that is asked only to learn of ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Who runs it: what one operator gets wrong is one voice.
    pub operator: String,
    /// Where it stands, or `anycast`.
    pub place: String,
    pub ask: Ask,
}

/// What it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A resolver for a name whose addresses are known: another answer is a lie.
    Resolver {
        server: SocketAddr,
        name: String,
        expect: Vec<IpAddr>,
    },
    /// A root server for the root's own SOA, which it answers with authority.
    Root {
        server: SocketAddr,
    },
    Tcp {
        address: SocketAddr,
    },
    /// A page that is always the same: another one is a captive portal's.
    Page {
        host: String,
        port: u16,
        path: String,
        status: u16,
        text: Option<String>,
    },
}

impl Control {
    /// Whether it is asked over IPv6; a page is asked over whatever its name leads to first.
    pub fn is_v6(&self) -> bool {
        match &self.ask {
            Ask::Resolver { server, .. } | Ask::Root { server } | Ask::Tcp { address: server } => {
                server.is_ipv6()
            }
            Ask::Page { .. } => false,
        }
    }
}
