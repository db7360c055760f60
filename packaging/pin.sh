#!/usr/bin/env bash
# Names each base image and each action by what it is now: digests from the registries, commits from GitHub. Prints what
# changed. Needs docker (buildx) and git with a network; look at the diff before it is committed.
set -euo pipefail
cd "$(dirname "$0")/.."

# `name:tag@sha256:…` becomes the digest that the tag has now, of the index over all machines.
images=$(grep -ohE '[a-z0-9./_-]+:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}' Dockerfile .github/workflows/*.yml | sort -u)
for image in $images; do
    tag=${image%@*}
    digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$tag")
    case $digest in sha256:*) ;; *) echo "$tag has no digest" >&2; exit 1 ;; esac
    sed -i "s#${image}#${tag}@${digest}#" Dockerfile .github/workflows/*.yml
done

# `owner/name@<commit> # v1.2.3` becomes the commit of the newest tag of the same major version.
grep -ohE '[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+@[0-9a-f]{40} # v[0-9]+[0-9.]*' .github/workflows/*.yml | sort -u |
    while read -r action _ version; do
        name=${action%@*}
        repository="https://github.com/$(cut -d/ -f1,2 <<< "$name")"
        major=${version%%.*}
        newest=$(git ls-remote --tags --refs "$repository" "$major.*" | sed 's#.*refs/tags/##' |
            grep -E '^v[0-9]+\.[0-9]+\.[0-9]+$' | sort -V | tail -1)
        # A tag that is an object of its own names its commit as `^{}`.
        commit=$(git ls-remote --tags "$repository" "$newest" "$newest^{}" | sort -k2 | tail -1 | cut -f1)
        sed -i -E "s#${action} \# ${version}\$#${name}@${commit} \# ${newest}#" .github/workflows/*.yml
    done
git diff --stat -- Dockerfile .github/workflows
