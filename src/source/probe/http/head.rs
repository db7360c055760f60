//! Reads the head of an HTTP/1 response as leniently as browsers do. A sign that a server is sloppy
//! says nothing about whether the site can be reached.
//!
//! The rules are those of Chromium's `net/http` (`http_stream_parser.cc`, `http_util.cc`,
//! `http_response_headers.cc`), which are tested against real servers every day.

/// The most junk bytes before the status line (Chromium: `kStatusLineStart` search, 4 bytes).
const SLOP: usize = 4;
/// The number of bytes after which it is certain whether the answer begins with `HTTP`.
const ENOUGH: usize = SLOP + 4;

/// The first lines of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The status code. One too large for 16 bits is `u16::MAX`.
    pub status: u16,
    is_http_1_0: bool,
    /// Names in lower case, and values with their bytes as they were sent.
    fields: Vec<(String, Vec<u8>)>,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The response has no body.
    Empty,
    /// The body has this many bytes.
    Length(u64),
    /// The body ends with a chunk of size 0.
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

/// Why bytes are not a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// The bytes do not begin with `HTTP`.
    NotHttp,
    /// More header lines than the limit.
    TooMany,
}

/// Returns whether the bytes can still become a response. Empty lines and four junk bytes may
/// precede it.
pub(super) fn may_be_http(bytes: &[u8]) -> bool {
    let bytes = without_empty_lines(bytes);
    bytes.len() < ENOUGH || start_of_status_line(bytes).is_some()
}

/// Returns whether bytes that end here belong to another protocol rather than to the start of a
/// response.
pub(super) fn begins_otherwise(bytes: &[u8]) -> bool {
    let bytes = without_empty_lines(bytes);
    !bytes.is_empty()
        && start_of_status_line(bytes).is_none()
        && !b"http".starts_with(&bytes.to_ascii_lowercase())
}

/// Returns the length of the head with its empty line, or `None` while that line has not arrived.
/// The first `scanned` bytes are known not to contain the end.
pub(super) fn length(bytes: &[u8], scanned: usize) -> Option<usize> {
    let start = bytes.len() - without_empty_lines(bytes).len();
    // A line break that was the last byte so far may be the first of two.
    let from = start.max(scanned.saturating_sub(2));
    let breaks = bytes.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'\n');
    breaks.map(|(at, _)| at + 1).find_map(|next| match bytes.get(next..)? {
        [b'\n', ..] => Some(next + 1),
        [b'\r', b'\n', ..] => Some(next + 2),
        _ => None,
    })
}

impl Head {
    /// Reads a complete head of at most `most` header lines.
    pub(super) fn parse(bytes: &[u8], most: usize) -> Result<Self, HeadError> {
        let bytes = without_empty_lines(bytes);
        let start = start_of_status_line(bytes).ok_or(HeadError::NotHttp)?;
        let mut lines = bytes[start..]
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let (status, is_http_1_0) = status_line(lines.next().unwrap_or_default());
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        // Whether the line before this one is a field that this one may continue.
        let mut is_open = false;
        for (number, line) in lines.take_while(|line| !line.is_empty()).enumerate() {
            if number >= most {
                return Err(HeadError::TooMany);
            }
            if matches!(line[0], b' ' | b'\t') {
                if let (true, Some((_, value))) = (is_open, fields.last_mut()) {
                    value.push(b' ');
                    value.extend_from_slice(line.trim_ascii());
                }
                continue;
            }
            let field = line
                .iter()
                .position(|byte| *byte == b':')
                .map(|colon| (&line[..colon], &line[colon + 1..]));
            // A line without a colon or without a name is ignored.
            let field = field.filter(|(name, _)| !name.trim_ascii().is_empty());
            is_open = field.is_some();
            if let Some((name, value)) = field {
                let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
                fields.push((name, value.trim_ascii().to_vec()));
            }
        }
        Ok(Self { status, is_http_1_0, fields })
    }

