# Initial RAM disks of L1 and of its guests. Sourced by machine/*.sh, which set root (the Debian tree) and here.

# modules DIR KERNEL MODULE…: of the tree $root, or of its folder $modules_in, with what they depend on, uncompressed, and the
# order to load them in
modules() {
    local dir=$1 kernel=$2 module file name
    shift 2
    mkdir -p "$dir/mod"
    for module in "$@"; do
        chroot "$root" modprobe ${modules_in:+-d "$modules_in"} -S "$kernel" --show-depends "$module" |
            awk '$1=="insmod"{print $2}' | while read -r file; do
            name=$(basename "${file%.xz}")
            [ ! -e "$dir/mod/$name" ] || continue
            case $file in *.xz) xz -dc "$root$file" >"$dir/mod/$name" ;; *) cp "$root$file" "$dir/mod/$name" ;; esac
            echo "$name" >>"$dir/mod/order"
        done
    done
}

skeleton() {
    mkdir -p "$1"/{bin,proc,sys,dev,tmp,run,new}
    cp "$root/usr/bin/busybox" "$1/bin/busybox"
    chroot "$root" busybox --list | grep -vx busybox | while read -r name; do ln -s busybox "$1/bin/$name"; done
}

pack() { (cd "$1" && find . | cpio -o -H newc --quiet -R 0:0 | zstd -q -3) >"$2"; }

# What the guest runs besides busybox: static programs, so that both kernels' guests can.
guest_programs() {
    local source
    for source in "$here"/../guest/*.c; do
        gcc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -O2 -static -o "$1/bin/$(basename "${source%.c}")" "$source"
    done
}

# guest_initrd DIR OUT KERNEL MODULE…: made in DIR
guest_initrd() {
    local dir=$1 out=$2
    shift 2
    skeleton "$dir"
    modules "$dir" "$@"
    guest_programs "$dir"
    install -m 755 "$here/../guest/init" "$dir/init"
    pack "$dir" "$out"
}
