//! The dashboard and the rules that are shipped speak of metrics that there are.

use super::{KP, Place};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;

/// Every `linkdown_…` name in a text.
fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("linkdown_") {
        let is_inside = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let name: String =
            text[at..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        if !is_inside && !text[at + name.len()..].starts_with('(') {
            names.insert(name);
        }
    }
    names
}

#[test]
fn the_dashboard_and_the_rules_name_what_is_served() {
    let port = super::care::port();
    let place = Place::new().watching(&format!("{KP}[web]\nlisten = '127.0.0.1:{port}'\n"));
    let mut bot = place.starts("run");
    bot.says("health and metrics are served");
    bot.says("cannot be reached");
    let served = super::care::get(port, "/metrics");
    bot.stops_by(Signal::SIGTERM);
    // Of these there is nothing to say while no source has answered and nothing is wrong.
    let unsaid =
        ["linkdown_clock_ahead_seconds", "linkdown_source_newest_age_seconds", "linkdown_trouble"];
    let described =
        |name: &str| served.contains(&format!("# HELP {name} ")) || unsaid.contains(&name);
    let (rules, dashboard) = (
        include_str!("../../../docs/monitoring/linkdown.rules.yml"),
        include_str!("../../../docs/monitoring/grafana.json"),
    );
    for (file, text) in [("the rules", rules), ("the dashboard", dashboard)] {
        let named = names(text);
        assert!(named.len() >= 6, "{file}: {named:?}");
        for name in named {
            assert!(described(&name), "{file} speak of {name}, which is not served:\n{served}");
        }
    }
    assert!(serde_json::from_str::<serde_json::Value>(dashboard).is_ok());
}
