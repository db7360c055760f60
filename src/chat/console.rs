//! The console as a platform: prints alerts and reads commands. Edits lines on a terminal, reads
//! plain lines from a pipe.

mod complete;
mod log;
mod paint;
mod prompt;

pub use log::LogWriter;
pub use paint::has_colour;
pub use prompt::{Typed, leave, standard};

use crate::domain::{Chat, Watchlist};
use crate::notify::pace::{Limit, SharedPace};
use crate::notify::platform::{Cards, Doing, Edit, Outgoing, Platform, Sent};
use crate::notify::retry::SendError;
use crate::render::Card;
use paint::Paint;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The platform's name in the configuration and the database.
pub const PLATFORM: &str = "console";
/// The address of the console's only chat.
pub const ADDRESS: &str = "local";

/// The output of the console. Clones share it; messages never interleave.
#[derive(Clone)]
pub struct Console {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    paint: Paint,
    /// The names that Tab completes; `None` before the bot has started.
    watchlist: Arc<RwLock<Option<Arc<Watchlist>>>>,
}

impl Console {
    /// Builds a console without colour.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self::painted(out, Paint::Plain)
    }

    fn painted(out: impl Write + Send + 'static, paint: Paint) -> Self {
        Self { out: Arc::new(Mutex::new(Box::new(out))), paint, watchlist: Arc::default() }
    }

    /// Prints one whole message, followed by an empty line.
    pub fn print(&self, card: &Card) -> io::Result<()> {
        self.write(&format!("{}\n\n", self.paint.card(card)))
    }

    /// Sets the watchlist whose names are completed from now on.
    pub fn completes(&self, watchlist: &Arc<Watchlist>) {
        *self.watchlist.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::clone(watchlist));
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(text.as_bytes())?;
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
                // A terminal does not report which messages it has shown.
                card.foot.push(
                    "Perhaps a repeat: the program was stopped while it told this.".to_owned(),
                );
            }
            match self.print(&card) {
                Ok(()) => Ok(Sent { message: message.key.to_string(), rest_ms: 0 }),
                // Writing fails once the reader is gone for good; the delivery stays owed until the
                // next start.
                Err(error) => {
                    Err(SendError::in_doubt(format!("the console cannot be written to: {error}")))
                }
            }
        })
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}
