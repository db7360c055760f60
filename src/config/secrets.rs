//! Settings from the environment: addresses, and secrets. A secret may also be in a file that
//! `NAME_FILE` names, or in a credential of systemd.

use super::token_shape::Shape;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The variable with the folder of a service's credentials: systemd.exec(5), `LoadCredential=`.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// All settings that come from the environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The tokens and the heartbeat URL.
    pub secrets: Secrets,
    /// The base addresses that replace the usual ones.
    pub addresses: Addresses,
    /// Files with a secret that every user of this machine may read or change.
    pub exposed: Vec<ExposedFile>,
}

/// A file with a secret whose mode gives rights to every user: the last digit of the mode is not 0.
///
/// The rights of the group are left to the operator: a service that does not own its secrets gets
/// them through its group (0440 for systemd's credentials, `fsGroup` in Kubernetes). The modes of
/// the folders above are not considered: a file that only its folder protects loses the protection
/// when it is copied, mounted or backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposedFile {
    /// The variable that holds the secret itself, such as `LINKDOWN_RADAR_TOKEN`.
    pub name: &'static str,
    /// The file that was read.
    pub path: PathBuf,
    /// The permission bits of the file.
    pub mode: u32,
}

impl fmt::Display for ExposedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, path, mode) = (self.name, self.path.display(), self.mode);
        let may = if mode & 0o002 == 0 { "read" } else { "change" };
        write!(
            f,
            "{name}_FILE: every user of this machine may {may} {path} (mode {mode:03o}); make it its owner's alone: chmod \
             600 {path}"
        )
    }
}

/// The secrets. Their `Debug` form is redacted.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `LINKDOWN_DISCORD_TOKEN`: the token of the Discord bot.
    pub discord_token: Option<SecretString>,
    /// `LINKDOWN_TELEGRAM_TOKEN`: the token of the Telegram bot.
    pub telegram_token: Option<SecretString>,
    /// `LINKDOWN_RADAR_TOKEN`: a Cloudflare API token for Radar.
    pub radar_token: Option<SecretString>,
    /// `LINKDOWN_HEARTBEAT_URL`: called while the bot is healthy. Its path is as secret as a token.
    pub heartbeat_url: Option<SecretString>,
}

/// Base addresses that replace the usual ones: for proxies, self-hosted servers and tests. `None`
/// means the usual one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// `LINKDOWN_IODA_URL`: the API of IODA.
    pub ioda: Option<Url>,
    /// `LINKDOWN_RIPESTAT_URL`: the data API of RIPEstat.
    pub ripestat: Option<Url>,
    /// `LINKDOWN_RADAR_URL`: the API of Cloudflare Radar.
    pub radar: Option<Url>,
    /// `LINKDOWN_RIS_LIVE_URL`: the stream of RIS Live, with ws or wss.
    pub ris_live: Option<Url>,
    /// `LINKDOWN_DISCORD_API_URL`: the API of Discord.
    pub discord_api: Option<Url>,
    /// `LINKDOWN_TELEGRAM_API_URL`: the Bot API of Telegram.
    pub telegram_api: Option<Url>,
}

/// The reason why the environment is rejected. It names variables and files, and never holds a
/// value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// The value and its file are both given.
    #[error("both {name} and {name}_FILE are set; keep one of them")]
    Both {
        /// The variable without `_FILE`.
        name: &'static str,
    },
    /// The file with the secret cannot be read.
    #[error("{name}_FILE: cannot read {path}: {why}")]
    Unreadable {
        /// The variable without `_FILE`.
        name: &'static str,
        /// The file as it is named.
        path: String,
        /// The error of the system.
        why: String,
    },
    /// The value, the path or the content of the file is empty.
    #[error("{variable} is set but empty; give it a value, or unset it")]
    Empty {
        /// The variable, or the file that it names.
        variable: String,
    },
    /// The value is not one word of plain ASCII.
    #[error(
        "{variable} holds no token: it must be one word of plain ASCII, without quotes and without `Bot ` before it"
    )]
    NoToken {
        /// The variable, or the file that it names.
        variable: String,
    },
    /// The value certainly belongs into another variable.
    #[error("{variable} holds {found}; nobody was called with it")]
    Misplaced {
        /// The variable, or the file that it names.
        variable: String,
        /// The kind of value that it holds, in words.
        found: String,
    },
    /// A variable that ends in `_FILE` holds a token in place of a path.
    #[error(
        "{name}_FILE holds a token where the path of a file belongs; put it into that file, or into {name}"
    )]
    TokenForPath {
        /// The variable without `_FILE`.
        name: &'static str,
    },
    /// A secret address is not an http or https URL.
    #[error("{name} is no http or https URL")]
    NoUrl {
        /// The variable.
        name: &'static str,
    },
    /// A base address is not a plain URL.
    #[error(
        "{name} is no address: it must be an http or https URL (ws or wss for a stream) without user name, query or fragment"
    )]
    NoAddress {
        /// The variable.
        name: &'static str,
    },
}

