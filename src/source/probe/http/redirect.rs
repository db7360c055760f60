//! Decides where a redirect leads, and whether a probe follows it. Only the text of the redirect
//! counts, before any name is resolved.

use crate::domain::{Host, entity::site};
use reqwest::Url;
use std::fmt::Write;

/// The most redirects that one attempt follows.
pub(super) const REDIRECTS: usize = 5;
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// One page on the way from the first URL to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// The host of the page's URL.
    pub host: Host,
    /// The port, also where the URL leaves it out.
    pub port: u16,
    /// The path with its query, in printable ASCII.
    pub path: String,
    /// Whether the URL is https.
    pub is_tls: bool,
}

impl Hop {
    /// Returns the first page, or `None` if its path cannot be part of a request.
    pub(super) fn first(host: &Host, port: u16, path: &str, is_tls: bool) -> Option<Self> {
        let hop = Self { host: host.clone(), port, path: path.to_owned(), is_tls };
        let path = path_of(&Url::parse(&hop.url()).ok()?)?;
        Some(Self { path, ..hop })
    }

    /// Returns the value of `Host`: the host, and the port unless it is the default one.
    pub(super) fn authority(&self) -> String {
        let usual = if self.is_tls { HTTPS } else { HTTP };
        if self.port == usual {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Returns the URL of the page, without a default port.
    pub(super) fn url(&self) -> String {
        format!(
            "{}://{}{}",
            if self.is_tls { "https" } else { "http" },
            self.authority(),
            self.path
        )
    }

    /// Returns the page that the value of `Location` leads to, or why it leads nowhere. Bytes
    /// beyond ASCII are percent-encoded, as in browsers.
    pub(super) fn towards(&self, location: &[u8]) -> Result<Self, String> {
        let odd = || "redirects to what is no address".to_owned();
        let mut text = String::with_capacity(location.len());
        for byte in location {
            if byte.is_ascii() {
                text.push(char::from(*byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
        let url = Url::parse(&self.url()).and_then(|base| base.join(&text)).map_err(|_| odd())?;
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(format!("redirects to {other}:")),
        };
        let host = url.host_str().ok_or_else(odd)?;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        let host = match address {
            Ok(address) => Host::Address(address),
            // A name of one label belongs to some local network.
            Err(_) => Host::Name(
                site(host)
                    .ok_or_else(|| format!("redirects to `{host}`, a name without a domain"))?,
            ),
        };
        let port = url.port_or_known_default().unwrap_or(if is_tls { HTTPS } else { HTTP });
        Ok(Self { host, port, path: path_of(&url).ok_or_else(odd)?, is_tls })
    }

    /// Returns why a probe of `first` does not go from here to `next`, or `None` if it does.
    pub(super) fn refuses(&self, next: &Self, first: &Self) -> Option<String> {
        if self.is_tls && !next.is_tls {
            return Some("redirects from https to http".to_owned());
        }
        // A foreign site is responsible only for itself, so the redirect to it is the final answer.
        if !is_of_the_same_site(&first.host, &next.host) {
            return Some(format!("redirects to a foreign site, {}", next.host));
        }
        // Any other port may belong to a service that is not meant for the public.
        if ![HTTP, HTTPS, first.port].contains(&next.port) {
            return Some(format!("redirects to port {}, which is not probed", next.port));
        }
        None
    }
}

/// Returns the path with its query, or `None` if it has bytes that a request must not contain.
fn path_of(url: &Url) -> Option<String> {
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    (path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())).then_some(path)
}

/// Returns whether two hosts have the same name, or one lies below the other: `www.kcna.kp` and
/// `kcna.kp`.
fn is_of_the_same_site(asked: &Host, next: &Host) -> bool {
    let (Host::Name(asked), Host::Name(next)) = (asked, next) else { return asked == next };
    let bare = |name: &str| name.strip_prefix("www.").unwrap_or(name).to_owned();
    let (asked, next) = (bare(asked), bare(next));
    let is_below =
        |name: &str, above: &str| name.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'));
    asked == next || is_below(&asked, &next) || is_below(&next, &asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(port: u16, is_tls: bool) -> Hop {
        Hop::first(&Host::Name("www.kcna.kp".to_owned()), port, "/ko/index", is_tls).unwrap()
    }

    /// Returns the URL that a redirect from the page leads to, or why it is not followed.
    fn followed(first: &Hop, location: &str) -> String {
        match first.towards(location.as_bytes()) {
            Ok(next) => first.refuses(&next, first).unwrap_or_else(|| next.url()),
            Err(why) => why,
        }
    }

    #[test]
    fn a_redirect_within_the_site_is_followed_on_the_usual_ports() {
        for (location, expected) in [
            ("b?c=d#e", "http://www.kcna.kp/ko/b?c=d"),
            ("//kcna.kp/", "http://kcna.kp/"),
            ("https://m.kcna.kp", "https://m.kcna.kp/"),
            ("HTTPS://KCNA.KP:443/", "https://kcna.kp/"),
            ("http://kcna.kp:443/", "http://kcna.kp:443/"),
            ("/\u{d55c}\u{ad6d} a", "http://www.kcna.kp/%ED%95%9C%EA%B5%AD%20a"),
            ("http://kcna.kp:8080/", "redirects to port 8080, which is not probed"),
            ("http://kcna.kp:22/", "redirects to port 22, which is not probed"),
            ("http://parking.example:22/", "redirects to a foreign site, parking.example"),
            ("http://10.0.0.1/", "redirects to a foreign site, 10.0.0.1"),
            ("http://[::1]/", "redirects to a foreign site, [::1]"),
            ("http://0x7f000001/", "redirects to a foreign site, 127.0.0.1"),
            ("http://intranet/", "redirects to `intranet`, a name without a domain"),
            ("file:///etc/passwd", "redirects to file:"),
            ("http://", "redirects to what is no address"),
        ] {
            assert_eq!(followed(&first(80, false), location), expected, "{location}");
        }
    }

    #[test]
    fn a_port_that_the_target_names_is_allowed_and_no_other() {
        let first = first(8080, false);
        assert_eq!(followed(&first, "http://kcna.kp:8080/"), "http://kcna.kp:8080/");
        assert_eq!(followed(&first, "https://kcna.kp/"), "https://kcna.kp/");
        assert_eq!(
            followed(&first, "http://kcna.kp:8081/"),
            "redirects to port 8081, which is not probed"
        );
    }

    #[test]
    fn what_was_encrypted_stays_encrypted() {
        assert_eq!(
            followed(&first(443, true), "http://www.kcna.kp/"),
            "redirects from https to http"
        );
        assert_eq!(followed(&first(443, true), "/"), "https://www.kcna.kp/");
    }

    #[test]
    fn a_path_is_written_as_a_request_needs_it() {
        for (path, expected) in [
            ("/a?b=c", "/a?b=c"),
            ("/\u{d55c} a", "/%ED%95%9C%20a"),
            ("/", "/"),
            ("//b.example/", "//b.example/"),
        ] {
            let hop = Hop::first(&Host::Name("kcna.kp".to_owned()), 80, path, false);
            assert_eq!(hop.unwrap().path, expected, "{path}");
        }
    }
}
