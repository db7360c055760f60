//! A handshake that goes on whatever the certificate, which is judged afterwards: "expired" and "unreachable" must differ.

use super::outcome::{Class, Outcome};
use super::{Limits, tcp};
use crate::clock::Clock;
use crate::domain::{Certificate, Host, Timestamp};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::der::Decode;

/// What every handshake shares.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    /// For those whom we must know: nothing is said to one for whom nobody vouches.
    strict: TlsConnector,
    verifier: Arc<WebPkiServerVerifier>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// What was found at the end of a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Until when the certificate says that it holds.
    pub ends_at: Option<Timestamp>,
    /// What does not hold about it, such as `its certificate has expired`.
    pub fault: Option<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

impl Tls {
    /// Trusts whom browsers trust.
    pub fn new() -> Self {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Self::trusting(roots)
    }

    /// Trusts these, of whom there must be at least one.
    pub fn trusting(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let strict = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring knows the usual versions")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .expect("there are roots");
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring knows the usual versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Any(provider)))
            .with_no_client_auth();
        let strict = TlsConnector::from(Arc::new(strict));
        Self { connector: TlsConnector::from(Arc::new(config)), strict, verifier }
    }

    /// A connection to `host`, which must prove that it is that.
    pub async fn vouched(&self, stream: TcpStream, host: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        self.strict.connect(name, stream).await
    }

    /// Shakes hands over a connection that stands.
    pub(super) async fn handshake(
        &self,
        clock: &Clock,
        stream: TcpStream,
        host: &Host,
        limit: Duration,
    ) -> Result<(TlsStream<TcpStream>, Seen), Outcome> {
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.clone()),
            Host::Address(address) => Ok(ServerName::from(*address)),
        };
        let name = name.map_err(|_| Outcome::unknown("its name cannot stand in a certificate"))?;
        let stream = match clock.within(limit, self.connector.connect(name.clone(), stream)).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => return Err(Outcome::broken(Class::Tls, failed(&error))),
            None => {
                let detail = format!("takes the connection, but shakes no hands in {} s", limit.as_secs());
                return Err(Outcome::broken(Class::Tls, detail));
            }
        };
        let seen = self.judge(stream.get_ref().1.peer_certificates().unwrap_or_default(), &name, clock.now());
        Ok((stream, seen))
    }

    fn judge(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>, now: Timestamp) -> Seen {
        let Some((leaf, rest)) = chain.split_first() else {
            return Seen { ends_at: None, fault: Some("it shows no certificate".to_owned()) };
        };
        let at = UnixTime::since_unix_epoch(Duration::from_secs(now.unix().max(0) as u64));
        let verdict = self.verifier.verify_server_cert(leaf, rest, name, &[], at);
        Seen { ends_at: ends_at(leaf), fault: verdict.err().map(|error| fault(&error)) }
    }
}

/// A handshake alone.
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
    match tls.handshake(clock, stream, to.0, watch.left_of(limits.total)).await {
        Ok((_, seen)) => (held(&seen, certificate), Some(seen)),
        Err(outcome) => (outcome, None),
    }
}

/// What the certificate makes of a service that answers.
pub(super) fn held(seen: &Seen, certificate: Certificate) -> Outcome {
    match (&seen.fault, certificate) {
        (Some(fault), Certificate::MustHold) => Outcome::broken(Class::Tls, fault.clone()),
        (Some(fault), Certificate::Any) => Outcome::Works { note: Some(fault.clone()) },
        (None, _) => Outcome::works(),
    }
}

fn ends_at(leaf: &CertificateDer<'_>) -> Option<Timestamp> {
    let certificate = x509_cert::Certificate::from_der(leaf.as_ref()).ok()?;
    let until = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    Some(Timestamp::from_unix(i64::try_from(until.as_secs()).ok()?))
}

fn failed(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) => format!("breaks the handshake off: {alert:?}"),
        Some(Error::PeerIncompatible(_)) => "offers no version or cipher of TLS that is still in use".to_owned(),
        Some(error) => format!("no TLS: {error}"),
        // Right after our first words this may also be somebody on the way who does not like the name.
        None if error.kind() == std::io::ErrorKind::ConnectionReset => "cuts the handshake off".to_owned(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => "hangs up in the handshake".to_owned(),
        None => format!("no TLS: {error}"),
    }
}

fn fault(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "its certificate does not hold yet".to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name".to_owned(),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "nobody known vouches for its certificate".to_owned()
        }
        other => format!("its certificate does not hold: {other}"),
    }
}

/// Takes every chain, but not every signature: whoever answers must hold the key that it shows.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
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
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
