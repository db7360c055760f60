//! Certificates and handshakes that the TLS library does not take, of servers that answer all the same.

use super::server::{answer, on_tcp};
use super::tls::{at, certificate, fixture, trusting};
use linkdown::domain::{Certificate, ProbeKind, Target};
use linkdown::source::probe::Outcome;
use linkdown::source::probe::attempt::probe;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::{ServerConfig, SignatureAlgorithm, SignatureScheme, SupportedProtocolVersion};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

const NOT_SUPPORTED: &str = "answers, TLS not supported by Linkdown";

/// A key whose signatures cannot be verified: ring does not know its kind, or it is another key
/// than the certificate's. The bytes of the signature do not matter to either.
#[derive(Clone, Debug)]
struct Unverifiable(SignatureScheme, usize);

impl SigningKey for Unverifiable {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.0).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0 {
            SignatureScheme::RSA_PKCS1_SHA256 | SignatureScheme::RSA_PSS_SHA256 => {
                SignatureAlgorithm::RSA
            }
            _ => SignatureAlgorithm::ECDSA,
        }
    }
}

impl Signer for Unverifiable {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![0x30; self.1])
    }

    fn scheme(&self) -> SignatureScheme {
        self.0
    }
}

/// The key of most certificates of the tests.
fn own_key() -> Arc<dyn SigningKey> {
    let key = PrivateKeyDer::from_pem_file(fixture("leaf.key")).unwrap();
    rustls::crypto::ring::sign::any_supported_type(&key).unwrap()
}

