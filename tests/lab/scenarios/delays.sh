# The gate under delay: partition one is complete but for its NVMe PF, which is ready after 0, 1, 10 and 60 s; never; or is
# bound and lost again at once, five times. One line a cell, "expected … observed …"; what is expected was written before the
# first run:
#   waits     its phase is waiting, it is not past the gate, its vCPUs made no exit, the reason names the PF and its driver,
#             at each look (the last one right before the PF is bound); nothing of it is looked at when there is no delay
#   rungs N   the ladder's rungs that were taken: by host.xml three times the first, twice the second, the third, error
#   runs      once the PF is ready
# The figure beside: readiness to thaw, over gate-floor (one fdatasync, five socket hops, one write to cgroup.freeze).
# delays.sh [ROUNDS]: of the delays; one says whether they are as expected, ./dev bench delays takes more for its ratio.
SCENARIO=delays
. /share/job.d/lib.sh
NVME=/sys/bus/pci/devices/$NVME_PF

waits() {
    local reason
    reason=$(field one .waiting_for)
    is_phase one waiting && ! entered one ProcessorsAttached && [ "$(exits one)" = 0 ] && [[ $reason == *$NVME_PF*driver* ]]
}
# waits_for SECONDS: prints what is seen all the time
waits_for() {
    local end=$((SECONDS + $1))
    while [ $SECONDS -lt $end ]; do
        waits || { echo "$(phase one), $(exits one) exits, $(field one .waiting_for)"; return; }
        sleep 0.5
    done
    echo waits
}
rungs() { parclose audit | grep -c "rung begun" || true; }
runs() { wait_for 60 is_phase one running && wait_for 120 guest_said one "L2: report done" && echo runs || phase one; }
bind() { echo $NVME_PF 2>/dev/null >/sys/bus/pci/drivers/nvme/bind; }
over_floor() {
    local floor
    floor=$($LIBEXEC/tests/gate-floor /var/lib/parclose /sys/fs/cgroup/gate-floor 1)
    echo "$(field one .gate_latency_ns) $floor" | awk '{ printf "%.2f", $1 / $2 }'
}
cell() { # NAME EXPECTED OBSERVED FIGURE
    if [ "$2" = "$3" ]; then pass "$1: expected $2 observed $3, $4"; else fail "$1: expected $2 observed $3, $4"; fi
}
again() {
    parclose stop one --force >/dev/null
    wait_for 30 is_phase one defined && wait_for 60 both_ready
}

after() { # SECONDS
    local seen before
    only_the_gate >/dev/null
    before=$(rungs)
    seen=$(waits_for "$1")
    bind
    seen+=", rungs $(($(rungs) - before)), $(runs)"
    cell "ready after $1 s" "waits, rungs 0, runs" "$seen" "readiness to thaw $(over_floor) times the floor"
    again
}

lost_again() {
    local seen=waits round
    only_the_gate >/dev/null
    for round in 1 2 3 4 5; do
        bind
        echo $NVME_PF >$NVME/driver/unbind
        wait_for 10 not_ready $NVME_PF
        [ "$seen" != waits ] || seen=$(waits_for 2)
    done
    bind
    cell "bound and lost again at once" "waits, runs" "$seen, $(runs)" "five times"
    again
}

# No driver may have the PF: whoever binds it fails.
never() {
    local seen before
    sed -i -E 's/(<rung number="([1-4])" after-ms=")[0-9]+/\1\2500/' $CONFIG/host.xml
    parclose reload >/dev/null
    before=$(rungs)
    echo none >$NVME/driver_override
    only_the_gate >/dev/null
    wait_for 90 eval '[ "$(rungs)" -ge $((before + 7)) ]' || true
    sleep 5
    seen="rungs $(($(rungs) - before)), $(phase one), $(exits one) exits"
    parclose show one | head -12
    echo >$NVME/driver_override
    bind
    cell "never, then by hand" "rungs 7, waiting, 0 exits, runs" "$seen, $(runs)" "$(field one .rung)"
    again
}

host_file 600000 || { fail "parclose host init"; finish; }
export AUTOSTART=no
partition one 1 192 "" "$(vf "$(card $NVME_PF)" 0)" "$(vf "$(card $NET_PF)" 0)"
check "parclose up" parclose up --timeout 120
check "both PFs are ready" wait_for 60 both_ready
for _ in $(seq "${1:-1}"); do
    for seconds in 0 1 10 60; do after $seconds; done
done
lost_again
never
check "the map is right" parclose db check
parclose down --timeout 60
finish
