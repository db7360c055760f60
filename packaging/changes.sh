#!/usr/bin/env bash
# The changelog's section of a version: packaging/changes.sh 1.2.3. Fails where there is none.
set -euo pipefail
cd "$(dirname "$0")/.."
section=$(awk -v heading="## [$1]" 'index($0, heading) == 1 {found = 1; next} found && /^## \[/ {exit} found' CHANGELOG.md)
if [ -z "${section//[[:space:]]/}" ]; then
    echo "CHANGELOG.md says nothing of $1" >&2
    exit 1
fi
printf '%s\n' "$section"
