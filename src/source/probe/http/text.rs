//! Decides whether a page contains a text, in any coding and character set.

use super::coding::{Unpacked, unpack};
use super::exchange::Response;
use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};
use icu_normalizer::ComposingNormalizerBorrowed;

/// The number of bytes in which browsers look for a character set within the page (HTML Standard,
/// "prescan a byte stream").
const PRESCAN: usize = 1024;

/// The result of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Present,
    Absent,
    /// The page cannot be read well enough to be sure that the text is missing.
    Impossible(String),
}

/// Searches the response for the text. One reading of the page that contains it is enough: a wrong
/// label does not mean that the site is broken.
pub(super) fn compare(response: &Response, text: &str) -> Comparison {
    let head = &response.head;
    let codings: Vec<String> =
        head.list("content-encoding").into_iter().chain(head.list("transfer-encoding")).collect();
    let Unpacked { bytes, fault } = unpack(&response.body, &codings);
    let label = head.all("content-type").find_map(charset_of);
    if is_in_page(&bytes, label.as_deref(), text)
        || is_in_page(&response.body, label.as_deref(), text)
    {
        return Comparison::Present;
    }
    // If only a part of a longer page is kept, that part ends in the middle of its compressed
    // bytes, so a fault there proves nothing.
    match fault.filter(|_| response.is_whole || bytes.is_empty()) {
        Some(why) => Comparison::Impossible(why),
        None => unreadable(&bytes, label.as_deref(), text)
            .map_or(Comparison::Absent, Comparison::Impossible),
    }
}

fn is_in_page(bytes: &[u8], label: Option<&str>, text: &str) -> bool {
    let is_raw = contains(bytes, text.as_bytes());
    is_raw
        || readings(bytes, label).iter().any(|encoding| is_in(bytes, encoding, text))
        || is_encoded_in(bytes, text)
}

/// Returns the character sets that the page may be in, by its byte order mark, its header and its
/// own declaration.
fn readings(bytes: &[u8], label: Option<&str>) -> Vec<&'static Encoding> {
    let by_mark = Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    let by_label = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    let by_page = charset_in(bytes).and_then(|label| Encoding::for_label(label.as_bytes()));
    let mut readings: Vec<&'static Encoding> =
        [by_mark, by_label, by_page, Some(UTF_8)].into_iter().flatten().collect();
    readings.dedup();
    readings
}

/// Searches the page, decoded and with composed letters, for the text.
fn is_in(bytes: &[u8], encoding: &'static Encoding, text: &str) -> bool {
    let (page, _) = encoding.decode_with_bom_removal(bytes);
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    page.contains(text) || nfc.normalize(&page).contains(&*nfc.normalize(text))
}

/// Returns whether the text occurs in any character set of the web, or in references such as
/// `&#51473;`. This finds it in pages that declare no character set or a wrong one. The text is
/// short, so encoding it is cheaper than decoding the page 34 times.
fn is_encoded_in(bytes: &[u8], text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let text = ComposingNormalizerBorrowed::new_nfc().normalize(text);
    let is_there = |encoding: &'static Encoding| {
        let (encoded, _, is_lossy) = encoding.encode(&text);
        !is_lossy && contains(bytes, &encoded)
    };
    let refer = |letter: char| match letter {
        letter if letter.is_ascii() => letter.to_string(),
        letter => format!("&#{};", u32::from(letter)),
    };
    let referred: String = text.chars().map(refer).collect();
    contains(bytes, referred.as_bytes()) || LEGACY.iter().any(|encoding| is_there(encoding))
}

/// Returns why a text that was not found may occur in the page nevertheless.
fn unreadable(bytes: &[u8], label: Option<&str>, text: &str) -> Option<String> {
    let named = label.map(str::to_owned).or_else(|| charset_in(bytes))?;
    let encoding = Encoding::for_label(named.as_bytes());
    // Character sets that browsers refuse to decode (ISO-2022-KR, HZ) count as unknown.
    let is_known = encoding.is_some_and(|encoding| encoding != REPLACEMENT);
    let is_plain = text.is_ascii()
        && !["utf-7", "utf-32", "ebcdic", "ibm", "cp037"].iter().any(|odd| named.contains(odd));
    if is_known || is_plain {
        return None;
    }
    let shown: String = named
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(30)
        .collect();
    Some(format!("its character set `{shown}` is not known to Linkdown"))
}

