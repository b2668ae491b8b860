# The processes of a monitor die, KILLS times those of vCPUs and a tenth as often main, while a guest of three vCPUs
# computes checksums on each, writes to NVMe and pings over its VF: no wrong checksum, no I/O error, no lost ping, a right
# clock. By SIGKILL, and a tenth of them by SIGSEGV. One that dies again and again ends its partition, cleanly.
# monitor.sh [KILLS]
SCENARIO=monitor
. /share/job.d/lib.sh
KILLS=${1:-1000}
CGROUP=/sys/fs/cgroup/parclose.slice/one

host_file || { fail "parclose host init"; finish; }
partition one 3 256 "addr=10.0.9.11/24 ping=10.0.9.1 nvme=loop sums" "$(vf "$(card $NVME_PF)" 0)" \
    "$(vf "$(card $NET_PF)" 0 'mac="52:54:00:00:01:00"')"
check "parclose up" parclose up --timeout 120
ip addr replace 10.0.9.1/24 dev "$(ls /sys/bus/pci/devices/$NET_PF/net)"
check "it pings over its VF" wait_for 180 guest_said one "ping sent=[1-9][0-9]* received=[1-9]"
check "it writes to NVMe" wait_for 60 guest_said one "nvme writes=[1-9]"
check "it computes on three processors" wait_for 60 guest_said one "sums done=[1-9].* cpus=3 least=[1-9]"

spawner=$(field one .monitor_pid)
equal "its root is empty" 0 "$(ls -A /proc/"$spawner"/root/ | wc -l)"
equal "it sees no interface" 1 "$(awk "NR > 2" /proc/"$spawner"/net/dev | wc -l)"
# the unit gives the infrastructure -900; without systemd nobody has a score
check "it is killed before the infrastructure when memory is short" [ "$(cat /proc/"$spawner"/oom_score_adj)" -ge -500 ]
equal "it has no capability" 0000000000000000 "$(awk '/^CapEff/ { print $2 }' /proc/"$spawner"/status)"
vcpu_pid() { cat $CGROUP/vcpus/"$1"/cgroup.procs; }
main_pid() { grep -vx "$spawner" $CGROUP/vm/cgroup.procs; }
# killed WHICH PID SIGNAL: and another one is there
another() { local now; now=$($1) && [ -n "$now" ] && [ "$now" != "$2" ]; }
replaced() {
    local which=$1 pid end
    pid=$($which) && [ -n "$pid" ] || return
    kill -"$2" "$pid" || return
    end=$((SECONDS + 10))
    until another "$which" "$pid"; do
        [ $SECONDS -lt $end ] || return
        sleep 0.01
    done
}
vcpu0() { vcpu_pid 0; }
vcpu1() { vcpu_pid 1; }
vcpu2() { vcpu_pid 2; }
signal_of() { [ $(($1 % 10)) = 9 ] && echo SEGV || echo KILL; }

say "$KILLS deaths of vCPUs, $((KILLS / 10)) of main"
clocks() { guest_last one "sums done" | grep -o "${1}_ms=[0-9]*" | cut -d= -f2; }
before_mono=$(clocks monotonic) before_real=$(clocks realtime) before_host=$(date +%s%3N) before=$(guest_count one "sums done" least)
RANDOM=4711 vcpus=0 mains=0
for n in $(seq "$KILLS"); do
    replaced vcpu$((RANDOM % 3)) "$(signal_of "$n")" && vcpus=$((vcpus + 1))
    [ $((n % 10)) != 0 ] || { replaced main_pid "$(signal_of $((n / 10)))" && mains=$((mains + 1)); }
done
equal "each vCPU process that died was replaced" "$KILLS" "$vcpus"
equal "each main that died was replaced" "$((KILLS / 10))" "$mains"
equal "the monitor counted them" "$KILLS" "$(field one .vcpu_restarts)"
equal "the spawner is the same" "$spawner" "$(field one .monitor_pid)"
is_phase one running && pass "it runs" || fail "it runs: $(phase one)"

sleep 7
say "what the guest counted"
guest_last one "sums done"
after=$(guest_count one "sums done" least)
check "each processor went on" [ "${after:-0}" -gt "$before" ]
equal "no wrong checksum" 0 "$(guest_count one "sums done" errors)"
host=$(($(date +%s%3N) - before_host)) mono=$(($(clocks monotonic) - before_mono)) real=$(($(clocks realtime) - before_real))
echo "host $host ms, guest's monotonic clock $mono ms, real-time clock $real ms"
near() { [ $(($1 - host)) -lt 3000 ] && [ $((host - $1)) -lt 3000 ]; }
check "its monotonic clock is right" near "$mono"
check "its real-time clock is right" near "$real"
guest_last one "nvme writes"
equal "no I/O error" 0 "$(guest_count one "nvme writes" errors)"
guest_last one "ping sent"
equal "no ping lost" 0 "$(guest_count one "ping sent" lost)"
check "no complaint of its kernel" eval '! console one | grep -iE "i/o error|timeout|oops|panic|stall|lockup|clocksource.*unstable|mce|hung task"'

say "one that dies again and again"
end=$((SECONDS + 20))
while [ -d $CGROUP ] && [ $SECONDS -lt $end ]; do
    kill -9 "$(vcpu0 2>/dev/null)" 2>/dev/null
done
check "its partition ends" wait_for 20 is_phase one failed
check "and says why" eval 'field one .reason | tee /dev/stderr | grep "dies too often"'
check "nothing of it is left" eval 'wait_for 10 [ ! -d $CGROUP ] && ! pgrep parclose-monito'
check "parclose db check" parclose db check
check "it starts again" parclose start one --wait --timeout 60
parclose down --timeout 60
finish
