//! The countries of ISO 3166-1, with the names that people type, the time zone of the capital, and
//! the flag.

use super::CountryCode;
use chrono_tz::Tz;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The table of countries. Names are from ISO 3166-1 and the Unicode CLDR, zones from the time zone
/// database's `zone.tab`.
const TABLE: &str = include_str!("countries.tsv");

/// A country, or a territory with its own code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country {
    /// The ISO 3166-1 alpha-2 code.
    pub code: CountryCode,
    /// The common English name.
    pub name: &'static str,
    /// Other names in use: formal, former, native and three-letter ones.
    pub aliases: Vec<&'static str>,
    /// The time zone of the capital.
    pub zone: Tz,
}

struct Directory {
    countries: Vec<Country>,
    /// Positions in `countries`, by the [`key`] of each code, name and alias.
    by_key: HashMap<String, usize>,
}

static DIRECTORY: LazyLock<Directory> = LazyLock::new(|| {
    let countries: Vec<Country> = TABLE.lines().filter_map(country).collect();
    let mut by_key = HashMap::new();
    for (at, country) in countries.iter().enumerate() {
        for name in [country.code.as_str(), country.name].iter().chain(&country.aliases) {
            by_key.entry(key(name)).or_insert(at);
        }
    }
    Directory { countries, by_key }
});

/// Returns every country, sorted by code.
pub fn all() -> &'static [Country] {
    &DIRECTORY.countries
}

/// Returns the country with that code, or `None` if the code is not assigned.
pub fn by_code(code: CountryCode) -> Option<&'static Country> {
    let at = all().binary_search_by_key(&code, |country| country.code).ok()?;
    all().get(at)
}

/// Returns the country with exactly that flag, code or name. Case, diacritics and punctuation are
/// ignored.
pub fn find(text: &str) -> Option<&'static Country> {
    if text.chars().any(|c| letter_of_flag(c).is_some()) {
        // A flag with a name beside it is not accepted here: the two may differ. The lookup of
        // displayed forms compares them.
        return flag_of(text.trim())
            .filter(|(_, rest)| rest.is_empty())
            .and_then(|(code, _)| by_code(code));
    }
    DIRECTORY.by_key.get(&key(text)).and_then(|at| all().get(*at))
}

impl Country {
    /// Returns the flag as an emoji: the code in regional indicator letters.
    pub fn flag(&self) -> String {
        let letter = |byte: u8| char::from_u32(0x1_F1E6 + u32::from(byte.saturating_sub(b'A')));
        self.code.as_str().bytes().filter_map(letter).collect()
    }
}

/// Splits a flag off the front of a text. Returns the country code of the two regional indicator
/// letters, and the rest of the text.
pub(super) fn flag_of(text: &str) -> Option<(CountryCode, &str)> {
    let mut letters = text.char_indices();
    let (_, first) = letters.next()?;
    let (_, second) = letters.next()?;
    let code: String = [first, second].into_iter().filter_map(letter_of_flag).collect();
    Some((CountryCode::new(&code)?, letters.as_str()))
}

fn letter_of_flag(indicator: char) -> Option<char> {
    let at = u32::from(indicator).checked_sub(0x1_F1E6).filter(|at| *at < 26)?;
    char::from_u32(u32::from('A') + at)
}

/// Parses a line of the table. Returns `None` for a comment.
fn country(line: &'static str) -> Option<Country> {
    let mut fields = line.split('\t');
    let code = CountryCode::new(fields.next()?)?;
    let name = fields.next()?;
    let aliases = fields.next()?.split('|').filter(|alias| !alias.is_empty()).collect();
    Some(Country { code, name, aliases, zone: fields.next()?.parse().ok()? })
}

