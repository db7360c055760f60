//! The invariants of ARCHITECTURE.md that a scan of the sources can check: imports point downwards,
//! time comes from the clock, SQL stays in the store, platforms stay in the chats, and the pure
//! parts have no I/O.
//!
//! It is a plain scan of the text, not a compiler: comments and tests are left out, and strings too
//! where they do not count. `proof` checks the scan itself on made-up sources.

mod circles;
mod layers;
mod pages;
mod proof;
mod shipping;
mod text;

use std::fmt;
use std::path::Path;
use text::Source;

/// A place that violates the architecture.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    path: String,
    line: usize,
    why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.why)
    }
}

const TIME: [&str; 8] = [
    "Utc::now",
    "Local::now",
    "SystemTime::now",
    "Instant::now",
    "time::sleep",
    "time::sleep_until",
    "time::interval",
    "thread::sleep",
];
const SQL: [&str; 8] = [
    "SELECT",
    "INSERT INTO",
    "INSERT OR",
    "UPDATE * SET",
    "DELETE FROM",
    "PRAGMA",
    "CREATE TABLE",
    "DROP TABLE",
];
const PLATFORMS: [&str; 2] = ["serenity", "teloxide"];
/// Words that mean I/O. Addresses as values (`std::net::IpAddr`) do not.
const IMPURE: [&str; 13] = [
    "async",
    "await",
    "tokio",
    "reqwest",
    "rusqlite",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
];

/// Returns all violations in one file; `path` is such as `src/store/mod.rs`.
fn violations(path: &str, text: &str) -> Vec<Violation> {
    let source = Source::read(path, text);
    let unit = layers::unit(source.module());
    let mut found = Vec::new();
    let mut say =
        |line: usize, why: String| found.push(Violation { path: path.to_owned(), line, why });

    for (line, import) in source.own_paths() {
        if let Err(why) = layers::may_use(&unit, &layers::unit(&import)) {
            say(line, why);
        }
    }
    if !layers::is_placed(&unit) {
        say(
            1,
            format!(
                "{unit} has no place among the layers; give it one in tests/architecture/layers.rs"
            ),
        );
    }
    if unit != "clock" {
        for (line, word) in source.mentions(&TIME) {
            say(line, format!("{word} stands outside clock.rs"));
        }
    }
    if unit != "store" {
        for (line, word) in source.says(&SQL) {
            say(line, format!("SQL ({word}) stands outside store/"));
        }
        for (line, word) in source.mentions(&["rusqlite"]) {
            say(line, format!("{word} stands outside store/"));
        }
    }
    if unit != "chat" {
        for (line, word) in source.mentions(&PLATFORMS) {
            say(line, format!("{word} stands outside chat/"));
        }
    }
    if layers::is_pure(&unit) {
        for (line, word) in source.mentions(&IMPURE) {
            say(line, format!("{unit} is pure, and {word} is not"));
        }
    }
    found
}

#[test]
fn the_sources_keep_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    assert!(files.len() > 10, "the sources were not found");
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            violations(&path, &std::fs::read_to_string(file).unwrap())
        })
        .map(|violation| violation.to_string())
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    let read = |file: &std::path::PathBuf| {
        let path = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        (path, std::fs::read_to_string(file).unwrap())
    };
    let files: Vec<(String, String)> = files.iter().map(read).collect();
    let found = circles::circles(&files);
    let shown: Vec<String> = found.iter().map(|circle| circle.join(" ")).collect();
    assert!(shown.is_empty(), "{} circles:\n{}", shown.len(), shown.join("\n"));
}

fn rust_files(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}
