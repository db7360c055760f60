//! The countries of ISO 3166-1: names that people type, time zone of the capital, flag.

use super::CountryCode;
use chrono_tz::Tz;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Names from ISO 3166-1 and the Unicode CLDR, zones from the time zone database's `zone.tab`.
const TABLE: &str = include_str!("countries.tsv");

/// A country, or a territory with a code of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country {
    pub code: CountryCode,
    /// Its common English name.
    pub name: &'static str,
    /// What else people call it: formal, former, native and three-letter names.
    pub aliases: Vec<&'static str>,
    /// Of its capital.
    pub zone: Tz,
}

struct Directory {
    countries: Vec<Country>,
    /// By [`key`] of code, name and aliases; the position in `countries`.
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

/// Every country, by code.
pub fn all() -> &'static [Country] {
    &DIRECTORY.countries
}

/// `None` where the code is not assigned.
pub fn by_code(code: CountryCode) -> Option<&'static Country> {
    let at = all().binary_search_by_key(&code, |country| country.code).ok()?;
    all().get(at)
}

/// Returns the country of exactly that flag, code or name; case, diacritics and punctuation do not count.
pub fn find(text: &str) -> Option<&'static Country> {
    if text.chars().any(|c| letter_of_flag(c).is_some()) {
        // A flag beside a name is for the reader of shown forms: the two may differ.
        return flag_of(text.trim())
            .filter(|(_, rest)| rest.is_empty())
            .and_then(|(code, _)| by_code(code));
    }
    DIRECTORY.by_key.get(&key(text)).and_then(|at| all().get(*at))
}

impl Country {
    /// Its flag as an emoji: the code in regional indicator letters.
    pub fn flag(&self) -> String {
        let letter = |byte: u8| char::from_u32(0x1_F1E6 + u32::from(byte.saturating_sub(b'A')));
        self.code.as_str().bytes().filter_map(letter).collect()
    }
}

/// Splits a flag off the front of a text: two regional indicator letters, and what follows them.
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

/// A line of the table; `None` for a comment.
fn country(line: &'static str) -> Option<Country> {
    let mut fields = line.split('\t');
    let code = CountryCode::new(fields.next()?)?;
    let name = fields.next()?;
    let aliases = fields.next()?.split('|').filter(|alias| !alias.is_empty()).collect();
    Some(Country { code, name, aliases, zone: fields.next()?.parse().ok()? })
}

/// What a name is known by: lower case, without diacritics and punctuation, in one piece.
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

/// A lower-case letter without its diacritics; `None` for a mark that only adorns the letter before it.
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
