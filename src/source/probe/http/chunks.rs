//! Decodes the chunks of a body (RFC 9112 section 7.1) as they arrive.

/// The most hexadecimal digits of a chunk's size: more do not fit into 64 bits.
const DIGITS: u8 = 16;

/// A decoder that keeps its place between calls.
#[derive(Debug)]
pub(super) struct Chunks(State);

#[derive(Debug)]
enum State {
    /// Within the line with a chunk's size. After the digits only an extension may follow.
    Size { value: u64, digits: u8, is_past: bool },
    /// Within a chunk's data, with the number of bytes that are missing.
    Data(u64),
    /// The line break after a chunk's data.
    Break,
    /// The chunk of size 0 has arrived. The trailers after it are ignored.
    Done,
}

/// The bytes are not chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadChunk;

const NEXT: State = State::Size { value: 0, digits: 0, is_past: false };

impl Chunks {
    /// Returns a decoder that expects the size of the first chunk.
    pub(super) const fn new() -> Self {
        Self(NEXT)
    }

    /// Returns whether the last chunk has arrived.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.0, State::Done)
    }

    /// Passes the data within `input` to `take`. A bare line feed ends a line too.
    pub(super) fn feed(
        &mut self,
        mut input: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), BadChunk> {
        while let Some(first) = input.first().copied() {
            match &mut self.0 {
                State::Data(left) => {
                    let length = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    take(&input[..length]);
                    *left -= length as u64;
                    if *left == 0 {
                        self.0 = State::Break;
                    }
                    input = &input[length..];
                    continue;
                }
                State::Break => match first {
                    b'\r' => {}
                    b'\n' => self.0 = NEXT,
                    _ => return Err(BadChunk),
                },
                State::Size { value, digits, is_past } => {
                    match (first, char::from(first).to_digit(16)) {
                        (b'\n', _) if *digits == 0 => return Err(BadChunk),
                        (b'\n', _) => {
                            self.0 = if *value == 0 { State::Done } else { State::Data(*value) }
                        }
                        (b' ' | b'\t', _) if *digits == 0 => {}
                        (_, Some(digit)) if !*is_past && *digits < DIGITS => {
                            *value = *value << 4 | u64::from(digit);
                            *digits += 1;
                        }
                        (b' ' | b'\t' | b'\r' | b';', _) if *digits > 0 => *is_past = true,
                        _ if *is_past => {}
                        _ => return Err(BadChunk),
                    }
                }
                State::Done => return Ok(()),
            }
            input = &input[1..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool), BadChunk> {
        let (mut chunks, mut data) = (Chunks::new(), Vec::new());
        for piece in pieces {
            chunks.feed(piece, |bytes| data.extend_from_slice(bytes))?;
        }
        Ok((data, chunks.is_done()))
    }

    #[test]
    fn chunks_are_decoded_however_they_arrive() {
        let text = b"4;name=value\r\nlink\r\n 4 \ndown\n0\r\nTrailer: x\r\n\r\n";
        assert_eq!(decode(&[text]), Ok((b"linkdown".to_vec(), true)));
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(decode(&single), Ok((b"linkdown".to_vec(), true)));
    }

    #[test]
    fn a_body_without_its_last_chunk_is_not_whole() {
        for text in [&b""[..], b"4\r\nlink", b"4\r\nlink\r\n", b"4\r\nlink\r\n0"] {
            assert!(!decode(&[text]).unwrap().1, "{text:?}");
        }
        assert!(decode(&[b"0\r\n"]).unwrap().1, "the empty line after it may be missing");
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for text in [
            &b"<html>\r\n"[..],
            b"\r\n",
            b"-1\r\n",
            b"4\r\nlinkdown\r\n",
            b"11111111111111111\r\n",
            b"0x4\r\n",
        ] {
            assert_eq!(decode(&[text]), Err(BadChunk), "{text:?}");
        }
    }
}
