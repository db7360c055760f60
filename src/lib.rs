//! Linkdown alerts a chat when a country, a network or a site drops off the internet, with the
//! evidence, and when it comes back. ARCHITECTURE.md is the map of this crate; imports point
//! downwards only.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod demo;
pub mod detect;
pub mod domain;
pub mod failpoints;
pub mod ingest;
pub mod monitoring;
pub mod notify;
pub mod page;
pub mod render;
pub mod replay;
pub mod schedule;
pub mod source;
pub mod store;
pub mod supervisor;
