#!/usr/bin/env bash
# root.sh DIR: the Debian 13 tree for L1 and its QEMU, with Debian 12's kernel beside its own.
set -euo pipefail
. "$(dirname "$0")/lists.sh"
root=$1

# Debian 12's stock kernel: image and modules only, unpacked into DIR
older_kernel() {
    local dir=$1 work options name
    work=$(mktemp -d)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) bookworm main" >"$work/list"
    mkdir -p "$work/lists/partial" "$work/cache"
    options=(-o "Dir::Etc::SourceList=$work/list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$work/lists"
        -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
    apt-get -qq "${options[@]}" update
    name=$(apt-cache "${options[@]}" depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-6\.1[^ ]*\)$/\1/p' | head -1)
    (cd "$work" && apt-get -qq "${options[@]}" download "$name" && dpkg -x "$name"_*.deb "$work/tree")
    cp "$work"/tree/boot/vmlinuz-* "$dir/boot/"
    cp -a "$work"/tree/lib/modules/* "$dir/usr/lib/modules/"
    chroot "$dir" depmod "$(ls "$work/tree/lib/modules")"
    rm -rf "$work"
}

tree "$root.part" "${ROOT_PACKAGES[@]}"
older_kernel "$root.part"
mv "$root.part" "$root"
