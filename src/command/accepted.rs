//! Tests that every text that the bot prints, completes or suggests is accepted as input: as a
//! typed line (Telegram, the console) and as the option of a command (Discord). The texts come from
//! the functions that print them.

use super::{AppContext, Asker, Command, HELP, Mistake, Unsubscribe, When, Wish, line, parse_in};
use crate::clock::Clock;
use crate::domain::lookup::{self, display_name};
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{
    Entity, Kinds, Layer, Options, Phase, Quiet, Scope, Sensitivity, Timestamp, Verdict, Watched,
    Watchlist, country,
};
use crate::render::lists::{Past, history, watchlist, wish_line};
use crate::render::summary::{missed, summary};
use crate::render::words::{day_and_time, duration, incident_line, local_and_utc, utc_time};
use crate::render::{Syntax, lists};
use crate::store::Store;
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use std::sync::{Arc, RwLock};

const SYNTAXES: [Syntax; 2] = [Syntax::Typed, Syntax::Slash];

fn entity(text: &str) -> Entity {
    lookup::parse_what(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Returns the operator's watchlist: one entity of each kind, some with configured names.
fn watched() -> Watchlist {
    let named = |what: &str, name: Option<&str>| Watched {
        entity: entity(what),
        part_of: None,
        name: name.map(str::to_owned),
        sensitivity: Sensitivity::Balanced,
    };
    Watchlist::new(vec![
        named("KP", None),
        named("AS131279", Some("Star JV")),
        named("AS3320", None),
        named("175.45.176.0/22", None),
        named("2001:db8::/32", Some("Pyongyang (north)")),
        named("kcna.kp", Some("News agency, the")),
        named("naenara.com.kp", None),
        named("region/4416", None),
    ])
}

/// Returns the command in the form of each platform: typed by place, typed by name, and as options.
fn ways(word: &str, options: &[(&str, &str)]) -> [String; 3] {
    [Syntax::Typed.call(word, options), Syntax::Slash.call(word, options), line(word, options)]
}

fn given(word: &str, options: &[(&str, &str)]) -> Vec<Command> {
    let list = watched();
    let take =
        |way: String| parse_in(&way, &list).unwrap_or_else(|mistake| panic!("{way}: {mistake}"));
    ways(word, options).into_iter().map(take).collect()
}

/// Checks that each command with an entity accepts this name of it.
fn accepts_name(shown: &str, meant: &Entity) {
    for command in given("status", &[("what", shown)]) {
        assert_eq!(command, Command::Status(vec![meant.clone()]), "{shown}");
    }
    for command in given("history", &[("what", shown)]) {
        assert_eq!(command, Command::History(Some(meant.clone())), "{shown}");
    }
    for command in given("why", &[("what", shown), ("when", "17:34 UTC")]) {
        assert_eq!(
            command,
            Command::Why { entity: meant.clone(), when: When::Clock(63_240) },
            "{shown}"
        );
    }
    for command in given("mute", &[("what", shown), ("for", "2 h")]) {
        assert_eq!(
            command,
            Command::Mute { scopes: vec![Scope::One(meant.clone())], length: 2 * HOUR },
            "{shown}"
        );
    }
    for command in given("unsubscribe", &[("what", shown)]) {
        assert_eq!(
            command,
            Command::Unsubscribe(Unsubscribe::These(vec![Scope::One(meant.clone())])),
            "{shown}"
        );
    }
    let wish = wish(&[("what", shown), ("quiet", "22-07")]);
    assert_eq!(wish.scopes, [Scope::One(meant.clone())], "{shown}");
    // In a private chat, the name alone is a question.
    assert_eq!(parse_in(shown, &watched()), Ok(Command::Status(vec![meant.clone()])), "{shown}");
}

/// Returns the subscription that all forms of one command give; they must be equal.
fn wish(options: &[(&str, &str)]) -> Wish {
    let mut wishes: Vec<Wish> = given("subscribe", options)
        .into_iter()
        .map(|command| match command {
            Command::Subscribe(wish) => wish,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(wishes.windows(2).all(|pair| pair[0] == pair[1]), "{wishes:?}");
    wishes.remove(0)
}

fn context() -> AppContext {
    let state = Arc::new(RwLock::default());
    let clock = Clock::simulated(Timestamp::parse("2025-06-06 18:05").unwrap());
    AppContext::of_questions(
        Store::in_memory().unwrap(),
        state,
        Arc::new(watched()),
        Arc::default(),
        clock,
    )
}

/// Returns every country, and one entity of each other kind.
fn entities() -> Vec<Entity> {
    let countries = country::all().iter().map(|country| Entity::Country(country.code));
    countries.chain(watched().configured().map(|watched| watched.entity.clone())).collect()
}

#[test]
fn every_name_that_is_printed_completed_or_suggested_is_accepted() {
    let (list, context, now) = (watched(), context(), Timestamp::from_unix(1_749_231_240));
    for entity in entities() {
        let name = display_name(&entity);
        let mut shown =
            vec![name.clone(), lookup::shown(&entity), lookup::short(&entity), entity.to_string()];
        shown.extend(list.name_of(&entity).map(str::to_owned));
        shown.extend(entity.country().and_then(country::by_code).map(country::Country::flag));
        // Completions of its name, and of its short form.
        let called = list.name_of(&entity).unwrap_or(&name);
        for typed in [called, lookup::short(&entity).as_str()] {
            for (label, value) in
                context.complete_what(typed).into_iter().filter(|(_, value)| value != "all")
            {
                let meant = lookup::parse_in(&value, &list).unwrap();
                accepts_name(&label, &meant);
                if meant == entity {
                    shown.push(label);
                }
            }
        }
        // Lists.
        let entry = lists::Watched {
            entity: entity.clone(),
            name: list.name_of(&entity).map(str::to_owned),
            verdict: Verdict::Down,
            part_of: None,
            since: Some(now - HOUR),
        };
        for row in watchlist(&[entry], now).rows {
            shown.extend([
                row.measured.clone(),
                row.source.clone(),
                format!("{} · {}", row.measured, row.source),
            ]);
        }
        let past = past(&entity, now);
        for row in history(&name, std::slice::from_ref(&past), now).rows {
            shown.push(row.measured);
        }
        let two = [past.clone(), past];
        for note in summary(crate::domain::DelayReason::Muted, now, &two, now, Syntax::Typed).notes
        {
            shown.push(note.label);
        }
        for text in shown {
            accepts_name(&text, &entity);
        }
    }
}

fn past(entity: &Entity, now: Timestamp) -> Past {
    Past {
        id: 3,
        entity: entity.clone(),
        phase: Phase::Down,
        started_at: now - HOUR,
        ended_at: None,
        zone: lookup::zone_of(entity, []),
    }
}

#[test]
fn every_suggestion_for_a_name_is_accepted() {
    let list = watched();
    let mut suggested = 0;
    for entity in entities() {
        let name = list.name_of(&entity).map_or_else(|| display_name(&entity), str::to_owned);
        for slip in [format!("{name}x"), name.chars().skip(1).collect(), format!("{name} {name}x")]
        {
            let Err(error) = lookup::parse_in(&slip, &list) else { continue };
            for near in error.near {
                accepts_name(&near, &lookup::parse_in(&near, &list).unwrap());
                suggested += 1;
            }
        }
    }
    assert!(suggested > 200, "{suggested}");
    let address = lookup::parse_what("175.45.176.1").unwrap_err();
    accepts_name(&address.near[0], &entity("175.45.176.0/24"));
    let two = lookup::parse_what("South Korea (KP)").unwrap_err();
    assert_eq!(two.near.len(), 2);
    two.near.iter().for_each(|near| accepts_name(near, &lookup::parse_what(near).unwrap()));
}

#[test]
fn several_names_are_accepted_as_they_are_listed_and_completed() {
    let all: Vec<Entity> =
        country::all().iter().map(|country| Entity::Country(country.code)).collect();
    let context = context();
    for pair in all.windows(2) {
        let scopes: Vec<Scope> = pair.iter().cloned().map(Scope::One).collect();
        let (second, listed) = (display_name(&pair[1]), super::subscribe::named(&scopes));
        for command in given("status", &[("what", &listed)]) {
            assert_eq!(command, Command::Status(pair.to_vec()), "{listed}");
        }
        let code = lookup::short(&pair[0]);
        for (label, value) in
            context.complete_what(&format!("{code} {}", &second.split(' ').next().unwrap()))
        {
            let meant = parse_in(&format!("/status {value}"), &watched());
            for command in given("status", &[("what", &label)]) {
                assert_eq!(Ok(command), meant, "{label}");
            }
        }
    }
    for (label, value) in context.complete_what("") {
        for text in [label, value] {
            let scopes = wish(&[("what", &text)]).scopes;
            assert_eq!(scopes.len(), 1, "{text}");
        }
    }
    assert_eq!(wish(&[("what", &super::subscribe::named(&[Scope::All]))]).scopes, [Scope::All]);
}

/// Returns a moment in every month of four years: enough for summer and winter time, north and
/// south.
fn moments() -> impl Iterator<Item = Timestamp> {
    (2024..2028).flat_map(|year| {
        (1..=12).filter_map(move |month| Timestamp::parse(&format!("{year}-{month:02}-15 02:34")))
    })
}

#[test]
fn every_zone_is_accepted_as_it_is_printed() {
    for zone in TZ_VARIANTS {
        let options = Options { zone: Some(zone), ..Options::default() };
        let quiet = Options { quiet: Quiet::parse("22-07"), ..options.clone() };
        let printed =
            |options: &Options| wish_line(options, None).rsplit(" · ").next().unwrap().to_owned();
        assert_eq!(wish(&[("what", "AS1"), ("zone", zone.name())]).options.zone, Some(zone));
        assert_eq!(wish(&[("what", "AS1"), ("zone", &printed(&options))]).options.zone, Some(zone));
        let said = wish(&[("what", "AS1"), ("quiet", &printed(&quiet))]).options;
        assert_eq!((said.zone, said.quiet), (Some(zone), quiet.quiet), "{}", printed(&quiet));
    }
    for country in country::all() {
        let code = country.code.as_str();
        for at in moments() {
            // The abbreviation at the end of the time in an alert.
            let printed = day_and_time(at, country.zone, at);
            let abbreviation = printed.rsplit(' ').next().unwrap();
            let wish = wish(&[("what", code), ("zone", abbreviation)]);
            let read = wish.options.zone.unwrap();
            assert_eq!(
                day_and_time(at, read, at),
                printed,
                "{code}: {abbreviation} is read as {read}"
            );
            // For another entity the abbreviation is accepted as some zone's.
            assert!(
                super::parse::parse_in(&format!("/subscribe all zone: {abbreviation}"), &watched())
                    .is_ok()
            );
        }
    }
    let desk_completes = |typed: &str| AppContext::complete_zone(typed);
    for typed in ["", "seo", "KST", "IST", "moscow", "UTC+03:30", "new y", "Russia"] {
        let found = desk_completes(typed);
        assert!(!found.is_empty(), "{typed}");
        for (label, value) in found {
            assert_eq!(
                wish(&[("what", "AS1"), ("zone", &label)]).options.zone,
                Some(value.parse::<Tz>().unwrap())
            );
        }
    }
    for wrong in ["Moscow", "Asia/Soul", "Russia", "new yrok", "Seoul"] {
        let mistake =
            parse_in(&format!("/subscribe KP zone: {wrong}"), &watched()).unwrap_err().to_string();
        let (_, suggested) =
            mistake.split_once("did you mean `").unwrap_or_else(|| panic!("{mistake}"));
        let suggested = suggested.split('`').next().unwrap();
        assert!(
            wish(&[("what", "AS1"), ("zone", suggested)]).options.zone.is_some(),
            "{suggested}"
        );
    }
}

fn instant_of(text: &str, code: &str, now: Timestamp) -> Vec<Timestamp> {
    let commands = given("why", &[("what", code), ("when", text)]);
    commands
        .into_iter()
        .map(|command| match command {
            Command::Why { when, .. } => when.instant(now),
            other => panic!("{text}: {other:?}"),
        })
        .collect()
}

/// 2020 to 2030, the time range of the property tests: all abbreviations of these years are known.
const FROM: i64 = 1_577_836_800;
const UNTIL: i64 = 1_830_297_600;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_time_is_accepted_as_it_is_printed(
        at in FROM..UNTIL,
        age in 0..200 * DAY,
        which in 0..country::all().len(),
    ) {
        let (at, country) = (Timestamp::from_unix(at).floor_to(MINUTE), &country::all()[which]);
        let (now, code) = (at + age, country.code.as_str());
        let minute = vec![at; 3];
        for printed in [
            day_and_time(at, country.zone, now),
            day_and_time(at, Tz::UTC, now),
            local_and_utc(at, country.zone, now),
            local_and_utc(at, Tz::UTC, now),
            at.to_string(),
            at.utc().format("%Y-%m-%d %H:%M").to_string(),
            format!("<t:{}:f>", at.unix()),
        ] {
            prop_assert_eq!(&instant_of(&printed, code, now), &minute, "{} of {}", printed, code);
        }
        let soon = at + age % DAY;
        prop_assert_eq!(instant_of(&utc_time(at), code, soon), minute);
    }

    #[test]
    fn a_length_is_accepted_as_it_is_printed(length in 1..=30 * DAY) {
        let printed = duration(length);
        for command in given("mute", &[("what", "KP"), ("for", &printed)]) {
            let Command::Mute { length: read, .. } = command else { panic!("{command:?}") };
            prop_assert!(read <= length && duration(read) == printed, "{} is read as {}", printed, read);
        }
        let ago = instant_of(&format!("{printed} ago"), "KP", Timestamp::from_unix(UNTIL));
        prop_assert_eq!(duration(Timestamp::from_unix(UNTIL) - ago[0]), printed);
    }

    #[test]
    fn quiet_hours_are_accepted_as_they_are_printed(from in 0..1440_u16, until in 0..1440_u16) {
        prop_assume!(from != until);
        let quiet = Quiet::new(from, until).unwrap();
        prop_assert_eq!(wish(&[("what", "KP"), ("quiet", &quiet.to_string())]).options.quiet, Some(quiet));
    }

    #[test]
    fn an_outage_is_accepted_as_its_number_is_printed(id in 1..i64::MAX) {
        let now = Timestamp::from_unix(1_749_231_240);
        let past = Past { id, ..past(&entity("KP"), now) };
        let mut printed = vec![id.to_string(), format!("#{id}"), format!("Incident {id}"), format!("incident #{id}")];
        printed.extend(history("KP", std::slice::from_ref(&past), now).rows.into_iter().map(|row| row.normal));
        for syntax in SYNTAXES {
            printed.push(incident_line(id, syntax));
            printed.extend(missed(&past, now, syntax).foot);
            printed.push(syntax.outage(id));
            let command = syntax.outage(id);
            prop_assert_eq!(parse_in(&command, &watched()), Ok(Command::Outage(id)));
        }
        for text in printed {
            for command in given("outage", &[("id", &text)]) {
                prop_assert_eq!(command, Command::Outage(id), "{}", text);
            }
        }
    }

    #[test]
    fn no_line_breaks_the_parser(text in "\\PC{0,80}") {
        if let Err(mistake) = parse_in(&text, &watched()) {
            for syntax in SYNTAXES {
                prop_assert!(!mistake.said(syntax).is_empty());
            }
        }
    }
}

#[test]
fn every_word_of_an_option_is_accepted_as_it_is_printed() {
    let part = |options: &Options, at: usize| {
        wish_line(options, None).split(" · ").nth(at).unwrap().to_owned()
    };
    for sensitivity in Sensitivity::ALL {
        let options = Options { sensitivity: Some(sensitivity), ..Options::default() };
        for text in [sensitivity.to_string(), sensitivity.meaning().to_owned(), part(&options, 0)] {
            assert_eq!(wish(&[("what", "KP"), ("sensitivity", &text)]).options, options, "{text}");
        }
        // An option that the chat did not set is shown by its default.
        let usual = wish_line(&Options::default(), Some(sensitivity));
        let usual = usual.split(" · ").next().unwrap();
        assert_eq!(wish(&[("what", "KP"), ("sensitivity", usual)]).options, options, "{usual}");
    }
    for kinds in Kinds::ALL {
        let options = Options { kinds, ..Options::default() };
        for text in [kinds.words().to_owned(), part(&options, 1)] {
            assert_eq!(wish(&[("what", "KP"), ("kinds", &text)]).options, options, "{text}");
        }
    }
    // Every set of layers.
    for set in 1..1_usize << Layer::ALL.len() {
        let chosen = Layer::ALL
            .iter()
            .enumerate()
            .filter(|(at, _)| set & (1 << at) != 0)
            .map(|(_, layer)| *layer);
        let options = Options { layers: chosen.collect(), ..Options::default() };
        let listed: Vec<String> = options.layers.iter().map(ToString::to_string).collect();
        for text in [listed.join(", "), crate::render::words::listed(&listed), part(&options, 2)] {
            assert_eq!(wish(&[("what", "KP"), ("layers", &text)]).options, options, "{text}");
        }
    }
}

#[tokio::test]
async fn every_completion_is_accepted_in_either_half() {
    let (context, asker) = (context(), Asker::console());
    let cases: [(&str, &str, &[&str]); 7] = [
        ("mute", "for", &["", "2", "1 ", "45", "3 d"]),
        ("why", "when", &["", "y", "2 h", "las"]),
        ("subscribe", "layers", &["", "r", "routing, ", "routing, w", "routing reach"]),
        ("subscribe", "kinds", &["", "starts a"]),
        ("subscribe", "sensitivity", &["", "e"]),
        ("subscribe", "quiet", &["", "22"]),
        ("subscribe", "zone", &["", "seo", "KST"]),
    ];
    for (word, option, typed) in cases {
        for typed in typed {
            let choices = context.complete(&asker, word, option, typed).await;
            assert!(!choices.is_empty() && choices.len() <= 25, "{word} {option} {typed}");
            for (label, value) in choices {
                assert!(label.chars().count() <= 100 && value.chars().count() <= 100, "{label}");
                let with = |text: &str| given(word, &[("what", "KP"), (option, text)]);
                assert_eq!(with(&label), with(&value), "{label}");
            }
        }
    }
    for (label, value) in context.complete(&asker, "help", "command", "").await {
        assert_eq!(given("help", &[("command", &label)]), given("help", &[("command", &value)]));
    }
}

/// Returns the commands that a text names, each up to the punctuation that ends it.
fn commands_in(text: &str) -> Vec<String> {
    let ends = [',', ';', '?', ')', '·', '\n'];
    let starts = text.match_indices('/').filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || c == '(')
            && text[at + 1..].starts_with(|c: char| c.is_ascii_lowercase())
    });
    starts
        .map(|(at, _)| text[at..].split(ends).next().unwrap_or_default().trim().to_owned())
        .collect()
}