/// Returns the `charset` of a `Content-Type`, in lower case.
fn charset_of(content_type: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let (_, rest) = text.split_once("charset")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let rest = rest.trim_start_matches(['"', '\'']);
    let label: String = rest
        .chars()
        .take_while(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | ';' | ',' | '>'))
        .collect();
    (!label.is_empty()).then_some(label)
}

/// Returns the character set that the page itself declares, in a `meta` element or an XML
/// declaration.
fn charset_in(bytes: &[u8]) -> Option<String> {
    let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(PRESCAN)]).to_ascii_lowercase();
    let elements = || begin.split('<').map(|rest| rest.split('>').next().unwrap_or(rest));
    let mut metas = elements().filter(|element| element.starts_with("meta"));
    let by_meta = metas.find_map(|element| charset_of(element.as_bytes()));
    let by_xml = || {
        let declaration = elements().find(|element| element.starts_with("?xml"))?;
        charset_of(declaration.replace("encoding", "charset").as_bytes())
    };
    // A page whose `meta` can be read is not in UTF-16, whatever it declares (HTML Standard).
    let label = by_meta.or_else(by_xml)?;
    let encoding = Encoding::for_label(label.as_bytes());
    let is_utf_16 = encoding.is_some_and(|encoding| encoding == UTF_16LE || encoding == UTF_16BE);
    Some(if is_utf_16 { "utf-8".to_owned() } else { label })
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The encodings of the Encoding Standard that are stateless and not Unicode.
static LEGACY: [&Encoding; 34] = [
    encoding_rs::BIG5,
    encoding_rs::EUC_JP,
    encoding_rs::EUC_KR,
    encoding_rs::GB18030,
    encoding_rs::GBK,
    encoding_rs::IBM866,
    encoding_rs::ISO_8859_2,
    encoding_rs::ISO_8859_3,
    encoding_rs::ISO_8859_4,
    encoding_rs::ISO_8859_5,
    encoding_rs::ISO_8859_6,
    encoding_rs::ISO_8859_7,
    encoding_rs::ISO_8859_8,
    encoding_rs::ISO_8859_8_I,
    encoding_rs::ISO_8859_10,
    encoding_rs::ISO_8859_13,
    encoding_rs::ISO_8859_14,
    encoding_rs::ISO_8859_15,
    encoding_rs::ISO_8859_16,
    encoding_rs::KOI8_R,
    encoding_rs::KOI8_U,
    encoding_rs::MACINTOSH,
    encoding_rs::SHIFT_JIS,
    encoding_rs::WINDOWS_874,
    encoding_rs::WINDOWS_1250,
    encoding_rs::WINDOWS_1251,
    encoding_rs::WINDOWS_1252,
    encoding_rs::WINDOWS_1253,
    encoding_rs::WINDOWS_1254,
    encoding_rs::WINDOWS_1255,
    encoding_rs::WINDOWS_1256,
    encoding_rs::WINDOWS_1257,
    encoding_rs::WINDOWS_1258,
    encoding_rs::X_MAC_CYRILLIC,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::probe::http::head::Head;

    fn page(fields: &str, body: &[u8]) -> Response {
        let head = Head::parse(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), 100).unwrap();
        Response { head, body: body.to_vec(), is_whole: true }
    }

    /// Returns a page that contains `조선중앙통신` in that character set.
    fn korean(label: &str, before: &str) -> Vec<u8> {
        let encoding = Encoding::for_label(label.as_bytes()).unwrap();
        encoding
            .encode(&format!(
                "{before}<title>\u{c870}\u{c120}\u{c911}\u{c559}\u{d1b5}\u{c2e0}</title>"
            ))
            .0
            .into_owned()
    }

    const TEXT: &str = "\u{c911}\u{c559}\u{d1b5}\u{c2e0}";

    #[test]
    fn the_character_set_is_taken_from_header_page_or_mark() {
        for (fields, body) in [
            ("Content-Type: text/html; charset=EUC-KR\r\n", korean("euc-kr", "")),
            ("Content-Type: text/html;charset = \"ks_c_5601-1987\"\r\n", korean("euc-kr", "")),
            ("", korean("euc-kr", "<meta charset=euc-kr>")),
            (
                "",
                korean(
                    "euc-kr",
                    "<META http-equiv=Content-Type content='text/html; charset=euc-kr'>",
                ),
            ),
            ("", korean("euc-kr", "<?xml version=\"1.0\" encoding=\"EUC-KR\"?>")),
            ("", korean("euc-kr", "")),
            (
                "Content-Type: text/html; charset=iso-8859-1\r\n",
                korean("euc-kr", "<meta charset=euc-kr>"),
            ),
            ("Content-Type: text/html; charset=utf-8\r\n", korean("euc-kr", "")),
            ("Content-Type: text/html; charset=euc-kr\r\n", korean("utf-8", "")),
            ("", korean("utf-8", "\u{feff}")),
            ("", korean("iso-8859-1", "")),
            ("Content-Type: text/html; charset=iso-2022-kr\r\n", korean("utf-8", "")),
        ] {
            assert_eq!(
                compare(&page(fields, &body), TEXT),
                Comparison::Present,
                "{fields}{body:?}"
            );
            assert_ne!(
                compare(&page(fields, &body), "\u{d3c9}\u{c591}\u{c2e0}\u{bb38}"),
                Comparison::Present
            );
        }
        let utf_16: Vec<u8> =
            format!("\u{feff}<p>{TEXT}").encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(compare(&page("", &utf_16), TEXT), Comparison::Present);
        assert_eq!(
            compare(&page("Content-Type: text/html; charset=utf-16be\r\n", &utf_16[2..]), "<p>"),
            Comparison::Present
        );
        let jis = b"\x1b$B;~;v\x1b(B";
        assert_eq!(
            compare(&page("Content-Type: a/b; charset=iso-2022-jp\r\n", jis), "\u{6642}\u{4e8b}"),
            Comparison::Present
        );
    }

    #[test]
    fn composed_and_decomposed_letters_are_the_same_text() {
        for (body, text) in [
            ("Se\u{301}oul", "S\u{e9}oul"),
            ("S\u{e9}oul", "Se\u{301}oul"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
        ] {
            assert_eq!(compare(&page("", body.as_bytes()), text), Comparison::Present, "{body}");
        }
    }

    #[test]
    fn a_page_that_can_be_read_lacks_what_it_does_not_hold() {
        for (fields, body) in [
            ("", korean("euc-kr", "")),
            ("Content-Type: text/html; charset=euc-kr\r\n", b"for sale".to_vec()),
            ("Content-Type: text/html; charset=utf-8\r\n", b"caf\xe9".to_vec()),
            ("Content-Type: text/html; charset=x-own\r\n", b"for sale".to_vec()),
        ] {
            assert_eq!(compare(&page(fields, &body), "front page"), Comparison::Absent, "{fields}");
        }
    }

    #[test]
    fn a_page_that_cannot_be_read_is_not_said_to_lack_anything() {
        let unknown = "its character set `x-own` is not known to Linkdown";
        for (fields, body, text, why) in [
            ("Content-Type: text/html; charset=x-own\r\n", &b"\xb0\xa1"[..], TEXT, unknown),
            ("", b"<meta charset=x-own>\xb0\xa1", TEXT, unknown),
            (
                "Content-Type: a/b; charset=utf-7\r\n",
                b"+",
                "a",
                "its character set `utf-7` is not known to Linkdown",
            ),
            (
                "Content-Type: a/b; charset=iso-2022-kr\r\n",
                b"\x0e",
                TEXT,
                "its character set `iso-2022-kr` is not known to Linkdown",
            ),
            (
                "Content-Encoding: zstd\r\n",
                b"(\xb5",
                "a",
                "it is packed as `zstd`, which Linkdown cannot unpack",
            ),
            ("Content-Encoding: gzip\r\n", b"plain", "a page", "it cannot be unpacked as gzip"),
        ] {
            assert_eq!(
                compare(&page(fields, body), text),
                Comparison::Impossible(why.to_owned()),
                "{fields}"
            );
        }
        assert_eq!(
            compare(&page("Content-Encoding: gzip\r\n", b"a plain page"), "plain"),
            Comparison::Present
        );
    }
}
