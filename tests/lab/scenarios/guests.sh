# Guests as people have them: Debian's kernels of two releases, as bzImage and as an ELF file with a PVH entry, with one to
# four vCPUs, memory on both sides of the PCI hole; one that reboots from inside, again and again, and keeps its VF.
# Other scenarios boot bzImages with one to three vCPUs: those come here with "all" only, and so do Debian's cloud kernels
# (`lab run --with cloud --smp 5`), which have no driver for igb's VFs and get one of NVMe.
# guests.sh [REBOOTS] [all]
SCENARIO=guests
. /share/job.d/lib.sh
REBOOTS=${1:-20} ALL=${2:-}

# elf KERNEL FILE: what a bzImage has packed (Linux Documentation/arch/x86/boot.rst, payload_offset)
number() { od -An -t u"$3" -j "$2" -N "$3" "$1" | tr -d ' '; }
elf() {
    local start=$(((1 + $(number "$1" 497 1)) * 512 + $(number "$1" 584 4))) size
    size=$(($(number "$1" 588 4) - 4)) # the last four bytes say how long it was
    tail -c +$((start + 1)) "$1" | head -c $size >/tmp/packed
    case $(od -An -t x1 -N 4 /tmp/packed | tr -d ' ') in
    28b52ffd) zstd -dc /tmp/packed ;;
    fd377a58) xz -dc --single-stream /tmp/packed ;;
    *) return 1 ;;
    esac >"$2"
    rm /tmp/packed
}

host_file || { fail "parclose host init"; finish; }
check "parclose up" parclose up --timeout 120
NET=$(card $NET_PF) NVME=$(card $NVME_PF)
# boots NAME VCPUS MEMORY KERNEL INITRD PATTERN: and its VF is there
boots() {
    GUEST_KERNEL=$4 GUEST_INITRD=$5 partition guest "$2" "$3" "addr=10.0.9.11/24" "$(vf "$NET" 0 'mac="52:54:00:00:01:00"')"
    parclose start guest --wait --timeout 60 >/dev/null || { fail "$1 starts"; return; }
    check "$1: its init runs, with $2 vCPUs and its VF" wait_for 120 guest_said guest "kernel $6.* cpus $2 " &&
        check "$1: its VF has a driver and a link" wait_for 60 guest_said guest "net eth0 mac 52:54:00:00:01:00 .*carrier 1"
    console guest | grep -E "L2: (kernel|net)"
    check "parclose db check" parclose db check >/dev/null
    parclose stop guest --force >/dev/null || fail "$1 stops"
}
# boots_cloud NAME VCPUS MEMORY KERNEL INITRD PATTERN: and reads what it wrote to its VF's disk
boots_cloud() {
    GUEST_KERNEL=$4 GUEST_INITRD=$5 partition guest "$2" "$3" "nvme=once" "$(vf "$NVME" 0)"
    parclose start guest --wait --timeout 60 >/dev/null || { fail "$1 starts"; return; }
    check "$1: its init runs, with $2 vCPUs" wait_for 120 guest_said guest "kernel $6.*cloud.* cpus $2 " &&
        check "$1: its disk keeps what it writes" wait_for 120 guest_said guest 'nvme once wrote=\([0-9a-f]*\) read=\1 errors=0'
    console guest | grep -E "L2: (kernel|disk|nvme)"
    check "parclose db check" parclose db check >/dev/null
    parclose stop guest --force >/dev/null || fail "$1 stops"
}

say "Debian 13"
[ -z "$ALL" ] || boots "Debian 13, bzImage" 1 192 /l2/vmlinuz /l2/initrd "6\.12"
[ -z "$ALL" ] || boots "Debian 13, bzImage, three vCPUs" 3 256 /l2/vmlinuz /l2/initrd "6\.12"
check "its ELF file" elf /l2/vmlinuz /tmp/vmlinux
[ -z "$ALL" ] || boots "Debian 13, PVH" 2 256 /tmp/vmlinux /l2/initrd "6\.12"
boots "Debian 13, PVH, memory beyond the PCI hole" 2 3584 /tmp/vmlinux /l2/initrd "6\.12"
say "Debian 12"
[ -z "$ALL" ] || boots "Debian 12, bzImage" 2 192 /l2/vmlinuz-bookworm /l2/initrd-bookworm "6\.1\."
check "its ELF file" elf /l2/vmlinuz-bookworm /tmp/vmlinux
[ -z "$ALL" ] || boots "Debian 12, bzImage, four vCPUs" 4 256 /l2/vmlinuz-bookworm /l2/initrd-bookworm "6\.1\."
boots "Debian 12, PVH" 1 256 /tmp/vmlinux /l2/initrd-bookworm "6\.1\."
rm -f /tmp/vmlinux
cloud() {
    say "cloud kernels"
    cp /share/cloud/* /l2/
    boots_cloud "Debian 13, cloud, one vCPU" 1 192 /l2/vmlinuz-cloud /l2/initrd-cloud "6\.12"
    boots_cloud "Debian 13, cloud, four vCPUs" 4 256 /l2/vmlinuz-cloud /l2/initrd-cloud "6\.12"
    boots_cloud "Debian 12, cloud, two vCPUs" 2 192 /l2/vmlinuz-cloud-bookworm /l2/initrd-cloud-bookworm "6\.1\."
}
[ -z "$ALL" ] || cloud

# How a guest fails, as people see it: only with "all", other tests have the rest of it.
fails() {
    say "a guest that hangs, and one that panics"
    partition guest 1 192 "watchdog=5"
    check "it starts" parclose start guest --wait --timeout 60
    check "its watchdog bites: it begins again" \
        wait_for 90 eval 'parclose audit --partition guest | grep -q "its guest reboots: the guest.s watchdog expired"'
    equal "and says why" watchdog "$(field guest .exit)"
    check "it is fed as long as it says" wait_for 60 guest_said guest "watchdog fed for 5 s"
    parclose stop guest --force >/dev/null || fail "it stops"
    partition guest 1 192 "end=panic"
    check "it starts" parclose start guest --wait --timeout 60
    check "it panics: it has failed" wait_for 60 is_phase guest failed
    equal "and says why" panic "$(field guest .exit)"
    check "parclose db check" parclose db check >/dev/null
}
[ -z "$ALL" ] || fails

say "$REBOOTS reboots"
partition guest 1 192 "addr=10.0.9.11/24 end=reboot" "$(vf "$NET" 0 'mac="52:54:00:00:01:00"')"
check "it starts" parclose start guest --wait --timeout 60
boots_made() { parclose audit --partition guest | grep -c "its guest reboots"; }
rebooted() { [ "$(boots_made)" -ge "$REBOOTS" ]; }
check "it reboots $REBOOTS times" wait_for $((REBOOTS * 40)) rebooted # a reboot takes 13 s here, alone on two cores
check "and has what it had" wait_for 20 is_phase guest running
check "its VF works after it" wait_for 60 guest_said guest "net eth0 mac 52:54:00:00:01:00 .*carrier 1"
check "parclose db check" parclose db check
equal "it stops, and does not come back" defined "$(parclose stop guest --force >/dev/null; sleep 3; phase guest)"
parclose down --timeout 60
finish
