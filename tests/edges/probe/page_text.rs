//! The expected text in pages that are packed, or written in another character set.

use super::server::page;
use super::{kit, target};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use linkdown::domain::ProbeKind;
use linkdown::source::probe::attempt::probe;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a probe says of a page with these header lines and that body, which should hold the text.
async fn compared(fields: &str, body: &[u8], wanted: &str) -> String {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    let site = page([head.as_bytes(), body].concat()).await;
    let mut asked = target(&format!("http://{site}/"));
    let ProbeKind::Http { text, .. } = &mut asked.knock else { unreachable!() };
    *text = Some(wanted.to_owned());
    probe(&kit(None), &asked).await.outcome().to_string()
}

#[tokio::test]
async fn a_page_that_is_packed_though_identity_was_asked_is_unpacked_before_it_is_compared() {
    let html = b"<title>The front page</title>";
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(html).unwrap();
    let packed = gzip(html);
    for (fields, body) in [
        ("Content-Encoding: gzip\r\n", packed.clone()),
        ("Content-Encoding: GZIP\r\n", packed.clone()),
        ("Content-Encoding : x-gzip\r\n", packed.clone()),
        ("Content-Encoding: deflate\r\n", zlib.finish().unwrap()),
        ("Content-Encoding: gzip, gzip\r\n", gzip(&packed)),
        ("Content-Encoding: gzip\r\n", html.to_vec()),
        ("", packed),
    ] {
        assert_eq!(compared(fields, &body, "front page").await, "works", "{fields}");
        let lacking = compared(fields, &body, "another page").await;
        let expected = if body == html {
            "answers, the page cannot be compared: it cannot be unpacked as gzip"
        } else {
            "answers, but broken: the page lacks `another page`"
        };
        assert_eq!(lacking, expected, "{fields}");
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_unpacked_is_not_said_to_lack_the_text() {
    let packed = gzip(b"<title>The front page</title>");
    for (fields, body, why) in [
        (
            "Content-Encoding: zstd\r\n",
            &b"(\xb5/\xfd"[..],
            "it is packed as `zstd`, which Linkdown cannot unpack",
        ),
        ("Content-Encoding: gzip\r\n", &packed[..12], "it cannot be unpacked as gzip"),
        ("Content-Encoding: br\r\n", b"no brotli", "it cannot be unpacked as br"),
        (
            "Content-Type: text/html; charset=x-own\r\n",
            b"\xb0\xa1",
            "its character set `x-own` is not known to Linkdown",
        ),
    ] {
        let outcome = compared(fields, body, "\u{c911}\u{c559}").await;
        assert_eq!(outcome, format!("answers, the page cannot be compared: {why}"), "{fields}");
    }
}

#[tokio::test]
async fn a_bomb_is_unpacked_no_further_than_it_is_searched() {
    let bomb = gzip(&gzip(&vec![b'x'; 256 << 20]));
    let began = std::time::Instant::now();
    let outcome = compared("Content-Encoding: gzip, gzip\r\n", &bomb, "front page").await;
    assert_eq!(outcome, "answers, but broken: the page lacks `front page`");
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_page_in_euc_kr_holds_a_korean_text() {
    // `조선중앙통신` in EUC-KR, as iconv writes it.
    let name = b"\xc1\xb6\xbc\xb1\xc1\xdf\xbe\xd3\xc5\xeb\xbd\xc5";
    let html = |before: &str| [before.as_bytes(), b"<title>", name, b"</title>"].concat();
    for (fields, body) in [
        ("Content-Type: text/html; charset=euc-kr\r\n", html("")),
        ("Content-Type: text/html; charset=\"KS_C_5601-1987\"\r\n", html("")),
        (
            "Content-Type: text/html\r\n",
            html("<meta http-equiv=\"Content-Type\" content=\"text/html; charset=euc-kr\">"),
        ),
        ("", html("<meta charset=\"euc-kr\">")),
        ("", html("")),
        ("Content-Type: text/html; charset=utf-8\r\n", html("")),
    ] {
        let outcome = compared(fields, &body, "\u{c911}\u{c559}\u{d1b5}\u{c2e0}").await;
        assert_eq!(outcome, "works", "{fields}");
        let outcome = compared(fields, &body, "\u{c2e0}\u{bb38}").await;
        assert_eq!(outcome, "answers, but broken: the page lacks `\u{c2e0}\u{bb38}`", "{fields}");
    }
    let packed = gzip(&html(""));
    let fields = "Content-Type: text/html; charset=euc-kr\r\nContent-Encoding: gzip\r\n";
    assert_eq!(compared(fields, &packed, "\u{c911}\u{c559}\u{d1b5}\u{c2e0}").await, "works");
}

#[tokio::test]
async fn other_character_sets_of_the_web_hold_their_texts() {
    let utf_16: Vec<u8> =
        "\u{feff}<p>front page".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (charset, body, text) in [
        ("windows-1251", &b"\xcf\xf0\xe0\xe2\xe8\xf2"[..], "\u{41f}\u{440}\u{430}\u{432}"),
        ("gb2312", b"\xd6\xd0\xb9\xfa", "\u{4e2d}\u{56fd}"),
        ("shift_jis", b"\x93\xfa\x96{", "\u{65e5}\u{672c}"),
        ("utf-16", &utf_16, "front page"),
        ("iso-8859-1", b"caf\xe9", "caf\u{e9}"),
        ("us-ascii", b"caf&#233;", "caf\u{e9}"),
    ] {
        let outcome =
            compared(&format!("Content-Type: text/html; charset={charset}\r\n"), body, text).await;
        assert_eq!(outcome, "works", "{charset}");
    }
}
