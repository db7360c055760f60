//! `linkdown invite`: prints the links that add the bot to a server or a group, with the least
//! permissions.

use super::{Failure, environment};
use crate::chat::discord::Discord;
use crate::chat::telegram::Telegram;
use std::io::{self, Write};

pub(super) async fn run() -> Result<(), Failure> {
    let environment = environment()?;
    let (secrets, addresses) = (&environment.secrets, &environment.addresses);
    if secrets.discord_token.is_none() && secrets.telegram_token.is_none() {
        return Err(Failure::Asked(
            "no token is set; put one into LINKDOWN_DISCORD_TOKEN or LINKDOWN_TELEGRAM_TOKEN (docs/discord.md and \
             docs/telegram.md say how to get one)"
                .to_owned(),
        ));
    }
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    if let Some(token) = &secrets.discord_token {
        let discord =
            Discord::new(token, addresses.discord_api.as_ref(), None).map_err(Failure::work)?;
        match discord.invite().await {
            Ok(address) => lines.push(format!("Discord   {address}")),
            Err(why) => refused.push(format!("Discord: {why}")),
        }
    }
    if let Some(token) = &secrets.telegram_token {
        let telegram =
            Telegram::new(token, addresses.telegram_api.as_ref(), None).map_err(Failure::work)?;
        match telegram.invite().await {
            Ok(address) => lines.push(format!("Telegram  {address}")),
            Err(why) => refused.push(format!("Telegram: {why}")),
        }
    }
    let mut out = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(out, "{line}")).map_err(Failure::unwritten)?;
    if refused.is_empty() { Ok(()) } else { Err(Failure::Work(refused.join("; "))) }
}
