//! Time zones by the text that people type and messages print: `Asia/Seoul`, `KST`, `UTC+03:30`.

use super::country;
use super::time::{HOUR, MINUTE, Seconds};
use chrono::{NaiveDate, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use std::collections::HashMap;
use std::sync::LazyLock;

/// A zone, and the meaning of the text that named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedZone {
    /// The zone itself.
    pub zone: Tz,
    /// The seconds east of UTC that the text itself states, as `KST` and `UTC+09:00` do. `None` for
    /// a name such as `Asia/Seoul`, whose offset may change with summer time.
    pub offset: Option<Seconds>,
    /// Other zones that the text may mean, one for each other meaning.
    pub others: Vec<Tz>,
}

/// The usual zone of an abbreviation that several zones share: the one with the most people who
/// write it in English. Source: the "CLDR golden zone" of each metazone; if two metazones share an
/// abbreviation (IST, CST, BST, PST, AST), the common reading in English.
const USUAL: [(&str, Tz); 34] = [
    ("ACST", Tz::Australia__Adelaide),
    ("ADT", Tz::America__Halifax),
    ("AEDT", Tz::Australia__Sydney),
    ("AEST", Tz::Australia__Sydney),
    ("AKDT", Tz::America__Anchorage),
    ("AKST", Tz::America__Anchorage),
    ("AST", Tz::America__Halifax),
    ("AWST", Tz::Australia__Perth),
    ("BST", Tz::Europe__London),
    ("CAT", Tz::Africa__Maputo),
    ("CDT", Tz::America__Chicago),
    ("CEST", Tz::Europe__Paris),
    ("CST", Tz::America__Chicago),
    ("EAT", Tz::Africa__Nairobi),
    ("EDT", Tz::America__New_York),
    ("EEST", Tz::Europe__Bucharest),
    ("EST", Tz::America__New_York),
    ("HKT", Tz::Asia__Hong_Kong),
    ("HST", Tz::Pacific__Honolulu),
    ("IDT", Tz::Asia__Jerusalem),
    ("IST", Tz::Asia__Kolkata),
    ("JST", Tz::Asia__Tokyo),
    ("KST", Tz::Asia__Seoul),
    ("MDT", Tz::America__Denver),
    ("MSK", Tz::Europe__Moscow),
    ("MST", Tz::America__Denver),
    ("NZDT", Tz::Pacific__Auckland),
    ("NZST", Tz::Pacific__Auckland),
    ("PDT", Tz::America__Los_Angeles),
    ("PKT", Tz::Asia__Karachi),
    ("PST", Tz::America__Los_Angeles),
    ("SST", Tz::Pacific__Pago_Pago),
    ("WAT", Tz::Africa__Lagos),
    ("WEST", Tz::Europe__Lisbon),
];

/// The years for which abbreviations are collected. Messages print moments of the past weeks, never
/// of past decades.
const YEARS: std::ops::RangeInclusive<i32> = 2020..=2037;

/// Each abbreviation in capitals (`KST`, `+0330`), with the zones that print it and their offsets
/// at that time.
static ABBREVIATIONS: LazyLock<HashMap<String, Vec<(Tz, Seconds)>>> = LazyLock::new(|| {
    // January and July cover winter and summer time. Morocco's clocks follow Ramadan, so every
    // month is checked for the first years.
    let months = YEARS.flat_map(|year| (1..=12).map(move |month| (year, month)));
    let moments: Vec<_> = months
        .filter(|(year, month)| *year < 2028 || matches!(month, 1 | 7))
        .filter_map(|(year, month)| NaiveDate::from_ymd_opt(year, month, 15)?.and_hms_opt(12, 0, 0))
        .collect();
    let mut known: HashMap<String, Vec<(Tz, Seconds)>> = HashMap::new();
    for zone in TZ_VARIANTS {
        let mut last = None;
        for moment in &moments {
            let offset = zone.offset_from_utc_datetime(moment);
            let east = Seconds::from(offset.fix().local_minus_utc());
            let name = offset.to_string().to_uppercase();
            if last.as_ref() == Some(&(name.clone(), east)) {
                continue;
            }
            last = Some((name.clone(), east));
            let zones = known.entry(name).or_default();
            if !zones.contains(&(zone, east)) {
                zones.push((zone, east));
            }
        }
    }
    known
});

