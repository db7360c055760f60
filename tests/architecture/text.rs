//! A source file as plain text, without comments and tests, with and without its strings; and the
//! paths in it.

/// A file that is ready to be searched. Lines keep their numbers.
pub(super) struct Source {
    module: Vec<String>,
    /// The text without comments, tests and the insides of strings.
    bare: String,
    /// The text without comments and tests, with the strings.
    spoken: String,
}

impl Source {
    pub(super) fn read(path: &str, text: &str) -> Self {
        let module = module(path);
        if module.iter().any(|name| name == "tests") {
            return Self { module, bare: String::new(), spoken: String::new() };
        }
        let (mut bare, mut spoken) = blank(text);
        for (from, until) in tests(&bare) {
            bare = wipe(&bare, from, until);
            spoken = wipe(&spoken, from, until);
        }
        Self { module, bare, spoken }
    }

    /// Returns `["detect", "signal"]` for `src/detect/signal.rs`; empty for the root of the
    /// library.
    pub(super) fn module(&self) -> &[String] {
        &self.module
    }

    /// Returns every path to a module of this crate, from the root of the library, with its line.
    pub(super) fn own_paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut found = Vec::new();
        for root in ["crate", "linkdown", "super"] {
            for at in words(&self.bare, root) {
                // A `super` that follows another was read together with it.
                let rest = &self.bare[at..];
                if !rest[root.len()..].trim_start().starts_with("::")
                    || self.bare[..at].trim_end().ends_with("::")
                {
                    continue;
                }
                let line = self.line(at);
                for path in paths(rest) {
                    found.extend(self.resolve(&path).map(|path| (line, path)));
                }
            }
        }
        found
    }

    /// Returns the names that `use` statements take in: the path of each as it is written, the name
    /// that it has here, and whether it is only handed on to others (`pub use`).
    pub(super) fn uses(&self) -> Vec<(Vec<String>, String, bool)> {
        let mut found = Vec::new();
        for at in words(&self.bare, "use") {
            let statement = self.bare[at + 3..].split(';').next().unwrap_or_default();
            let before = self.bare[..at].rsplit([';', '}', '{', '\n']).next().unwrap_or_default();
            for (path, name) in renamed(statement) {
                found.push((path, name, words(before, "pub").len() == 1));
            }
        }
        found
    }

    /// Returns the paths that begin with the name of a module or item of this one, such as
    /// `child::f`, as they are written.
    pub(super) fn paths_below(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for (at, _) in self.bare.match_indices("::") {
            let before = &self.bare[..at];
            let start = before
                .rfind(|c: char| !c.is_alphanumeric() && c != '_')
                .map_or(0, |end| end + before[end..].chars().next().map_or(1, char::len_utf8));
            // The middle of a longer path was read with its start.
            if start == at || before[..start].ends_with("::") {
                continue;
            }
            found.extend(paths(&self.bare[start..]));
        }
        found
    }

    /// Returns the lines with the words in code, not in strings. A path that a `use {…}` splits
    /// counts as one.
    pub(super) fn mentions<'w>(&self, wanted: &[&'w str]) -> Vec<(usize, &'w str)> {
        let mut found = find(&self.bare, wanted);
        for at in words(&self.bare, "use") {
            let rest = self.bare[at + 3..].trim_start();
            let line = self.line(at);
            for path in paths(rest).into_iter().map(|path| path.join("::")) {
                found.extend(
                    wanted
                        .iter()
                        .filter(|word| !words(&path, word).is_empty())
                        .map(|word| (line, *word)),
                );
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Returns the lines with the words in code or strings; `A * B` is an A with a B later in the
    /// same string.
    pub(super) fn says<'w>(&self, wanted: &[&'w str]) -> Vec<(usize, &'w str)> {
        find(&self.spoken, wanted)
    }

    /// Resolves `crate::a::b` and `super::b` to `a::b`; `None` if a path leads out of this crate.
    fn resolve(&self, path: &[String]) -> Option<Vec<String>> {
        let ups = path.iter().take_while(|name| *name == "super").count();
        if ups == 0 {
            return Some(path[1..].to_vec());
        }
        let base = self.module.get(..self.module.len().checked_sub(ups)?)?;
        Some(base.iter().chain(&path[ups..]).cloned().collect())
    }

    fn line(&self, at: usize) -> usize {
        line(&self.bare, at)
    }
}

fn module(path: &str) -> Vec<String> {
    let path = path.strip_prefix("src/").unwrap_or(path);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let mut names: Vec<String> = path.split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
        names.pop();
    }
    names
}

fn line(text: &str, at: usize) -> usize {
    1 + text[..at].bytes().filter(|byte| *byte == b'\n').count()
}

/// Returns the text without comments, first without and then with the insides of strings. Both keep
/// every line end.
fn blank(text: &str) -> (String, String) {
    let (mut bare, mut spoken) = (String::new(), String::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, is_string) = token(rest, bare.chars().next_back());
        let (inside, next) = rest.split_at(taken);
        if taken == first.len_utf8() {
            bare.push(first);
            spoken.push(first);
        } else {
            let hidden: String =
                inside.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            bare.push_str(&hidden);
            spoken.push_str(if is_string { inside } else { &hidden });
        }
        rest = next;
    }
    // Both texts are cut at the same positions, so their lengths must be equal.
    let bare = same_length(&spoken, &bare);
    (bare, spoken)
}

