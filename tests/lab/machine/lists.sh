# Packages of the lab's Debian 13 trees, and where to get them. Sourced by machine/*.sh.
SUITE=trixie

# What L1 and the QEMU that emulates it are made of; and what the Parclose package depends on.
ROOT_PACKAGES=(linux-image-amd64 qemu-system-x86 ovmf systemd systemd-sysv dbus udev busybox-static kmod pciutils
    iproute2 nvme-cli procps psmisc strace jq python3-minimal zstd xz-utils cpio iputils-ping util-linux
    adduser libsystemd0 libxml2 libnl-3-200 libnl-route-3-200 libnl-genl-3-200 libpci3 libseccomp2
    libcap-ng0 libjansson4 libssl3t64)

# What builds the package.
BUILD_PACKAGES=(build-essential debhelper meson ninja-build pkgconf libsystemd-dev libxml2-dev libnl-3-dev
    libnl-route-3-dev libnl-genl-3-dev libpci-dev libseccomp-dev libcap-ng-dev libjansson-dev libcmocka-dev
    libssl-dev)

# The Debian mirror that this machine's apt is set to: deb822 files first, then one-line sources.
mirror() {
    local url
    url=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\).*/\1/p' | grep -m1 '/debian/*$' ||
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n 's/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' | grep -m1 '/debian/*$') || {
        echo "lab: no Debian mirror (…/debian) in the machine's apt sources" >&2
        return 1
    }
    echo "$url"
}

# tree DIR PACKAGE…: a Debian tree, made under another name and put in place whole
tree() {
    local dir=$1
    shift
    rm -rf "$dir.new"
    mmdebstrap --quiet --variant=minbase --mode=root --include="$(IFS=,; echo "$*")" \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        "$SUITE" "$dir.new" "$(mirror)" || { rm -rf "$dir.new"; return 1; }
    mv "$dir.new" "$dir"
}