    /// Returns every value of the field, in the order of the lines.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_slice())
    }

    /// Returns the destination of a redirect. Like browsers, it follows only these statuses and
    /// takes the first value that is not empty.
    pub(super) fn location(&self) -> Option<&[u8]> {
        let is_redirect = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        self.all("location").find(|value| is_redirect && !value.is_empty())
    }

    /// Returns the members of a field that is a list, in lower case.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let text: Vec<String> = self
            .all(name)
            .map(|value| String::from_utf8_lossy(value).to_ascii_lowercase())
            .collect();
        let members = text.iter().flat_map(|value| value.split(','));
        members.map(|member| member.trim().to_owned()).filter(|member| !member.is_empty()).collect()
    }

    /// Decides how the body ends (RFC 9112 section 6.3). A length that is not a number, or that
    /// another one contradicts, is ignored: the body then ends with the connection.
    pub(super) fn framing(&self) -> Framing {
        if matches!(self.status, 100..200 | 204 | 304) {
            return Framing::Empty;
        }
        // HTTP/1.0 has no chunks: browsers take such a body as it is.
        if !self.is_http_1_0
            && self.list("transfer-encoding").iter().any(|coding| coding == "chunked")
        {
            return Framing::Chunked;
        }
        let lengths: Vec<Option<u64>> =
            self.list("content-length").iter().map(|length| digits(length)).collect();
        match lengths.as_slice() {
            [Some(first), others @ ..] if others.iter().all(|other| *other == Some(*first)) => {
                Framing::Length(*first)
            }
            _ => Framing::UntilClose,
        }
    }
}

fn without_empty_lines(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    &bytes[start..]
}

/// Returns where the status line begins, if that is within the first bytes.
fn start_of_status_line(bytes: &[u8]) -> Option<usize> {
    let is_there =
        |at: &usize| bytes.get(*at..at + 4).is_some_and(|word| word.eq_ignore_ascii_case(b"http"));
    (0..=SLOP).find(is_there)
}

/// Returns the status, and whether the version is below 1.1. A missing version is 1.0 and a missing
/// status is 200, as in Chromium's `ParseStatusLine`.
fn status_line(line: &[u8]) -> (u16, bool) {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let version = words.next().unwrap_or_default();
    let is_http_1_0 = match version[4.min(version.len())..].strip_prefix('/') {
        Some(number) => number.starts_with("0.") || number.starts_with("1.0"),
        None => true,
    };
    let code: String =
        words.next().unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    let status = if code.is_empty() { 200 } else { code.parse().unwrap_or(u16::MAX) };
    (status, is_http_1_0)
}