impl Environment {
    /// Reads each variable with `lookup`, in the running bot `|name| std::env::var_os(name)`.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        let lookup = &lookup;
        let secrets = SecretReader { lookup, exposed: RefCell::default() };
        Ok(Self {
            secrets: Secrets {
                discord_token: secrets.token("LINKDOWN_DISCORD_TOKEN", Shape::Discord)?,
                telegram_token: secrets.token("LINKDOWN_TELEGRAM_TOKEN", Shape::Telegram)?,
                radar_token: secrets.token("LINKDOWN_RADAR_TOKEN", Shape::Cloudflare)?,
                heartbeat_url: secrets.url("LINKDOWN_HEARTBEAT_URL")?,
            },
            addresses: Addresses {
                ioda: address("LINKDOWN_IODA_URL", lookup)?,
                ripestat: address("LINKDOWN_RIPESTAT_URL", lookup)?,
                radar: address("LINKDOWN_RADAR_URL", lookup)?,
                ris_live: address("LINKDOWN_RIS_LIVE_URL", lookup)?,
                discord_api: address("LINKDOWN_DISCORD_API_URL", lookup)?,
                telegram_api: address("LINKDOWN_TELEGRAM_API_URL", lookup)?,
            },
            exposed: secrets.exposed.into_inner(),
        })
    }
}

impl Secrets {
    /// Returns the token of a source by its name.
    pub fn of_source(&self, name: &str) -> Option<&SecretString> {
        self.radar_token.as_ref().filter(|_| name == "radar")
    }
}

impl Addresses {
    /// Returns the base address that replaces the usual one of a source.
    pub fn of_source(&self, name: &str) -> Option<&Url> {
        match name {
            "ioda" => self.ioda.as_ref(),
            "ripestat" => self.ripestat.as_ref(),
            "radar" => self.radar.as_ref(),
            _ => None,
        }
    }
}

/// Reads secrets, and collects the files that expose them.
struct SecretReader<'a, L> {
    lookup: &'a L,
    exposed: RefCell<Vec<ExposedFile>>,
}

