#!/usr/bin/env bash
# package.sh TREE SOURCE OUT: builds the Debian packages of the source folder inside a Debian 13 tree, made
# if it is not there; they are put into OUT.
set -euo pipefail
. "$(dirname "$0")/lists.sh"
tree=$1 source=$2 out=$3

[ -d "$tree" ] || tree "$tree" "${BUILD_PACKAGES[@]}"
work=$tree/build
rm -rf "$work"
mkdir -p "$work"
cp -a "$source" "$work/parclose"
unshare -m bash -ec "mount -t proc proc '$tree/proc'; mount --bind /dev '$tree/dev'
    chroot '$tree' bash -ec 'cd /build/parclose && DEB_BUILD_OPTIONS=\"nocheck parallel=2\" dpkg-buildpackage -b -us -uc'" \
    >"$out.log" 2>&1 || { tail -40 "$out.log" >&2; exit 1; }
mkdir -p "$out.new"
cp "$work"/*.deb "$out.new/"
rm -rf "$work"
mv "$out.new" "$out"