/// Reads a number that consists only of digits.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes(), 100).unwrap()
    }

    fn value<'a>(head: &'a Head, name: &'a str) -> Option<&'a str> {
        head.all(name).next().map(|value| std::str::from_utf8(value).unwrap())
    }

    #[test]
    fn status_lines_are_read_as_browsers_read_them() {
        for (line, status) in [
            ("HTTP/1.1 200 OK", 200),
            ("HTTP/1.1 404", 404),
            ("http/1.1 503 sorry", 503),
            ("HTTP/1.1  301  Moved", 301),
            ("HTTP/1.1\t302 Found", 302),
            ("HTTP/2 200", 200),
            ("HTTP 403 Forbidden", 403),
            ("HTTP/1.1 OK", 200),
            ("HTTP/1.1 200OK", 200),
            ("HTTP/1.1 2000 OK", 2000),
            ("HTTP/1.1 99999999 OK", u16::MAX),
            ("\r\n\r\nHTTP/1.0 200 OK", 200),
            ("\u{feff}HTTP/1.1 200 OK", 200),
            ("HTTP/1.1 200 \u{0}\u{e9}", 200),
        ] {
            assert_eq!(head(&format!("{line}\r\n\r\n")).status, status, "{line:?}");
        }
        for text in [
            "220 mail.example ESMTP\r\n\r\n",
            "SSH-2.0-OpenSSH HTTP/1.1\r\n\r\n",
            "12345HTTP/1.1 200\n\n",
            "",
        ] {
            assert_eq!(Head::parse(text.as_bytes(), 100), Err(HeadError::NotHttp), "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_field_is_passed_over_and_the_others_hold() {
        let head = head(
            "HTTP/1.1 200 OK\r\n folded onto nothing\r\nServer : Apache\r\nPHP Warning\r\n: nameless\r\n\
             X-Folded: a\r\n\t b\r\nX-Odd\u{0}Name: \u{e9}\nContent-Length:5\n\n",
        );
        assert_eq!(value(&head, "server"), Some("Apache"));
        assert_eq!(value(&head, "x-folded"), Some("a b"));
        assert_eq!(value(&head, "x-odd\u{0}name"), Some("\u{e9}"));
        assert_eq!(head.framing(), Framing::Length(5));
        assert_eq!(head.fields.len(), 4);
    }

    #[test]
    fn a_continued_line_without_a_colon_is_not_given_to_the_field_before_it() {
        let head = head("HTTP/1.1 302 Found\r\nLocation: /a\r\nPHP Warning\r\n on line 0\r\n\r\n");
        assert_eq!(head.location(), Some(b"/a".as_slice()));
    }

    #[test]
    fn the_end_of_the_head_is_found_however_it_arrives() {
        for text in [
            "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
            "HTTP/1.1 200 OK\nA: b\n\n",
            "\r\nHTTP/1.1 200 OK\r\n\n",
        ] {
            let bytes = format!("{text}body\n\n").into_bytes();
            assert_eq!(length(&bytes, 0), Some(text.len()), "{text:?}");
            let mut scanned = 0;
            let found = (1..=bytes.len()).find_map(|arrived| {
                let found = length(&bytes[..arrived], scanned);
                scanned = arrived;
                found
            });
            assert_eq!(found, Some(text.len()), "byte by byte: {text:?}");
        }
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nA: b\r\n", 0), None);
    }

    #[test]
    fn the_way_in_which_a_body_ends_follows_what_can_be_relied_on() {
        for (version, fields, framing) in [
            ("1.1", "Content-Length: 5\r\nContent-Length: 5\r\n", Framing::Length(5)),
            ("1.1", "Content-Length: 5, 5\r\n", Framing::Length(5)),
            ("1.1", "Content-Length: 5\r\nContent-Length: 6\r\n", Framing::UntilClose),
            ("1.1", "Content-Length: -1\r\n", Framing::UntilClose),
            ("1.1", "Content-Length: 99999999999999999999\r\n", Framing::UntilClose),
            ("1.1", "Content-Length:\r\n", Framing::UntilClose),
            ("1.1", "", Framing::UntilClose),
            ("1.1", "Content-Length: 5\r\nTransfer-Encoding: Chunked\r\n", Framing::Chunked),
            ("1.1", "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", Framing::Length(5)),
            ("1.0", "Transfer-Encoding: chunked\r\n", Framing::UntilClose),
        ] {
            assert_eq!(
                head(&format!("HTTP/{version} 200 OK\r\n{fields}\r\n")).framing(),
                framing,
                "{fields:?}"
            );
        }
        for status in [100, 103, 204, 304] {
            assert_eq!(
                head(&format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n")).framing(),
                Framing::Empty
            );
        }
    }

    #[test]
    fn only_a_redirect_leads_somewhere() {
        assert_eq!(
            head("HTTP/1.1 302 Found\r\nLocation:\r\nLocation: /b\r\n\r\n").location(),
            Some(b"/b".as_slice())
        );
        for status in [200, 300, 304, 305] {
            assert_eq!(
                head(&format!("HTTP/1.1 {status} x\r\nLocation: /b\r\n\r\n")).location(),
                None
            );
        }
    }

    #[test]
    fn more_lines_than_the_limit_are_refused() {
        let text = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert!(Head::parse(text(100).as_bytes(), 100).is_ok());
        assert_eq!(Head::parse(text(101).as_bytes(), 100), Err(HeadError::TooMany));
    }
}
