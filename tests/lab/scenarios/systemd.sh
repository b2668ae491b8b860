# systemd as L1's init; the package installed here, by apt; the service started through its unit, restarted ROUNDS
# times under guests that ping each other and write to NVMe, and stopped.
SCENARIO=systemd
. /share/job.d/lib.sh
ROUNDS=${1:-20}

wait_for 60 eval 'systemctl is-system-running | grep -qE "running|degraded"'
say "apt-get install"
check "apt installs the package" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq /share/packages/parclose_*.deb
check "the unit waits for a host.xml" eval '! systemctl is-active -q parclose'
host_file || { fail "parclose host init"; finish; }
two_partitions "ping=10.0.9.12 nvme=loop" "ping=10.0.9.11"
check "systemctl start" systemctl start parclose
check "one runs" wait_for 90 is_phase one running
for p in one two; do
    check "$p pings over its VF" wait_for 180 guest_said $p "ping sent=[1-9][0-9]* received=[1-9]"
done
check "one writes to NVMe" wait_for 60 guest_said one "nvme writes=[1-9]"
partition_pids() { for p in one two; do field $p .monitor_pid; field $p '.vcpu_pids[]'; done; }
pids=$(partition_pids) others=$(for k in $KINDS; do pid_of $k; done)

say "systemctl restart, $ROUNDS times"
ok=0
for _ in $(seq "$ROUNDS"); do
    old=$(pid_of boot)
    systemctl restart parclose && [ "$(pid_of boot)" != "$old" ] && wait_for 20 all_alive && ok=$((ok + 1))
done
equal "the service came back each time" "$ROUNDS" "$ok"
equal "the other processes went on" "$others" "$(for k in $KINDS; do pid_of $k; done)"
equal "monitors and vCPUs are the same processes" "$pids" "$(partition_pids)"
say "kill -9 of boot under systemd"
old=$(pid_of boot)
kill -9 "$old"
check "systemd starts boot again, all is well" wait_for 30 eval "[ -n \"\$(pid_of boot)\" ] && [ \"\$(pid_of boot)\" != $old ] && all_alive"
equal "monitors and vCPUs are still the same" "$pids" "$(partition_pids)"

sleep 7
for p in one two; do
    guest_last $p "ping sent"
    equal "$p: no ping lost" 0 "$(guest_count $p "ping sent" lost)"
done
equal "one: no I/O error" 0 "$(guest_count one "nvme writes" errors)"

say "systemctl stop"
check "systemctl stop" systemctl stop parclose
check "nothing is left running" none_left
systemctl --no-pager status parclose | head -12
[ $BAD = 0 ] || journalctl -q -u parclose --no-pager | tail -60
finish
