//! Completion by Tab at the console: commands, and the names of countries and of watched entities.

use crate::command::WORDS;
use crate::domain::lookup::display_name;
use crate::domain::{Watchlist, country};

/// The most choices shown; more do not help anybody.
const AT_MOST: usize = 25;
/// The commands that take names.
const TAKE_NAMES: [&str; 7] =
    ["status", "why", "subscribe", "unsubscribe", "mute", "unmute", "history"];
/// The commands that also take `all`.
const TAKE_ALL: [&str; 4] = ["subscribe", "unsubscribe", "mute", "unmute"];
/// Words that only the console accepts.
const OF_THE_CONSOLE: [&str; 2] = ["quit", "exit"];

/// The completions at the end of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Completions {
    /// The byte offset from which the line is replaced.
    pub from: usize,
    /// Pairs of the text shown and the text inserted.
    pub found: Vec<(String, String)>,
}

/// Returns the completions at the end of a line.
pub(super) fn complete(line: &str, watchlist: Option<&Watchlist>) -> Completions {
    let begin = line.len() - line.trim_start().trim_start_matches('/').len();
    let typed = &line[begin..];
    let Some((word, rest)) = typed.split_once(char::is_whitespace) else {
        let words = WORDS.iter().chain(&OF_THE_CONSOLE).filter(|word| starts_with(word, typed));
        return Completions {
            from: begin,
            found: words.map(|word| ((*word).to_owned(), format!("{word} "))).collect(),
        };
    };
    let word = word.to_lowercase();
    let names = rest.trim_start();
    if word == "help" {
        let words = WORDS.iter().filter(|known| starts_with(known, names));
        let found = words.map(|word| ((*word).to_owned(), (*word).to_owned())).collect();
        return Completions { from: line.len() - names.len(), found };
    }
    if !TAKE_NAMES.contains(&word.as_str()) {
        return Completions { from: line.len(), found: Vec::new() };
    }
    // A name of several words is completed as one: the longest end of the line that begins a name
    // is taken.
    let takes_all = TAKE_ALL.contains(&word.as_str());
    let begins = names.match_indices([' ', ',']).map(|(at, blank)| at + blank.len());
    let ends = std::iter::once(0).chain(begins).map(|at| &names[at..]);
    ends.map(|begun| Completions {
        from: line.len() - begun.len(),
        found: entities(begun, takes_all, watchlist),
    })
    .find(|completions| !completions.found.is_empty())
    .unwrap_or_default()
}

fn entities(begun: &str, takes_all: bool, watchlist: Option<&Watchlist>) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut offer = |shown: String, typed: String, names: &[&str]| {
        let is_meant = names.iter().any(|name| starts_with(name, begun));
        if is_meant && found.len() < AT_MOST && !found.iter().any(|(_, known)| *known == typed) {
            found.push((shown, typed));
        }
    };
    if takes_all {
        offer("all".to_owned(), "all".to_owned(), &["all"]);
    }
    for watched in watchlist
        .into_iter()
        .flat_map(Watchlist::configured)
        .filter(|it| it.entity.country().is_none())
    {
        let short = display_name(&watched.entity);
        let name = watched.name.clone().unwrap_or_else(|| short.clone());
        let shown = if name == short { name.clone() } else { format!("{name} ({short})") };
        offer(shown, short.clone(), &[&short, &name]);
    }
    // A country whose code was typed in full comes before names that begin with it.
    let by_code =
        country::all().iter().filter(|country| country.code.as_str().eq_ignore_ascii_case(begun));
    for country in by_code.chain(country::all()) {
        let code = country.code.to_string();
        let names: Vec<&str> = [country.name, code.as_str()]
            .into_iter()
            .chain(country.aliases.iter().copied())
            .collect();
        offer(format!("{} ({code})", country.name), code.clone(), &names);
    }
    found
}

fn starts_with(name: &str, begun: &str) -> bool {
    name.to_lowercase().starts_with(&begun.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Vec<String> {
        let Completions { from, found } = complete(line, None);
        found.into_iter().map(|(_, typed)| format!("{}{typed}", &line[..from])).collect()
    }

    #[test]
    fn a_command_is_completed_with_and_without_its_slash() {
        assert_eq!(typed("stat"), ["status "]);
        assert_eq!(typed("/sub"), ["/subscribe ", "/subscriptions "]);
        assert_eq!(typed("qu"), ["quit "]);
        assert_eq!(typed("").len(), WORDS.len() + OF_THE_CONSOLE.len());
        assert_eq!(typed("frobnicate"), Vec::<String>::new());
        assert_eq!(typed("help mu"), ["help mute"]);
    }

    #[test]
    fn a_country_is_completed_by_its_name_its_code_and_its_beginning() {
        assert_eq!(typed("status north k"), ["status KP"]);
        assert_eq!(typed("status kp"), ["status KP"]);
        assert_eq!(typed("/status KP IR north k"), ["/status KP IR KP"]);
        assert_eq!(typed("why North Kor"), ["why KP"]);
        assert!(
            typed("status ").len() == AT_MOST
                && typed("subscribe al").contains(&"subscribe all".to_owned())
        );
        assert_eq!(typed("outage 3 k"), Vec::<String>::new(), "it takes a number");
        assert_eq!(typed("status ümlaut"), Vec::<String>::new());
    }

    #[test]
    fn any_line_can_be_completed() {
        for line in [
            "/",
            "//",
            " ",
            "status  ",
            "status \u{1f1f0}\u{1f1f5}",
            "help ",
            "é",
            "status ,",
            "\t/status\tk",
        ] {
            let Completions { from, .. } = complete(line, None);
            assert!(line.is_char_boundary(from), "{line:?}");
        }
    }
}
