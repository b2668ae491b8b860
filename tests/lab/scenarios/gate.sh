# The readiness gate, with each PF's driver unbound in turn; control killed while a partition waits.
SCENARIO=gate
. /share/job.d/lib.sh

host_file 600000 || { fail "parclose host init"; finish; }
export AUTOSTART=no
two_partitions "nvme=once" ""
check "parclose up" parclose up --timeout 120
check "both PFs are ready" wait_for 60 eval "ready $NET_PF && ready $NVME_PF"

# waits_for PF WORD PARTITION: unbound, it waits; nothing of the guest moves; bound, it goes on
waits_for() {
    local pf=$1 partition=$2 driver hash
    driver=$(driver_of "$pf")
    say "PF $pf without its driver $driver; partition $partition is started"
    echo "$pf" >/sys/bus/pci/devices/"$pf"/driver/unbind
    check "$pf: its loss is noticed" wait_for 10 eval "! ready $pf"
    parclose start "$partition" || fail "$pf: start is accepted"
    check "$pf: $partition waits" wait_for 60 is_phase "$partition" waiting
    parclose show "$partition" | head -12
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
    if [ "$3" = kill ]; then kill_control "$partition"; fi
    echo "$pf" >/sys/bus/pci/drivers/"$driver"/bind
    check "$pf: bound, $partition goes on by itself" wait_for 60 is_phase "$partition" running
    check "$pf: its guest comes up" wait_for 120 guest_said "$partition" "L2: report done"
    check "$pf: exits are counted now" [ "$(exits "$partition")" -gt 1000 ]
    parclose stop "$partition" --force
    check "$pf: $partition stops" wait_for 30 is_phase "$partition" defined
}

kill_control() {
    local before old
    before=$(parclose list --all --json | jq -S '[.owners, .partitions | map({name, phase, waiting_for, rung, next_rung_boottime_ns}?)]')
    old=$(pid_of control)
    kill -9 "$old"
    check "control killed while $1 waits: it comes back" wait_for 20 eval "[ -n \"\$(pid_of control)\" ] && [ \"\$(pid_of control)\" != $old ] && is_phase $1 waiting"
    check "control is back: SR-PCIM's word is heard again" wait_for 20 eval "field $1 .waiting_for | grep -q driver"
    equal "control is back: the same map, it still waits" "$before" \
        "$(parclose list --all --json | jq -S '[.owners, .partitions | map({name, phase, waiting_for, rung, next_rung_boottime_ns}?)]')"
    check "control is back: still not past the gate" eval "! entered $1 ProcessorsAttached"
}

waits_for $NET_PF two kill
waits_for $NVME_PF one -
parclose down --timeout 60
finish
