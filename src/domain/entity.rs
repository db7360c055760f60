//! Entities that can go down: `country/KP`, `region/4416`, `asn/131279`, `prefix/175.45.176.0/22`,
//! `site/kcna.kp`.

use super::hostname::{self, NameError};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The number of an autonomous system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Asn(pub u32);

/// An ISO 3166-1 alpha-2 code in capitals. It is not checked for being assigned; the directory of
/// countries knows which codes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// Converts two ASCII letters of any case to a code; `None` for any other text.
    pub fn new(code: &str) -> Option<Self> {
        match code.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// Returns the code in capitals, such as `KP`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

/// A thing that can go down, written `kind/code`; serialised as that text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Entity {
    /// A country, such as `country/KP`.
    Country(CountryCode),
    /// A region, by its code at IODA (digits).
    Region(String),
    /// A network, by its AS number.
    Asn(Asn),
    /// An address block, with its host bits cleared.
    Prefix(IpNet),
    /// A host name in the form that DNS carries: ASCII, in lower case. [`hostname::shown`] converts
    /// it to the form for people.
    Site(String),
    /// A bare name without a kind (`XA`), as a file of observations may use it.
    Name(String),
}

/// The reason why a text is not an entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntityError {
    /// The text, or the code after the kind, is empty.
    #[error("an empty entity")]
    Empty,
    /// The word before the slash is not a kind. Holds that word.
    #[error("unknown kind of entity `{0}`: it must be one of country, region, asn, prefix, site")]
    UnknownKind(String),
    /// Holds the text that is not a country code.
    #[error("`{0}` is no country code: two letters, such as KP")]
    NoCountry(String),
    /// Holds the text that is not a region code.
    #[error("`{0}` is no region code: IODA's number, such as 4416")]
    NoRegion(String),
    /// Holds the text that is not an AS number.
    #[error("`{0}` is no AS number: digits, such as 131279")]
    NoAsn(String),
    /// Holds the text that is not an address block.
    #[error("`{0}` is no prefix: an address block such as 175.45.176.0/22")]
    NoPrefix(String),
    /// Holds the text that is not a host name, and the reason.
    #[error("`{0}` is no site: {1}")]
    NoSite(String, NameError),
}

impl FromStr for Entity {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        let text = text.trim();
        let Some((kind, code)) = text.split_once('/') else {
            return if text.is_empty() {
                Err(EntityError::Empty)
            } else {
                Ok(Self::Name(text.to_owned()))
            };
        };
        if code.is_empty() {
            return Err(EntityError::Empty);
        }
        match kind {
            "country" => CountryCode::new(code)
                .map(Self::Country)
                .ok_or_else(|| EntityError::NoCountry(code.to_owned())),
            "region" if code.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self::Region(code.to_owned()))
            }
            "region" => Err(EntityError::NoRegion(code.to_owned())),
            "asn" => asn(code).map(Self::Asn).ok_or_else(|| EntityError::NoAsn(code.to_owned())),
            "prefix" => {
                prefix(code).map(Self::Prefix).ok_or_else(|| EntityError::NoPrefix(code.to_owned()))
            }
            "site" => hostname::site(code)
                .map(Self::Site)
                .map_err(|why| EntityError::NoSite(code.to_owned(), why)),
            _ => Err(EntityError::UnknownKind(kind.to_owned())),
        }
    }
}

/// Parses an AS number: `131279`, `AS131279` or `as131279`.
pub fn asn(text: &str) -> Option<Asn> {
    let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Asn)
}

/// Parses an address block and clears its host bits, so that each block has one name.
pub fn prefix(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().map(|net| net.trunc())
}

/// Returns the host name in the form of [`hostname::site`], or `None` if the text is not a host
/// name.
pub fn site(text: &str) -> Option<String> {
    hostname::site(text).ok()
}

impl Entity {
    /// Returns the country's code, or `None` for any other kind of entity.
    pub fn country(&self) -> Option<CountryCode> {
        match self {
            Self::Country(code) => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(code) => write!(f, "country/{code}"),
            Self::Region(code) => write!(f, "region/{code}"),
            Self::Asn(Asn(number)) => write!(f, "asn/{number}"),
            Self::Prefix(net) => write!(f, "prefix/{net}"),
            Self::Site(host) => write!(f, "site/{host}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl TryFrom<String> for Entity {
    type Error = EntityError;
    fn try_from(text: String) -> Result<Self, EntityError> {
        text.parse()
    }
}

impl From<Entity> for String {
    fn from(entity: Entity) -> Self {
        entity.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_written_as_it_is_read() {
        for text in [
            "country/KP",
            "region/4416",
            "asn/131279",
            "prefix/175.45.176.0/22",
            "site/kcna.kp",
            "XA",
        ] {
            assert_eq!(text.parse::<Entity>().unwrap().to_string(), text);
        }
        assert_eq!("country/kp".parse::<Entity>().unwrap().to_string(), "country/KP");
        assert_eq!("asn/AS131279".parse::<Entity>().unwrap().to_string(), "asn/131279");
        assert_eq!(
            "prefix/175.45.177.9/22".parse::<Entity>().unwrap().to_string(),
            "prefix/175.45.176.0/22"
        );
        assert_eq!("site/KCNA.kp.".parse::<Entity>().unwrap().to_string(), "site/kcna.kp");
        assert_eq!(
            "site/münchen.example".parse::<Entity>().unwrap().to_string(),
            "site/xn--mnchen-3ya.example"
        );
    }

    #[test]
    fn a_wrong_entity_says_what_is_wrong_with_it() {
        let why = |text: &str| text.parse::<Entity>().unwrap_err().to_string();
        assert_eq!(why(" "), "an empty entity");
        assert!(why("planet/KP").starts_with("unknown kind of entity `planet`"));
        assert_eq!(why("country/KPX"), "`KPX` is no country code: two letters, such as KP");
        assert_eq!(why("asn/AS"), "`AS` is no AS number: digits, such as 131279");
        assert!(why("prefix/175.45.176.0/33").contains("is no prefix"));
        assert_eq!(
            why("site/10.0.0.1"),
            "`10.0.0.1` is no site: an address is not a host name, such as kcna.kp"
        );
        assert_eq!(
            why("site/mün chen.example"),
            "`mün chen.example` is no site: a space may not stand in a host name; letters, digits and hyphens may"
        );
    }
}
