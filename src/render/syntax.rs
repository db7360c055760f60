//! Writes commands in the form that a reader gives them on the platform at hand. Every hint, error,
//! suggestion and line of help that names a command uses it.

/// The form of commands on a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// A line of text, on Telegram and the console: `/mute KP for 2h`.
    Typed,
    /// A command with named options, on Discord: `/mute what: KP for: 2h`.
    Slash,
}

impl Syntax {
    /// Returns the syntax of a platform by its name in the database and the configuration.
    pub fn of(platform: &str) -> Self {
        if platform == "discord" { Self::Slash } else { Self::Typed }
    }

    /// Writes a command with its options, given as (name, value) in the order of a typed line.
    pub fn call(self, word: &str, options: &[(&str, &str)]) -> String {
        let mut said = format!("/{word}");
        for (name, value) in options {
            match (self, *name) {
                (Self::Slash, "sure") => said.push_str(" sure: True"),
                (Self::Typed, "what" | "when" | "id" | "command" | "sure") => {
                    said.extend([" ", value]);
                }
                (Self::Typed, "for") => said.extend([" for ", value]),
                (_, name) => said.extend([" ", name, ": ", value]),
            }
        }
        said
    }

    /// Writes the usage of a command for `/help`: `/mute what for 2h`, or `/mute what: for:`.
    /// Optional options are in brackets.
    pub fn usage(self, word: &str, options: &[Usage]) -> String {
        let mut said = format!("/{word}");
        for option in options {
            let shown = match self {
                Self::Typed => option.typed.to_owned(),
                Self::Slash => format!("{}:", option.name),
            };
            match (shown.is_empty(), option.is_required) {
                (true, _) => {}
                (false, true) => said.extend([" ", &shown]),
                (false, false) => said.extend([" [", &shown, "]"]),
            }
        }
        said
    }

    /// Writes the command that shows an incident in full: `/outage 3`.
    pub fn outage(self, id: i64) -> String {
        self.call("outage", &[("id", &id.to_string())])
    }
}

/// An option in the usage of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The name of the option: `what`.
    pub name: &'static str,
    /// The placeholder in a typed line: `what`, `for 2h`; empty if a typed line has no such option.
    pub typed: &'static str,
    /// Whether the command needs the option; the others are in brackets.
    pub is_required: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_written_as_each_platform_takes_it() {
        let mute = [("what", "KP"), ("for", "2h")];
        assert_eq!(Syntax::of("telegram").call("mute", &mute), "/mute KP for 2h");
        assert_eq!(Syntax::of("console").call("mute", &mute), "/mute KP for 2h");
        assert_eq!(Syntax::of("discord").call("mute", &mute), "/mute what: KP for: 2h");
        assert_eq!(Syntax::Typed.call("forget", &[("sure", "yes")]), "/forget yes");
        assert_eq!(Syntax::Slash.call("forget", &[("sure", "yes")]), "/forget sure: True");
        let zone = [("what", "KP"), ("zone", "Asia/Seoul")];
        assert_eq!(Syntax::Typed.call("subscribe", &zone), "/subscribe KP zone: Asia/Seoul");
        assert_eq!(Syntax::Slash.outage(3), "/outage id: 3");
    }
}