#[test]
fn every_hint_is_a_command_in_the_readers_own_syntax() {
    let mistakes = [
        "/subscribe",
        "/mute",
        "/mute KP",
        "/why",
        "/outage three",
        "/statsu",
        "/frobnicate",
        "frobnicate",
        "/mute for 2h",
    ];
    let mut hints = 0;
    for syntax in SYNTAXES {
        let mut texts: Vec<String> = mistakes
            .iter()
            .map(|wrong| parse_in(wrong, &watched()).unwrap_err().said(syntax))
            .collect();
        texts.extend(HELP.iter().map(|line| (line.more)(syntax)));
        texts.push(super::CommandError::Full(super::Full::Chat { has: 3, most: 3 }).said(syntax));
        for text in texts {
            for hint in commands_in(&text) {
                hints += 1;
                // The words after the command belong to its sentence and are cut off one by one.
                let words: Vec<&str> = hint.split(' ').collect();
                let accepted = (1..=words.len()).rev().find(|count| {
                    let said = words[..*count].join(" ");
                    parse_in(&said, &watched()).is_ok()
                });
                // `/outage takes an incident's number` mentions a command and does not give an
                // example.
                let is_word = HELP.iter().any(|line| words[0] == format!("/{}", line.word()));
                assert!(
                    accepted.is_some() || is_word && !words[words.len() - 1].contains(':'),
                    "{hint} in: {text}"
                );
            }
            if syntax == Syntax::Slash {
                for typed in [
                    " KP for ",
                    "/outage 3",
                    "/forget yes",
                    "/subscribe all",
                    "/subscribe KP",
                    "/help w",
                ] {
                    assert!(!text.contains(typed), "{typed} in: {text}");
                }
            }
        }
    }
    assert!(hints > 30, "{hints}");
}

#[test]
fn a_mistake_is_told_in_the_readers_own_syntax() {
    let said = |line: &str, syntax| parse_in(line, &watched()).unwrap_err().said(syntax);
    assert_eq!(
        said("/mute KP", Syntax::Slash),
        "say for how long: /mute what: KP for: 2h, /mute what: all for: 3d; 30 days at most"
    );
    assert_eq!(
        said("/mute KP", Syntax::Typed),
        "say for how long: /mute KP for 2h, /mute all for 3d; 30 days at most"
    );
    assert!(said("/outage x", Syntax::Slash).contains("such as /outage id: 3"));
    assert!(said("/why", Syntax::Slash).contains("/why what: AS131279 when: 17:34"));
    assert_eq!(Mistake::NoNumber.to_string(), Mistake::NoNumber.said(Syntax::Typed));
}
