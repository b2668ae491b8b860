# Runtime power management of idle PFs: the second igb card may sleep while nobody has a VF of it. It goes to sleep, and nothing of
# ours wakes it, whoever dies; a partition that asks for its VF wakes it by its start; it sleeps again when that has stopped, and
# after an order; "auto" from outside under a guest is taken back; what the host uses stays up; NVMe's driver takes no part.
SCENARIO=power
. /share/job.d/lib.sh
PEER_PF=0000:02:00.0
DEVICE=/sys/bus/pci/devices

host_file 600000 || { fail "parclose host init"; finish; }
net=$(card $NET_PF) peer=$(card $PEER_PF) nvme=$(card $NVME_PF)
AUTOSTART=no partition two 1 192 "addr=10.0.9.12/24 ping=10.0.9.1" "$(vf "$peer" 0 'mac="52:54:00:00:02:00"')"
check "parclose up" parclose up --timeout 60
check "all PFs are ready" wait_for 60 eval 'both_ready && ready $PEER_PF'
ip addr replace 10.0.9.1/24 dev "$(ls $DEVICE/$NET_PF/net)" # the host's, and who is pinged

is() { [ "$(cat "$DEVICE/$1/power/$2")" = "$3" ]; } # PF FILE WORD
asleep() { is $PEER_PF control auto && is $PEER_PF runtime_status suspended; }
awake() { is $PEER_PF control on && is $PEER_PF runtime_status active; }
is_judged() { [ "$(parclose devices --json | jq -r ".cards[] | select(.card==\"$1\") | .readiness")" = "$2" ]; }
written() { grep "device write" /var/log/parclose.log | tail -n +$(($1 + 1)) | sed 's/.*device write: //; s/ (trans.*//'; }
slept_ms() { cat $DEVICE/$PEER_PF/power/runtime_suspended_time; }
vfs_of_peer() { ls -d $DEVICE/$PEER_PF/virtfn* | wc -l; }

say "nobody has asked for it: all are kept awake, and nothing was written for it"
for pf in $NET_PF $PEER_PF $NVME_PF; do check "$pf is on" is $pf control on; done
equal "no write of power" "" "$(written 0 | grep power/)"
count=$(vfs_of_peer)

say "an edit of devices.xml: the second card may sleep"
sed "/<device address=\"$PEER_PF\"/,/<\/device>/ s/idle-power=\"on\"/idle-power=\"auto\"/" /run/parclose/devices.xml >/run/parclose/power.new
mv /run/parclose/power.new /run/parclose/edit/power.xml
gone() { [ ! -e /run/parclose/edit/power.xml ]; }
check "it is taken" wait_for 10 gone
check "it is no refusal" [ ! -e /run/parclose/edit/power.xml.error ]
check "it sleeps" wait_for 30 asleep
equal "in D3hot" D3hot "$(cat $DEVICE/$PEER_PF/power_state)"
equal "with its VFs" "$count" "$(vfs_of_peer)"
check "that is its readiness" wait_for 5 is_judged "$peer" asleep
check "devices.xml has it" wait_for 5 grep -q 'power="asleep" power-control="auto"' /run/parclose/devices.xml
check "and what is wanted" grep -q 'idle-power="auto"' /run/parclose/devices.xml
check "and its capabilities, as read before" eval 'grep -A60 "<device address=\"$PEER_PF\"" /run/parclose/devices.xml | grep -q "<capability "'
written 0 | tail -3
parclose devices | grep -E "CARD|$peer|$nvme"

say "nothing wakes it"
before=$(tcb_writes) from=$(slept_ms) at=$(date +%s%N)
sleep 8
parclose devices >/dev/null
for kind in $KINDS; do
    old=$(pid_of "$kind")
    kill -9 "$old"
    another() { [ -n "$(pid_of "$kind")" ] && [ "$(pid_of "$kind")" != "$old" ] && is_judged "$peer" asleep; }
    check "$kind dies and comes back: asleep" wait_for 30 another
done
sleep 2
slept=$(($(slept_ms) - from)) passed=$((($(date +%s%N) - at) / 1000000))
echo "slept $slept of $passed ms"
check "it slept all the time ($slept of $passed ms)" [ $((passed - slept)) -lt 500 ]
equal "nothing was written" "" "$(written "$before")"

say "a partition asks for its VF"
before=$(tcb_writes) at=$(date +%s%N)
check "it starts" parclose start two --wait --timeout 90
echo "started after $((($(date +%s%N) - at) / 1000000)) ms"
check "its PF is awake" awake
check "and ready" ready $PEER_PF
written "$before"
check "that was the first write" eval '[[ $(written "$before" | head -1) == *$PEER_PF/power/control\ \<-\ on:\ ok ]]'
check "the VF has its address" eval 'ip link show dev "$(ls $DEVICE/$PEER_PF/net)" | grep "vf 0 " | grep -q 52:54:00:00:02:00'
check "it pings" wait_for 120 guest_said two "ping sent=[1-9][0-9]* received=[1-9]"

say "somebody else says auto under the guest"
before=$(tcb_writes)
echo auto >$DEVICE/$PEER_PF/power/control
check "it is on again" wait_for 5 is $PEER_PF control on
equal "by one write" "/sys/bus/pci/devices/$PEER_PF/power/control <- on: ok" "$(written "$before")"
check "which the audit log has" eval 'parclose audit | grep -q "pf-wake"'
received=$(guest_count two "ping sent" received)
more() { [ "$(guest_count two "ping sent" received)" -gt "$received" ]; }
check "the guest goes on" wait_for 30 more
equal "its PF was not lost" "" "$(parclose audit | grep 'outage begun')"

say "it stops"
check "two is stopped" parclose stop two --force
check "its PF sleeps again" wait_for 40 asleep
check "that is its readiness" wait_for 5 is_judged "$peer" asleep

say "it is started again"
before=$(tcb_writes)
check "it starts" parclose start two --wait --timeout 90
written "$before"
check "its attributes are written again, though the driver has not forgotten them" \
    eval 'written "$before" | grep -q "VF 0 <- mac 52:54:00:00:02:00: ok"'
check "it pings" wait_for 120 guest_said two "ping sent=[1-9][0-9]* received=[1-9]"
check "two is stopped" parclose stop two --force
check "its PF sleeps again" wait_for 40 asleep

# igb takes a link for a use. It turns the link off with its interface, which the emulated card does not know: there the link is back
# half a second later, and a card whose interface was not up before stays awake. So that its driver looks in time, it is taken down.
say "orders"
check "restarted" parclose pf restart "$peer"
equal "its VFs are there" "$count" "$(vfs_of_peer)"
check "it may sleep again" wait_for 15 eval 'is $PEER_PF control auto && is_judged "$peer" asleep'
interface=$(ls $DEVICE/$PEER_PF/net)
ip link set "$interface" up
check "who takes its interface up has it" wait_for 10 eval '[ "$(cat /sys/class/net/$interface/carrier)" = 1 ] && ready $PEER_PF'
before=$(tcb_writes)
ip link set "$interface" down
check "it sleeps again" wait_for 40 asleep
equal "nothing was written for that" "" "$(written "$before")"
check "disabled, while it sleeps" parclose pf disable "$peer"
check "enabled" parclose pf enable "$peer"
equal "its VFs are there" "$count" "$(vfs_of_peer)"
check "it may sleep again" wait_for 15 eval 'is $PEER_PF control auto && is_judged "$peer" asleep'
check "kept awake" parclose pf idle-on "$peer"
check "it is woken" wait_for 10 awake
check "and ready" wait_for 10 ready $PEER_PF

say "what has a use besides its VFs stays awake"
check "the card with the host's address may sleep" parclose pf idle-auto "$net"
check "so may the NVMe one" parclose pf idle-auto "$nvme"
check "both are in auto" wait_for 15 eval 'is $NET_PF control auto && is $NVME_PF control auto'
sleep 8
for pf in $NET_PF $NVME_PF; do check "$pf is awake" is $pf runtime_status active; done
check "both are ready" both_ready
check "the host's address is reached" ping -c1 -W2 10.0.9.1
for card in "$net" "$nvme"; do check "$card is kept awake again" parclose pf idle-on "$card"; done
check "both are on" wait_for 10 eval 'is $NET_PF control on && is $NVME_PF control on'

check "the map is right" parclose db check
parclose audit | grep -E "pf-sleep|pf-wake|pf-idle" | tail -20
parclose down --timeout 60
finish
