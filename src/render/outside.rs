//! Makes text from outside harmless: text that a source, a site, a server or a chat platform wrote.
//! It is shown without any link, mention, command, hidden or reordering character.

/// Returns whether a character is invisible: controls, direction marks, everything that Unicode
/// lets a renderer ignore (`Default_Ignorable_Code_Point`), line and paragraph separators,
/// interlinear annotation and tag characters.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the text without invisible characters and line breaks. A variation selector stays if it
/// selects the coloured form of the symbol before it, as in `⚠️`.
pub fn visible(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        let picks_a_form = c == '\u{fe0f}' && kept.chars().next_back().is_some_and(is_a_symbol);
        if picks_a_form || !is_unseen(c) {
            kept.push(c);
        }
    }
    kept
}

/// Returns the text without invisible characters, except line breaks.
pub fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

fn is_a_symbol(c: char) -> bool {
    matches!(c, '\u{2100}'..='\u{2bff}' | '\u{3030}'..='\u{303d}' | '\u{1f000}'..='\u{1faff}')
}

/// Returns the text without invisible characters, cut to at most `most` characters.
pub fn visible_within(text: &str, most: usize) -> String {
    within(visible(text), most)
}

/// Returns a text from outside on one line, without invisible characters, with links, mentions and
/// commands broken, cut to at most `most` characters.
pub fn tame(text: &str, most: usize) -> String {
    let one_line = text.chars().map(|c| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c });
    let seen: String = one_line.filter(|c| !is_unseen(*c)).collect();
    within(dead(&seen), most)
}

fn within(text: String, most: usize) -> String {
    if text.chars().count() <= most {
        return text;
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// The number of digits from which on Telegram recognises the number of a bank card.
const CARD_NUMBER: usize = 13;

/// Visibly breaks everything that a chat platform would turn into a link, a mention, a command or a
/// tag: `evil[.]example`, `http[:]//`, `@ name`, `/ start`, `# tag`, `$ CASH`, `< t:0>`. Telegram
/// detects these in any text (core.telegram.org/bots/api#messageentity), Discord detects URLs and
/// anything in `<…>`.
fn dead(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let at = |i: usize| letters.get(i).copied().unwrap_or(' ');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut said = String::with_capacity(text.len() + 8);
    let mut digits = 0;
    for (i, &c) in letters.iter().enumerate() {
        let (before, next) = (if i == 0 { ' ' } else { letters[i - 1] }, at(i + 1));
        if c.is_ascii_digit() {
            digits += 1;
            if digits == CARD_NUMBER {
                said.push('_');
                digits = 1;
            }
        } else if !matches!(c, ' ' | '-') || !before.is_ascii_digit() {
            digits = 0;
        }
        match c {
            '.' if ends_a_name(&letters[..i]) && begins_a_name(&letters[i + 1..]) => {
                said.push_str("[.]");
            }
            ':' if next == '/' && at(i + 2) == '/' => said.push_str("[:]"),
            '/' if is_word(next) && !is_word(before) && !is_after_scheme(&letters[..i]) => {
                said.push_str("/ ");
            }
            '@' if is_word(next) || matches!(next, '&' | '!') => said.push_str("@ "),
            '#' | '＃' if is_word(next) => said.extend([c, ' ']),
            '$' if next.is_alphabetic() => said.push_str("$ "),
            '<' if !next.is_whitespace() => said.push_str("< "),
            '+' if next.is_ascii_digit() && !is_word(before) => said.push_str("+ "),
            _ => said.push(c),
        }
    }
    said
}

/// Returns whether the text may end in a label of a host name or an IPv6 address in brackets.
fn ends_a_name(before: &[char]) -> bool {
    before.last().is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ']' | ')'))
}

/// Returns whether the text may begin with a top-level domain, which has at least two characters.
fn begins_a_name(after: &[char]) -> bool {
    let is_letter = |c: &char| c.is_alphabetic();
    after.first().is_some_and(is_letter)
        && after.get(1).is_some_and(|c| c.is_alphanumeric() || *c == '-')
}

/// Returns whether the text ends in the `[:]/` or `:/` of a URL that is broken already.
fn is_after_scheme(before: &[char]) -> bool {
    matches!(before, [.., ':', '/'] | [.., ':', ']', '/'])
}

/// Returns the description of a target that does not work, such as `http://kcna.kp/: http 503`,
/// with only the part after the target broken: the target comes from our own configuration, the
/// rest from the other side.
pub fn tame_trouble(trouble: &str, most: usize) -> String {
    match trouble.split_once(": ") {
        Some((target, said)) => {
            let target = visible_within(target, most);
            let room = most.saturating_sub(target.chars().count() + 2).max(20);
            format!("{target}: {}", tame(said, room))
        }
        None => tame(trouble, most),
    }
}

#[cfg(test)]
mod tests;
