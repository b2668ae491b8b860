# The monitor beside QEMU's microvm and q35, in turns: one stock kernel and initrd booted directly, one vCPU, all of a
# guest's processes on one and the same pCPU. Times are the kernel's own: exec and the first entry into the guest, by
# tracing, which follows only the guest's processes; the guest's init, by a mark when its line has come.
# bench-monitor.sh [ROUNDS]: prints
#   ROUND kind first NS init NS pss KIB cgroup KIB         memory beside the guest's own, once init runs
#   COUNT kind calls N exits N                             system calls, and exits from KVM_RUN, until init runs
#   TOGETHER kind guests N inits NS pss KIB cgroup KIB     started at once, each on a pCPU of its own: the last init
#   SIZE BYTES; FILTERS kind NAME N…                       of the executable; system calls that each process may make
SCENARIO=bench-monitor
. /share/job.d/lib.sh
ROUNDS=${1:-10}
KINDS="ours microvm q35"
MIB=256 TOGETHER=3
MONITOR=$LIBEXEC/parclose-monitor
TOOLS=${TOOLS:-$LIBEXEC/tests}
TRACING=/sys/kernel/tracing
COUNTED="raw_syscalls/sys_enter kvm/kvm_userspace_exit"
CGROUPS=/sys/fs/cgroup/bench
CMDLINE="console=ttyS0 quiet panic=-1 mitigations=off hold"

# Memory of the same kind as ours. Without its option ROM microvm starts no bzImage.
qemu() { # MACHINE
    echo qemu-system-x86_64 -M "$1",memory-backend=ram -accel kvm -cpu host -smp 1 -m $MIB \
        -object memory-backend-memfd,id=ram,size=${MIB}M -nodefaults -no-user-config -display none \
        -kernel /l2/vmlinuz -initrd /l2/initrd -chardev stdio,id=console,signal=off -serial chardev:console
}
# begin KIND CGROUP PCPU: does not return
begin() {
    case $1 in
    ours) exec "$TOOLS/bench-start" "$2" "$3" monitor "$MONITOR" /l2/vmlinuz /l2/initrd $MIB "$CMDLINE" ;;
    microvm) exec "$TOOLS/bench-start" "$2" "$3" exec /usr/bin/$(qemu microvm) -append "$CMDLINE" ;;
    q35) exec "$TOOLS/bench-start" "$2" "$3" exec /usr/bin/$(qemu q35) -append "$CMDLINE" ;;
    esac
}

# guest KIND NAME PCPU: until its init runs; marks that moment
guest() {
    local cgroup=$CGROUPS/$2 line='' console
    mkdir "$cgroup"
    rm -f "/tmp/$2.console"
    mkfifo "/tmp/$2.console"
    exec {console}<>"/tmp/$2.console" # the guest's process has it as well: it can always write
    begin "$1" "$cgroup" "$3" </dev/null >&$console 2>"/tmp/$2.err" &
    until [[ $line == *"L2: init"* ]]; do
        read -r -t 120 -u $console line || { fail "$2 has no init: $(cat "/tmp/$2.err")"; break; }
    done
    echo init >$TRACING/trace_marker
    exec {console}>&-
}
empty() { grep -q "populated 0" "$CGROUPS/$1/cgroup.events"; }
gone() { # NAME
    echo 1 >"$CGROUPS/$1/cgroup.kill"
    wait_for 10 empty "$1" || fail "$1 does not end"
    find "$CGROUPS/$1" -depth -type d -exec rmdir {} +
}

# the guest's memory is the mapping of just its size; prints KiB beside it: PSS, and the cgroup's count
beside() { # NAME
    local cgroup=$CGROUPS/$1 pid
    pid=$(head -1 "$cgroup/vm/cgroup.procs")
    awk -v guest=$((MIB * 1024)) -v current="$(cat "$cgroup/memory.current")" '
        /^Size:/ { size = $2 }
        /^Rss:/ && size == guest { rss += $2 }
        /^Pss:/ && size != guest { pss += $2 }
        END { print "pss", pss, "cgroup", int(current / 1024) - rss }' "/proc/$pid/smaps"
}

