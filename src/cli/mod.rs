//! The command line: runs each sub-command, starts the log, and turns a failure into one line and
//! an exit code.

mod args;
mod check;
mod check_probe;
mod deliveries;
mod doctor;
mod explain;
mod health;
mod invite;
mod logging;
mod process;
mod record;
mod replay;
mod status;

pub use args::{Cli, Command, Common, LogFormat};

use crate::app::{self, Parts, RuntimeOptions};
use crate::chat::console::{self, Console, standard};
use crate::config::{Config, ConfigError, Environment};
use crate::demo;
use crate::store::{Access, Store};
use logging::log;
use std::fmt::Display;
use std::future::Future;
use std::io::{self, Write};
use std::path::Path;

/// The reason why the process does not finish its work, as one line.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The work failed: exit code 1.
    #[error("{0}")]
    Work(String),
    /// The arguments or settings are wrong: exit code 2.
    #[error("{0}")]
    Asked(String),
    /// The reader of stdout has closed it, as `head` does. That is not an error: exit code 0.
    #[error("nobody reads the output")]
    Unread,
}

impl Failure {
    /// Returns the exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Work(_) => 1,
            Self::Asked(_) => 2,
            Self::Unread => 0,
        }
    }

    /// Returns the failure for an error in writing to stdout.
    fn unwritten(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Unread } else { Self::work(error) }
    }

    fn work(error: impl Display) -> Self {
        Self::Work(error.to_string())
    }

    fn asked(error: impl Display) -> Self {
        Self::Asked(error.to_string())
    }
}

pub use logging::redact;

/// Runs the sub-command on the system's clock, after it has protected the process's secrets. A
/// closed stdout counts as success.
pub fn run(cli: Cli) -> Result<(), Failure> {
    process::keep_secrets_in();
    match run_on(RuntimeOptions::default(), cli) {
        Err(Failure::Unread) => Ok(()),
        other => other,
    }
}

/// Runs the sub-command with `runtime_options`, which only `run` uses.
pub fn run_on(runtime_options: RuntimeOptions, cli: Cli) -> Result<(), Failure> {
    let common = cli.common;
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => {
            log(common.log, "info");
            blocking(watch(runtime_options, &common))
        }
        Command::Demo { speed } => {
            log(common.log, "warn");
            blocking(async {
                demo::play(Console::new(io::stdout()), speed).await.map_err(unplayed)
            })
        }
        Command::Replay { observations, events, sensitivity } => {
            blocking(replay::run(&common, &observations, &events, sensitivity))
        }
        Command::Record { entity, from, until, out } => {
            log(common.log, "warn");
            blocking(record::run(&common, &entity, &from, &until, &out))
        }
        Command::Check { probe } => {
            check::run(&common, &mut io::stdout().lock())?;
            if probe {
                log(common.log, "error");
                blocking(check_probe::run(&common))?;
            }
            Ok(())
        }
        Command::Status { entity, now, json } => {
            log(common.log, "warn");
            blocking(status::run(&common, &entity, now, json))
        }
        Command::Explain { entity, at, observations, json } => {
            log(common.log, "warn");
            blocking(explain::run(&common, &entity, at.as_deref(), observations.as_deref(), json))
        }
        Command::Backup { file } => blocking(backup(&common, &file)),
        Command::Restore { file } => restore(&common, &file),
        Command::Doctor => {
            log(common.log, "error");
            blocking(doctor::run(&common))
        }
        Command::Health => blocking(health::run(&common)),
        Command::Deliveries => blocking(deliveries::run(&common)),
        Command::Invite => {
            log(common.log, "warn");
            blocking(invite::run())
        }
    }
}

/// Returns the failure for a demo that did not play to its end.
fn unplayed(error: demo::DemoError) -> Failure {
    match error {
        demo::DemoError::Console(error) => Failure::unwritten(error),
        demo::DemoError::Store(error) => Failure::work(error),
    }
}

/// Runs asynchronous work to its end on two threads, so that one may wait for a slow disk while the
/// other works.
fn blocking<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Work(format!("the runtime cannot be started: {error}")))?;
    let outcome = runtime.block_on(work);
    // A thread that waits for the keyboard would delay the exit.
    runtime.shutdown_background();
    outcome
}

/// Returns the configuration, or the shipped one if no other path is given and no file exists at
/// the default path.
fn config(common: &Common) -> Result<Config, Failure> {
    match Config::load(&common.config) {
        Err(ConfigError::NotFound { .. }) if common.config == Path::new(args::CONFIG) => {
            Config::parse(crate::config::SHIPPED, "(shipped) config/linkdown.toml")
                .map_err(Failure::asked)
        }
        other => other.map_err(Failure::asked),
    }
}

/// Reads the environment. From then on the log redacts its secrets.
fn environment() -> Result<Environment, Failure> {
    let environment = Environment::read(|name| std::env::var_os(name)).map_err(Failure::asked)?;
    logging::keep_out(&environment.secrets);
    for file in &environment.exposed {
        tracing::warn!("{file}");
    }
    Ok(environment)
}

async fn watch(runtime_options: RuntimeOptions, common: &Common) -> Result<(), Failure> {
    let config = config(common)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let environment = environment()?;
    let store = Store::open(common.database(), Access::Own).map_err(Failure::work)?;
    let (console, typed) = standard();
    let parts = Parts {
        config,
        secrets: environment.secrets,
        addresses: environment.addresses,
        store,
        console,
        runtime_options,
    };
    let common = common.clone();
    let reread = move || {
        let config = self::config(&common).map_err(|failure| failure.to_string())?;
        let environment = self::environment().map_err(|failure| failure.to_string())?;
        Ok((config, environment.secrets, environment.addresses))
    };
    let outcome = app::run(parts, typed, Box::new(reread)).await.map_err(Failure::work);
    console::leave();
    outcome
}

fn restore(common: &Common, file: &Path) -> Result<(), Failure> {
    let database = common.database();
    let kept = Store::restore(file, &database).map_err(Failure::work)?;
    let mut out = io::stdout().lock();
    let kept =
        kept.map(|kept| format!("; the old one is kept as {}", kept.display())).unwrap_or_default();
    writeln!(
        out,
        "{} is in its place{kept}. What chats were told after that backup was made may be told to them again.",
        file.display()
    )
    .map_err(Failure::unwritten)
}

async fn backup(common: &Common, file: &Path) -> Result<(), Failure> {
    let store = Store::open(common.database(), Access::Beside).map_err(Failure::work)?;
    store.backup(file, |_, _| ()).await.map_err(Failure::work)
}
