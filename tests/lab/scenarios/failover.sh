# A stand-by takes the place of a VF: the first's PF does not come back (its interface was moved into another network
# namespace), the ladder is spent, the guest loses one network device and finds another one with the same MAC address. Nothing
# goes back by itself; a reload without the stand-by does. Control dies in the middle of it. A partition that starts begins on
# the stand-by once its ladder is spent.
SCENARIO=failover
. /share/job.d/lib.sh
PEER_PF=0000:02:00.0
MAC=52:54:00:00:01:00

host_file || { fail "parclose host init"; finish; }
net=$(card $NET_PF) peer=$(card $PEER_PF) nvme=$(card $NVME_PF)
disk=$(vf "$nvme" 0)
both="<vf card=\"$net\" index=\"0\" mac=\"$MAC\"><standby card=\"$peer\" index=\"0\"/></vf>"
define() { ATTRIBUTES=${POLICY:-} partition one 1 256 "nvme=loop hot=10.0.9.11/24" "$disk" "$@"; }
pong() { [ "$(guest_count one "bus devices" pong)" = 1 ]; }
on_bus() { [ "$(guest_count one "bus devices" devices)" = "$1" ]; }
uses() { [ "$(field one ".vfs[] | select(.card==\"$1\") | .in_use")" = true ]; } # CARD
owners() { parclose devices --json | jq -r ".cards[] | select(.card==\"$1\") | .vfs[] | select(.index==0) | .owner.kind"; }
opened() { parclose devices --json | jq -r ".cards[] | select(.card==\"$1\") | .vfs[] | select(.index==0) | .open"; }
failovers() { parclose audit | grep -c "failover begun.*partition one"; }
netdev=$(ls /sys/bus/pci/devices/$NET_PF/net) netdev_peer=$(ls /sys/bus/pci/devices/$PEER_PF/net)
ip netns add away
take_away() { ip link set "$netdev" netns away; }
lose() { # no driver may have it: no rung brings it back
    echo none >/sys/bus/pci/devices/$NET_PF/driver_override
    echo $NET_PF >/sys/bus/pci/devices/$NET_PF/driver/unbind
}
give_back() { ip -n away link set "$netdev" netns 1; }
errors() { guest_count one "nvme writes" errors; }

define "$both"
check "parclose up" parclose up --timeout 120
ip addr replace 10.0.9.1/24 dev "$netdev_peer"
check "the guest has network over its first VF" wait_for 120 pong
check "it has two VFs on its bus" on_bus 3
check "show says which one is in use" eval "uses $net && ! uses $peer"
parclose show one | grep -E "stand-by|on outage"

# not before: PFs need longer than that to come up
sed -i -E 's/(<rung number="[0-9]" after-ms=")[0-9]+/\11000/; s/budget="[0-9]+"/budget="1"/' $CONFIG/host.xml
check "the ladder is short now" parclose reload

say "the first's PF is lost for good"
start=$(date +%s%3N)
take_away
check "the PF is not ready" wait_for 10 not_ready $NET_PF
check "the stand-by is in use" wait_for 60 uses "$peer"
echo "ladder spent after $(($(date +%s%3N) - start)) ms"
kill -9 "$(pid_of control)"
check "control is back" wait_for 20 all_alive
check "the guest has network over the stand-by" wait_for 90 eval '[ "$(opened "$peer")" = true ] && pong'
echo "network again $(($(date +%s%3N) - start)) ms after the loss"
check "it has two VFs on its bus" wait_for 20 on_bus 3
equal "one entry says so" 1 "$(failovers)"
equal "its PF has the address" "$MAC" "$(ip link show "$netdev_peer" | sed -n "s|.*vf 0 *link/ether \([0-9a-f:]*\) .*|\1|p")"
parclose show one | tail -5

say "its PF is back: nothing goes back by itself"
give_back
check "the PF is ready" wait_for 60 ready $NET_PF
sleep 5
check "the stand-by is in use still" uses "$peer"
check "the guest has network" wait_for 20 pong
check "the first has no address there" wait_for 30 eval "! ip link show '$netdev' | grep -q 'vf 0.*$MAC'"

say "a reload without the stand-by goes back"
define "$(vf "$net" 0 "mac=\"$MAC\"")"
check "the definition is taken while it runs" parclose reload
check "the first is in use" wait_for 60 uses "$net"
ip addr del 10.0.9.1/24 dev "$netdev_peer"
ip addr replace 10.0.9.1/24 dev "$netdev"
check "the stand-by belongs to nobody" wait_for 60 eval '[ "$(owners "$peer")" = interconnect ]'
check "the guest has network over its first VF" wait_for 60 pong
equal "no I/O error of the VF that stayed" 0 "$(errors)"

say "a partition that starts while its first PF is away begins on the stand-by"
check "it stops" parclose stop one --force
define "$both"
parclose reload
lose
check "the PF is not ready" wait_for 10 not_ready $NET_PF
parclose start one
check "it runs on the stand-by" wait_for 90 eval "is_phase one running && uses $peer"
ip addr replace 10.0.9.1/24 dev "$(ls /sys/bus/pci/devices/$PEER_PF/net)" # the third rung reset it: a new interface
check "it has network" wait_for 120 pong
check "parclose db check" parclose db check
parclose down --timeout 60
finish
