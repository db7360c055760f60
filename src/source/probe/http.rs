//! One GET, by hand over a connection of its own: each step that may break is told apart, and the address that was vetted
//! is the one that is dialled.

use super::outcome::{Class, Outcome};
use super::resolver::Resolved;
use super::{Kit, Limits, tcp, tls};
use crate::domain::{Certificate, Host, entity::site};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// Read so far, then passed: a length that a server claims is only a claim.
const BODY_CAP: usize = 1 << 20;
/// The expected text must stand in this much of it.
const SEARCHED: usize = 256 << 10;
/// All header lines together, and how many there may be.
const HEADER_CAP: usize = 64 << 10;
const HEADERS: usize = 128;
const REDIRECTS: usize = 5;

/// A page to fetch, and what must be true of it.
#[derive(Clone, Debug)]
pub(super) struct Page<'a> {
    pub host: &'a Host,
    pub port: u16,
    pub path: &'a str,
    pub tls: Option<Certificate>,
    pub text: Option<&'a str>,
}

/// What one exchange brought.
struct Fetched {
    status: u16,
    location: Option<String>,
    body: Vec<u8>,
    certificate: Option<tls::Seen>,
}

/// Where a redirect leads.
struct Hop {
    host: Host,
    port: u16,
    path: String,
    is_tls: bool,
}

pub(super) async fn knock(
    kit: &Kit,
    page: &Page<'_>,
    address: SocketAddr,
    limits: Limits,
) -> (Outcome, Option<tls::Seen>) {
    let watch = kit.clock.stopwatch();
    let mut hop =
        Hop { host: page.host.clone(), port: page.port, path: page.path.to_owned(), is_tls: page.tls.is_some() };
    let (mut address, mut been, mut certificate) = (address, Vec::new(), None);
    loop {
        let left = Limits { total: watch.left_of(limits.total), ..limits };
        let fetched = match fetch(kit, (&hop, page.tls.unwrap_or_default()), address, left).await {
            Ok(fetched) => fetched,
            // What a redirect leads to is not the host that was asked about, which has answered.
            Err(Outcome::Silent { detail }) if !been.is_empty() => {
                return (Outcome::broken(Class::Content, format!("redirects to {}: {detail}", hop.host)), certificate);
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
        let Some(location) = fetched.location.as_deref().filter(|_| (300..400).contains(&fetched.status)) else {
            return (judge(page, &fetched), certificate);
        };
        been.push(hop.url());
        let next = match hop.towards(location) {
            Ok(next) => next,
            Err(why) => return (Outcome::broken(Class::Content, why), certificate),
        };
        let why = if been.contains(&next.url()) {
            Some("redirects in a circle".to_owned())
        } else if been.len() > REDIRECTS {
            Some(format!("redirects more than {REDIRECTS} times"))
        } else if hop.is_tls && !next.is_tls {
            Some("redirects from https to http".to_owned())
        } else {
            None
        };
        if let Some(why) = why {
            return (Outcome::broken(Class::Content, why), certificate);
        }
        address = match resolve(kit, &next).await {
            Ok(address) => address,
            Err(why) => return (Outcome::broken(Class::Content, why), certificate),
        };
        // A foreign site answers for itself alone: that we were sent there is the answer.
        if !is_of_the_same_site(page.host, &next.host) {
            let why = format!("redirects to a foreign site, {}", next.host);
            return (Outcome::broken(Class::Content, why), certificate);
        }
        hop = next;
    }
}

/// The address of the next hop, vetted like the first.
async fn resolve(kit: &Kit, hop: &Hop) -> Result<SocketAddr, String> {
    let found = match &hop.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => match kit.resolver.resolve(name, None).await {
            Resolved::Fresh(found) | Resolved::LastGood { addresses: found, .. } => found,
            Resolved::Unknown { why } => return Err(format!("redirects to {name}, which cannot be found: {why}")),
        },
    };
    // One bad address is enough: whoever gives a private one beside a public one is trying something.
    if let Some((address, why)) = found.iter().find_map(|address| Some((address, kit.guard.refuses(*address)?))) {
        return Err(format!("redirects to {address}, which is refused: {why}"));
    }
    let first = found.first().ok_or_else(|| format!("redirects to {}, which has no address", hop.host))?;
    Ok(SocketAddr::new(*first, hop.port))
}

async fn fetch(
    kit: &Kit,
    (hop, certificate): (&Hop, Certificate),
    address: SocketAddr,
    limits: Limits,
) -> Result<Fetched, Outcome> {
    let watch = kit.clock.stopwatch();
    let stream = tcp::connect(&kit.clock, address, limits.connect.min(limits.total)).await?;
    let left = |limits: Limits| watch.left_of(limits.total);
    if !hop.is_tls {
        return exchange(kit, hop, stream, left(limits)).await;
    }
    let (stream, seen) = kit.tls.handshake(&kit.clock, stream, (&hop.host, certificate), left(limits)).await?;
    let fetched = exchange(kit, hop, stream, left(limits)).await?;
    Ok(Fetched { certificate: Some(seen), ..fetched })
}

async fn exchange<S>(kit: &Kit, hop: &Hop, stream: S, limit: Duration) -> Result<Fetched, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::get(hop.path.as_str())
        .header(HOST, hop.authority())
        .header(USER_AGENT, &*kit.agent)
        .header(ACCEPT, "*/*")
        // What is packed could be a bomb.
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Outcome::unknown(format!("its path cannot be asked for: {error}")))?;
    let talk = async {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEADER_CAP)
            .max_headers(HEADERS)
            .handshake(TokioIo::new(stream))
            .await?;
        // Ends with this exchange, whatever the server goes on to say.
        let mut line = JoinSet::new();
        line.spawn(connection);
        let response = sender.send_request(request).await?;
        let (status, location) = (response.status().as_u16(), location_of(&response));
        Ok::<_, hyper::Error>(Fetched { status, location, body: body_of(response).await?, certificate: None })
    };
    match kit.clock.within(limit, talk).await {
        Some(Ok(fetched)) => Ok(fetched),
        Some(Err(error)) => Err(Outcome::broken(Class::Protocol, wrong(&error))),
        None => Err(Outcome::broken(
            Class::Protocol,
            format!("takes the connection, but gives no page in {} s", limit.as_secs().max(1)),
        )),
    }
}

