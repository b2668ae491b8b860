#!/usr/bin/env bash
# with-libvirt.sh ROOT OUT: in OUT the packages that ROOT lacks for libvirt's daemons for nodes and for QEMU, and virsh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lists.sh"
. "$here/apt.sh"
lacking "$1" "$2" libvirt-daemon-driver-nodedev libvirt-daemon-driver-qemu libvirt-clients
