#!/usr/bin/env bash
# Installs what the laboratory needs, from Debian's packages, and starts none of it. Does nothing where all is there.
set -euo pipefail
packages=(bird2 nginx bind9 bind9-dnsutils exim4-daemon-light nftables iproute2 iputils-ping netcat-openbsd openssl procps)
missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ]; then exec sudo "$0" "$@"; fi
# Packages start their daemons unless this says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends "${missing[@]}"
