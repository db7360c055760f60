//! What comes from the environment: tokens, each also as `NAME_FILE` for a secret kept in a file, and addresses.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::ffi::OsString;
use std::path::PathBuf;

/// All that is read from the environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub secrets: Secrets,
    pub addresses: Addresses,
}

/// Tokens; each `Debug` form is redacted.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    pub discord_token: Option<SecretString>,
    pub telegram_token: Option<SecretString>,
    pub radar_token: Option<SecretString>,
    /// Called while all is well; its path is as good as a token.
    pub heartbeat_url: Option<SecretString>,
}

/// Base addresses that stand in for the usual ones: proxies, self-hosted servers, tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    pub ioda: Option<Url>,
    pub ripestat: Option<Url>,
    pub radar: Option<Url>,
    pub ris_live: Option<Url>,
    pub discord_api: Option<Url>,
    pub telegram_api: Option<Url>,
}

/// Why the environment is not taken. Never holds a value, only the names of variables and files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    #[error("both {name} and {name}_FILE are set; keep one of them")]
    Both { name: &'static str },
    #[error("{name}_FILE: cannot read {path}: {why}")]
    Unreadable { name: &'static str, path: String, why: String },
    #[error("{variable} is set but empty; give it a value, or unset it")]
    Empty { variable: String },
    #[error("{variable} holds no token: it must be one word of plain ASCII")]
    NoToken { variable: String },
    #[error("{name} is no http or https URL")]
    NoUrl { name: &'static str },
    #[error(
        "{name} is no address: it must be an http or https URL (ws or wss for a stream) without user name, query or fragment"
    )]
    NoAddress { name: &'static str },
}

impl Environment {
    /// Reads each variable by `lookup`, in the running bot `|name| std::env::var_os(name)`.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        let lookup = &lookup;
        Ok(Self {
            secrets: Secrets {
                discord_token: secret("LINKDOWN_DISCORD_TOKEN", lookup)?,
                telegram_token: secret("LINKDOWN_TELEGRAM_TOKEN", lookup)?,
                radar_token: secret("LINKDOWN_RADAR_TOKEN", lookup)?,
                heartbeat_url: url("LINKDOWN_HEARTBEAT_URL", lookup)?,
            },
            addresses: Addresses {
                ioda: address("LINKDOWN_IODA_URL", lookup)?,
                ripestat: address("LINKDOWN_RIPESTAT_URL", lookup)?,
                radar: address("LINKDOWN_RADAR_URL", lookup)?,
                ris_live: address("LINKDOWN_RIS_LIVE_URL", lookup)?,
                discord_api: address("LINKDOWN_DISCORD_API_URL", lookup)?,
                telegram_api: address("LINKDOWN_TELEGRAM_API_URL", lookup)?,
            },
        })
    }
}

impl Secrets {
    /// The token for a source.
    pub fn of_source(&self, name: &str) -> Option<&SecretString> {
        self.radar_token.as_ref().filter(|_| name == "radar")
    }
}

impl Addresses {
    /// The address given for a source.
    pub fn of_source(&self, name: &str) -> Option<&Url> {
        match name {
            "ioda" => self.ioda.as_ref(),
            "ripestat" => self.ripestat.as_ref(),
            "radar" => self.radar.as_ref(),
            _ => None,
        }
    }
}

/// An address that is a secret.
fn url(
    name: &'static str,
    lookup: &impl Fn(&str) -> Option<OsString>,
) -> Result<Option<SecretString>, EnvironmentError> {
    let Some(text) = secret(name, lookup)? else { return Ok(None) };
    let url = Url::parse(text.expose_secret()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.map(|_| Some(text)).ok_or(EnvironmentError::NoUrl { name })
}

fn secret(
    name: &'static str,
    lookup: &impl Fn(&str) -> Option<OsString>,
) -> Result<Option<SecretString>, EnvironmentError> {
    let in_file = format!("{name}_FILE");
    match (lookup(name), lookup(&in_file)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(EnvironmentError::Both { name }),
        (Some(value), None) => token(name, value.into_encoded_bytes()).map(Some),
        (None, Some(path)) if path.is_empty() => Err(EnvironmentError::Empty { variable: in_file }),
        (None, Some(path)) => {
            let path = PathBuf::from(path);
            let shown = path.display().to_string();
            match std::fs::read(path) {
                Ok(bytes) => token(&format!("{in_file} ({shown})"), bytes).map(Some),
                Err(error) => Err(EnvironmentError::Unreadable { name, path: shown, why: error.to_string() }),
            }
        }
    }
}

/// A token goes into a header or a path, so it must be one word; the line end that editors add is none of it.
fn token(variable: &str, bytes: Vec<u8>) -> Result<SecretString, EnvironmentError> {
    let no_token = || EnvironmentError::NoToken { variable: variable.to_owned() };
    let text = String::from_utf8(bytes).map_err(|_| no_token())?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(EnvironmentError::Empty { variable: variable.to_owned() });
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(no_token());
    }
    Ok(SecretString::from(text))
}

