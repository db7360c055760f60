//! The settings of the bot's own measurements: the probes, and the live routes.

use super::explain::Place;
use super::profile::{self, Profile};
use super::sources::within;
use super::watch::entity_at;
use super::{controls, raw};
use crate::domain::{Control, Entity, Seconds, Target};
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// The default interval of a target in seconds. The links of a small country are thin, so only the
/// operator can make it shorter.
const EVERY: u32 = 60;
const EVERY_AT_LEAST: u32 = 10;
const EVERY_AT_MOST: u32 = 3600;
/// The default number of concurrent probes.
const IN_FLIGHT: u32 = 64;
const IN_FLIGHT_AT_MOST: u32 = 4096;
/// The default limit for one whole attempt, in seconds.
const TIMEOUT: u32 = 10;
/// An attempt and its repetition must end before the next round begins.
const TIMEOUT_AT_MOST: u32 = 25;
/// Stable blocks of independent operators, seen by all full-table peers. They show whether the
/// stream itself is complete.
const ROUTE_CONTROLS: [&str; 4] =
    ["prefix/193.0.0.0/21", "prefix/198.41.0.0/24", "prefix/202.12.27.0/24", "prefix/192.5.5.0/24"];

/// The `[probe]` table: the targets of the bot's own probes, and how they are probed.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSettings {
    /// Whether anything is probed at all.
    pub enabled: bool,
    /// The time from one probe of a target to the next, in seconds.
    pub every: Seconds,
    /// The most probes at the same time.
    pub in_flight: usize,
    /// The limit for one attempt, from the name lookup to the answer.
    pub timeout: Duration,
    /// The targets of all profiles, then those of the configuration.
    pub targets: Vec<Target>,
    /// The profiles that the configuration names, in its order.
    pub profiles: Vec<Profile>,
    /// Networks that may be probed although they are private.
    pub allowed: Vec<IpNet>,
    /// Networks that are never probed although they are public.
    pub refused: Vec<IpNet>,
    /// The resolvers for names; if empty, those of the system.
    pub resolvers: Vec<IpAddr>,
    /// The hosts that show whether the bot's own connection works.
    pub controls: Vec<Control>,
}

impl ProbeSettings {
    /// Returns the entities of the profiles and targets, in the order of the file; none if probing
    /// is switched off.
    pub(super) fn entities(&self) -> impl Iterator<Item = &Entity> {
        let profiles = self.profiles.iter().map(|profile| &profile.entity);
        profiles.chain(self.targets.iter().map(|target| &target.entity)).filter(|_| self.enabled)
    }
}

/// The `[ris-live]` table: the live route stream.
#[derive(Clone, Debug, PartialEq)]
pub struct RisLiveSettings {
    /// Whether the stream is followed.
    pub enabled: bool,
    /// Stable blocks that show whether the stream itself is complete.
    pub controls: Vec<Entity>,
}

/// Checks the `[probe]` table. Files that it names are relative to `folder`.
pub(super) fn check(raw: &raw::RawProbe, folder: &Path) -> Result<ProbeSettings, Place> {
    let profiles: Vec<Profile> =
        raw.profiles.iter().map(|name| profile::find(name, folder)).collect::<Result<_, _>>()?;
    let mut targets: Vec<Target> =
        profiles.iter().flat_map(|profile| profile.targets.clone()).collect();
    for target in &raw.target {
        targets.push(target.check(None)?);
    }
    let every = within(raw.every_seconds.as_ref(), "every_seconds", EVERY_AT_LEAST, EVERY_AT_MOST)?
        .unwrap_or(EVERY);
    let timeout = within(raw.timeout_seconds.as_ref(), "timeout_seconds", 1, TIMEOUT_AT_MOST)?
        .unwrap_or(TIMEOUT);
    let in_flight =
        within(raw.in_flight.as_ref(), "in_flight", 1, IN_FLIGHT_AT_MOST)?.unwrap_or(IN_FLIGHT);
    Ok(ProbeSettings {
        enabled: raw.enabled.unwrap_or(true),
        every: every.into(),
        in_flight: in_flight as usize,
        timeout: Duration::from_secs(timeout.into()),
        targets,
        profiles,
        allowed: raw.allow_networks.iter().map(network).collect::<Result<_, _>>()?,
        refused: raw.refuse_networks.iter().map(network).collect::<Result<_, _>>()?,
        resolvers: raw.resolvers.iter().map(resolver).collect::<Result<_, _>>()?,
        controls: controls::find(raw.controls.as_ref(), folder)?,
    })
}

/// Checks the `[ris-live]` table.
pub(super) fn ris_live(raw: &raw::RawRisLive) -> Result<RisLiveSettings, Place> {
    let controls = match &raw.controls {
        Some(controls) => controls.iter().map(entity_at).collect::<Result<_, _>>()?,
        None => ROUTE_CONTROLS.iter().filter_map(|control| control.parse().ok()).collect(),
    };
    Ok(RisLiveSettings { enabled: raw.enabled.unwrap_or(true), controls })
}

fn network(text: &Spanned<String>) -> Result<IpNet, Place> {
    crate::domain::entity::prefix(text.get_ref()).ok_or_else(|| {
        Place::new(
            text.span().start,
            format!("`{}` is no network, such as 10.20.0.0/16", text.get_ref()),
        )
    })
}

fn resolver(text: &Spanned<String>) -> Result<IpAddr, Place> {
    text.get_ref().parse().map_err(|_| {
        Place::new(
            text.span().start,
            format!("`{}` is no address of a resolver, such as 9.9.9.9", text.get_ref()),
        )
    })
}
