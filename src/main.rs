//! The binary: arguments, the log, and one line of what went wrong. Everything else is in the library.

use clap::Parser;
use linkdown::cli::{Cli, redact, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            eprint_line(&in_one_line(&error));
            return ExitCode::from(2);
        }
        Err(help) => {
            // Help and version: where nobody reads them there is nobody to tell.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint_line(&failure.to_string());
            ExitCode::from(failure.code())
        }
    }
}

/// One line, as far as anybody still reads.
fn eprint_line(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "linkdown: {}", redact(line));
}

/// What was wrong with the command line, without the usage that follows it.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let what: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:"))
        .filter(|line| !line.is_empty())
        .collect();
    let what = what.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    let what = what.split(" For more information").next().unwrap_or(what);
    format!("{what}; `linkdown --help` shows how")
}
