use super::*;
use crate::render::arbitrary::hostile;
use fastrand::Rng;

#[test]
fn a_text_from_outside_cannot_turn_the_line_round() {
    assert_eq!(tame("cable\u{202e} cut\nby \u{7}ship", 40), "cable cut by ship");
    assert_eq!(tame("a long description", 7), "a long…");
}

#[test]
fn what_is_not_seen_is_left_out() {
    for unseen in [
        '\u{61c}',
        '\u{ad}',
        '\u{34f}',
        '\u{115f}',
        '\u{17b4}',
        '\u{180e}',
        '\u{200b}',
        '\u{200d}',
        '\u{200f}',
        '\u{2028}',
        '\u{202a}',
        '\u{2060}',
        '\u{2066}',
        '\u{206f}',
        '\u{3164}',
        '\u{fe00}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{fff9}',
        '\u{1bca0}',
        '\u{1d173}',
        '\u{e0001}',
        '\u{e0041}',
        '\u{e007f}',
        '\u{e0100}',
        '\u{1b}',
    ] {
        assert_eq!(tame(&format!("a{unseen}b"), 9), "ab", "U+{:04X}", u32::from(unseen));
    }
    assert_eq!(
        visible("⚠️ ℹ️ 1\u{fe0f}"),
        "⚠️ ℹ️ 1",
        "a symbol keeps its colour, a digit is not dressed up"
    );
}

#[test]
fn addresses_mentions_commands_and_tags_are_dead() {
    for (said, dead) in [
        ("see https://evil.example/x?y=1", "see https[:]//evil[.]example/x?y=1"),
        ("www.evil.example, evil.example.", "www[.]evil[.]example, evil[.]example."),
        ("t.me/joinchat tg://resolve?domain=x", "t[.]me/joinchat tg[:]//resolve?domain=x"),
        ("http://127.0.0.1:8080/", "http[:]//127.0.0.1:8080/"),
        ("пример.рф", "пример[.]рф"),
        ("write to root@evil.example", "write to root@ evil[.]example"),
        ("@admin @everyone (@here)", "@ admin @ everyone (@ here)"),
        ("/start x /forget yes \"/mute\"", "/ start x / forget yes \"/ mute\""),
        ("#ops and $BTC", "# ops and $ BTC"),
        (
            "<@123> <@&9> <#5> </outage:7> <t:0:R> <:x:1>",
            "< @ 123> < @ &9> < # 5> < / outage:7> < t:0:R> < :x:1>",
        ),
        ("call +850 2 1234567", "call + 850 2 1234567"),
        ("4111 1111 1111 1111", "4111 1111 1111 _1111"),
    ] {
        assert_eq!(tame(said, 99), dead);
    }
}

#[test]
fn plain_words_and_technical_facts_stay_as_they_are() {
    for said in [
        "Cable cut near Fujairah; 40 % of capacity is lost.",
        "175.45.176.0/22 via AS4837, 2 of 352 peers at 17:35 UTC",
        "2001:db8::1 port 53/udp and/or tcp, UTC+03:30, version 1.2.3",
        "HTTP 503 (Service Unavailable): retry-after 120",
        "U.S. cable, e.g. by ship",
        "Kabel «Süd» – 海底ケーブル",
    ] {
        assert_eq!(tame(said, 99), said);
    }
}

#[test]
fn of_a_target_that_does_not_work_only_the_answer_is_from_outside() {
    assert_eq!(
        tame_trouble("http://kcna.kp/: redirects to http://evil.example/", 120),
        "http://kcna.kp/: redirects to http[:]//evil[.]example/"
    );
}

/// Returns the first word that a platform would turn into a link, mention, tag or command, or the
/// first invisible character. The detection is independent of the code under test.
fn live(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || "()[]{}\"'«»,;!?".contains(c));
    for word in words {
        let lower = word.to_lowercase();
        let word_after = |mark: char| {
            word.char_indices().filter(|(_, c)| *c == mark).any(|(at, c)| {
                word[at + c.len_utf8()..]
                    .chars()
                    .next()
                    .is_some_and(|next| next.is_alphanumeric() || next == '_')
            })
        };
        // Telegram takes a slash for a command only if a letter, a digit or `_` follows it.
        let behind_slash = word.strip_prefix('/').and_then(|rest| rest.chars().next());
        let is_command = behind_slash.is_some_and(|next| next.is_alphanumeric() || next == '_');
        if lower.contains("://") || word_after('@') || word_after('#') || is_command {
            return Some(word.to_owned());
        }
        let labels: Vec<&str> =
            lower.split(['/', ':', '@']).next().unwrap_or("").split('.').collect();
        if let [.., host, top] = labels[..]
            && !host.is_empty()
            && top.chars().filter(|c| c.is_alphabetic()).count() >= 2
            && top.chars().all(char::is_alphanumeric)
            && host.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !top.starts_with(|c: char| c.is_numeric())
        {
            return Some(word.to_owned());
        }
    }
    text.chars().find(|c| is_unseen(*c)).map(|c| format!("U+{:04X}", u32::from(c)))
}

#[test]
fn whatever_comes_from_outside_is_dead() {
    assert!(
        live("see evil.example").is_some() && live("x @you").is_some() && live("/start").is_some()
    );
    assert!(live("http://x").is_some() && live("#tag").is_some() && live("a\u{ad}b").is_some());
    for seed in 0..20_000 {
        let text = hostile(&mut Rng::with_seed(seed));
        let tamed = tame(&text, 400);
        assert_eq!(live(&tamed), None, "seed {seed}: {text:?} became {tamed:?}");
        assert!(tamed.chars().count() <= 400);
    }
}
