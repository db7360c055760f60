//! Host names: conversion of typed text to the ASCII form that DNS carries, and back to a form that
//! is safe to show. Internationalised names follow UTS #46 without transitional mappings, as
//! browsers do (WHATWG URL standard, "domain to ASCII").

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_script::{Script, UnicodeScript};

/// The most characters of a label (RFC 1035, section 2.3.4).
const LABEL_AT_MOST: usize = 63;
/// The most characters of a name: 255 octets on the wire are 253 characters in text (RFC 1035,
/// section 2.3.4).
const NAME_AT_MOST: usize = 253;
/// The most characters of a label that an error repeats.
const REPEATED: usize = 40;

/// The reason why a text is not a host name. The message says which text is valid instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a host name is missing, such as kcna.kp")]
    Empty,
    /// The name has one label only.
    #[error("a host name has a dot and at least two parts, such as kcna.kp")]
    NoDot,
    /// Nothing stands before a dot.
    #[error("two dots stand in a row, or one stands in front")]
    EmptyLabel,
    /// The text is an IP address.
    #[error("an address is not a host name, such as kcna.kp")]
    Address,
    /// The last label has no letter, so it is not a top-level domain.
    #[error("its last part has no letter; a host name ends as in kcna.kp")]
    NoLetter,
    /// Holds the first characters of the label, its length in characters, and a note on the form
    /// that was counted.
    #[error("`{0}` has {1} characters{2}; between two dots stand at most 63")]
    LongLabel(String, usize, &'static str),
    /// Holds the length in characters.
    #[error("it has {0} characters; a host name has at most 253")]
    LongName(usize),
    /// Holds the label.
    #[error("`{0}` begins or ends with a hyphen; leave the hyphen out")]
    Hyphen(String),
    /// Holds the character, in the words of the message.
    #[error("{0} may not stand in a host name; letters, digits and hyphens may")]
    Character(String),
    /// UTS #46 rejects the name.
    #[error(
        "it does not follow the rules for international names; check its spelling, or write it as xn--…"
    )]
    International,
}

/// Returns the host name in the form that DNS carries: ASCII, in lower case, without the dot at its
/// end. Accepts letters of any script, full-width dots, and a name of one label.
pub fn to_ascii(text: &str) -> Result<String, NameError> {
    let name = if text.is_ascii() { text.to_ascii_lowercase() } else { international(text)? };
    let name = name.strip_suffix('.').unwrap_or(&name);
    if name.is_empty() {
        return Err(if text.is_empty() { NameError::Empty } else { NameError::EmptyLabel });
    }
    for label in name.split('.') {
        check(label)?;
    }
    if name.len() > NAME_AT_MOST {
        return Err(NameError::LongName(name.len()));
    }
    Ok(name.to_owned())
}

/// Returns the name of a site in the form that DNS carries: a host name of at least two labels that
/// cannot be taken for an address.
pub fn site(text: &str) -> Result<String, NameError> {
    // Without this check an IPv6 address would be refused for its colons.
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err(NameError::Address);
    }
    let name = to_ascii(text)?;
    let Some((_, last)) = name.rsplit_once('.') else { return Err(NameError::NoDot) };
    // Every top-level domain has a letter (RFC 3696, section 2); an IPv4 address has none.
    if last.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        Ok(name)
    } else if name.parse::<std::net::IpAddr>().is_ok() {
        Err(NameError::Address)
    } else {
        Err(NameError::NoLetter)
    }
}

fn international(text: &str) -> Result<String, NameError> {
    let refused = |c: &char| c.is_whitespace() || c.is_control();
    if let Some(c) = text.chars().find(refused) {
        return Err(NameError::Character(called(c)));
    }
    // Lengths and ASCII characters are checked later, label by label, so that an error can name the
    // label.
    let mapped = Uts46::new().to_ascii(
        text.as_bytes(),
        AsciiDenyList::EMPTY,
        Hyphens::Allow,
        DnsLength::Ignore,
    );
    mapped.map(|name| name.to_ascii_lowercase()).map_err(|_| NameError::International)
}

fn check(label: &str) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError::EmptyLabel);
    }
    if let Some(c) = label.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
        return Err(NameError::Character(called(c)));
    }
    if label.len() > LABEL_AT_MOST {
        let repeated = label.chars().take(REPEATED).chain(['…']).collect();
        let form = if label.starts_with("xn--") { " in its xn-- form" } else { "" };
        return Err(NameError::LongLabel(repeated, label.len(), form));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(NameError::Hyphen(label.to_owned()));
    }
    Ok(())
}

