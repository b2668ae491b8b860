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
# the unit gives the infrastructure -900; without systemd nobody has a score
check "it is killed before the infrastructure when memory is short" [ "$(cat /proc/"$spawner"/oom_score_adj)" -ge -500 ]
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

say "what each of its processes has"
status_of() { awk -v name="$2:" '$1 == name { $1 = ""; print substr($0, 2) }' /proc/"$1"/status; } # PID NAME
limit_of() { awk -v name="$2" 'index($0, name) == 1 { print $(NF - 1) }' /proc/"$1"/limits; }
# The files that it may have, of each kind; all processes of a monitor have one table.
FILES='/dev/null|socket:\[[0-9]+\]|pipe:\[[0-9]+\]|/var/log/parclose\.log|/dev/kvm|/dev/vfio/(vfio|[0-9]+)'
FILES+='|/sys/fs/cgroup/parclose\.slice/one/vcpus/[0-9]+|/memfd:(guest|console|partition|channel) \(deleted\)'
FILES+='|anon_inode:(\[eventfd\]|\[pidfd\]|\[vfio-device\]|kvm-vm|kvm-vcpu:[0-9]+|kvm-vcpu-stats:[0-9]+|kvm-vfio|\[kvm-vfio\])|pidfd:\[[0-9]+\]'
strange_files() { for f in /proc/"$1"/fd/*; do readlink "$f"; done | grep -vxE "$FILES"; }
# executable and of no file: nothing but the kernel's own two
anonymous_code() { awk '$2 ~ /x/ && $6 !~ /parclose-monitor|^\[v(dso|syscall)\]$/' /proc/"$1"/maps; }
own_namespaces() { for n in mnt net ipc uts; do [ "$(readlink /proc/"$1"/ns/$n)" != "$(readlink /proc/self/ns/$n)" ] || return; done; }
dumped_memory() { awk '/memfd:guest/ { guest = 1 } /^VmFlags/ { if (guest && !/ dd/) print; guest = 0 }' /proc/"$1"/smaps; }
one_hardened() { # KIND PID FILTERS
    local kind=$1 pid=$2 uid
    uid=$(field one .uid)
    [ -n "$uid" ] && [ "$uid" != null ] || uid=$(stat -c %u $CGROUP/vcpus/0/cgroup.procs)
    equal "$kind: a user of its own" "$uid $uid $uid $uid" "$(status_of "$pid" Uid | tr '\t' ' ')"
    check "$kind: which is no other's" [ "$uid" -ge 65536 ]
    equal "$kind: no other group" "$uid $uid $uid $uid/" "$(status_of "$pid" Gid | tr '\t' ' ')/$(status_of "$pid" Groups | tr -d ' ')"
    equal "$kind: no capability" "" "$(awk '/^Cap/ { print $2 }' /proc/"$pid"/status | tr -d '0\n')"
    equal "$kind: no new privileges, filters" "1 2 $3" "$(status_of "$pid" NoNewPrivs) $(status_of "$pid" Seccomp) $(status_of "$pid" Seccomp_filters)"
    equal "$kind: an empty root" 0 "$(ls -A /proc/"$pid"/root/ | wc -l)"
    equal "$kind: one mount" 1 "$(wc -l </proc/"$pid"/mounts)"
    equal "$kind: no network interface" 1 "$(awk 'NR > 2' /proc/"$pid"/net/dev | wc -l)"
    check "$kind: namespaces of its own" own_namespaces "$pid"
    equal "$kind: no files but its own" "" "$(strange_files "$pid")"
    equal "$kind: no executable anonymous memory" "" "$(anonymous_code "$pid")"
    equal "$kind: nothing both writable and executable" "" "$(awk '$2 ~ /w.*x/' /proc/"$pid"/maps)"
    equal "$kind: guest memory is in no core dump" "" "$(dumped_memory "$pid")"
    equal "$kind: no core dump, few files" "0 1024" "$(limit_of "$pid" "Max core file size") $(limit_of "$pid" "Max open files")"
    check "$kind: a limit on locked memory" [ "$(limit_of "$pid" "Max locked memory")" != unlimited ]
}
# Two filters of the spawner's own, one when it begins and one when it seals; main and the vCPUs were born between: two
# and one to narrow it.
inherited=$(status_of "$(status_of "$spawner" PPid)" Seccomp_filters)
one_hardened spawner "$spawner" $((inherited + 2))
one_hardened main "$(main_pid)" $((inherited + 3))
one_hardened "a vCPU process" "$(vcpu1)" $((inherited + 2))
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