impl<L: Fn(&str) -> Option<OsString>> SecretReader<'_, L> {
    /// Reads a token. A value that certainly belongs elsewhere is an error.
    fn token(
        &self,
        name: &'static str,
        wanted: Shape,
    ) -> Result<Option<SecretString>, EnvironmentError> {
        let Some((variable, text)) = self.secret(name)? else { return Ok(None) };
        match Shape::of(text.expose_secret()) {
            Some(found) if found != wanted => {
                Err(EnvironmentError::Misplaced { variable, found: found.to_string() })
            }
            _ => Ok(Some(text)),
        }
    }

    /// Reads an http or https URL that is a secret.
    fn url(&self, name: &'static str) -> Result<Option<SecretString>, EnvironmentError> {
        let Some((variable, text)) = self.secret(name)? else { return Ok(None) };
        let url = Url::parse(text.expose_secret())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        match Shape::of(text.expose_secret()).filter(|found| found.is_token()) {
            Some(found) => Err(EnvironmentError::Misplaced { variable, found: found.to_string() }),
            None => url.map(|_| Some(text)).ok_or(EnvironmentError::NoUrl { name }),
        }
    }

    /// Returns the secret, with the name of the variable, file or credential that held it.
    fn secret(
        &self,
        name: &'static str,
    ) -> Result<Option<(String, SecretString)>, EnvironmentError> {
        let in_file = format!("{name}_FILE");
        match ((self.lookup)(name), (self.lookup)(&in_file)) {
            (None, None) => self.credential(name),
            (Some(_), Some(_)) => Err(EnvironmentError::Both { name }),
            (Some(value), None) => {
                let text = one_word(name, value.into_encoded_bytes())?;
                Ok(Some((name.to_owned(), text)))
            }
            (None, Some(path)) if path.is_empty() => {
                Err(EnvironmentError::Empty { variable: in_file })
            }
            (None, Some(path)) => {
                // Without this check the error about an unreadable file would show the token.
                if path.to_str().and_then(Shape::of).is_some_and(Shape::is_token) {
                    return Err(EnvironmentError::TokenForPath { name });
                }
                let path = PathBuf::from(path);
                let variable = format!("{in_file} ({})", path.display());
                let bytes =
                    self.file(name, &path).map_err(|error| EnvironmentError::Unreadable {
                        name,
                        path: path.display().to_string(),
                        why: error.to_string(),
                    })?;
                let text = one_word(&variable, bytes)?;
                Ok(Some((variable, text)))
            }
        }
    }

    /// Reads a credential of systemd: `discord_token` for `LINKDOWN_DISCORD_TOKEN`, as the unit
    /// loads it. An empty credential counts as absent, because the unit sets one if the file does
    /// not exist.
    fn credential(
        &self,
        name: &'static str,
    ) -> Result<Option<(String, SecretString)>, EnvironmentError> {
        let Some(folder) = (self.lookup)(CREDENTIALS).filter(|folder| !folder.is_empty()) else {
            return Ok(None);
        };
        let path = PathBuf::from(folder).join(name.trim_start_matches("LINKDOWN_").to_lowercase());
        let variable = format!("the credential {}", path.display());
        match self.file(name, &path) {
            Ok(bytes) if bytes.trim_ascii().is_empty() => Ok(None),
            Ok(bytes) => Ok(Some((variable.clone(), one_word(&variable, bytes)?))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let path = path.display().to_string();
                Err(EnvironmentError::Unreadable { name, path, why: error.to_string() })
            }
        }
    }

    /// Reads a file, and notes it if every user may read or change it.
    fn file(&self, name: &'static str, path: &Path) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let found = file.metadata()?;
        if found.is_file() && found.mode() & 0o006 != 0 {
            let mode = found.mode() & 0o777;
            self.exposed.borrow_mut().push(ExposedFile { name, path: path.to_owned(), mode });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Returns the one word that a secret consists of. It becomes part of a header or a path, so spaces
/// and quotes are errors. The line end that editors add is removed.
fn one_word(variable: &str, bytes: Vec<u8>) -> Result<SecretString, EnvironmentError> {
    let no_token = || EnvironmentError::NoToken { variable: variable.to_owned() };
    let text = String::from_utf8(bytes).map_err(|_| no_token())?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(EnvironmentError::Empty { variable: variable.to_owned() });
    }
    let is_quoted = text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']);
    if is_quoted || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(no_token());
    }
    Ok(SecretString::from(text))
}