/// Returns the character in the words of an error message.
fn called(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        '\n' | '\r' => "a line break".to_owned(),
        '`' => "a backtick".to_owned(),
        c if c.is_whitespace() || c.is_control() => format!("the character U+{:04X}", u32::from(c)),
        c => format!("`{c}`"),
    }
}

/// Returns the name in the form for people: `münchen.example` for `xn--mnchen-3ya.example`. A label
/// that could be mistaken for another one stays in its `xn--` form. [`to_ascii`] converts the
/// result back to the same name.
pub fn shown(ascii: &str) -> String {
    if !ascii.split('.').any(|label| label.starts_with("xn--")) {
        return ascii.to_owned();
    }
    let (text, valid) = Uts46::new().to_user_interface(
        ascii.as_bytes(),
        AsciiDenyList::EMPTY,
        Hyphens::Allow,
        |label, tld, _| is_clear(label, tld),
    );
    if valid.is_ok() && to_ascii(&text).as_deref() == Ok(ascii) {
        text.into_owned()
    } else {
        ascii.to_owned()
    }
}

/// Lower-case Cyrillic letters that look like Latin ones. Chromium uses this list to find labels
/// that consist of them (`components/url_formatter/spoof_checks`).
const LIKE_LATIN: &str = "аысԁеԍһіюјӏорԗԛѕԝхуъьҽпгѵѡ";

/// Decides whether a label is shown in its own letters. None of them may look like a dot or a
/// slash, and together they must be of one script, or of scripts that one language mixes (UTS #39,
/// section 5.2, "Highly Restrictive").
fn is_clear(label: &[char], tld: &[char]) -> bool {
    let is_lettering = |c: char| match c.script() {
        Script::Common | Script::Unknown => {
            c.is_alphanumeric() || matches!(c, '-' | '_' | '·') || is_emoji(c)
        }
        _ => true,
    };
    if !label.iter().all(|c| is_lettering(*c)) {
        return false;
    }
    let mut scripts: Vec<Script> = label.iter().map(UnicodeScript::script).collect();
    scripts.retain(|script| !matches!(script, Script::Common | Script::Inherited));
    let all_of = |allowed: &[Script]| scripts.iter().all(|script| allowed.contains(script));
    let one_language = scripts.first().is_none_or(|first| all_of(&[*first]))
        || all_of(&[Script::Latin, Script::Han, Script::Hiragana, Script::Katakana])
        || all_of(&[Script::Latin, Script::Han, Script::Bopomofo])
        || all_of(&[Script::Latin, Script::Han, Script::Hangul]);
    // `аррӏе` before a Latin ending is an imitation of `apple`; before `.рф` it is not.
    let like_latin = tld.iter().all(char::is_ascii)
        && scripts.contains(&Script::Cyrillic)
        && label.iter().filter(|c| c.is_alphabetic()).all(|c| LIKE_LATIN.contains(*c));
    one_language && !like_latin
}

