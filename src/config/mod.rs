//! The configuration: TOML in, checked settings out. An empty file is valid; every error says file and line.

pub mod access;
pub mod budget;
mod controls;
mod expected;
mod explain;
pub mod limits;
mod monitoring;
pub mod probe;
pub mod profile;
mod raw;
pub mod secrets;
pub mod sources;
pub mod token_shape;
mod warnings;
mod watch;

pub use access::Access;
pub use limits::Limits;
pub use probe::{ProbeSettings, RisLiveSettings};
pub use profile::Profile;
pub use raw::DEFAULT_CONTACT;
pub use secrets::{Addresses, Environment, EnvironmentError, ExposedFile, Secrets};
pub use sources::SourceSettings;
pub use watch::Watched;

use crate::domain::Sensitivity;
use crate::schedule::Schedule;
use chrono_tz::Tz;
use explain::Place;
use std::net::SocketAddr;
use std::path::Path;

/// The shipped configuration: what a bare `linkdown` watches where no file stands at the default place.
pub const SHIPPED: &str = include_str!("../../config/linkdown.toml");

/// Checked settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who runs this bot, for the User-Agent: an address or a URL.
    pub contact: String,
    /// In which the cron lines are meant.
    pub zone: Tz,
    /// The watchlist, in the order of the file; then what profiles and targets name beside it.
    pub watch: Vec<Watched>,
    /// Every known source, in the order of [`sources::KNOWN`]; also those switched off.
    pub sources: Vec<SourceSettings>,
    pub storage: Storage,
    pub console: Console,
    pub access: Access,
    pub telegram: TelegramSettings,
    pub limits: Limits,
    pub probe: ProbeSettings,
    pub ris_live: RisLiveSettings,
    /// The chat of the person who runs this bot: platform and address.
    pub operator: Option<(String, String)>,
    /// Where metrics and health are served.
    pub web: Option<SocketAddr>,
}

/// How long observations, and what was told of them, are kept. Incidents and their evidence are kept for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// As they were received.
    pub raw_days: u32,
    /// As hourly summaries; and who was told what of incidents that are over.
    pub hourly_days: u32,
    /// When what is older is removed.
    pub prune: Schedule,
}

/// What the bot may change on Telegram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TelegramSettings {
    /// Remove a webhook that another program left on the token: while it is set no command arrives.
    pub remove_webhook: bool,
}

/// What the console hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Console {
    /// How sure it must be; as for each entity where not said.
    pub sensitivity: Option<Sensitivity>,
}

/// Why a configuration is not taken. One line, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: no such file; name another one with --config FILE")]
    NotFound { path: String },
    #[error("{path}: cannot be read: {why}")]
    Unreadable { path: String, why: String },
    #[error("{path}:{line}: not UTF-8; save the file as UTF-8")]
    NotUtf8 { path: String, line: usize },
    #[error("{path}:{line}: {message}")]
    At { path: String, line: usize, message: String },
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ConfigError::NotFound { path: shown.clone() },
            _ => ConfigError::Unreadable { path: shown.clone(), why: error.to_string() },
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            ConfigError::NotUtf8 {
                path: shown.clone(),
                line: explain::line_of(error.as_bytes(), good),
            }
        })?;
        Self::parse(&text, &shown)
    }

    /// Checks `text`; `shown_path` is the name by which errors call it.
    pub fn parse(text: &str, shown_path: &str) -> Result<Self, ConfigError> {
        let folder = Path::new(shown_path).parent().unwrap_or(Path::new(""));
        Self::checked(text, folder).map_err(|place| ConfigError::At {
            path: shown_path.to_owned(),
            line: explain::line_of(text.as_bytes(), place.at),
            message: place.message,
        })
    }

    /// `folder` is where files that it names are looked for.
    fn checked(text: &str, folder: &Path) -> Result<Self, Place> {
        let raw = raw::read(text)?;
        let zone = raw.zone()?;
        let probe = probe::check(&raw.probe, folder)?;
        let watch = watch::check(&raw.watch, probe.entities())?;
        let sources = sources::check(&raw.sources, zone)?;
        let storage = raw.storage(zone)?;
        let config = Self {
            contact: raw.contact()?,
            zone,
            watch,
            sources,
            storage,
            console: Console { sensitivity: raw.console.sensitivity() },
            access: access::check(&raw.access)?,
            telegram: TelegramSettings { remove_webhook: raw.telegram.remove_webhook },
            limits: limits::check(&raw.limits)?,
            probe,
            ris_live: probe::ris_live(&raw.ris_live)?,
            operator: monitoring::operator(&raw.operator)?,
            web: monitoring::web(&raw.web)?,
        };
        budget::check(&config, &raw)?;
        Ok(config)
    }

    /// The settings of a source by its name.
    pub fn source(&self, name: &str) -> Option<&SourceSettings> {
        self.sources.iter().find(|source| source.name == name)
    }
}

#[cfg(test)]
mod tests;
