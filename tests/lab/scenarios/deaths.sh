# kill -9 of each infrastructure process in turn, boot included, ROUNDS times each, while two guests ping each other
# over VFs and one writes to NVMe: no lost ping, no I/O error. Then all of them at once. Around each kind's deaths not one
# write reaches a device: counted in the TCB's log here, and in the emulator's trace between the marks by the suite.
# deaths.sh [ROUNDS]
SCENARIO=deaths
. /share/job.d/lib.sh
ROUNDS=${1:-20}

host_file || { fail "parclose host init"; finish; }
two_partitions "ping=10.0.9.12 nvme=loop" "ping=10.0.9.11"
check "parclose up" parclose up --timeout 120
for p in one two; do
    check "$p pings over its VF" wait_for 180 guest_said $p "ping sent=[1-9][0-9]* received=[1-9]"
done
check "one writes to NVMe" wait_for 60 guest_said one "nvme writes=[1-9]"
partition_pids() { for p in one two; do field $p .monitor_pid; field $p '.vcpu_pids[]'; done; }
pids=$(partition_pids)

# died KIND: kill -9, then wait until a new one is up and all the others are
back() { local now; now=$(pid_of "$1"); [ -n "$now" ] && [ "$now" != "$2" ] && all_alive; }
died() {
    local old
    old=$(pid_of "$1")
    kill -9 "$old"
    wait_for 30 back "$1" "$old"
}

all_back() { local kind; for kind in boot $KINDS; do back "$kind" "${old[$kind]}" || return; done; }
all_died() {
    local kind
    local -A old
    for kind in boot $KINDS; do old[$kind]=$(pid_of "$kind"); done
    kill -9 "${old[@]}"
    wait_for 60 all_back
}
died_of() { if [ "$1" = all ]; then all_died; else died "$1"; fi; }

number=0x20
for kind in sr-pcim control command tcb lead boot all; do
    say "kill -9 parclose-$kind, $ROUNDS times"
    writes=$(tcb_writes) ok=0
    mark $((number += 1))
    for _ in $(seq "$ROUNDS"); do died_of "$kind" && ok=$((ok + 1)); done
    equal "$kind came back each time, all well" "$ROUNDS" "$ok"
    check "$kind: the PFs are ready" wait_for 30 both_ready
    mark $((number += 1))
    equal "$kind: no device write was made because of it" "$writes" "$(tcb_writes)"
    equal "$kind: monitors and vCPUs are the same processes" "$pids" "$(partition_pids)"
done

sleep 7
say "what the guests counted"
for p in one two; do
    guest_last $p "ping sent"
    sent=$(guest_count $p "ping sent" sent)
    equal "$p: no ping lost of $sent" 0 "$(guest_count $p "ping sent" lost)"
    check "$p: pings went on to the end" [ "$(guest_count $p "ping sent" received)" -ge $((sent - 50)) ]
    check "$p: it counted all the while" [ "$sent" -gt $((ROUNDS * 7)) ]
done
guest_last one "nvme writes"
equal "one: no I/O error" 0 "$(guest_count one "nvme writes" errors)"
check "one: it wrote all the while" [ "$(guest_count one "nvme writes" writes)" -gt $((ROUNDS * 7)) ]
check "no guest saw an error" eval '! console one | grep -qiE "i/o error|timeout|oops|panic" && ! console two | grep -qiE "timeout|oops|panic"'
parclose list --all
parclose down --timeout 60
finish
