//! Keeps the cookies of one attempt (RFC 6265): some sites redirect to themselves until a cookie
//! comes back. They are dropped when the attempt ends.

use crate::domain::{Host, Timestamp};
use chrono::NaiveDateTime;

/// The most cookies that are kept. Browsers keep at least 50 of a site (RFC 6265 section 6.1).
const COOKIES: usize = 50;
/// The most bytes of a cookie's name and value together (RFC 6265 section 6.1).
const COOKIE_CAP: usize = 4096;
/// The most bytes that are sent back: servers refuse request headers of more than 8 KiB.
const HEADER_CAP: usize = 6 << 10;

/// The cookies of one attempt, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Jar(Vec<Cookie>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    domain: String,
    /// Whether the cookie goes back only to the host that set it.
    is_host_only: bool,
    path: String,
    is_secure: bool,
}

/// The destination of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The host of the request's URL.
    pub host: &'a Host,
    /// The path with its query.
    pub path: &'a str,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
}

impl Jar {
    /// Takes the value of one `Set-Cookie` field that came from `place`. A cookie that is malformed
    /// or meant for another site is ignored.
    pub(super) fn take(&mut self, place: Place<'_>, field: &[u8], now: Timestamp) {
        let Some((cookie, is_over)) = Cookie::parse(place, field, now) else { return };
        self.0.retain(|known| {
            (&known.name, &known.domain, &known.path)
                != (&cookie.name, &cookie.domain, &cookie.path)
        });
        if !is_over {
            self.0.push(cookie);
        }
        if self.0.len() > COOKIES {
            self.0.remove(0);
        }
    }

    /// Returns the value of the `Cookie` field for a request, or `None` if no cookie fits.
    pub(super) fn header(&self, place: Place<'_>) -> Option<Vec<u8>> {
        let mut fitting: Vec<&Cookie> = self.0.iter().filter(|cookie| cookie.fits(place)).collect();
        // Longer paths come first; otherwise the sort keeps the order (RFC 6265 section 5.4).
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut header = Vec::new();
        for cookie in fitting {
            let pair = if cookie.name.is_empty() {
                cookie.value.clone()
            } else {
                [&cookie.name[..], b"=", &cookie.value[..]].concat()
            };
            if header.len() + pair.len() + 2 > HEADER_CAP {
                break;
            }
            if !header.is_empty() {
                header.extend_from_slice(b"; ");
            }
            header.extend_from_slice(&pair);
        }
        (!header.is_empty()).then_some(header)
    }
}

impl Cookie {
    /// Returns the cookie and whether it has already expired, which is how a server deletes one.
    /// Returns `None` if the cookie is refused.
    fn parse(place: Place<'_>, field: &[u8], now: Timestamp) -> Option<(Self, bool)> {
        // Control characters could end a header line.
        if field.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return None;
        }
        let mut parts = field.split(|byte| *byte == b';');
        let pair = parts.next()?;
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()),
            None => (&b""[..], pair.trim_ascii()),
        };
        if name.len() + value.len() > COOKIE_CAP || (name.is_empty() && value.is_empty()) {
            return None;
        }
        let (name, value) = (name.to_vec(), value.to_vec());
        let (domain, path) = (name_of(place.host), default_path(place.path).to_owned());
        let mut cookie = Self { name, value, domain, is_host_only: true, path, is_secure: false };
        let (mut by_age, mut by_date) = (None, None);
        for part in parts {
            let part = String::from_utf8_lossy(part);
            let (key, value) = part.split_once('=').unwrap_or((&part, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                    if !domain.is_empty() && !is_for(&mut cookie, place.host, domain) {
                        return None;
                    }
                }
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "path" => default_path(place.path).clone_into(&mut cookie.path),
                "secure" => cookie.is_secure = true,
                "max-age" => {
                    by_age = value.parse::<i64>().ok().map(|seconds| seconds <= 0).or(by_age);
                }
                "expires" => by_date = date(value).map(|date| date <= now).or(by_date),
                _ => {}
            }
        }
        // A plain connection may not set a cookie that only encrypted connections may see.
        if cookie.is_secure && !place.is_tls {
            return None;
        }
        // `Max-Age` has precedence over `Expires` (RFC 6265 section 4.1.2.2).
        Some((cookie, by_age.or(by_date).unwrap_or(false)))
    }

    /// Returns whether the cookie is sent with a request to `place`.
    fn fits(&self, place: Place<'_>) -> bool {
        let host = name_of(place.host);
        let is_of_domain =
            host == self.domain || (!self.is_host_only && is_below(&host, &self.domain));
        is_of_domain
            && (place.is_tls || !self.is_secure)
            && is_within(path_alone(place.path), &self.path)
    }
}

/// Widens the cookie to the domain. Returns `false` if `host` may not set cookies for it. A domain
/// of one label, such as `kp`, is a registry.
fn is_for(cookie: &mut Cookie, host: &Host, domain: String) -> bool {
    let host_name = name_of(host);
    if domain == host_name {
        cookie.is_host_only = matches!(host, Host::Address(_));
        return true;
    }
    let is_fitting =
        matches!(host, Host::Name(_)) && domain.contains('.') && is_below(&host_name, &domain);
    if is_fitting {
        cookie.domain = domain;
        cookie.is_host_only = false;
    }
    is_fitting
}

fn name_of(host: &Host) -> String {
    host.to_string().to_ascii_lowercase()
}

fn is_below(name: &str, above: &str) -> bool {
    name.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'))
}

