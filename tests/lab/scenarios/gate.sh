# The readiness gate, with each PF's driver unbound in turn; control killed while a partition waits.
SCENARIO=gate
. /share/job.d/lib.sh

host_file 600000 || { fail "parclose host init"; finish; }
export AUTOSTART=no
two_partitions "nvme=once" ""
check "parclose up" parclose up --timeout 120
check "both PFs are ready" wait_for 60 eval "ready $NET_PF && ready $NVME_PF"

# idle: VFs are bound to vfio-pci before any partition wants one; bound is not in use, and is nobody's to open
vf_drivers() { local vf; for vf in /sys/bus/pci/devices/{$NET_PF,$NVME_PF}/virtfn*; do basename "$(readlink "$vf/driver")"; done | sort -u; }
idle() {
    local vf address
    equal "idle: every VF is on vfio-pci" vfio-pci "$(vf_drivers)"
    equal "idle: their nodes are root's alone" "600 root root" "$(stat -c '%a %U %G' /dev/vfio/[0-9]* | sort -u)"
    equal "idle: none is in use" false "$(parclose devices --json | jq '[.cards[].vfs[].open] | any')"
    vf=$(readlink -f /sys/bus/pci/devices/$NET_PF/virtfn1) address=$(basename "$vf")
    echo "$address" >/sys/bus/pci/drivers/vfio-pci/unbind
    check "idle: one that is taken from vfio-pci is bound again" wait_for 5 eval '[ "$(vf_drivers)" = vfio-pci ]'
    echo pci-stub >"$vf/driver_override"
    echo "$address" >/sys/bus/pci/drivers/vfio-pci/unbind
    check "idle: one that is meant for the host is said to be" wait_for 5 eval "parclose devices | grep '$address.*for the host'"
    sleep 2
    check "idle: and is left alone" [ ! -e "$vf/driver" ]
    check "idle: its PF is ready all the same" ready $NET_PF
    echo >"$vf/driver_override"
    check "idle: until it is given back" wait_for 5 eval '[ "$(vf_drivers)" = vfio-pci ]'
    check "idle: the PF is ready" wait_for 5 ready $NET_PF
}

# shut PF PARTITION: it waits for the PF, says so, and nothing of the guest moves
shut() {
    local pf=$1 partition=$2 driver=$3 hash
    check "$pf: $partition waits" wait_for 60 is_phase "$partition" waiting
    parclose show "$partition" | head -14
    check "$pf: show says which PF and why" grep -q "$pf.*$driver" <<<"$(field "$partition" .waiting_for)"
    check "$pf: show says for how much longer" [ "$(field "$partition" .next_rung_boottime_ns)" -gt 0 ]
    check "$pf: not past the gate" eval "! entered $partition ProcessorsAttached"
    sleep 2
    hash=$(memory_hash "$partition")
    sleep 4
    equal "$pf: the guest's memory does not change" "$hash" "$(memory_hash "$partition")"
    check "$pf: the hash is one of memory" grep -q '^[0-9a-f]\{32\}' <<<"$hash"
    check "$pf: KVM counts the vCPUs" [ -n "$(ls -d /sys/kernel/debug/kvm/"$(field "$partition" .monitor_pid)"-*/vcpu0 2>/dev/null)" ]
    equal "$pf: no vCPU has made an exit" 0 "$(exits "$partition")"
}

# opens PF PARTITION DRIVER: bound, the partition goes on
opens() {
    local pf=$1 partition=$2 driver=$3
    echo "$pf" >/sys/bus/pci/drivers/"$driver"/bind
    check "$pf: bound, $partition goes on by itself" wait_for 60 is_phase "$partition" running
    check "$pf: its guest comes up" wait_for 120 guest_said "$partition" "L2: report done"
    check "$pf: exits are counted now" [ "$(exits "$partition")" -gt 1000 ]
    parclose stop "$partition" --force
    check "$pf: $partition stops" wait_for 30 is_phase "$partition" defined
}

