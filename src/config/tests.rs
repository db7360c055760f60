//! Configurations that operators write, and the errors that they get.

use super::*;
use crate::domain::lookup::display_name;

fn parse(text: &str) -> Config {
    Config::parse(text, "linkdown.toml").unwrap()
}

fn why(text: &str) -> String {
    Config::parse(text, "linkdown.toml").unwrap_err().to_string()
}

#[test]
fn how_sure_it_must_be_is_said_for_an_entity_that_is_watched() {
    let config = |text: &str| Config::parse(text, "linkdown.toml");
    let watch =
        "[watch]\nentities = [\"KP\", \"IR\", \"CU\"]\ncareful = [\"iran\"]\neager = [\"KP\"]\n";
    let read = config(watch).unwrap().watch;
    let words: Vec<_> = read.iter().map(|watched| watched.sensitivity.as_str()).collect();
    assert_eq!(words, ["eager", "careful", "balanced"]);
    let why = |text: &str| config(text).unwrap_err().to_string();
    let unknown = "[watch]\nentities = [\"KP\"]\n\neager = [\"IR\"]";
    assert_eq!(
        why(unknown),
        "linkdown.toml:4: `country/IR` is called eager but is not among the entities of [watch]; add it there"
    );
    let both = "[watch]\nentities = [\"KP\"]\ncareful = [\"KP\"]\neager = [\"KP\"]";
    assert_eq!(
        why(both),
        "linkdown.toml:4: `country/KP` is called careful and eager; leave it in one of the two"
    );
}

#[test]
fn an_empty_file_is_valid() {
    let config = parse("");
    assert!(config.watch.is_empty());
    assert_eq!(config.zone, Tz::UTC);
    assert_eq!((config.storage.raw_days, config.storage.hourly_days), (45, 400));
    assert_eq!(
        config.sources.iter().map(|source| source.name).collect::<Vec<_>>(),
        ["ioda", "ripestat", "radar"]
    );
    assert_eq!(config.source("ripestat").unwrap().calls_a_day, Some(1000));
}

#[test]
fn the_shipped_file_holds_the_defaults_and_a_watchlist() {
    let shipped = Config::parse(SHIPPED, "config/linkdown.toml").unwrap();
    let defaults = parse("");
    assert_eq!(shipped.sources, defaults.sources, "the file says what holds anyway");
    assert_eq!(
        (&shipped.storage, shipped.console, shipped.zone),
        (&defaults.storage, defaults.console, defaults.zone)
    );

    let first: Vec<String> =
        shipped.watch.iter().take(3).map(|watched| watched.entity.to_string()).collect();
    assert_eq!(first, ["country/KP", "asn/131279", "prefix/175.45.176.0/22"]);
    assert_eq!(shipped.watch[1].name.as_deref(), Some("Star Joint Venture"));
    let watchlist = crate::domain::Watchlist::new(shipped.watch.clone());
    let wholes: Vec<String> =
        watchlist.wholes_of(&shipped.watch[2].entity).into_iter().map(display_name).collect();
    assert_eq!(wholes, ["AS131279", "North Korea"]);
    assert_eq!(
        shipped.watch.iter().filter(|watched| watched.entity.country().is_some()).count(),
        17
    );
    let (probe, usual) = (&shipped.probe, &defaults.probe);
    assert_eq!(
        (probe.enabled, probe.every, probe.in_flight, probe.timeout, &probe.controls),
        (usual.enabled, usual.every, usual.in_flight, usual.timeout, &usual.controls)
    );
    assert_eq!(shipped.ris_live, defaults.ris_live);
    assert!(usual.targets.is_empty(), "nothing is probed that nobody named");
    for source in &shipped.sources {
        assert!(source.controls.len() >= 3, "{} has something to be compared with", source.name);
        let is_watched = |control: &crate::domain::Entity| {
            shipped.watch.iter().any(|watched| watched.entity == *control)
        };
        assert!(
            !source.controls.iter().any(is_watched),
            "{}: a control is never told of",
            source.name
        );
    }
}