/// Returns the form under which a name is looked up: lower case, in one word, without diacritics
/// and punctuation.
pub(super) fn key(text: &str) -> String {
    let plain: String = text.chars().flat_map(char::to_lowercase).filter_map(fold).collect();
    let words =
        plain.split(|c: char| !c.is_alphanumeric() && c != '&').filter(|word| !word.is_empty());
    words
        .map(|word| match word {
            "&" => "and",
            "st" => "saint",
            "the" => "",
            word => word,
        })
        .collect()
}

/// Returns a lower-case letter without its diacritics, or `None` for a mark that only modifies the
/// letter before it.
fn fold(letter: char) -> Option<char> {
    Some(match letter {
        '\u{300}'..='\u{36f}' | '\'' | '’' | '.' => return None,
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ạ' | 'ả' | 'ấ'..='ặ' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' | 'ð' => 'd',
        'è'..='ë' | 'ē' | 'ę' | 'ě' | 'ẹ'..='ệ' => 'e',
        'ğ' => 'g',
        'ì'..='ï' | 'ī' | 'į' | 'ı' | 'ỉ' | 'ị' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' | 'ơ' | 'ọ'..='ợ' => 'o',
        'ř' => 'r',
        'ś' | 'ş' | 'š' | 'ș' => 's',
        'ţ' | 'ť' | 'ț' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' | 'ư' | 'ụ'..='ự' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        letter => letter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn code(text: &str) -> Option<&'static str> {
        find(text).map(|country| country.code.as_str())
    }

    #[test]
    fn every_line_of_the_table_is_a_country() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(
            (lines, all().len()),
            (249, 249),
            "a zone that chrono-tz does not know, or a broken line"
        );
        assert!(
            all().windows(2).all(|pair| pair[0].code < pair[1].code),
            "sorted, so that a code is found"
        );
    }

    #[test]
    fn no_name_means_two_countries() {
        let mut owners: BTreeMap<String, &str> = BTreeMap::new();
        for country in all() {
            for name in [country.code.as_str(), country.name].iter().chain(&country.aliases) {
                assert!(!key(name).is_empty(), "{name}");
                let owner = owners.entry(key(name)).or_insert(country.code.as_str());
                assert_eq!(*owner, country.code.as_str(), "{name}");
            }
        }
    }

    #[test]
    fn a_country_is_found_by_what_people_type() {
        for text in
            ["KP", "kp", "north korea", "North  Korea", "DPRK", "d.p.r.k.", "朝鲜", "북한", "PRK"]
        {
            assert_eq!(code(text), Some("KP"), "{text}");
        }
        for (text, expected) in [
            ("UK", "GB"),
            ("Burma", "MM"),
            ("ivory coast", "CI"),
            ("cote divoire", "CI"),
            ("Côte d’Ivoire", "CI"),
            ("TÜRKIYE", "TR"),
            ("turkiye", "TR"),
            ("Việt Nam", "VN"),
            ("the Gambia", "GM"),
            ("st lucia", "LC"),
            ("Trinidad & Tobago", "TT"),
            ("Deutschland", "DE"),
            ("ایران", "IR"),
            ("U.S.A.", "US"),
            ("DR Congo", "CD"),
        ] {
            assert_eq!(code(text), Some(expected), "{text}");
        }
        for ambiguous in ["Korea", "Congo", "XA", ""] {
            assert_eq!(code(ambiguous), None, "{ambiguous}");
        }
    }

    #[test]
    fn a_country_has_the_zone_of_its_capital_and_a_flag() {
        let korea = find("KP").unwrap();
        assert_eq!((korea.zone, korea.flag().as_str()), (Tz::Asia__Pyongyang, "🇰🇵"));
        assert_eq!(by_code(korea.code), Some(korea));
        for country in all() {
            assert_eq!(find(&country.flag()), Some(country), "{}", country.name);
        }
        assert_eq!(code("🇽🇽"), None);
        assert_eq!(find("RU").unwrap().zone, Tz::Europe__Moscow);
        assert_eq!(find("CD").unwrap().zone, Tz::Africa__Kinshasa);
    }
}
