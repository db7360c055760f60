#!/usr/bin/env bash
# The unit and the Debian package: how little the service may, and whether the package installs, starts and goes. As root, on
# Debian 12 or its like.
set -euo pipefail
cd "$(dirname "$0")/.."
# Of 100: `systemd-analyze security` says 2.0 and less is OK.
exposure=20

echo "== the unit"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed 's#^ExecStart=/usr/bin/linkdown#ExecStart=/bin/true#' packaging/linkdown.service > "$work/linkdown.service"
systemd-analyze verify --man=no "$work/linkdown.service"
systemd-analyze security --no-pager --offline=yes --threshold="$exposure" packaging/linkdown.service | tail -1

if ! cargo deb --version >/dev/null 2>&1; then
    echo "cargo-deb is not installed: the package is not made here (cargo install cargo-deb)"
    exit 0
fi
echo "== the package"
cargo deb --locked --output "$work/linkdown.deb" >/dev/null
dpkg-deb --info "$work/linkdown.deb" | sed -n '/Package/,$p'
dpkg-deb --contents "$work/linkdown.deb" | awk '{print $1, $6}' | grep -v '/$'
mkdir "$work/root"
dpkg -x "$work/linkdown.deb" "$work/root"
dpkg-deb --control "$work/linkdown.deb" "$work/control"
for script in "$work"/control/p*; do sh -n "$script"; done
cmp "$work/root/etc/linkdown/linkdown.toml" config/linkdown.toml
"$work/root/usr/bin/linkdown" check --config "$work/root/etc/linkdown/linkdown.toml" >/dev/null
test -e "$work/root/lib/systemd/system/linkdown.service" -o -e "$work/root/usr/lib/systemd/system/linkdown.service"
echo "== the package holds what it should"
