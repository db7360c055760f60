#!/usr/bin/env bash
# Whether the tests are steady: runs the built suite N times in a row, says how long each took, stops at the first red.
#   benches/suite.sh [N]              20 times where not said
set -euo pipefail
cd "$(dirname "$0")/.."

times=${1:-20}
if ! [[ $times =~ ^[1-9][0-9]*$ ]]; then
    echo "how often is a whole number from 1, not $times" >&2
    exit 2
fi
cargo test --locked --quiet --no-run
log=target/suite.log
longest=0
for ((run = 1; run <= times; run++)); do
    begun=$(date +%s%N)
    if ! cargo test --locked --quiet >"$log" 2>&1; then
        cat "$log"
        echo "run $run of $times is red" >&2
        exit 1
    fi
    took=$((($(date +%s%N) - begun) / 1000000))
    if ((took > longest)); then longest=$took; fi
    printf 'run %2d of %d: green in %d.%03d s\n' "$run" "$times" $((took / 1000)) $((took % 1000))
done
printf 'green %d times in a row, %d.%03d s at most\n' "$times" $((longest / 1000)) $((longest % 1000))
