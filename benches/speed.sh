#!/usr/bin/env bash
# How fast a replay is and how much memory it takes: the whole of seed 1, in memory, on one core.
#   benches/speed.sh [RUNS]           5 runs where not said
# shellcheck source=benches/common.sh
. "$(dirname "$0")/common.sh"

runs=${1:-5}
if ! [[ $runs =~ ^[1-9][0-9]*$ ]]; then
    echo "the number of runs is a whole number from 1, not $runs" >&2
    exit 2
fi
need_bench
find_python
make_seed 1
build_release
say_machine
one_core=()
if command -v taskset >/dev/null; then
    one_core=(taskset -c 0)
else
    echo "no taskset: these runs are not held to one core" >&2
fi
"$python" benches/speed.py "$runs" "$made/seed-1/observations.csv" ${one_core[@]+"${one_core[@]}"} "$linkdown"
