# Runs in L1, see in_lab.sh. PF 01:00.0 is an igb, 03:00.0 an NVMe.
BAD=0
check() { # WHAT COMMAND…
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then echo "PASS monitor: $what"; else
        echo "FAIL monitor: $what"
        BAD=1
    fi
}
make_vfs() {
    local pf=/sys/bus/pci/devices/0000:01:00.0 nvme=/sys/bus/pci/devices/0000:03:00.0 dev f bdf
    echo 0 >$pf/sriov_drivers_autoprobe
    echo 0 >$nvme/sriov_drivers_autoprobe
    echo 2 >$pf/sriov_numvfs
    dev=$(ls $pf/net)
    ip addr replace 10.0.9.1/24 dev "$dev"
    ip link set "$dev" up
    for f in 0 1; do ip link set "$dev" vf $f mac 52:54:00:bb:00:0$f; done
    echo 1 >$nvme/sriov_numvfs
    dev=/dev/$(basename $nvme/nvme/nvme*)
    nvme virt-mgmt "$dev" -c 1 -r 0 -a 8 -n 2
    nvme virt-mgmt "$dev" -c 1 -r 1 -a 8 -n 1
    nvme virt-mgmt "$dev" -c 1 -a 9
    for f in $pf/virtfn* $nvme/virtfn*; do
        bdf=$(basename "$(readlink -f "$f")")
        echo vfio-pci >"/sys/bus/pci/devices/$bdf/driver_override"
        echo "$bdf" >/sys/bus/pci/drivers_probe
    done
}
CMDLINE="console=ttyS0 quiet panic=-1 mitigations=off"
guest() { # NAME VCPUS PCPUS KERNEL WORDS OPTION…: mini-lead's output goes to NAME.log
    local name=$1 vcpus=$2 pcpus=$3 kernel=$4 words=$5
    shift 5
    ./mini-lead --name "$name" --vcpus "$vcpus" --pcpu "$pcpus" --seconds 90 --console "$name.console" "$@" ./parclose-monitor \
        "/l2/vmlinuz$kernel" "/l2/initrd$kernel" "$CMDLINE $words" 2>&1 | tr -d '\r' >"$name.log"
}
all_gone() { # the children of a killed spawner need a moment to give their memory back
    for _ in $(seq 50); do
        pgrep parclose-monito || break
        sleep 0.2
    done
    ! pgrep parclose-monito && ! ls -d /sys/fs/cgroup/{a,b,off,reboot,big} 2>/dev/null
}
make_vfs >/dev/null 2>&1

# Lines with numbers while processes die: each number must come out once.
lines='say:for i in $(seq 1 120); do echo L${i}x; done; ping -c 20 -i 0.2 10.0.9.1; true'
deaths=()
for i in 10 40 70 100; do
    deaths+=(--at "L${i}x=>vcpu:0" --at "L$((i + 8))x=>main" --at "L$((i + 16))x=>vcpu:1")
done
guest a 2 1,2 "" "addr=10.0.9.11/24 nvme=once" --vf 0000:01:10.0 --vf 0000:03:00.1 --until "status 0" \
    --at "built=>main" --at "gate=>vcpu:0" --at "gate=>hostile" --at "serving=>$lines" "${deaths[@]}" \
    --at "seq=3 =>refreeze" --at "seq=9 =>main" --at "seq=12 =>vcpu:0" &
guest b 1 3 -bookworm "addr=10.0.9.12/24" --vf 0000:01:10.2 --until "report done" &
wait
check "no exit and no write before the gate" grep -q "exits 0 then 0, memory unchanged" a.log
check "two vCPUs, Debian 13's kernel, igb VF" grep -qE "kernel 6\.12.* cpus 2 " a.log
check "NVMe VF: written and read back" grep -q "nvme once .*errors=0" a.log
check "Debian 12's kernel, igb VF" grep -q "net eth0 mac 52:54:00:bb:00:01" b.log
check "every character comes once, whoever dies" \
    [ "$(tr -d '\r' <a.console | grep -xE 'L[0-9]+x')" = "$(seq -f L%gx 120)" ]
check "no packet lost by deaths and a freeze" grep -q "20 packets received, 0% packet loss" a.log
check "frozen is frozen" grep -q "frozen: 0 exits" a.log
check "hostile messages end nothing" grep -q "message refused" a.log
check "main died and came back" [ "$(grep -c "main replaced" a.log)" -ge 6 ]

guest off 1 3 "" end=poweroff
guest reboot 1 1 "" end=reboot
check "power off" grep -q "exit reason 1 " off.log
check "reboot" grep -q "exit reason 2 " reboot.log
guest dog 1 1 "" watchdog=6 --at "now no more=>main" &
guest dog12 1 2 -bookworm watchdog=6 &
guest oops 1 3 "" end=panic &
wait
for log in dog dog12; do
    check "$log: a watchdog that is fed does not bite" grep -q "watchdog fed for 6 s" $log.log
    check "$log: one that is not fed does, whoever died meanwhile" grep -q "exit reason 7 " $log.log
done
check "panic" grep -q "exit reason 3 " oops.log
guest big 2 1,2 "" "" --memory 3584 --wait 1 --until "status 0" --at "serving=>button" \
    --at "report done=>say:sleep 1; grep Ged /proc/interrupts; grep RAM /proc/iomem; true"
check "memory around the PCI hole" grep -q "100000000-11fffffff : System RAM" big.log
check "the power button interrupts" grep -qE "24: .* 1 .*ACPI:Ged" big.log
guest lone 1 3 "" "" --until "status 0" --at "report done=>lead" --at "serving=>say:true"
check "lead's end of the link is closed: the guest goes on" grep -q "status 0" lone.log
# Its PF is reset from outside: the VF's registers and vectors are gone, and its carrier stays up. The monitor mends the VF,
# the PF's driver begins anew with its interface, the guest's driver then by itself.
pf=/sys/bus/pci/devices/0000:01:00.0
pings='say:b=0; n=0; g=0; while [ $g -lt 5 ]; do if ping -c 1 -W 1 10.0.9.1 >/dev/null; then [ $n = 0 ] && b=$((b+1)) || g=$((g+1))'
pings+='; else n=$((n+1)); fi; echo P${b}x N${n}x; sleep 0.2; done; echo "after $n ba""ck again"'
again='dev=$(ls '$pf'/net); ip link set $dev down; ip link set $dev up'
guest mend 1 3 "" "addr=10.0.9.11/24" --vf 0000:01:10.0 --until "back again" --at "serving=>$pings" \
    --at "P5x=>run:echo 1 >$pf/reset" --at "N4x=>mend:0000:01:10.0" --at "N4x=>run:$again"
check "a VF that was reset behind its back is mended, with its guest kept" grep -qE "after ([4-9]|1[0-9]|2[0-9]) back again" mend.console
check "no process is left, no cgroup of those that ended in order" all_gone
[ $BAD = 0 ] || for f in ./*.log a.console; do echo "== $f"; tail -n 60 "$f"; done
exit $BAD
