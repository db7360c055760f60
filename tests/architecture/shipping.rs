//! Rules for releases: images and actions are pinned by digest or commit, not by a name that can
//! move; secrets stay out of git, out of core files and unreadable for others; a release comes only
//! from a protected tag.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn workflows() -> Vec<(PathBuf, String)> {
    let folder = fs::read_dir(root().join(".github/workflows")).unwrap();
    folder
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Returns whether an image is named as `name:tag@sha256:…`.
fn is_pinned(image: &str) -> bool {
    image
        .split_once("@sha256:")
        .is_some_and(|(name, digest)| name.contains(':') && is_hex(digest, 64))
}

#[test]
fn every_action_is_named_by_its_commit_and_says_its_version() {
    let mut count = 0;
    for (path, workflow) in workflows() {
        for line in workflow.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let Some((_, action)) = line.split_once("uses: ") else { continue };
            let (name, version) = action.split_once(" # ").unwrap_or((action, ""));
            let commit = name.split_once('@').map_or("", |(_, commit)| commit);
            assert!(is_hex(commit, 40) && version.starts_with('v'), "{}: {line}", path.display());
            count += 1;
        }
        for line in workflow.lines().filter_map(|line| line.trim().strip_prefix("container: ")) {
            assert!(is_pinned(line), "{}: {line}", path.display());
        }
        assert!(
            workflow.contains("\npermissions: {}\n"),
            "{}: nothing is allowed but what a job asks for",
            path.display()
        );
    }
    assert!(count >= 8, "{count}");
}

#[test]
fn every_base_image_is_named_by_its_digest_and_the_workflow_builds_in_the_same() {
    let dockerfile = text("Dockerfile");
    let mut images: Vec<&str> =
        dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    images.extend(dockerfile.lines().filter_map(|line| line.strip_prefix("# syntax=")));
    assert_eq!(images.len(), 3);
    for image in &images {
        assert!(is_pinned(image.split(' ').next().unwrap()), "{image}");
    }
    let build = images[0].split(' ').next().unwrap();
    assert!(text(".github/workflows/release.yml").contains(&format!("container: {build}\n")));
}

#[test]
fn nothing_is_published_but_from_a_protected_tag_and_environment() {
    let workflow = text(".github/workflows/release.yml");
    let jobs: Vec<&str> = workflow.split_once("\njobs:\n").unwrap().1.split("\n  ").collect();
    let jobs = jobs.join("\n  ");
    let mut publishing = 0;
    for job in jobs.split("\n\n") {
        let publishes = job.contains(": write");
        assert_eq!(publishes, job.contains("environment: release"), "{job}");
        assert_eq!(
            publishes,
            job.contains("if: github.ref_type == 'tag' && github.ref_protected"),
            "{job}"
        );
        publishing += usize::from(publishes);
    }
    assert_eq!(publishing, 2);
    let check = text(".github/workflows/check.yml");
    assert!(
        check.contains("pull_request:") && check.contains(".ci/run") && !check.contains("write"),
        "{check}"
    );
    assert!(!check.contains("pull_request_target"), "a stranger's change never runs with rights");
}

#[test]
fn the_service_is_restarted_for_ever_writes_no_core_and_gets_its_secrets_as_credentials() {
    let unit = text("packaging/linkdown.service");
    let section = |name: &str| {
        unit.split_once(&format!("[{name}]")).unwrap().1.split("\n[").next().unwrap().to_owned()
    };
    assert!(section("Unit").contains("\nStartLimitIntervalSec=0\n"));
    for line in ["Restart=always", "LimitCORE=0", "UMask=0077"] {
        assert!(section("Service").contains(&format!("\n{line}\n")), "{line}");
    }
    for name in ["discord_token", "telegram_token", "radar_token", "heartbeat_url"] {
        assert!(
            unit.contains(&format!("\nLoadCredential={name}:/etc/linkdown/credentials/{name}\n")),
            "{name}"
        );
        // Without this line a missing file keeps the service from starting: systemd.exec(5).
        assert!(unit.contains(&format!("\nSetCredential={name}:\\n\n")), "{name}");
        assert!(text("compose.yaml").contains(&format!("./secrets/{name}")), "{name}");
    }
    assert!(!unit.lines().any(|line| !line.starts_with('#') && line.contains("TOKEN")));
    assert!(text("compose.yaml").contains("\n    ulimits: { core: 0 }\n"));
}

