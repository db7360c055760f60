//! The settings of our own eyes: what is probed how often, and which live routes are followed.

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

/// A small country's links are thin: no target is asked more often than this unless the operator says so.
const EVERY: u32 = 60;
const EVERY_AT_LEAST: u32 = 10;
const EVERY_AT_MOST: u32 = 3600;
/// Probes under way at one time.
const IN_FLIGHT: u32 = 64;
const IN_FLIGHT_AT_MOST: u32 = 4096;
/// How long one attempt may take in all.
const TIMEOUT: u32 = 10;
/// An attempt and its repetition must end before the next round does.
const TIMEOUT_AT_MOST: u32 = 25;
/// Calm blocks of operators apart, seen by all full-table peers: they show whether the stream itself is whole.
const ROUTE_CONTROLS: [&str; 4] =
    ["prefix/193.0.0.0/21", "prefix/198.41.0.0/24", "prefix/202.12.27.0/24", "prefix/192.5.5.0/24"];

/// How and what our own probes ask.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSettings {
    pub enabled: bool,
    /// From one probe of a target to the next.
    pub every: Seconds,
    pub in_flight: usize,
    pub timeout: Duration,
    pub targets: Vec<Target>,
    pub profiles: Vec<Profile>,
    /// Networks that may be probed although they are private.
    pub allowed: Vec<IpNet>,
    /// Networks that are not probed although they are public.
    pub refused: Vec<IpNet>,
    /// Who resolves names; empty: those of the system.
    pub resolvers: Vec<IpAddr>,
    pub controls: Vec<Control>,
}

impl ProbeSettings {
    /// Returns the entities of which profiles and targets speak, in the order of the file; none
    /// where nothing is probed.
    pub(super) fn entities(&self) -> impl Iterator<Item = &Entity> {
        let profiles = self.profiles.iter().map(|profile| &profile.entity);
        profiles.chain(self.targets.iter().map(|target| &target.entity)).filter(|_| self.enabled)
    }
}

/// The live route stream.
#[derive(Clone, Debug, PartialEq)]
pub struct RisLiveSettings {
    pub enabled: bool,
    pub controls: Vec<Entity>,
}

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