fn location_of(response: &Response<Incoming>) -> Option<String> {
    response.headers().get(LOCATION)?.to_str().ok().map(str::to_owned)
}

async fn body_of(response: Response<Incoming>) -> Result<Vec<u8>, hyper::Error> {
    let (mut body, mut bytes, mut read) = (response.into_body(), Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        read += data.len();
        let room = SEARCHED - bytes.len();
        bytes.extend_from_slice(&data[..data.len().min(room)]);
        if read >= BODY_CAP {
            break;
        }
    }
    Ok(bytes)
}

fn wrong(error: &hyper::Error) -> String {
    let words = error.to_string();
    // The library tells this one apart by its words alone.
    if words.contains("too large") {
        "its headers are too large".to_owned()
    } else if error.is_parse() || error.is_parse_status() {
        format!("no HTTP: {words}")
    } else if error.is_incomplete_message() || is_end_of_file(error) {
        "hangs up before the page is whole".to_owned()
    } else {
        format!("breaks off: {words}")
    }
}

/// The connection ended within the body.
fn is_end_of_file(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof)
}

fn judge(page: &Page<'_>, fetched: &Fetched) -> Outcome {
    if !(200..400).contains(&fetched.status) {
        return Outcome::broken(Class::Http, format!("http {}", fetched.status));
    }
    let is_there = |text: &str| fetched.body.windows(text.len()).any(|window| window == text.as_bytes());
    match page.text {
        Some(text) if !is_there(text) => Outcome::broken(Class::Content, format!("the page lacks `{text}`")),
        // What is odd about a certificate that is taken as it is.
        _ => match (&fetched.certificate, page.tls) {
            (Some(seen), Some(made_of_it)) => tls::held(seen, made_of_it),
            _ => Outcome::works(),
        },
    }
}

/// The same name, or one below the other: `www.kcna.kp` and `kcna.kp`.
fn is_of_the_same_site(asked: &Host, next: &Host) -> bool {
    let (Host::Name(asked), Host::Name(next)) = (asked, next) else { return asked == next };
    let bare = |name: &str| name.strip_prefix("www.").unwrap_or(name).to_owned();
    let (asked, next) = (bare(asked), bare(next));
    let is_below = |name: &str, above: &str| name.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'));
    asked == next || is_below(&asked, &next) || is_below(&next, &asked)
}

impl Hop {
    fn authority(&self) -> String {
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }

    fn url(&self) -> String {
        format!("{}://{}{}", if self.is_tls { "https" } else { "http" }, self.authority(), self.path)
    }

    fn towards(&self, location: &str) -> Result<Self, String> {
        let odd = || "redirects to what is no address".to_owned();
        let base = reqwest::Url::parse(&self.url()).map_err(|_| odd())?;
        let url = base.join(location).map_err(|_| odd())?;
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(format!("redirects to {other}:")),
        };
        let host = url.host_str().ok_or_else(odd)?;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        let host = match address {
            Ok(address) => Host::Address(address),
            // One label is a name of some local network.
            Err(_) => Host::Name(site(host).ok_or_else(|| format!("redirects to `{host}`, a name without a domain"))?),
        };
        let mut path = url.path().to_owned();
        if let Some(query) = url.query() {
            path = format!("{path}?{query}");
        }
        path.parse::<Uri>().map_err(|_| odd())?;
        Ok(Self { host, port: url.port_or_known_default().unwrap_or(if is_tls { 443 } else { 80 }), path, is_tls })
    }
}