#[test]
fn an_entity_may_be_written_as_people_say_it() {
    let config = parse(
        "[watch]\nentities = ['North Korea', 'AS131279 in KP', 'kcna.kp in AS131279 called the agency']",
    );
    let entities: Vec<String> =
        config.watch.iter().map(|watched| watched.entity.to_string()).collect();
    assert_eq!(entities, ["country/KP", "asn/131279", "site/kcna.kp"]);
    assert_eq!(config.watch[2].name.as_deref(), Some("the agency"));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    assert_eq!(
        why("[sources.ioda]\nenabled = true\nschedul = '*/5 * * * *'"),
        "linkdown.toml:3: unknown key `schedul` in [sources.ioda]; did you mean `schedule`?"
    );
    assert_eq!(
        why("[storag]\n"),
        "linkdown.toml:1: unknown key `storag` at the top level; did you mean `storage`?"
    );
    assert_eq!(
        why("[console]\nxyz = 1"),
        "linkdown.toml:2: unknown key `xyz` in [console]; it takes sensitivity, from_suspected"
    );
    assert_eq!(
        why("\n[sources.iodo]\n"),
        "linkdown.toml:2: unknown source `iodo` in [sources]; did you mean `ioda`?"
    );
}

#[test]
fn a_value_of_another_type_is_refused_with_what_may_stand_there() {
    for (text, expected) in [
        (
            "[sources.ioda]\njitter_seconds = -1",
            ":2: `jitter_seconds` in [sources.ioda] must be a whole number from 0 to 3600, not -1",
        ),
        ("[sources.ioda]\njitter_seconds = 1.5", "must be a whole number from 0 to 3600, not 1.5"),
        (
            "[sources.ripestat]\n\ncalls_a_day = 'many'",
            ":3: `calls_a_day` in [sources.ripestat] must be a whole number, 1 or more, not the text \"many\"",
        ),
        (
            "[storage]\nraw_days = 99999999999",
            "must be a whole number, 15 or more, not 99999999999",
        ),
        (
            "[storage]\nraw_days = 99999999999999999999",
            "must be a whole number, 15 or more, not 99999999999999999999",
        ),
        ("[storage]\nprune = 3", "must be a cron line in quotes, such as \"30 3 * * *\", not 3"),
        ("[probe]\nenabled = 1", ":2: `enabled` in [probe] must be true or false, not 1"),
        ("[probe]\nenabled = 'yes'", "must be true or false, not the text \"yes\""),
        ("[probe]\nin_flight = -5", "must be a whole number from 1 to 4096, not -5"),
        (
            "[probe]\nprofiles = 'kp'",
            "must be a list in brackets, such as [\"one\", \"two\"], not the text \"kp\"",
        ),
        (
            "[watch]\nentities = [\n'KP',\n5]",
            ":4: `entities` in [watch] must be a text in quotes, not 5",
        ),
        (
            "[[probe.target]]\nprobe = 7",
            ":2: `probe` in [probe.target] must be a text in quotes, not 7",
        ),
        (
            "[access]\nwho = 'nobody'",
            ":2: `who` in [access] must be one of everyone, listed, not the text \"nobody\"",
        ),
        ("[access]\nmax_subscriptions = true", "must be a whole number from 1 to 1000, not true"),
        (
            "[linkdown]\nzone = 3",
            "must be the name of a time zone in quotes, such as \"Europe/Moscow\", not 3",
        ),
        ("watch = 3", ":1: `watch` at the top level must be a table, not 3"),
        ("[console]\nsensitivity = 2", ":2: `sensitivity` in [console]"),
    ] {
        let said = why(text);
        assert!(said.starts_with("linkdown.toml:") && said.contains(expected), "{text}: {said}");
        assert!(!said.contains("u32") && !said.contains("invalid type"), "{text}: {said}");
    }
}

#[test]
fn a_zone_is_suggested_by_its_city() {
    for (said, meant) in [
        ("Moscow", "Europe/Moscow"),
        ("moscow", "Europe/Moscow"),
        ("New York", "America/New_York"),
        ("Pyonyang", "Asia/Pyongyang"),
        ("Europe/Mosow", "Europe/Moscow"),
        ("MSK", "Europe/Moscow"),
    ] {
        let said = why(&format!("[linkdown]\nzone = '{said}'"));
        assert!(said.ends_with(&format!("; did you mean `{meant}`?")), "{said}");
    }
}

