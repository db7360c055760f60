#!/usr/bin/env bash
# Mutation testing of the rules that decide who is told what: detect's lifecycle and notify.
#   benches/mutants.sh [lifecycle|notify]   the pure parts: they stand alone but for the domain, so they are laid out as a crate of their
#                                           own, which builds in seconds
#   benches/mutants.sh outbox               what sends, by its own tests: a quarter of a minute each; SHARD=0/3 is a third of them
# What survives is listed; docs/reliability.md judges it. ITERATE=1 tries only what survived the last time,
# what follows the first word goes to cargo-mutants (--re implicate). Wants cargo-mutants.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo mutants --version >/dev/null || { echo "cargo install --locked cargo-mutants" >&2; exit 1; }

if [ "${1:-}" = outbox ]; then
    cargo test --lib notify::outbox
    cargo mutants ${ITERATE:+--iterate} ${SHARD:+--shard "$SHARD"} --no-shuffle --baseline skip --timeout 15 --jobs "${JOBS:-1}" \
        --output target/mutants-outbox --file 'src/notify/outbox/*.rs' --file src/notify/suspend.rs --file src/notify/platform.rs \
        --cargo-arg=--lib "${@:2}" -- notify::outbox || true
    echo "survivors:"
    cat target/mutants-outbox/mutants.out/missed.txt
    exit
fi

crate=target/mutants
mkdir -p "$crate/src/notify"
rm -rf "$crate/src/detect" "$crate/src/domain"
cp -r src/detect src/domain "$crate/src/"
pure=(body digest fanout pace retry)
for part in "${pure[@]}"; do cp "src/notify/$part.rs" "$crate/src/notify/$part.rs"; done
mkdir -p "$crate/proptest-regressions"
cp -r proptest-regressions/. "$crate/proptest-regressions/" 2>/dev/null || true
{
    echo '#![allow(dead_code, clippy::unwrap_used)]'
    echo 'pub mod detect; pub mod domain; pub mod notify;'
} > "$crate/src/lib.rs"
printf 'pub mod %s;\n' "${pure[@]}" > "$crate/src/notify/mod.rs"
{
    printf '[package]\nname = "pure"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[profile.test]\nopt-level = 1\ndebug = false\n'
    # The same crates as the whole has.
    sed -n '/^\[dependencies\]/,/^\[profile/p' Cargo.toml | sed '$d' | sed '/^\[package.metadata/,$d'
} > "$crate/Cargo.toml"
# Only those that these parts use.
sed -i -E '/^(chrono|chrono-tz|fastrand|futures-util|ipnet|postcard|serde|serde_json|strsim|thiserror|tokio|tracing|proptest|insta) = |^\[|^[a-z-]+ = "[0-9.]*"$|^(version|edition|opt|debug)|^name/!d' "$crate/Cargo.toml"
sed -i -E '/^(cron|csv|http-body-util|prometheus-client|sd-notify|secrecy|toml|webpki-roots|socket2|tempfile|flate2) = /d' "$crate/Cargo.toml"
cp Cargo.lock "$crate/Cargo.lock"

case "${1:-all}" in
    lifecycle) files=(--file src/detect/lifecycle.rs) ;;
    notify) files=(--file 'src/notify/*.rs') ;;
    all) files=(--file src/detect/lifecycle.rs --file 'src/notify/*.rs') ;;
    *) echo "lifecycle, notify or outbox" >&2; exit 2 ;;
esac
cd "$crate"
cargo mutants ${ITERATE:+--iterate} --no-shuffle --timeout 120 --jobs "${JOBS:-1}" "${files[@]}" "${@:2}" || true
echo "survivors:"
cat mutants.out/missed.txt
