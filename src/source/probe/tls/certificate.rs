//! Reads the facts in a certificate, and describes its faults in words.

use crate::domain::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error, PeerMisbehaved};
use x509_cert::der::asn1::UintRef;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::{Certificate, Version};

/// The fewest bits of an RSA key that browsers and rustls accept (CA/Browser Forum Baseline
/// Requirements 6.1.5).
const RSA_BITS: usize = 2048;
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED448: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.113");
/// The curves that ring knows: P-256 and P-384.
const CURVES: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
    ObjectIdentifier::new_unwrap("1.3.132.0.34"),
];
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
/// Signature algorithms that can be forged (RFC 9155 and RFC 6151).
const WEAK: [(&str, &str); 5] = [
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.3.14.3.2.29", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
];
/// The extensions of RFC 5280 that may be critical: key usage, names, constraints, policies.
const KNOWN_CRITICAL: [&str; 10] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.18",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.36",
    "2.5.29.37",
];

/// The readable facts of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The end of its validity.
    pub ends_at: Option<Timestamp>,
    /// Its oddities, such as `RSA key of 1024 bits`.
    pub oddities: Vec<String>,
    /// Whether the key is of a kind that browsers accept and ring does not, such as ECDSA on P-521.
    pub is_key_foreign: bool,
}

/// Reads a certificate. One that cannot be parsed yields only an oddity.
pub(super) fn facts(leaf: &CertificateDer<'_>) -> Facts {
    let Ok(certificate) = Certificate::from_der(leaf.as_ref()) else {
        return Facts { oddities: vec!["it is not well-formed".to_owned()], ..Facts::default() };
    };
    let body = &certificate.tbs_certificate;
    let ends_at = i64::try_from(body.validity.not_after.to_unix_duration().as_secs())
        .ok()
        .map(Timestamp::from_unix);
    let mut oddities = Vec::new();
    match body.version {
        Version::V1 => oddities.push("X.509 version 1".to_owned()),
        Version::V2 => oddities.push("X.509 version 2".to_owned()),
        Version::V3 => {}
    }
    if let Some(bits) = rsa_bits(&certificate).filter(|bits| *bits < RSA_BITS) {
        oddities.push(format!("RSA key of {bits} bits"));
    }
    let algorithm = certificate.signature_algorithm.oid.to_string();
    if let Some((_, hash)) = WEAK.iter().find(|(oid, _)| *oid == algorithm) {
        oddities.push(format!("signed with {hash}"));
    }
    let basic =
        body.extensions.iter().flatten().find(|extension| extension.extn_id == BASIC_CONSTRAINTS);
    let basic = basic
        .and_then(|extension| BasicConstraints::from_der(extension.extn_value.as_bytes()).ok());
    if basic.is_some_and(|basic| basic.ca) {
        oddities.push("made for an authority".to_owned());
    }
    let critical = body.extensions.iter().flatten().filter(|extension| extension.critical);
    let unknown = critical
        .map(|extension| extension.extn_id.to_string())
        .find(|id| !KNOWN_CRITICAL.contains(&id.as_str()));
    if let Some(id) = unknown {
        oddities.push(format!("unknown critical extension {id}"));
    }
    Facts { ends_at, oddities, is_key_foreign: is_key_foreign(&certificate) }
}

fn is_key_foreign(certificate: &Certificate) -> bool {
    let algorithm = &certificate.tbs_certificate.subject_public_key_info.algorithm;
    if algorithm.oid != ELLIPTIC {
        return algorithm.oid == ED448;
    }
    let curve =
        algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    curve.is_some_and(|curve| !CURVES.contains(&curve))
}

/// Returns the length of an RSA key in bits, or `None` for another kind of key.
fn rsa_bits(certificate: &Certificate) -> Option<usize> {
    let key = &certificate.tbs_certificate.subject_public_key_info;
    if key.algorithm.oid != RSA {
        return None;
    }
    // SEQUENCE { modulus INTEGER, exponent INTEGER } (RFC 8017 appendix A.1.1).
    let reader = SliceReader::new(key.subject_public_key.raw_bytes());
    let modulus = reader.and_then(|mut reader| {
        reader.sequence(|reader| {
            let modulus: UintRef<'_> = reader.decode()?;
            let _: UintRef<'_> = reader.decode()?;
            Ok(modulus.as_bytes().to_vec())
        })
    });
    let modulus = modulus.ok()?;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    Some((modulus.len() - first) * 8 - modulus[first].leading_zeros() as usize)
}

/// Returns the fault in words, with the oddities of the certificate after it.
pub(super) fn fault(error: &Error, facts: &Facts) -> String {
    let Error::InvalidCertificate(why) = error else {
        return format!("its certificate does not hold: {error}");
    };
    let plain = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate does not hold yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        CertificateError::UnknownIssuer => "nobody known vouches for its certificate",
        _ if !facts.oddities.is_empty() => {
            return format!("its certificate does not hold: {}", facts.oddities.join(", "));
        }
        _ => return format!("its certificate does not hold: {error}"),
    };
    [&[plain.to_owned()], facts.oddities.as_slice()].concat().join(", ")
}

/// Returns whether the error only means that Linkdown lacks an algorithm that is sound. A server
/// cannot feign that: its certificate states the kind of its key.
pub(super) fn is_beyond_us(error: &Error, facts: &Facts) -> bool {
    let is_unsupported = match error {
        Error::InvalidCertificate(
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => true,
        Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme) => {
            facts.is_key_foreign
        }
        _ => false,
    };
    is_unsupported && facts.oddities.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::AlgorithmIdentifier;
    use rustls::pki_types::pem::PemObject;

    fn facts_of(name: &str) -> Facts {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
        facts(&CertificateDer::from_pem_file(path).unwrap())
    }

    #[test]
    fn what_is_odd_about_a_certificate_is_read_from_it() {
        for (name, oddity) in [
            ("valid.pem", None),
            ("p521.pem", None),
            ("v1.pem", Some("X.509 version 1")),
            ("rsa1024.pem", Some("RSA key of 1024 bits")),
            ("sha1.pem", Some("signed with SHA-1")),
            ("critical.pem", Some("unknown critical extension 1.2.3.4")),
            ("ca.pem", Some("made for an authority")),
        ] {
            assert_eq!(facts_of(name).oddities, Vec::from_iter(oddity), "{name}");
        }
        assert_eq!(facts_of("valid.pem").ends_at, Timestamp::parse("2120-01-01"));
        let broken = facts(&CertificateDer::from(vec![0x30, 0x80]));
        assert_eq!(
            (broken.ends_at, broken.oddities.as_slice()),
            (None, &["it is not well-formed".to_owned()][..])
        );
    }

    #[test]
    fn an_algorithm_that_is_missing_here_is_no_fault_of_a_sound_certificate() {
        let missing =
            Error::InvalidCertificate(CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: vec![],
                supported_algorithms: Vec::<AlgorithmIdentifier>::new(),
            });
        assert!(is_beyond_us(&missing, &facts_of("valid.pem")));
        assert!(!is_beyond_us(&missing, &facts_of("sha1.pem")), "nobody takes SHA-1 any more");
        let scheme =
            Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme);
        assert!(is_beyond_us(&scheme, &facts_of("p521.pem")));
        assert!(
            !is_beyond_us(&scheme, &facts_of("valid.pem")),
            "the key of the certificate could have signed"
        );
        let expired = Error::InvalidCertificate(CertificateError::Expired);
        assert!(!is_beyond_us(&expired, &facts_of("valid.pem")));
    }
}
