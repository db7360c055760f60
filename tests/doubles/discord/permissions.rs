//! Permissions: their names as Discord shows them, and their bits.

pub(super) const ADMINISTRATOR: u64 = 1 << 3;
pub(super) const VIEW_CHANNEL: u64 = 1 << 10;
pub(super) const SEND_MESSAGES: u64 = 1 << 11;
pub(super) const EMBED_LINKS: u64 = 1 << 14;
pub(super) const READ_MESSAGE_HISTORY: u64 = 1 << 16;
pub(super) const MENTION_EVERYONE: u64 = 1 << 17;
pub(super) const USE_APPLICATION_COMMANDS: u64 = 1 << 31;
pub(super) const SEND_MESSAGES_IN_THREADS: u64 = 1 << 38;

const NAMES: [(&str, u32); 29] = [
    ("Create Invite", 0),
    ("Kick Members", 1),
    ("Ban Members", 2),
    ("Administrator", 3),
    ("Manage Channels", 4),
    ("Manage Server", 5),
    ("Add Reactions", 6),
    ("View Audit Log", 7),
    ("View Channel", 10),
    ("Send Messages", 11),
    ("Send Text-to-Speech Messages", 12),
    ("Manage Messages", 13),
    ("Embed Links", 14),
    ("Attach Files", 15),
    ("Read Message History", 16),
    ("Mention Everyone", 17),
    ("Use External Emoji", 18),
    ("Change Nickname", 26),
    ("Manage Nicknames", 27),
    ("Manage Roles", 28),
    ("Manage Webhooks", 29),
    ("Use Application Commands", 31),
    ("Manage Threads", 34),
    ("Create Public Threads", 35),
    ("Create Private Threads", 36),
    ("Use External Stickers", 37),
    ("Send Messages in Threads", 38),
    ("Timeout Members", 40),
    ("Create Polls", 49),
];

/// What anybody may in a new guild.
pub(super) const EVERYONE: u64 = VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS
    | SEND_MESSAGES_IN_THREADS
    | 1 << 0
    | 1 << 6
    | 1 << 15
    | 1 << 18
    | 1 << 26
    | 1 << 35;

/// All that there is.
pub(super) const ALL: u64 = (1 << 53) - 1;

/// # Panics
///
/// When Discord has no permission of that name.
pub(super) fn bits(name: &str) -> u64 {
    let found = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    1 << found.unwrap_or_else(|| panic!("Discord has no permission called {name:?}")).1
}

/// Permissions as bits, or by the names that Discord shows.
pub trait IntoPermissions {
    fn into_bits(self) -> u64;
}

impl IntoPermissions for u64 {
    fn into_bits(self) -> u64 {
        self
    }
}

impl IntoPermissions for &[&str] {
    fn into_bits(self) -> u64 {
        self.iter().map(|name| bits(name)).sum()
    }
}

impl<const N: usize> IntoPermissions for &[&str; N] {
    fn into_bits(self) -> u64 {
        self.as_slice().into_bits()
    }
}

impl IntoPermissions for &str {
    fn into_bits(self) -> u64 {
        bits(self)
    }
}