#[test]
fn a_list_of_nobody_is_warned_about() {
    let warnings = |text: &str| parse(text).warnings();
    let nobody = warnings("[access]\nwho = 'listed'");
    assert!(nobody[0].contains("nobody can use the bot") && nobody.len() == 1, "{nobody:?}");
    let owners = warnings("[access]\nwho = 'listed'\nowners = ['discord:1']");
    assert!(owners[0].contains("nobody but the owners can use the bot"), "{owners:?}");
    assert!(warnings("[access]\nwho = 'listed'\ntelegram_chats = ['-100']").is_empty());
    assert!(warnings("").is_empty());
}

#[test]
fn a_wrong_value_is_refused_at_its_line() {
    for (text, expected) in [
        (
            "[sources.ioda]\nschedule = 5",
            "linkdown.toml:2: `schedule` in [sources.ioda] must be a cron line in quotes, such as \"*/5 * * * *\", not 5",
        ),
        (
            "[sources.ioda]\n\nschedule = '0 25 * * *'",
            "linkdown.toml:3: bad cron line `0 25 * * *`: `25` is no hour; 0-23",
        ),
        (
            "[storage]\nprune = '0 0 31 2 *'",
            "linkdown.toml:2: cron line `0 0 31 2 *` can never fire: there is no such day",
        ),
        (
            "[storage]\nraw_days = 3",
            "linkdown.toml:2: `raw_days` must be 15 or more: what is normal is learnt from 14 days",
        ),
        (
            "[storage]\nhourly_days = 20",
            "linkdown.toml:2: `hourly_days` must not be less than `raw_days` (45)",
        ),
        (
            "[sources.radar]\nmax_concurrent = 0",
            "linkdown.toml:2: `max_concurrent` must be from 1 to 8, not 0",
        ),
        (
            "[linkdown]\nzone = 'Asia/Pyonyang'",
            "linkdown.toml:2: unknown time zone `Asia/Pyonyang`; did you mean `Asia/Pyongyang`?",
        ),
        (
            "[watch]\nentities = [\n 'country/KP',\n 'country/KP in country/CN',\n]",
            "linkdown.toml:4: `country/KP` is in the watchlist twice; remove one of the two",
        ),
        (
            "[watch]\nentities = [\n 'asn/1 in asn/2',\n 'asn/2 in asn/1']",
            "linkdown.toml:4: `asn/2` would be part of itself; remove one `in` of the circle",
        ),
        (
            "[watch]\nentities = ['country/KP called ']",
            "linkdown.toml:2: `country/KP called ` names nothing after `called`",
        ),
    ] {
        assert_eq!(why(text), expected);
    }
    assert!(
        why("[watch]\nentities = [\n'north corea']")
            .starts_with("linkdown.toml:3: no country, network or site is")
    );
    assert!(
        why("[watch]\nentities = ['country/XX']")
            .starts_with("linkdown.toml:2: no country has the code `XX`")
    );
    assert!(
        why("[linkdown]\ncontact = 'a\u{e9}'")
            .starts_with("linkdown.toml:2: `contact` goes into the User-Agent")
    );
    assert!(
        why("[sources.ioda]\njitter_seconds = -1")
            .starts_with("linkdown.toml:2: `jitter_seconds` in [sources.ioda]")
    );
    assert!(why("a = 1\n[storage\n").starts_with("linkdown.toml:2: not valid TOML: "));
    assert!(why("[linkdown]\nzone = 2025-02-30").starts_with("linkdown.toml:2: not valid TOML: "));
}

