//! Whatever stands in a configuration: it is taken, or refused with its line; what is taken can be asked when it next fires.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkdown::config::{Config, ConfigError};
use linkdown::domain::Timestamp;

fuzz_target!(|text: &str| {
    match Config::parse(text, "/nowhere/linkdown.toml") {
        Ok(config) => {
            for source in &config.sources {
                let _ = source.schedule.next(Timestamp::from_unix(1_749_231_240), 3);
            }
            let _ = config.storage.prune.next_after(Timestamp::from_unix(1_749_231_240));
        }
        Err(ConfigError::At { line, message, .. }) => {
            assert!(line >= 1 && line <= text.lines().count() + 1, "line {line}");
            assert!(!message.is_empty());
        }
        Err(_) => {}
    }
});
