//! Conversion of typed text to the entity that it names, and of an entity to a name for people.

use super::entity::{asn, prefix, site};
use super::{CountryCode, Entity, Watchlist, country, hostname};
use chrono_tz::Tz;
use std::fmt;
use std::net::IpAddr;

/// The error for a text that does not name an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupError {
    /// The text that was looked up, or the part of it that is wrong, without spaces around it.
    pub said: String,
    /// A description of the problem, without a full stop.
    pub reason: String,
    /// Suggestions, most likely first, at most three: `North Korea (KP)`.
    pub near: Vec<String>,
}

/// Parses typed text, and text in the form that messages show: `KP`, `north korea`, `🇰🇵`,
/// `🇰🇵 North Korea (KP)`, `country/KP`, `AS131279`, `AS131279 (Star JV)`, `131279`,
/// `175.45.176.0/22`, `kcna.kp`, `https://kcna.kp/`, `region 4416`. A bare number is an AS number.
pub fn parse_what(text: &str) -> Result<Entity, LookupError> {
    parse_in(text, &Watchlist::default())
}

/// Works like [`parse_what`], and also accepts the names that the configuration gives to watched
/// entities.
pub fn parse_in(text: &str, watchlist: &Watchlist) -> Result<Entity, LookupError> {
    if let Some(entity) = find(text, watchlist) {
        return Ok(entity);
    }
    let said = text.trim();
    if let Some((name, code)) = in_parentheses(said) {
        if let (Some(one), Some(other)) = (find(name, watchlist), find(code, watchlist)) {
            let reason =
                format!("`{said}` names two: {} and {}", display_name(&one), display_name(&other));
            let near = [one, other].iter().map(shown).collect();
            return Err(LookupError { said: said.to_owned(), reason, near });
        }
        // `Star JV (AS131279)`: the name is unknown here, so the code in parentheses decides.
        if let Some(entity) = find(code, watchlist) {
            return Ok(entity);
        }
    }
    if let Ok(address) = said.parse::<IpAddr>() {
        return Err(one_address(said, address));
    }
    if let Some(web) = web_address(said) {
        return site_of(web);
    }
    if said.contains('/') {
        return spelled_out(said);
    }
    let near = near(said, watchlist);
    if said.contains(DOTS) && !said.contains(char::is_whitespace) {
        match site_of(said) {
            // The text may be a misspelled country with a full stop, such as `iraan.`
            Err(_) if !near.is_empty() => {}
            site => return site,
        }
    }
    let reason = if said.is_empty() {
        "nothing was named".to_owned()
    } else {
        format!("no country, network or site is called `{said}`")
    };
    Err(LookupError { said: said.to_owned(), reason, near })
}

/// The dots between labels, including those of other scripts (UTS #46, section 2.3).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// Returns the entity with exactly that code, name or displayed form. Makes no suggestions.
pub fn find(text: &str, watchlist: &Watchlist) -> Option<Entity> {
    let said = text.trim().trim_matches(['`', '"', '“', '”', ',', ';']).trim();
    exact(said).or_else(|| watchlist.named(said).cloned()).or_else(|| as_shown(said, watchlist))
}

/// Parses a code, a name, a number, an address block or a host.
fn exact(said: &str) -> Option<Entity> {
    if !is_host(said)
        && let Some(country) = country::find(said)
    {
        return Some(Entity::Country(country.code));
    }
    if let Some(number) = as_number(said) {
        return Some(Entity::Asn(number));
    }
    if let Some(block) = prefix(said) {
        return Some(Entity::Prefix(block));
    }
    if said.parse::<IpAddr>().is_ok() {
        return None;
    }
    if let Some(web) = web_address(said) {
        return site_of(web).ok();
    }
    if said.contains('/') {
        return spelled_out(said).ok();
    }
    let is_dotted = said.contains(DOTS) && !said.contains(char::is_whitespace);
    is_dotted.then(|| site_of(said).ok()).flatten()
}

