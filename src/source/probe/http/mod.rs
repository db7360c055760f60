//! Fetches one page with a GET over a connection of its own, without an HTTP library. So each step
//! that may fail is reported on its own, and the address that the guard allowed is the one that is
//! dialled.

mod chunks;
mod coding;
mod cookies;
mod exchange;
mod head;
mod redirect;
mod text;

use super::outcome::{Class, Outcome};
use super::resolver::Resolved;
use super::{Limits, ProbeContext, tcp, tls};
use crate::domain::{Certificate, Host};
use cookies::{Jar, Place};
use exchange::{Response, exchange};
use redirect::{Hop, REDIRECTS};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use text::Comparison;
use tokio::io::{AsyncRead, AsyncWrite};

/// A page to fetch, and the conditions that it must meet.
#[derive(Clone, Debug)]
pub(super) struct Page<'a> {
    /// The host of the page's URL, which need not be an address.
    pub host: &'a Host,
    /// The port of the page's URL.
    pub port: u16,
    /// The path with its query.
    pub path: &'a str,
    /// For https, the rule for the certificate. `None` for plain http.
    pub tls: Option<Certificate>,
    /// The text that the page must contain.
    pub text: Option<&'a str>,
}

/// The result of one exchange.
struct Fetched {
    response: Response,
    certificate: Option<tls::Seen>,
}

/// Fetches the page at the address and follows its redirects, at most [`REDIRECTS`] of them.
/// Cookies last as long as this call.
pub(super) async fn knock(
    kit: &ProbeContext,
    page: &Page<'_>,
    address: SocketAddr,
    limits: Limits,
) -> (Outcome, Option<tls::Seen>) {
    let watch = kit.clock.stopwatch();
    let Some(first) = Hop::first(page.host, page.port, page.path, page.tls.is_some()) else {
        return (Outcome::unknown("its path cannot be asked for"), None);
    };
    let (mut hop, mut at, mut certificate, mut jar) =
        (first.clone(), address, None, Jar::default());
    // The pages so far with the cookies that were sent to them: a page may answer otherwise to
    // other cookies.
    let mut been: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    loop {
        let left = Limits { total: watch.left_of(limits.total), ..limits };
        let cookie = jar.header(place(&hop));
        let fetched =
            match fetch(kit, (&hop, page.tls.unwrap_or_default()), cookie.as_deref(), at, left)
                .await
            {
                Ok(fetched) => fetched,
                // The redirect leads to another host. The host that is being probed has answered.
                Err(Outcome::Silent { detail }) if !been.is_empty() => {
                    return (
                        Outcome::broken(
                            Class::Content,
                            format!("redirects to {}: {detail}", hop.host),
                        ),
                        certificate,
                    );
                }
                Err(outcome) => return (outcome, certificate),
            };
        if been.is_empty() {
            certificate.clone_from(&fetched.certificate);
        }
        if let (Some(made_of_it), Some(seen)) = (page.tls, &fetched.certificate) {
            let held = tls::held(seen, made_of_it);
            if !held.does_work() {
                return (held, certificate);
            }
        }
        let Some(location) = fetched.response.head.location() else {
            return (judge(page, &fetched), certificate);
        };
        for field in fetched.response.head.all("set-cookie") {
            jar.take(place(&hop), field, kit.clock.now());
        }
        been.push((hop.url(), cookie));
        let next = match hop.towards(location) {
            Ok(next) => next,
            Err(why) => return (Outcome::broken(Class::Content, why), certificate),
        };
        let why = if been.contains(&(next.url(), jar.header(place(&next)))) {
            Some("redirects in a circle".to_owned())
        } else if been.len() > REDIRECTS {
            Some(format!("redirects more than {REDIRECTS} times"))
        } else {
            hop.refuses(&next, &first)
        };
        if let Some(why) = why {
            return (Outcome::broken(Class::Content, why), certificate);
        }
        let Some(address) = resolve(kit, &next, (page.host, address.ip())).await else {
            let why = format!("redirects to {}, which cannot be reached", next.host);
            return (Outcome::broken(Class::Content, why), certificate);
        };
        at = SocketAddr::new(address, next.port);
        hop = next;
    }
}

