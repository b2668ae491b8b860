# Cards without a VF until all of their VFs are on vfio-pci, which is looked at after each: Parclose with each card alone and with
# all at once, beside as many scripts at once as there are cards, a script that goes from one card to the next, and libvirt, which has no
# call that makes VFs: a script does, and libvirt detaches each from the host. And sr-pcim killed until all is verified again, beside
# libvirt's daemon restarted until it lists all (`lab run --with libvirt`; libvirt is left out without).
# bench-sriov.sh [ROUNDS]: prints "ROUND one MS all MS scripts MS script MS [libvirt MS]", one: of the slowest card alone; "BACK sr-pcim
# MS libvirt MS"
SCENARIO=bench-sriov
. /share/job.d/lib.sh
ROUNDS=${1:-6}
now() { date +%s%3N; }

# --- who is ready when: sr-pcim's own words, stamped as they come
stamp() {
    local line
    while read -r line; do
        case $line in *sr-pcim:*": ready"*) echo "$(now) $line" ;; esac
    done
}
readies() { wc -l </tmp/readies; }
since() { echo $(($(tail -1 /tmp/readies | cut -d' ' -f1) - $1)); } # MS: to the last of them
readies_are() { [ "$(readies)" -ge "$1" ]; }

cards() { sed -n 's/.*<card name="\([^"]*\)" address="\([^"]*\)" driver="\([^"]*\)" vfs="\([0-9]*\)".*/\1 \2 \3 \4/p' /tmp/host.xml; }
with_cards() { # NAME…: host.xml with just these
    local name pattern='^$'
    for name in "$@"; do pattern+="|name=\"$name\""; done
    awk -v these="$pattern" '!/<card / || $0 ~ these' /tmp/host.xml >$CONFIG/host.xml
}
no_vfs() {
    local name address rest
    with_cards
    parclose reload >/dev/null || fail "cards are taken out of host.xml"
    while read -r name address rest; do
        echo 0 >"/sys/bus/pci/devices/$address/sriov_numvfs"
    done < <(cards)
}
# on_vfio WHO NAME…: these cards have all their VFs, and each is bound to vfio-pci
on_vfio() {
    local who=$1 name address driver vfs bound
    shift
    while read -r name address driver vfs; do
        [[ " $* " = *" $name "* ]] || continue
        bound=$(readlink "/sys/bus/pci/devices/$address"/virtfn*/driver | grep -c '/vfio-pci$')
        [ "$bound" -eq "$vfs" ] || amiss "$who: $bound of the $vfs VFs of $name are on vfio-pci"
    done < <(cards)
}
amiss() { fail "$@" | tee -a /tmp/amiss >&2; } # where what is printed is a number
parclose_makes() { # NAME…: how long
    local start before
    no_vfs
    before=$(readies)
    with_cards "$@"
    start=$(now)
    parclose reload >/dev/null || fail "cards are put into host.xml"
    wait_for 60 readies_are $((before + $#)) || fail "not ready: $*"
    since "$start"
    on_vfio Parclose "$@"
}
enable() { # ADDRESS COUNT
    echo 0 >"/sys/bus/pci/devices/$1/sriov_drivers_autoprobe"
    echo "$2" >"/sys/bus/pci/devices/$1/sriov_numvfs"
}
# --- and without us: each makes one card's VFs and binds them
script_one() { # ADDRESS COUNT
    local vf
    enable "$1" "$2"
    for vf in "/sys/bus/pci/devices/$1"/virtfn*; do
        vf=$(basename "$(readlink "$vf")")
        echo vfio-pci >"/sys/bus/pci/devices/$vf/driver_override"
        echo "$vf" >/sys/bus/pci/drivers_probe
    done
}
libvirt_one() { # ADDRESS COUNT
    local said start
    enable "$1" "$2"
    start=$(now)
    until said=$(virsh -q -c qemu:///system "$(orders nodedev-detach "$1" --driver vfio)" </dev/null 2>&1); do
        # its daemon has not seen them all yet
        [ $(($(now) - start)) -lt 20000 ] || { amiss "libvirt detaches: $said"; break; }
    done
}
# orders ORDER ADDRESS [OPTION…]: to virsh, for each VF of the card
orders() {
    local order=$1 address=$2 vf
    shift 2
    for vf in "/sys/bus/pci/devices/$address"/virtfn*; do
        vf=$(basename "$(readlink "$vf")")
        echo -n "$order pci_${vf//[:.]/_} $*; "
    done
}
# timed WHO COMMAND…: how long the command takes until all cards have their VFs
timed() {
    local who=$1 start
    shift
    no_vfs
    start=$(now)
    "$@"
    echo $(($(now) - start))
    on_vfio "$who" "${names[@]}"
}
in_turn() { # MAKE: one card after the other
    local name address driver vfs
    while read -r name address driver vfs; do "$1" "$address" "$vfs"; done < <(cards)
}
at_once() { # MAKE: each card by one of its own; how long the kernel takes when nobody waits for anybody
    local name address driver vfs
    while read -r name address driver vfs; do "$1" "$address" "$vfs" & done < <(cards)
    wait
}
forget() { # libvirt remembers what it has detached
    local name address rest
    while read -r name address rest; do
        virsh -q -c qemu:///system "$(orders nodedev-reattach "$address")" </dev/null >/dev/null
    done < <(cards)
}
with_libvirt() {
    dpkg -i /share/libvirt/*.deb >/tmp/dpkg 2>&1 || { fail "libvirt is installed"; tail /tmp/dpkg; return; }
    pgrep -x systemd-udevd >/dev/null || /usr/lib/systemd/systemd-udevd -d
    /usr/sbin/libvirtd -d
    wait_for 120 virsh -q -c qemu:///system list || fail "libvirt's daemon answers"
}

host_file || { fail "parclose host init"; finish; }
cp $CONFIG/host.xml /tmp/host.xml
mapfile -t names < <(cards | cut -d' ' -f1)
parclose up --timeout 120 >/dev/null || { fail "parclose up"; finish; }
: >/tmp/readies
tail -n 0 -F /var/log/parclose.log 2>/dev/null | stamp >/tmp/readies &
[ ! -d /share/libvirt ] || with_libvirt
for round in $(seq "$ROUNDS"); do
    one=0
    for name in "${names[@]}"; do
        took=$(parclose_makes "$name")
        echo "round $round: $name alone $took ms"
        [ "$took" -le $one ] || one=$took
    done
    figures="one $one all $(parclose_makes "${names[@]}") scripts $(timed scripts at_once script_one) script $(timed script in_turn script_one)"
    [ ! -d /share/libvirt ] || figures+=" libvirt $(timed libvirt in_turn libvirt_one; forget)"
    echo "ROUND $figures"
done

# --- back again
parclose_makes "${names[@]}" >/dev/null
pcim_back() {
    local start before
    before=$(readies) start=$(now)
    kill -9 "$(pid_of sr-pcim)"
    wait_for 60 readies_are $((before + ${#names[@]})) || fail "sr-pcim does not come back"
    since "$start"
}
nodes() { virsh -c qemu:///system nodedev-list --cap pci 2>/dev/null | grep -c pci_; }
libvirt_back() {
    local start all=$1
    kill -9 "$(pgrep -x libvirtd)"
    start=$(now)
    /usr/sbin/libvirtd -d
    wait_for 60 eval "[ \"\$(nodes)\" -ge $all ]" || fail "libvirt does not come back"
    echo $(($(now) - start))
}
if [ -d /share/libvirt ]; then
    all=$(ls /sys/bus/pci/devices | wc -l)
    wait_for 60 eval '[ "$(nodes)" -ge $all ]' || fail "libvirt lists all PCI functions: $(nodes) of $all"
    for round in $(seq "$ROUNDS"); do echo "BACK sr-pcim $(pcim_back) libvirt $(libvirt_back "$all")"; done
fi
parclose down --timeout 60
[ ! -s /tmp/amiss ] || BAD=1
finish