/// Parses the form in which messages, lists and completions show a name: with a mark or a flag
/// before it, with its code or its holder's name in parentheses after it, with its kind as a word,
/// or as the first column of a list.
fn as_shown(said: &str, watchlist: &Watchlist) -> Option<Entity> {
    if let Some((column, _)) = said.split_once(" · ") {
        return find(column, watchlist);
    }
    if let Some((flag, rest)) = country::flag_of(said) {
        let entity = find(rest, watchlist)?;
        return (entity.country().is_none() || entity.country() == Some(flag)).then_some(entity);
    }
    let unmarked = said
        .trim_start_matches(|c: char| !c.is_alphanumeric() && !c.is_ascii() && !is_of_a_flag(c));
    if unmarked.len() < said.len() {
        return find(unmarked, watchlist);
    }
    if let Some((name, code)) = in_parentheses(said) {
        let (named, coded) = (find(name, watchlist), find(code, watchlist));
        return match (named, coded) {
            (Some(named), Some(coded)) => (named == coded).then_some(named),
            // The parentheses may hold the name of a network's holder. After a country they would
            // hold a second, unknown name, which is refused.
            (Some(named), None) => named.country().is_none().then_some(named),
            (None, _) => None,
        };
    }
    let (kind, code) = said.split_once(char::is_whitespace)?;
    let kind = kind.to_ascii_lowercase();
    let kind = match kind.as_str() {
        "network" => "asn",
        "block" => "prefix",
        kind @ ("country" | "region" | "asn" | "prefix" | "site") => kind,
        _ => return None,
    };
    let code = code.trim();
    match kind {
        "region" => spelled_out(&format!("{kind}/{code}")).ok(),
        _ => find(code, watchlist)
            .filter(|entity| entity.to_string().starts_with(&format!("{kind}/"))),
    }
}

fn is_of_a_flag(c: char) -> bool {
    ('\u{1f1e6}'..='\u{1f1ff}').contains(&c)
}

/// Splits `AS131279 (Star JV)` at its last pair of parentheses, which must end the text.
fn in_parentheses(said: &str) -> Option<(&str, &str)> {
    let (name, code) = said.strip_suffix(')')?.rsplit_once('(')?;
    let (name, code) = (name.trim(), code.trim());
    (!name.is_empty() && !code.is_empty()).then_some((name, code))
}

/// Returns the entity in the form of suggestions and completions: `North Korea (KP)`, `AS131279`.
pub fn shown(entity: &Entity) -> String {
    match entity.country() {
        Some(code) => format!("{} ({code})", display_name(entity)),
        None => display_name(entity),
    }
}

/// Returns the name that people use: `North Korea`, `AS131279`, `175.45.176.0/22`, `kcna.kp`.
pub fn display_name(entity: &Entity) -> String {
    match entity {
        Entity::Country(code) => country::by_code(*code)
            .map_or_else(|| code.to_string(), |country| country.name.to_owned()),
        Entity::Region(code) => format!("region {code}"),
        Entity::Asn(number) => number.to_string(),
        Entity::Prefix(block) => block.to_string(),
        Entity::Site(host) => hostname::shown(host),
        Entity::Name(name) => name.clone(),
    }
}

/// Returns the local time zone: that of the entity's country, else that of the first country in
/// `wholes` (the larger entities of which it is part), else UTC.
pub fn zone_of<'a>(entity: &'a Entity, wholes: impl IntoIterator<Item = &'a Entity>) -> Tz {
    let zone = |code: CountryCode| country::by_code(code).map(|country| country.zone);
    std::iter::once(entity)
        .chain(wholes)
        .filter_map(Entity::country)
        .find_map(zone)
        .unwrap_or(Tz::UTC)
}

/// Parses `kind/code`. The code of a country must be an assigned one.
fn spelled_out(said: &str) -> Result<Entity, LookupError> {
    let wrong = |reason: String, near| LookupError { said: said.to_owned(), reason, near };
    let entity = said.parse::<Entity>().map_err(|error| wrong(error.to_string(), Vec::new()))?;
    match entity.country() {
        Some(code) if country::by_code(code).is_none() => Err(wrong(
            format!("no country has the code `{code}`"),
            near(code.as_str(), &Watchlist::default()),
        )),
        _ => Ok(entity),
    }
}

