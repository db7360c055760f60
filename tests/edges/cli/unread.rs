//! Who reads the output may leave, as `head` does; and a folder in which no bot has run.

use super::{KP, Place};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_reader_that_leaves_ends_every_sub_command_quietly() {
    let place = Place::new().watching(KP);
    for line in [
        "check",
        "check --probe",
        "--help",
        "check --help",
        "--version",
        "demo",
        "status KP --json",
        "doctor",
    ] {
        let mut command = place.command(line);
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        if line == "demo" {
            let mut first = String::new();
            BufReader::new(out).read_line(&mut first).unwrap();
        } else {
            drop(out);
        }
        let said = std::io::read_to_string(err).unwrap();
        let status = child.wait().unwrap();
        assert!(!said.contains("roken pipe") && !said.contains("panicked"), "{line}: {said}");
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn where_no_bot_has_run_it_is_said_and_no_database_is_made() {
    let place = Place::new().watching(KP);
    let why = place.runs("status KP").refused(1);
    assert!(why.starts_with("no bot has run here: there is no database data/linkdown.db"), "{why}");
    assert!(why.contains("`linkdown status KP --now` asks the sources once"), "{why}");
    for line in
        ["deliveries", "health", "explain KP", "backup copy.db", "status KP --database other.db"]
    {
        let why = place.runs(line).refused(1);
        assert!(why.contains("there is no database"), "{line}: {why}");
    }
    let asked = place.runs("status KP --now").well();
    assert!(
        asked.contains("North Korea") && !asked.contains("reading the last 14 days"),
        "{asked}"
    );
    assert_eq!(place.files(), ["config"]);
}

#[test]
fn a_list_of_nobody_is_warned_about_by_check() {
    let place = Place::new().watching(&format!("{KP}[access]\nwho = 'listed'\n"));
    let said = place.runs("check").well();
    assert!(
        said.contains("warning: [access] who = \"listed\" and neither discord_servers"),
        "{said}"
    );
}
