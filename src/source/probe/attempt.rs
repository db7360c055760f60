//! Probes one target: resolves its name, asks the guard about each address, makes the attempt, and
//! repeats it if it fails.

use super::outcome::Outcome;
use super::resolver::Resolved;
use super::{ProbeContext, dns, http, icmp, smtp, tcp, tls};
use crate::domain::{Host, ProbeKind, Target};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The pause between the two attempts, at random from half of this to all of it, so that a burst of
/// losses can pass.
const PAUSE: Duration = Duration::from_secs(2);
/// Where ICMP may not be sent, any answer on this TCP port shows that the host is there.
const INSTEAD_OF_ECHO: u16 = 80;

/// The result of one probe of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The result at each address: at most one address of each family, since one that works hides
    /// another that does not.
    pub seen: Vec<Seen>,
    /// The failure to resolve the host's name, if only its last good address is known or none at
    /// all.
    pub name_trouble: Option<String>,
    /// The facts about the certificate, if a TLS handshake came to its end.
    pub certificate: Option<tls::Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
/// The result at one address.
pub struct Seen {
    /// The address that was probed.
    pub address: IpAddr,
    /// The better result of at most two attempts.
    pub outcome: Outcome,
}

impl Found {
    /// Returns the better of the results over IPv4 and IPv6.
    pub fn outcome(&self) -> Outcome {
        let all = self.seen.iter().map(|seen| seen.outcome.clone());
        all.reduce(Outcome::or_better).unwrap_or_else(|| match &self.name_trouble {
            Some(why) => Outcome::unknown(format!("its name leads nowhere: {why}")),
            None => Outcome::unknown("it has no address"),
        })
    }
}

/// Resolves the target's host and probes it over IPv4 and IPv6, each family on its own.
pub async fn probe(kit: &ProbeContext, target: &Target) -> Found {
    let (addresses, name_trouble) = match kit.resolver.find(&target.host, target.address).await {
        Resolved::Fresh(addresses) => (addresses, None),
        Resolved::LastGood { addresses, why } => (addresses, Some(why)),
        Resolved::Unknown { why } => (Vec::new(), Some(why)),
    };
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv4);
    let (v4, v6) = tokio::join!(family(kit, target, &v4), family(kit, target, &v6));
    let both = [v4, v6];
    let certificate = both.iter().flatten().find_map(|(_, certificate)| certificate.clone());
    Found {
        seen: both.into_iter().flatten().map(|(seen, _)| seen).collect(),
        name_trouble,
        certificate,
    }
}

/// Runs one probe, and gives it up if it takes much longer than its attempts and resolutions may.
/// So a slot is never lost.
pub(super) async fn bounded(kit: &ProbeContext, target: &Target) -> Found {
    let longest = 4 * kit.timeout + Duration::from_secs(30);
    let found = Box::pin(kit.clock.within(longest, probe(kit, target))).await;
    found.unwrap_or_else(|| Found {
        seen: Vec::new(),
        name_trouble: Some("the probe was given up".to_owned()),
        certificate: None,
    })
}

/// Probes a host at its first address. If that does not work, tries the next address, or the same
/// again.
async fn family(
    kit: &ProbeContext,
    target: &Target,
    addresses: &[IpAddr],
) -> Option<(Seen, Option<tls::Seen>)> {
    let first = *addresses.first()?;
    let (outcome, certificate) = knock(kit, target, first).await;
    if outcome.does_work() || matches!(outcome, Outcome::Unknown { .. }) {
        return Some((Seen { address: first, outcome }, certificate));
    }
    kit.clock.breathe(PAUSE.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    let second = addresses.get(1).copied().unwrap_or(first);
    let (again, certificate_again) = knock(kit, target, second).await;
    let address = if again.does_work() { second } else { first };
    Some((Seen { address, outcome: outcome.or_better(again) }, certificate.or(certificate_again)))
}

/// Makes one attempt at one address, if the guard allows it.
async fn knock(
    kit: &ProbeContext,
    target: &Target,
    address: IpAddr,
) -> (Outcome, Option<tls::Seen>) {
    if let Some(why) = kit.guard.refuses(address) {
        return (Outcome::unknown(format!("it leads to {address}, which is refused: {why}")), None);
    }
    let at = SocketAddr::new(address, target.port);
    // Checked beforehand, since a distant router without a route causes the same error of the
    // socket.
    if !tcp::has_route(SocketAddr::new(address, target.port.max(1))).await {
        return (Outcome::unknown("no route to it from here"), None);
    }
    let limits = kit.limits();
    match &target.knock {
        ProbeKind::Dns { zone } => (dns::knock(&kit.clock, at, zone, limits.connect).await, None),
        ProbeKind::Tcp => (tcp::knock(&kit.clock, at, limits.connect).await, None),
        ProbeKind::Tls { certificate } => {
            tls::knock(&kit.tls, &kit.clock, (&target.host, at), *certificate, limits).await
        }
        ProbeKind::Http { path, text, tls } => {
            let page = http::Page {
                host: &target.host,
                port: target.port,
                path,
                tls: *tls,
                text: text.as_deref(),
            };
            http::knock(kit, &page, at, limits).await
        }
        ProbeKind::Smtp => (smtp::knock(&kit.clock, at, limits).await, None),
        ProbeKind::Icmp => (echo(kit, &target.host, address).await, None),
    }
}

/// Sends ICMP echoes, or dials a TCP port if ICMP is not allowed here, which is logged once.
async fn echo(kit: &ProbeContext, host: &Host, address: IpAddr) -> Outcome {
    let limit = kit.limits().connect;
    if let Ok(outcome) = icmp::knock(&kit.clock, address, limit).await {
        return outcome;
    }
    if !kit.no_echo.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "probe: ICMP may not be sent by this user: TCP port {INSTEAD_OF_ECHO} is asked instead, of {host} and all others. To \
             allow it: sysctl net.ipv4.ping_group_range=\"0 2147483647\""
        );
    }
    match tcp::knock(&kit.clock, SocketAddr::new(address, INSTEAD_OF_ECHO), limit).await {
        // A refused connection proves that the host is there, as an echo does.
        Outcome::Broken { .. } => Outcome::works(),
        other => other,
    }
}
