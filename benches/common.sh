# What the scripts here share. Sourced: the generator and the scorer, a python that has numpy, seeds and the release binary.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bench=${LINKDOWN_BENCH:-../shared/bench}
made=target/bench
linkdown=target/release/linkdown

need_bench() {
    if [ -f "$bench/outage_bench.py" ]; then return; fi
    echo "no outage_bench.py in $bench; say where the detection benchmark lies with LINKDOWN_BENCH=FOLDER" >&2
    exit 2
}

# A python with numpy: the machine's own, or else one in a folder of ours.
find_python() {
    python=python3
    if python3 -c 'import numpy' 2>/dev/null; then return; fi
    python=target/python/bin/python3
    if "$python" -c 'import numpy' 2>/dev/null; then return; fi
    echo "installing numpy into target/python" >&2
    python3 -m venv target/python
    "$python" -m pip install --quiet numpy
}

# Makes the observations of a seed, once. A half-written folder is never taken for a whole one.
make_seed() {
    local folder=$made/seed-$1
    if [ -f "$folder/outages.csv" ]; then return; fi
    rm -rf "$folder.part"
    mkdir -p "$made"
    "$python" "$bench/outage_bench.py" generate --seed "$1" --out "$folder.part"
    mv "$folder.part" "$folder"
}

build_release() {
    cargo build --release --locked --quiet
}

# The figures below depend on what else the machine does.
say_machine() {
    printf '%s cores, load %s, %s\n' "$(nproc)" "$(cut -d' ' -f1-3 /proc/loadavg)" "$(date -u +%Y-%m-%dT%H:%MZ)"
}