fn path_alone(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// Returns the folder of the page that sets the cookie (RFC 6265 section 5.1.4).
fn default_path(path: &str) -> &str {
    match path_alone(path).rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}

/// Reads the date formats that servers write: RFC 1123, and Netscape's with dashes.
fn date(text: &str) -> Option<Timestamp> {
    let after_weekday = text.split_once(',').map_or(text, |(_, rest)| rest).trim();
    let formats = ["%d %b %Y %H:%M:%S GMT", "%d-%b-%Y %H:%M:%S GMT", "%d-%b-%y %H:%M:%S GMT"];
    let parsed =
        formats.iter().find_map(|format| NaiveDateTime::parse_from_str(after_weekday, format).ok());
    parsed.map(|date| Timestamp::from_unix(date.and_utc().timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(host: &str, path: &str, is_tls: bool, jar: &Jar) -> String {
        let host = Host::Name(host.to_owned());
        String::from_utf8(jar.header(Place { host: &host, path, is_tls }).unwrap_or_default())
            .unwrap()
    }

    /// Returns a jar after `www.kcna.kp` has set these for `/ko/index.php?a=/b/` over https.
    fn jar(fields: &[&str]) -> Jar {
        let host = Host::Name("www.kcna.kp".to_owned());
        let mut jar = Jar::default();
        for field in fields {
            let place = Place { host: &host, path: "/ko/index.php?a=/b/", is_tls: true };
            jar.take(place, field.as_bytes(), Timestamp::parse("2025-06-07").unwrap());
        }
        jar
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_and_folder() {
        let jar = jar(&["seen=1"]);
        assert_eq!(sent("www.kcna.kp", "/ko/", true, &jar), "seen=1");
        assert_eq!(sent("www.kcna.kp", "/ko/a/b", false, &jar), "seen=1");
        assert_eq!(sent("www.kcna.kp", "/ko?a", true, &jar), "seen=1");
        for (host, path) in [
            ("kcna.kp", "/ko/"),
            ("a.www.kcna.kp", "/ko/"),
            ("www.kcna.kp", "/korea"),
            ("www.kcna.kp", "/"),
        ] {
            assert_eq!(sent(host, path, true, &jar), "", "{host}{path}");
        }
    }

    #[test]
    fn a_domain_widens_a_cookie_to_its_own_site_alone() {
        let wide = jar(&["a=1; Domain=.kcna.kp; Path=/"]);
        for host in ["kcna.kp", "www.kcna.kp", "m.kcna.kp"] {
            assert_eq!(sent(host, "/", true, &wide), "a=1", "{host}");
        }
        assert_eq!(sent("evilkcna.kp", "/", true, &wide), "");
        for domain in ["kp", "other.kp", "m.kcna.kp", "na.kp"] {
            assert_eq!(jar(&[&format!("a=1; Domain={domain}")]), Jar::default(), "{domain}");
        }
    }

    #[test]
    fn a_secure_cookie_is_sent_over_tls_alone_and_never_taken_from_plain_http() {
        let secure = jar(&["a=1; Secure; Path=/"]);
        assert_eq!(sent("www.kcna.kp", "/", true, &secure), "a=1");
        assert_eq!(sent("www.kcna.kp", "/", false, &secure), "");
        let (mut plain, host) = (Jar::default(), Host::Name("kcna.kp".to_owned()));
        plain.take(
            Place { host: &host, path: "/", is_tls: false },
            b"a=1; secure",
            Timestamp::from_unix(0),
        );
        assert_eq!(plain, Jar::default());
    }

    #[test]
    fn a_later_cookie_replaces_or_deletes_an_earlier_one() {
        assert_eq!(
            sent("www.kcna.kp", "/", true, &jar(&["a=1; path=/", "b=2; path=/", "a=3; path=/"])),
            "b=2; a=3"
        );
        for end in [
            "Max-Age=0",
            "max-age=-1",
            "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "expires=Thu, 01-Jan-1970 00:00:01 GMT",
        ] {
            assert_eq!(
                jar(&["a=1; Path=/", &format!("a=; Path=/; {end}")]),
                Jar::default(),
                "{end}"
            );
        }
        for lasting in [
            "Max-Age=60",
            "Expires=Thu, 01 Jan 2099 00:00:00 GMT",
            "Expires=soon",
            "Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert_eq!(
                sent("www.kcna.kp", "/", true, &jar(&[&format!("a=1; Path=/; {lasting}")])),
                "a=1",
                "{lasting}"
            );
        }
    }

    #[test]
    fn odd_cookies_are_taken_and_dangerous_ones_are_not() {
        assert_eq!(sent("www.kcna.kp", "/ko/", true, &jar(&["  odd = a=b ; nonsense"])), "odd=a=b");
        assert_eq!(sent("www.kcna.kp", "/ko/", true, &jar(&["nameless"])), "nameless");
        for field in ["", "=", ";", "a=1\rX-Injected: b", "a=\u{0}"] {
            assert_eq!(jar(&[field]), Jar::default(), "{field:?}");
        }
    }

    #[test]
    fn number_and_size_are_bounded() {
        let many: Vec<String> =
            (0..200).map(|number| format!("c{number}={}", "x".repeat(500))).collect();
        let many = jar(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(many.0.len(), COOKIES);
        let header = sent("www.kcna.kp", "/ko/", true, &many);
        assert!(header.starts_with("c150=") && header.len() <= HEADER_CAP, "{}", header.len());
        assert_eq!(jar(&[&format!("a={}", "x".repeat(COOKIE_CAP))]), Jar::default());
    }
}
