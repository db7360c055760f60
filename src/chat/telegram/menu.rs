//! The commands that Telegram shows in its menus, told when they have changed.

use super::PLATFORM;
use super::send::words;
use crate::command::{Desk, HELP};
use teloxide_core::Bot;
use teloxide_core::payloads::SetMyCommandsSetters as _;
use teloxide_core::prelude::Requester as _;
use teloxide_core::types::{BotCommand, BotCommandScope};

/// What those who configure nothing need not see.
const FOR_ADMINS: [&str; 6] = ["subscribe", "unsubscribe", "mute", "unmute", "test", "forget"];

/// Says it in each scope, where it is not what was said before.
pub(super) async fn show(bot: &Bot, bot_id: u64, desk: &Desk) {
    for (scope, commands) in menus() {
        let what = format!("menu of {bot_id} for {}", serde_json::to_string(&scope).unwrap_or_default());
        let said = serde_json::to_string(&commands).unwrap_or_default();
        let (known_what, known_said) = (what.clone(), said.clone());
        let known = desk.store.read(move |db| db.chats().was_told(PLATFORM, &known_what, &known_said)).await;
        if known.unwrap_or(false) {
            continue;
        }
        match bot.set_my_commands(commands).scope(scope).await {
            Ok(_) => {
                if let Err(error) = desk.store.write(move |tx| tx.chats().told(PLATFORM, &what, &said)).await {
                    tracing::warn!("Telegram's menus are told again at the next start: {error}");
                }
            }
            Err(error) => {
                tracing::warn!(
                    "Telegram did not take the menu of commands ({}); it is told at the next start",
                    words(&error)
                );
                return;
            }
        }
    }
}

fn menus() -> [(BotCommandScope, Vec<BotCommand>); 4] {
    let all = |wanted: &dyn Fn(&str) -> bool| -> Vec<BotCommand> {
        HELP.iter()
            .filter_map(|line| {
                let word = line.usage.trim_start_matches('/').split(' ').next()?;
                wanted(word).then(|| BotCommand::new(word, line.menu))
            })
            .collect()
    };
    let everybody = |word: &str| !FOR_ADMINS.contains(&word);
    [
        (BotCommandScope::Default, all(&everybody)),
        (BotCommandScope::AllGroupChats, all(&everybody)),
        (BotCommandScope::AllPrivateChats, all(&|_| true)),
        (BotCommandScope::AllChatAdministrators, all(&|_| true)),
    ]
}