#[test]
fn a_budget_in_which_the_watchlist_cannot_be_watched_is_refused() {
    let text = "[watch]\nentities = ['KP', 'IR', 'AS131279']\n[sources.ripestat]\ncalls_a_day = 17";
    assert_eq!(
        why(text),
        "linkdown.toml:4: the budget of ripestat does not fit: 3 entities and 3 controls need 18 calls a day to be \
         asked every 8 hours, and `calls_a_day` is 17; watch fewer entities, or raise it"
    );
    assert!(Config::parse(&text.replace("17", "18"), "linkdown.toml").is_ok());
    assert!(Config::parse(&format!("{text}\nenabled = false"), "linkdown.toml").is_ok());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str| Config::load(&folder.path().join(name)).unwrap_err().to_string();
    assert!(
        load("none.toml").ends_with("none.toml: no such file; name another one with --config FILE")
    );
    std::fs::write(folder.path().join("latin.toml"), b"[linkdown]\n# caf\xe9\n").unwrap();
    assert!(load("latin.toml").ends_with("latin.toml:2: not UTF-8; save the file as UTF-8"));
    assert!(load("").contains("cannot be read"), "a folder is no file");
}

#[test]
fn the_shipped_profiles_name_their_hosts_with_reasons_and_days() {
    let shipped = Config::parse(SHIPPED, "config/linkdown.toml").unwrap();
    assert_eq!(shipped.probe.profiles.len(), profile::SHIPPED.len(), "all that are shipped are on");
    for profile in &shipped.probe.profiles {
        assert!(!profile.routes.is_empty() && profile.targets.len() >= 3, "{}", profile.entity);
        assert!(
            shipped.watch.iter().any(|watched| watched.entity == profile.entity),
            "{} is watched",
            profile.entity
        );
        assert!(profile.targets.iter().all(|target| target.why.is_some()));
    }
    let kp = shipped
        .probe
        .profiles
        .iter()
        .find(|profile| profile.entity.to_string() == "country/KP")
        .unwrap();
    let kinds =
        |signal: Option<&str>| kp.targets.iter().filter(|target| target.signal() == signal).count();
    assert_eq!(
        (kinds(Some("dns")), kinds(Some("http")), kinds(Some("mail")), kinds(None)),
        (4, 5, 2, 4)
    );
    assert_eq!(kp.gateways.values().collect::<Vec<_>>(), ["China Unicom", "TransTelecom"]);
}

#[test]
fn a_profile_of_ones_own_is_found_beside_the_file_and_its_errors_say_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("linkdown.toml");
    let said = |profile: &str, config: &str| {
        std::fs::write(folder.path().join("mine.toml"), profile).unwrap();
        std::fs::write(&file, config).unwrap();
        Config::load(&file).map(|config| config.probe.targets.len()).map_err(|error| {
            error.to_string().replace(&format!("{}/", folder.path().display()), "")
        })
    };
    let named = "[probe]\nprofiles = ['mine.toml']";
    let target = |probe: &str| format!("entity = 'country/TO'\n[[target]]\nprobe = '{probe}'");
    assert_eq!(said(&target("https://tonga.example/"), named), Ok(1));
    assert_eq!(
        said(&target("gopher://tonga.example"), named).unwrap_err(),
        "linkdown.toml:2: profile mine.toml:3: unknown kind of probe `gopher`: it must be one of dns, tcp, tls, http, https, smtp, icmp"
    );
    let why = said("", "[probe]\nprofiles = ['kq']").unwrap_err();
    assert_eq!(
        why,
        "linkdown.toml:2: unknown profile `kq`; shipped are bt, cu, er, fk, kp; a file of yours ends in .toml"
    );
    let why = said("", "[[probe.target]]\nprobe = 'icmp://192.0.2.1'").unwrap_err();
    assert_eq!(why, "linkdown.toml:2: a target needs its `entity`, such as \"country/KP\"");
    let why = said("", "[probe]\nevery_seconds = 5").unwrap_err();
    assert_eq!(why, "linkdown.toml:2: `every_seconds` must be from 10 to 3600, not 5");
    let why = said("", "[probe]\ncontrols = 'none.toml'").unwrap_err();
    assert!(why.starts_with("linkdown.toml:2: none.toml: cannot be read"), "{why}");
}

