//! Telegram's double, proved by the real client: what teloxide makes of it is what it makes of the real one.

use super::at;
use crate::doubles::TelegramDouble;
use crate::doubles::telegram::{CallbackAnswer, Fault, Message};
use linkdown::clock::Clock;
use std::future::Future;
use teloxide_core::payloads::{
    AnswerCallbackQuerySetters as _, EditMessageTextSetters as _, GetUpdatesSetters as _,
    SendMessageSetters as _,
};
use teloxide_core::prelude::Requester as _;
use teloxide_core::requests::JsonRequest;
use teloxide_core::types::{
    AllowedUpdate, BotCommand, CallbackQuery, ChatId, ChatMemberKind, InlineKeyboardButton,
    InlineKeyboardMarkup, LinkPreviewOptions, MediaKind, MessageId, MessageKind, ParseMode,
    ReplyParameters, ThreadId, Update, UpdateKind, UserId,
};
use teloxide_core::{ApiError, Bot, RequestError};
use tokio::task::JoinHandle;

/// A double on a clock that stands, and the real client before it.
struct Edge {
    clock: Clock,
    telegram: TelegramDouble,
    bot: Bot,
}

impl Edge {
    async fn new() -> Self {
        let clock = Clock::simulated(at("2025-06-06 20:45"));
        let telegram = TelegramDouble::start(clock.clone()).await;
        let bot = client(&telegram, telegram.token());
        Self { clock, telegram, bot }
    }

    /// Sends this text as HTML; what becomes of it.
    async fn html(&self, chat: i64, text: &str) -> Result<Message, RequestError> {
        self.bot.send_message(ChatId(chat), text).parse_mode(ParseMode::Html).await?;
        Ok(self.telegram.last(chat))
    }

    async fn refuses(&self, chat: i64) -> RequestError {
        self.bot.send_message(ChatId(chat), "hello").await.unwrap_err()
    }

    async fn updates(&self, offset: i32) -> Vec<Update> {
        self.bot.get_updates().offset(offset).await.unwrap()
    }

    /// A bot that polls, and does `handle` with each update before it confirms it.
    fn polls<F: Future<Output = ()> + Send>(
        &self,
        handle: impl Fn(Bot, Update) -> F + Send + Sync + 'static,
    ) -> JoinHandle<()> {
        let bot = self.bot.clone();
        tokio::spawn(async move {
            let mut offset = 0;
            loop {
                for update in bot.get_updates().offset(offset).timeout(10).await.unwrap() {
                    offset = update.id.as_offset();
                    handle(bot.clone(), update).await;
                }
            }
        })
    }

    /// One that repeats what it is told.
    fn echoes(&self) -> JoinHandle<()> {
        self.polls(|bot, update| async move {
            if let UpdateKind::Message(message) | UpdateKind::ChannelPost(message) = update.kind
                && let Some(text) = message.text()
            {
                let mut send = bot.send_message(message.chat.id, format!("you said {text}"));
                send.message_thread_id = message.thread_id.filter(|_| message.is_topic_message);
                send.await.unwrap();
            }
        })
    }
}

fn client(telegram: &TelegramDouble, token: &str) -> Bot {
    Bot::new(token).set_api_url(telegram.url().parse().unwrap())
}

fn api(error: &RequestError) -> String {
    match error {
        RequestError::Api(ApiError::Unknown(text)) => text.clone(),
        RequestError::Api(known) => format!("{known:?}"),
        other => format!("{other:?}"),
    }
}

