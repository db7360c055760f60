//! Checks the database and the disk under it.

use super::Finding;
use crate::monitoring::LITTLE;
use crate::store::{NEWEST_SCHEMA, Store};

pub(super) async fn look(store: &Store) -> Vec<(&'static str, Finding)> {
    let mut findings = Vec::new();
    findings.push((
        "database",
        match store.look_through().await {
            Ok(None) => Finding::Well(format!("{} is whole, schema {NEWEST_SCHEMA}", store.path().display())),
            Ok(Some(damage)) => Finding::Wrong(format!(
                "it is damaged ({damage}); stop the bot, keep a copy, and put a backup in its place: linkdown restore FILE"
            )),
            Err(error) => Finding::Wrong(error.to_string()),
        },
    ));
    if let Some(kind) = store.foreign_file_system() {
        findings.push((
            "disk",
            Finding::Wrong(format!(
                "the database lies on {kind}, where SQLite's locks do not hold and it may be damaged: put it on a disk of this \
                 machine"
            )),
        ));
    }
    if let Some(space) = store.space() {
        let said =
            format!("{} MiB free, the database has {} MiB", space.free >> 20, space.used >> 20);
        findings.push((
            "disk",
            if space.free < LITTLE {
                Finding::Wrong(format!("{said}: free some space, or lower [storage] raw_days"))
            } else {
                Finding::Well(said)
            },
        ));
    }
    findings
}
