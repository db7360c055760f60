//! Tests of the scan on made-up sources: each kind of violation is found, and allowed code is not.

use super::violations;

/// Returns `line: why` of each violation.
fn found(path: &str, text: &str) -> Vec<String> {
    violations(path, text)
        .iter()
        .map(|violation| format!("{}: {}", violation.line, violation.why))
        .collect()
}

fn is_fine(path: &str, text: &str) {
    assert_eq!(found(path, text), Vec::<String>::new(), "{path}: {text}");
}

#[test]
fn an_import_that_points_upwards_is_caught() {
    assert_eq!(
        found("src/domain/entity.rs", "use std::fmt;\nuse crate::store::Store;"),
        ["2: domain may not use store: imports point downwards only"]
    );
    for (path, text) in [
        ("src/detect/mod.rs", "use crate::ingest::Watch;"),
        ("src/render/alert.rs", "use crate::command;"),
        ("src/command/status.rs", "fn f() { crate::chat::send() }"),
        ("src/ingest.rs", "use crate::app::App;"),
        ("src/domain/entity.rs", "use super::super::detect::State;"),
        ("src/notify/outbox.rs", "use crate::app;"),
        ("src/app.rs", "use linkdown::cli::Args;"),
        ("src/store/mod.rs", "use crate::{\n    domain::Entity,\n    ingest as w,\n};"),
    ] {
        assert_eq!(found(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn siblings_do_not_import_each_other() {
    for (path, text) in [
        ("src/detect/mod.rs", "use crate::store::Store;"),
        ("src/source/ioda.rs", "use crate::{clock::Clock, detect::State};"),
        ("src/store/delivery.rs", "use crate::notify::fanout::owed;"),
        ("src/notify/fanout.rs", "use super::retry::after;"),
        ("src/notify/fanout.rs", "use crate::render::alert;"),
        ("src/chat/console.rs", "use crate::notify::outbox::Outbox;"),
        ("src/demo.rs", "use crate::replay::run;"),
    ] {
        assert_eq!(found(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn imports_that_point_downwards_are_fine() {
    is_fine(
        "src/domain/fact.rs",
        "use super::{Entity, Timestamp};\nuse crate::domain::entity::asn;",
    );
    is_fine(
        "src/detect/signal.rs",
        "use super::baseline::Baseline;\nuse super::super::domain::Batch;",
    );
    is_fine(
        "src/notify/outbox.rs",
        "use super::{fanout, retry};\nuse crate::{clock::Clock, store::Store, render};",
    );
    is_fine(
        "src/command/status.rs",
        "use crate::{config::Config, detect, source, store, render, notify::fanout};",
    );
    is_fine("src/notify/platform.rs", "use super::retry::Refusal;\nuse crate::render::Rendered;");
    is_fine("src/chat/console.rs", "use crate::{clock::Clock, notify::platform::Platform};");
    is_fine(
        "src/ingest.rs",
        "use crate::{command, detect, schedule::Schedule, source, store, notify::fanout};",
    );
    is_fine("src/app.rs", "use crate::{chat, clock, config, notify::outbox, schedule, ingest};");
    is_fine("src/cli.rs", "use crate::{app, demo, replay};");
    is_fine("src/main.rs", "fn main() { linkdown::cli::main() }");
    is_fine("src/lib.rs", "pub mod app;\npub mod cli;");
    is_fine(
        "src/config/mod.rs",
        "use crate::{domain::Entity, schedule::Schedule};\nmod watch;\npub use watch::Watched;",
    );
}

#[test]
fn config_schedule_and_clock_are_not_for_everyone() {
    for (path, text) in [
        ("src/store/mod.rs", "use crate::config::Storage;"),
        ("src/store/migrate.rs", "use crate::schedule::Schedule;"),
        ("src/chat/console.rs", "use crate::config::Console;"),
        ("src/domain/time.rs", "use crate::clock::Clock;"),
        ("src/detect/mod.rs", "use crate::clock::Clock;"),
        ("src/render/alert.rs", "use crate::clock::Clock;"),
        ("src/notify/retry.rs", "use crate::clock::Clock;"),
        ("src/schedule.rs", "use crate::clock::Clock;"),
        ("src/clock.rs", "use crate::store::Store;"),
    ] {
        assert_eq!(found(path, text).len(), 1, "{path}: {text}");
    }
    is_fine("src/source/http.rs", "use crate::clock::Clock;");
    is_fine("src/store/mod.rs", "use crate::{clock::Clock, failpoints::Failpoints};");
}

#[test]
fn a_module_without_a_place_is_caught() {
    assert_eq!(
        found("src/helpers.rs", ""),
        ["1: helpers has no place among the layers; give it one in tests/architecture/layers.rs"]
    );
    assert_eq!(found("src/notify/magic.rs", "").len(), 1);
}

#[test]
fn time_stands_in_the_clock_alone() {
    for text in [
        "let now = Utc::now();",
        "let now = chrono::Utc::now();",
        "let t = std::time::Instant::now();",
        "let t = SystemTime::now();",
        "tokio::time::sleep(second).await;",
        "use tokio::time::{timeout, sleep};",
        "std::thread::sleep(second);",
        "use std::thread::{self, sleep};",
        "let mut beat = time::interval(second);",
    ] {
        assert_eq!(found("src/source/http.rs", text).len(), 1, "{text}");
        assert_eq!(found("src/clock.rs", text).len(), 0, "{text}");
    }
    is_fine(
        "src/source/http.rs",
        "tokio::time::timeout(limit, call).await;\nclock.sleep_until(at, busy).await;",
    );
}

#[test]
fn sql_stands_in_the_store_alone() {
    for text in [
        r#"db.query("SELECT 1")"#,
        r#"db.run("INSERT INTO chat VALUES (1)")"#,
        r#"db.run("UPDATE chat SET id = 2")"#,
        r#"db.run("DELETE FROM chat")"#,
        r##"db.run(r#"PRAGMA user_version"#)"##,
        "use rusqlite::Connection;",
    ] {
        assert_eq!(found("src/ingest.rs", text).len(), 1, "{text}");
        assert_eq!(found("src/store/chat.rs", text).len(), 0, "{text}");
    }
    is_fine("src/ingest.rs", r#"info!("UPDATE of the list; SET aside"); // SELECT nothing"#);
}

#[test]
fn platforms_stand_in_the_chats_alone() {
    for text in [
        "use serenity::all::Http;",
        "let bot = teloxide::Bot::new(token);",
        "use {serenity::all, std::fmt};",
    ] {
        assert_eq!(found("src/notify/outbox.rs", text).len(), 1, "{text}");
        assert_eq!(found("src/chat/discord.rs", text).len(), 0, "{text}");
    }
}

#[test]
fn the_pure_parts_have_no_io_and_no_async() {
    for text in [
        "async fn f() {}",
        "use tokio::sync::mpsc;",
        "let text = std::fs::read(path);",
        "use std::{fmt, fs};",
        "use std::net::TcpStream;",
        "let home = std::env::var_os(name);",
    ] {
        for path in [
            "src/domain/x.rs",
            "src/detect/x.rs",
            "src/render/x.rs",
            "src/notify/fanout.rs",
            "src/notify/retry.rs",
        ] {
            assert_eq!(found(path, text).len(), 1, "{path}: {text}");
        }
        assert_eq!(found("src/source/http.rs", text).len(), 0, "{text}");
    }
    is_fine("src/domain/entity.rs", "use std::net::IpAddr;");
}

#[test]
fn comments_strings_and_tests_do_not_count() {
    is_fine(
        "src/domain/x.rs",
        "//! Never use crate::store here, nor Utc::now.\n/* tokio /* nested */ async */",
    );
    is_fine(
        "src/domain/x.rs",
        r#"const WHY: &str = "no tokio, no \"async\", no crate::store::Store";"#,
    );
    is_fine(
        "src/domain/x.rs",
        "#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n    fn f() { async {} }\n}",
    );
    is_fine("src/domain/tests.rs", "use crate::store::Store;");
    is_fine("src/domain/tests/story.rs", "use crate::store::Store;");
    assert_eq!(
        found(
            "src/domain/x.rs",
            "#[cfg(test)]\nmod tests {\n    fn f() { '{'; \"}\"; }\n}\nuse crate::store::Store;"
        ),
        ["5: domain may not use store: imports point downwards only"],
        "what follows the tests counts again"
    );
    assert_eq!(
        found("src/domain/x.rs", "fn f<'a>(x: &'a str) { '\"'; tokio(); '\\''; b\"ü\"; async {} }")
            .len(),
        2
    );
}