kill_control() {
    local before old
    before=$(map_of)
    old=$(pid_of control)
    kill -9 "$old"
    check "control killed while $1 waits: it comes back" wait_for 20 eval "[ -n \"\$(pid_of control)\" ] && [ \"\$(pid_of control)\" != $old ] && is_phase $1 waiting"
    check "control is back: SR-PCIM's word is heard again" wait_for 20 eval "field $1 .waiting_for | grep -q driver"
    equal "control is back: the same map, it still waits" "$before" "$(map_of)"
    check "control is back: still not past the gate" eval "! entered $1 ProcessorsAttached"
}
map_of() { parclose list --all --json | jq -S '[.owners, (.partitions | map({name, phase, waiting_for, rung, next_rung_boottime_ns}))]'; }

# view_of PARTITION: its monitor's file with its descriptor
view_of() {
    local fd
    for fd in /proc/"$(field "$1" .monitor_pid)"/fd/*; do
        case $(readlink "$fd") in /memfd:partition*) echo "$fd" && return ;; esac
    done
}
# as_monitor_of PARTITION COMMAND…: what its monitor's user may
as_monitor_of() {
    local uid
    uid=$(stat -c %u /proc/"$(field "$1" .monitor_pid)")
    shift
    setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@" 2>/dev/null
}
refused() { ! "$@"; }

# views: each monitor sees its own partition's descriptor, cannot change it, and sees no other's (R-MON-5)
views() {
    local mine other before
    mine=$(view_of one) other=$(view_of two)
    check "views: each monitor has one" [ -n "$mine" -a -n "$other" ]
    check "views: each monitor is a user of its own" \
        [ "$(stat -c %u "${mine%/fd/*}")" != "$(stat -c %u "${other%/fd/*}")" ]
    check "views: it names its own partition" eval 'grep -qa one "$mine" && ! grep -qa two "$mine"'
    before=$(md5sum <"$mine")
    check "views: not even root writes it" refused dd if=/dev/urandom of="$mine" bs=8 count=1 conv=notrunc status=none
    check "views: not even root cuts it" refused truncate -s 0 "$mine"
    check "views: its monitor's user does not write it" \
        refused as_monitor_of one dd if=/dev/urandom of="$mine" bs=8 count=1 conv=notrunc status=none
    equal "views: it is what it was" "$before" "$(md5sum <"$mine")"
    check "views: one's user does not read two's" refused as_monitor_of one cat "$other"
    check "views: one's user does not even list two's files" refused as_monitor_of one ls "${other%/*}"
    check "views: nor lead's, which has all" refused as_monitor_of one ls /proc/"$(pid_of lead)"/fd
    check "views: nor control's database" refused as_monitor_of one ls /var/lib/parclose/control
}

say "VFs that nobody has"
idle

say "PF $NET_PF without its driver; two is started; its VFs do not even exist"
driver=$(driver_of $NET_PF)
echo $NET_PF >/sys/bus/pci/devices/$NET_PF/driver/unbind
check "$NET_PF: its loss is noticed" wait_for 10 not_ready $NET_PF
check "$NET_PF: start is accepted" parclose start two
shut $NET_PF two "$driver"
kill_control two
opens $NET_PF two "$driver"

say "one is complete, its VFs open, and PF $NVME_PF loses its driver: nothing but the gate is left"
check "both PFs are ready again" wait_for 60 both_ready
only_the_gate
shut $NVME_PF one nvme
kill -9 "$(pid_of sr-pcim)"
check "two is started, though SR-PCIM begins anew and that PF is not ready" parclose start two
check "two runs: its own PF is ready" wait_for 60 is_phase two running
check "one waits still" eval 'is_phase one waiting && ! entered one ProcessorsAttached'
parclose stop two --force
check "two stops" wait_for 30 is_phase two defined
opens $NVME_PF one nvme

say "both have a monitor, and each its view"
check "one is started" parclose start one
check "two is started" parclose start two
check "both run" wait_for 60 eval "is_phase one running && is_phase two running"
views

parclose down --timeout 60
finish
