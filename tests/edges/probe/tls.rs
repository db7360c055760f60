//! Certificates that hold, and those that do not: an answer all the same.

use super::server::{answer, on_tcp};
use super::{kit, target};
use linkdown::domain::{Certificate, ProbeKind, Target, Timestamp};
use linkdown::source::probe::attempt::{Found, probe};
use linkdown::source::probe::{ProbeContext, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

pub(super) fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

pub(super) fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(name)).unwrap()
}

/// Shakes hands with that certificate.
pub(super) fn acceptor(name: &str) -> TlsAcceptor {
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate(name)],
                PrivateKeyDer::from_pem_file(fixture("leaf.key")).unwrap(),
            )
            .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A site with that certificate.
async fn site(name: &str) -> SocketAddr {
    let acceptor = acceptor(name);
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

/// Trusts the authority of the tests.
pub(super) fn trusting() -> ProbeContext {
    let mut kit = kit(None);
    kit.tls = authority();
    kit
}

pub(super) fn authority() -> Tls {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    Tls::trusting(roots)
}

pub(super) fn at(kind: &str, site: SocketAddr) -> Target {
    let path = if kind == "https" { "/" } else { "" };
    Target {
        address: Some(site.ip()),
        ..target(&format!("{kind}://kcna.kp:{}{path}", site.port()))
    }
}

async fn found(kind: &str, name: &str) -> Found {
    let mut found = probe(&trusting(), &at(kind, site(name).await)).await;
    found.name_trouble = None;
    found
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_and_is_no_silence() {
    for kind in ["tls", "https"] {
        for (name, expected) in [
            ("valid.pem", "works"),
            ("expired.pem", "answers, but broken: its certificate has expired"),
            ("early.pem", "answers, but broken: its certificate does not hold yet"),
            ("other.pem", "answers, but broken: its certificate is for another name"),
            ("self.pem", "answers, but broken: nobody known vouches for its certificate"),
        ] {
            let outcome = found(kind, name).await.outcome();
            assert_eq!(outcome.to_string(), expected, "{kind} {name}");
            assert_eq!(outcome.reached(), Some(true));
        }
    }
}

#[tokio::test]
async fn the_day_on_which_a_certificate_ends_is_a_fact() {
    for (name, day) in [("valid.pem", "2120-01-01"), ("expired.pem", "2024-01-01")] {
        let ends_at = found("https", name).await.certificate.and_then(|seen| seen.ends_at);
        assert_eq!(ends_at, Timestamp::parse(day), "{name}");
    }
}

#[tokio::test]
async fn a_certificate_may_be_taken_as_it_is() {
    let mut asked = at("https", site("self.pem").await);
    let ProbeKind::Http { tls, .. } = &mut asked.knock else { unreachable!() };
    *tls = Some(Certificate::Any);
    let outcome = probe(&trusting(), &asked).await.outcome();
    assert_eq!(outcome.to_string(), "works (nobody known vouches for its certificate)");
}

#[tokio::test]
async fn a_handshake_that_fails_is_an_answer() {
    let alert = on_tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        // An alert: fatal, handshake failure.
        let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).await;
        let _ = stream.shutdown().await;
    })
    .await;
    let no_tls = on_tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer("400 Bad Request", "", "").as_bytes()).await;
    })
    .await;
    let hangs_up = on_tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let silent = on_tcp(|stream| async move {
        tokio::time::sleep(std::time::Duration::from_mins(1)).await;
        drop(stream);
    })
    .await;
    for (server, expected) in [
        (alert, "breaks the handshake off: HandshakeFailure"),
        (no_tls, "no TLS: received corrupt message of type InvalidContentType"),
        (hangs_up, "hangs up in the handshake"),
        (silent, "takes the connection, but shakes no hands in 3 s"),
    ] {
        for kind in ["tls", "https"] {
            let outcome = probe(&trusting(), &at(kind, server)).await.outcome();
            assert_eq!(outcome.to_string(), format!("answers, but broken: {expected}"));
        }
    }
}
