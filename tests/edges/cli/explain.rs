//! "Why this alert?", "why no alert?" on the command line: from a file, and from a database.

use super::Place;
use std::fmt::Write;

/// Three days of two hourly signals of four countries; North Korea is gone for six hours from the sixtieth on.
fn three_days() -> String {
    let mut file = "received_at,observed_at,entity,source,signal,value\n".to_owned();
    for hour in 0..72 {
        for entity in ["country/KP", "country/JP", "country/US", "country/DE"] {
            let is_gone = entity == "country/KP" && (60..66).contains(&hour);
            for source in ["ioda", "ripestat"] {
                let (start, value) =
                    (1_749_000_000 + hour * 3600, if is_gone { 0 } else { 50 + hour % 3 });
                writeln!(file, "{},{start},{entity},{source},bgp,{value}", start + 4200).unwrap();
            }
        }
    }
    file
}

#[test]
fn a_file_and_a_database_made_of_it_explain_the_same() {
    let place =
        Place::new().holding("kp.csv", three_days()).watching("[watch]\nentities = ['KP']\n");
    place.runs("replay --observations kp.csv --events out.jsonl --database kp.db").well();
    // Its sixty-second hour, and its fiftieth.
    let down = "--at 2025-06-06T15:30";
    let up = "--at 2025-06-06T03:30";
    let from_file = place.runs(&format!("explain KP --observations kp.csv {down}")).well();
    assert!(from_file.starts_with("🔴 Why North Korea is told as down"), "{from_file}");
    for said in [
        "0 of 51 blocks announced",
        "IODA BGP: 6.5, counts",
        "two witnesses that agree",
        "it takes 7.2",
    ] {
        assert!(from_file.contains(said), "{said}: {from_file}");
    }
    let quiet = place.runs(&format!("explain KP --database kp.db {up}")).well();
    assert!(quiet.starts_with("🟢 Why there is no alert of North Korea"), "{quiet}");
    assert!(
        quiet.contains("nothing is missing") && quiet.contains("no rule is even tried"),
        "{quiet}"
    );
    assert_eq!(
        place.runs(&format!("explain north korea --database kp.db {down}")).well(),
        from_file
    );
    let json = place.runs(&format!("explain KP --observations kp.csv {down} --json")).well();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["verdict"], "down");
    assert_eq!(json["rules"][0]["rule"], "two_agree");
    assert_eq!(json["signals"][0]["part"]["part"], "counts");
}

#[test]
fn what_cannot_be_explained_is_said_in_one_line() {
    let place = Place::new().holding("kp.csv", three_days());
    for (line, code, expected) in [
        ("explain KP", 1, "there is no database data/linkdown.db: nothing was watched yet"),
        ("explain KP --at someday", 2, "--at someday: no such time"),
        ("explain KP --at 2099-01-01", 2, "2099-01-01T00:00:00Z is still to come"),
        ("explain Nort Korea", 2, "did you mean North Korea (KP)"),
        ("explain IR --observations kp.csv", 1, "nothing was measured of Iran by"),
        ("explain KP --observations none.csv", 2, "none.csv: No such file"),
        (
            "replay --observations kp.csv --events o.jsonl --sensitivity bold",
            2,
            "careful, balanced or eager",
        ),
    ] {
        let why = place.runs(line).refused(code);
        assert!(why.contains(expected), "{line}: {why}");
    }
    assert_eq!(place.files(), ["kp.csv"]);
}