/// Parses a zone's name in any case (`asia/seoul`), an abbreviation as messages print it (`KST`),
/// or an offset from UTC (`UTC+03:30`, `+0330`, `GMT-3`).
///
/// If several zones have the abbreviation or offset, one of `nearby` comes first: the zones in
/// which the reader is shown times.
pub fn find(text: &str, nearby: &[Tz]) -> Option<NamedZone> {
    let said = text.trim();
    if let Some(found) = by_abbreviation(said, nearby).filter(|found| nearby.contains(&found.zone))
    {
        return Some(found);
    }
    if let Some(zone) = by_name(said) {
        return Some(NamedZone {
            zone,
            offset: own_offset(zone, said),
            others: others_by_name(zone, said),
        });
    }
    by_abbreviation(said, nearby).or_else(|| by_offset(said, nearby))
}

/// Returns the zone with exactly that name in the time zone database, in any case.
pub fn by_name(text: &str) -> Option<Tz> {
    if let Ok(zone) = text.parse() {
        return Some(zone);
    }
    let said = text.trim().to_lowercase().replace(' ', "_");
    TZ_VARIANTS.iter().find(|zone| zone.name().to_lowercase() == said).copied()
}

/// Returns the offset of a zone name that is also an abbreviation: `GMT`, `CET`, `EST`.
fn own_offset(zone: Tz, said: &str) -> Option<Seconds> {
    let zones = ABBREVIATIONS.get(&said.to_uppercase())?;
    zones.iter().find(|(known, _)| *known == zone).map(|(_, east)| *east)
}

/// Returns the usual zone of an abbreviation that is also a zone name, if the two differ. The zone
/// `EST` never changes its clocks, but most people who write `EST` mean New York.
fn others_by_name(zone: Tz, said: &str) -> Vec<Tz> {
    let usual = usual(&said.to_uppercase());
    usual.filter(|usual| !changes_alike(zone, *usual)).into_iter().collect()
}

fn usual(abbreviation: &str) -> Option<Tz> {
    USUAL.iter().find(|(known, _)| *known == abbreviation).map(|(_, zone)| *zone)
}

fn changes_alike(a: Tz, b: Tz) -> bool {
    let east = |zone: Tz, month| {
        let noon = NaiveDate::from_ymd_opt(2025, month, 15)?.and_hms_opt(12, 0, 0)?;
        Some(zone.offset_from_utc_datetime(&noon).fix().local_minus_utc())
    };
    [1, 7].into_iter().all(|month| east(a, month) == east(b, month))
}

fn by_abbreviation(said: &str, nearby: &[Tz]) -> Option<NamedZone> {
    let name = said.to_uppercase();
    if name.starts_with(['+', '-']) {
        return None;
    }
    let zones = ABBREVIATIONS.get(&name)?;
    let (zone, east) = chosen(zones, nearby, usual(&name))?;
    let mut offsets = vec![east];
    let mut others = Vec::new();
    for (_, other) in zones {
        if offsets.contains(other) {
            continue;
        }
        offsets.push(*other);
        let alike: Vec<(Tz, Seconds)> =
            zones.iter().filter(|(_, known)| known == other).copied().collect();
        others.extend(chosen(&alike, &[], None).map(|(zone, _)| zone));
    }
    Some(NamedZone { zone, offset: Some(east), others })
}