fn keyboard(data: &str) -> InlineKeyboardMarkup {
    InlineKeyboardMarkup::new([[InlineKeyboardButton::callback("Mute 1 h", data)]])
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

fn kinds(updates: &[Update]) -> Vec<String> {
    let kind = |update: &Update| match &update.kind {
        UpdateKind::Message(message)
        | UpdateKind::EditedMessage(message)
        | UpdateKind::ChannelPost(message) => {
            let kind = match &message.kind {
                MessageKind::Common(common) => match &common.media_kind {
                    MediaKind::Text(text) => text.text.clone(),
                    other => format!("{other:?}"),
                },
                other => format!("{other:?}").split('(').next().unwrap().to_owned(),
            };
            format!("{}: {kind}", message.chat.id)
        }
        UpdateKind::MyChatMember(change) => {
            let status = |kind: &ChatMemberKind| format!("{:?}", kind.status());
            let (old, new) =
                (status(&change.old_chat_member.kind), status(&change.new_chat_member.kind));
            format!("{}: {old} to {new}", change.chat.id)
        }
        other => format!("{other:?}"),
    };
    updates.iter().map(kind).collect()
}

#[tokio::test]
async fn only_the_token_opens() {
    let edge = Edge::new().await;
    let me = edge.bot.get_me().await.unwrap();
    assert_eq!(
        (me.username(), me.id.0, me.can_read_all_group_messages),
        ("LinkdownBot", 123_456_789, false)
    );

    let wrong = client(&edge.telegram, &edge.telegram.token().replace("AAF4", "AAF5"));
    assert_eq!(api(&wrong.get_me().await.unwrap_err()), "InvalidToken");
    assert_eq!(api(&client(&edge.telegram, "secret").get_me().await.unwrap_err()), "InvalidToken");
    edge.telegram.revokes_token();
    assert_eq!(api(&edge.bot.get_me().await.unwrap_err()), "InvalidToken");
    let statuses: Vec<u16> =
        edge.telegram.calls_of("getMe").iter().map(|call| call.status).collect();
    assert_eq!(statuses, [200, 401, 401]);
}

#[tokio::test]
async fn an_update_comes_again_until_a_later_offset_confirms_it() {
    let edge = Edge::new().await;
    let ann = edge.telegram.person("Ann");
    edge.telegram.puts(&ann, ann.id, "/start");
    edge.telegram.puts(&ann, ann.id, "/status KP");
    let first = edge.updates(0).await;
    assert_eq!(kinds(&first), [format!("{}: /start", ann.id), format!("{}: /status KP", ann.id)]);
    assert_eq!(edge.updates(0).await.len(), 2);
    assert_eq!(edge.bot.get_updates().limit(1).await.unwrap().len(), 1);
    assert_eq!(edge.updates(first[0].id.as_offset()).await, first[1..]);
    assert_eq!(edge.telegram.unconfirmed(), 1);
    assert!(edge.updates(first[1].id.as_offset()).await.is_empty());

    let only = edge.bot.get_updates().allowed_updates([AllowedUpdate::CallbackQuery]);
    assert!(only.await.unwrap().is_empty());
    edge.telegram.puts(&ann, ann.id, "nobody wants to hear this");
    assert_eq!(edge.telegram.unconfirmed(), 0);
}

#[tokio::test]
async fn a_long_poll_waits_for_an_update_and_gives_way_to_another_poll() {
    let edge = Edge::new().await;
    let ann = edge.telegram.person("Ann");
    let poll = || tokio::spawn(edge.bot.get_updates().timeout(10).into_future());
    let first = poll();
    while edge.telegram.calls_of("getUpdates").is_empty() {
        tokio::task::yield_now().await;
    }
    let second = poll();
    let error = first.await.unwrap().unwrap_err();
    assert!(matches!(error, RequestError::Api(ApiError::TerminatedByOtherGetUpdates)), "{error}");
    edge.telegram.puts(&ann, ann.id, "/start");
    assert_eq!(second.await.unwrap().unwrap().len(), 1);

    edge.telegram.second_instance(true);
    assert_eq!(api(&edge.bot.get_updates().await.unwrap_err()), "TerminatedByOtherGetUpdates");
    edge.telegram.second_instance(false);
    edge.telegram.fault_polling(Fault::Reset, 1);
    assert!(matches!(edge.bot.get_updates().await, Err(RequestError::Network(_))));
    // What teloxide cannot read does not hold up what comes behind it.
    edge.telegram.update(serde_json::json!({"message": {"text": 7}}));
    assert!(matches!(edge.updates(0).await[1].kind, UpdateKind::Error(_)));
}

#[tokio::test]
async fn what_people_see_is_told_in_order_of_time() {
    let edge = Edge::new().await;
    let (telegram, bot) = (&edge.telegram, &edge.bot);
    let ops = telegram.supergroup("Ops");
    let start =
        bot.send_message(ChatId(ops), "🔴 <b>North Korea</b> is down\nall 4 blocks &amp; more");
    let start = start.parse_mode(ParseMode::Html).reply_markup(keyboard("mute:1"));
    let start = start.link_preview_options(no_preview());
    let sent = start.await.unwrap();
    assert_eq!(
        (sent.chat.id.0, sent.text()),
        (ops, Some("🔴 North Korea is down\nall 4 blocks & more"))
    );
    assert_eq!((sent.entities().unwrap()[0].offset, sent.entities().unwrap()[0].length), (3, 11));

    edge.clock.advance_to(at("2025-06-06 21:05")).await;
    bot.edit_message_text(ChatId(ops), sent.id, "🟡 one block is back")
        .link_preview_options(no_preview())
        .await
        .unwrap();
    let end = bot.send_message(ChatId(ops), "🟢 all is back").disable_notification(true);
    end.reply_parameters(ReplyParameters::new(sent.id)).await.unwrap();

    insta::assert_snapshot!(telegram.sees(ops), @r"
    [20:45] 🔴 North Korea is down
            all 4 blocks & more
            [Mute 1 h]
    [21:05] (edited) 🟡 one block is back
    [21:05] ↳ (reply to “🟡 one block is back”) (silent) 🟢 all is back
    ");
    assert_eq!(telegram.sees(ops), "");
    let [start, end] = &telegram.messages(ops)[..] else { panic!("two messages") };
    assert!(start.preview_off && !start.silent && end.silent && end.reply_to == Some(start.id));
    assert_eq!(
        (start.edits.len(), start.buttons.len(), start.text.as_str()),
        (1, 0, "🟡 one block is back")
    );
}

#[tokio::test]
async fn a_group_is_heard_by_the_rules_of_the_privacy_mode() {
    let edge = Edge::new().await;
    let telegram = &edge.telegram;
    let (ann, ops, news) =
        (telegram.person("Ann"), telegram.supergroup("Ops"), telegram.channel("News"));
    telegram.member(ops, &ann);
    let bot = edge.echoes();
    assert_eq!(telegram.says(&ann, ann.id, "hello").await[0].text, "you said hello");
    let answer = telegram.says(&ann, ops, "/status@linkdownbot KP").await;
    assert_eq!(answer[0].text, "you said /status@linkdownbot KP");
    for unheard in ["hello", "/status@OtherBot KP"] {
        assert_eq!(telegram.sends_nothing(&ann, ops, unheard).await, []);
    }
    assert_eq!(telegram.replies(&ann, ops, answer[0].id, "hello").await.len(), 1);

    telegram.bot_is_admin(news, true);
    assert_eq!(telegram.posts(news, "/list").await[0].text, "you said /list");
    telegram.anonymous_admin(ops);
    assert_eq!(telegram.says_as_anonymous(ops, "/list").await[0].text, "you said /list");
    assert_eq!(telegram.edits(&ann, ops, telegram.last_said(ops) - 2, "/x").await, []);
    bot.abort();
}

#[tokio::test]
async fn every_way_of_being_shut_out_has_its_own_words() {
    let edge = Edge::new().await;
    let telegram = &edge.telegram;
    telegram.unlimited();
    let (ann, ops, old, news) = (
        telegram.person("Ann"),
        telegram.supergroup("Ops"),
        telegram.group("Old"),
        telegram.channel("News"),
    );
    let words = async |chat: i64| api(&edge.refuses(chat).await);
    assert_eq!(words(-1).await, "ChatNotFound");
    assert_eq!(words(news).await, "ChatNotFound");
    assert_eq!(words(ann.id).await, "Forbidden: bot can't initiate conversation with a user");
    telegram.puts(&ann, ann.id, "/start");
    edge.bot.send_message(ChatId(ann.id), "hello").await.unwrap();
    telegram.blocks(&ann);
    assert_eq!(words(ann.id).await, "BotBlocked");
    telegram.unblocks(&ann);
    edge.bot.send_message(ChatId(ann.id), "hello again").await.unwrap();
    telegram.deactivates(&ann);
    assert_eq!(words(ann.id).await, "UserDeactivated");

    telegram.may_not_write(ops);
    assert_eq!(
        words(ops).await,
        "Bad Request: not enough rights to send text messages to the chat"
    );
    telegram.kicks(ops);
    assert_eq!(words(ops).await, "BotKickedFromSupergroup");
    telegram.kicks(old);
    assert_eq!(words(old).await, "Forbidden: bot was kicked from the group chat");
    telegram.bot_is_admin(news, true);
    telegram.may_not_write(news);
    assert_eq!(words(news).await, "NotEnoughRightsToPostMessages");
    telegram.bot_is_admin(news, false);
    assert_eq!(words(news).await, "Forbidden: bot is not a member of the channel chat");
    telegram.invites_back(ops);
    edge.bot.send_message(ChatId(ops), "hello").await.unwrap();
    edge.bot.leave_chat(ChatId(ops)).await.unwrap();
    assert_eq!(words(ops).await, "Forbidden: bot is not a member of the supergroup chat");

    let told = kinds(&edge.updates(0).await);
    let ours = |line: &&String| line.starts_with(&ops.to_string());
    let ours: Vec<&str> =
        told.iter().filter(ours).map(|line| line.split_once(": ").unwrap().1).collect();
    let back = ["Banned to Member", "NewChatMembers", "Member to Left"];
    assert_eq!(ours, [&["Member to Restricted", "Restricted to Banned"][..], &back].concat());
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_says_where_it_went() {
    let edge = Edge::new().await;
    let old = edge.telegram.group("Old");
    let before = edge.bot.send_message(ChatId(old), "hello").await.unwrap();
    let new = edge.telegram.migrates(old);
    let edit = edge.bot.edit_message_text(ChatId(old), before.id, "hello there").await.unwrap_err();
    for error in [edge.refuses(old).await, edit] {
        assert!(matches!(error, RequestError::MigrateToChatId(to) if to.0 == new), "{error}");
    }
    edge.bot.send_message(ChatId(new), "hello").await.unwrap();
    let told = kinds(&edge.updates(0).await);
    let [joined, to, from] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*joined, format!("{new}: Left to Member"));
    assert_eq!(*to, format!("{old}: Migration(To {{ chat_id: ChatId({new}) }})"));
    assert_eq!(*from, format!("{new}: Migration(From {{ chat_id: ChatId({old}) }})"));
}

#[tokio::test]
async fn html_is_read_as_strictly_as_telegram_does() {
    let edge = Edge::new().await;
    edge.telegram.unlimited();
    let ops = edge.telegram.supergroup("Ops");
    let fine = "<b>bold <i>both</i></b> <a href=\"https://example.org/?a=1&amp;b=2\">link</a> &lt;&#8594;&gt; \
                <pre><code class=\"language-rust\">x</code></pre> <span class=\"tg-spoiler\">secret</span>";
    assert_eq!(edge.html(ops, fine).await.unwrap().text, "bold both link <→> x secret");
    for (text, why) in [
        ("a < b", "Unsupported start tag \"\" at byte offset 2"),
        ("é <h1>x</h1>", "Unsupported start tag \"h1\" at byte offset 3"),
        ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        (
            "<b><i>x</b></i>",
            "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\"",
        ),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<span>x</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
        ("x&nbsp;y", "Unsupported entity \"&nbsp\" at byte offset 1"),
        ("R&D", "Unsupported entity \"&D\" at byte offset 1"),
    ] {
        let error = edge.html(ops, text).await.unwrap_err();
        let expected = format!("Bad Request: can't parse entities: {why}");
        assert!(
            matches!(&error, RequestError::Api(ApiError::CantParseEntities(said)) if *said == expected),
            "{error}"
        );
    }
    let longest = "🔴".repeat(2048);
    edge.html(ops, &format!("<b>{longest}</b>")).await.unwrap();
    assert_eq!(api(&edge.html(ops, &format!("{longest}x")).await.unwrap_err()), "MessageIsTooLong");
    for empty in ["", " \n ", "<b></b>"] {
        assert_eq!(api(&edge.html(ops, empty).await.unwrap_err()), "MessageTextIsEmpty");
    }
}

#[tokio::test]
async fn what_cannot_be_edited_or_replied_to_is_refused() {
    let edge = Edge::new().await;
    let (telegram, bot) = (&edge.telegram, &edge.bot);
    telegram.unlimited();
    let (chat, ann) = (ChatId(telegram.supergroup("Ops")), telegram.person("Ann"));
    telegram.member(chat.0, &ann);
    let said = telegram.puts(&ann, chat.0, "/list");
    let sent = bot.send_message(chat, "one").reply_markup(keyboard("mute:1")).await.unwrap();
    let edit = |id: MessageId, text: &str| bot.edit_message_text(chat, id, text);
    let same = edit(sent.id, "one").reply_markup(keyboard("mute:1")).await.unwrap_err();
    assert_eq!(api(&same), "MessageNotModified");
    edit(sent.id, "one").await.unwrap();
    assert_eq!(api(&edit(MessageId(said), "x").await.unwrap_err()), "MessageCantBeEdited");
    assert_eq!(api(&edit(sent.id, &"x".repeat(4097)).await.unwrap_err()), "EditedMessageIsTooLong");
    telegram.deletes(chat.0, sent.id.0);
    assert_eq!(api(&edit(sent.id, "two").await.unwrap_err()), "MessageToEditNotFound");

    let reply = ReplyParameters::new(sent.id);
    let strict = bot.send_message(chat, "x").reply_parameters(reply.clone()).await.unwrap_err();
    assert_eq!(api(&strict), "MessageToReplyNotFound");
    bot.send_message(chat, "x")
        .reply_parameters(reply.allow_sending_without_reply())
        .await
        .unwrap();
    assert_eq!(telegram.last(chat.0).reply_to, None);

    for data in [String::new(), "é".repeat(33)] {
        let error = bot.send_message(chat, "x").reply_markup(keyboard(&data)).await.unwrap_err();
        assert_eq!(api(&error), "ButtonDataInvalid");
    }
}

#[tokio::test]
async fn a_topic_is_named_and_open_or_it_is_refused() {
    let edge = Edge::new().await;
    let telegram = &edge.telegram;
    telegram.unlimited();
    let (ann, ops) = (telegram.person("Ann"), telegram.supergroup("Ops"));
    telegram.member(ops, &ann);
    let topic = telegram.topic(ops, "Outages");
    let to = |topic: i32| {
        edge.bot.send_message(ChatId(ops), "hello").message_thread_id(ThreadId(MessageId(topic)))
    };
    let bot = edge.echoes();
    assert_eq!(telegram.says_in(&ann, ops, topic, "/list").await[0].topic, Some(topic));
    assert_eq!(telegram.sees(ops), "[20:45] #Outages you said /list");
    bot.abort();

    assert_eq!(api(&to(1).await.unwrap_err()), "Bad Request: message thread not found");
    telegram.closes_topic(ops, topic);
    assert_eq!(api(&to(topic).await.unwrap_err()), "Bad Request: TOPIC_CLOSED");
    telegram.reopens_topic(ops, topic);
    let sent = to(topic).await.unwrap();
    telegram.deletes_topic(ops, topic);
    assert_eq!(api(&to(topic).await.unwrap_err()), "Bad Request: message thread not found");
    let edit = edge.bot.edit_message_text(ChatId(ops), sent.id, "x").await.unwrap_err();
    assert_eq!(api(&edit), "MessageToEditNotFound");
    edge.bot.send_message(ChatId(ops), "to all").await.unwrap();
    telegram.closes_general(ops);
    assert_eq!(api(&edge.refuses(ops).await), "Bad Request: TOPIC_CLOSED");
}

#[tokio::test]
async fn who_sends_too_much_is_told_to_wait_and_watched() {
    let edge = Edge::new().await;
    let telegram = &edge.telegram;
    let ops = telegram.supergroup("Ops");
    let send = || edge.bot.send_message(ChatId(ops), "hello").into_future();
    let refused = async || match send().await {
        Err(RequestError::RetryAfter(seconds)) => seconds.seconds(),
        other => panic!("{other:?}"),
    };
    for _ in 0..3 {
        send().await.unwrap();
    }
    assert_eq!((refused().await, telegram.disobedience()), (3, 0));
    assert_eq!((refused().await, telegram.disobedience()), (3, 1));
    let start = edge.clock.now();
    edge.clock.advance_to(start + 3).await;
    for second in 3..20 {
        edge.clock.advance_to(start + second).await;
        send().await.unwrap();
    }
    // The 21st within a minute.
    edge.clock.advance_to(start + 30).await;
    assert_eq!(refused().await, 30);
    edge.clock.advance_to(start + 60).await;
    send().await.unwrap();

    edge.clock.advance_to(start + 600).await;
    let before = telegram.disobedience();
    for _ in 0..30 {
        edge.bot.send_message(ChatId(telegram.group("One of many")), "hello").await.unwrap();
    }
    assert_eq!((refused().await, telegram.disobedience()), (1, before));
    telegram.unlimited();
}

#[tokio::test]
async fn a_tap_is_answered_once_and_in_time() {
    let edge = Edge::new().await;
    let telegram = &edge.telegram;
    let (ann, ops) = (telegram.person("Ann"), telegram.supergroup("Ops"));
    edge.bot.send_message(ChatId(ops), "down").reply_markup(keyboard("mute:1")).await.unwrap();
    let bot = edge.polls(|bot, update| async move {
        if let UpdateKind::CallbackQuery(CallbackQuery { id, data, message, .. }) = update.kind {
            let answer = bot
                .answer_callback_query(id)
                .text(format!("did {}", data.unwrap()))
                .show_alert(true);
            let message = message.unwrap();
            match answer.await {
                Ok(_) => {
                    let edit: JsonRequest<_> =
                        bot.edit_message_text(message.chat().id, message.id(), "muted");
                    edit.reply_markup(keyboard("mute:1")).await.unwrap();
                }
                Err(error) => {
                    let text = api(&error);
                    bot.send_message(message.chat().id, text).await.unwrap();
                }
            }
        }
    });
    let id = telegram.last(ops).id;
    let answer = telegram.taps(&ann, ops, id, "mute:1").await;
    assert_eq!(answer, CallbackAnswer { text: "did mute:1".to_owned(), alert: true });
    assert_eq!(telegram.last(ops).text, "muted");
    assert!(telegram.taps_old(&ann, ops, id, "mute:1").await);
    let too_old =
        "Bad Request: query is too old and response timeout expired or query ID is invalid";
    assert_eq!(telegram.last(ops).text, too_old);
    bot.abort();
}

#[tokio::test]
async fn it_falls_ill_on_demand() {
    let edge = Edge::new().await;
    let telegram = &edge.telegram;
    let ops = telegram.supergroup("Ops");
    telegram.fault(Fault::Reset, 1);
    telegram.fault(Fault::NotJson, 1);
    telegram.fault(Fault::BadRequest("CHAT_RESTRICTED"), 1);
    assert!(matches!(edge.refuses(ops).await, RequestError::Network(_)));
    assert!(matches!(edge.refuses(ops).await, RequestError::InvalidJson { .. }));
    assert_eq!(api(&edge.refuses(ops).await), "Bad Request: CHAT_RESTRICTED");
    assert_eq!(telegram.messages(ops), []);
    telegram.fault(Fault::AcceptThenReset, 1);
    assert!(matches!(edge.refuses(ops).await, RequestError::Network(_)));
    assert_eq!(telegram.messages(ops).len(), 1);

    telegram.fault_in(ops, Fault::RateLimited(7));
    assert!(
        matches!(edge.refuses(ops).await, RequestError::RetryAfter(after) if after.seconds() == 7)
    );
    edge.bot.send_message(ChatId(telegram.group("Old")), "hello").await.unwrap();
    telegram.heal();
    assert!(matches!(edge.refuses(ops).await, RequestError::RetryAfter(_)));
    assert_eq!(telegram.disobedience(), 1);
    // teloxide waits ten seconds after each of these: another client does not.
    edge.clock.advance_to(edge.clock.now() + 7).await;
    telegram.fault(Fault::Status(502), 1);
    let url = format!("{}/bot{}/sendMessage", telegram.url(), telegram.token());
    let form = || {
        reqwest::Client::new()
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
    };
    let body = format!("chat_id={ops}&text=one+%26+two");
    let ill = form().body(body.clone()).send().await.unwrap();
    assert_eq!(ill.status(), 502);
    assert!(ill.text().await.unwrap().starts_with("<html>"));
    assert_eq!(form().body(body).send().await.unwrap().status(), 200);
    assert_eq!(telegram.last(ops).text, "one & two");
    assert!(edge.bot.log_out().await.is_err());
    assert_eq!(telegram.unexpected(), ["LogOut"]);
}

#[tokio::test]
async fn a_share_of_all_sends_is_ill_in_the_same_way_each_time() {
    let ill = async || {
        let edge = Edge::new().await;
        edge.telegram.unlimited();
        edge.telegram.fault_share(0.5, 42);
        let ops = edge.telegram.supergroup("Ops");
        let url = format!(
            "{}/bot{}/sendMessage?chat_id={ops}&text=x",
            edge.telegram.url(),
            edge.telegram.token()
        );
        // Some are never answered; what became of them is asked of the double.
        let patience = std::time::Duration::from_millis(100);
        let client = reqwest::Client::new();
        for _ in 0..20 {
            let _ = client.get(&url).timeout(patience).send().await;
            edge.clock.advance_to(edge.clock.now() + 5).await;
        }
        edge.telegram.calls_of("sendMessage").iter().map(|call| call.status).collect::<Vec<u16>>()
    };
    let seen = ill().await;
    assert_eq!(seen, ill().await);
    assert!([200, 429, 500, 0].iter().all(|status| seen.contains(status)), "{seen:?}");
}

#[tokio::test]
async fn members_and_commands_are_told() {
    let edge = Edge::new().await;
    let (telegram, bot) = (&edge.telegram, &edge.bot);
    let (ann, bob, ops) =
        (telegram.person("Ann"), telegram.person("Bob"), telegram.supergroup("Ops"));
    telegram.admin(ops, &ann);
    telegram.anonymous_admin(ops);
    let chat = ChatId(ops);
    let admins = bot.get_chat_administrators(chat).await.unwrap();
    let names: Vec<&str> = admins.iter().map(|admin| admin.user.first_name.as_str()).collect();
    assert_eq!((names, admins[0].is_anonymous()), (vec!["Olga", "Ann"], true));
    let member = async |id: i64| bot.get_chat_member(chat, UserId(id as u64)).await.unwrap();
    assert!(member(ann.id).await.is_administrator() && member(bob.id).await.is_left());
    telegram.bot_is_admin(ops, true);
    assert!(member(123_456_789).await.is_administrator());
    assert_eq!(bot.get_chat(chat).await.unwrap().title(), Some("Ops"));
    assert!(bot.get_chat(ChatId(ann.id)).await.unwrap().is_private());

    bot.set_my_commands([BotCommand::new("status", "What is down")]).await.unwrap();
    assert_eq!(bot.get_my_commands().await.unwrap().len(), 1);
    let commands = vec![("status".to_owned(), "What is down".to_owned())];
    assert_eq!(telegram.commands().get(r#"{"type":"default"}"#), Some(&commands));
    for (name, description) in [("Status", "x"), ("", "x"), ("status", ""), (&*"s".repeat(33), "x")]
    {
        bot.set_my_commands([BotCommand::new(name, description)]).await.unwrap_err();
    }
    assert_eq!(telegram.command_sets(), 1);
    bot.delete_webhook().await.unwrap();
}
