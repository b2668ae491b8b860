# A guest that attacks all that it is given, beside one that works: random writes to every register that is emulated, odd
# configuration space, BARs over memory, its VF switched off and reset while it does DMA, its MSI-X table, virtqueues that
# break every rule, random code on all its processors. It ends or is ignored; its main process does not die of it; the host
# and the other guest notice nothing. Three monitors with one check less must be found.
# hostile.sh [STEPS]
SCENARIO=hostile
. /share/job.d/lib.sh
STEPS=${1:-400}
dpkg -i /share/storage/*.deb >/tmp/dpkg 2>&1 || { fail "qemu-storage-daemon is installed"; tail /tmp/dpkg; finish; }
IN_ORDER="ports strings memory ecam bars decode msix reset registers calls"

host_file || { fail "parclose host init"; finish; }
NET=$(card $NET_PF)
VF=$(vf "$NET" 0 'mac="52:54:00:00:01:00"')
partition good 1 192 "addr=10.0.9.12/24 ping=10.0.9.1 nvme=loop sums" "$(vf "$(card $NVME_PF)" 0)" \
    "$(vf "$NET" 1 'mac="52:54:00:00:01:01"')"
check "parclose up" parclose up --timeout 120
ip addr replace 10.0.9.1/24 dev "$(ls /sys/bus/pci/devices/$NET_PF/net)"
check "the other guest pings over its VF" wait_for 180 guest_said good "ping sent=[1-9][0-9]* received=[1-9]"
check "the other guest writes to NVMe" wait_for 60 guest_said good "nvme writes=[1-9]"
daemons() { for k in boot $KINDS; do pid_of "$k"; done; }
daemons=$(daemons) monitor=$(field good .monitor_pid)

log_lines() { wc -l </var/log/parclose.log; }
since_then() { tail -n +$((lines + 1)) /var/log/parclose.log; }
lines=$(log_lines)
# unharmed WHAT: its own main and vCPU processes live on, and the log is not flooded
unharmed() {
    since_then | grep -aE "replaced|does not survive" && fail "$1: none of its monitor's processes dies"
    equal "$1: few lines in the log" yes "$([ $(($(log_lines) - lines)) -lt 150 ] && echo yes || log_lines)"
    lines=$(log_lines)
}

for name in $IN_ORDER; do
    say "$name"
    check "$name: it begins and ends" attack 180 2 "$name" 1 "$STEPS" "$VF"
    check "$name: to its end, and it found nothing" attack_done "$name"
    equal "$name: it powered off" defined "$(phase hostile)"
    unharmed "$name"
done

# A server that has lost its patience with the guest's rings (direct) closes the connection, and gets another.
disk_begins() { # MODE
    truncate -s 16M /tmp/disk.img
    qemu-storage-daemon --pidfile /run/disk.pid --blockdev driver=file,node-name=disk,filename=/tmp/disk.img \
        --export type=vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,addr.path=/run/disk.sock \
        >/tmp/disk.log 2>&1 &
    check "$1: a server for a disk" wait_for 20 [ -S /run/disk.sock ]
    CHANNELS="<channel name=\"data\" kind=\"block\" mode=\"$1\" server=\"/run/disk.sock\"/>"
}
disk_ends() {
    kill "$(cat /run/disk.pid)"
    wait_for 10 [ ! -e /run/disk.pid ]
    rm -f /run/disk.sock
    unset CHANNELS
}
for mode in confined direct; do
    say "virtqueues, $mode"
    disk_begins $mode
    check "queues, $mode: it begins and ends" attack 180 2 queues 1 "$STEPS"
    check "queues, $mode: to its end, and it found nothing" attack_done queues
    check "queues, $mode: it did attack the disk" grep -a "^H: virtio function" /tmp/hostile
    equal "queues, $mode: it powered off" defined "$(phase hostile)"
    unharmed "queues, $mode"
    check "$mode: its server lives on" kill -0 "$(cat /run/disk.pid)"
    disk_ends
done

say "what ends a guest"
for seed in 1 2 3; do
    check "wild $seed: it ends, or is ended" attack 10 2 wild $seed "$STEPS" "$VF"
    field hostile .reason
    unharmed "wild $seed"
done
check "random code on other processors: it ends, or is ended" attack 10 2 processors 1 "$STEPS" "$VF"
unharmed "random code"
check "triple faults: it is ended" attack 6 1 triple 1 1 "$VF"
check "triple faults: they reboot it, and not in a hurry" \
    eval 'n=$(parclose audit --partition hostile | grep -c "its guest reboots"); echo "$n reboots"; [ $n -ge 1 ] && [ $n -le 8 ]'

say "the host, and the other guest"
before=$(guest_count good "sums done" least)
equal "no daemon died" "$daemons" "$(daemons)"
equal "the other guest's monitor is the same" "$monitor" "$(field good .monitor_pid)"
equal "none of its processes died" 0 "$(field good .vcpu_restarts)"
check "it goes on" wait_for 60 eval '[ "$(guest_count good "sums done" least)" -gt "$before" ]'
equal "no wrong checksum" 0 "$(guest_count good "sums done" errors)"
equal "no I/O error" 0 "$(guest_count good "nvme writes" errors)"
guest_last good "ping sent"
equal "no ping lost" 0 "$(guest_count good "ping sent" lost)"
check "no complaint of its kernel" eval '! console good | grep -iE "i/o error|timeout|oops|panic|stall|lockup|hung task"'
check "no complaint of the host's kernel" eval '! dmesg | grep -E "BUG:|Oops|WARNING:|general protection|Call Trace|hung_task"'
check "parclose db check" parclose db check
check "the VF is as good as new: an ordinary guest starts with it" eval \
    'partition next 1 192 addr=10.0.9.11/24 "$VF" && parclose start next --wait --timeout 60 &&
     wait_for 60 guest_said next "net eth0 mac 52:54:00:00:01:00 .*carrier 1"'
parclose stop next --force

say "monitors with one check less"
# lead looks at the file at each start, in a mount namespace of its own
put_monitor() { cp "$1" $LIBEXEC/new && mv $LIBEXEC/new $LIBEXEC/parclose-monitor; }
cp $LIBEXEC/parclose-monitor /tmp/monitor
for pair in msix-unbound=msix bar-anywhere=bars; do
    put_monitor "$MUTANTS/parclose-monitor.${pair%=*}"
    attack 60 2 "${pair#*=}" 1 "$STEPS" "$VF"
    put_monitor /tmp/monitor
    grep -a "H: BROKEN" /tmp/hostile
    check "mutant ${pair%=*}: the guest finds it" grep -qa "H: BROKEN" /tmp/hostile
    equal "mutant ${pair%=*}: its panic is a failure" failed "$(phase hostile)"
done
disk_begins confined
lines=$(log_lines)
put_monitor "$MUTANTS/parclose-monitor.queue-endless"
attack 180 2 queues 1 "$STEPS"
put_monitor /tmp/monitor
since_then | grep -aE "replaced|does not survive" | tail -3
check "mutant queue-endless: its monitor dies of it, or the guest finds it" \
    eval 'since_then | grep -qaE "replaced|does not survive" || grep -qa "H: BROKEN" /tmp/hostile'
disk_ends
parclose down --timeout 60
finish