/// Returns whether the text is a host such as `cu.ba`, and not an abbreviation such as `u.s.a.`,
/// which has a dot after each letter. Without this check `cu.ba` would be read as Cuba.
fn is_host(said: &str) -> bool {
    site(said).is_some_and(|host| host.split('.').any(|label| label.len() > 1))
}

/// Parses `AS131279`, `as 131279`, `ASN131279` or `131279`.
fn as_number(said: &str) -> Option<super::Asn> {
    let upper = said.to_ascii_uppercase();
    let digits = upper.strip_prefix("ASN").or_else(|| upper.strip_prefix("AS")).unwrap_or(&upper);
    asn(digits.trim_start())
}

/// Returns the part of a web address after its scheme. An address without a scheme, such as
/// `kcna.kp/en`, is returned whole.
fn web_address(said: &str) -> Option<&str> {
    let after = |scheme: &str| {
        let start = said.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| &said[scheme.len()..])
    };
    let page = || said.split_once('/').is_some_and(|(host, _)| site_of(host).is_ok());
    after("https://").or_else(|| after("http://")).or_else(|| page().then_some(said))
}

/// Returns the site of a web address without its scheme. Path, port and user are dropped.
fn site_of(web: &str) -> Result<Entity, LookupError> {
    let authority = web.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    if let Some(Ok(address)) =
        place.strip_prefix('[').and_then(|rest| rest.split(']').next()).map(str::parse)
    {
        return Err(one_address(place, address));
    }
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host =
        place.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(place, |(host, _)| host);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Err(one_address(host, address));
    }
    hostname::site(host).map(Entity::Site).map_err(|why| {
        let reason =
            if host.is_empty() { why.to_string() } else { format!("`{host}` is no site: {why}") };
        LookupError { said: host.to_owned(), reason, near: Vec::new() }
    })
}

/// Returns the error for a single address, which is not an entity. Suggests the block around it
/// (/24, or /48 of IPv6).
fn one_address(said: &str, address: IpAddr) -> LookupError {
    let width = if address.is_ipv4() { 24 } else { 48 };
    let block = prefix(&format!("{address}/{width}")).map(|block| block.to_string());
    let reason = format!("`{said}` is a single address; a block of addresses is watched");
    LookupError { said: said.to_owned(), reason, near: block.into_iter().collect() }
}

/// Returns up to three countries, or names of the configuration, that are similar to the text.
fn near(said: &str, watchlist: &Watchlist) -> Vec<String> {
    // The least similarity of a suggestion: two of three letters are in place. Below it, names have
    // little in common.
    const ALIKE: f64 = 0.66;
    // The similarity of a name that contains the whole text, as two names contain `Korea`.
    const HOLDS: f64 = 0.95;
    const AT_MOST: usize = 3;
    let said = country::key(said);
    if said.is_empty() {
        return Vec::new();
    }
    let likeness = |name: &str| {
        let name = country::key(name);
        let alike = strsim::normalized_damerau_levenshtein(&said, &name);
        if said.chars().count() > 3 && name.contains(&said) { alike.max(HOLDS) } else { alike }
    };
    let countries = country::all().iter().map(|country| {
        let names = std::iter::once(&country.name).chain(&country.aliases);
        let best = names.map(|name| likeness(name)).fold(likeness(country.code.as_str()), f64::max);
        (best, Entity::Country(country.code))
    });
    let watched = watchlist.configured().filter_map(|watched| {
        let name = watched.name.as_ref()?;
        Some((likeness(name), watched.entity.clone()))
    });
    let mut ranked: Vec<(f64, Entity)> =
        countries.chain(watched).filter(|(alike, _)| *alike >= ALIKE).collect();
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut near: Vec<String> = Vec::new();
    for (_, entity) in &ranked {
        let shown = match watchlist.name_of(entity) {
            Some(name) => format!("{name} ({})", short(entity)),
            None => shown(entity),
        };
        if near.len() < AT_MOST && !near.contains(&shown) {
            near.push(shown);
        }
    }
    near
}

