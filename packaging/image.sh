#!/usr/bin/env bash
# The image without an engine: runs the build stage of the Dockerfile as it stands, lays its result over the packages of the base
# image in an empty root, and starts it there as the image would: another user, a read-only root, no capability, no new
# privileges. As root, on Debian 12 or its like. What is missing in the image is missing here.
set -euo pipefail
cd "$(dirname "$0")/.."

# What gcr.io/distroless/cc-debian12 is made of.
base=(base-files netbase tzdata libc6 libgcc-s1 libgomp1 libstdc++6 gcc-12-base)

work=$(mktemp -d)
trap 'umount -R "$work/root" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/build" "$work/debs" "$work/root" "$work/data"

echo "== the build stage"
# A COPY of the build stage copies from the repository, a RUN is run; in order, by the words of the Dockerfile itself.
sed -n '/^FROM .* AS build/,/^FROM /p' Dockerfile | sed '1d;$d' | sed '/^#/d' |
    sed -e ':a' -e '/\\$/N; s/\\\n//; ta' > "$work/stage"
repository=$PWD
while IFS= read -r line; do
    case "$line" in
        'COPY '*)
            read -ra words <<< "${line#COPY }"
            to=${words[-1]}
            for from in "${words[@]:0:${#words[@]}-1}"; do
                if [ -d "$from" ]; then mkdir -p "$work/build/$to" && cp -r "$from/." "$work/build/$to/"
                else cp "$from" "$work/build/$to"; fi
            done ;;
        'RUN '*)
            run=${line#RUN }
            # The stage writes to /image; here that is a folder of ours. The target folder may be kept between two runs.
            run=${run//\/image/$work/image}
            (cd "$work/build" && CARGO_TARGET_DIR="${IMAGE_TARGET:-$work/build/target}" \
                bash -euc "${run//target\/release/${IMAGE_TARGET:-$work/build/target}/release}") ;;
    esac
done < "$work/stage"
cd "$repository"

echo "== the root"
(cd "$work/debs" && apt-get download -q "${base[@]}" >/dev/null)
for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/root"; done
cp -r "$work/image/." "$work/root/"
mkdir -p "$work/root/data" "$work/root/tmp" "$work/root/proc"
chown -R 65532:65532 "$work/data"

mount --bind "$work/root" "$work/root"
mount --bind "$work/data" "$work/root/data"
mount -t tmpfs -o size=16m,mode=1777,noexec,nosuid,nodev tmpfs "$work/root/tmp"
mount -o remount,bind,ro "$work/root"

chroot=$(command -v chroot)
# As the image starts it: ENTRYPOINT and CMD, user 65532.
inside() {
    env -i LINKDOWN_IODA_URL=http://127.0.0.1:1 LINKDOWN_RIPESTAT_URL=http://127.0.0.1:1 \
        LINKDOWN_RIS_LIVE_URL=ws://127.0.0.1:1/ \
        setpriv --no-new-privs "$chroot" --userspec=65532:65532 "$work/root" "$@"
}
mapfile -t command < <(sed -n 's/^CMD \[\(.*\)\]$/\1/p' Dockerfile | head -1 | tr ',' '\n' | sed 's/^ *"//; s/"$//')
mapfile -t check < <(sed -n 's/^ *CMD \[\(.*\)\]$/\1/p' Dockerfile | tail -1 | tr ',' '\n' | sed 's/^ *"//; s/"$//')

echo "== it starts: /linkdown ${command[*]}"
inside /linkdown "${command[@]}" < /dev/null > "$work/out" 2> "$work/log" &
bot=$!
for _ in $(seq 60); do
    if inside "${check[@]}" 2>/dev/null; then healthy=yes; break; fi
    if ! kill -0 "$bot" 2>/dev/null; then break; fi
    sleep 0.5
done
if [ "${healthy:-no}" != yes ]; then
    echo "it does not pass its health check" >&2
    cat "$work/log" >&2
    exit 1
fi
process=$(pgrep -f '^/linkdown run' | head -1)
grep -E '^(Uid|NoNewPrivs|CapEff|CapPrm):' "/proc/$process/status"
grep -q '^Uid:.65532' "/proc/$process/status"
grep -q '^CapEff:.0000000000000000' "/proc/$process/status"
grep -q '^NoNewPrivs:.1' "/proc/$process/status"
grep -E '^Max core file size +0 +0 ' "/proc/$process/limits"
kill -TERM "$process"
wait "$bot"
echo "== it stopped with 0; written: $(cd "$work/data" && ls | tr '\n' ' ')"
inside /linkdown --version
du -sh "$work/image/linkdown" | sed "s#$work##"
