#!/usr/bin/env bash
# How well it detects: replays made-up observations with known outages, and one real case, and scores what it decides.
#   benches/detection.sh [SEED…]      the seeds 1, 2 and 3 where none is named
# shellcheck source=benches/common.sh
. "$(dirname "$0")/common.sh"

for seed in "$@"; do
    if ! [[ $seed =~ ^[0-9]+$ ]]; then
        echo "a seed is a whole number, not $seed" >&2
        exit 2
    fi
done
if [ $# -eq 0 ]; then set -- 1 2 3; fi
need_bench
find_python
build_release
scores=$(mktemp -d)
trap 'rm -rf "$scores"' EXIT

score() { # NAME FOLDER
    "$linkdown" replay --observations "$2/observations.csv" --events "$scores/events.jsonl"
    "$python" "$bench/outage_bench.py" score --truth "$2/outages.csv" --events "$scores/events.jsonl" \
        --observations "$2/observations.csv" >"$scores/$1.json"
}

names=()
for seed in "$@"; do
    make_seed "$seed"
    score "seed-$seed" "$made/seed-$seed"
    names+=("seed-$seed")
done
if [ -d "$bench/real/iran-2019" ]; then
    score iran-2019 "$bench/real/iran-2019"
    names+=(iran-2019)
else
    echo "no $bench/real/iran-2019: the real case is left out" >&2
fi
"$python" benches/table.py "$scores" "${names[@]}"
