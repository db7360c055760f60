//! The configuration: TOML in, checked settings out.
