//! Parses a name of several words, or several entities: `north korea`, `KP IR AS131279`,
//! `North Korea, Iran and AS131279`.

use crate::domain::lookup::{self, LookupError};
use crate::domain::{Entity, Scope, Watchlist};

/// The most words that are tried as one name; no country's name has more.
const WORDS_OF_A_NAME: usize = 8;

/// Parses `all`, or a list of entities.
pub(super) fn scopes(text: &str, watchlist: &Watchlist) -> Result<Vec<Scope>, LookupError> {
    if is_all(text) {
        return Ok(vec![Scope::All]);
    }
    Ok(entities(text, watchlist)?.into_iter().map(Scope::One).collect())
}

/// Returns whether the text means everything that is watched, as typed or as completed: `all`,
/// `🌐 all that is watched`.
pub(super) fn is_all(text: &str) -> bool {
    let text = text.trim_start_matches('🌐').trim().to_lowercase();
    matches!(text.as_str(), "all" | "all that is watched" | "everything" | "anything")
}

/// Parses any number of entities and leaves out repetitions. Empty for a blank text.
pub(super) fn entities(text: &str, watchlist: &Watchlist) -> Result<Vec<Entity>, LookupError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    match find(text, watchlist, |_| true) {
        Some(found) => Ok(found),
        None => lookup::parse_in(text, watchlist).map(|entity| vec![entity]),
    }
}

/// Returns the entities that a text names, or `None` if one of its words belongs to none. `is_name`
/// decides whether a single word may be a name.
pub(super) fn find(
    text: &str,
    watchlist: &Watchlist,
    is_name: impl Fn(&str) -> bool,
) -> Option<Vec<Entity>> {
    // An article is not part of a name: `the is` is a name as little as `is` is.
    let may_be_one = |name: &str| {
        let mut bare = name.split_whitespace().filter(|word| !word.eq_ignore_ascii_case("the"));
        bare.next().is_none_or(|first| bare.next().is_some() || is_name(first))
    };
    if let Some(entity) = lookup::find(text, watchlist)
        && may_be_one(text)
    {
        return Some(vec![entity]);
    }
    let text = apart(text);
    let words: Vec<&str> =
        text.split([' ', ',', ';', '\n', '\t']).filter(|word| !word.is_empty()).collect();
    let mut found: Vec<Entity> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if matches!(words[at].to_lowercase().as_str(), "and" | "or" | "&" | "+") {
            at += 1;
            continue;
        }
        let longest = (words.len() - at).min(WORDS_OF_A_NAME);
        // The longest name wins: `guinea bissau` is one entity, `north korea iran` are two.
        let (length, entity) = (1..=longest).rev().find_map(|length| {
            let name = words[at..at + length].join(" ");
            if !may_be_one(&name) {
                return None;
            }
            Some((length, lookup::find(&name, watchlist)?))
        })?;
        if !found.contains(&entity) {
            found.push(entity);
        }
        at += length;
    }
    (!found.is_empty()).then_some(found)
}

/// Puts a space between adjacent flags.
fn apart(text: &str) -> String {
    let mut apart = String::with_capacity(text.len());
    let mut letters = 0;
    for c in text.chars() {
        let is_of_a_flag = ('\u{1f1e6}'..='\u{1f1ff}').contains(&c);
        if is_of_a_flag && letters == 2 {
            apart.push(' ');
            letters = 0;
        }
        letters = if is_of_a_flag { letters + 1 } else { 0 };
        apart.push(c);
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let found = entities(text, &Watchlist::default());
        found.map_or_else(
            |error| vec![error.to_string()],
            |found| found.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn a_list_may_hold_names_of_several_words_as_they_are_shown() {
        assert_eq!(
            names("North Korea, Iran and AS131279"),
            ["country/KP", "country/IR", "asn/131279"]
        );
        assert_eq!(names("KP 🇮🇷 Iran (IR)"), ["country/KP", "country/IR"]);
        assert_eq!(names("🇰🇵 North Korea (KP) 🇮🇷 Iran (IR)"), ["country/KP", "country/IR"]);
        assert_eq!(names("AS131279 (Star JV) KP"), ["asn/131279", "country/KP"]);
        assert_eq!(names("trinidad and tobago guinea bissau"), ["country/TT", "country/GW"]);
        assert_eq!(names("AS 131279"), ["asn/131279"]);
        assert_eq!(names("🇰🇵🇮🇷"), ["country/KP", "country/IR"]);
        assert_eq!(names("KP 🇮🇷"), ["country/KP", "country/IR"]);
        assert!(names("nort korea")[0].contains("did you mean North Korea (KP)"));
        assert!(
            names("and")[0].contains("AND") || names("and") == ["country/AD"],
            "{:?}",
            names("and")
        );
    }

    #[test]
    fn everything_has_several_names() {
        for text in ["all", "ALL", "🌐 all that is watched", "everything"] {
            assert!(is_all(text), "{text}");
        }
        assert!(!is_all("all of it") && !is_all(""));
    }
}
