//! `linkdown doctor`: looks for common mistakes of a new installation, and says how to fix them.

mod chats;
mod disk;
mod sources;

use super::{Common, Failure, config, environment};
use crate::clock::Clock;
use crate::config::{Config, DEFAULT_CONTACT, Environment};
use crate::render::outside::visible_lines;
use crate::render::words::plural;
use crate::store::{Access, Store, StoreError};
use std::io::{self, Write};

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// All is well.
    Well(String),
    /// It works and could be better.
    Hint(String),
    /// It does not work; the exit code is 1.
    Wrong(String),
}

/// Prints each finding at once, because some checks take seconds. Counts errors and hints.
#[derive(Debug, Default)]
struct Report {
    wrong: usize,
    hints: usize,
}

impl Report {
    fn add(&mut self, about: &str, finding: &Finding) -> Result<(), Failure> {
        let (mark, said) = match finding {
            Finding::Well(said) => ("ok   ", said),
            Finding::Hint(said) => ("hint ", said),
            Finding::Wrong(said) => ("WRONG", said),
        };
        self.wrong += usize::from(matches!(finding, Finding::Wrong(_)));
        self.hints += usize::from(matches!(finding, Finding::Hint(_)));
        let said = visible_lines(said);
        writeln!(io::stdout().lock(), "{mark} {about}: {said}").map_err(Failure::unwritten)
    }
}

/// The data that all checks share.
struct Patient<'a> {
    config: &'a Config,
    environment: &'a Environment,
    clock: Clock,
    /// The database; `None` if it cannot be opened.
    store: Option<Store>,
}

pub(super) async fn run(common: &Common) -> Result<(), Failure> {
    let config = config(common)?;
    let environment = environment()?;
    let mut report = Report::default();
    report.add("configuration", &configuration(common, &config))?;
    for file in &environment.exposed {
        report.add("secret", &Finding::Wrong(file.to_string()))?;
    }
    let database = common.database();
    let store = match Store::open(&database, Access::Beside) {
        Ok(store) => Some(store),
        Err(error @ StoreError::Missing { .. }) => {
            report.add("database", &Finding::Hint(error.to_string()))?;
            None
        }
        Err(error) => {
            report.add("database", &Finding::Wrong(error.to_string()))?;
            None
        }
    };
    let patient =
        Patient { config: &config, environment: &environment, clock: Clock::system(), store };
    if let Some(store) = &patient.store {
        for (about, finding) in disk::look(store).await {
            report.add(about, &finding)?;
        }
    }
    for (about, finding) in sources::look(&patient).await? {
        report.add(&about, &finding)?;
    }
    for (about, finding) in chats::look(&patient).await? {
        report.add(&about, &finding)?;
    }
    let hints = if report.hints == 0 {
        String::new()
    } else {
        format!(", {}", plural(report.hints as u64, "hint", "hints"))
    };
    match report.wrong {
        0 => writeln!(io::stdout().lock(), "\nall is well{hints}").map_err(Failure::unwritten),
        wrong => Err(Failure::Work(format!(
            "{} wrong{hints}: see above",
            plural(wrong as u64, "thing is", "things are")
        ))),
    }
}

fn configuration(common: &Common, config: &Config) -> Finding {
    let path = common.config.display();
    let watched = plural(config.watch.len() as u64, "entity", "entities");
    if config.watch.is_empty() {
        return Finding::Hint(format!(
            "{path} watches nothing: name entities in [watch], or let chats subscribe"
        ));
    }
    if config.contact == DEFAULT_CONTACT {
        return Finding::Hint(format!(
            "{watched} watched; set [linkdown] contact, so that the sources' operators can reach you before they shut you out"
        ));
    }
    Finding::Well(format!("{watched} watched"))
}
