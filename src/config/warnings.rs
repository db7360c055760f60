//! Warnings about settings that are valid but probably not meant.

use super::Config;
use super::access::Who;

impl Config {
    /// Returns one sentence for each setting that is valid but probably not meant.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let access = &self.access;
        let is_listed = !access.discord_servers.is_empty() || !access.telegram_chats.is_empty();
        if access.who == Who::Listed && !is_listed {
            let left = if access.owners.is_empty() { "nobody" } else { "nobody but the owners" };
            warnings.push(format!(
                "[access] who = \"listed\" and neither discord_servers nor telegram_chats lists anything: {left} can use \
                 the bot in a chat. Add the numbers of your servers and chats, or write who = \"everyone\""
            ));
        }
        warnings
    }
}
