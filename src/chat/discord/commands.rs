//! The slash commands on Discord, registered when they change.

use super::PLATFORM;
use crate::chat::kept::tell_changed;
use crate::command::{AppContext, CHANGING, HELP};
use crate::render::lists::HelpLine;
use serenity::all::{
    ChannelType, CommandOptionType as Kind, CreateCommand, CreateCommandOption,
    InstallationContext as Installed, InteractionContext as Context, Permissions,
};
use serenity::http::Http;

/// Registers the commands unless the same ones were registered before.
pub(super) async fn register(http: &Http, application: u64, context: &AppContext) {
    let commands = all();
    let said = serde_json::to_string(&commands).unwrap_or_default();
    let tell = async { http.create_global_commands(&commands).await.map(drop) };
    match tell_changed(context, PLATFORM, format!("commands of {application}"), said, tell).await {
        Ok(true) => tracing::info!("Discord: commands registered"),
        Ok(false) => {}
        Err(error) => {
            let error = super::error_text::words(&error);
            tracing::error!(
                "Discord did not take the commands ({error}); they are registered again at the next start"
            );
        }
    }
}

fn all() -> Vec<CreateCommand> {
    HELP.iter().map(|line| command(line.word(), line.menu)).collect()
}

fn command(word: &'static str, menu: &'static str) -> CreateCommand {
    let mut command = CreateCommand::new(word).description(menu);
    command = if CHANGING.contains(&word) {
        command
            .default_member_permissions(Permissions::MANAGE_GUILD)
            .integration_types(vec![Installed::Guild])
            .contexts(vec![Context::Guild, Context::BotDm])
    } else {
        command.integration_types(vec![Installed::Guild, Installed::User]).contexts(vec![
            Context::Guild,
            Context::BotDm,
            Context::PrivateChannel,
        ])
    };
    options(word).into_iter().fold(command, CreateCommand::add_option)
}

fn options(word: &str) -> Vec<CreateCommandOption> {
    let text = |name: &str, about: &str| CreateCommandOption::new(Kind::String, name, about);
    let what = |about: &str| text("what", about).set_autocomplete(true);
    let place = || {
        CreateCommandOption::new(Kind::Channel, "channel", "Another channel than this one")
            .channel_types(vec![
                ChannelType::Text,
                ChannelType::News,
                ChannelType::Forum,
                ChannelType::PublicThread,
                ChannelType::PrivateThread,
                ChannelType::NewsThread,
            ])
    };
    match word {
        "status" => vec![what("A country, AS131279, a prefix, a site; several at once")],
        "why" => vec![
            what("A country, AS131279, a prefix, a site").required(true),
            text("when", "17:34, 2h ago, yesterday, 7 june 02:34 KST; UTC where no zone is named")
                .set_autocomplete(true),
        ],
        "subscribe" => vec![
            what("A country, AS131279, a prefix, a site; several at once; all").required(true),
            text("sensitivity", "How sure it must be before it is told").set_autocomplete(true),
            text("kinds", "What of an outage is told").set_autocomplete(true),
            text(
                "layers",
                "Only where one of these is lost: routing, reach, traffic, dns, web, mail",
            )
            .set_autocomplete(true),
            CreateCommandOption::new(
                Kind::Mentionable,
                "mention",
                "A role or person to call when an outage starts",
            ),
            text("quiet", "Hours in which nothing is told, such as 22-07").set_autocomplete(true),
            text("zone", "Time zone of the quiet hours and of times in messages")
                .set_autocomplete(true),
            place(),
        ],
        "unsubscribe" => vec![what("Of what; everything ends all"), place()],
        "subscriptions" | "test" => vec![place()],
        "mute" => vec![
            what("Of what; all").required(true),
            text("for", "For how long: 30 min, 2h, 3 days").required(true).set_autocomplete(true),
            place(),
        ],
        "unmute" => vec![what("Of what; every mute where nothing is named"), place()],
        "history" => vec![what("A country, AS131279, a prefix, a site")],
        "outage" => vec![
            // An option of text, so that it accepts the form that messages print: `Incident 3`.
            text("id", "Its number, as /history shows it").required(true).set_autocomplete(true),
        ],
        "forget" => vec![
            CreateCommandOption::new(
                Kind::Boolean,
                "sure",
                "Yes, remove all that is kept of this channel",
            ),
            place(),
        ],
        "help" => {
            let names = HELP.iter().map(HelpLine::word);
            vec![names.fold(text("command", "One command in full"), |option, word| {
                option.add_string_choice(word, word)
            })]
        }
        _ => Vec::new(),
    }
}
