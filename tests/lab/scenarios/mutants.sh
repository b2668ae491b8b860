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

say "a TCB that writes when SR-PCIM comes back"
wait_for 30 both_ready
sleep 2
writes=$(tcb_writes)
kill -9 "$(pid_of sr-pcim)"
wait_for 20 both_ready
sleep 1
check "TCB mutant: the needless write is in the TCB's log" [ "$(tcb_writes)" -gt "$writes" ]
parclose down --timeout 60
finish
