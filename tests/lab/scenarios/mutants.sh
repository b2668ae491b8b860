# The proofs have mutants: with each deliberate fault the checks of the other scenarios must fail.
SCENARIO=mutants
. /share/job.d/lib.sh
mutant control gate-ignores-pf
mutant tcb extra-write

host_file 600000 || { fail "parclose host init"; finish; }
export AUTOSTART=no
two_partitions "" ""
check "parclose up" parclose up --timeout 120
check "both PFs are ready" wait_for 60 both_ready

say "a gate that ignores a partition's first PF"
only_the_gate
wait_for 40 entered one ProcessorsAttached
check "gate mutant: it goes past the gate with a PF not ready" entered one ProcessorsAttached
check "gate mutant: the exit counters of KVM see it" wait_for 10 eval '[ "$(exits one)" -gt 0 ]'
echo $NVME_PF >/sys/bus/pci/drivers/nvme/bind

# What tells of it is what deaths.sh asks: the TCB's log here, the emulator's trace between the marks in the suite.
number=0x20
for kind in sr-pcim control; do
    say "a TCB that writes when $kind comes back"
    wait_for 30 both_ready
    sleep 2
    writes=$(tcb_writes) old=$(pid_of $kind)
    mark $((number += 1))
    kill -9 "$old"
    wait_for 20 eval '[ "$(pid_of $kind)" != "$old" ] && all_alive && both_ready'
    sleep 1
    mark $((number += 1))
    check "TCB mutant: the needless write is in the TCB's log ($kind)" [ "$(tcb_writes)" -gt "$writes" ]
done
parclose down --timeout 60
finish
