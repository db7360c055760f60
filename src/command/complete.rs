//! What may stand where a person is typing: names with flags, zones.

use super::Desk;
use crate::domain::lookup::display_name;
use crate::domain::{Entity, country};

/// As many as a platform shows.
const AT_MOST: usize = 25;

impl Desk {
    /// `(shown, typed)` for an option that names entities. Of several words the last is completed.
    pub fn complete_what(&self, typed: &str) -> Vec<(String, String)> {
        let (before, last) = match typed.rsplit_once(' ') {
            // A name of several words is completed as one.
            Some((before, last)) if !is_a_beginning(typed) => (format!("{before} "), last),
            _ => (String::new(), typed),
        };
        let said = last.trim().to_lowercase();
        let mut found: Vec<(String, String)> = Vec::new();
        let mut push = |shown: String, typed: String| {
            let typed = format!("{before}{typed}");
            let shown: String = format!("{before}{shown}").chars().take(100).collect();
            if typed.chars().count() <= 100 && !found.iter().any(|(_, known)| *known == typed) {
                found.push((shown, typed));
            }
        };
        if "all".starts_with(&said) && before.is_empty() {
            push("🌐 all that is watched".to_owned(), "all".to_owned());
        }
        for watched in self.watchlist.configured() {
            let name = watched.name.clone().unwrap_or_else(|| display_name(&watched.entity));
            let short = short(&watched.entity);
            if name.to_lowercase().starts_with(&said) || short.to_lowercase().starts_with(&said) {
                let flag = flag(&watched.entity);
                push(if name == short { format!("{flag}{name}") } else { format!("{flag}{name} ({short})") }, short);
            }
        }
        let by_code = |country: &&country::Country| country.code.as_str().to_lowercase() == said;
        let by_name = |country: &&country::Country| {
            country.name.to_lowercase().starts_with(&said)
                || country.aliases.iter().any(|alias| alias.to_lowercase().starts_with(&said))
        };
        let within = |country: &&country::Country| said.len() > 2 && country.name.to_lowercase().contains(&said);
        for country in country::all()
            .iter()
            .filter(by_code)
            .chain(country::all().iter().filter(by_name))
            .chain(country::all().iter().filter(within))
        {
            push(format!("{} {} ({})", country.flag(), country.name, country.code), country.code.to_string());
        }
        found.truncate(AT_MOST);
        found
    }

    /// The zones that hold what was typed, those that begin with it first.
    pub fn complete_zone(typed: &str) -> Vec<(String, String)> {
        let said = typed.trim().to_lowercase().replace(' ', "_");
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let begins = names().filter(|name| name.to_lowercase().starts_with(&said));
        let city = names().filter(|name| name.to_lowercase().split('/').skip(1).any(|part| part.starts_with(&said)));
        let mut found: Vec<(String, String)> = Vec::new();
        for name in begins.chain(city) {
            if found.len() < AT_MOST && !found.iter().any(|(_, known)| known == name) {
                found.push((name.to_owned(), name.to_owned()));
            }
        }
        found
    }
}

/// Whether some country's name begins so.
fn is_a_beginning(typed: &str) -> bool {
    let said = typed.trim_start().to_lowercase();
    country::all().iter().any(|country| country.name.to_lowercase().starts_with(&said))
}

fn short(entity: &Entity) -> String {
    entity.country().map_or_else(|| display_name(entity), |code| code.to_string())
}

fn flag(entity: &Entity) -> String {
    let country = entity.country().and_then(country::by_code);
    country.map_or_else(String::new, |country| format!("{} ", country.flag()))
}
