//! The arguments of the command line. Their doc comments are the text of `--help`.

use crate::domain::Sensitivity;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Alerts your chat when a country, a network or a site drops off the internet, with the evidence,
/// and when it comes back.
#[derive(Debug, Parser)]
#[command(
    name = "linkdown",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  linkdown                 watch what config/linkdown.toml names and print alerts here
  linkdown demo            play the North Korean day of 7 June 2025 in seconds
  linkdown status KP       how North Korea stands, from the database of a running bot"
)]
pub struct Cli {
    /// The sub-command; `run` if none is given.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The options that every sub-command takes.
    #[command(flatten)]
    pub common: Common,
}

/// The options that every sub-command takes.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = CONFIG, global = true)]
    pub config: PathBuf,

    /// Database file; created if missing.
    #[arg(long, value_name = "FILE", global = true)]
    pub database: Option<PathBuf>,

    /// Format of the log on stderr.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Human, global = true)]
    pub log: LogFormat,
}

fn sensitivity(word: &str) -> Result<Sensitivity, String> {
    Sensitivity::parse(word).ok_or_else(|| "it is careful, balanced or eager".to_owned())
}

/// The default path of the configuration.
pub const CONFIG: &str = "config/linkdown.toml";
/// The default path of the database.
pub const DATABASE: &str = "data/linkdown.db";

/// The format of the log on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text for each event, in colour on a terminal.
    Human,
    /// One JSON object for each event.
    Json,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch, and send alerts (the default).
    #[command(
        after_help = "Example:\n  linkdown run --config config/linkdown.toml --database data/linkdown.db"
    )]
    Run,

    /// Play the North Korean day of 7 June 2025, a labelled reconstruction, through the real
    /// pipeline.
    #[command(
        after_help = "Example:\n  linkdown demo --speed 600    ten minutes of that day in each second"
    )]
    Demo {
        /// Seconds of that day per real second; as fast as possible if not given.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        speed: Option<u32>,
    },

    /// Run recorded observations through the detector and write its decisions; with --database,
    /// also store them in that empty database.
    #[command(after_help = "Example:\n  linkdown replay --observations kp.csv --events out.jsonl")]
    Replay {
        /// Rows of `received_at,observed_at,entity,source,signal,value`, sorted by `received_at`.
        #[arg(long, value_name = "CSV")]
        observations: PathBuf,
        /// File for the decisions, one JSON object a line.
        #[arg(long, value_name = "JSONL")]
        events: PathBuf,
        /// Sensitivity of a chat: `started` is written when a careful, balanced or eager chat would
        /// get the alert.
        #[arg(long, value_name = "WORD", default_value = "balanced", value_parser = sensitivity)]
        sensitivity: Sensitivity,
    },

    /// Save the data that the sources have about an entity as observations.
    #[command(after_help = "\
Example:
  linkdown record --entity country/KP --from 2025-06-06 --until 2025-06-08 --out kp.csv")]
    Record {
        /// Country by code or name, AS131279, a prefix, a site, region/4416.
        #[arg(long)]
        entity: String,
        /// Begin as a day or time, UTC: 2025-06-06 or 2025-06-06T17:30.
        #[arg(long)]
        from: String,
        /// End in the same form, after --from.
        #[arg(long)]
        until: String,
        /// File for the observations, as replay reads it.
        #[arg(long, value_name = "CSV")]
        out: PathBuf,
    },

    /// Check the configuration: show the watched entities, how often they are polled, and the next
    /// ticks.
    #[command(
        after_help = "Examples:\n  linkdown check --config config/linkdown.toml\n  linkdown check --probe      # asks every target once"
    )]
    Check {
        /// Also probe every target once, after the hosts that show whether the connection of this
        /// machine works.
        #[arg(long)]
        probe: bool,
    },

    /// Show the state of an entity, from the database of a running bot.
    #[command(
        after_help = "Examples:\n  linkdown status KP\n  linkdown status KP --now         # asks the sources once, without a bot\n  linkdown status AS131279 --json"
    )]
    Status {
        /// A country by code or name, AS131279, a prefix, a site, region/4416.
        #[arg(required = true)]
        entity: Vec<String>,
        /// Ask the sources once, now, even if a bot runs here.
        #[arg(long)]
        now: bool,
        /// Print the evidence as JSON, for programs.
        #[arg(long)]
        json: bool,
    },

    /// Explain why an entity is reported down, or why not: the value, normal, evidence and weight
    /// of each signal, at any moment that is stored.
    #[command(after_help = "\
Examples:
  linkdown explain KP                                          now, beside a running bot
  linkdown explain KP --at 2025-06-06T17:50                    as it was then
  linkdown explain XA --observations kp.csv --at 2025-06-06    from a file, as replay reads it")]
    Explain {
        /// A country by code or name, AS131279, a prefix, a site, region/4416.
        #[arg(required = true)]
        entity: Vec<String>,
        /// Moment as a day or time, UTC: 2025-06-06T17:50; also 17:50, 2h ago.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Observations from this file instead of the database; up to its end if no time is given.
        #[arg(long, value_name = "CSV")]
        observations: Option<PathBuf>,
        /// Print the explanation as JSON, for programs.
        #[arg(long)]
        json: bool,
    },

    /// Copy the database, even while a bot runs on it.
    #[command(after_help = "Example:\n  linkdown backup linkdown-backup.db")]
    Backup {
        /// File for the copy.
        file: PathBuf,
    },

    /// Replace the database by a backup, while no bot runs on it; the old database is kept beside
    /// it.
    #[command(after_help = "Example:\n  linkdown restore linkdown-backup.db")]
    Restore {
        /// Copy that `backup` has made.
        file: PathBuf,
    },

    /// Look for common mistakes of a new installation, and say how to fix them: tokens,
    /// permissions, clock, disk, sources, budgets.
    #[command(after_help = "Example:\n  linkdown doctor --database data/linkdown.db")]
    Doctor,

    /// Check that a bot runs on the database and its ticks succeed, for Docker and monitoring.
    #[command(after_help = "Example:\n  linkdown health --database /data/linkdown.db")]
    Health,

    /// Show the pending deliveries of each chat, the last one sent and the last error; also beside
    /// a running bot.
    #[command(after_help = "Example:\n  linkdown deliveries --database data/linkdown.db")]
    Deliveries,

    /// Print the links that add the bot to a Discord server or a Telegram group, with the least
    /// permissions.
    #[command(after_help = "Example:\n  LINKDOWN_DISCORD_TOKEN_FILE=discord.token linkdown invite")]
    Invite,
}

impl Common {
    /// Returns the path of the database, by default [`DATABASE`].
    pub fn database(&self) -> PathBuf {
        self.database.clone().unwrap_or_else(|| PathBuf::from(DATABASE))
    }
}
