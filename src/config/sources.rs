//! The settings of each source, with defaults that respect the limits of the source's operators.

use super::explain::{self, Place};
use super::raw;
use crate::domain::{Entity, Seconds};
use crate::schedule::Schedule;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use toml::Spanned;

/// How and when a source is queried.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSettings {
    /// The source's name: `ioda`, `ripestat` or `radar`.
    pub name: &'static str,
    /// Whether the source is queried at all.
    pub enabled: bool,
    /// When the source is polled.
    pub schedule: Schedule,
    /// The longest random wait after each firing, in seconds, so that all bots in the world do not
    /// call at once.
    pub jitter: Seconds,
    /// The largest number of concurrent calls, at least 1.
    pub max_concurrent: usize,
    /// The largest number of calls in 24 hours; `None` means no limit.
    pub calls_a_day: Option<u32>,
    /// Large, stable entities that are polled only to see whether the source itself has a fault.
    /// They are never alerted on.
    pub controls: Vec<Entity>,
}

/// The defaults of a source, used where the file sets nothing.
#[derive(Debug)]
pub struct Known {
    /// The name of the table below `[sources]`.
    pub name: &'static str,
    schedule: &'static str,
    jitter: u32,
    max_concurrent: u32,
    calls_a_day: Option<u32>,
    controls: &'static [&'static str],
}

/// Every known source. A new source adds an entry here.
pub const KNOWN: [Known; 3] = [
    Known {
        name: "ioda",
        schedule: "*/5 * * * *",
        jitter: 60,
        // IODA documents no limit; its neighbours keep to one call at a time.
        max_concurrent: 1,
        calls_a_day: None,
        controls: &["country/US", "country/DE", "country/JP"],
    },
    Known {
        name: "ripestat",
        schedule: "*/5 * * * *",
        jitter: 60,
        // The RIPE NCC allows at most 8 concurrent calls, and asks to be notified before more than
        // 1,000 calls a day.
        max_concurrent: 2,
        calls_a_day: Some(1000),
        controls: &["country/NL", "country/JP", "prefix/193.0.0.0/21"],
    },
    Known {
        name: "radar",
        schedule: "*/15 * * * *",
        jitter: 60,
        max_concurrent: 2,
        calls_a_day: None,
        controls: &["country/US", "country/DE", "country/JP"],
    },
];

/// More concurrent calls than this are impolite to every source.
const CONCURRENT_AT_MOST: u32 = 8;
const JITTER_AT_MOST: u32 = 3600;

pub(super) fn check(
    raw: &BTreeMap<Spanned<String>, raw::Source>,
    zone: Tz,
) -> Result<Vec<SourceSettings>, Place> {
    if let Some(name) =
        raw.keys().find(|name| KNOWN.iter().all(|known| known.name != name.get_ref()))
    {
        let names = KNOWN.each_ref().map(|known| known.name);
        let near = explain::did_you_mean_or(name.get_ref(), &names, |all| {
            format!("; the sources are {all}")
        });
        return Err(Place::new(
            name.span().start,
            format!("unknown source `{}` in [sources]{near}", name.get_ref()),
        ));
    }
    let silent = raw::Source::default();
    KNOWN
        .iter()
        .map(|known| {
            let raw = raw
                .iter()
                .find(|(name, _)| name.get_ref() == known.name)
                .map_or(&silent, |(_, raw)| raw);
            settings(known, raw, zone)
        })
        .collect()
}

fn settings(known: &Known, raw: &raw::Source, zone: Tz) -> Result<SourceSettings, Place> {
    let max_concurrent =
        within(raw.max_concurrent.as_ref(), "max_concurrent", 1, CONCURRENT_AT_MOST)?;
    let jitter = within(raw.jitter_seconds.as_ref(), "jitter_seconds", 0, JITTER_AT_MOST)?;
    let calls_a_day = within(raw.calls_a_day.as_ref(), "calls_a_day", 1, u32::MAX)?;
    let controls = match &raw.controls {
        Some(controls) => controls.iter().map(super::watch::entity_at).collect::<Result<_, _>>()?,
        None => known.controls.iter().filter_map(|control| control.parse().ok()).collect(),
    };
    Ok(SourceSettings {
        name: known.name,
        enabled: raw.enabled.unwrap_or(true),
        schedule: raw::schedule(raw.schedule.as_ref(), known.schedule, zone)?,
        jitter: jitter.unwrap_or(known.jitter).into(),
        max_concurrent: max_concurrent.unwrap_or(known.max_concurrent) as usize,
        calls_a_day: calls_a_day.or(known.calls_a_day),
        controls,
    })
}

/// Returns the number if it is within its bounds, or an error with its place. `None` stays `None`.
pub(super) fn within(
    number: Option<&Spanned<u32>>,
    key: &str,
    least: u32,
    most: u32,
) -> Result<Option<u32>, Place> {
    let Some(number) = number else { return Ok(None) };
    if (least..=most).contains(number.get_ref()) {
        return Ok(Some(*number.get_ref()));
    }
    let bounds = if most == u32::MAX {
        format!("{least} or more")
    } else {
        format!("from {least} to {most}")
    };
    Err(Place::new(
        number.span().start,
        format!("`{key}` must be {bounds}, not {}", number.get_ref()),
    ))
}
