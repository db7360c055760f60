//! Shows the log on a terminal with a prompt: each line appears above the line being typed.

use rustyline::ExternalPrinter;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// The prompt of this process, while there is one. A process has only one terminal and one log.
static PROMPT: Mutex<Option<Box<dyn ExternalPrinter + Send>>> = Mutex::new(None);

/// Writes the log to standard error, and above the prompt while one is shown on the same terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut prompt = PROMPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(printer) = prompt.as_mut()
            && printer.print(String::from_utf8_lossy(bytes).into_owned()).is_ok()
        {
            return Ok(bytes.len());
        }
        drop(prompt);
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Makes the log appear above the prompt from now on; with `None`, on standard error again.
pub(super) fn appears_above(prompt: Option<Box<dyn ExternalPrinter + Send>>) {
    *PROMPT.lock().unwrap_or_else(PoisonError::into_inner) = prompt;
}