fn address(name: &'static str, lookup: &impl Fn(&str) -> Option<OsString>) -> Result<Option<Url>, EnvironmentError> {
    let Some(value) = lookup(name) else { return Ok(None) };
    if value.is_empty() {
        return Err(EnvironmentError::Empty { variable: name.to_owned() });
    }
    let is_plain = |url: &Url| {
        let schemes: &[&str] = if name == "LINKDOWN_RIS_LIVE_URL" { &["ws", "wss"] } else { &["http", "https"] };
        schemes.contains(&url.scheme())
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let url = value.to_str().and_then(|text| Url::parse(text).ok()).filter(is_plain);
    url.map(Some).ok_or(EnvironmentError::NoAddress { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
        Environment::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn why(variables: &[(&str, &str)]) -> String {
        read(variables).unwrap_err().to_string()
    }

    #[test]
    fn a_bare_run_needs_nothing() {
        let environment = read(&[]).unwrap();
        assert!(environment.secrets.radar_token.is_none());
        assert_eq!(environment.addresses, Addresses::default());
    }

    #[test]
    fn a_token_comes_from_the_variable_or_from_a_file_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret\r\n").unwrap();
        let environment =
            read(&[("LINKDOWN_RADAR_TOKEN_FILE", file.to_str().unwrap()), ("LINKDOWN_DISCORD_TOKEN", "abc")]).unwrap();
        assert_eq!(environment.secrets.radar_token.as_ref().unwrap().expose_secret(), "s3cret");
        assert_eq!(environment.secrets.discord_token.as_ref().unwrap().expose_secret(), "abc");
        let shown = format!("{environment:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("abc"), "{shown}");
    }

    #[test]
    fn an_error_names_the_variable_and_the_file_but_never_the_content() {
        assert_eq!(
            why(&[("LINKDOWN_RADAR_TOKEN", "a"), ("LINKDOWN_RADAR_TOKEN_FILE", "/b")]),
            "both LINKDOWN_RADAR_TOKEN and LINKDOWN_RADAR_TOKEN_FILE are set; keep one of them"
        );
        assert!(
            why(&[("LINKDOWN_TELEGRAM_TOKEN_FILE", "/nowhere/token")])
                .starts_with("LINKDOWN_TELEGRAM_TOKEN_FILE: cannot read /nowhere/token: No such file")
        );
        assert!(why(&[("LINKDOWN_DISCORD_TOKEN", "")]).starts_with("LINKDOWN_DISCORD_TOKEN is set but empty"));
        assert!(why(&[("LINKDOWN_DISCORD_TOKEN_FILE", "")]).starts_with("LINKDOWN_DISCORD_TOKEN_FILE is set but"));
        let words = why(&[("LINKDOWN_DISCORD_TOKEN", "two s3cret words")]);
        assert!(words.starts_with("LINKDOWN_DISCORD_TOKEN holds no token") && !words.contains("s3cret"));
    }

    #[test]
    fn an_address_is_a_plain_http_url() {
        let environment = read(&[("LINKDOWN_IODA_URL", "http://127.0.0.1:8080/v2")]).unwrap();
        assert_eq!(environment.addresses.of_source("ioda").unwrap().as_str(), "http://127.0.0.1:8080/v2");
        for wrong in ["ftp://example.org", "example.org", "https://user:s3cret@example.org", "https://example.org/?a=b"]
        {
            let why = why(&[("LINKDOWN_RADAR_URL", wrong)]);
            assert!(why.starts_with("LINKDOWN_RADAR_URL is no address") && !why.contains("s3cret"), "{why}");
        }
    }
}
