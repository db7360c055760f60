//! Discord's double against serenity itself, and against plain calls: what the stories stand on.

use super::at;
use crate::doubles::DiscordDouble;
use crate::doubles::discord::{Fault, User};
use futures_util::{SinkExt as _, StreamExt as _};
use linkdown::clock::Clock;
use serde_json::{Value, json};
use serenity::all::{
    AutocompleteChoice, ButtonStyle, ChannelId, Client, Command, CommandOptionType, Context,
    CreateActionRow, CreateAutocompleteResponse, CreateButton, CreateCommand, CreateCommandOption,
    CreateEmbed, CreateInteractionResponse, CreateInteractionResponseFollowup,
    CreateInteractionResponseMessage, EditInteractionResponse, EventHandler, GatewayError,
    GatewayIntents, Guild, GuildChannel, HttpBuilder, Interaction, Ready, UnavailableGuild,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

struct World {
    discord: DiscordDouble,
    clock: Clock,
    guild: u64,
    ops: u64,
    ann: User,
}

async fn world() -> World {
    let clock = Clock::simulated(at("2025-06-06 18:10"));
    let discord = DiscordDouble::start(clock.clone()).await;
    let guild = discord.guild("Newsroom");
    let ops = discord.channel(guild, "ops");
    let ann = discord.member(guild, "Ann", &["Manage Server"]);
    World { discord, clock, guild, ops, ann }
}

/// A bot of serenity's: `/echo` answers with a button, `/slow` puts its answer off, `/silent` never answers.
#[derive(Clone, Default)]
struct Bot {
    events: Arc<Mutex<Vec<String>>>,
    noted: Arc<Notify>,
}

impl Bot {
    fn notes(&self, event: String) {
        self.events.lock().unwrap().push(event);
        self.noted.notify_one();
    }

    fn has_noted(&self, event: &str) -> bool {
        self.events.lock().unwrap().iter().any(|noted| noted == event)
    }
}

#[serenity::async_trait]
impl EventHandler for Bot {
    async fn ready(&self, ctx: Context, _: Ready) {
        let what = CreateCommandOption::new(CommandOptionType::String, "what", "What to say")
            .required(true);
        let where_to =
            CreateCommandOption::new(CommandOptionType::Channel, "where", "Said of which channel");
        let echo = CreateCommand::new("echo").description("Says it again");
        let echo = echo.add_option(what.set_autocomplete(true)).add_option(where_to);
        let slow = CreateCommand::new("slow").description("Takes its time");
        let silent = CreateCommand::new("silent").description("Says nothing");
        Command::set_global_commands(&ctx.http, vec![echo, slow, silent]).await.unwrap();
    }

    async fn guild_create(&self, _: Context, guild: Guild, _: Option<bool>) {
        self.notes(format!("in {} with {} channels", guild.name, guild.channels.len()));
    }

    async fn guild_delete(&self, _: Context, guild: UnavailableGuild, _: Option<Guild>) {
        self.notes(format!("out, unavailable: {}", guild.unavailable));
    }

    async fn channel_update(&self, _: Context, _: Option<GuildChannel>, new: GuildChannel) {
        let denied = new
            .permission_overwrites
            .first()
            .map(|overwrite| overwrite.deny.get_permission_names().join(", "));
        self.notes(format!("{} without {}", new.name, denied.unwrap_or_default()));
    }

    async fn channel_delete(
        &self,
        _: Context,
        channel: GuildChannel,
        _: Option<Vec<serenity::all::Message>>,
    ) {
        self.notes(format!("{} is gone", channel.name));
    }

    async fn interaction_create(&self, ctx: Context, interaction: Interaction) {
        match interaction {
            Interaction::Autocomplete(asked) => {
                let typed = asked.data.autocomplete().unwrap().value.to_owned();
                let choice = AutocompleteChoice::new(format!("{typed}th Korea"), "KP");
                let choices = CreateAutocompleteResponse::new().set_choices(vec![choice]);
                asked
                    .create_response(&ctx.http, CreateInteractionResponse::Autocomplete(choices))
                    .await
                    .unwrap();
            }
            Interaction::Command(asked) if asked.data.name == "echo" => {
                let who = asked.member.as_ref().map_or("nobody", |member| &member.user.name);
                let may = asked.member.as_ref().and_then(|member| member.permissions).unwrap();
                let what = asked.data.options[0].value.as_str().unwrap();
                let place = asked
                    .data
                    .resolved
                    .channels
                    .values()
                    .next()
                    .and_then(|channel| channel.name.clone());
                let embed = CreateEmbed::new().title(what).field("by", who, true);
                let button =
                    CreateButton::new("again:1").label("Again").style(ButtonStyle::Secondary);
                let answer = CreateInteractionResponseMessage::new()
                    .content(format!(
                        "{}, manages: {}",
                        place.unwrap_or_default(),
                        may.manage_guild()
                    ))
                    .embed(embed)
                    .components(vec![CreateActionRow::Buttons(vec![button])]);
                asked
                    .create_response(&ctx.http, CreateInteractionResponse::Message(answer))
                    .await
                    .unwrap();
            }
            Interaction::Command(asked) if asked.data.name == "slow" => {
                asked.defer_ephemeral(&ctx.http).await.unwrap();
                let answer = EditInteractionResponse::new().content("at last");
                asked.edit_response(&ctx.http, answer).await.unwrap();
                let more = CreateInteractionResponseFollowup::new().content("and more");
                asked.create_followup(&ctx.http, more).await.unwrap();
            }
            Interaction::Component(asked) => {
                let answer =
                    CreateInteractionResponseMessage::new().content("again").embeds(vec![]);
                asked
                    .create_response(&ctx.http, CreateInteractionResponse::UpdateMessage(answer))
                    .await
                    .unwrap();
            }
            _ => {}
        }
    }
}

async fn connects(world: &World, bot: &Bot) -> JoinHandle<Result<(), serenity::Error>> {
    let http = HttpBuilder::new(world.discord.token())
        .proxy(world.discord.url())
        .ratelimiter_disabled(true)
        .build();
    let builder = serenity::client::ClientBuilder::new_with_http(http, GatewayIntents::GUILDS);
    let mut client: Client = builder.event_handler(bot.clone()).await.unwrap();
    let running = tokio::spawn(async move { client.start().await });
    world.discord.ready().await;
    running
}

#[tokio::test]
async fn a_bot_of_serenitys_registers_hears_and_answers() {
    let (world, bot) = (world().await, Bot::default());
    let _running = connects(&world, &bot).await;
    let World { discord, ops, ann, .. } = &world;

    let answer = discord.slash(ann, *ops, "echo", json!({"what": "KP", "where": ops})).await;
    assert_eq!(answer.text, "ops, manages: true\nKP\nby: ann");
    assert_eq!(answer.buttons(), [("Again".to_owned(), "again:1".to_owned())]);
    assert!(!answer.ephemeral && !answer.deferred);

    let again = discord.clicks(ann, *ops, answer.id, "again:1").await;
    assert_eq!((again.id, again.text.as_str()), (answer.id, "again"));

    let choices = discord.completes(ann, *ops, "echo", "what", "Nor").await;
    assert_eq!(choices, [("North Korea".to_owned(), "KP".to_owned())]);

    let slow = discord.slash(ann, *ops, "slow", json!({})).await;
    assert_eq!(slow.text, "at last");
    assert!(slow.ephemeral && slow.deferred);
    discord
        .until("the follow-up", |discord| {
            discord.messages(*ops).iter().any(|m| m.content == "and more")
        })
        .await;

    insta::assert_snapshot!(discord.sees(*ops), @r"
    [18:10] (Ann: /echo) ops, manages: true
            KP
            by: ann
    [18:10] (edited) again
    [18:10] (Ann: /slow) and more
    ");
    assert_eq!(discord.unexpected(), [""; 0]);
    let intents = GatewayIntents::GUILDS.bits();
    let said = discord.gateway().identifies();
    assert_eq!(
        (said.len(), said[0].intents, said[0].token_ok, said[0].shards),
        (1, intents, true, Some((0, 1)))
    );
}

#[tokio::test]
async fn nobody_can_do_what_the_client_of_discord_would_not_let_them() {
    let (world, bot) = (world().await, Bot::default());
    let _running = connects(&world, &bot).await;
    let World { discord, ops, ann, .. } = &world;
    let bob = discord.user("Bob");
    discord.deadline(Duration::from_millis(50));
    let mut refused = Vec::new();
    for (who, command, options) in [
        (ann, "nothing", json!({})),
        (ann, "echo", json!({})),
        (ann, "echo", json!({"what": true})),
        (ann, "echo", json!({"what": "x", "how": 1})),
        (&bob, "slow", json!({})),
        (ann, "silent", json!({})),
    ] {
        refused.push(discord.try_slash(who, *ops, command, options).await.unwrap_err());
    }
    insta::assert_snapshot!(refused.join("\n"), @r#"
    no command "nothing" is registered
    the option "what" is required
    the option "what" does not take true: a text is wanted
    no option "how" is registered
    they are not in that channel
    the application did not respond in 50ms
    "#);
}

#[tokio::test]
async fn what_happens_to_its_places_is_told() {
    let (world, bot) = (world().await, Bot::default());
    let _running = connects(&world, &bot).await;
    let World { discord, guild, ops, .. } = &world;
    discord.may_not(*ops, "Send Messages");
    discord.may_again(*ops, "Send Messages");
    discord.kicks(*guild);
    discord.invites_back(*guild);
    discord.deletes(*ops);
    discord.gateway().caught_up().await;
    let told = async {
        while !bot.has_noted("ops is gone") {
            bot.noted.notified().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), told).await.unwrap();
    for event in [
        "in Newsroom with 1 channels",
        "ops without Send Messages",
        "ops without ",
        "out, unavailable: false",
    ] {
        assert!(bot.has_noted(event), "{event}: {:?}", bot.events);
    }
}

#[tokio::test]
async fn what_was_missed_is_told_when_the_session_resumes() {
    let (world, bot) = (world().await, Bot::default());
    let _running = connects(&world, &bot).await;
    let gateway = world.discord.gateway();
    let disturb: [fn(&crate::doubles::discord::Gateway); 3] = [
        |gateway| gateway.drops(),
        |gateway| gateway.asks_reconnect(),
        |gateway| gateway.invalid_session(true),
    ];
    for (nth, disturb) in disturb.into_iter().enumerate() {
        disturb(&gateway);
        // There is no socket at this moment.
        let answer = world
            .discord
            .slash(&world.ann, world.ops, "echo", json!({"what": nth.to_string()}))
            .await;
        assert_eq!(answer.embeds[0]["title"], nth.to_string());
        assert_eq!((gateway.resumes(), gateway.identifies().len()), (nth + 1, 1));
    }
}

#[tokio::test]
async fn a_revoked_token_ends_the_client() {
    let (world, bot) = (world().await, Bot::default());
    let running = connects(&world, &bot).await;
    world.discord.revokes_token();
    let ended = tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
    assert!(
        matches!(ended, Err(serenity::Error::Gateway(GatewayError::InvalidAuthentication))),
        "{ended:?}"
    );
    assert_eq!(world.asks("GET", "users/@me", &Value::Null).await.status, 401);
}

fn identify(token: &str, intents: u64) -> Value {
    json!({"op": 2, "d": {"token": token, "intents": intents, "properties": {}, "shard": [0, 1]}})
}

fn resume(token: &str, session: &str, seq: u64) -> Value {
    json!({"op": 6, "d": {"token": token, "session_id": session, "seq": seq}})
}

const NO_SUCH_SESSION: &str = r#"{"d":false,"op":9}"#;

#[tokio::test]
async fn the_gateway_is_strict() {
    let world = world().await;
    let token = world.discord.token();
    for (message, end) in [
        (json!({"op": 3, "d": {}}), "4003"),
        (identify("wrong", 1), "4004"),
        (identify(token, 1 << 15), "4014"),
        (identify(token, 1 << 40), "4013"),
        (json!({"op": 77}), "4001"),
        (resume(token, "another", 1), NO_SUCH_SESSION),
        (json!({"op": 1, "d": null}), r#"{"op":11}"#),
    ] {
        let mut socket = world.opens().await;
        socket.says(&message).await;
        assert_eq!(socket.hears().await, end, "{message}");
    }
}

/// Serenity comes back from that after five seconds, which is too long to wait for here.
#[tokio::test]
async fn a_session_that_is_over_is_not_resumed() {
    let world = world().await;
    let token = world.discord.token();
    let mut socket = world.opens().await;
    socket.says(&identify(token, 0)).await;
    let ready: Value = serde_json::from_str(&socket.hears().await).unwrap();
    let session = ready["d"]["session_id"].as_str().unwrap();
    for (seq, end) in [(2, "4007"), (1, r#"{"d":{"_trace":[]},"op":0,"s":2,"t":"RESUMED"}"#)] {
        world.discord.gateway().drops();
        socket = world.opens().await;
        socket.says(&resume(token, session, seq)).await;
        assert_eq!(socket.hears().await, end);
    }
    world.discord.gateway().invalid_session(false);
    assert_eq!(socket.hears().await, NO_SUCH_SESSION);
    let mut socket = world.opens().await;
    socket.says(&resume(token, session, 2)).await;
    assert_eq!(socket.hears().await, NO_SUCH_SESSION);
}

struct Got {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Got {
    fn code(&self) -> (u16, u64) {
        (self.status, self.body["code"].as_u64().unwrap_or(0))
    }
}

impl World {
    /// A plain call, as our own client makes them.
    async fn tries(&self, method: &str, path: &str, body: &Value) -> Result<Got, reqwest::Error> {
        let url = format!("{}/api/v10/{path}", self.discord.url());
        let client =
            reqwest::Client::builder().user_agent("DiscordBot (https://example.org, 1)").build()?;
        let mut request = client.request(method.parse().unwrap(), url);
        request = request.header("authorization", format!("Bot {}", self.discord.token()));
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_str(&response.text().await?).unwrap_or(Value::Null);
        Ok(Got { status, headers, body })
    }

    async fn asks(&self, method: &str, path: &str, body: &Value) -> Got {
        self.tries(method, path, body).await.unwrap()
    }

    async fn posts(&self, channel: u64, body: &Value) -> Got {
        self.asks("POST", &format!("channels/{channel}/messages"), body).await
    }

    /// A connection to the gateway that has said its hello.
    async fn opens(&self) -> Socket {
        let url = self.asks("GET", "gateway", &Value::Null).await.body["url"]
            .as_str()
            .unwrap()
            .to_owned();
        let (socket, _) = tokio_tungstenite::connect_async(format!("{url}/?v=10")).await.unwrap();
        let mut socket = Socket(socket);
        let hello = socket.hears().await;
        assert!(hello.contains(r#""heartbeat_interval":45000"#), "{hello}");
        socket
    }
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn says(&mut self, message: &Value) {
        self.0.send(Frame::Text(message.to_string())).await.unwrap();
    }

    /// What comes next, or the code with which it closes.
    async fn hears(&mut self) -> String {
        match self.0.next().await.unwrap().unwrap() {
            Frame::Close(frame) => frame.unwrap().code.to_string(),
            frame => frame.into_text().unwrap(),
        }
    }
}

#[tokio::test]
async fn a_message_must_be_a_valid_one() {
    let world = world().await;
    let long = |characters: usize| "x".repeat(characters);
    let fields = |count: usize| vec![json!({"name": "n", "value": "v"}); count];
    let button = json!({"type": 2, "style": 1, "label": "l", "custom_id": "c"});
    world.discord.unlimited();
    for (body, field) in [
        (json!({"content": long(2001)}), "/content"),
        (json!({"embeds": vec![json!({"title": "t"}); 11]}), "/embeds"),
        (json!({"embeds": [{"title": long(257)}]}), "/embeds/0/title"),
        (json!({"embeds": [{"description": long(4097)}]}), "/embeds/0/description"),
        (json!({"embeds": [{"fields": fields(26)}]}), "/embeds/0/fields"),
        (json!({"embeds": [{"fields": [{"name": "", "value": "v"}]}]}), "/embeds/0/fields/0/name"),
        (json!({"embeds": vec![json!({"description": long(3001)}); 2]}), "/embeds"),
        (json!({"embeds": [{"title": "t", "url": "ftp://x"}]}), "/embeds/0/url"),
        (json!({"content": "c", "nonce": long(26)}), "/nonce"),
        (
            json!({"content": "c", "components": [{"type": 1, "components": vec![button.clone(); 6]}]}),
            "/components",
        ),
        (
            json!({"content": "c", "components": [{"type": 1, "components": [button, button]}]}),
            "/components",
        ),
        (
            json!({"content": "c", "allowed_mentions": {"parse": ["roles"], "roles": ["1"]}}),
            "/allowed_mentions",
        ),
        (json!({"content": "c", "message_reference": {"message_id": "1"}}), "/message_reference"),
    ] {
        let got = world.posts(world.ops, &body).await;
        assert_eq!(got.code(), (400, 50035), "{field}: {}", got.body);
        assert!(got.body.pointer(&format!("/errors{field}")).is_some(), "{field}: {}", got.body);
    }
    assert_eq!(world.posts(world.ops, &json!({"content": " "})).await.code(), (400, 50006));
    assert_eq!(world.discord.messages(world.ops).len(), 0);
}

#[tokio::test]
async fn only_what_is_allowed_pings() {
    let world = world().await;
    let (discord, ops) = (&world.discord, world.ops);
    let role = discord.role(world.guild, "on-call");
    let ann = world.ann.id;
    let content = format!("<@{ann}> <@&{role}> @everyone");
    world.posts(ops, &json!({"content": content})).await;
    world.posts(ops, &json!({"content": content, "allowed_mentions": {"parse": []}})).await;
    world
        .posts(ops, &json!({"content": content, "allowed_mentions": {"roles": [role.to_string()]}}))
        .await;
    world.posts(ops, &json!({"embeds": [{"description": content}]})).await;
    let pinged: Vec<Vec<u64>> =
        discord.messages(ops).into_iter().map(|message| message.mentions_pinged).collect();
    assert_eq!(pinged, [vec![ann, role], vec![], vec![role], vec![]]);
}

#[tokio::test]
async fn a_nonce_makes_a_second_try_safe() {
    let world = world().await;
    let (discord, ops) = (&world.discord, world.ops);
    let body = json!({"content": "once", "nonce": "n-1", "enforce_nonce": true});
    discord.fault(Fault::AcceptThenReset, 1);
    assert!(world.tries("POST", &format!("channels/{ops}/messages"), &body).await.is_err());
    let again = world.posts(ops, &body).await;
    assert_eq!((again.status, discord.messages(ops).len()), (200, 1));
    assert_eq!(again.body["id"], discord.messages(ops)[0].id.to_string());
    world.clock.advance_to(at("2025-06-06 18:15")).await;
    world.posts(ops, &body).await;
    world.posts(ops, &json!({"content": "twice", "nonce": "n-1"})).await;
    assert_eq!(discord.messages(ops).len(), 3);
}

#[tokio::test]
async fn who_asks_too_much_waits() {
    let world = world().await;
    let (discord, ops) = (&world.discord, world.ops);
    let body = json!({"content": "x"});
    let got = world.posts(ops, &body).await;
    let header = |got: &Got, name: &str| got.headers[name].to_str().unwrap().to_owned();
    assert_eq!(
        (header(&got, "x-ratelimit-limit"), header(&got, "x-ratelimit-remaining")),
        ("5".into(), "4".into())
    );
    for _ in 0..4 {
        assert_eq!(world.posts(ops, &body).await.status, 200);
    }
    let got = world.posts(ops, &body).await;
    assert_eq!(
        (got.status, &got.body["retry_after"], &got.body["global"]),
        (429, &json!(5.0), &json!(false))
    );
    assert_eq!(
        (header(&got, "retry-after"), header(&got, "x-ratelimit-scope")),
        ("5".into(), "user".into())
    );
    assert_eq!(discord.disobedience(), 0);
    world.clock.advance_to(at("2025-06-06 18:10") + 4).await;
    assert_eq!((world.posts(ops, &body).await.status, discord.disobedience()), (429, 1));
    world.clock.advance_to(at("2025-06-06 18:10") + 5).await;
    assert_eq!(world.posts(ops, &body).await.status, 200);

    for _ in 0..49 {
        assert_eq!(world.asks("GET", "users/@me", &Value::Null).await.status, 200);
    }
    let got = world.asks("GET", "users/@me", &Value::Null).await;
    assert_eq!(
        (got.status, &got.body["global"], header(&got, "x-ratelimit-global")),
        (429, &json!(true), "true".into())
    );
    assert_eq!((discord.refused(), discord.banned()), (3, false));
}

#[tokio::test]
async fn the_bot_may_what_it_may() {
    let world = world().await;
    let (discord, ops) = (&world.discord, world.ops);
    discord.unlimited();
    let text = json!({"content": "x"});
    let theirs = discord.posts(ops, &world.ann, "hello");
    let first = world.posts(ops, &text).await.body["id"].as_str().unwrap().to_owned();
    let history = format!("channels/{ops}/messages?limit=2");
    let read = world.asks("GET", &history, &Value::Null).await.body;
    // Without the privileged intent the words of others are not told.
    assert_eq!((&read[0]["content"], &read[1]["content"]), (&json!("x"), &json!("")));
    let edit = |message: &str| format!("channels/{ops}/messages/{message}");
    assert_eq!(world.asks("PATCH", &edit(&theirs.to_string()), &text).await.code(), (403, 50005));
    assert_eq!(world.asks("PATCH", &edit("1"), &text).await.code(), (404, 10008));
    assert_eq!(world.asks("PATCH", &edit(&first), &json!({"content": "y"})).await.status, 200);

    discord.may_not(ops, "Read Message History");
    let reply = json!({"content": "x", "message_reference": {"message_id": first}});
    assert_eq!(world.posts(ops, &reply).await.code(), (403, 160_002));
    assert_eq!(world.asks("GET", &history, &Value::Null).await.body, json!([]));
    discord.may_not(ops, "Embed Links");
    assert_eq!(world.posts(ops, &json!({"embeds": [{"title": "t"}]})).await.code(), (403, 50013));
    let stripped = world.posts(ops, &json!({"content": "x", "embeds": [{"title": "t"}]})).await;
    assert_eq!((stripped.status, &stripped.body["embeds"]), (200, &json!([])));
    let thread = discord.thread(ops, "talk");
    discord.may_not(ops, "Send Messages");
    assert_eq!(
        (world.posts(ops, &text).await.code(), world.posts(thread, &text).await.status),
        ((403, 50013), 200)
    );
    discord.may_not(ops, "View Channel");
    assert_eq!(world.posts(ops, &text).await.code(), (403, 50001));
    discord.deletes(ops);
    assert_eq!(world.posts(ops, &text).await.code(), (404, 10003));

    let forum = discord.forum(world.guild, "outages");
    assert_eq!(world.posts(forum, &text).await.code(), (400, 50008));
    let post = json!({"name": "KP", "message": {"content": "down"}});
    let post = world.asks("POST", &format!("channels/{forum}/threads"), &post).await;
    assert_eq!((post.status, &post.body["message"]["content"]), (201, &json!("down")));
    assert_eq!(discord.sees(discord.threads(forum)[0].0), "[18:10] down");

    let open = json!({"recipient_id": world.ann.id.to_string()});
    let dm = world.asks("POST", "users/@me/channels", &open).await.body["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!((world.posts(dm, &text).await.status, dm), (200, discord.dm(&world.ann)));
    discord.blocks_dms(&world.ann);
    assert_eq!(world.posts(dm, &text).await.code(), (403, 50007));
    discord.kicks(world.guild);
    assert_eq!(world.posts(forum, &text).await.code(), (403, 50001));
    assert_eq!(
        world.asks("GET", &format!("channels/{}", ChannelId::new(9)), &Value::Null).await.code(),
        (404, 10003)
    );
    assert_eq!(
        (
            world.asks("GET", "users/@me/guilds", &Value::Null).await.code(),
            discord.unexpected().len()
        ),
        ((404, 0), 1)
    );
}

#[tokio::test]
async fn it_falls_ill_on_demand() {
    let world = world().await;
    let (discord, ops) = (&world.discord, world.ops);
    let body = json!({"content": "x"});
    discord.fault(Fault::Status(500), 1);
    discord.fault(Fault::HtmlPage, 1);
    discord.fault(Fault::RateLimited { after_ms: 1_500, global: false }, 1);
    assert_eq!(world.posts(ops, &body).await.status, 500);
    let page = world.posts(ops, &body).await;
    assert_eq!((page.status, page.body), (200, Value::Null));
    let got = world.posts(ops, &body).await;
    assert_eq!((got.status, &got.body["retry_after"]), (429, &json!(1.5)));
    discord.fault_in(ops, Fault::Reset);
    world.clock.advance_to(at("2025-06-06 18:11")).await;
    assert!(world.tries("POST", &format!("channels/{ops}/messages"), &body).await.is_err());
    discord.heal();
    assert_eq!((world.posts(ops, &body).await.status, discord.messages(ops).len()), (200, 1));

    discord.unlimited();
    discord.fault_share(0.5, 7);
    let path = format!("channels/{ops}/messages");
    for _ in 0..20 {
        // Some are never answered.
        let _ = tokio::time::timeout(Duration::from_millis(50), world.tries("POST", &path, &body))
            .await;
        world.clock.advance_to(world.clock.now() + 2).await;
    }
    let (good, bad): (Vec<_>, Vec<_>) =
        discord.calls().into_iter().partition(|call| call.status == 200);
    // One page was no answer, and one message was there before.
    assert_eq!((good.len() - 1, discord.disobedience()), (discord.messages(ops).len(), 0));
    assert!((8..20).contains(&bad.len()), "{bad:?}");
}

#[tokio::test]
async fn commands_must_be_valid_ones() {
    let world = world().await;
    let option = |name: &str, required: bool| json!({"type": 3, "name": name, "description": "d", "required": required});
    let command = |name: &str, options: Value| json!([{"name": name, "description": "d", "options": options}]);
    let path = format!("applications/{}/commands", crate::doubles::discord::APPLICATION);
    for (body, code) in [
        (command("Watch", json!([])), "APPLICATION_COMMAND_INVALID_NAME"),
        (
            command("a", json!([option("b", false), option("c", true)])),
            "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
        ),
        (json!([{"name": "a", "description": "x".repeat(101)}]), "BASE_TYPE_BAD_LENGTH"),
        (
            json!(vec![json!({"name": "a", "description": "d"}); 2]),
            "APPLICATION_COMMANDS_DUPLICATE_NAME",
        ),
    ] {
        let got = world.asks("PUT", &path, &body).await;
        assert_eq!(got.code(), (400, 50035), "{code}");
        assert!(got.body.to_string().contains(code), "{code}: {}", got.body);
    }
    assert_eq!(
        world.asks("PUT", &path, &command("watch", json!([option("what", true)]))).await.status,
        200
    );
    assert_eq!((world.discord.registered().len(), world.discord.registrations()), (1, 1));
}

#[tokio::test]
async fn a_channel_reads_as_people_see_it() {
    let world = world().await;
    let (discord, ops) = (&world.discord, world.ops);
    let embed = json!({"title": "North Korea is down", "fields": [{"name": "since", "value": "17:35 UTC"}]});
    let first =
        world.posts(ops, &json!({"embeds": [embed]})).await.body["id"].as_str().unwrap().to_owned();
    discord.posts(ops, &world.ann, "oh");
    world.clock.advance_to(at("2025-06-06 18:20")).await;
    world
        .posts(ops, &json!({"content": "and back", "message_reference": {"message_id": first}}))
        .await;
    let over = json!({"embeds": [{"title": "North Korea was down"}]});
    world.asks("PATCH", &format!("channels/{ops}/messages/{first}"), &over).await;
    insta::assert_snapshot!(discord.sees(ops), @r"
    [18:10] North Korea is down
            since: 17:35 UTC
    [18:10] Ann: oh
    [18:20] ↳ (reply to “North Korea is down”) and back
    [18:20] (edited) North Korea was down
    ");
    assert_eq!(discord.sees(ops), "");
    assert_eq!(discord.messages(ops)[0].edits.len(), 1);
}
