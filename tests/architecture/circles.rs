//! Finds files that import each other, directly or through others.
//!
//! A path leads to the file that defines its first name below a module. A name that a module only
//! hands on (`pub use child::Name`) leads to the file that defines it, and handing on is not an
//! import. A module's root file may use the files below it: together they are one module.

use super::text::Source;
use std::collections::{BTreeMap, BTreeSet};

/// The files of each circle, in order; several circles that share a file are one.
pub(super) fn circles(files: &[(String, String)]) -> Vec<Vec<String>> {
    let house = House::read(files);
    let edges: Vec<BTreeSet<usize>> = (0..files.len()).map(|file| house.imports(file)).collect();
    let reached: Vec<BTreeSet<usize>> = (0..files.len()).map(|file| reach(file, &edges)).collect();
    let mut found: BTreeMap<BTreeSet<usize>, Vec<String>> = BTreeMap::new();
    for file in 0..files.len() {
        let together: BTreeSet<usize> =
            reached[file].iter().copied().filter(|other| reached[*other].contains(&file)).collect();
        if together.len() > 1 {
            let names = together.iter().map(|file| files[*file].0.clone()).collect();
            found.insert(together, names);
        }
    }
    found.into_values().collect()
}

/// All that can be reached from a file, itself only where a way leads back to it.
fn reach(file: usize, edges: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![file]);
    while let Some(from) = next.pop() {
        next.extend(edges[from].iter().copied().filter(|to| reached.insert(*to)));
    }
    reached
}

struct House {
    sources: Vec<Source>,
    by_module: BTreeMap<Vec<String>, usize>,
    /// By file: the names that it takes from elsewhere.
    uses: Vec<Vec<Use>>,
}

/// A name that a file takes from elsewhere.
struct Use {
    name: String,
    path: Vec<String>,
    /// Whether it is only handed on to others (`pub use`).
    hands_on: bool,
}

impl House {
    fn read(files: &[(String, String)]) -> Self {
        let sources: Vec<Source> =
            files.iter().map(|(path, text)| Source::read(path, text)).collect();
        let by_module: BTreeMap<Vec<String>, usize> =
            sources.iter().enumerate().map(|(at, source)| (source.module().to_vec(), at)).collect();
        let mut house = Self { sources, by_module, uses: Vec::new() };
        house.uses = (0..files.len()).map(|file| house.uses_of(file)).collect();
        house
    }

    fn uses_of(&self, file: usize) -> Vec<Use> {
        let source = &self.sources[file];
        let uses = source.uses().into_iter().filter_map(|(path, name, hands_on)| {
            Some(Use { name, path: self.absolute(source.module(), &path)?, hands_on })
        });
        uses.collect()
    }

    /// Returns a path of a module from the root; `None` for one that leads to another crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let first = path.first()?.as_str();
        let ups = path.iter().take_while(|name| *name == "super").count();
        match first {
            "crate" | "linkdown" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            "super" => {
                let base = module.get(..module.len().checked_sub(ups)?)?;
                Some([base, &path[ups..]].concat())
            }
            child => {
                let below = [module, &[child.to_owned()][..]].concat();
                self.by_module.contains_key(&below).then(|| [module, path].concat())
            }
        }
    }

    /// Returns the file that defines the name, however often it is handed on.
    fn target(&self, path: &[String], depth: usize) -> Option<usize> {
        let length =
            (0..=path.len()).rev().find(|length| self.by_module.contains_key(&path[..*length]))?;
        let file = self.by_module[&path[..length]];
        let handed = path
            .get(length)
            .and_then(|name| self.uses[file].iter().find(|taken| taken.name == *name));
        match handed {
            Some(taken) if depth < 8 => {
                let further = [&taken.path[..], &path[length + 1..]].concat();
                self.target(&further, depth + 1).or(Some(file))
            }
            _ => Some(file),
        }
    }

    fn imports(&self, file: usize) -> BTreeSet<usize> {
        let source = &self.sources[file];
        let handed_on: BTreeSet<&[String]> = self.uses[file]
            .iter()
            .filter(|taken| taken.hands_on)
            .map(|taken| &taken.path[..])
            .collect();
        let written = source.own_paths().into_iter().map(|(_, path)| path);
        let below = source
            .paths_below()
            .into_iter()
            .filter_map(|path| self.absolute(source.module(), &path));
        let all = written.chain(below).filter(|path| !handed_on.contains(&path[..]));
        let is_below = |to: usize| self.sources[to].module().starts_with(source.module());
        all.filter_map(|path| self.target(&path, 0)).filter(|to| !is_below(*to)).collect()
    }
}

fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let files: Vec<(String, String)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    circles(&files)
}

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    let circle = found(&[
        ("src/store/mod.rs", "mod a;\nmod b;"),
        ("src/store/a.rs", "use super::b::B;\npub struct A;"),
        ("src/store/b.rs", "use super::a::A;\npub struct B;"),
    ]);
    assert_eq!(circle, [["src/store/a.rs", "src/store/b.rs"]]);
    // Also where the way leads through what the module hands on, or through a path within code.
    let circle = found(&[
        ("src/store/mod.rs", "mod a;\nmod b;\npub use a::A;\npub use b::{B, f};"),
        ("src/store/a.rs", "pub struct A;\nfn g() { super::f() }"),
        ("src/store/b.rs", "use crate::store::A;\npub struct B;\npub fn f() {}"),
    ]);
    assert_eq!(circle, [["src/store/a.rs", "src/store/b.rs"]]);
}

#[test]
fn a_module_and_the_files_below_it_are_not_a_circle() {
    let handed = found(&[
        ("src/store/mod.rs", "mod a;\nmod error;\npub use a::A;\npub use error::Error;"),
        ("src/store/a.rs", "use super::Error;\npub struct A;"),
        ("src/store/error.rs", "pub struct Error;"),
    ]);
    assert!(handed.is_empty(), "{handed:?}");
    let both = found(&[
        ("src/store/mod.rs", "mod a;\nuse a::A;\npub struct Store(A);\npub struct Error;"),
        ("src/store/a.rs", "use super::Error;\npub struct A;"),
    ]);
    assert!(both.is_empty(), "{both:?}");
}
