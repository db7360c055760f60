//! The shape of the file: keys and types as they are written, each value with its place.

use super::Storage;
use super::explain::{self, Place};
use crate::domain::Sensitivity;
use crate::schedule::Schedule;
use chrono_tz::Tz;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The contact until the operator sets one; the name is reserved for examples (RFC 2606).
pub const DEFAULT_CONTACT: &str = "https://linkdown.example/";
/// The least value of `raw_days`: the detector learns the normal values from two weeks, and reads
/// these again after it has lost a checkpoint.
const RAW_DAYS_AT_LEAST: u32 = 15;
const DEFAULT_RAW_DAYS: u32 = 45;
const DEFAULT_HOURLY_DAYS: u32 = 400;
const DEFAULT_PRUNE: &str = "30 3 * * *";

/// The whole file. Every table and key may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub linkdown: General,
    pub watch: Watch,
    pub sources: BTreeMap<Spanned<String>, Source>,
    pub storage: RawStorage,
    pub console: Console,
    pub access: RawAccess,
    pub telegram: RawTelegram,
    pub limits: RawLimits,
    pub probe: RawProbe,
    #[serde(rename = "ris-live")]
    pub ris_live: RawRisLive,
    pub operator: RawOperator,
    pub web: RawWeb,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOperator {
    pub chat: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTelegram {
    pub remove_webhook: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWeb {
    pub enabled: Option<bool>,
    pub listen: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProbe {
    pub enabled: Option<bool>,
    pub every_seconds: Option<Spanned<u32>>,
    pub timeout_seconds: Option<Spanned<u32>>,
    pub in_flight: Option<Spanned<u32>>,
    pub profiles: Vec<Spanned<String>>,
    pub allow_networks: Vec<Spanned<String>>,
    pub refuse_networks: Vec<Spanned<String>>,
    pub resolvers: Vec<Spanned<String>>,
    pub controls: Option<Spanned<String>>,
    pub target: Vec<RawTarget>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRisLive {
    pub enabled: Option<bool>,
    pub controls: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct General {
    contact: Option<Spanned<String>>,
    zone: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Watch {
    pub entities: Vec<Spanned<String>>,
    pub careful: Vec<Spanned<String>>,
    pub eager: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Source {
    pub enabled: Option<bool>,
    pub schedule: Option<Spanned<String>>,
    pub jitter_seconds: Option<Spanned<u32>>,
    pub max_concurrent: Option<Spanned<u32>>,
    pub calls_a_day: Option<Spanned<u32>>,
    pub controls: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStorage {
    raw_days: Option<Spanned<u32>>,
    hourly_days: Option<Spanned<u32>>,
    prune: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Console {
    sensitivity: Option<Sensitivity>,
    /// The older form of `sensitivity`: `true` means eager.
    from_suspected: bool,
}

impl Console {
    /// Returns the sensitivity in either form; `None` means that of each entity.
    pub fn sensitivity(&self) -> Option<Sensitivity> {
        self.sensitivity.or(self.from_suspected.then_some(Sensitivity::Eager))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAccess {
    pub who: Who,
    pub discord_servers: Vec<Spanned<String>>,
    pub telegram_chats: Vec<Spanned<String>>,
    pub owners: Vec<Spanned<String>>,
    pub max_subscriptions: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub per_server: Option<Spanned<u32>>,
    pub per_person: Option<Spanned<u32>>,
    pub in_all: Option<Spanned<u32>>,
    pub per_hour: Option<Spanned<u32>>,
    pub sites_in_flight: Option<Spanned<u32>>,
}

/// Parses the file without checking its values.
/// The value of `who`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// Everyone who adds the bot to a chat.
    #[default]
    Everyone,
    /// Only the listed servers and chats, and the owners.
    Listed,
}

/// A target as it is written in a profile or in the configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTarget {
    pub probe: Spanned<String>,
    pub entity: Option<Spanned<String>>,
    pub address: Option<Spanned<String>>,
    pub text: Option<Spanned<String>>,
    pub certificate: Option<Spanned<String>>,
    /// The name of the upstream network to which the host belongs, if it is outside of the entity.
    pub outside: Option<String>,
    pub why: Option<String>,
    pub known: Option<Spanned<String>>,
    /// Where the target was seen to work; a note that the program does not use.
    #[serde(default)]
    #[allow(dead_code)]
    pub source: String,
}

pub(super) fn read(text: &str) -> Result<Raw, Place> {
    toml::from_str(text).map_err(|error| explain::toml_error(text, &error))
}

/// Parses a cron line, or `default` if there is none; an error carries its place in the file.
pub(super) fn schedule(
    line: Option<&Spanned<String>>,
    default: &str,
    zone: Tz,
) -> Result<Schedule, Place> {
    let at = line.map_or(0, |line| line.span().start);
    let line = line.map_or(default, |line| line.get_ref());
    Schedule::parse(line, zone).map_err(|error| Place::new(at, error.to_string()))
}

impl Raw {
    /// Returns the time zone of cron lines; UTC if none is set.
    pub(super) fn zone(&self) -> Result<Tz, Place> {
        let Some(zone) = &self.linkdown.zone else { return Ok(Tz::UTC) };
        zone.get_ref().parse().map_err(|_| {
            let near = explain::nearest_zone(zone.get_ref());
            Place::new(zone.span().start, format!("unknown time zone `{}`{near}", zone.get_ref()))
        })
    }

    /// Returns the contact. It becomes part of a header, so only printable ASCII is valid.
    pub(super) fn contact(&self) -> Result<String, Place> {
        let Some(contact) = &self.linkdown.contact else { return Ok(DEFAULT_CONTACT.to_owned()) };
        let text = contact.get_ref().trim();
        if text.is_empty() || text.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            let message = "`contact` goes into the User-Agent: it must be plain ASCII, such as mailto:ops@example.org";
            return Err(Place::new(contact.span().start, message));
        }
        Ok(text.to_owned())
    }

    /// Checks the retention periods and the pruning schedule.
    pub(super) fn storage(&self, zone: Tz) -> Result<Storage, Place> {
        let RawStorage { raw_days, hourly_days, prune } = &self.storage;
        let at = |days: &Option<Spanned<u32>>| days.as_ref().map_or(0, |days| days.span().start);
        let raw = raw_days.as_ref().map_or(DEFAULT_RAW_DAYS, |days| *days.get_ref());
        let hourly =
            hourly_days.as_ref().map_or(DEFAULT_HOURLY_DAYS.max(raw), |days| *days.get_ref());
        if raw < RAW_DAYS_AT_LEAST {
            let why = "what is normal is learnt from 14 days";
            return Err(Place::new(
                at(raw_days),
                format!("`raw_days` must be {RAW_DAYS_AT_LEAST} or more: {why}"),
            ));
        }
        if hourly < raw {
            return Err(Place::new(
                at(hourly_days),
                format!("`hourly_days` must not be less than `raw_days` ({raw})"),
            ));
        }
        Ok(Storage {
            raw_days: raw,
            hourly_days: hourly,
            prune: schedule(prune.as_ref(), DEFAULT_PRUNE, zone)?,
        })
    }
}
