# VFs of a running guest come and go with its definition: one whose PF is not ready waits behind the gate and comes when it
# is; one that goes is given up by the guest, and belongs to nobody then; a guest that does not give up loses it after 30 s;
# processes of Parclose die in the middle of it; the I/O of the VF that stays has no error.
# hotplug.sh [ROUNDS]
SCENARIO=hotplug
. /share/job.d/lib.sh
ROUNDS=${1:-4}

host_file || { fail "parclose host init"; finish; }
net=$(card $NET_PF) nvme=$(card $NVME_PF)
disk=$(vf "$nvme" 0) nic=$(vf "$net" 0 'mac="52:54:00:00:01:00"')
with() { partition one 1 256 "nvme=loop hot=10.0.9.11/24 $WORDS" "$@" && parclose reload; }
# owns N: VFs that nobody but partition one has
free_vfs() { parclose list --all --json | jq '.owners[] | select(.name=="interconnect") | .vfs'; }
owns() { [ "$(free_vfs)" = $((ALL - $1)) ]; }
# on_bus N: the guest has N devices on its bus
on_bus() { [ "$(guest_count one "bus devices" devices)" = "$1" ]; }
log_says() { cat /var/log/parclose.log | grep -q "$1"; }

WORDS=""
partition one 1 256 "nvme=loop hot=10.0.9.11/24 $WORDS" "$disk"
check "parclose up" parclose up --timeout 120
check "it writes to NVMe" wait_for 120 guest_said one "nvme writes=[1-9]"
check "it has one VF" wait_for 20 on_bus 2
ALL=$(($(free_vfs) + 1))

say "a VF whose PF is not ready waits"
driver=$(driver_of $NET_PF)
echo $NET_PF >/sys/bus/pci/devices/$NET_PF/driver/unbind
check "the PF is not ready" wait_for 10 not_ready $NET_PF
check "the definition is taken while it runs" with "$disk" "$nic"
check "the VF is the partition's" wait_for 5 owns 2
sleep 5
check "it is not on the guest's bus" on_bus 2
check "the guest runs" is_phase one running
check "show says why" eval "parclose show one | tee /dev/stderr | grep -q 'waiting for.*not bound'"
echo $NET_PF >/sys/bus/pci/drivers/"$driver"/bind
check "it comes when the PF is back" wait_for 60 log_says "VF .* is on the guest's bus"
check "the guest finds it" wait_for 20 on_bus 3
ip addr replace 10.0.9.1/24 dev "$(ls /sys/bus/pci/devices/$NET_PF/net)"
check "it has network" wait_for 60 eval '[ "$(guest_count one "bus devices" pong)" = 1 ]'

say "it goes"
check "the definition is taken while it runs" with "$disk"
check "the guest gives it up" wait_for 20 on_bus 2
check "it belongs to nobody" wait_for 10 owns 1
check "it was not forced" eval '! log_says "does not give a VF up"'
check "parclose db check" parclose db check

say "an NVMe VF there and back while the other one is written to"
check "the definition is taken while it runs" with "$disk" "$(vf "$nvme" 1)"
check "it comes" wait_for 60 on_bus 3
check "the definition is taken while it runs" with "$disk"
check "it goes" wait_for 60 on_bus 2
check "it belongs to nobody" wait_for 20 owns 1

say "apply: there, what cannot be, and back"
# proposes VF_ELEMENT…: partition one's file, in another folder
proposes() { (CONFIG=/tmp/proposed; mkdir -p $CONFIG/partitions; partition one 1 256 "nvme=loop hot=10.0.9.11/24 $WORDS" "$@"); }
NEW=/tmp/proposed/partitions/one.xml OLD=$CONFIG/partitions/one.xml
in_place() { cmp $NEW $OLD && [ ! -e $CONFIG/.apply ]; }
proposes "$disk" "$nic"
check "apply adds a VF to the running partition" parclose apply $NEW
check "it is on the guest's bus" wait_for 20 on_bus 3
check "its file is in its place" in_place
AUTOSTART=no partition two 1 192 "" "$(vf "$nvme" 1)"
check "another one is defined" parclose reload
check "and has a VF" parclose start two
cp $OLD /tmp/before.xml
proposes "$disk" "$nic" "$(vf "$nvme" 1)"
check "apply of a VF that another has is refused" eval '! parclose apply $NEW'
check "it says who has it" eval "parclose apply $NEW | grep -q 'partition two has it'"
check "nothing has changed: the file" cmp /tmp/before.xml $OLD
check "nothing is left of it" [ ! -e $CONFIG/.apply ]
check "nothing has changed: the guest" on_bus 3
check "the other one stops" parclose stop two --force
rm -f $CONFIG/partitions/two.xml
check "it goes" wait_for 20 parclose reload
proposes "$disk"
parclose apply $NEW &
sleep 0.5
kill -9 "$(pid_of control)"
check "apply takes it back although control died" wait $!
check "the guest has given it up" wait_for 20 on_bus 2
check "it belongs to nobody" wait_for 10 owns 1
check "its file is in its place" in_place
check "the audit log has it" eval "parclose audit --kind apply | grep -q apply"

