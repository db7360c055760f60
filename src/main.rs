//! The binary: arguments, the log, and one line of what went wrong. Everything else is in the library.

use clap::Parser;
use linkdown::cli::{Cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
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
    let _ = writeln!(std::io::stderr(), "linkdown: {line}");
}
