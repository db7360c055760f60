//! The HTTP client for polled sources: a GET with timeouts, a size limit, a queue for each source
//! and strict redirects. One call is one attempt; the caller decides with `backoff` whether and
//! when to try again.

use super::json::excerpt;
use super::{Purpose, Request, SourceError, SourceInfo};
use crate::clock::{ActivityGuard, Clock, Millis};
use crate::domain::{Seconds, Timestamp};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The longest body that is read, in bytes after decompression.
pub const BODY_CAP: usize = 16 << 20;
/// The part of a 4xx body that is read to find the reason, in bytes.
const REFUSAL_CAP: usize = 64 << 10;
/// Maximum number of redirects for one request.
const REDIRECTS: usize = 5;
/// The longest wait of a poll for its place in the queue.
const LONGEST_QUEUE: Seconds = 600;
/// The longest wait of a question from a chat. A question that would wait longer is not queued: an
/// answer is due within ten seconds, and polls would wait behind the question.
const QUESTION_WAITS: Seconds = 8;

/// The deadlines of one request.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For name lookup, connection and TLS handshake.
    pub connect: Duration,
    /// Between two pieces of the reply.
    pub read: Duration,
    /// From the start to the last byte. RIPEstat itself gives up after about 60 s.
    pub total: Duration,
}

impl Timeouts {
    /// Returns the same limit for all three deadlines.
    pub const fn all(limit: Duration) -> Self {
        Self { connect: limit, read: limit, total: limit }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            total: Duration::from_secs(75),
        }
    }
}

/// The client that all sources share.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    clock: Clock,
    heard: Arc<Mutex<BTreeMap<&'static str, Heard>>>,
}

/// The time that a server reported, compared to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    /// Time of the reply.
    at: Millis,
    /// Seconds by which our clock was ahead.
    ahead: Seconds,
}

/// For how long the time that a server reported is used, in milliseconds.
const HEEDED: Millis = 3_600_000;

/// The address, the token and the request queue of one source.
#[derive(Debug)]
pub struct Base {
    about: &'static SourceInfo,
    url: Url,
    bearer: Option<SecretString>,
    slots: Semaphore,
    next_start: Mutex<Timestamp>,
}

impl Base {
    /// Uses `url`, or the source's own address if `url` is `None`. Fails with `BadAddress` unless
    /// the address is `http` or `https` and has a host, and no user name, password, query or
    /// fragment.
    pub fn new(
        about: &'static SourceInfo,
        url: Option<&str>,
        bearer: Option<SecretString>,
    ) -> Result<Arc<Self>, SourceError> {
        let bad = |why: &str| SourceError::BadAddress {
            why: format!("{why} (see {})", about.url_variable),
        };
        let url = Url::parse(url.unwrap_or(about.url)).map_err(|error| bad(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad("it must begin with http:// or https:// and a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it must not hold a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it must end with the path, without ? and #"));
        }
        let (slots, next_start) = (Semaphore::new(about.in_flight.max(1)), Mutex::default());
        Ok(Arc::new(Self { about, url, bearer, slots, next_start }))
    }

    /// Returns the fixed properties of the source.
    pub fn about(&self) -> &'static SourceInfo {
        self.about
    }

    fn address_of(&self, request: &Request) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}", self.url.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    /// Takes the next place in the queue and returns the start time of its request. If that is more
    /// than `patience` seconds away, takes no place and returns `None`.
    fn take_place(&self, now: Timestamp, patience: Seconds) -> Option<Timestamp> {
        let mut next = self.next_start.lock().unwrap_or_else(PoisonError::into_inner);
        // A start this far off is longer than any queue: the machine's clock was set back.
        let start = if *next - now > LONGEST_QUEUE { now } else { now.max(*next) };
        if start - now > patience {
            return None;
        }
        *next = start + self.about.spacing;
        Some(start)
    }

    /// Returns a foreign text shortened, on one line, and without our token if the source echoes
    /// it.
    fn shown(&self, text: &str) -> String {
        match &self.bearer {
            Some(token) if !token.expose_secret().is_empty() => {
                excerpt(&text.replace(token.expose_secret(), "…"))
            }
            _ => excerpt(text),
        }
    }
}