/// A site with that certificate and key, whether or not they fit.
async fn site(
    name: &str,
    key: Arc<dyn SigningKey>,
    versions: &[&'static SupportedProtocolVersion],
) -> SocketAddr {
    let pair = CertifiedKey::new(vec![certificate(name)], key);
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    on_tcp(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer("200 OK", "", "hello").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

/// The target, which takes any certificate.
fn with_any(mut target: Target) -> Target {
    match &mut target.knock {
        ProbeKind::Http { tls, .. } => *tls = Some(Certificate::Any),
        ProbeKind::Tls { certificate } => *certificate = Certificate::Any,
        _ => unreachable!(),
    }
    target
}

#[tokio::test]
async fn any_certificate_is_taken_and_what_is_odd_about_it_is_told() {
    let rsa = |scheme| Arc::new(Unverifiable(scheme, 128)) as Arc<dyn SigningKey>;
    let ecdsa = |scheme| Arc::new(Unverifiable(scheme, 72)) as Arc<dyn SigningKey>;
    let both = [&rustls::version::TLS12, &rustls::version::TLS13];
    for (name, key, versions, odd) in [
        ("v1.pem", own_key(), &both[..], "its certificate does not hold: X.509 version 1"),
        ("v1.pem", own_key(), &both[..1], "its certificate does not hold: X.509 version 1"),
        (
            "critical.pem",
            own_key(),
            &both,
            "its certificate does not hold: unknown critical extension 1.2.3.4",
        ),
        (
            "critical.pem",
            own_key(),
            &both[..1],
            "its certificate does not hold: unknown critical extension 1.2.3.4",
        ),
        (
            "sha1.pem",
            own_key(),
            &both,
            "nobody known vouches for its certificate, signed with SHA-1",
        ),
        (
            "rsa1024.pem",
            rsa(SignatureScheme::RSA_PKCS1_SHA256),
            &both[..1],
            "nobody known vouches for its certificate, RSA key of 1024 bits",
        ),
        (
            "rsa1024.pem",
            rsa(SignatureScheme::RSA_PSS_SHA256),
            &both,
            "nobody known vouches for its certificate, RSA key of 1024 bits",
        ),
        (
            "p521.pem",
            ecdsa(SignatureScheme::ECDSA_NISTP521_SHA512),
            &both,
            "nobody known vouches for its certificate",
        ),
        ("expired.pem", own_key(), &both, "its certificate has expired"),
        ("other.pem", own_key(), &both, "its certificate is for another name"),
        ("early.pem", own_key(), &both, "its certificate does not hold yet"),
    ] {
        let site = site(name, key, versions).await;
        for kind in ["tls", "https"] {
            let outcome = probe(&trusting(), &with_any(at(kind, site))).await.outcome();
            assert_eq!(outcome.to_string(), format!("works ({odd})"), "{kind} {name}");
            let outcome = probe(&trusting(), &at(kind, site)).await.outcome();
            assert_eq!(outcome.to_string(), format!("answers, but broken: {odd}"), "{kind} {name}");
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_hold_the_key_of_a_good_certificate_is_found_out() {
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let key = Arc::new(Unverifiable(SignatureScheme::ECDSA_NISTP256_SHA256, 72));
        let site = site("valid.pem", key, versions).await;
        for kind in ["tls", "https"] {
            let outcome = probe(&trusting(), &at(kind, site)).await.outcome();
            assert_eq!(
                outcome.to_string(),
                "answers, but broken: it does not hold the key of its certificate"
            );
            // Whoever takes any certificate takes the same from anybody.
            assert!(probe(&trusting(), &with_any(at(kind, site))).await.outcome().does_work());
        }
    }
}

/// What an old or foreign server does with a `ClientHello`.
#[derive(Clone, Copy, Debug)]
enum Stack {
    /// Takes this suite alone and sends an alert to all who do not offer it, as OpenSSL does.
    Alerts(u16),
    /// The same, but resets the connection instead, as Windows does.
    HangsUp(u16),
    /// Answers with TLS 1.0 whatever is offered.
    Tls10,
    /// Sends this alert to everybody.
    Only(u8),
    /// Speaks no TLS.
    Http,
}

/// The suites that a `ClientHello` offers (RFC 5246 section 7.4.1.2).
fn suites(hello: &[u8]) -> Vec<u16> {
    // Record header 5, message header 4, version 2, random 32; then the session's number.
    let session = 43;
    let at = session + 1 + usize::from(hello[session]);
    let length = usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    hello[at + 2..at + 2 + length]
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect()
}

/// A `ServerHello` and no more: the certificate that would follow is of no concern to the probe.
fn server_hello(version: u8, suite: u16) -> Vec<u8> {
    let body = [&[3, version][..], &[7; 32], &[0], &suite.to_be_bytes(), &[0]].concat();
    let message = [&[2, 0, 0, body.len() as u8][..], &body].concat();
    [&[22, 3, version, 0, message.len() as u8][..], &message].concat()
}

/// A server with that stack, and how many connections it took.
async fn server(stack: Stack) -> (SocketAddr, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    let address = on_tcp(move |mut stream| {
        counting.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut hello = vec![0; 5];
            if stream.read_exact(&mut hello).await.is_err() {
                return;
            }
            hello.resize(5 + usize::from(u16::from_be_bytes([hello[3], hello[4]])), 0);
            let _ = stream.read_exact(&mut hello[5..]).await;
            let alert = |description| vec![21, 3, 3, 0, 2, 2, description];
            let reply = match stack {
                Stack::Alerts(suite) | Stack::HangsUp(suite) if suites(&hello).contains(&suite) => {
                    server_hello(3, suite)
                }
                Stack::Alerts(_) => alert(40),
                Stack::HangsUp(_) => Vec::new(),
                Stack::Tls10 => server_hello(1, 0x002f),
                Stack::Only(description) => alert(description),
                Stack::Http => answer("400 Bad Request", "", "").into_bytes(),
            };
            let _ = stream.write_all(&reply).await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (address, count)
}

#[tokio::test]
async fn what_the_tls_library_cannot_speak_is_an_answer_and_no_outage() {
    for stack in [
        // RSA key exchange; the same with AES-GCM; ECDHE with CBC-SHA1; DHE; 3DES; RC4.
        Stack::Alerts(0x002f),
        Stack::Alerts(0x009c),
        Stack::Alerts(0xc013),
        Stack::Alerts(0x0033),
        Stack::Alerts(0x000a),
        Stack::HangsUp(0x0005),
        // ARIA and SEED of Korea, GOST of Russia, ShangMi of China.
        Stack::Alerts(0xc052),
        Stack::HangsUp(0x0096),
        Stack::HangsUp(0xc102),
        Stack::Alerts(0x00c6),
        Stack::Tls10,
        // The server says in so many words that it is a matter of version or strength.
        Stack::Only(70),
        Stack::Only(71),
    ] {
        let address = server(stack).await.0;
        for kind in ["tls", "https"] {
            for asked in [at(kind, address), with_any(at(kind, address))] {
                let outcome = probe(&trusting(), &asked).await.outcome();
                assert_eq!(outcome.to_string(), NOT_SUPPORTED, "{kind} {stack:?}");
                assert!(outcome.does_work() && outcome.reached() == Some(true));
                assert!(!matches!(outcome, Outcome::Broken { .. }));
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_every_client_is_broken_and_asked_no_more_than_needed() {
    for (stack, expected) in [
        (Stack::Only(40), "breaks the handshake off: HandshakeFailure"),
        (Stack::Only(112), "breaks the handshake off: UnrecognisedName"),
        (Stack::Only(80), "breaks the handshake off: InternalError"),
        (Stack::Http, "no TLS: received corrupt message of type InvalidContentType"),
        // A suite that nobody offers.
        (Stack::HangsUp(0), "hangs up in the handshake"),
    ] {
        for kind in ["tls", "https"] {
            let (address, count) = server(stack).await;
            let outcome = probe(&trusting(), &at(kind, address)).await.outcome();
            assert_eq!(
                outcome.to_string(),
                format!("answers, but broken: {expected}"),
                "{stack:?}"
            );
            assert_eq!(count.load(Ordering::SeqCst), 4, "two attempts of two connections");
        }
    }
    // Where any certificate will do, an alert is the answer of a TLS server.
    let address = server(Stack::Only(40)).await.0;
    assert_eq!(
        probe(&trusting(), &with_any(at("tls", address))).await.outcome().to_string(),
        NOT_SUPPORTED
    );
}
