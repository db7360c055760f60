//! Bad input: refused with its place, in one line and with the exit code 2, and nothing half-written.

use super::Place;

#[test]
fn a_command_line_that_makes_no_sense() {
    let place = Place::new();
    for (line, expected) in [
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
        ("chekc", "'check'"),
        ("status", "<ENTITY>"),
        ("status planet/KP", "unknown kind of entity `planet`"),
        ("replay --events out.jsonl", "--observations <CSV>"),
        ("demo --speed 0", "invalid value '0' for '--speed <N>'"),
        (
            "record --entity KP --from 2025-02-30 --until 2025-03-02 --out kp.csv",
            "--from 2025-02-30: no such day",
        ),
        (
            "record --entity KP --from 2025-02-20 --until soon --out kp.csv",
            "--until soon: no such day",
        ),
        (
            "record --entity KP --from 2025-03-02 --until 2025-03-01 --out kp.csv",
            "is not before --until",
        ),
        (
            "record --entity planet/KP --from 2025-03-01 --until 2025-03-02 --out kp.csv",
            "unknown kind of entity",
        ),
    ] {
        let why = place.runs(line).refused(2);
        assert!(why.contains(expected), "{line}: {why}");
    }
    assert!(place.files().is_empty());
}

#[test]
fn every_sub_command_has_help_with_an_example() {
    let place = Place::new();
    let commands = [
        "",
        "run",
        "demo",
        "replay",
        "record",
        "check",
        "status",
        "explain",
        "backup",
        "health",
        "deliveries",
        "invite",
    ];
    for command in commands {
        let help = place.runs(&format!("{command} --help")).well();
        assert!(
            help.contains("Example") && help.contains(&format!("linkdown {command}")),
            "{help}"
        );
    }
}

#[test]
fn a_configuration_with_a_mistake_is_refused_at_its_line() {
    let kp = "[watch]\nentities = ['KP']\n";
    let twice = "[watch]\nentities = [\n'KP',\n'country/KP']\n";
    let budget = "[watch]\nentities = ['KP']\n[sources.ripestat]\ncalls_a_day = 2\n";
    for (config, expected) in [
        (
            format!("{kp}[sources.ioda]\nschedul = '* * * * *'"),
            ":4: unknown key `schedul` in [sources.ioda]; did you mean",
        ),
        (format!("{kp}[sources.ioda]\nschedule = '61 * * * *'"), ":4: bad cron line"),
        (
            format!("{kp}[storage]\nprune = '0 0 31 2 *'"),
            ":4: cron line `0 0 31 2 *` can never fire",
        ),
        (twice.to_owned(), ":4: `country/KP` is in the watchlist twice"),
        (budget.to_owned(), ":4: the budget of ripestat does not fit"),
    ] {
        let place = Place::new().watching(&config);
        for command in ["check", "run", "status KP"] {
            let why = place.runs(command).refused(2);
            assert!(why.starts_with("config/linkdown.toml:") && why.contains(expected), "{why}");
        }
        assert_eq!(place.files(), ["config"], "no database was made");
    }
    let latin = Place::new().holding("latin.toml", b"[watch]\n# caf\xe9\n");
    assert_eq!(
        latin.runs("check --config latin.toml").refused(2),
        "latin.toml:2: not UTF-8; save the file as UTF-8"
    );
    assert!(latin.runs("run --config none.toml").refused(2).starts_with("none.toml: no such file"));
}

#[test]
fn an_environment_with_a_mistake_is_refused_by_the_variables_name() {
    let both = Place::new()
        .with("LINKDOWN_RADAR_TOKEN", "s3cret")
        .with("LINKDOWN_RADAR_TOKEN_FILE", "token");
    assert!(
        both.runs("run")
            .refused(2)
            .starts_with("both LINKDOWN_RADAR_TOKEN and LINKDOWN_RADAR_TOKEN_FILE are set")
    );
    let unreadable = Place::new().with("LINKDOWN_RADAR_TOKEN_FILE", "nowhere");
    assert!(
        unreadable
            .runs("run")
            .refused(2)
            .starts_with("LINKDOWN_RADAR_TOKEN_FILE: cannot read nowhere")
    );
    let empty = Place::new().with("LINKDOWN_RADAR_TOKEN", "");
    assert!(empty.runs("check").refused(2).starts_with("LINKDOWN_RADAR_TOKEN is set but empty"));
    let odd = Place::new().with("LINKDOWN_IODA_URL", "ftp://example.org");
    assert!(odd.runs("run").refused(2).starts_with("LINKDOWN_IODA_URL is no address"));
    assert!(both.files().is_empty() && odd.files().is_empty());
}

#[test]
fn a_file_of_observations_with_a_mistake_is_refused_at_its_line() {
    let header = "received_at,observed_at,entity,source,signal,value\n";
    let good = "60,0,XA,ioda,bgp,4\n";
    for (row, expected) in [
        ("60,0,XA,ioda,bgp", "line 3: 5 fields"),
        ("60,0,XA,ioda,bgp,four", "line 3: `four` is no number"),
        ("60,0,XA,ioda,bgp,NaN", "line 3: `NaN` is no number"),
        ("59,0,XA,ioda,bgp,4", "line 3: received_at 59 is before 60"),
        ("60,0,,ioda,bgp,4", "line 3: an empty entity"),
        ("60,0,planet/KP,ioda,bgp,4", "line 3: unknown kind of entity `planet`"),
    ] {
        let place = Place::new()
            .holding("in.csv", format!("{header}{good}{row}\n"))
            .holding("out.jsonl", "before");
        let why = place.runs("replay --observations in.csv --events out.jsonl").refused(2);
        assert!(why.starts_with("in.csv: ") && why.contains(expected), "{why}");
        assert_eq!(place.files(), ["in.csv", "out.jsonl"]);
        assert_eq!(std::fs::read(place.path("out.jsonl")).unwrap(), b"before");
    }
    let place = Place::new().holding("in.csv", "at,entity\n");
    let replay = "replay --observations in.csv --events out.jsonl";
    assert!(place.runs(replay).refused(2).contains("line 1: the header must begin with"));
    let nothing = "replay --observations none.csv --events out.jsonl";
    assert!(place.runs(nothing).refused(2).contains("none.csv"));
    assert!(place.runs("replay --observations . --events out.jsonl").refused(2).contains("folder"));
    assert_eq!(place.files(), ["in.csv"]);
}
