//! One probe of one target: where its name leads, whether that may be asked, and what came of asking, twice where it has to be.

use super::outcome::Outcome;
use super::resolver::Resolved;
use super::{ProbeContext, dns, http, icmp, smtp, tcp, tls};
use crate::domain::{Host, ProbeKind, Target};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Between the two attempts, at random from half of it to all: a burst of losses must pass.
const PAUSE: Duration = Duration::from_secs(2);
/// Where ICMP may not be sent, any answer on this port shows that the host is there.
const INSTEAD_OF_ECHO: u16 = 80;

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// By address: at most one of each family, since one that works hides another that does not.
    pub seen: Vec<Seen>,
    /// What is wrong with the name of the host, where its address is only the last good one or none.
    pub name_trouble: Option<String>,
    pub certificate: Option<tls::Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub address: IpAddr,
    pub outcome: Outcome,
}

impl Found {
    /// The better of what both families found.
    pub fn outcome(&self) -> Outcome {
        let all = self.seen.iter().map(|seen| seen.outcome.clone());
        all.reduce(Outcome::or_better).unwrap_or_else(|| match &self.name_trouble {
            Some(why) => Outcome::unknown(format!("its name leads nowhere: {why}")),
            None => Outcome::unknown("it has no address"),
        })
    }
}

/// Probes the target, each family of addresses for itself.
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

/// Probes a host at its first address, and at the next one, if there is one, where that does not work.
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

/// One attempt at one address.
async fn knock(
    kit: &ProbeContext,
    target: &Target,
    address: IpAddr,
) -> (Outcome, Option<tls::Seen>) {
    if let Some(why) = kit.guard.refuses(address) {
        return (Outcome::unknown(format!("it leads to {address}, which is refused: {why}")), None);
    }
    let at = SocketAddr::new(address, target.port);
    // A socket's own error would say the same of a router far away.
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
        // A refusal is as good as an echo.
        Outcome::Broken { .. } => Outcome::works(),
        other => other,
    }
}
