//! What may be asked on the command line.

use crate::domain::Sensitivity;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Tells your chat when a country, a network or a site drops off the internet, with the evidence, and when it comes back.
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
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub common: Common,
}

#[derive(Clone, Debug, Args)]
pub struct Common {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = CONFIG, global = true)]
    pub config: PathBuf,

    /// The database; made where there is none.
    #[arg(long, value_name = "FILE", global = true)]
    pub database: Option<PathBuf>,

    /// How the log is written to stderr.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Human, global = true)]
    pub log: LogFormat,
}

fn sensitivity(word: &str) -> Result<Sensitivity, String> {
    Sensitivity::parse(word).ok_or_else(|| "it is careful, balanced or eager".to_owned())
}

/// Where the configuration stands unless said otherwise.
pub const CONFIG: &str = "config/linkdown.toml";
/// Where the database lies unless said otherwise.
pub const DATABASE: &str = "data/linkdown.db";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Human,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch, and tell (the default).
    #[command(
        after_help = "Example:\n  linkdown run --config config/linkdown.toml --database data/linkdown.db"
    )]
    Run,

    /// Play the North Korean day of 7 June 2025, a labelled reconstruction, through the real pipeline.
    #[command(
        after_help = "Example:\n  linkdown demo --speed 600    ten minutes of that day in each second"
    )]
    Demo {
        /// Seconds of that day per second of yours; as fast as it goes where not given.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        speed: Option<u32>,
    },

    /// Run recorded observations through the detector and write what it decides; with --database, an empty one, keep them.
    #[command(after_help = "Example:\n  linkdown replay --observations kp.csv --events out.jsonl")]
    Replay {
        /// `received_at,observed_at,entity,source,signal,value`, sorted by `received_at`.
        #[arg(long, value_name = "CSV")]
        observations: PathBuf,
        /// One JSON object a line.
        #[arg(long, value_name = "JSONL")]
        events: PathBuf,
        /// `started` is written when a chat that is careful, balanced or eager would hear of it.
        #[arg(long, value_name = "WORD", default_value = "balanced", value_parser = sensitivity)]
        sensitivity: Sensitivity,
    },

    /// Save what the sources know of an entity as observations.
    #[command(after_help = "\
Example:
  linkdown record --entity country/KP --from 2025-06-06 --until 2025-06-08 --out kp.csv")]
    Record {
        #[arg(long)]
        entity: String,
        /// Day or time, UTC: 2025-06-06 or 2025-06-06T17:30.
        #[arg(long)]
        from: String,
        #[arg(long)]
        until: String,
        #[arg(long, value_name = "CSV")]
        out: PathBuf,
    },

    /// Check the configuration: what is watched, how often, and when the next ticks come.
    #[command(
        after_help = "Examples:\n  linkdown check --config config/linkdown.toml\n  linkdown check --probe      # asks every target once"
    )]
    Check {
        /// Also ask every target of our own probes once, after the hosts by which our own line is judged.
        #[arg(long)]
        probe: bool,
    },

    /// How an entity stands, from the database of a running bot.
    #[command(
        after_help = "Examples:\n  linkdown status KP\n  linkdown status KP --now         # asks the sources once, without a bot\n  linkdown status AS131279 --json"
    )]
    Status {
        /// A country by code or name, AS131279, a prefix, a site, region/4416.
        #[arg(required = true)]
        entity: Vec<String>,
        /// Ask the sources once, now, whether a bot runs here or not.
        #[arg(long)]
        now: bool,
        /// For programs: the evidence as JSON.
        #[arg(long)]
        json: bool,
    },

    /// Why an entity is told of, or why not: each signal's value, normal, evidence and weight, at any moment that is kept.
    #[command(after_help = "\
Examples:
  linkdown explain KP                                          now, beside a running bot
  linkdown explain KP --at 2025-06-06T17:50                    as it was then
  linkdown explain XA --observations kp.csv --at 2025-06-06    from a file, as replay reads it")]
    Explain {
        /// A country by code or name, AS131279, a prefix, a site, region/4416.
        #[arg(required = true)]
        entity: Vec<String>,
        /// Day or time, UTC: 2025-06-06T17:50; also 17:50, 2h ago.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// From this file instead of the database; to its end where no time is given.
        #[arg(long, value_name = "CSV")]
        observations: Option<PathBuf>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },

    /// Copy the database, while a bot runs on it or not.
    #[command(after_help = "Example:\n  linkdown backup linkdown-backup.db")]
    Backup { file: PathBuf },

    /// Put a backup in the place of the database, while no bot runs on it; what stood there is kept beside it.
    #[command(after_help = "Example:\n  linkdown restore linkdown-backup.db")]
    Restore { file: PathBuf },

    /// Look for everything that a new owner gets wrong: tokens, permissions, clock, disk, sources, budgets; and say what to do.
    #[command(after_help = "Example:\n  linkdown doctor --database data/linkdown.db")]
    Doctor,

    /// Whether a bot is running on the database and its ticks succeed: for Docker and monitoring.
    #[command(after_help = "Example:\n  linkdown health --database /data/linkdown.db")]
    Health,

    /// What is owed to each chat, what was sent last, what went wrong last; also beside a running bot.
    #[command(after_help = "Example:\n  linkdown deliveries --database data/linkdown.db")]
    Deliveries,

    /// The addresses by which a Discord server or a Telegram group lets the bot in, with the least permissions.
    #[command(after_help = "Example:\n  LINKDOWN_DISCORD_TOKEN_FILE=discord.token linkdown invite")]
    Invite,
}

impl Common {
    pub fn database(&self) -> PathBuf {
        self.database.clone().unwrap_or_else(|| PathBuf::from(DATABASE))
    }
}
