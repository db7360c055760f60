//! The console as a platform: alerts are printed, commands are typed. Line editing on a terminal, plain lines in a pipe.

use crate::domain::Chat;
use crate::notify::pace::{Limit, SharedPace};
use crate::notify::platform::{Cards, Doing, Edit, Outgoing, Platform, Sent};
use crate::notify::retry::SendError;
use crate::render::{Card, console::text};
use rustyline::{DefaultEditor, ExternalPrinter};
use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

pub const PLATFORM: &str = "console";
/// There is one console: its one chat.
pub const ADDRESS: &str = "local";

/// Where the console writes. Cloned freely; messages never mix.
#[derive(Clone)]
pub struct Console(Arc<Mutex<Box<dyn Write + Send>>>);

impl Console {
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(out))))
    }

    /// Prints one message, whole, and an empty line after it.
    pub fn print(&self, card: &Card) -> io::Result<()> {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(format!("{}\n\n", text(card)).as_bytes())?;
        out.flush()
    }
}

impl Platform for Console {
    fn name(&self) -> &'static str {
        PLATFORM
    }

    fn cards(&self) -> Cards {
        Cards::None
    }

    fn pace(&self) -> SharedPace {
        SharedPace::new(Limit::NONE)
    }

    fn pace_of(&self, _: &Chat) -> Limit {
        Limit::NONE
    }

    fn place(&self, _: &Chat) -> String {
        "the console".to_owned()
    }

    fn link(&self, _: &Chat, _: Option<&str>) -> Option<String> {
        None
    }

    fn edit<'a>(&'a self, _: &'a Edit) -> Doing<'a, ()> {
        Box::pin(async { Err(SendError::MessageGone) })
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> Doing<'a, Sent> {
        Box::pin(async move {
            let mut card = message.card.clone();
            if message.in_doubt.is_some() {
                // A terminal cannot be asked what it has shown.
                card.foot.push("Perhaps a repeat: the program was stopped while it told this.".to_owned());
            }
            match self.print(&card) {
                Ok(()) => Ok(Sent { message: message.key.to_string(), rest_ms: 0 }),
                // Nobody reads any more, and nobody will: what is owed stays owed for the next start.
                Err(error) => Err(SendError::in_doubt(format!("the console cannot be written to: {error}"))),
            }
        })
    }
}

/// What came from the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    Line(String),
    /// Ctrl-C or Ctrl-D at the prompt: the person wants to leave.
    Leave,
}

/// The process's own standard streams, as a console and what is typed there.
pub fn standard() -> (Console, mpsc::UnboundedReceiver<Typed>) {
    let (typed, receiver) = mpsc::unbounded_channel();
    if io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && let Ok(mut editor) = DefaultEditor::new()
    {
        let console = match editor.create_external_printer() {
            Ok(printer) => Console::new(Printer(printer)),
            Err(_) => Console::new(io::stdout()),
        };
        std::thread::spawn(move || edited_lines(&mut editor, &typed));
        return (console, receiver);
    }
    std::thread::spawn(move || plain_lines(&typed));
    (Console::new(io::stdout()), receiver)
}

/// Reads with line editing and history until the person leaves.
fn edited_lines(editor: &mut DefaultEditor, typed: &mpsc::UnboundedSender<Typed>) {
    loop {
        let message = match editor.readline("> ") {
            Ok(line) => {
                // A line too odd for the history is still a command.
                let _ = editor.add_history_entry(&line);
                Typed::Line(line)
            }
            Err(_) => Typed::Leave,
        };
        let leaving = message == Typed::Leave;
        if typed.send(message).is_err() || leaving {
            return;
        }
    }
}

/// Reads plain lines; the end of the pipe ends the reading, not the bot.
fn plain_lines(typed: &mpsc::UnboundedSender<Typed>) {
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { return };
        if typed.send(Typed::Line(String::from_utf8_lossy(&line).into_owned())).is_err() {
            return;
        }
    }
}

/// Prints above the line that is being edited.
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

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}
