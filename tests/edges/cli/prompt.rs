//! A person at a terminal: the bot on a pseudoterminal, as `script` or a terminal window gives one.

use super::{KP, PATIENCE, Place};
use nix::pty::openpty;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

struct Terminal {
    keyboard: File,
    shown: Receiver<Vec<u8>>,
    seen: String,
    bot: Child,
}

impl Terminal {
    fn new(place: &Place, line: &str) -> Self {
        let pty = openpty(None, None).unwrap();
        let side = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = place.command(line);
        let bot = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        drop((command, pty.slave));
        let (keyboard, mut screen) =
            (File::from(pty.master.try_clone().unwrap()), File::from(pty.master));
        let (send, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = screen.read(&mut bytes) {
                if count == 0 || send.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, shown, seen: String::new(), bot }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads on until the words are shown after what was seen before; what was shown until then.
    fn shows(&mut self, words: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(words) {
                let rest = self.seen.split_off(at + words.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let left = until.saturating_duration_since(Instant::now());
            let bytes = self
                .shown
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("{words:?} not in {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.bot.kill();
        let _ = self.bot.wait();
    }
}

const TITLE: &str = "\u{1b}[1m";

#[test]
fn a_person_at_a_terminal_is_welcomed_completed_and_lets_the_bot_stop() {
    let place =
        Place::new().watching(&format!("{KP}[web]\nenabled = false\n")).with("TERM", "xterm");
    let mut terminal = Terminal::new(&place, "run");
    let welcome = terminal.shows("> ");
    assert!(
        welcome.starts_with("Linkdown ") && welcome.contains("help lists the commands"),
        "{welcome:?}"
    );
    // A line of the log appears while something is typed: it ends, and what was typed stands below it again.
    terminal.types("hel");
    terminal.shows("hel");
    let log = terminal.shows("cannot be reached: Connection refused");
    assert!(log.contains("WARN") || log.contains("ERROR") || log.contains("INFO"), "{log:?}");
    terminal.shows("> hel");
    terminal.types("p mu\t\r");
    let answer = terminal.shows("/mute what for 2h");
    assert!(answer.contains("help mute"), "{answer:?}");
    assert!(answer.contains(TITLE), "a title is painted: {answer:?}");
    terminal.types("status north k\t\r");
    terminal.shows("status KP");
    terminal.types("quit\r");
    terminal.shows("stopping");
    assert!(terminal.bot.wait().unwrap().success());
}

#[test]
fn whoever_wants_no_colour_gets_none() {
    let place =
        Place::new().watching(&format!("{KP}[web]\nenabled = false\n")).with("TERM", "xterm");
    let place = place.with("NO_COLOR", "1");
    let mut terminal = Terminal::new(&place, "run");
    terminal.shows("> ");
    terminal.types("help mute\r");
    let mut shown = terminal.shows("/mute what for 2h");
    terminal.types("\u{4}");
    shown.push_str(&terminal.shows("stopping"));
    // What moves the cursor is no colour; what paints ends in m.
    assert!(
        !shown.contains("\u{1b}[1m") && !shown.contains("\u{1b}[2m") && !shown.contains("\u{1b}[3"),
        "{shown:?}"
    );
    assert!(terminal.bot.wait().unwrap().success());
}

#[test]
fn a_pipe_gets_no_welcome_and_no_colour_and_can_quit() {
    let place = Place::new().watching(&format!("{KP}[web]\nenabled = false\n"));
    let mut bot = place.starts("run");
    bot.types("help mute");
    let line = bot.says("/mute what for 2h");
    assert!(!bot.seen.contains('\u{1b}') && !bot.seen.contains("Tab completes"), "{line}");
    bot.types("quit");
    bot.says("stopping");
    assert!(bot.child.wait().unwrap().success());
}

#[test]
fn a_terminal_is_left_as_it_was_also_by_a_signal() {
    use nix::sys::signal::{Signal, kill};
    use nix::sys::termios::tcgetattr;
    let place =
        Place::new().watching(&format!("{KP}[web]\nenabled = false\n")).with("TERM", "xterm");
    let mut terminal = Terminal::new(&place, "run");
    let before = {
        let fresh = openpty(None, None).unwrap();
        tcgetattr(&fresh.slave).unwrap()
    };
    terminal.types("status");
    terminal.shows("> status");
    kill(nix::unistd::Pid::from_raw(terminal.bot.id() as i32), Signal::SIGTERM).unwrap();
    terminal.shows("stopping");
    assert!(terminal.bot.wait().unwrap().success());
    let after = tcgetattr(&terminal.keyboard).unwrap();
    assert_eq!((after.local_flags, after.input_flags), (before.local_flags, before.input_flags));
}
