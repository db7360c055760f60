//! Every test that a page of the documentation names must exist.

use std::path::Path;

/// Returns the words between backticks that look like the name of a test: at least four words
/// joined by underscores.
fn named(text: &str) -> Vec<&str> {
    let words = text.split('`').skip(1).step_by(2);
    let is_a_name = |word: &&str| {
        word.matches('_').count() >= 3
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    // Names of metrics look alike and are excluded.
    words.filter(is_a_name).filter(|word| !word.starts_with("linkdown_")).collect()
}

#[test]
fn every_test_that_a_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        super::rust_files(&root.join(folder), &mut files);
    }
    let code: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    for page in ["SECURITY.md", "ARCHITECTURE.md", "docs/reliability.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        for name in named(&text) {
            assert!(code.contains(&format!("fn {name}(")), "{page} names {name}, which is no test");
        }
    }
    let reliability = std::fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    assert!(named(&reliability).len() >= 25);
    let plan = std::fs::read_to_string(root.join("tests/torture/plan.rs")).unwrap();
    let played = reliability
        .split("torture (")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(names, _)| names);
    let faults: Vec<&str> = played.flat_map(|names| names.split('`').skip(1).step_by(2)).collect();
    assert!(faults.len() >= 10);
    for fault in faults {
        assert!(plan.contains(&format!("What::{fault}")), "torture plays no {fault}");
    }
}

/// The manual names every key of the shipped configuration and every command.
#[test]
fn the_manual_names_each_key_and_each_command() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (config, page) = (read("config/linkdown.toml"), read("docs/configuration.md"));
    let mut keys = 0;
    for line in config.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(table) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            assert!(page.contains(table.trim_matches(['[', ']'])), "no word of [{table}]");
        }
        let is_key = |key: &&str| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| is_key(key)) {
            let named = [format!("`{key}`"), format!(" {key}`")];
            assert!(named.iter().any(|name| page.contains(name)), "no word of the key {key}");
            keys += 1;
        }
    }
    assert!(keys > 30, "only {keys} keys were found");
    let page = read("docs/commands.md");
    for word in linkdown::command::WORDS {
        assert!(page.contains(&format!("`/{word}")), "no word of /{word}");
    }
}
