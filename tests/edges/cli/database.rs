//! Databases that are not to be touched.

use super::{KP, Place};
use linkdown::store::{Access, Store};
use nix::sys::signal::Signal;

/// Where SQLite keeps the schema's version in its file.
const USER_VERSION: std::ops::Range<usize> = 60..64;

/// The bytes of a database as a bot leaves it.
fn database() -> Vec<u8> {
    let place = Place::new();
    let path = place.path("it.db");
    drop(Store::open(&path, Access::Own).unwrap());
    std::fs::read(path).unwrap()
}

#[test]
fn a_second_bot_on_one_database_is_refused_and_told_by_whom() {
    let place = Place::new().watching(KP);
    let mut bot = place.starts("run");
    bot.says("reading the past");
    let why = place.runs("run").refused(1);
    assert!(why.contains(&format!("in use by linkdown with process id {};", bot.pid())), "{why}");
    bot.stops_by(Signal::SIGTERM);
}

#[test]
fn what_is_newer_damaged_or_no_database_is_left_as_it_is() {
    let mut newer = database();
    newer[USER_VERSION].copy_from_slice(&99_u32.to_be_bytes());
    let mut damaged = database();
    damaged[100..].fill(0xff);
    let text = b"these are my notes, and no database\n".to_vec();
    for (content, expected) in
        [(newer, "a newer linkdown (schema 99"), (damaged, "is damaged"), (text, "is no SQLite")]
    {
        let place = Place::new().holding("it.db", &content);
        for line in [
            "run --database it.db",
            "status KP --database it.db",
            "backup copy.db --database it.db",
        ] {
            let why = place.runs(line).refused(1);
            assert!(why.contains(expected) && why.contains("it.db"), "{line}: {why}");
        }
        assert!(
            std::fs::read(place.path("it.db")).unwrap() == content,
            "{expected}: it was written to"
        );
        assert!(!place.path("copy.db").exists() && !place.path("copy.db.partial").exists());
    }
}

#[test]
fn a_folder_is_no_database_and_a_file_no_folder() {
    let place = Place::new().holding("folder/file", "");
    assert!(place.runs("run --database folder").refused(1).contains("is no SQLite database"));
    assert!(
        place
            .runs("run --database folder/file/it.db")
            .refused(1)
            .contains("a file stands where a folder must be")
    );
    assert_eq!(place.files(), ["folder"]);
}
