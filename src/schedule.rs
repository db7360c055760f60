//! Cron lines: when a source is polled.