#[test]
fn what_is_probed_is_watched_whether_it_is_listed_or_not() {
    let config = parse(
        "[watch]\nentities = ['KP', 'AS131279 in KP']\neager = ['x.example', 'FK']\n[probe]\nprofiles = ['kp', 'fk']\n\
         [[probe.target]]\nentity = 'site/x.example'\nprobe = 'https://x.example/'\n\
         [[probe.target]]\nentity = 'KP'\nprobe = 'icmp://175.45.177.1'\n\
         [[probe.target]]\nentity = 'site/x.example'\nprobe = 'tcp://x.example:80'",
    );
    let watched: Vec<(String, &str)> = config
        .watch
        .iter()
        .map(|watched| (watched.entity.to_string(), watched.sensitivity.as_str()))
        .collect();
    let expected = [
        ("country/KP", "balanced"),
        ("asn/131279", "balanced"),
        ("country/FK", "eager"),
        ("site/x.example", "eager"),
    ];
    assert_eq!(watched, expected.map(|(entity, word)| (entity.to_owned(), word)));
    // `/subscribe all` means these entities.
    let list = crate::domain::Watchlist::new(config.watch);
    assert!(list.is_configured(&"site/x.example".parse().unwrap()));
}

#[test]
fn what_is_not_probed_is_not_watched_for_the_sake_of_a_target() {
    let config = parse("[probe]\nenabled = false\nprofiles = ['kp']");
    assert!(config.watch.is_empty());
}

#[test]
fn a_profile_of_ones_own_is_watched_and_so_are_the_entities_of_its_targets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("linkdown.toml");
    std::fs::write(
        folder.path().join("mine.toml"),
        "entity = 'country/TO'\n[[target]]\nentity = 'правительство.рф'\nprobe = 'https://правительство.рф/'",
    )
    .unwrap();
    std::fs::write(&file, "[probe]\nprofiles = ['mine.toml']").unwrap();
    let config = Config::load(&file).unwrap();
    let names: Vec<String> =
        config.watch.iter().map(|watched| display_name(&watched.entity)).collect();
    assert_eq!(names, ["Tonga", "правительство.рф"]);
}

#[test]
fn a_wrong_target_is_refused_at_its_line_with_its_place() {
    let target = |probe: &str| format!("[[probe.target]]\nentity = 'KP'\n\nprobe = '{probe}'");
    assert_eq!(
        why(&target("http://[::1]18000/")),
        "linkdown.toml:4: `[::1]18000` is no host: `18000` follows the `]`; write a colon before the port, as in \
         [2001:db8::1]:80"
    );
    assert_eq!(
        why(&target("http://kcna.kp/a b")),
        "linkdown.toml:4: `http://kcna.kp/a b` holds a space as its character 17: write %20 in a path, or leave it out"
    );
    let secret = why(&target("https://user:secret@kcna.kp/"));
    assert!(
        secret.starts_with("linkdown.toml:4: `…@kcna.kp/` is no host")
            && !secret.contains("secret"),
        "{secret}"
    );
    assert_eq!(
        why("[watch]\nentities = ['site/münchen']"),
        "linkdown.toml:2: `münchen` is no site: a host name has a dot and at least two parts, such as kcna.kp; say it as \
         KP, AS131279, 175.45.176.0/22 or kcna.kp"
    );
}

#[test]
fn the_limits_of_chats_are_numbers_within_bounds_and_an_error_has_its_place() {
    assert_eq!(parse("").limits, Limits::default());
    assert_eq!(Config::parse(SHIPPED, "config/linkdown.toml").unwrap().limits, Limits::default());
    let read = parse(
        "[limits]\nper_server = 0\nper_person = 7\nin_all = 8\nper_hour = 9\nsites_in_flight = 10",
    )
    .limits;
    assert_eq!(
        read,
        Limits { per_server: 0, per_person: 7, in_all: 8, per_hour: 9, sites_in_flight: 10 }
    );
    assert_eq!(
        why("[limits]\nper_server = 5\nsites_in_flight = 0"),
        "linkdown.toml:3: `sites_in_flight` must be from 1 to 1024, not 0"
    );
    assert_eq!(
        why("[limits]\nin_all = 100001"),
        "linkdown.toml:2: `in_all` must be from 0 to 100000, not 100001"
    );
    assert!(why("[limits]\nper_sever = 5").contains("per_server"));
}
