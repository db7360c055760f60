//! Completes a TLS handshake with any certificate and judges the certificate afterwards: "expired"
//! and "unreachable" must differ. A server that speaks only TLS that rustls lacks is reported apart
//! from one that does not work.

mod certificate;
mod hello;

use super::outcome::{Class, Outcome};
use super::{Limits, tcp};
use crate::clock::Clock;
use crate::domain::{Certificate, Host, Timestamp};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// For a server that speaks TLS, but no version, cipher or key that rustls knows.
const NOT_SUPPORTED: &str = "TLS not supported by Linkdown";
/// For a certificate whose kind of signature ring does not know, such as ECDSA on P-521.
const NOT_CHECKED: &str = "its certificate cannot be checked by Linkdown";
const NOT_THE_KEY: &str = "it does not hold the key of its certificate";
const NOT_TRUSTED: &str = "it signs with an algorithm that is no longer trusted";
/// Offered besides the schemes that can be verified, so that a server with such a key answers at
/// all. A signature that cannot be verified counts as a fault of the certificate.
const UNVERIFIED: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED448,
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
];

/// The configuration that all handshakes share.
#[derive(Clone)]
pub struct Tls {
    /// Accepts every certificate, with a [`Recorder`] of its own in each handshake.
    lenient: Arc<ClientConfig>,
    /// For servers that must prove their identity before anything is sent to them.
    strict: TlsConnector,
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// The facts about a server's certificate after a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The end of the certificate's validity.
    pub ends_at: Option<Timestamp>,
    /// The fault of the certificate, such as `its certificate has expired`, and its oddities.
    pub fault: Option<String>,
    /// Whether the fault is Linkdown's: it lacks an algorithm of the certificate.
    pub is_beyond_us: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

impl Tls {
    /// Trusts the authorities that browsers trust.
    pub fn new() -> Self {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Self::trusting(roots)
    }

    /// Trusts these authorities, of which there must be at least one.
    pub fn trusting(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let strict = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring knows the usual versions")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .expect("there are roots");
        let mut lenient = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring knows the usual versions")
            .dangerous()
            .with_custom_certificate_verifier(Recorder::new(&provider))
            .with_no_client_auth();
        // A resumed session shows no signature, and a probe must see the whole handshake.
        lenient.resumption = Resumption::disabled();
        let strict = TlsConnector::from(Arc::new(strict));
        Self { lenient: Arc::new(lenient), strict, provider, verifier }
    }

    /// Returns an encrypted connection to `host`, or an error if the host does not prove its
    /// identity.
    pub async fn vouched(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        self.strict.connect(name, stream).await
    }

    /// Shakes hands over an open connection. `certificate` decides only how an alert is
    /// interpreted.
    pub(super) async fn handshake(
        &self,
        clock: &Clock,
        stream: TcpStream,
        (host, certificate): (&Host, Certificate),
        limit: Duration,
    ) -> Result<(TlsStream<TcpStream>, Seen), Outcome> {
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.clone()),
            Host::Address(address) => Ok(ServerName::from(*address)),
        };
        let name = name.map_err(|_| Outcome::unknown("its name cannot stand in a certificate"))?;
        let watch = clock.stopwatch();
        let address = stream.peer_addr();
        let recorder = Recorder::new(&self.provider);
        let mut config = ClientConfig::clone(&self.lenient);
        config
            .dangerous()
            .set_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>);
        let connector = TlsConnector::from(Arc::new(config));
        let stream = match clock.within(limit, connector.connect(name.clone(), stream)).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                let is_foreign = says_unsupported(&error, certificate)
                    || match address {
                        Ok(address) => {
                            speaks_other_tls(clock, address, host, watch.left_of(limit)).await
                        }
                        Err(_) => false,
                    };
                if is_foreign {
                    tracing::debug!(%host, %error, "server speaks TLS that this program does not");
                    return Err(Outcome::answers(NOT_SUPPORTED));
                }
                return Err(Outcome::broken(Class::Tls, failed(&error)));
            }
            None => {
                let detail =
                    format!("takes the connection, but shakes no hands in {} s", limit.as_secs());
                return Err(Outcome::broken(Class::Tls, detail));
            }
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let seen = self.judge(chain, &name, recorder.fault.get(), clock.now());
        Ok((stream, seen))
    }

    /// Judges a chain, and the signature of the handshake if it has a fault.
    fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        signature: Option<&Error>,
        now: Timestamp,
    ) -> Seen {
        let Some((leaf, rest)) = chain.split_first() else {
            return Seen { fault: Some("it shows no certificate".to_owned()), ..Seen::default() };
        };
        let at = UnixTime::since_unix_epoch(Duration::from_secs(now.unix().max(0) as u64));
        let verdict = self.verifier.verify_server_cert(leaf, rest, name, &[], at);
        let facts = certificate::facts(leaf);
        let fault = match (&verdict, signature) {
            (Err(error), _) => Some(certificate::fault(error, &facts)),
            (Ok(_), Some(Error::InvalidCertificate(CertificateError::BadSignature))) => {
                Some(NOT_THE_KEY.to_owned())
            }
            (Ok(_), Some(_)) => Some(NOT_TRUSTED.to_owned()),
            (Ok(_), None) => None,
        };
        let is_beyond_us = verdict
            .err()
            .as_ref()
            .or(signature)
            .is_some_and(|error| certificate::is_beyond_us(error, &facts));
        Seen { ends_at: facts.ends_at, fault, is_beyond_us }
    }
}