say "apply of devices.xml, of host.xml, and one that is undone"
link_says() { ip link show dev "$(ls /sys/bus/pci/devices/$NET_PF/net)" | grep "vf $1 " | grep -q "$2"; } # INDEX PATTERN
proposes "$disk" "$nic"
check "apply adds a VF to the running partition" parclose apply $NEW
check "it is on the guest's bus" wait_for 20 on_bus 3
# with_vlan VERB: of what devices.xml is now; it may be a newer one until we come
with_vlan() {
    sed 's|<desired mac="52:54:00:00:01:00"|& vlan="7" qos="2"|' /run/parclose/devices.xml >/tmp/devices.xml
    parclose "$1" /tmp/devices.xml >/tmp/planned
}
plans() { with_vlan plan; [ $? = 5 ]; }
check "plan of a devices.xml" wait_for 10 plans
cat /tmp/planned
check "it says what would change" grep -q "vlan.*7" /tmp/planned
check "and changes nothing" eval '! link_says 0 "vlan 7"'
check "apply of it" wait_for 10 with_vlan apply
check "it is on the device" link_says 0 "vlan 7, qos 2"
sed -E 's/(<rung number="[1-4]" after-ms=")[0-9]+/\15000/' $CONFIG/host.xml >/tmp/host.xml
check "plan of a host.xml says what would change" eval "parclose plan /tmp/host.xml | tee /dev/stderr | grep -q 5000"
check "apply of it" parclose apply /tmp/host.xml
check "it is in its place" cmp /tmp/host.xml $CONFIG/host.xml
proposes "$disk"
check "apply takes the VF away" parclose apply $NEW
check "it belongs to nobody" wait_for 20 owns 1
cp $OLD /tmp/before.xml
echo none >/sys/bus/pci/devices/$NET_PF/driver_override
echo $NET_PF >/sys/bus/pci/devices/$NET_PF/driver/unbind
check "a PF is not ready, and no driver may have it" wait_for 10 not_ready $NET_PF
proposes "$disk" "$nic"
check "apply of a VF of it is undone" eval '! parclose apply $NEW >/tmp/undone 2>&1'
cat /tmp/undone
check "the file is what it was" cmp /tmp/before.xml $OLD
check "nothing is left of it" [ ! -e $CONFIG/.apply ]
check "the guest runs as before" on_bus 2
echo >/sys/bus/pci/devices/$NET_PF/driver_override
echo $NET_PF >/sys/bus/pci/drivers/"$driver"/bind
check "the PF is ready again" wait_for 60 ready $NET_PF
check "the VF belongs to nobody" wait_for 20 owns 1
check "parclose db check" wait_for 20 parclose db check

say "$ROUNDS times there and back while processes die"
for n in $(seq "$ROUNDS"); do
    for kind in control lead tcb; do
        with "$disk" "$nic" >/dev/null
        sleep 0.$((n % 10))
        kill -9 "$(pid_of $kind)"
        check "round $n: it comes although $kind died" wait_for 60 on_bus 3
        wait_for 20 all_alive
        wait_for 20 with "$disk" >/dev/null
        sleep 0.$((n % 10))
        kill -9 "$(pid_of $kind)"
        check "round $n: it goes although $kind died" wait_for 60 on_bus 2
        check "round $n: it belongs to nobody" wait_for 20 owns 1
        wait_for 20 all_alive
    done
done
check "parclose db check" parclose db check

say "a guest that does not give up"
check "it stops" parclose stop one --force
WORDS=acpiphp.disable=1
check "the definition" with "$disk" "$nic"
check "it starts" parclose start one --wait --timeout 120
check "it writes to NVMe again" wait_for 120 guest_said one "nvme writes=[1-9]"
check "the definition is taken while it runs" with "$disk"
sleep 10
check "the VF is its own as long as it has time" owns 2
check "show says what it waits for" eval "parclose show one | grep -q 'waiting for.*give it up'"
check "then it is taken" wait_for 40 owns 1
check "and that is said" log_says "does not give a VF up"
check "in its status" eval "parclose show one | grep -q 'reason.*was taken'"
check "and in the audit log" eval "parclose audit | grep -q 'the guest did not give it up'"

equal "no I/O error of the VF that stayed" 0 "$(guest_count one "nvme writes" errors)"
check "no complaint of its kernel" eval '! console one | grep -iE "i/o error|oops|panic|stall|lockup|hung task"'
parclose audit | tail -25
parclose down --timeout 60
finish
