//! Builds a `ClientHello` that offers what rustls lacks: old versions, key exchange without forward
//! secrecy, ciphers of single countries. A server that answers it with a `ServerHello` speaks TLS,
//! but none that Linkdown speaks. Only this one message is exchanged.
//!
//! The numbers are those of IANA's registry "TLS Parameters".

/// Suites with RSA, DHE and ECDHE keys: AES, Camellia, ARIA, SEED, 3DES, RC4, and `ChaCha20`.
#[rustfmt::skip]
const SUITES: [u16; 79] = [
    // TLS 1.3: the usual ones, CCM, ShangMi (RFC 8998), GOST (RFC 9367).
    0x1301, 0x1302, 0x1303, 0x1304, 0x1305, 0x00c6, 0x00c7, 0xc103, 0xc104, 0xc105, 0xc106,
    // ECDHE with AEAD, then with CBC.
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca8, 0xcca9, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af,
    0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc024, 0xc027, 0xc028, 0xc008, 0xc012, 0xc007, 0xc011,
    // DHE with RSA and DSS keys.
    0x009e, 0x009f, 0xccaa, 0x0033, 0x0039, 0x0067, 0x006b, 0x0016, 0x0032, 0x0038, 0x0040, 0x006a,
    0x0013, 0x00a2, 0x00a3, 0x0045, 0x0088, 0x009a,
    // RSA key exchange.
    0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, 0xc09c, 0xc09d, 0x0041, 0x0084, 0x00ba, 0x00c0,
    0x0096, 0x000a, 0x0005, 0x0004, 0x0009,
    // ARIA of Korea (RFC 6209).
    0xc050, 0xc051, 0xc052, 0xc053, 0xc060, 0xc061,
    // GOST of Russia (RFC 9189, and the numbers before it).
    0xc100, 0xc101, 0xc102, 0x0081, 0xff85,
];
/// Curves: x25519, P-256, P-384, P-521, x448, Brainpool, secp256k1, SM2, GOST; and finite fields.
const GROUPS: [u16; 17] = [
    0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x001a, 0x001b, 0x001c, 0x0016, 0x0029, 0x0022, 0x0026,
    0x0013, 0x0015, 0x0100, 0x0101, 0x0102,
];
/// RSA, ECDSA, `EdDSA`, DSA and SM2 with every hash down to SHA-1 and MD5, and GOST.
const SIGNATURES: [u16; 24] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401,
    0x0501, 0x0601, 0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0202, 0x0101, 0x0708, 0x0840, 0x0841,
];
/// TLS 1.3 down to 1.0.
const VERSIONS: [u16; 4] = [0x0304, 0x0303, 0x0302, 0x0301];
/// The length to which the message is padded, in bytes: some load balancers never answer a message
/// of 256 to 511 bytes (RFC 7685).
const PADDED: usize = 512;

/// The number of bytes that [`is_server_hello`] needs.
pub(super) const ENOUGH: usize = 6;

/// Returns the record to send. `name` is the server's name, if it has one.
pub(super) fn client_hello(name: Option<&str>, random: [u8; 32]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let entry = [&[0][..], &prefixed(name.as_bytes())].concat();
        extension(&mut extensions, 0, &prefixed(&entry));
    }
    extension(&mut extensions, 10, &prefixed(&numbers(&GROUPS)));
    // Uncompressed points.
    extension(&mut extensions, 11, &[1, 0]);
    extension(&mut extensions, 13, &prefixed(&numbers(&SIGNATURES)));
    let versions = numbers(&VERSIONS);
    extension(&mut extensions, 43, &[&[versions.len() as u8][..], &versions].concat());
    // The key share is empty: a server that speaks TLS 1.3 asks for one, which is an answer (RFC
    // 8446 section 4.2.8).
    extension(&mut extensions, 51, &prefixed(&[]));
    // An empty renegotiation info (RFC 5746).
    extension(&mut extensions, 0xff01, &[0]);

    let mut hello = vec![3, 3];
    hello.extend_from_slice(&random);
    // No session.
    hello.push(0);
    hello.extend_from_slice(&prefixed(&numbers(&SUITES)));
    // No compression.
    hello.extend_from_slice(&[1, 0]);
    // Four bytes of the message's header come before this, and the two-byte length of the
    // extensions after it.
    let length = 4 + hello.len() + 2 + extensions.len();
    if length < PADDED {
        extension(&mut extensions, 21, &vec![0; PADDED.saturating_sub(length + 4)]);
    }
    hello.extend_from_slice(&prefixed(&extensions));

    let length = (hello.len() as u32).to_be_bytes();
    let message = [&[1, length[1], length[2], length[3]][..], &hello].concat();
    [&[22, 3, 1][..], &prefixed(&message)].concat()
}

/// Returns whether the first bytes of an answer are those of a `ServerHello`.
pub(super) fn is_server_hello(answer: &[u8]) -> bool {
    // A handshake record of some version 3.x, whose first message is of type 2.
    matches!(answer, [22, 3, _, _, _, 2, ..])
}

/// Appends an extension with its number and length.
fn extension(to: &mut Vec<u8>, number: u16, content: &[u8]) {
    to.extend_from_slice(&number.to_be_bytes());
    to.extend_from_slice(&prefixed(content));
}

/// Returns the bytes behind their length in two bytes.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::server::Acceptor;

    #[test]
    fn the_message_is_well_formed_and_names_the_server() {
        for name in [Some("www.kcna.kp"), None] {
            let hello = client_hello(name, [7; 32]);
            assert_eq!(hello.len(), 5 + PADDED);
            let mut acceptor = Acceptor::default();
            acceptor.read_tls(&mut &hello[..]).unwrap();
            let accepted = acceptor.accept().unwrap().expect("the message is whole");
            assert_eq!(accepted.client_hello().server_name(), name);
            assert_eq!(accepted.client_hello().cipher_suites().len(), SUITES.len());
            assert_eq!(accepted.client_hello().signature_schemes().len(), SIGNATURES.len());
        }
    }

    #[test]
    fn no_suite_is_offered_twice() {
        let mut suites = SUITES.to_vec();
        suites.sort_unstable();
        suites.dedup();
        assert_eq!(suites.len(), SUITES.len());
    }

    #[test]
    fn only_a_server_hello_is_one() {
        assert!(is_server_hello(&[22, 3, 1, 0, 80, 2]));
        for other in [&[21, 3, 3, 0, 2, 2, 40][..], b"HTTP/1.1 400", &[22, 3, 1], &[]] {
            assert!(!is_server_hello(other));
        }
    }
}
