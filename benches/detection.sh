#!/usr/bin/env bash
# How well it detects: replays made-up observations with known outages, and one real case, and scores what it decides.
#   benches/detection.sh [TABLE] [SEED…]      the seeds 1, 2 and 3 where none is named
# TABLE: score         the figures that are owed (where none is named)
#        sensitivity   what careful, balanced and eager chats hear
#        reliability   how often each word of sureness was right
#        cold          the first outages after 1, 2, 3, 7 and 14 days of history
#        missing       each source alone, each source and each signal absent
#        parts         each part of the detector off (benches/parts.py says which lines that changes)
#        floor         how soon somebody who knows the truth could tell
#        worst         the ten that took longest, drawn: writes docs/detection-worst.svg
# shellcheck source=benches/common.sh
. "$(dirname "$0")/common.sh"

table=score
case ${1:-} in
    score | sensitivity | reliability | cold | missing | parts | floor | worst) table=$1; shift ;;
esac
for seed in "$@"; do
    if ! [[ $seed =~ ^[0-9]+$ ]]; then
        echo "$seed is no table (score, sensitivity, reliability, cold, missing, parts, floor, worst) and no seed, which is a whole number" >&2
        exit 2
    fi
done
if [ $# -eq 0 ]; then set -- 1 2 3; fi
need_bench
find_python
for seed in "$@"; do make_seed "$seed"; done
program=$linkdown
if [ "$table" = parts ]; then
    program=target/parts/programs
    "$python" benches/parts.py build target/parts
else
    build_release
fi
if [ "$table" = worst ]; then
    "$python" benches/detection.py worst "$bench" "$made" "$program" "$@" >target/detection-worst.svg
    mv target/detection-worst.svg docs/detection-worst.svg
    echo "docs/detection-worst.svg"
else
    "$python" benches/detection.py "$table" "$bench" "$made" "$program" "$@"
fi