# ---- tracing
trigger() { echo "$2" >"$TRACING/events/$1/trigger"; }
trace_off() {
    local event
    trigger kvm/kvm_exit '!disable_event:kvm:kvm_entry' 2>/dev/null
    for event in $COUNTED; do trigger $event '!hist:keys=common_pid' 2>/dev/null; done
    echo 0 >$TRACING/events/enable
    echo >$TRACING/set_event_pid
    echo >$TRACING/trace
}
# the first exit of a guest switches the event of entries off, so that the others cost nothing
trace_times() {
    echo 1 >$TRACING/events/sched/sched_process_exec/enable
    echo 1 >$TRACING/events/kvm/kvm_entry/enable
    trigger kvm/kvm_exit disable_event:kvm:kvm_entry:1
}
trace_counts() {
    local event
    for event in $COUNTED; do trigger $event hist:keys=common_pid; done
}
# ns_until EVENT: from the first exec of a monitor to the last of it
ns_until() {
    awk -v event="$1:" '{ if (!match($0, /[0-9]+\.[0-9]+: /)) next; t = substr($0, RSTART, RLENGTH - 2) }
        /sched_process_exec: filename=[^ ]*(parclose-monitor|qemu-system-x86_64) / && !start { start = t }
        index($0, event) { end = t }
        END { printf "%.0f", (end - start) * 1e9 }' $TRACING/trace
}
hits() { awk '/Hits:/ { print $2 }' "$TRACING/events/$1/hist"; }

# ---- what is measured
round() { # KIND
    trace_off
    trace_times
    guest "$1" one 1
    echo "ROUND $1 first $(ns_until kvm_entry) init $(ns_until tracing_mark_write) $(beside one)"
    [ -z "${VERBOSE:-}" ] || cat $TRACING/trace
    gone one
}
count() { # KIND
    trace_off
    trace_counts
    guest "$1" one 1
    echo "COUNT $1 calls $(hits raw_syscalls/sys_enter) exits $(hits kvm/kvm_userspace_exit)"
    gone one
}
together() { # KIND
    local n
    trace_off
    trace_times
    for n in $(seq $TOGETHER); do guest "$1" "at$n" "$n" & done
    wait_for 180 eval "[ \$(grep -c tracing_mark_write $TRACING/trace) = $TOGETHER ]" || fail "$1: not all have an init"
    echo "TOGETHER $1 guests $TOGETHER inits $(ns_until tracing_mark_write) $(for n in $(seq $TOGETHER); do beside "at$n"; done |
        awk '{ pss += $2; cgroup += $4 } END { print "pss", pss, "cgroup", cgroup }')"
    for n in $(seq $TOGETHER); do gone "at$n"; done
}
filters() {
    local spawner
    guest ours one 1
    spawner=$(pgrep -o -x parclose-monito)
    echo "FILTERS ours spawner $("$TOOLS/bench-filters" "$spawner") main $("$TOOLS/bench-filters" \
        "$(grep -vx "$spawner" $CGROUPS/one/vm/cgroup.procs)") vcpu $("$TOOLS/bench-filters" "$(cat $CGROUPS/one/vcpu/cgroup.procs)")"
    gone one
}

mountpoint -q $TRACING || mount -t tracefs t $TRACING
echo mono >$TRACING/trace_clock
echo 1 >$TRACING/options/event-fork
mkdir -p $CGROUPS
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
echo +memory >$CGROUPS/cgroup.subtree_control
taskset -pc 0 $$ >/dev/null
echo "SIZE $(stat -c %s "$MONITOR")"
for kind in $KINDS; do count "$kind"; done # what they read is in memory afterwards
for n in $(seq "$ROUNDS"); do
    for kind in $KINDS; do round "$kind"; done
done
for kind in $KINDS; do together "$kind"; done
filters
finish
