"""What the detector is without each of its parts: the lines that a part hangs on, and what stands there when it is off.

    parts.py check                  every part is still where it is said to be
    parts.py build FOLDER           a program for each part in FOLDER/programs, and one for the whole

A program is the domain, the detector and the replay of this repository, built without the rest, so that each takes seconds.
"""
import os
import re
import shutil
import subprocess
import sys

# name: (file below src, what stands there, what stands there without the part), each found exactly once
PARTS = {
    "faults of a source": [("detect/trust.rs", "look.is_the_sources_own_fault().then(|| self.opens(start)).flatten()", "None")],
    "own line": [("detect/trust.rs", "if failing * 2 > all {", "if all > usize::MAX - failing {")],
    "people are one witness": [("detect/state.rs", "Witness::People => PEOPLE,", "Witness::People => family,")],
    "the word of others": [("detect/verdict.rs", "by_others && by_controls", "by_others || by_controls || true")],
    "decided when others speak": [("detect/state/draft/compare.rs", "if head.score.low > 0.0 && head.newest().is_some_and(|bin| bin.start > since) {", "if head.score.low > f32::MAX && since > 0 {")],
    "waiting for revisions": [("detect/signal.rs", "self.early.is_some_and(|early| (lag as f32) < early + self.width() as f32 / 4.0)", "self.early.is_some() && lag == i64::MIN")],
    "learning settled bins": [("detect/signal.rs", "const SETTLED: usize = 6;", "const SETTLED: usize = 0;")],
    "learning when all is well": [
        ("detect/state/draft.rs", "self.life(head.entity).allows_learning(hour_ended)", "hour_ended > 0"),
        ("detect/state/draft.rs", "if head.score.is_low\n            && (", "if head.score.is_low && hour_ended < 0\n            && ("),
        ("detect/lifecycle.rs", "self.discard_learned(entity, started_at - HOUR);", ""),
    ],
    "hour of the day": [("detect/baseline.rs", "let profile = profile(slots);", "let _ = profile;\n    let profile = [median(&mut slots.iter().map(|slot| slot.level).collect::<Vec<_>>()); 24];")],
    "part of the week": [("detect/baseline.rs", "let week = Week::learn(slots, of_the_day);", "let week = Week::default();")],
    "usual shortfall": [("detect/baseline.rs", "floor: (1.0 - shortfall).max(0.2),", "floor: 0.95 + 0.0 * shortfall,")],
    "rarity of bad bins": [("detect/baseline.rs", "let cap = f64::from(self.caps[depth.saturating_sub(1)]);", "let cap = f64::from(BIN_CAP.1) + 0.0 * f64::from(self.caps[depth.min(3)]);")],
    "losses worth no word": [("detect/baseline.rs", "const WORTH_NO_WORD: f64 = 0.88;", "const WORTH_NO_WORD: f64 = 1.0;")],
    "evidence over time": [("detect/signal.rs", "self.low = (self.low + llr).clamp(0.0, SUREST);", "self.low = llr.clamp(0.0, SUREST);")],
    "noisy ones count later": [("detect/baseline.rs", "const LOW_OF_A_NOISY_ONE: f32 = 5.0;", "const LOW_OF_A_NOISY_ONE: f32 = 2.5;")],
    "two agree": [("detect/rules.rs", "let mut rules: Vec<Tested> = self.two_agree(voices).into_iter().collect();", "let _ = Self::two_agree;\n        let mut rules: Vec<Tested> = Vec::new();")],
    "one sure another leans": [("detect/rules.rs", "rules.extend(self.one_is_sure_and_another_leans(voices));", "let _ = Self::one_is_sure_and_another_leans;")],
    "back with routes and answers": [("detect/standing.rs", "self.layers_back & routing != 0 && self.layers_back & !routing != 0", "self.layers_back & routing & !routing != 0")],
    "a return must hold": [("detect/signal.rs", "const BACK_FOR: Seconds = 720;", "const BACK_FOR: Seconds = 0;")],
    "dated by the fall": [("detect/verdict.rs", "exact().filter_map(|(head, normal)| head.onset(normal)).collect();", "exact().filter_map(|(head, normal)| head.onset(normal)).take(0).collect();")],
    "line through the fall": [("detect/signal.rs", ".take(ONSET_BINS);", ".take(ONSET_BINS - ONSET_BINS);")],
}
SOURCES = ["domain", "detect", "replay.rs", "source/recorded.rs"]
CRATES = ["chrono", "chrono-tz", "csv", "ipnet", "postcard", "serde", "serde_json", "strsim", "thiserror"]
MAIN = """\
#![allow(warnings)]
pub mod detect;
pub mod domain;
pub mod replay;
pub mod source { pub mod recorded; }

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let of = |flag: &str| given.iter().skip_while(|word| *word != flag).nth(1).expect(flag).clone();
    let sensitivity = domain::Sensitivity::parse(&of("--sensitivity")).unwrap();
    replay::run(of("--observations").as_ref(), of("--events").as_ref(), sensitivity).unwrap();
}
"""


def without(edits, read):
    """The files that change, as they are without a part."""
    changed = {}
    for path, stands, instead in edits:
        text = changed.get(path) or read(path)
        if text.count(stands) != 1:
            sys.exit(f"benches/parts.py: {path} holds {text.count(stands)} times what should stand there once:\n{stands}")
        changed[path] = text.replace(stands, instead)
    return changed


def read(path):
    with open(f"src/{path}") as file:
        return file.read()


def check():
    for edits in PARTS.values():
        without(edits, read)
    print(f"{len(PARTS)} parts are where they are said to be")


def build(folder):
    crate, programs = f"{folder}/crate", f"{folder}/programs"
    shutil.rmtree(programs, ignore_errors=True)
    os.makedirs(f"{crate}/src/source", exist_ok=True)
    os.makedirs(programs)
    ours = open("Cargo.toml").read()
    crates = "\n".join(re.search(rf"^{name} = .*$", ours, re.M).group() for name in CRATES)
    with open(f"{crate}/Cargo.toml", "w") as file:
        file.write(f'[package]\nname = "part"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n{crates}\n[profile.release]\nincremental = true\n')
    shutil.copy("Cargo.lock", f"{crate}/Cargo.lock")
    for source in SOURCES:
        copy = shutil.copytree if os.path.isdir(f"src/{source}") else shutil.copy
        copy(f"src/{source}", f"{crate}/src/{source}", **({"dirs_exist_ok": True} if copy is shutil.copytree else {}))
    with open(f"{crate}/src/main.rs", "w") as file:
        file.write(MAIN)
    for name, edits in [("whole", []), *PARTS.items()]:
        changed = without(edits, read)
        for path, text in changed.items():
            with open(f"{crate}/src/{path}", "w") as file:
                file.write(text)
        print(f"building without: {name}" if edits else "building the whole", file=sys.stderr)
        done = subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", f"{crate}/Cargo.toml", "--target-dir", f"{folder}/target"])
        if done.returncode:
            sys.exit(f"benches/parts.py: without {name} it does not build")
        shutil.copy(f"{folder}/target/release/part", f"{programs}/{name.replace(' ', '-')}")
        for path in changed:
            with open(f"{crate}/src/{path}", "w") as file:
                file.write(read(path))


if sys.argv[1:2] == ["check"]:
    check()
elif sys.argv[1:2] == ["build"] and len(sys.argv) == 3:
    build(sys.argv[2])
else:
    sys.exit(__doc__)