/// Parses `UTC+03:30`, `UTC-3`, `GMT+2` or `+0330`.
fn by_offset(said: &str, nearby: &[Tz]) -> Option<NamedZone> {
    let east = offset(said)?;
    let holds = |(_, known): &(Tz, Seconds)| *known == east;
    let numbered = ABBREVIATIONS.iter().filter(|(name, _)| name.starts_with(['+', '-']));
    let mut zones: Vec<(Tz, Seconds)> =
        numbered.flat_map(|(_, zones)| zones).copied().filter(holds).collect();
    zones.sort_by_key(|(zone, _)| zone.name());
    if zones.is_empty() {
        // No zone prints this offset as a number: India prints IST.
        zones = ABBREVIATIONS.values().flatten().copied().filter(holds).collect();
        zones.sort_by_key(|(zone, _)| zone.name());
    }
    let plain = if east == 0 {
        Some(Tz::UTC)
    } else {
        zones.iter().map(|(zone, _)| *zone).find(|zone| is_plain(*zone))
    };
    let (zone, _) = match plain {
        Some(plain) if !nearby.iter().any(|near| zones.iter().any(|(zone, _)| zone == near)) => {
            (plain, east)
        }
        _ => chosen(&zones, nearby, None)?,
    };
    Some(NamedZone { zone, offset: Some(east), others: Vec::new() })
}

/// Returns whether the zone is a fixed offset: `Etc/GMT-3` is three hours ahead of UTC all year.
fn is_plain(zone: Tz) -> bool {
    zone.name().starts_with("Etc/")
}

/// Parses an offset and returns the seconds east of UTC, or `None` beyond the farthest offset in
/// use on earth.
fn offset(said: &str) -> Option<Seconds> {
    const FARTHEST: Seconds = 14 * HOUR;
    let upper = said.to_uppercase().replace(['−', '–'], "-");
    let rest =
        upper.strip_prefix("UTC").or_else(|| upper.strip_prefix("GMT")).unwrap_or(&upper).trim();
    let (sign, digits) = match rest.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let is_short =
        |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !is_short(hours) || !is_short(minutes) {
        return None;
    }
    let (hours, minutes) = (hours.parse::<Seconds>().ok()?, minutes.parse::<Seconds>().ok()?);
    let east = hours * HOUR + minutes * MINUTE;
    (minutes < 60 && east <= FARTHEST).then_some(sign * east)
}

/// Chooses one of the zones: one of `nearby`, else the usual one, else that of a capital, else the
/// first.
fn chosen(zones: &[(Tz, Seconds)], nearby: &[Tz], usual: Option<Tz>) -> Option<(Tz, Seconds)> {
    let find = |wanted: Tz| zones.iter().find(|(zone, _)| *zone == wanted).copied();
    let capitals = || country::all().iter().find_map(|country| find(country.zone));
    let nearby = nearby.iter().find_map(|zone| find(*zone));
    nearby.or_else(|| usual.and_then(find)).or_else(capitals).or_else(|| zones.first().copied())
}

