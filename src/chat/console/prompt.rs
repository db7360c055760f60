//! The keyboard: a prompt with history and completion on a terminal, plain lines from a pipe.

use super::complete::{self, Completions};
use super::paint::Paint;
use super::{Console, log};
use crate::domain::Watchlist;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::mpsc;

const PROMPT: &str = "> ";
const WELCOME: &str = concat!(
    "Linkdown ",
    env!("CARGO_PKG_VERSION"),
    ": alerts, answers and the log appear above the line that you type; Tab completes.\n",
    "Type a name or a command, such as status KP; help lists the commands; quit or Ctrl-D stops.\n",
);

/// An input from the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line to answer, without its line break.
    Line(String),
    /// A request to stop the bot: `quit`, `exit`, or Ctrl-C or Ctrl-D at the prompt.
    Leave,
}

impl Typed {
    fn read(line: String) -> Self {
        let word = line.trim().trim_start_matches('/');
        let leaves = ["quit", "exit"].iter().any(|leaving| word.eq_ignore_ascii_case(leaving));
        if leaves { Self::Leave } else { Self::Line(line) }
    }
}

/// The settings of the terminal before the prompt changed them.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Opens the process's standard streams as a console, with the receiver of the typed lines.
pub fn standard() -> (Console, mpsc::UnboundedReceiver<Typed>) {
    let (typed, receiver) = mpsc::unbounded_channel();
    let paint = Paint::of(io::stdout().is_terminal(), |name| std::env::var_os(name));
    if io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && let Some((mut editor, console)) = prompt(paint)
    {
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(io::stdin()).ok();
        // If the terminal cannot be written to, nobody reads the welcome.
        let _ = console.write(WELCOME);
        std::thread::spawn(move || {
            edited_lines(&mut editor, &typed);
            // The editor is dropped first: a log line that waits for it would wait for ever and
            // block the others.
            drop(editor);
            log::appears_above(None);
        });
        return (console, receiver);
    }
    std::thread::spawn(move || plain_lines(&typed));
    (Console::painted(io::stdout(), paint), receiver)
}

/// Restores the terminal to its state before [`standard`], however the process ends.
pub fn leave() {
    log::appears_above(None);
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let is_same = tcgetattr(io::stdin()).is_ok_and(|now| now == before);
        if !is_same && tcsetattr(io::stdin(), SetArg::TCSADRAIN, &before).is_ok() {
            // The cursor is still behind the prompt.
            let _ = io::stdout().write_all(b"\n");
        }
    }
}

type Keyboard = Editor<Tab, DefaultHistory>;

fn prompt(paint: Paint) -> Option<(Keyboard, Console)> {
    let config = Config::builder().completion_type(CompletionType::List).build();
    let mut editor = Keyboard::with_config(config).ok()?;
    let console = match editor.create_external_printer() {
        Ok(printer) => Console::painted(Printer(printer), paint),
        Err(_) => Console::painted(io::stdout(), paint),
    };
    // A log that is redirected to a file stays there.
    if io::stderr().is_terminal()
        && let Ok(printer) = editor.create_external_printer()
    {
        log::appears_above(Some(Box::new(printer)));
    }
    editor.set_helper(Some(Tab { watchlist: Arc::clone(&console.watchlist) }));
    Some((editor, console))
}

/// Reads with line editing and history until the person leaves.
fn edited_lines(editor: &mut Keyboard, typed: &mpsc::UnboundedSender<Typed>) {
    loop {
        let message = match editor.readline(PROMPT) {
            Ok(line) => {
                // A line that the history does not accept is still a command.
                let _ = editor.add_history_entry(&line);
                Typed::read(line)
            }
            Err(_) => Typed::Leave,
        };
        let leaving = message == Typed::Leave;
        if typed.send(message).is_err() || leaving {
            return;
        }
    }
}

/// Reads plain lines. The end of the pipe ends the reading, not the bot.
fn plain_lines(typed: &mpsc::UnboundedSender<Typed>) {
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { return };
        let message = Typed::read(String::from_utf8_lossy(&line).into_owned());
        let leaving = message == Typed::Leave;
        if typed.send(message).is_err() || leaving {
            return;
        }
    }
}

/// Writes above the line that is being edited.
struct Printer<P>(P);

impl<P: ExternalPrinter> Write for Printer<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.print(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Completes the typed text when Tab is pressed.
struct Tab {
    watchlist: Arc<RwLock<Option<Arc<Watchlist>>>>,
}

impl Completer for Tab {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let watchlist = self.watchlist.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Completions { from, found } =
            complete::complete(line.get(..at).unwrap_or(line), watchlist.as_deref());
        let pair = |(display, replacement)| Pair { display, replacement };
        Ok((from, found.into_iter().map(pair).collect()))
    }
}

impl Helper for Tab {}
impl Highlighter for Tab {}
impl Validator for Tab {}
impl Hinter for Tab {
    type Hint = String;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quit_and_exit_leave_and_nothing_else_does() {
        for line in ["quit", "exit", "/quit", " EXIT \r", "Quit"] {
            assert_eq!(Typed::read(line.to_owned()), Typed::Leave, "{line}");
        }
        for line in ["quit KP", "", "status KP", "q", "exits"] {
            assert_eq!(Typed::read(line.to_owned()), Typed::Line(line.to_owned()), "{line}");
        }
    }

    #[test]
    fn the_welcome_is_two_lines_that_fit_a_terminal() {
        assert_eq!(WELCOME.lines().count(), 2);
        assert!(WELCOME.lines().all(|line| line.chars().count() <= 100), "{WELCOME}");
    }
}
