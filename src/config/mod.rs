//! The configuration: reads TOML and returns checked settings. An empty file is valid, and every
//! error names file and line.

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

/// The shipped configuration: a bare `linkdown` uses it if no file exists at the default path.
pub const SHIPPED: &str = include_str!("../../config/linkdown.toml");

/// The checked settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The operator's address or URL, sent in the User-Agent.
    pub contact: String,
    /// The time zone of the cron lines.
    pub zone: Tz,
    /// The watchlist: the entities of the file in its order, then the other entities of profiles
    /// and targets.
    pub watch: Vec<Watched>,
    /// Every known source in the order of [`sources::KNOWN`], including those that are switched
    /// off.
    pub sources: Vec<SourceSettings>,
    /// How long data is kept.
    pub storage: Storage,
    /// The subscription of the console.
    pub console: Console,
    /// Who may use the bot.
    pub access: Access,
    /// What the bot may change on Telegram.
    pub telegram: TelegramSettings,
    /// How much chats may add to the watchlist.
    pub limits: Limits,
    /// The bot's own probes.
    pub probe: ProbeSettings,
    /// The live route stream.
    pub ris_live: RisLiveSettings,
    /// The operator's chat: platform and address.
    pub operator: Option<(String, String)>,
    /// The address that serves health and metrics; `None` if they are not served.
    pub web: Option<SocketAddr>,
}

/// How long observations and deliveries are kept. Incidents and their evidence are kept forever.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// Days for which observations are kept as they were received.
    pub raw_days: u32,
    /// Days for which the hourly summaries are kept, and the deliveries of incidents that are over.
    pub hourly_days: u32,
    /// When older data is removed.
    pub prune: Schedule,
}

/// What the bot may change on Telegram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TelegramSettings {
    /// Whether the bot removes a webhook that another program has set for the token. While one is
    /// set, no command arrives.
    pub remove_webhook: bool,
}

/// The subscription of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Console {
    /// The confidence that an alert needs; `None` means the sensitivity of each entity.
    pub sensitivity: Option<Sensitivity>,
}

/// The reason why a configuration is rejected: one line, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No file exists at the path.
    #[error("{path}: no such file; name another one with --config FILE")]
    NotFound {
        /// The path as it was given.
        path: String,
    },
    /// The file exists and cannot be read.
    #[error("{path}: cannot be read: {why}")]
    Unreadable {
        /// The path as it was given.
        path: String,
        /// The error of the system.
        why: String,
    },
    /// The file is not text in UTF-8.
    #[error("{path}:{line}: not UTF-8; save the file as UTF-8")]
    NotUtf8 {
        /// The path as it was given.
        path: String,
        /// The line of the first bad byte, from 1.
        line: usize,
    },
    /// A line is not valid.
    #[error("{path}:{line}: {message}")]
    At {
        /// The path as it was given.
        path: String,
        /// The line of the error, from 1.
        line: usize,
        /// The error, without its place.
        message: String,
    },
}

impl Config {
    /// Reads and checks the file at `path`. Files that it names are relative to its folder.
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

    /// Checks `text`. Errors show it as `shown_path`, whose folder is the base of the files that it
    /// names.
    pub fn parse(text: &str, shown_path: &str) -> Result<Self, ConfigError> {
        let folder = Path::new(shown_path).parent().unwrap_or(Path::new(""));
        Self::checked(text, folder).map_err(|place| ConfigError::At {
            path: shown_path.to_owned(),
            line: explain::line_of(text.as_bytes(), place.at),
            message: place.message,
        })
    }

    /// Checks `text`; `folder` is the base of the files that it names.
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

    /// Returns the settings of a source by its name.
    pub fn source(&self, name: &str) -> Option<&SourceSettings> {
        self.sources.iter().find(|source| source.name == name)
    }
}

#[cfg(test)]
mod tests;
