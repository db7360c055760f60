//! Whatever RIPE's stream says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkdown::source::ris_live::message::{collector, read};

fuzz_target!(|text: &str| {
    let _ = read(text);
    let _ = collector(text);
});