fn address(
    name: &'static str,
    lookup: &impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Url>, EnvironmentError> {
    let Some(value) = lookup(name) else { return Ok(None) };
    if value.is_empty() {
        return Err(EnvironmentError::Empty { variable: name.to_owned() });
    }
    let is_plain = |url: &Url| {
        let schemes: &[&str] =
            if name == "LINKDOWN_RIS_LIVE_URL" { &["ws", "wss"] } else { &["http", "https"] };
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
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
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
        let environment = read(&[
            ("LINKDOWN_RADAR_TOKEN_FILE", file.to_str().unwrap()),
            ("LINKDOWN_DISCORD_TOKEN", "abc"),
        ])
        .unwrap();
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
            why(&[("LINKDOWN_TELEGRAM_TOKEN_FILE", "/nowhere/token")]).starts_with(
                "LINKDOWN_TELEGRAM_TOKEN_FILE: cannot read /nowhere/token: No such file"
            )
        );
        assert!(
            why(&[("LINKDOWN_DISCORD_TOKEN", "")])
                .starts_with("LINKDOWN_DISCORD_TOKEN is set but empty")
        );
        assert!(
            why(&[("LINKDOWN_DISCORD_TOKEN_FILE", "")])
                .starts_with("LINKDOWN_DISCORD_TOKEN_FILE is set but")
        );
        let words = why(&[("LINKDOWN_DISCORD_TOKEN", "two s3cret words")]);
        assert!(
            words.starts_with("LINKDOWN_DISCORD_TOKEN holds no token") && !words.contains("s3cret")
        );
    }

    const DISCORD: &str = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs";
    const TELEGRAM: &str = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11";
    const RADAR: &str = "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY";

    #[test]
    fn a_token_in_the_wrong_place_is_recognised_and_not_shown() {
        let places = [
            ("LINKDOWN_DISCORD_TOKEN", DISCORD, "a Discord bot token"),
            ("LINKDOWN_TELEGRAM_TOKEN", TELEGRAM, "a Telegram bot token"),
            ("LINKDOWN_RADAR_TOKEN", RADAR, "a Cloudflare API token"),
        ];
        for (name, own, _) in places {
            read(&[(name, own)]).unwrap();
            for (_, token, kind) in places.into_iter().filter(|(other, ..)| *other != name) {
                let said = why(&[(name, token)]);
                assert!(
                    said.starts_with(&format!("{name} holds {kind} (it belongs into ")),
                    "{said}"
                );
                assert!(
                    said.contains("nobody was called with it") && !said.contains(token),
                    "{said}"
                );
            }
            let said = why(&[(&format!("{name}_FILE"), own)]);
            assert!(
                said.starts_with(&format!("{name}_FILE holds a token where the path")),
                "{said}"
            );
            assert!(!said.contains(own), "{said}");
            assert!(why(&[(name, "/run/secrets/token")]).contains("_FILE"));
            assert!(why(&[(name, "80351110224678912")]).contains("application id"));
            assert!(why(&[(name, &format!("\"{own}\""))]).contains("without quotes"));
            assert!(why(&[(name, &format!("Bot {own}"))]).contains("without `Bot `"));
            assert!(
                why(&[("LINKDOWN_HEARTBEAT_URL", own)])
                    .starts_with("LINKDOWN_HEARTBEAT_URL holds ")
            );
        }
    }

    #[test]
    fn a_secret_that_every_user_may_read_is_noted_and_one_of_a_group_is_not() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("discord.token");
        std::fs::write(&file, DISCORD).unwrap();
        for (mode, is_exposed) in [
            (0o600, false),
            (0o400, false),
            (0o440, false),
            (0o640, false),
            (0o644, true),
            (0o604, true),
            (0o602, true),
        ] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let exposed =
                read(&[("LINKDOWN_DISCORD_TOKEN_FILE", file.to_str().unwrap())]).unwrap().exposed;
            assert_eq!(exposed.len(), usize::from(is_exposed), "{mode:o}");
            let said: String = exposed.iter().map(ToString::to_string).collect();
            assert!(
                !is_exposed || (said.contains("chmod 600") && !said.contains(DISCORD)),
                "{said}"
            );
        }
    }

    #[test]
    fn a_credential_of_the_service_is_read_where_no_variable_is_set() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("discord_token"), format!("{DISCORD}\n")).unwrap();
        // The unit's default for a file that does not exist.
        std::fs::write(folder.path().join("telegram_token"), "\n").unwrap();
        let credentials = ("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap());
        let secrets = read(&[credentials]).unwrap().secrets;
        assert_eq!(secrets.discord_token.unwrap().expose_secret(), DISCORD);
        assert!(secrets.telegram_token.is_none() && secrets.radar_token.is_none());
        let secrets = read(&[credentials, ("LINKDOWN_DISCORD_TOKEN", "another")]).unwrap().secrets;
        assert_eq!(secrets.discord_token.unwrap().expose_secret(), "another");
        std::fs::write(folder.path().join("radar_token"), TELEGRAM).unwrap();
        let said = why(&[credentials]);
        assert!(
            said.starts_with("the credential ") && said.contains("a Telegram bot token"),
            "{said}"
        );
    }

    #[test]
    fn an_address_is_a_plain_http_url() {
        let environment = read(&[("LINKDOWN_IODA_URL", "http://127.0.0.1:8080/v2")]).unwrap();
        assert_eq!(
            environment.addresses.of_source("ioda").unwrap().as_str(),
            "http://127.0.0.1:8080/v2"
        );
        for wrong in [
            "ftp://example.org",
            "example.org",
            "https://user:s3cret@example.org",
            "https://example.org/?a=b",
        ] {
            let why = why(&[("LINKDOWN_RADAR_URL", wrong)]);
            assert!(
                why.starts_with("LINKDOWN_RADAR_URL is no address") && !why.contains("s3cret"),
                "{why}"
            );
        }
    }
}