/// Pads replaced characters of several bytes, so that a position in one text is the same position
/// in the other.
fn same_length(like: &str, bare: &str) -> String {
    like.chars()
        .zip(bare.chars())
        .flat_map(|(a, b)| std::iter::once(b).chain(vec![' '; a.len_utf8() - b.len_utf8()]))
        .collect()
}

/// Returns the length of the comment, string or other character at the start, and whether it is a
/// string.
fn token(rest: &str, before: Option<char>) -> (usize, bool) {
    let one = rest.chars().next().map_or(0, char::len_utf8);
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), false);
    }
    if rest.starts_with('"') {
        return (string(rest), true);
    }
    let starts_word = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if starts_word && let Some(long) = raw_string(rest) {
        return (long, true);
    }
    if rest.starts_with('\'') {
        // A character literal, unless it is a lifetime.
        let inner: Vec<char> = rest.chars().skip(1).take(2).collect();
        return match inner[..] {
            ['\\', _] => (
                2 + rest[2..]
                    .char_indices()
                    .skip(1)
                    .find(|(_, c)| *c == '\'')
                    .map_or(0, |(at, _)| at + 1),
                true,
            ),
            [c, '\''] => (2 + c.len_utf8(), true),
            _ => (one, false),
        };
    }
    (one, false)
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Returns the length of a raw string, such as `r"…"`, `r#"…"#` or `br"…"`; `None` if there is none
/// at the start.
fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = body.bytes().take_while(|byte| *byte == b'#').count();
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - inside.len();
    Some(inside.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// Returns the ranges of items that are compiled for tests only.
fn tests(bare: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (from, mark) in bare.match_indices("#[cfg(test)]") {
        let after = from + mark.len();
        let Some(open) = bare[after..].find(['{', ';']).map(|at| after + at) else { continue };
        let mut depth = 0;
        let mut until = bare.len();
        for (at, c) in bare[open..].char_indices() {
            depth += match c {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            if depth == 0 {
                until = open + at + c.len_utf8();
                break;
            }
        }
        found.push((from, until));
    }
    found
}

fn wipe(text: &str, from: usize, until: usize) -> String {
    let hidden: String =
        text[from..until].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    format!("{}{hidden}{}", &text[..from], &text[until..])
}

/// Returns the positions at which a word, or a path of words, occurs as a whole word.
fn words(text: &str, word: &str) -> Vec<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| !text[..*at].chars().next_back().is_some_and(is_part))
        .filter(|at| !text[at + word.len()..].chars().next().is_some_and(is_part))
        .collect()
}

fn find<'w>(text: &str, wanted: &[&'w str]) -> Vec<(usize, &'w str)> {
    let mut found = Vec::new();
    for word in wanted {
        let (first, later) = word.split_once(" * ").unwrap_or((word, ""));
        for at in words(text, first) {
            let statement = text[at..].split(['"', ';']).next().unwrap_or_default();
            if later.is_empty() || !words(statement, later).is_empty() {
                found.push((line(text, at), *word));
            }
        }
    }
    found
}

/// Returns the paths that a use tree, or a plain path, names: `a::{b, c::d}` is `a::b` and
/// `a::c::d`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut rest = text;
    let mut found = Vec::new();
    tree(&mut rest, &[], &mut found);
    found
}

fn tree(rest: &mut &str, above: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = above.to_vec();
    loop {
        *rest = rest.trim_start();
        if let Some(inside) = rest.strip_prefix('{') {
            *rest = inside;
            loop {
                *rest = rest.trim_start();
                if let Some(after) = rest.strip_prefix('}') {
                    *rest = after;
                    return;
                }
                tree(rest, &path, found);
                *rest = rest.trim_start();
                match rest.strip_prefix(',') {
                    Some(after) => *rest = after,
                    None if rest.starts_with('}') => {}
                    // It is not a use tree.
                    None => return,
                }
            }
        }
        let name: &str =
            &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
        if !name.is_empty() && name != "self" {
            path.push(name.to_owned());
        }
        *rest = rest[name.len()..].trim_start();
        let Some(after) = rest.strip_prefix("::") else { break };
        *rest = after;
    }
    // `use a::b as c` names b.
    if let Some(after) = rest.strip_prefix("as ") {
        let end = after.find([',', '}', ';']).unwrap_or(after.len());
        *rest = &after[end..];
    }
    if !path.is_empty() {
        found.push(path);
    }
}

/// The paths of a use tree, each with the name that it has where it is used.
fn renamed(statement: &str) -> Vec<(Vec<String>, String)> {
    let named = |path: Vec<String>| path.last().cloned().map(|name| (path, name));
    let mut all: Vec<(Vec<String>, String)> =
        paths(statement).into_iter().filter_map(named).collect();
    for (at, _) in statement.match_indices(" as ") {
        let end = |c: char| !c.is_alphanumeric() && c != '_';
        let old = statement[..at].rsplit(end).next().unwrap_or_default();
        let new = statement[at + 4..].split(end).next().unwrap_or_default();
        for (_, name) in
            all.iter_mut().filter(|(path, _)| path.last().is_some_and(|last| last == old))
        {
            new.clone_into(name);
        }
    }
    all
}
