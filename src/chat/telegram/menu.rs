//! The commands in Telegram's menu, sent when they change.

use super::PLATFORM;
use super::send::words;
use crate::chat::kept::tell_changed;
use crate::command::{AppContext, CHANGING, HELP};
use teloxide_core::Bot;
use teloxide_core::payloads::SetMyCommandsSetters as _;
use teloxide_core::prelude::Requester as _;
use teloxide_core::types::{BotCommand, BotCommandScope};

/// Sets the menu of each scope unless the same menu was set before.
pub(super) async fn show(bot: &Bot, bot_id: u64, context: &AppContext) {
    for (scope, commands) in menus() {
        let what =
            format!("menu of {bot_id} for {}", serde_json::to_string(&scope).unwrap_or_default());
        let said = serde_json::to_string(&commands).unwrap_or_default();
        let tell = async { bot.set_my_commands(commands).scope(scope).await.map(drop) };
        if let Err(error) = tell_changed(context, PLATFORM, what, said, tell).await {
            tracing::warn!(
                "Telegram did not take the menu of commands ({}); it is told at the next start",
                words(&error)
            );
            return;
        }
    }
}

fn menus() -> [(BotCommandScope, Vec<BotCommand>); 4] {
    let all = |wanted: &dyn Fn(&str) -> bool| -> Vec<BotCommand> {
        let shown = HELP.iter().filter(|line| wanted(line.word()));
        shown.map(|line| BotCommand::new(line.word(), line.menu)).collect()
    };
    // Commands that change subscriptions are hidden from people who may not use them.
    let everybody = |word: &str| !CHANGING.contains(&word);
    [
        (BotCommandScope::Default, all(&everybody)),
        (BotCommandScope::AllGroupChats, all(&everybody)),
        (BotCommandScope::AllPrivateChats, all(&|_| true)),
        (BotCommandScope::AllChatAdministrators, all(&|_| true)),
    ]
}