fn place(hop: &Hop) -> Place<'_> {
    Place { host: &hop.host, path: &hop.path, is_tls: hop.is_tls }
}

/// Returns the address of the next hop, allowed by the guard like the first. The host that is being
/// probed keeps the address of the probe. The reason for a missing address goes only to the
/// operator's log: it would show a chat which names exist in the operator's network, and where they
/// lead.
async fn resolve(
    kit: &ProbeContext,
    hop: &Hop,
    (probed, address): (&Host, IpAddr),
) -> Option<IpAddr> {
    let found = match &hop.host {
        host if host == probed => vec![address],
        Host::Address(address) => vec![*address],
        Host::Name(name) => match kit.resolver.resolve(name, None).await {
            Resolved::Fresh(found) | Resolved::LastGood { addresses: found, .. } => found,
            Resolved::Unknown { why } => {
                tracing::debug!(name, why, "redirect leads to a name without an address");
                return None;
            }
        },
    };
    // One bad address is enough: a private address beside a public one is a sign of an attack.
    if let Some((address, why)) =
        found.iter().find_map(|address| Some((address, kit.guard.refuses(*address)?)))
    {
        tracing::debug!(host = %hop.host, %address, why, "redirect leads to an address that is never dialled");
        return None;
    }
    let of_family = found.iter().find(|found| found.is_ipv4() == address.is_ipv4());
    of_family.or(found.first()).copied()
}

/// Connects, shakes hands for https, and exchanges one request and response.
async fn fetch(
    kit: &ProbeContext,
    (hop, certificate): (&Hop, Certificate),
    cookie: Option<&[u8]>,
    address: SocketAddr,
    limits: Limits,
) -> Result<Fetched, Outcome> {
    let watch = kit.clock.stopwatch();
    let mut stream = tcp::connect(&kit.clock, address, limits.connect.min(limits.total)).await?;
    let request = request(&kit.agent, hop, cookie);
    if !hop.is_tls {
        let response = talk(kit, &mut stream, &request, watch.left_of(limits.total)).await?;
        return Ok(Fetched { response, certificate: None });
    }
    let left = watch.left_of(limits.total);
    let (mut stream, seen) =
        kit.tls.handshake(&kit.clock, stream, (&hop.host, certificate), left).await?;
    let response = talk(kit, &mut stream, &request, watch.left_of(limits.total)).await?;
    Ok(Fetched { response, certificate: Some(seen) })
}

fn request(agent: &str, hop: &Hop, cookie: Option<&[u8]>) -> Vec<u8> {
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\
         Connection: close\r\n",
        hop.path,
        hop.authority()
    )
    .into_bytes();
    if let Some(cookie) = cookie {
        request.extend_from_slice(b"Cookie: ");
        request.extend_from_slice(cookie);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

async fn talk<S>(
    kit: &ProbeContext,
    stream: &mut S,
    request: &[u8],
    limit: Duration,
) -> Result<Response, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match kit.clock.within(limit, exchange(stream, request)).await {
        Some(Ok(response)) => Ok(response),
        Some(Err(fault)) => Err(Outcome::broken(Class::Protocol, fault.to_string())),
        None => Err(Outcome::broken(
            Class::Protocol,
            format!("takes the connection, but gives no page in {} s", limit.as_secs().max(1)),
        )),
    }
}

/// Judges the final response by its status, its text and its certificate.
fn judge(page: &Page<'_>, fetched: &Fetched) -> Outcome {
    let status = fetched.response.head.status;
    if !(200..400).contains(&status) {
        return Outcome::broken(Class::Http, format!("http {status}"));
    }
    match page.text.map(|text| (text, text::compare(&fetched.response, text))) {
        Some((text, Comparison::Absent)) => {
            Outcome::broken(Class::Content, format!("the page lacks `{text}`"))
        }
        Some((_, Comparison::Impossible(why))) => {
            Outcome::answers(format!("the page cannot be compared: {why}"))
        }
        // An oddity of a certificate that may be of any kind becomes a note.
        Some((_, Comparison::Present)) | None => match (&fetched.certificate, page.tls) {
            (Some(seen), Some(made_of_it)) => tls::held(seen, made_of_it),
            _ => Outcome::works(),
        },
    }
}
