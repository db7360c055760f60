//! Each kind of probe against servers that behave, and against those that do not, over real sockets.

mod cookies;
mod dns;
mod guard;
mod http;
mod lenient;
mod mail;
mod odd_tls;
mod page_text;
mod redirects;
mod rounds;
mod server;
mod site;
mod strangers;
mod tls;

use linkdown::clock::Clock;
use linkdown::domain::Target;
use linkdown::source::probe::attempt::{Found, probe};
use linkdown::source::probe::{Guard, ProbeContext, Resolver};
use std::net::SocketAddr;
use std::time::Duration;

/// A kit that may ask the servers of the tests, which stand on loopback, and does not wait long for those that never answer.
fn kit(resolver: Option<SocketAddr>) -> ProbeContext {
    kit_that_allows(&["127.0.0.0/8", "::1/128"], resolver)
}

fn kit_that_allows(networks: &[&str], resolver: Option<SocketAddr>) -> ProbeContext {
    let clock = Clock::accelerated(super::at("2025-06-06 17:00"), 20);
    let guard = Guard::new(networks.iter().map(|network| network.parse().unwrap()).collect());
    let resolver = Resolver::with(clock.clone(), resolver.into_iter().collect());
    ProbeContext::new(
        clock,
        guard,
        resolver,
        "https://example.org/linkdown",
        Duration::from_secs(4),
    )
}

fn target(text: &str) -> Target {
    Target::parse(text, "country/KP".parse().unwrap()).unwrap()
}

async fn found(kit: &ProbeContext, text: &str) -> Found {
    probe(kit, &target(text)).await
}

#[tokio::test]
async fn an_echo_comes_back_and_where_none_may_be_sent_a_port_is_as_good() {
    // Port 80 of this machine may be taken or refused: either is an answer.
    for host in ["127.0.0.1", "[::1]"] {
        assert_eq!(said(&kit(None), &format!("icmp://{host}")).await, "works");
    }
}

/// What a person would read of it.
async fn said(kit: &ProbeContext, text: &str) -> String {
    found(kit, text).await.outcome().to_string()
}