/// Returns whether the character is a pictograph, from the blocks U+2600–27BF and U+1F300–1FAFF.
fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x2600..=0x27BF | 0x1F300..=0x1FAFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_international_name_is_taken_as_dns_carries_it_and_shown_as_it_is_typed() {
        for (typed, ascii, expected) in [
            ("kcna.kp", "kcna.kp", "kcna.kp"),
            ("KCNA.kp.", "kcna.kp", "kcna.kp"),
            ("_dmarc.kcna.kp", "_dmarc.kcna.kp", "_dmarc.kcna.kp"),
            ("münchen.example", "xn--mnchen-3ya.example", "münchen.example"),
            ("MÜNCHEN.Example.", "xn--mnchen-3ya.example", "münchen.example"),
            ("mu\u{308}nchen.example", "xn--mnchen-3ya.example", "münchen.example"),
            ("XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example", "münchen.example"),
            ("straße.example", "xn--strae-oqa.example", "straße.example"),
            ("правительство.рф", "xn--80aealotwbjpid2k.xn--p1ai", "правительство.рф"),
            ("ПРАВИТЕЛЬСТВО.РФ", "xn--80aealotwbjpid2k.xn--p1ai", "правительство.рф"),
            (
                "www。правительство．рф｡",
                "www.xn--80aealotwbjpid2k.xn--p1ai",
                "www.правительство.рф",
            ),
            ("ｋｃｎａ．ｋｐ", "kcna.kp", "kcna.kp"),
            ("日本語.jp", "xn--wgv71a119e.jp", "日本語.jp"),
            ("청와대.한국", "xn--vk1b187a8ue.xn--3e0b707e", "청와대.한국"),
            ("i❤.ws", "xn--i-7iq.ws", "i❤.ws"),
            (
                "موقع.وزارة-الاتصالات.مصر",
                "xn--4gbrim.xn----ymcbaaajlc6dj7bxne2c.xn--wgbh1c",
                "موقع.وزارة-الاتصالات.مصر",
            ),
        ] {
            assert_eq!(site(typed).as_deref(), Ok(ascii), "{typed}");
            assert_eq!(shown(ascii), expected, "{typed}");
            assert_eq!(
                site(&shown(ascii)).as_deref(),
                Ok(ascii),
                "what is shown is taken: {typed}"
            );
        }
    }

    #[test]
    fn a_name_that_could_pass_for_another_is_taken_but_shown_in_ascii() {
        for (typed, expected) in [
            // The а and the с are Cyrillic, the other letters Latin.
            ("kсnа.kp", "xn--kn-8kc0e.kp"),
            // Every letter is Cyrillic and looks like a Latin one.
            ("аррӏе.example", "xn--80ak6aa92e.example"),
            // Greek letters among Latin ones.
            ("gοοgle.example", "xn--ggle-0nda.example"),
            // A character that looks like a slash.
            ("kcna.kp⁄x.example", "xn--kpx-pt0a.example"),
        ] {
            let ascii = site(typed).unwrap();
            let shown = shown(&ascii);
            assert!(shown.is_ascii() && ascii.ends_with(expected), "{typed}: {ascii}, {shown}");
            assert_eq!(shown, ascii);
        }
        assert_eq!(shown("xn--80ak6aa92e.xn--p1ai"), "аррӏе.рф", "a name of its own country");
        assert_eq!(
            shown("xn--a.example"),
            "xn--a.example",
            "what cannot be decoded stays as it is"
        );
    }

    #[test]
    fn a_refusal_says_what_may_be_written() {
        let why = |text: &str| site(text).unwrap_err().to_string();
        assert_eq!(why(""), "a host name is missing, such as kcna.kp");
        assert_eq!(why("münchen"), "a host name has a dot and at least two parts, such as kcna.kp");
        assert_eq!(why("kcna..kp"), "two dots stand in a row, or one stands in front");
        assert_eq!(why("kcna.kp.."), "two dots stand in a row, or one stands in front");
        assert_eq!(why("。рф"), "two dots stand in a row, or one stands in front");
        assert_eq!(why("10.0.0.1"), "an address is not a host name, such as kcna.kp");
        assert_eq!(why("１０.０.０.１"), "an address is not a host name, such as kcna.kp");
        assert_eq!(
            why("10.0.0.1.5"),
            "its last part has no letter; a host name ends as in kcna.kp"
        );
        assert_eq!(why("2001:db8::1"), "an address is not a host name, such as kcna.kp");
        assert_eq!(
            why("mün chen.example"),
            "a space may not stand in a host name; letters, digits and hyphens may"
        );
        assert_eq!(
            why("a\tb.kp"),
            "a tab may not stand in a host name; letters, digits and hyphens may"
        );
        assert_eq!(
            why("ä/b.kp"),
            "`/` may not stand in a host name; letters, digits and hyphens may"
        );
        assert_eq!(why("-kcna.kp"), "`-kcna` begins or ends with a hyphen; leave the hyphen out");
        let long = why(&format!("{}.kp", "a".repeat(64)));
        assert!(long.contains("has 64 characters; between two dots stand at most 63"), "{long}");
        let long = why(&format!("{}.kp", "ü".repeat(60)));
        assert!(long.contains("in its xn-- form; between two dots stand at most 63"), "{long}");
        let long = why(&"a.".repeat(150).replace("a.", "ab."));
        assert_eq!(long, "it has 449 characters; a host name has at most 253");
        // A joiner between letters that do not join.
        assert!(
            why("a\u{200d}b.kp")
                .starts_with("it does not follow the rules for international names")
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_of_any_name_is_read_as_the_same_name(text in "\\PC{0,30}\\.[a-zа-яü日]{1,6}") {
            if let Ok(ascii) = site(&text) {
                prop_assert!(ascii.is_ascii());
                prop_assert_eq!(site(&ascii), Ok(ascii.clone()));
                prop_assert_eq!(site(&shown(&ascii)), Ok(ascii));
            }
        }
    }
}
