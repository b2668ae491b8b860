#!/usr/bin/env bash
# with-libvirt.sh ROOT OUT: in OUT the packages that ROOT lacks for libvirt's daemon for nodes and virsh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$1 out=$2
. "$here/lists.sh"
. "$here/apt.sh"
work=$(mktemp -d "$out.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
apt_of $SUITE "$work"
apt-get -qq -y "${apt[@]}" -o "Dir::State::status=$root/var/lib/dpkg/status" --no-install-recommends --download-only \
    install libvirt-daemon-driver-nodedev libvirt-clients >"$work/said" || { cat "$work/said" >&2; exit 1; }
mkdir "$out.new"
mv "$work"/cache/archives/*.deb "$out.new"
mv "$out.new" "$out"