impl Http {
    /// Builds the client. `contact` is a web or mail address at which the operators of a source can
    /// reach our operator; it may be empty. Fails with `NoClient` if it does not fit into a header.
    pub fn new(contact: &str, timeouts: Timeouts, clock: Clock) -> Result<Self, SourceError> {
        let version = env!("CARGO_PKG_VERSION");
        let agent = match contact.trim() {
            "" => format!("linkdown/{version}"),
            contact => format!("linkdown/{version} (+{contact})"),
        };
        let agent = HeaderValue::from_str(&agent).map_err(|_| SourceError::NoClient {
            why: "the contact does not fit into a header line".to_owned(),
        })?;
        let client = reqwest::Client::builder()
            .user_agent(agent)
            .default_headers(HeaderMap::from_iter([(
                ACCEPT,
                HeaderValue::from_static("application/json"),
            )]))
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.read)
            .timeout(timeouts.total)
            .redirect(Policy::custom(stay_at_home))
            .build()
            .map_err(|error| SourceError::NoClient { why: root_cause(&error) })?;
        Ok(Self { client, clock, heard: Arc::default() })
    }

    /// Makes one attempt and returns the body of a 200 reply whose content type is JSON.
    ///
    /// `busy` is released while the request waits for its place in the queue, since sources ask for
    /// some seconds between two requests; it is held again on return. A slot of the source is taken
    /// only after that wait, so no task sleeps while it holds one.
    pub async fn get(
        &self,
        base: &Base,
        request: &Request,
        busy: &mut ActivityGuard,
    ) -> Result<Vec<u8>, SourceError> {
        let patience = match request.wanted.purpose {
            Purpose::Question => QUESTION_WAITS,
            Purpose::Live | Purpose::Backfill => LONGEST_QUEUE,
        };
        let start = base.take_place(self.clock.now(), patience).ok_or(SourceError::Crowded)?;
        *busy = self.clock.sleep_until(start, std::mem::take(busy)).await;
        let Ok(_slot) = base.slots.acquire().await else {
            return Err(SourceError::NoClient { why: "it is being shut down".to_owned() });
        };
        let answer = self.attempt(base, request).await;
        match &answer {
            Ok(body) => tracing::debug!(
                source = base.about.name,
                path = request.path,
                bytes = body.len(),
                "answered"
            ),
            Err(error) => {
                tracing::debug!(source = base.about.name, path = request.path, %error, "no answer");
            }
        }
        answer
    }

    /// Returns the seconds by which our clock is ahead: the median over the servers that answered
    /// within the last hour, or `None` if none did.
    pub fn ahead(&self) -> Option<Seconds> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.millis();
        let mut ahead: Vec<Seconds> = heard
            .values()
            .filter(|heard| now - heard.at < HEEDED)
            .map(|heard| heard.ahead)
            .collect();
        ahead.sort_unstable();
        ahead.get(ahead.len() / 2).copied()
    }

    fn hear_time(&self, source: &'static str, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok())
        else {
            return;
        };
        let ahead = self.clock.now() - Timestamp::from_unix(date.timestamp());
        let heard = Heard { at: self.clock.millis(), ahead };
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(source, heard);
    }

    async fn attempt(&self, base: &Base, request: &Request) -> Result<Vec<u8>, SourceError> {
        let mut get = self.client.get(base.address_of(request));
        if let Some(token) = &base.bearer {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| {
                    let variable = base.about.token_variable.unwrap_or("its variable");
                    SourceError::TokenRefused {
                        said: "it holds characters that no token has".to_owned(),
                        variable,
                    }
                })?;
            bearer.set_sensitive(true);
            get = get.header(AUTHORIZATION, bearer);
        }
        let mut answer = get.send().await.map_err(|error| classed(&error))?;
        let status = answer.status();
        let retry_after = retry_after(answer.headers(), self.clock.now());
        self.hear_time(base.about.name, answer.headers());
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(SourceError::RateLimited { retry_after });
        }
        if status.is_server_error() {
            return Err(SourceError::ServerFault { status: status.as_u16(), retry_after });
        }
        if status.is_client_error() {
            let body = up_to(&mut answer, REFUSAL_CAP).await.unwrap_or_default();
            return Err(match (base.about.refusal)(status.as_u16(), &body) {
                SourceError::Refused { status, said } => {
                    SourceError::Refused { status, said: base.shown(&said) }
                }
                SourceError::TokenRefused { said, variable } => {
                    SourceError::TokenRefused { said: base.shown(&said), variable }
                }
                other => other,
            });
        }
        if status != StatusCode::OK {
            return Err(SourceError::Refused {
                status: status.as_u16(),
                said: "an unexpected status".to_owned(),
            });
        }
        let kind = answer
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or("no content type");
        if !is_json(kind) {
            return Err(SourceError::NotJson { content_type: base.shown(kind) });
        }
        whole(&mut answer).await
    }
}

