# From the last event that the gate waits for to the thaw, beside gate-floor, one round of each in turn.
# bench-gate.sh [ROUNDS]: prints "ROUND ours NS floor NS"
SCENARIO=bench-gate
. /share/job.d/lib.sh
ROUNDS=${1:-20}

host_file 600000 || exit 1
export AUTOSTART=no
partition one 1 256 "" "$(vf "$(card $NVME_PF)" 0)" "$(vf "$(card $NET_PF)" 0)"
parclose up --timeout 120 || exit 1
wait_for 60 both_ready
for round in $(seq "$ROUNDS"); do
    only_the_gate
    sleep 1
    floor=$($LIBEXEC/tests/gate-floor /var/lib/parclose /sys/fs/cgroup/gate-floor 1)
    echo $NVME_PF >/sys/bus/pci/drivers/nvme/bind
    wait_for 60 is_phase one running || { fail "round $round: it does not go on"; finish; }
    echo "ROUND ours $(field one .gate_latency_ns) floor $floor"
    parclose stop one --force >/dev/null
    wait_for 30 is_phase one defined
    wait_for 30 both_ready
done
parclose down --timeout 60
finish
