//! Undoes content codings (RFC 9110 section 8.4). The request asks for none, but some servers and
//! caches send compressed pages anyway. Only as much is unpacked as is searched, so a decompression
//! bomb costs no more than any other page.

use super::exchange::SEARCHED;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use std::io::Read;

/// The most codings on top of each other that are undone.
const CODINGS: usize = 3;
/// The input buffer of the brotli decoder, in bytes.
const BROTLI_BUFFER: usize = 4096;

/// The bytes that could be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// The unpacked bytes, at most [`SEARCHED`] of them.
    pub bytes: Vec<u8>,
    /// Why there may be more, or other, content than `bytes`.
    pub fault: Option<String>,
}

/// Undoes the codings, the last one first. Returns at most [`SEARCHED`] bytes.
pub(super) fn unpack(body: &[u8], codings: &[String]) -> Unpacked {
    let mut unpacked = Unpacked { bytes: body.to_vec(), fault: None };
    // Servers are known to send names that are not codings (`none`, `utf-8`). Browsers ignore them
    // too.
    let is_packing = |coding: &&String| {
        !matches!(coding.as_str(), "identity" | "none" | "chunked" | "utf-8" | "binary")
    };
    let mut known: Vec<&String> = codings.iter().filter(is_packing).collect();
    if known.len() > CODINGS {
        unpacked.fault = Some(format!("it is packed {} times", known.len()));
        return unpacked;
    }
    // Some servers do not declare that a page is compressed. No text begins with these bytes.
    let gzip = "gzip".to_owned();
    if known.is_empty() && body.starts_with(&[0x1f, 0x8b, 8]) {
        known.push(&gzip);
    }
    for coding in known.into_iter().rev() {
        let input = std::mem::take(&mut unpacked.bytes);
        let (bytes, is_sound) = match coding.as_str() {
            "gzip" | "x-gzip" => gunzip(&input),
            "deflate" => inflate(&input),
            "br" => {
                read(brotli_decompressor::Decompressor::new(&input[..], BROTLI_BUFFER), Vec::new())
            }
            _ => {
                unpacked.bytes = input;
                unpacked.fault = Some(format!(
                    "it is packed as `{}`, which Linkdown cannot unpack",
                    shown(coding)
                ));
                return unpacked;
            }
        };
        unpacked.bytes = bytes;
        if !is_sound {
            unpacked.fault = Some(format!("it cannot be unpacked as {coding}"));
        }
    }
    unpacked
}

/// Unpacks gzip members one after another (RFC 1952 section 2.2). Other bytes after the last member
/// are dropped.
fn gunzip(input: &[u8]) -> (Vec<u8>, bool) {
    let (mut rest, mut bytes) = (input, Vec::new());
    loop {
        let before = bytes.len();
        let mut decoder = GzDecoder::new(rest);
        let (read_so_far, is_sound) = read(&mut decoder, bytes);
        bytes = read_so_far;
        rest = decoder.into_inner();
        let has_another =
            rest.starts_with(&[0x1f, 0x8b]) && bytes.len() < SEARCHED && bytes.len() > before;
        if !is_sound || !has_another {
            return (bytes, is_sound);
        }
    }
}

/// Unpacks `deflate`, which is zlib's format, though some servers send the bare stream within it.
fn inflate(input: &[u8]) -> (Vec<u8>, bool) {
    match read(ZlibDecoder::new(input), Vec::new()) {
        (bytes, false) if bytes.is_empty() => read(DeflateDecoder::new(input), Vec::new()),
        decoded => decoded,
    }
}

/// Reads until [`SEARCHED`] bytes are there or the input ends, and returns whether it was free of
/// errors so far.
fn read(mut decoder: impl Read, mut bytes: Vec<u8>) -> (Vec<u8>, bool) {
    let mut buffer = [0; 8 << 10];
    while bytes.len() < SEARCHED {
        let room = buffer.len().min(SEARCHED - bytes.len());
        match decoder.read(&mut buffer[..room]) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(_) => return (bytes, false),
        }
    }
    (bytes, true)
}

/// Returns the name in a form that may be shown: it comes from outside.
fn shown(coding: &str) -> String {
    coding
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
        .take(20)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    /// `front page`, packed by the command `brotli`.
    const BROTLI: &[u8] =
        &[0x8b, 4, 0x80, b'f', b'r', b'o', b'n', b't', b' ', b'p', b'a', b'g', b'e', 3];

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(body: &[u8], codings: &[&str]) -> (String, Option<String>) {
        let codings: Vec<String> = codings.iter().map(|coding| (*coding).to_owned()).collect();
        let unpacked = unpack(body, &codings);
        (String::from_utf8_lossy(&unpacked.bytes).into_owned(), unpacked.fault)
    }

    #[test]
    fn every_coding_that_is_in_use_is_undone() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"front page").unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
        bare.write_all(b"front page").unwrap();
        let packed = gzip(b"front page");
        for (body, codings) in [
            (packed.clone(), &["gzip"][..]),
            (packed.clone(), &["x-gzip"]),
            (packed.clone(), &[]),
            (gzip(&packed), &["gzip", "gzip"]),
            ([gzip(b"front "), gzip(b"page")].concat(), &["gzip"]),
            ([&packed[..], b"\0\0\r\n"].concat(), &["gzip"]),
            (zlib.finish().unwrap(), &["deflate"]),
            (bare.finish().unwrap(), &["deflate"]),
            (BROTLI.to_vec(), &["br"]),
            (b"front page".to_vec(), &["identity"]),
            (b"front page".to_vec(), &["utf-8"]),
        ] {
            assert_eq!(unpacked(&body, codings), ("front page".to_owned(), None), "{codings:?}");
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_named() {
        let packed = gzip(b"front page");
        for (body, coding, fault) in [
            (&b"front page"[..], "gzip", "it cannot be unpacked as gzip"),
            (&packed[..packed.len() - 9], "gzip", "it cannot be unpacked as gzip"),
            (b"front page", "br", "it cannot be unpacked as br"),
            (b"front page", "deflate", "it cannot be unpacked as deflate"),
            (b"front page", "zs`td", "it is packed as `zstd`, which Linkdown cannot unpack"),
        ] {
            assert_eq!(unpacked(body, &[coding]).1.as_deref(), Some(fault));
        }
        assert_eq!(unpacked(b"", &["gzip"; 4]).1.as_deref(), Some("it is packed 4 times"));
    }

    #[test]
    fn a_bomb_is_unpacked_no_further_than_it_is_searched() {
        let bomb = gzip(&gzip(&vec![0; 64 << 20]));
        let unpacked = unpack(&bomb, &["gzip".to_owned(), "gzip".to_owned()]);
        assert_eq!((unpacked.bytes.len(), unpacked.fault), (SEARCHED, None));
    }
}
