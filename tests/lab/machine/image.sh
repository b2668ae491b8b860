#!/usr/bin/env bash
# image.sh ROOT PACKAGES OUT: from the tree ROOT and the folder of packages (or "-": none installed) makes in
# OUT: l1.img (ext4), l1-KERNEL.cpio (finds the disk), and inside the image /l2 with the guests' kernels and initrds.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$1 packages=$2 out=$3
work=$(mktemp -d "$out.work.XXXXXX") # not in /tmp: that may be memory, and this is over a gigabyte
trap 'rm -rf "$work"' EXIT

. "$here/guest.sh"

mkdir -p "$out.new"
cp -a "$root" "$work/l1"
mkdir -p "$work/l1/l2" "$work/l1/share"
install -m 755 "$here/l1-init" "$work/l1/sbin/l1-init"
install -m 755 "$here/l1-job" "$work/l1/sbin/l1-job"
install -m 644 "$here/l1-job.service" "$work/l1/etc/systemd/system/l1-job.service"
mkdir -p "$work/l1/etc/systemd/system/multi-user.target.wants"
ln -sf ../l1-job.service "$work/l1/etc/systemd/system/multi-user.target.wants/l1-job.service"
ln -sf /dev/null "$work/l1/etc/systemd/system/systemd-networkd-wait-online.service"
ln -sf /dev/null "$work/l1/etc/systemd/system/serial-getty@hvc0.service" # the job has that terminal
echo lab >"$work/l1/etc/hostname"

for kernel in $(ls "$root/usr/lib/modules"); do
    case $kernel in 6.1.*) suffix=-bookworm ;; *) suffix= ;; esac
    skeleton "$work/i1$suffix"
    modules "$work/i1$suffix" "$kernel" virtio_pci virtio_blk ext4
    install -m 755 "$here/initramfs-init" "$work/i1$suffix/init"
    pack "$work/i1$suffix" "$out.new/l1$suffix.cpio"
    cp "$root/boot/vmlinuz-$kernel" "$out.new/vmlinuz$suffix"

    guest_initrd "$work/i2$suffix" "$work/l1/l2/initrd$suffix" "$kernel" \
        igbvf nvme button wdat_wdt pvpanic-mmio virtio_pci virtio_net virtio_blk virtio_console
    cp "$root/boot/vmlinuz-$kernel" "$work/l1/l2/vmlinuz$suffix"
done

if [ "$packages" != - ]; then
    mkdir "$work/l1/packages"
    cp "$packages"/*.deb "$work/l1/packages/"
    unshare -m bash -ec "mount -t proc proc '$work/l1/proc'; mount --rbind /dev '$work/l1/dev'
        chroot '$work/l1' sh -ec 'export DEBIAN_FRONTEND=noninteractive; apt-get install -y -qq /packages/*.deb'" \
        >"$out.log" 2>&1 || { tail -20 "$out.log" >&2; exit 1; }
    rm -r "$work/l1/packages"
fi
truncate -s 2500M "$out.new/l1.img"
mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 -d "$work/l1" "$out.new/l1.img"
rm -rf "$out"
mv "$out.new" "$out"