/// Returns the names of zones that may be meant, most likely first, at most three: by city
/// (`Moscow`), by country (`Russia`), and by similarity (`Asia/Soul`).
pub fn near(text: &str) -> Vec<&'static str> {
    const AT_MOST: usize = 3;
    const ALIKE: f64 = 0.6;
    let said = text.trim().to_lowercase().replace(' ', "_");
    if said.is_empty() {
        return Vec::new();
    }
    let lower = |zone: &Tz| zone.name().to_lowercase();
    let is_city =
        |zone: &&Tz| zone.name().contains('/') && lower(zone).rsplit('/').next() == Some(&said);
    let cities = TZ_VARIANTS.iter().filter(is_city).map(|zone| zone.name());
    let mut found: Vec<&str> = cities.collect();
    found.extend(country::find(text).map(|country| country.zone.name()));
    if found.is_empty() {
        let city = |zone: &Tz| {
            let name = lower(zone);
            let city = name.rsplit('/').next().unwrap_or_default();
            let whole = strsim::normalized_damerau_levenshtein(&said, &name);
            whole.max(strsim::normalized_damerau_levenshtein(&said, city))
        };
        let ranked = TZ_VARIANTS.iter().map(|zone| (city(zone), zone.name()));
        let best =
            ranked.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(alike, _)| *alike >= ALIKE);
        found.extend(best.map(|(_, name)| name));
    }
    let mut once: Vec<&str> = Vec::new();
    found.retain(|name| {
        !once.contains(name) && {
            once.push(name);
            true
        }
    });
    found.truncate(AT_MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(text: &str, nearby: &[Tz]) -> Option<&'static str> {
        find(text, nearby).map(|found| found.zone.name())
    }

    #[test]
    fn a_zone_is_found_by_name_abbreviation_and_offset() {
        for (text, expected) in [
            ("Asia/Seoul", "Asia/Seoul"),
            ("asia/seoul", "Asia/Seoul"),
            ("america/new york", "America/New_York"),
            ("UTC", "UTC"),
            ("utc", "UTC"),
            ("KST", "Asia/Seoul"),
            ("kst", "Asia/Seoul"),
            ("CET", "CET"),
            ("CEST", "Europe/Paris"),
            ("EDT", "America/New_York"),
            ("MSK", "Europe/Moscow"),
            ("UTC+03:30", "Asia/Tehran"),
            ("+0330", "Asia/Tehran"),
            ("UTC+3", "Etc/GMT-3"),
            ("GMT-03:00", "Etc/GMT+3"),
            ("UTC+05:45", "Asia/Kathmandu"),
            ("UTC+05:30", "Asia/Kolkata"),
            ("UTC+00", "UTC"),
        ] {
            let found = zone(text, &[]);
            // Some names are links. Any zone that never differs from the expected one is accepted.
            let is_alike = found.is_some_and(|found| {
                found == expected
                    || changes_alike(found.parse().unwrap(), expected.parse().unwrap())
            });
            assert!(is_alike, "{text}: {found:?}");
        }
        for wrong in ["", "Moscow", "XYZ", "UTC+15", "UTC+3:99", "+", "17:35", "UTC+é0"] {
            assert_eq!(zone(wrong, &[]), None, "{wrong}");
        }
    }

    #[test]
    fn a_shared_abbreviation_is_read_by_what_is_nearby_and_the_others_are_named() {
        let ist = find("IST", &[]).unwrap();
        assert_eq!(ist.zone, Tz::Asia__Kolkata);
        let offsets: Vec<i32> = ist
            .others
            .iter()
            .map(|zone| {
                zone.offset_from_utc_datetime(&NaiveDate::from_ymd_opt(2025, 1, 15).unwrap().into())
            })
            .map(|offset| offset.fix().local_minus_utc())
            .collect();
        assert!(
            offsets.contains(&7200) && ist.others.len() == 2,
            "Israel and Ireland: {:?}",
            ist.others
        );
        assert_eq!(find("IST", &[Tz::Asia__Jerusalem]).unwrap().zone, Tz::Asia__Jerusalem);
        assert_eq!(find("IST", &[Tz::Asia__Jerusalem]).unwrap().offset, Some(2 * HOUR));
        assert_eq!(zone("CST", &[]), Some("America/Chicago"));
        assert_eq!(zone("CST", &[Tz::Asia__Shanghai]), Some("Asia/Shanghai"));
        assert_eq!(zone("KST", &[Tz::Asia__Pyongyang]), Some("Asia/Pyongyang"));
        assert_eq!(zone("EST", &[Tz::America__New_York]), Some("America/New_York"));
        assert_eq!(find("EST", &[]).unwrap().others, [Tz::America__New_York]);
        assert_eq!(find("KST", &[]).unwrap().others, []);
    }

    #[test]
    fn every_zone_is_found_by_its_own_name() {
        for zone in TZ_VARIANTS {
            assert_eq!(find(zone.name(), &[]).map(|found| found.zone), Some(zone));
        }
    }

    #[test]
    fn a_city_or_a_country_gets_the_zone_that_it_lies_in() {
        assert_eq!(near("Moscow"), ["Europe/Moscow"]);
        assert_eq!(near("new york"), ["America/New_York"]);
        assert_eq!(near("Russia"), ["Europe/Moscow"]);
        assert_eq!(near("Asia/Soul"), ["Asia/Seoul"]);
        assert_eq!(near("Asia/Soul").len(), 1);
        assert_eq!(near("mosow"), ["Europe/Moscow"]);
        assert_eq!(near("zzzzzz"), [""; 0]);
    }
}