/// Returns the shortest name of the entity: `KP`, `AS131279`.
pub fn short(entity: &Entity) -> String {
    entity.country().map_or_else(|| display_name(entity), |code| code.to_string())
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.near.is_empty() {
            write!(f, "{}; say it as KP, AS131279, 175.45.176.0/22 or kcna.kp", self.reason)
        } else {
            write!(f, "{}; did you mean {}?", self.reason, self.near.join(", "))
        }
    }
}

impl std::error::Error for LookupError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Sensitivity, Watched};

    fn what(text: &str) -> String {
        parse_what(text).map_or_else(|error| error.to_string(), |entity| entity.to_string())
    }

    #[test]
    fn an_entity_is_found_by_what_people_type() {
        for (text, expected) in [
            ("KP", "country/KP"),
            (" north korea ", "country/KP"),
            ("country/kp", "country/KP"),
            ("AS131279", "asn/131279"),
            ("as 131279", "asn/131279"),
            ("ASN131279", "asn/131279"),
            ("131279", "asn/131279"),
            ("asn/131279", "asn/131279"),
            ("as", "country/AS"),
            ("175.45.176.0/22", "prefix/175.45.176.0/22"),
            ("2001:db8::/32", "prefix/2001:db8::/32"),
            ("prefix/175.45.176.0/22", "prefix/175.45.176.0/22"),
            ("kcna.kp", "site/kcna.kp"),
            ("cu.ba", "site/cu.ba"),
            ("U.S.A.", "country/US"),
            ("St. Lucia", "country/LC"),
            ("https://KCNA.kp/en/", "site/kcna.kp"),
            ("http://kcna.kp:8080", "site/kcna.kp"),
            ("HTTP://user:secret@kcna.kp?a=b", "site/kcna.kp"),
            ("kcna.kp:8080", "site/kcna.kp"),
            ("kcna.kp/en/index.html", "site/kcna.kp"),
            ("münchen.example", "site/xn--mnchen-3ya.example"),
            ("https://MÜNCHEN.example/straße", "site/xn--mnchen-3ya.example"),
            ("правительство.рф", "site/xn--80aealotwbjpid2k.xn--p1ai"),
            ("site/правительство.рф", "site/xn--80aealotwbjpid2k.xn--p1ai"),
            ("правительство。рф", "site/xn--80aealotwbjpid2k.xn--p1ai"),
            ("site/kcna.kp", "site/kcna.kp"),
            ("region/4416", "region/4416"),
        ] {
            assert_eq!(what(text), expected, "{text}");
        }
    }

    #[test]
    fn an_entity_is_found_by_what_messages_show() {
        for (text, expected) in [
            ("🇰🇵", "country/KP"),
            ("🇰🇵 North Korea (KP)", "country/KP"),
            ("🇰🇵 KP", "country/KP"),
            ("North Korea (KP)", "country/KP"),
            ("Cocos (Keeling) Islands (CC)", "country/CC"),
            ("🔴 North Korea", "country/KP"),
            ("⚪ 🇰🇵 North Korea", "country/KP"),
            ("🔴 North Korea · country/KP · for 31 min", "country/KP"),
            ("`KP`", "country/KP"),
            ("AS131279 (Star JV)", "asn/131279"),
            ("Star JV (AS131279)", "asn/131279"),
            ("🇰🇵 AS131279", "asn/131279"),
            ("175.45.176.0/22 (Star JV)", "prefix/175.45.176.0/22"),
            ("region 4416", "region/4416"),
            ("region 4416 (Baghdad)", "region/4416"),
            ("Baghdad (region/4416)", "region/4416"),
            ("site kcna.kp", "site/kcna.kp"),
            ("KCNA (kcna.kp)", "site/kcna.kp"),
        ] {
            assert_eq!(what(text), expected, "{text}");
        }
        for (text, reason) in [
            (
                "South Korea (KP)",
                "names two: South Korea and North Korea; did you mean South Korea (KR), North Korea (KP)?",
            ),
            ("🇮🇷 North Korea", "no country, network or site is called"),
            ("🇽🇽", "no country, network or site is called"),
            ("()", "no country, network or site is called"),
            ("🔴", "no country, network or site is called"),
        ] {
            assert!(what(text).contains(reason), "{text}: {}", what(text));
        }
    }

    #[test]
    fn a_name_of_the_configuration_is_known_and_suggested() {
        let watched = Watched {
            entity: parse_what("AS131279").unwrap(),
            part_of: None,
            name: Some("Star JV".into()),
            sensitivity: Sensitivity::Balanced,
        };
        let list = Watchlist::new(vec![watched]);
        for text in ["star jv", "Star JV (AS131279)", "🔴 Star JV"] {
            assert_eq!(
                parse_in(text, &list).map(|entity| entity.to_string()).unwrap(),
                "asn/131279",
                "{text}"
            );
        }
        assert_eq!(parse_in("Star JW", &list).unwrap_err().near, ["Star JV (AS131279)"]);
    }

    #[test]
    fn a_typing_error_gets_the_nearest_names() {
        assert_eq!(
            what("north corea"),
            "no country, network or site is called `north corea`; did you mean North Korea (KP), South Korea (KR)?"
        );
        assert!(
            what("Korea").contains("North Korea (KP)")
                && what("Korea").contains("South Korea (KR)")
        );
        assert!(what("venezula").contains("did you mean Venezuela (VE)"));
        assert!(what("Congo").contains("(CD)") && what("Congo").contains("(CG)"));
        assert_eq!(parse_what("iraan").unwrap_err().near[0], "Iran (IR)");
    }

    #[test]
    fn what_cannot_be_watched_says_why() {
        assert_eq!(
            what(""),
            "nothing was named; say it as KP, AS131279, 175.45.176.0/22 or kcna.kp"
        );
        assert!(what("country/XX").starts_with("no country has the code `XX`"));
        assert!(what("planet/KP").starts_with("unknown kind of entity `planet`"));
        assert_eq!(
            what("https://mün chen.example/"),
            "`mün chen.example` is no site: a space may not stand in a host name; letters, digits and hyphens may; \
             say it as KP, AS131279, 175.45.176.0/22 or kcna.kp"
        );
        assert!(what("https://").starts_with("a host name is missing, such as kcna.kp"));
        assert!(what("kcna..kp").starts_with("`kcna..kp` is no site: two dots stand in a row"));
        let secret = what("https://user:secret@kc na.kp/");
        assert!(
            secret.starts_with("`kc na.kp` is no site") && !secret.contains("secret"),
            "{secret}"
        );
        assert!(what("http://[2001:db8::1]:80/").contains("did you mean 2001:db8::/48?"));
        assert!(what("zzzzqqq").ends_with("say it as KP, AS131279, 175.45.176.0/22 or kcna.kp"));
        assert_eq!(
            what("175.45.176.1"),
            "`175.45.176.1` is a single address; a block of addresses is watched; did you mean 175.45.176.0/24?"
        );
    }

    #[test]
    fn an_entity_is_called_what_people_call_it_in_the_zone_they_live_in() {
        let entity = |text| parse_what(text).unwrap();
        assert_eq!(display_name(&entity("KP")), "North Korea");
        assert_eq!(display_name(&entity("131279")), "AS131279");
        assert_eq!(display_name(&entity("region/4416")), "region 4416");
        assert_eq!(display_name(&entity("МЮНХЕН.рф")), "мюнхен.рф");
        for name in ["münchen.example", "правительство.рф", "kcna.kp", "日本語.jp"]
        {
            assert_eq!(display_name(&entity(name)), name);
        }
        let wholes = [entity("AS131279"), entity("KP")];
        assert_eq!(zone_of(&entity("kcna.kp"), &wholes), Tz::Asia__Pyongyang);
        assert_eq!(zone_of(&entity("kcna.kp"), []), Tz::UTC);
    }
}
