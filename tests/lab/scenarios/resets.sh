# Silent death (a PF is reset from outside: carrier stays up, every VF of it is dead, nobody says so): noticed, and mended with
# the guests kept. Two guests on one igb card, one of them with an NVMe VF too; each PF is reset.
SCENARIO=resets
. /share/job.d/lib.sh
PEER_PF=0000:02:00.0 # to be pinged; nothing happens to it

host_file 600000 || { fail "parclose host init"; finish; }
two_partitions "ping=10.0.9.1 nvme=loop ticks" "ping=10.0.9.1"
check "parclose up" parclose up --timeout 120
net=$(card $NET_PF)
ip addr replace 10.0.9.1/24 dev "$(ls /sys/bus/pci/devices/$PEER_PF/net)"
ip link set "$(ls /sys/bus/pci/devices/$PEER_PF/net)" up
for p in one two; do check "$p pings over its VF" wait_for 180 guest_said $p "received=[1-9]"; done
check "one writes to NVMe" wait_for 60 guest_said one "nvme writes=[1-9]"
pids() { for p in one two; do field $p .monitor_pid; field $p '.vcpu_pids[]'; done; }
pids=$(pids)

received() { guest_count "$1" "ping sent" received; }
more_than() { [ "${2:-0}" -gt "${1:-0}" ]; }
flows() { # GUEST SECONDS
    local was
    was=$(received "$1")
    wait_for "$2" eval "more_than '$((${was:-0} + 3))' \"\$(received $1)\""
}
audited() { parclose audit | grep -c "vf-news.*$1"; } # WORDS
known() { [ "$(audited "$1")" -ge "$2" ]; }            # WORDS COUNT
in_error() { [ "$(vf_status "$1" "$2")" = error ]; }
now_ms() { date +%s%3N; }
# when_ms WORDS NUMBER: the time of that entry of the audit log
when_ms() { date -d "$(parclose audit | grep "vf-news.*$1" | sed -n "$2s/^ *[0-9]* \([^ ]*\) .*/\1/p")" +%s%3N; }
reset_pf() { # PF
    echo 1 >"/sys/bus/pci/devices/$1/reset"
    start=$(now_ms)
}
noticed() { # ENTRIES: the last of them is this reset's
    check "it is noticed" wait_for 5 known "it was reset under its guest" "$1"
    local after=$(($(when_ms "it was reset under its guest" "$1") - start))
    check "within a second of the reset's end: after $after ms" [ $after -le 1000 ]
}
writes() { grep "device write" /var/log/parclose.log | tail -n +$(($1 + 1)) | sed 's/.*device write: //; s/ (trans.*//'; }

say "the igb PF is reset"
before=$(tcb_writes) lost=$(guest_count one "ping sent" lost)
reset_pf $NET_PF
check "VF 0 is shown as in error" wait_for 5 in_error "$net" 0
noticed 2
check "both VFs are mended" wait_for 30 known "it works again" 2
check "the PF is ready again" wait_for 30 ready $NET_PF
for p in one two; do check "$p pings again" flows $p 60; done
echo "pings lost by one: $(($(guest_count one "ping sent" lost) - ${lost:-0})); flows after $(($(now_ms) - start)) ms"
equal "what was written: its interface down and up" "down: ok;up: ok" "$(writes "$before" | sed 's/.*<- //' | paste -sd';')"

say "the NVMe PF is reset"
before=$(tcb_writes)
reset_pf $NVME_PF
noticed 3
check "it is mended" wait_for 60 known "it works again" 3
check "the PF is ready again" wait_for 30 ready $NVME_PF
writes "$before"
sleep 3
n=$(guest_count one "nvme writes" writes)
check "one writes again" wait_for 100 eval "more_than '$n' \"\$(guest_count one 'nvme writes' writes)\""
equal "one: no I/O error" 0 "$(guest_count one "nvme writes" errors)"
echo "worst write: $(guest_count one "nvme writes" worst_ms) ms; after $(($(now_ms) - start)) ms"

