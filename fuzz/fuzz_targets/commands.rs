//! Whatever is typed in a chat: a command, or a mistake that is told in one line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkdown::command::parse;

fuzz_target!(|text: &str| {
    if let Err(mistake) = parse(text) {
        assert!(!mistake.to_string().is_empty());
    }
});