/// Reads the whole body, but never more than [`BODY_CAP`] bytes after decompression.
async fn whole(answer: &mut Response) -> Result<Vec<u8>, SourceError> {
    let announced = answer.content_length().unwrap_or(0);
    if announced > BODY_CAP as u64 {
        return Err(SourceError::TooLarge { limit: BODY_CAP });
    }
    let body = up_to(answer, BODY_CAP + 1).await?;
    if body.len() > BODY_CAP { Err(SourceError::TooLarge { limit: BODY_CAP }) } else { Ok(body) }
}

/// Reads until the end of the body or until there are `cap` bytes, whichever comes first.
async fn up_to(answer: &mut Response, cap: usize) -> Result<Vec<u8>, SourceError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| classed(&error))? {
        body.extend_from_slice(&piece[..piece.len().min(cap - body.len())]);
        if body.len() == cap {
            break;
        }
    }
    Ok(body)
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json"
        || kind == "text/json"
        || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Returns the pause in the header `Retry-After`, in seconds; the header holds seconds or a date.
/// `None` if it is missing or cannot be read.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Seconds> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Seconds::from(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some((Timestamp::from_unix(date.timestamp()) - now).max(0))
}

/// A redirect that leaves the host of the request; holds the other host.
#[derive(Debug, thiserror::Error)]
#[error("a redirect to another host")]
struct Offsite(String);

/// More than [`REDIRECTS`] redirects.
#[derive(Debug, thiserror::Error)]
#[error("it redirects us in circles")]
struct Circles;

/// Follows a redirect only within the scheme, host and port of the first request, or from http to
/// https on the same host and default ports.
fn stay_at_home(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let Some(home) = attempt.previous().first() else { return attempt.stop() };
    let to = attempt.url();
    let same = to.origin() == home.origin();
    let more_secure = home.scheme() == "http"
        && to.scheme() == "https"
        && home.host_str() == to.host_str()
        && (home.port(), to.port()) == (None, None);
    if !same && !more_secure {
        let host = to.host_str().unwrap_or("an address without a host").to_owned();
        attempt.error(Offsite(host))
    } else if attempt.previous().len() > REDIRECTS {
        attempt.error(Circles)
    } else {
        attempt.follow()
    }
}

/// Converts an error of the HTTP library. Its own text is not shown, because it holds the address
/// of the request.
fn classed(error: &reqwest::Error) -> SourceError {
    let causes = || std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    if let Some(Offsite(host)) = causes().find_map(|cause| cause.downcast_ref()) {
        return SourceError::OffsiteRedirect { host: excerpt(host) };
    }
    if error.is_timeout() {
        return SourceError::TimedOut;
    }
    let what = if error.is_connect() {
        root_cause(error)
    } else if error.is_body() || error.is_decode() {
        "the connection broke off in the middle of the answer".to_owned()
    } else if error.is_redirect() {
        Circles.to_string()
    } else {
        "the connection broke off before an answer came".to_owned()
    };
    SourceError::Unreachable { what }
}

/// Returns the innermost cause, such as `Connection refused`, which holds no address.
fn root_cause(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.last().map_or_else(|| "no connection".to_owned(), |cause| excerpt(&cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &str) -> Option<Seconds> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(value).unwrap())]);
        retry_after(&headers, Timestamp::parse("2025-06-06 18:00").unwrap())
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_by_a_date() {
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Fri, 06 Jun 2025 18:05:00 GMT"), Some(300));
        assert_eq!(asked("Fri, 06 Jun 2025 17:00:00 GMT"), Some(0), "a date that is past");
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-5"), None);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_up_nobody() {
        let base = Base::new(&crate::source::ioda::ABOUT, None, None).unwrap();
        let noon = Timestamp::parse("2025-06-06 12:00").unwrap();
        let place = |at| base.take_place(at, LONGEST_QUEUE).unwrap();
        assert_eq!([place(noon), place(noon)], [noon, noon + 2]);
        assert_eq!(place(noon - 3600), noon - 3600);
    }

    #[test]
    fn questions_do_not_fill_the_queue_before_the_polls() {
        let base = Base::new(&crate::source::ioda::ABOUT, None, None).unwrap();
        let noon = Timestamp::parse("2025-06-06 12:00").unwrap();
        let asked = (0..1000).filter(|_| base.take_place(noon, QUESTION_WAITS).is_some()).count();
        assert_eq!(asked, 5, "one every two seconds, within eight");
        assert_eq!(base.take_place(noon, LONGEST_QUEUE), Some(noon + 10));
    }

    #[test]
    fn json_is_what_calls_itself_json() {
        for yes in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/hal+json",
        ] {
            assert!(is_json(yes), "{yes}");
        }
        for no in ["text/html", "text/plain", "no content type", "application/jsonp"] {
            assert!(!is_json(no), "{no}");
        }
    }
}
