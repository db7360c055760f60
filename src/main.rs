//! The binary: reads the arguments, and prints a failure as one line. Everything else is in the
//! library.

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
            // A closed output is not an error for help and version.
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

/// Writes one line to stderr; a closed stderr is ignored.
fn eprint_line(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "linkdown: {}", redact(line));
}

/// Returns the error in the command line as one line, without the usage that follows it.
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
