//! The sources with their settings from the configuration and the environment.

use super::StartError;
use crate::clock::Clock;
use crate::config::{Addresses, Config, Secrets};
use crate::source::feed::Feed;
use crate::source::http::{Base, Http, Timeouts};
use crate::source::{self, Settings};

/// Returns every source with its settings, including those that are off, with the reason.
pub fn feeds(
    config: &Config,
    secrets: &Secrets,
    addresses: &Addresses,
    clock: &Clock,
    timeouts: Timeouts,
) -> Result<Vec<Feed>, StartError> {
    let failed = |name: &'static str| move |error| StartError::Source { name, error };
    let http = Http::new(&config.contact, timeouts, clock.clone()).map_err(failed("http"))?;
    let mut feeds = Vec::new();
    for source in source::all(&Settings { operator: operator(&config.contact) }) {
        let about = source.about();
        let Some(settings) = config.source(about.name) else { continue };
        let token = secrets.of_source(about.name);
        let off = match about.token_variable {
            _ if !settings.enabled => Some("switched off in the configuration".to_owned()),
            Some(variable) if token.is_none() => Some(format!("no token; put one into {variable}")),
            _ => None,
        };
        let address = addresses.of_source(about.name);
        let base = Base::new(about, address.map(reqwest::Url::as_str), token.cloned())
            .map_err(failed(about.name))?;
        feeds.push(Feed {
            base: off.is_none().then_some(base),
            http: http.clone(),
            off,
            schedule: settings.schedule.clone(),
            jitter: settings.jitter,
            controls: settings.controls.clone(),
            calls_a_day: settings.calls_a_day,
            source,
        });
    }
    Ok(feeds)
}

/// Returns the contact in the characters that RIPEstat allows for the name of an application, at
/// most 40.
pub(super) fn operator(contact: &str) -> String {
    contact
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(40)
        .collect()
}
