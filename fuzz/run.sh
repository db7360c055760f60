#!/usr/bin/env bash
# Every fuzz target for so many seconds: fuzz/run.sh 600 [TARGET…]. What it finds stays in fuzz/artifacts, and its test goes into
# the suite; inputs that reached something new go into fuzz/corpus, and some hundred of them are kept in fuzz/seeds.
set -euo pipefail
cd "$(dirname "$0")/.."
# FUZZ_PROFILE=--dev builds faster and runs slower.
seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then mapfile -t targets < <(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | tail -n +2); fi
# The stable compiler counts edges too; it has no sanitizer, and in a crate without `unsafe` there is little for one to find.
export RUSTC_BOOTSTRAP=1
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target"
    printf '\n== %s for %s s\n' "$target" "$seconds"
    log=$(mktemp)
    if ! cargo fuzz run ${FUZZ_PROFILE:+"$FUZZ_PROFILE"} --sanitizer none "$target" \
        "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time="$seconds" -max_len=16384 -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1 > "$log" 2>&1; then
        tail -40 "$log"
        exit 1
    fi
    grep -E 'DONE|stat::number_of_executed_units|stat::new_units_added|stat::peak_rss_mb' "$log" || true
    rm -f "$log"
done
