# Orders of an administrator: a PF is restarted and reset, refused for the sake of a guest and of the host; SR-PCIM is reset with
# a VF in use, whose PF is left alone (the suite counts configuration writes in the emulator's trace between marks 0x21 and 0x22),
# and without, when every PF is reset.
SCENARIO=orders
. /share/job.d/lib.sh
PEER_PF=0000:02:00.0

host_file 600000 || { fail "parclose host init"; finish; }
net=$(card $NET_PF) peer=$(card $PEER_PF) nvme=$(card $NVME_PF)
partition one 1 256 "nvme=loop" "$(vf "$nvme" 0)"
check "parclose up" parclose up --timeout 120
check "one writes to NVMe" wait_for 120 guest_said one "nvme writes=[1-9]"
check "all PFs are ready" wait_for 60 eval 'both_ready && ready $PEER_PF'
pids() { field one .monitor_pid; field one '.vcpu_pids[]'; }
pids=$(pids)
interface() { ls "/sys/bus/pci/devices/$1/net"; }
vfs() { parclose devices --json | jq -r ".cards[] | select(.card==\"$1\") | .vfs_created"; }
written() { grep "device write" /var/log/parclose.log | tail -n +$(($1 + 1)) | sed 's/.*device write: //; s/ (trans.*//'; }
# order EXIT WORDS ARGUMENT…: parclose ARGUMENT… ends with this status and says these words
order() {
    local expected=$1 words=$2 said status
    shift 2
    said=$(parclose "$@" 2>&1)
    status=$?
    echo "parclose $*: $status: $said"
    if [ $status = "$expected" ] && [[ $said == *$words* ]]; then pass "$*: $words"; else fail "$*: expected $expected, $words"; fi
}

say "a PF that nobody uses is restarted, and reset"
count=$(vfs "$peer") before=$(tcb_writes)
order 0 "$peer: restarted in" pf restart "$peer"
equal "its VFs are there again" "$count" "$(vfs "$peer")"
check "it is ready" ready $PEER_PF
written "$before"
before=$(tcb_writes)
order 0 "$net: reset in" pf reset $NET_PF
equal "its VFs are there again" "$count" "$(vfs "$net")"
check "a function-level reset was among the writes" eval "written $before | grep -q '/reset <- 1: ok'"
written "$before"

say "what the host uses is spared"
ip addr replace 10.0.9.1/24 dev "$(interface $PEER_PF)"
before=$(tcb_writes)
order 1 "has an address" pf restart "$peer"
equal "nothing was written" "" "$(written "$before")"
order 0 "restarted in" pf restart "$peer" --force
equal "the address is gone with the interface" "" "$(ip -br -4 addr show dev "$(interface $PEER_PF)" | awk '{print $3}')"

say "a PF is disabled, and enabled under a partition that waits for it"
order 0 "$peer: disabled in" pf disable "$peer"
equal "it has no VFs" 0 "$(vfs "$peer")"
equal "it has no driver" "" "$(driver_of $PEER_PF)"
check "devices.xml says so" wait_for 5 grep -q 'state="disabled"' /run/parclose/devices.xml
AUTOSTART=no partition two 1 192 "addr=10.0.9.12/24" "$(vf "$peer" 0)"
parclose reload && parclose start two
check "who needs it waits" wait_for 20 is_phase two waiting
check "and is told why" eval '[[ $(field two .waiting_for) == *"disabled by an administrator"* ]]'
order 0 "$peer: enabled in" pf enable "$peer"
check "it goes on by itself" wait_for 60 is_phase two running
order 1 "in use by partition two" pf disable "$peer"
check "two is stopped" parclose stop two --force

say "what a guest uses is not touched"
before=$(tcb_writes) n=$(guest_count one "nvme writes" writes)
for what in restart reset; do order 1 "in use by partition one" pf $what "$nvme" --force; done
equal "nothing was written" "" "$(written "$before")"
more() { [ "$(guest_count one "nvme writes" writes)" -gt "$((${n:-0} + ${1:-0}))" ]; }
check "the guest goes on" wait_for 30 more 1

say "SR-PCIM is reset with a VF in use"
before=$(tcb_writes) old=$(pid_of sr-pcim) n=$(guest_count one "nvme writes" writes)
mark 33
order 0 "left alone, VFs in use: $nvme" sr-pcim reset --reason "a test"
mark 34
check "it is another process" [ "$(pid_of sr-pcim)" != "$old" ]
equal "no write to the NVMe PF or a VF of it" "" "$(written "$before" | grep -E '0000:03|nvme0')"
check "the others were reset" eval "written $before | grep -q '$NET_PF/reset' && written $before | grep -q '$PEER_PF/reset'"
check "all are ready" wait_for 10 eval 'both_ready && ready $PEER_PF'
check "the guest goes on" wait_for 30 more 1
equal "without an I/O error" 0 "$(guest_count one "nvme writes" errors)"
equal "its monitor and vCPUs are the same processes" "$pids" "$(pids)"
check "the order is in the audit log" eval 'parclose audit | grep -q "order begun.*sr-pcim-reset" && parclose audit | grep -q "order applied"'

say "SR-PCIM dies by itself: nothing is written"
before=$(tcb_writes)
kill -9 "$(pid_of sr-pcim)"
sleep 1
check "all are ready again" wait_for 20 eval 'both_ready && ready $PEER_PF'
equal "nothing was written" "" "$(written "$before")"

say "SR-PCIM hangs: the watchdog ends it, and PFs that nobody uses are reset"
sed -i -E 's/(<watchdog timeout-ms=")[0-9]+/\13000/' $CONFIG/host.xml
parclose reload
before=$(tcb_writes)
kill -STOP "$(pid_of sr-pcim)"
check "the PFs are reset" wait_for 30 eval "written $before | grep -q '$NET_PF/reset' && written $before | grep -q '$PEER_PF/reset'"
check "all are ready again" wait_for 30 eval 'both_ready && ready $PEER_PF'
equal "no write to the NVMe PF or a VF of it" "" "$(written "$before" | grep -E '0000:03|nvme0')"

say "SR-PCIM is reset without a VF in use"
check "one is stopped" parclose stop one --force
disk=/dev/$(basename "$(echo /sys/bus/pci/devices/$NVME_PF/nvme/nvme*/nvme*n1)" | sed -E 's/c[0-9]+n/n/')
mkswap "$disk" >/dev/null && swapon "$disk"
order 0 "left alone, the host uses it: $nvme" sr-pcim reset
swapoff "$disk"
order 0 "PFs reset: $net, $peer, $nvme" sr-pcim reset
check "all are ready" wait_for 10 eval 'both_ready && ready $PEER_PF'
check "one starts again with what it had" parclose start one --wait --timeout 60
check "it writes" wait_for 120 guest_said one "nvme writes=[1-9]"

parclose audit | grep -E " order | pf-re" | tail -30
check "the map is right" parclose db check
parclose down --timeout 60
finish