say "the NVMe PF's driver is unbound under a guest that runs: the ladder binds it, and what its controller forgot is set again"
sed -i -E 's/(<rung number="1" after-ms=")[0-9]+/\12000/' $CONFIG/host.xml
check "the ladder's first rung is due after 2 s" parclose reload
outages() { parclose audit | grep -c "outage $1.*partition one"; } # begun|applied
begun=$(outages begun) over=$(outages applied)
renewed() { parclose audit | grep -c "device-action applied.*vf-renew"; }
echo $NVME_PF >/sys/bus/pci/drivers/nvme/unbind
start=$(now_ms)
wait_for 10 not_ready $NVME_PF
check "one runs on" is_phase one running
check "show says what it misses" wait_for 2 eval '[[ $(field one .waiting_for) == *"$NVME_PF"* ]]'
check "the PF is bound again by the ladder" wait_for 30 ready $NVME_PF
check "the log says that the rung was taken" eval 'parclose audit | grep -q "rung begun.*restart the PF"'
equal "one entry says that the outage began, one that it is over" "$((begun + 1)) $((over + 1))" "$(outages begun) $(outages applied)"
echo "PF ready again after $(($(now_ms) - start)) ms: $(parclose audit | grep 'outage applied' | tail -1)"
check "what it has forgotten of the VF in use is set again" wait_for 30 eval '[ "$(renewed)" -ge 1 ]'
echo "after $(($(now_ms) - start)) ms"
wait_for 10 vf_active "$(card $NVME_PF)" 0
check "the VF is active" vf_active "$(card $NVME_PF)" 0
sleep 3
n=$(guest_count one "nvme writes" writes)
check "one writes again" wait_for 100 eval "more_than '$n' \"\$(guest_count one 'nvme writes' writes)\""
equal "one: no I/O error" 0 "$(guest_count one "nvme writes" errors)"
echo "worst write: $(guest_count one "nvme writes" worst_ms) ms; after $(($(now_ms) - start)) ms"

metric() { parclose metrics | awk -v name="$1" 'index($1, name) == 1 { sum += $NF } END { print sum + 0 }'; } # NAME: over its labels
grows() { awk -v n="$(metric "$1")" 'BEGIN { exit !(n > 0) }'; }
for name in parclose_vf_outage_seconds_total parclose_pf_rungs_total parclose_pf_recovery_seconds_count parclose_device_writes_total; do
    check "parclose metrics counts $name: $(metric $name)" grows $name
done

say "the same for a partition that says on-outage=\"freeze\": it stands still meanwhile; lead and control die while it does"
writing() { local n; n=$(guest_count one "nvme writes" writes); wait_for "$1" eval "more_than '$n' \"\$(guest_count one 'nvme writes' writes)\""; }
check "one writes, after all that was before" writing 240
sed -i -E 's/(<rung number="1" after-ms=")[0-9]+/\110000/' $CONFIG/host.xml
sed -i 's/^<partition /<partition on-outage="freeze" /' $CONFIG/partitions/one.xml
check "that changes while it runs" parclose reload
tick() { guest_last one "L2: tick" | sed -n 's/.*up=\([0-9.]*\) end.*/\1/p'; }
behind() { awk -v g="$(tick)" '{ printf "%d", ($1 - g) * 1000 }' /proc/uptime; } # ms, the host's clock before the guest's
apart() { awk -v a="$1" -v b="$2" -v most="$3" 'BEGIN { d = a - b; exit !(d <= most && -d <= most) }'; }
audited_freezes() { parclose audit | grep -c "freeze $1.*partition one"; } # begun|applied
behind=$(behind) frozen=$(field one .frozen_ms)
echo $NVME_PF >/sys/bus/pci/drivers/nvme/unbind
check "one is frozen" wait_for 5 is_phase one frozen
check "show says for which PF" wait_for 2 eval '[[ $(field one .waiting_for) == *"$NVME_PF"* ]]'
sleep 1
tick=$(tick)
check "two runs on" flows two 20
equal "one's clock does not tick" "$tick" "$(tick)"
kill -9 "$(pid_of lead)" "$(pid_of control)"
check "lead and control are back" wait_for 20 all_alive
check "one is frozen still" wait_for 5 is_phase one frozen
check "the PF is bound again by the ladder" wait_for 40 ready $NVME_PF
check "one is thawed" wait_for 10 is_phase one running
frozen=$(($(field one .frozen_ms) - frozen))
check "one ticks again" wait_for 30 eval '[ "$(tick)" != "$tick" ]'
gap=$(console one | sed -n 's/.*L2: tick up=\([0-9.]*\) end.*/\1/p' |
    awk -v from="$tick" '$1 >= from && last { d = $1 - last; if (d > most) most = d } { last = $1 } END { printf "%d", most * 1000 }')
echo "frozen for $frozen ms; the guest's clock jumped by $gap ms; behind the host's by $behind ms before, $(behind) ms after"
check "the gap that the guest saw is the time that it was frozen" apart "$gap" "$frozen" 2000
check "its clock is as far from the host's as before" apart "$(behind)" "$behind" 2000
equal "one entry says that it was frozen, one that it was thawed" "1 1" "$(audited_freezes begun) $(audited_freezes applied)"
check "what the card has forgotten of the VF is set again" wait_for 10 vf_active "$(card $NVME_PF)" 0
# a write that was lost times out in the guest (30 s), then its abort does (60 s)
check "one writes again" writing 240
equal "one: no I/O error" 0 "$(guest_count one "nvme writes" errors)"

equal "monitors and vCPUs are the same processes" "$pids" "$(pids)"
parclose audit | grep -E "vf-news|pf-renew|works again" | tail -20
check "the map is right" parclose db check
parclose down --timeout 60
finish
