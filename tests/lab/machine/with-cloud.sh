#!/usr/bin/env bash
# with-cloud.sh ROOT OUT: Debian 13's and 12's stock cloud kernels for guests, each with an initial RAM disk: in OUT vmlinuz-cloud,
# initrd-cloud and the same with -bookworm. They have no driver for igb's VFs; that of NVMe is built in.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$1 out=$2
. "$here/lists.sh"
. "$here/apt.sh"
. "$here/guest.sh"
work=$(mktemp -d "$out.work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# fetch SUITE DIR: the kernel's files, and what depmod makes of them
fetch() {
    local suite=$1 dir=$2 name
    apt_of "$suite" "$dir"
    name=$(apt-cache "${apt[@]}" depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -1)
    (cd "$dir" && apt-get -qq "${apt[@]}" download "$name" && dpkg -x "$name"_*.deb tree)
    [ -d "$dir/tree/lib" ] || mv "$dir/tree/usr/lib" "$dir/tree/lib"
}

# initrd DIR OUT: within its own mounts, where the tree's kmod finds the modules
initrd() {
    local kernel
    kernel=$(ls "$1/tree/lib/modules")
    mount --bind "$1/tree" "$root/mnt"
    chroot "$root" depmod -b /mnt "$kernel"
    modules_in=/mnt
    guest_initrd "$1/made" "$2" "$kernel" nvme wdat_wdt pvpanic-mmio virtio_pci virtio_net virtio_blk virtio_console
    umount "$root/mnt"
}

if [ "${3:-}" = inside ]; then
    initrd "$4" "$5"
    exit
fi
mkdir -p "$out.new"
for suite in trixie bookworm; do
    case $suite in bookworm) suffix=-bookworm ;; *) suffix= ;; esac
    fetch "$suite" "$work/$suite"
    cp "$work/$suite"/tree/boot/vmlinuz-* "$out.new/vmlinuz-cloud$suffix"
    unshare -m "$here/with-cloud.sh" "$root" "$out" inside "$work/$suite" "$out.new/initrd-cloud$suffix"
done
mv "$out.new" "$out"