#[test]
fn the_image_says_whose_it_is_and_where_it_comes_from() {
    let dockerfile = text("Dockerfile");
    let labels = [
        "title",
        "description",
        "licenses",
        "version",
        "revision",
        "source",
        "url",
        "documentation",
        "vendor",
    ];
    for label in labels {
        assert!(dockerfile.contains(&format!("org.opencontainers.image.{label}=\"")), "{label}");
    }
    for argument in ["VERSION", "REVISION", "SOURCE"] {
        assert!(
            text("packaging/docker-bake.hcl").contains(&format!("{argument} = {argument}")),
            "{argument}"
        );
        assert!(
            text(".github/workflows/release.yml").contains(&format!("{argument}=\"")),
            "{argument}"
        );
    }
}

#[test]
fn git_never_takes_a_secret_a_database_or_a_core() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "safe.directory=*"]).args(arguments).current_dir(folder.path());
        git.env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap()
    };
    assert!(git(&["init", "-q"]).status.success());
    fs::copy(root().join(".gitignore"), folder.path().join(".gitignore")).unwrap();
    let is_ignored = |name: &str| git(&["check-ignore", "-q", "--no-index", name]).status.success();
    for name in [
        "discord.token",
        "telegram.token",
        "radar.token",
        "secrets/discord_token",
        "discord_token",
        "heartbeat_url",
        ".env",
        ".env.local",
        "data/linkdown.db",
        "linkdown.db",
        "linkdown.db-wal",
        "linkdown.db.lock",
        "linkdown.db.before-restore-2",
        "linkdown-backup.db",
        "copy.db.partial",
        "core",
        "core.4711",
    ] {
        assert!(is_ignored(name), "{name} is not ignored");
    }
    for name in [
        "src/store/lock.rs",
        "tests/fixtures/schema-6.db.gz",
        "tests/fixtures/tls/leaf.key",
        "src/core.rs",
        "README.md",
    ] {
        assert!(!is_ignored(name), "{name} is ignored");
    }
    // The image is built from an allowlist, which contains none of them.
    let allowed: Vec<String> = text(".dockerignore")
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .map(str::to_owned)
        .collect();
    assert_eq!(allowed, ["Cargo.toml", "Cargo.lock", "src", "config", "migrations"]);
}

/// Runs `.ci/audit` with stubs for git and cargo, and returns whether it succeeded, and its output
/// with the calls of cargo.
fn audits(is_reachable: bool, has_copy: bool) -> (bool, String) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let git = if is_reachable {
        "echo 0123456789abcdef0123456789abcdef01234567 HEAD"
    } else {
        "exit 128"
    };
    for (name, does) in [("git", git), ("cargo", "echo cargo \"$@\"")] {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let copy = folder.path().join("copy");
    if has_copy {
        fs::create_dir_all(copy.join("crates/x")).unwrap();
        fs::write(copy.join("crates/x/RUSTSEC-2026-0001.md"), "```toml\ndate = \"2026-08-20\"\n")
            .unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let done = Command::new(root().join(".ci/audit"))
        .env("PATH", path)
        .env("LINKDOWN_ADVISORIES", &copy)
        .output();
    let done = done.unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    (done.status.success(), said.replace(&*copy.to_string_lossy(), "COPY"))
}

#[test]
fn the_live_advisories_are_asked_where_they_can_be_reached_and_the_check_says_which_it_asked() {
    let live = "advisories: the live database, https://github.com/RustSec/advisory-db, commit 0123456789ab\ncargo audit\n";
    for has_copy in [true, false] {
        assert_eq!(audits(true, has_copy), (true, live.to_owned()));
    }
    let (went_well, said) = audits(false, true);
    assert!(
        went_well && said.contains("the copy at COPY, whose newest entry is of 2026-08-20"),
        "{said}"
    );
    assert!(said.ends_with("cargo audit --no-fetch --db COPY\n"), "{said}");
    let (went_well, said) = audits(false, false);
    assert!(!went_well && said.contains("nothing was checked"), "{said}");
}