/// Probes a server with a handshake alone.
pub(super) async fn knock(
    tls: &Tls,
    clock: &Clock,
    to: (&Host, SocketAddr),
    certificate: Certificate,
    limits: Limits,
) -> (Outcome, Option<Seen>) {
    let watch = clock.stopwatch();
    let stream = match tcp::connect(clock, to.1, limits.connect).await {
        Ok(stream) => stream,
        Err(outcome) => return (outcome, None),
    };
    match tls.handshake(clock, stream, (to.0, certificate), watch.left_of(limits.total)).await {
        Ok((_, seen)) => (held(&seen, certificate), Some(seen)),
        Err(outcome) => (outcome, None),
    }
}

/// Returns the outcome for a service that answers with this certificate.
pub(super) fn held(seen: &Seen, certificate: Certificate) -> Outcome {
    match (&seen.fault, certificate) {
        (Some(_), Certificate::MustHold) if seen.is_beyond_us => Outcome::answers(NOT_CHECKED),
        (Some(fault), Certificate::MustHold) => Outcome::broken(Class::Tls, fault.clone()),
        (Some(fault), Certificate::Any) => Outcome::Works { note: Some(fault.clone()) },
        (None, _) => Outcome::works(),
    }
}

/// Returns whether the server itself reports that it shares no version or cipher with Linkdown. An
/// alert `handshake_failure` may also mean that the server has no certificate for the name, so it
/// counts only if any certificate will do: then an answer in TLS is all that is asked for.
fn says_unsupported(error: &std::io::Error, certificate: Certificate) -> bool {
    match library_error(error) {
        Some(Error::PeerIncompatible(_)) => true,
        Some(Error::AlertReceived(alert)) => match alert {
            AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => true,
            AlertDescription::HandshakeFailure => certificate == Certificate::Any,
            _ => false,
        },
        _ => false,
    }
}

/// Asks once more, with everything that other clients may offer. The guard allowed the address for
/// the first connection.
async fn speaks_other_tls(
    clock: &Clock,
    address: SocketAddr,
    host: &Host,
    limit: Duration,
) -> bool {
    let hello = hello::client_hello(host.name(), std::array::from_fn(|_| fastrand::u8(..)));
    let talk = async {
        let mut stream = tcp::open(address).await?;
        stream.write_all(&hello).await?;
        let mut answer = [0; hello::ENOUGH];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(hello::is_server_hello(&answer))
    };
    matches!(clock.within(limit, talk).await, Some(Ok(true)))
}

fn library_error(error: &std::io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Returns in words why a handshake failed.
fn failed(error: &std::io::Error) -> String {
    match library_error(error) {
        Some(Error::AlertReceived(alert)) => format!("breaks the handshake off: {alert:?}"),
        Some(error) => format!("no TLS: {error}"),
        // Right after the first message, a reset may also come from a filter on the way that blocks
        // the name.
        None if error.kind() == ErrorKind::ConnectionReset => "cuts the handshake off".to_owned(),
        None if error.kind() == ErrorKind::UnexpectedEof => "hangs up in the handshake".to_owned(),
        None => format!("no TLS: {error}"),
    }
}

/// Accepts every chain and every signature, and records the fault of the signature. Whether a
/// server holds the key of its certificate is judged after the handshake, if the certificate
/// counts.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    fault: OnceLock<Error>,
}

impl Recorder {
    fn new(provider: &Arc<CryptoProvider>) -> Arc<Self> {
        Arc::new(Self { provider: Arc::clone(provider), fault: OnceLock::new() })
    }

    fn record(&self, verdict: Result<HandshakeSignatureValid, Error>) -> HandshakeSignatureValid {
        verdict.unwrap_or_else(|error| {
            // Only the first fault is kept; a handshake has one signature.
            let _ = self.fault.set(error);
            HandshakeSignatureValid::assertion()
        })
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        Ok(self.record(verify_tls12_signature(message, certificate, signed, known)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        Ok(self.record(verify_tls13_signature(message, certificate, signed, known)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = self.provider.signature_verification_algorithms.supported_schemes();
        known.into_iter().chain(UNVERIFIED).collect()
    }
}
